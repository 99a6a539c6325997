//! Whose signatures count, at a gateway that runs: a sender bound by its subject below an authority that others share,
//! revocation lists that are replaced meanwhile, and settings that are read again.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::{Stage, letter, signal, until};
use lienthong::cli::sign_file;
use lienthong::demo::child::Gateway;
use lienthong::demo::world::Answer;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, CrlNumber, KeyUsage};
use openssl::x509::{X509, X509Builder, X509CrlBuilder, X509Name, X509NameBuilder, X509RevokedBuilder};
use rustix::process::Signal;
use xml_sig::SoftwareKey;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const DAY: i64 = 86_400;
/// The subject that the directory binds to agency 0.
const SUBJECT: &str = "CN=UBND tỉnh,O=Văn phòng,C=VN";
const REFUSED: &str = "lienthong_directory_reloads_total{result=\"refused\"}";
const APPLIED: &str = "lienthong_directory_reloads_total{result=\"applied\"}";
const NEXT_UPDATE: &str = "lienthong_crl_next_update_seconds";

/// A key with a certificate and those of the authorities between it and the root.
struct Holder {
    key: PKey<Private>,
    x509: X509,
    above: Vec<X509>,
}

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

#[expect(clippy::disallowed_methods, reason = "the gateway under test goes by the machine's clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

fn day(days: i64) -> Asn1Time {
    Asn1Time::from_unix(now() + days * DAY).expect("a time")
}

fn name(unit: &str, common: &str) -> X509Name {
    let mut name = X509NameBuilder::new().expect("a builder");
    name.append_entry_by_nid(Nid::COUNTRYNAME, "VN").expect("set");
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, unit).expect("set");
    name.append_entry_by_nid(Nid::COMMONNAME, common).expect("set");
    name.build()
}

impl Holder {
    /// An authority when `path_len` is given.
    fn new(unit: &str, common: &str, serial: u32, issuer: Option<&Holder>, path_len: Option<u32>) -> Self {
        let (key, subject) = (p256(), name(unit, common));
        let mut builder = X509Builder::new().expect("a builder");
        builder.set_version(2).expect("set");
        let serial = BigNum::from_u32(serial).and_then(|n| n.to_asn1_integer()).expect("a number");
        builder.set_serial_number(&serial).expect("set");
        builder.set_subject_name(&subject).expect("set");
        builder.set_issuer_name(issuer.map_or(&*subject, |i| i.x509.subject_name())).expect("set");
        builder.set_not_before(&day(-1)).expect("set");
        builder.set_not_after(&day(30)).expect("set");
        builder.set_pubkey(&key).expect("set");
        let mut usage = KeyUsage::new();
        match path_len {
            Some(length) => {
                let constraints = BasicConstraints::new().critical().ca().pathlen(length).build();
                builder.append_extension(constraints.expect("built")).expect("added");
                usage.critical().key_cert_sign().crl_sign();
            }
            None => {
                usage.critical().digital_signature().non_repudiation();
            }
        }
        builder.append_extension(usage.build().expect("built")).expect("added");
        builder.sign(issuer.map_or(&key, |i| &i.key), MessageDigest::sha256()).expect("signed");
        let mut above = issuer.map(|i| i.above.clone()).unwrap_or_default();
        // The root stays at home: the gateway has it.
        above.extend(
            issuer
                .filter(|issuer| {
                    issuer.x509.issuer_name().try_cmp(issuer.x509.subject_name()).expect("compared").is_ne()
                })
                .map(|issuer| issuer.x509.clone()),
        );
        Self { key, x509: builder.build(), above }
    }

    fn pem(&self) -> Vec<u8> {
        self.x509.to_pem().expect("PEM")
    }

