//! The public listener over TLS: with a certificate of its own, for clients that trust its authority, and for nobody
//! who speaks plainly. The operator's listener stays as it is.

use std::path::Path;

use acceptance::Stage;
use acceptance::sdk_client::SdkClient;
use lienthong::demo::world::AGENCIES;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use serde_json::Value;

/// A self-signed certificate for 127.0.0.1 that may vouch for itself; PEM files `cert.pem` and `key.pem`.
fn certificate(folder: &Path) -> Vec<u8> {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "lienthong test").expect("a name");
    let name = name.build();
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("version");
    let serial = BigNum::from_u32(1).and_then(|n| n.to_asn1_integer()).expect("a serial");
    builder.set_serial_number(&serial).expect("serial");
    builder.set_subject_name(&name).expect("subject");
    builder.set_issuer_name(&name).expect("issuer");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a day")).expect("from");
    builder.set_not_after(&Asn1Time::days_from_now(2).expect("a day")).expect("to");
    builder.set_pubkey(&key).expect("key");
    builder
        .append_extension(BasicConstraints::new().critical().build().expect("constraints"))
        .expect("constraints");
    let san = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None));
    builder.append_extension(san.expect("a name")).expect("a name");
    builder.sign(&key, MessageDigest::sha256()).expect("signed");
    let pem = builder.build().to_pem().expect("PEM");
    std::fs::write(folder.join("cert.pem"), &pem).expect("written");
    std::fs::write(folder.join("key.pem"), key.private_key_to_pem_pkcs8().expect("PEM")).expect("written");
    pem
}

#[tokio::test]
async fn the_public_listener_speaks_tls_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let pem = certificate(folder.path());
    let line = |key: &str, file: &str| format!("{key} = \"{}\"", folder.path().join(file).display());
    let (cert, key) = (line("tls_cert", "cert.pem"), line("tls_key", "key.pem"));
    let stage =
        Stage::open(env!("CARGO_BIN_EXE_lienthong-under-test"), &[("listen", &cert), ("listen", &key)]).await;
    let mut gateway = stage.start().await;
    let url = format!("https://{}/api/v1/documents", stage.world.public);

    let builder = || reqwest::Client::builder().no_proxy();
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let trusting = builder().tls_certs_only([authority.clone()]).build().expect("a client");
    let packet = std::fs::read(stage.letter(1, &[1])).expect("a packet");
    let token = std::fs::read_to_string(stage.world.token_file(0)).expect("a token");
    let accepted = trusting.post(&url).bearer_auth(&token).body(packet).send().await.expect("an answer");
    assert_eq!(accepted.status().as_u16(), 202);
    assert_eq!(trusting.post(&url).send().await.expect("an answer").status().as_u16(), 401);

    let old = builder().tls_certs_only([authority]).tls_version_max(reqwest::tls::Version::TLS_1_2).build();
    let old = old.expect("a client").get(&url).send().await.expect("TLS 1.2 is spoken");
    assert_eq!(old.status().as_u16(), 405);

    let plain = builder().build().expect("a client");
    let plain = plain.get(url.replace("https", "http")).send().await;
    assert!(plain.is_err(), "plain HTTP got an answer");
    assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
}

/// What a system with the SDK asks, on an encrypted connection.
async fn asked(
    https: &reqwest::Client,
    stage: &Stage,
    operation: &str,
    parameter: (&str, &str),
    body: &str,
) -> Value {
    let mut sdk = SdkClient::new(&stage.world.public, "/sdk", "demo.sys.02", "made-up-secret-key");
    sdk.set("Content-Type", "application/json");
    sdk.set(parameter.0, parameter.1);
    let head = sdk.head("POST", operation);
    let mut request = https.post(format!("https://{}/sdk/{operation}", stage.world.public));
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let answer = request.body(body.to_owned()).send().await.expect("an answer");
    serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
}

#[tokio::test]
async fn what_no_signature_covers_is_taken_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let pem = certificate(folder.path());
    let line = |key: &str, file: &str| format!("{key} = \"{}\"", folder.path().join(file).display());
    let (cert, key) = (line("tls_cert", "cert.pem"), line("tls_key", "key.pem"));
    let stage =
        Stage::open(env!("CARGO_BIN_EXE_lienthong-under-test"), &[("listen", &cert), ("listen", &key)]).await;
    std::fs::write(stage.world.folder.join("sdk.secret"), "made-up-secret-key").expect("written");
    let system = AGENCIES[1].system;
    let sdk = format!(
        "\n[systems.{system}.sdk]\nsystem_id = \"demo.sys.02\"\nsecret_file = \"sdk.secret\"\nmailbox = false\n\
         register_agencies = [\"H55.40\"]\n"
    );
    stage.write_more(&sdk, "");
    let mut gateway = stage.start().await;
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let https = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().expect("a client");
    let data = r#"{"code":"H55.40.01","name":"Phòng Một"}"#;
    let answer = asked(&https, &stage, "registerAgency", ("pcode", "H55"), data).await;
    assert_eq!(answer["status"], "OK", "{answer}");
    let waiting = stage.operator(&["agencies", "pending"]);
    assert_eq!(waiting[0]["requests"][0]["code"], "H55.40.01");
    let answer = asked(&https, &stage, "deleteAgency", ("AgencyCode", "H55.40.01"), "{}").await;
    assert_eq!(answer["status"], "OK", "{answer}");
    assert_eq!(stage.operator(&["agencies", "pending"])[0]["requests"], serde_json::json!([]), "taken back");
    assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
}
