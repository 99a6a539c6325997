//! Sets of authorities, the age of their lists, and what one sender is judged by.

use std::io::Cursor;

use lienthong_schemas::edxml::{DocumentBuilder, EdxmlLimits, EnvelopeReader, PLACES, ReadMode};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, CrlNumber};
use openssl::x509::{X509, X509Builder, X509CrlBuilder, X509Name, X509NameBuilder};
use xml_sig::{Certificate, Limits, Reach, ReadOptions};

use super::*;
use crate::directory::{Line, Lines};
use crate::record::{AdapterKind, SystemId};

/// What stands behind the CN in every subject here.
pub(crate) const NAME: &str = "C=VN";
/// Days of these tests count from here.
const DAY_0: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

/// A certification authority.
pub(crate) struct Authority {
    key: PKey<Private>,
    x509: X509,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = key();
        let mut builder = certificate(name, &key);
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().expect("built"))
            .expect("added");
        builder.set_issuer_name(&subject(name)).expect("set");
        builder.sign(&key, MessageDigest::sha256()).expect("signed");
        Self { x509: builder.build(), key }
    }

    /// A certificate of a holder, with a key of its own.
    pub(crate) fn certificate(&self, name: &str) -> Certificate {
        let mut builder = certificate(name, &key());
        builder.set_issuer_name(self.x509.subject_name()).expect("set");
        builder.sign(&self.key, MessageDigest::sha256()).expect("signed");
        read(&builder.build())
    }

    pub(crate) fn pem(certificate: &Certificate) -> Vec<u8> {
        X509::from_der(certificate.der()).and_then(|x509| x509.to_pem()).expect("PEM")
    }

    pub(crate) fn subject(&self) -> String {
        read(&self.x509).subject()
    }

    /// A list from one day to another.
    pub(crate) fn list(&self, from: i64, to: i64) -> Crl {
        let time = |day: i64| Asn1Time::from_unix(DAY_0 + day * DAY).expect("a time");
        let mut builder = X509CrlBuilder::new().expect("a builder");
        builder.set_issuer_name(self.x509.subject_name()).expect("set");
        builder.set_last_update(&time(from)).expect("set");
        builder.set_next_update(&time(to)).expect("set");
        // OpenSSL's builder insists on both (RFC 5280 section 5.2).
        let subject = X509::builder().expect("a builder");
        let context = subject.x509v3_context(Some(&self.x509), None);
        let identifier = AuthorityKeyIdentifier::new().issuer(true).build(&context).expect("built");
        builder.append_extension(identifier).expect("added");
        let number = CrlNumber::new(BigNum::from_u32(1).expect("a number")).and_then(|n| n.build());
        let number = number.expect("built");
        builder.append_extension(number).expect("added");
        builder.sign(&self.key, MessageDigest::sha256()).expect("signed");
        Crl::from_der(&builder.build().expect("built").to_der().expect("DER")).expect("reads")
    }

    pub(crate) fn authorities(&self, crls: Vec<Crl>) -> Authorities {
        Authorities { anchors: vec![read(&self.x509)], crls, ..Authorities::default() }
    }

    /// The default set with this authority and these lists.
    pub(crate) fn set(&self, crls: Vec<Crl>) -> TrustSets {
        TrustSets::new(self.authorities(crls), [])
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn subject(name: &str) -> X509Name {
    let mut subject = X509NameBuilder::new().expect("a builder");
    subject.append_entry_by_nid(Nid::COUNTRYNAME, "VN").expect("set");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("set");
    subject.build()
}

fn certificate(name: &str, key: &PKey<Private>) -> X509Builder {
    let mut builder = X509Builder::new().expect("a builder");
    builder.set_version(2).expect("set");
    builder
        .set_serial_number(&BigNum::from_u32(7).and_then(|n| n.to_asn1_integer()).expect("a number"))
        .expect("set");
    builder.set_subject_name(&subject(name)).expect("set");
    builder.set_not_before(&Asn1Time::from_unix(DAY_0).expect("a time")).expect("set");
    builder.set_not_after(&Asn1Time::from_unix(DAY_0 + 365 * DAY).expect("a time")).expect("set");
    builder.set_pubkey(key).expect("set");
    builder
}

fn read(x509: &X509) -> Certificate {
    Certificate::from_der(&x509.to_der().expect("DER")).expect("reads")
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(DAY_0 + day * DAY).expect("a time")
}

#[test]
fn a_list_is_old_three_days_before_its_end_or_in_its_last_third() {
    let root = Authority::new("root");
    let freshness = |from: i64, to: i64, at: Timestamp| {
        root.set(vec![root.list(from, to)]).revocation_lists()[0].freshness(at)
    };
    let second = SignedDuration::from_secs(1);
    for (from, to, old) in [(0, 30, 27), (0, 9, 6), (0, 6, 4), (0, 3, 2)] {
        assert_eq!(freshness(from, to, at(old)), Freshness::Fresh, "{to}");
        assert_eq!(freshness(from, to, at(old) + second), Freshness::Old, "{to}");
        assert_eq!(freshness(from, to, at(to)), Freshness::Old, "{to}");
        assert_eq!(freshness(from, to, at(to) + second), Freshness::Expired, "{to}");
    }
}

#[test]
fn the_newest_list_of_an_issuer_counts_and_the_earliest_issuer_is_the_alarm() {
    let (one, two, below) = (Authority::new("one"), Authority::new("two"), Authority::new("below"));
    assert_eq!(one.set(Vec::new()).revocation_lists(), [], "without lists nothing is checked");
    assert_eq!(one.set(Vec::new()).earliest_next_update(), None);

    let anchors = vec![read(&one.x509), read(&two.x509)];
    let crls = vec![one.list(0, 10), one.list(5, 40), below.list(0, 30)];
    let default = Authorities { anchors, crls, ..Authorities::default() };
    let sets = TrustSets::new(default, [("bo".to_owned(), two.authorities(vec![two.list(0, 20)]))]);
    let mut shown: Vec<_> = sets
        .revocation_lists()
        .into_iter()
        .map(|list| (list.set, list.issuer, list.dates.map(|dates| dates.next_update)))
        .collect();
    shown.sort();
    let line = |set: &str, issuer: &Authority, end| (set.to_owned(), issuer.subject(), end);
    let expected = [
        line("", &below, Some(at(30))),
        line("", &one, Some(at(40))),
        line("", &two, None),
        line("bo", &two, Some(at(20))),
    ];
    assert_eq!(shown, expected);
    assert_eq!(sets.earliest_next_update(), Some(at(20)));
    let missing = RevocationList { set: String::new(), issuer: two.subject(), dates: None };
    assert_eq!(missing.freshness(at(0)), Freshness::Missing);
}

#[test]
fn a_list_that_the_anchor_of_its_name_did_not_sign_is_none() {
    let (root, twin) = (Authority::new("root"), Authority::new("root"));
    let lists = root.set(vec![twin.list(0, 10)]).revocation_lists();
    assert_eq!(lists, [RevocationList { set: String::new(), issuer: root.subject(), dates: None }]);
    assert_eq!(root.set(vec![twin.list(0, 10)]).earliest_next_update(), None);
}

fn claims(from: &str) -> Envelope {
    let packet = DocumentBuilder::new(from, &["H9"]).to_bytes().expect("a packet");
    let limits = (Limits::default(), EdxmlLimits::default());
    let options = ReadOptions { limits: &limits.0, initial_namespaces: &[] };
    let mut reader = EnvelopeReader::new(ReadMode::Claims, &limits.1);
    xml_sig::locate(&mut Cursor::new(packet), &options, &PLACES, Reach::End, &mut reader).expect("reads");
    reader.finish().expect("claims")
}

#[test]
fn a_sender_is_judged_by_its_own_binding_and_set_and_without_a_binding_by_none() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let sets = TrustSets::new(one.authorities(Vec::new()), [("bo".to_owned(), two.authorities(Vec::new()))]);
    let home = "home = { system = \"a\" }\nname = \"n\"\n";
    let text = format!(
        "[[organisation]]\norgan_id = \"H1\"\n{home}\
         [[organisation]]\norgan_id = \"H2\"\n{home}signers = [\"CN=x\"]\nsignature = \"required\"\n\
         [[organisation]]\norgan_id = \"H3\"\n{home}signers = [\"CN=x\"]\ntrust = \"bo\"\nlegacy_sha1 = true\n"
    );
    let system = SystemId::parse("a").expect("an id");
    let line = Line { way: Some(AdapterKind::VendorHttp), packet_bytes_max: None };
    let lines = Lines { systems: [(system.clone(), line)].into(), ..Lines::default() };
    let directory =
        Directory::from_toml(&text, &lines, &sets, &mut |path| Err(path.to_owned())).expect("reads");
    let of = |from: &str| {
        let sender = sender_trust(&claims(from), &Origin::System(system.clone()), &directory, at(1));
        let anchors: Vec<String> =
            sender.trust.authorities.anchors.iter().map(Certificate::subject).collect();
        (sender.trust.signers.is_empty(), anchors, sender.policy, sender.trust.legacy_sha1)
    };
    let present = SignaturePolicy::VerifyIfPresent;
    assert_eq!(of("H1"), (true, vec![], present, false), "nobody is bound: no chain counts");
    assert_eq!(of("H2"), (false, vec![one.subject()], SignaturePolicy::Required, false));
    assert_eq!(of("H3"), (false, vec![two.subject()], present, true));
    assert_eq!(of("H4"), (true, vec![], present, false), "not in the directory");
}