    /// A list from one day to another, by this authority.
    fn list(&self, revoked: &[u32], from: i64, to: i64) -> Vec<u8> {
        let mut builder = X509CrlBuilder::new().expect("a builder");
        builder.set_issuer_name(self.x509.subject_name()).expect("set");
        builder.set_last_update(&day(from)).expect("set");
        builder.set_next_update(&day(to)).expect("set");
        let subject = X509::builder().expect("a builder");
        let context = subject.x509v3_context(Some(&self.x509), None);
        let identifier = AuthorityKeyIdentifier::new().issuer(true).build(&context).expect("built");
        builder.append_extension(identifier).expect("added");
        let number = CrlNumber::new(BigNum::from_u32(1).expect("a number")).and_then(|n| n.build());
        builder.append_extension(number.expect("built")).expect("added");
        for serial in revoked {
            let mut entry = X509RevokedBuilder::new().expect("a builder");
            let serial =
                Asn1Integer::from_bn(&BigNum::from_u32(*serial).expect("a number")).expect("a number");
            entry.set_serial_number(&serial).expect("set");
            entry.set_revocation_date(&day(-1)).expect("set");
            builder.add_revoked(entry.build()).expect("added");
        }
        builder.sort().expect("sorted");
        builder.sign(&self.key, MessageDigest::sha256()).expect("signed");
        builder.build().expect("built").to_pem().expect("PEM")
    }
}

/// A root, an authority below it, and what lies in the files of the trust set `rieng`.
struct Ground {
    stage: Stage,
    root: Holder,
    authority: Holder,
    next: std::cell::Cell<u32>,
}

impl Ground {
    /// Agency 0 is bound by its subject; root and lists are in files of their own.
    async fn open() -> Self {
        let stage = Stage::open(PROGRAM, &[]).await;
        let root = Holder::new("CA", "Gốc", 1, None, Some(1));
        let authority = Holder::new("CA", "Cấp tỉnh", 2, Some(&root), Some(0));
        let ground = Self { stage, root, authority, next: 1.into() };
        ground.put("ca.pem", &ground.root.pem());
        ground.put("root.crl", &ground.root.list(&[], -1, 20));
        ground.put("authority.crl", &ground.authority.list(&[], -1, 10));
        ground.rewrite("lienthong.toml", |text| {
            format!(
                "{text}\n[trust.sets.rieng]\nca = [\"ca.pem\"]\ncrl = [\"root.crl\", \"authority.crl\"]\n"
            )
        });
        ground.rewrite("directory.toml", |text| {
            let binding = format!("trust = \"rieng\"\nsigners = [\"{SUBJECT}\"]");
            text.replace("certificates = [\"pki/H55.crt\"]", &binding)
        });
        ground
    }

