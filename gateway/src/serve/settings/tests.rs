//! Trial certificates outside the trial profile, however they are bound; groups of organisations.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509Builder, X509NameBuilder};

use super::*;

/// Loads settings with one organisation bound by the line that `bind` writes of a trial certificate, and these lines in
/// the settings.
fn loaded(
    profile: &str,
    trust: impl Fn(&Path) -> String,
    bind: impl Fn(&Path, &Certificate) -> String,
) -> Result<(), Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = folder.path().join("pki");
    let made = crate::cli::trial_pki(&pki, &["H1"]).map_err(|fault| fault.to_string()).expect("a PKI");
    let pem = std::fs::read(&made[0].certificate).expect("PEM");
    let certificate = Certificate::from_pem(&pem).expect("a certificate").remove(0);
    let directory = format!(
        "[[organisation]]\norgan_id = \"H1\"\nname = \"Một\"\nhome = {{ system = \"a\" }}\n{}\n",
        bind(&made[0].certificate, &certificate)
    );
    std::fs::write(folder.path().join("directory.toml"), directory).expect("written");
    let settings = format!(
        "[gateway]\ndata_dir = \"data\"\norgan_id = \"H55\"\nname = \"T\"\nprofile = \"{profile}\"\n\
         [directory]\nfile = \"directory.toml\"\n[support]\nhotline = \"0\"\n[systems.a]\nname = \"A\"\n\
         [systems.a.vendor_http]\nurl = \"https://a.vn/x\"\nsecret = \"0123456789abcdef\"\n{}",
        trust(&pki)
    );
    let file = folder.path().join("lienthong.toml");
    std::fs::write(&file, settings).expect("written");
    load_all(&file).map(|_| ())
}

fn by_digest(certificate: &Certificate) -> String {
    format!("certificate_sha256 = [\"{}\"]", hex::encode(certificate.sha256()))
}

/// The certificate of an authority without the trial mark, in PEM.
fn authority() -> Vec<u8> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a builder");
    name.append_entry_by_nid(Nid::COMMONNAME, "CA").expect("set");
    let name = name.build();
    let mut builder = X509Builder::new().expect("a builder");
    builder.set_subject_name(&name).expect("set");
    builder.set_issuer_name(&name).expect("set");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("set");
    builder.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("set");
    builder.set_pubkey(&key).expect("set");
    builder.sign(&key, MessageDigest::sha256()).expect("signed");
    builder.build().to_pem().expect("PEM")
}

#[test]
fn a_trial_certificate_is_refused_however_it_is_bound() {
    let none = |_: &Path| String::new();
    let by_file = |path: &Path, _: &Certificate| format!("certificates = [{path:?}]");
    let digest = |_: &Path, certificate: &Certificate| by_digest(certificate);
    let faults = loaded("production", none, by_file).expect_err("trial");
    assert!(faults[0].contains("a trial certificate needs"), "{faults:?}");
    let faults = loaded("production", none, digest).expect_err("nobody vouches for it");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("organisation H1.certificate_sha256: "), "{faults:?}");
    assert!(faults[0].contains("[trust] needs a ca"), "{faults:?}");
    let subject = |_: &Path, certificate: &Certificate| format!("signers = [{:?}]", certificate.subject());
    assert!(loaded("production", none, subject).is_err());
    assert_eq!(loaded("trial", none, by_file), Ok(()));
    assert_eq!(loaded("trial", none, digest), Ok(()));
}

#[test]
fn a_digest_is_taken_where_its_own_set_has_authorities() {
    let digest = |more: &'static str| {
        move |_: &Path, certificate: &Certificate| format!("{more}{}", by_digest(certificate))
    };
    let trial = |pki: &Path| format!("[trust]\nca = [{:?}]\n", pki.join("ca.crt"));
    let faults = loaded("production", trial, digest("")).expect_err("its authority is a trial one");
    assert!(faults.iter().all(|fault| fault.contains("a trial certificate needs")), "{faults:?}");

    let real = |of: &'static str| {
        move |pki: &Path| {
            let file = pki.join("real.pem");
            std::fs::write(&file, authority()).expect("written");
            format!("{of}ca = [{file:?}]\n")
        }
    };
    assert_eq!(loaded("production", real("[trust]\n"), digest("")), Ok(()));
    assert_eq!(loaded("production", real("[trust.sets.bo]\n"), digest("trust = \"bo\"\n")), Ok(()));
    let other = loaded("production", real("[trust.sets.bo]\n"), digest("")).expect_err("not in its own set");
    assert!(other[0].contains("[trust] needs a ca"), "{other:?}");
}

/// What is wrong with two axes, and a system with the SDK, that have these groups.
fn of_groups(one: &str, two: &str, scope: &str) -> Vec<String> {
    let axis = |id: &str, groups: &str| {
        format!(
            "[axes.{id}]\nname = \"T\"\nurl = \"https://{id}.vn\"\nsystem_id = \"s\"\nsecret_file = \"secret\"\n\
             speaks_for = [{groups}]\n"
        )
    };
    let sections = format!(
        "{}{}[systems.b]\nname = \"B\"\n[systems.b.sdk]\nsystem_id = \"b\"\nsecret_file = \"secret\"\n\
         register_agencies = [{scope}]\n",
        axis("mot", one),
        axis("hai", two)
    );
    let with_secret = |pki: &Path| {
        std::fs::write(pki.with_file_name("secret"), "0123456789abcdef").expect("written");
        sections.clone()
    };
    loaded("trial", with_secret, |path, _| format!("certificates = [\"{}\"]", path.display()))
        .err()
        .unwrap_or_default()
}

#[test]
fn nobody_is_spoken_for_by_two_axes() {
    for (one, two) in [("", ""), ("\"H22\"", ""), ("\"H22\", \"G01\"", "\"H2\", \"H221\", \"G02\"")] {
        assert_eq!(of_groups(one, two, "\"H55.40\""), Vec::<String>::new(), "{one} {two}");
    }
    for (one, two) in
        [("\"H22\"", "\"H22\""), ("\"H22\"", "\"G01\", \"000.00.15.H22\""), ("\"H22.15\"", "\"H22\"")]
    {
        let faults = of_groups(one, two, "");
        assert!(faults.len() == 1 && faults[0].contains("overlaps"), "{one} {two}: {faults:?}");
    }
}

#[test]
fn a_group_is_a_code() {
    for (faults, key) in [
        (of_groups("\"H55.*\"", "", ""), "axes.mot.speaks_for"),
        (of_groups("", "", "\"\""), "systems.b.sdk.register_agencies"),
    ] {
        assert!(faults.len() == 1 && faults[0].starts_with(key), "{faults:?}");
    }
}