    /// Puts a file in its place at once, as operators are told to.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.stage.world.folder.join(name);
        let draft = path.with_extension("new");
        std::fs::write(&draft, bytes).expect("written");
        std::fs::rename(&draft, &path).expect("renamed");
        path
    }

    fn rewrite(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let old = std::fs::read_to_string(self.stage.world.folder.join(name)).expect("read");
        let new = change(&old);
        assert_ne!(old, new, "{name} is another one");
        self.put(name, new.as_bytes());
    }

    /// A fresh letter of agency 0, signed by this holder; what the gateway answers.
    async fn submit(&self, signer: &Holder) -> Answer {
        let number = self.next.replace(self.next.get() + 1);
        let unsigned = self.stage.world.unsigned("unsigned.edxml", letter(number, &[1])).expect("written");
        let certificates: Vec<u8> = [signer.pem()]
            .into_iter()
            .chain(signer.above.iter().rev().map(|above| above.to_pem().expect("PEM")))
            .flatten()
            .collect();
        let key = signer.key.private_key_to_pem_pkcs8().expect("PEM");
        let key = SoftwareKey::from_pem(&key, &certificates).expect("a signing key");
        let signed = self.stage.world.folder.join(format!("{number}.edxml"));
        sign_file(&unsigned, &signed, &key).expect("signed");
        self.stage.submit(&signed).await
    }

    /// SIGHUP, and what it led to.
    async fn reload(&self, gateway: &Gateway, outcome: &str) {
        let before = self.stage.metric(outcome).await;
        signal(gateway.pid().expect("it runs"), Signal::HUP);
        self.stage.metric_reaches(outcome, before + 1.0).await;
    }

    fn log_has(&self, words: &[&str]) -> bool {
        let log = std::fs::read_to_string(&self.stage.world.log).expect("the log");
        log.lines().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

fn is_refused(answer: &Answer, status: u16, code: &str, detail: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
    let told = answer.body["detail_en"].as_str().unwrap_or_default();
    assert!(told.contains(detail), "{detail} in {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sender_signs_for_the_sender_below_a_shared_authority() {
    let ground = Ground::open().await;
    let mut gateway = ground.stage.start().await;
    let of =
        |unit: &str, common: &str, serial| Holder::new(unit, common, serial, Some(&ground.authority), None);
    let good = of("Văn phòng", "UBND tỉnh", 10);
    let answer = ground.submit(&good).await;
    let id = answer.document_id().expect("accepted");
    assert_eq!(answer.body["signature"], "valid", "{}", answer.body);
    ground.stage.all_are(&id, "received").await;
    let renewed = of("Văn phòng", "UBND tỉnh", 11);
    assert_eq!(ground.submit(&renewed).await.status, 202, "a renewed certificate needs no change here");

    for (unit, common) in [
        ("Văn phòng", "UBND xã"),
        ("Văn thư", "UBND tỉnh"),
        ("Văn phòng,O=x", "UBND tỉnh"),
        ("Văn phòng", "UBND tinh\u{309}"),
        ("UBND tỉnh", "Văn phòng"),
    ] {
        let other = of(unit, common, 12);
        is_refused(&ground.submit(&other).await, 422, "SIGNER_NOT_TRUSTED", "foreign-signer: ");
    }
    // The very subject, by an authority of the very name that is another one; and by itself.
    let root = Holder::new("CA", "Gốc", 1, None, Some(1));
    let authority = Holder::new("CA", "Cấp tỉnh", 2, Some(&root), Some(0));
    let forged = Holder::new("Văn phòng", "UBND tỉnh", 10, Some(&authority), None);
    is_refused(&ground.submit(&forged).await, 422, "SIGNER_NOT_TRUSTED", "untrusted: ");
    let by_itself = Holder::new("Văn phòng", "UBND tỉnh", 10, None, None);
    is_refused(&ground.submit(&by_itself).await, 422, "SIGNER_NOT_TRUSTED", "untrusted: ");
    // An ordinary holder who plays the authority.
    let issued = Holder::new("Văn phòng", "UBND tỉnh", 10, Some(&of("Văn phòng", "UBND xã", 12)), None);
    is_refused(&ground.submit(&issued).await, 422, "SIGNER_NOT_TRUSTED", "untrusted: ");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_list_counts_as_soon_as_it_is_replaced() {
    let ground = Ground::open().await;
    let mut gateway = ground.stage.start().await;
    let good = Holder::new("Văn phòng", "UBND tỉnh", 10, Some(&ground.authority), None);
    assert_eq!(ground.submit(&good).await.status, 202);
    // The value is set soon after the start.
    ground.stage.metric_reaches(NEXT_UPDATE, (now() + 9 * DAY) as f64).await;
    assert!(
        ground.stage.metric(NEXT_UPDATE).await <= (now() + 10 * DAY) as f64,
        "of the list that ends first"
    );

    ground.put("authority.crl", &ground.authority.list(&[9, 10], -1, 10));
    ground.reload(&gateway, APPLIED).await;
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "revoked: ");
    assert!(ground.log_has(&["files read again", "authority.crl"]), "the log names the file");

    // A file that is no list, or one that is gone: everything stays, also who is revoked.
    let list = ground.put("authority.crl", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    ground.reload(&gateway, REFUSED).await;
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "revoked: ");
    std::fs::remove_file(&list).expect("removed");
    ground.reload(&gateway, REFUSED).await;
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "revoked: ");
    assert!(ground.log_has(&["reload refused", "authority.crl"]));

    // Seen without being asked. Then one that ends soon, and one out of date: our trouble, not the sender's.
    ground.put("authority.crl", &ground.authority.list(&[], -1, 10));
    let accepted = until(async || (ground.submit(&good).await.status == 202).then_some(())).await;
    assert!(accepted.is_some(), "the new list is seen");
    ground.put("authority.crl", &ground.authority.list(&[], -8, 1));
    ground.reload(&gateway, APPLIED).await;
    assert_eq!(ground.submit(&good).await.status, 202);
    assert!(ground.log_has(&["WARN", "revocation list ends soon", "Cấp tỉnh", "rieng"]));
    ground.put("authority.crl", &ground.authority.list(&[10], -8, -1));
    ground.reload(&gateway, APPLIED).await;
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "revoked: ");
    let renewed = Holder::new("Văn phòng", "UBND tỉnh", 11, Some(&ground.authority), None);
    is_refused(&ground.submit(&renewed).await, 503, "REVOCATION_UNKNOWN", "revocation-unknown: ");
    assert!(ground.stage.metric(NEXT_UPDATE).await < now() as f64, "an alarm can see it");
    assert!(ground.log_has(&["ERROR", "revocation list is out of date", "Cấp tỉnh", "rieng"]));
    assert_eq!(ground.stage.metric("lienthong_refused_total{code=\"revocation_unknown\"}").await, 1.0);

    // An authority that is revoked itself.
    ground.put("authority.crl", &ground.authority.list(&[], -1, 10));
    ground.put("root.crl", &ground.root.list(&[2], -1, 20));
    ground.reload(&gateway, APPLIED).await;
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "revoked: ");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// Directory and authorities are one: an entry that moves to another set is never judged by the old one.
#[tokio::test(flavor = "multi_thread")]
async fn settings_directory_and_authorities_are_read_again_together() {
    let ground = Ground::open().await;
    let mut gateway = ground.stage.start().await;
    let good = Holder::new("Văn phòng", "UBND tỉnh", 10, Some(&ground.authority), None);
    assert_eq!(ground.submit(&good).await.status, 202);

    // Another root, in a set that only the new settings know; the entry names it.
    let root = Holder::new("CA", "Gốc khác", 1, None, Some(0));
    let moved = Holder::new("Văn phòng", "UBND tỉnh", 10, Some(&root), None);
    is_refused(&ground.submit(&moved).await, 422, "SIGNER_NOT_TRUSTED", "untrusted: ");
    ground.put("other.pem", &root.pem());
    ground.rewrite("lienthong.toml", |text| {
        let text = text.replace("retry_max = \"2s\"", "retry_max = \"2s\"\nattempt_timeout = \"9m\"");
        let text = text.replace("name = \"Sở Thông tin", "name = \"Sở mới, Sở Thông tin");
        format!("{text}\n[trust.sets.khac]\nca = [\"other.pem\"]\n")
    });
    ground.rewrite("directory.toml", |text| text.replace("trust = \"rieng\"", "trust = \"khac\""));
    // Until it is asked to, the gateway knows of no such set: the directory alone is refused.
    ground.stage.metric_reaches(REFUSED, 1.0).await;
    assert_eq!(ground.submit(&good).await.status, 202);
    ground.reload(&gateway, APPLIED).await;
    assert_eq!(ground.submit(&moved).await.status, 202);
    is_refused(&ground.submit(&good).await, 422, "SIGNER_NOT_TRUSTED", "untrusted: ");
    assert!(
        ground.log_has(&["files read again", "\\\"H55\\\"", "qlvb-so", "other.pem"]),
        "what is different"
    );
    assert!(ground.log_has(&["WARN", "after a restart only", "delivery.attempt_timeout"]));

    // Settings that cannot be loaded change nothing.
    ground.rewrite("lienthong.toml", |text| format!("{text}\n[trust.sets.Sai]\nca = []\n"));
    ground.reload(&gateway, REFUSED).await;
    assert_eq!(ground.submit(&moved).await.status, 202);

    let log = std::fs::read_to_string(&ground.stage.world.log).expect("the log");
    for secret in secrets(&ground.stage.world.config) {
        assert!(!log.contains(&secret), "no secret in the log");
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// Secrets and hashes of tokens in a settings file.
fn secrets(config: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(config).expect("read");
    let lines = text.lines().filter(|line| line.starts_with("secret") || line.starts_with("token"));
    let found: Vec<String> = lines.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect();
    assert_eq!(found.len(), 6, "two of each system");
    found
}
