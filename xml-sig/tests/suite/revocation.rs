//! Lists, responders' answers and other sources: one contract for each of them, and what they say together.

use std::sync::{Arc, Mutex};

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::extension::KeyUsage;
use xml_sig::{
    Answer, Authorities, Crl, KeyError, Limits, Link, OcspResponse, ReadOptions, Revocation, Status, Trust,
    Verdict, Warning,
};

use crate::answers::*;
use crate::support::*;

pub(crate) const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
const NO_CHECK: (&str, bool, &[u8]) = ("1.3.6.1.5.5.7.48.1.5", false, b"\x05\x00");

pub(crate) fn ec_identity(issuer: Option<&Identity>, wanted: Wanted<'_>) -> Identity {
    issue(&ec_key(Nid::X9_62_PRIME256V1), issuer, wanted)
}

/// An authority that signs certificates, lists and answers.
pub(crate) fn authority(issuer: Option<&Identity>, name: &str, serial: u32) -> Identity {
    let mut usage = KeyUsage::new();
    usage.critical().key_cert_sign().crl_sign().digital_signature();
    ec_identity(issuer, Wanted { name, serial, authority: true, usage: Some(usage), ..Wanted::default() })
}

pub(crate) fn responder(issuer: &Identity, wanted: Wanted<'_>) -> Identity {
    ec_identity(Some(issuer), Wanted { name: "responder", serial: 9, purposes: &[OCSP_SIGNING], ..wanted })
}

/// What a source is to say of the certificate with serial number 7.
#[derive(Clone, Copy)]
struct Word<'a> {
    by: &'a Identity,
    revoked: bool,
    this_update: &'a str,
    next_update: Option<&'a str>,
    digest: MessageDigest,
}

pub(crate) type Source = Arc<dyn Revocation>;

fn by_list(word: Word<'_>) -> Source {
    let revoked: &[(u8, &[Extra<'_>])] = if word.revoked { &[(7, &[])] } else { &[(8, &[])] };
    let Word { by, this_update, next_update, digest, .. } = word;
    Arc::new(List { revoked, this_update, next_update, digest, ..List::new(by) }.made())
}

fn about<'a>(word: &Word<'a>) -> About<'a> {
    let said = if word.revoked { Said::Revoked("20261110000000Z") } else { Said::Good };
    About { said, this_update: word.this_update, next_update: word.next_update, ..About::new(7, word.by) }
}

fn by_answer(word: Word<'_>) -> Source {
    let said = [about(&word)];
    read(&Response { digest: word.digest, ..Response::new(word.by, &said) })
}

fn by_delegate(word: Word<'_>) -> Source {
    let said = [about(&word)];
    let responder = responder(word.by, Wanted::default());
    let certificates = [&responder];
    read(&Response { digest: word.digest, certificates: &certificates, ..Response::new(&responder, &said) })
}

pub(crate) fn read(response: &Response<'_>) -> Source {
    Arc::new(OcspResponse::from_der(&response.der()).unwrap())
}

pub(crate) fn ask(source: &Source, certificate: &Identity, issuer: &Identity) -> Status {
    let (certificate, issuer) = (certificate.certificate(), issuer.certificate());
    source.answer(&Link { certificate: &certificate, issuer: &issuer, at: at(), legacy_sha1: false }).status
}

pub(crate) fn is_unknown(status: &Status) -> bool {
    matches!(status, Status::Unknown(why) if !why.is_empty())
}

pub(crate) fn is_revoked(status: &Status) -> bool {
    matches!(status, Status::Revoked(_))
}

#[test]
fn every_source_keeps_the_contract() {
    let (root, twin) = (authority(None, "root", 1), authority(None, "root", 1));
    let other = authority(None, "other", 1);
    let signer = ec_identity(Some(&root), Wanted::default());
    let word = Word {
        by: &root,
        revoked: false,
        this_update: THIS_UPDATE,
        next_update: Some(NEXT_UPDATE),
        digest: MessageDigest::sha256(),
    };
    for (name, say) in [
        ("list", by_list as fn(Word<'_>) -> Source),
        ("answer", by_answer as fn(Word<'_>) -> Source),
        ("delegate's answer", by_delegate as fn(Word<'_>) -> Source),
    ] {
        let said = |word: Word<'_>| ask(&say(word), &signer, &root);
        assert_eq!(said(word), Status::Good, "{name}");
        assert_eq!(ask(&say(word), &signer, &root), Status::Good, "{name}: asked again");
        assert!(is_revoked(&said(Word { revoked: true, ..word })), "{name}");
        assert_eq!(said(Word { by: &other, ..word }), Status::Silent, "{name}: of another authority");

        // The same name with another key vouches for nothing, and revokes nothing.
        for revoked in [false, true] {
            let forged = say(Word { by: &twin, revoked, ..word });
            assert!(!matches!(ask(&forged, &signer, &root), Status::Good | Status::Revoked(_)), "{name}");
            let genuine = say(Word { revoked, ..word });
            assert!(!matches!(ask(&genuine, &signer, &twin), Status::Good | Status::Revoked(_)), "{name}");
        }

        // Dates, both ends included; what is revoked stays so.
        for (this_update, next_update, current) in [
            ("20261123000000Z", Some(NEXT_UPDATE), true),
            (THIS_UPDATE, Some("20261123000000Z"), true),
            (THIS_UPDATE, Some("20261122235959Z"), false),
            (THIS_UPDATE, None, false),
            ("20261124000000Z", Some(NEXT_UPDATE), false),
        ] {
            let dated = Word { this_update, next_update, ..word };
            let status = said(dated);
            assert_eq!(
                status == Status::Good,
                current,
                "{name}: {this_update} to {next_update:?}: {status:?}"
            );
            assert_eq!(is_unknown(&status), !current, "{name}: {this_update} to {next_update:?}: {status:?}");
            assert!(is_revoked(&said(Word { revoked: true, ..dated })), "{name}: {this_update}");
        }

        // SHA-1 vouches for those that may use it.
        let weak = say(Word { digest: MessageDigest::sha1(), ..word });
        assert!(is_unknown(&ask(&weak, &signer, &root)), "{name}");
        let (certificate, issuer) = (signer.certificate(), root.certificate());
        let link = Link { certificate: &certificate, issuer: &issuer, at: at(), legacy_sha1: true };
        assert_eq!(weak.answer(&link).status, Status::Good, "{name}");
    }
}

/// Root, authority, signer; and a document with the authority's certificate beside the signer's.
struct Chain {
    root: Identity,
    authority: Identity,
    signer: Identity,
}

fn chain() -> Chain {
    let root = authority(None, "root", 1);
    let authority = authority(Some(&root), "authority", 5);
    let signer = ec_identity(Some(&authority), Wanted::default());
    Chain { root, authority, signer }
}

impl Chain {
    fn document(&self) -> String {
        let key_info = format!("{}{}", self.authority.key_info(), self.signer.key_info());
        let key_info = key_info.replace("</ds:KeyInfo><ds:KeyInfo>", "");
        Draft { key_info, ..Draft::new(&self.signer) }.document()
    }

    fn trust(&self, crls: Vec<Crl>, sources: Vec<Source>) -> Trust {
        let anchors = vec![self.root.certificate()];
        let authorities = Authorities { anchors, crls, sources, ..Authorities::default() };
        Trust { authorities: Arc::new(authorities), ..pinned(&[]) }
    }

    fn judge(&self, crls: &[&Crl], sources: &[&Source]) -> String {
        let crls = crls.iter().map(|crl| (*crl).clone()).collect();
        let sources = sources.iter().map(|source| Arc::clone(source)).collect();
        judge(&self.document(), &self.trust(crls, sources))
    }
}

#[test]
fn lists_and_answers_together_vouch_for_every_link() {
    let chain = chain();
    let list = |by, revoked| List { revoked, ..List::new(by) }.made();
    let of_root = list(&chain.root, &[]);
    let of_authority = list(&chain.authority, &[]);
    let revoking = list(&chain.authority, &[(7, &[])]);
    let answer = |by: &Identity, serial, said| -> Source {
        read(&Response::new(by, &[About { said, ..About::new(serial, by) }]))
    };
    let good = answer(&chain.authority, 7, Said::Good);
    let revoked = answer(&chain.authority, 7, Said::Revoked("20261110000000Z"));
    let unknown = answer(&chain.authority, 7, Said::Unknown);
    let of_link = answer(&chain.root, 5, Said::Good);
    let revoked_link = answer(&chain.root, 5, Said::Revoked("20261110000000Z"));

    for (crls, sources, verdict) in [
        (&[&of_root, &of_authority][..], &[][..], "valid"),
        (&[], &[&good, &of_link], "valid"),
        (&[&of_root], &[&good], "valid"),
        (&[&of_authority], &[&of_link], "valid"),
        (&[&of_root, &of_authority], &[&good, &of_link], "valid"),
        (&[&of_root, &of_authority], &[&unknown], "valid"),
        // A link is left out.
        (&[&of_root], &[], "unusable revocation-unknown"),
        (&[], &[&good], "unusable revocation-unknown"),
        (&[], &[&of_link], "unusable revocation-unknown"),
        (&[&of_root], &[&of_link], "unusable revocation-unknown"),
        (&[&of_root], &[&unknown], "unusable revocation-unknown"),
        // Whoever says so.
        (&[&of_root, &of_authority], &[&good, &revoked], "invalid revoked"),
        (&[&of_root, &of_authority], &[&revoked, &good], "invalid revoked"),
        (&[&of_root, &revoking], &[&good], "invalid revoked"),
        (&[&revoking, &of_authority, &of_root], &[], "invalid revoked"),
        (&[&of_authority, &revoking, &of_root], &[], "invalid revoked"),
        (&[&of_root, &of_authority], &[&revoked_link], "invalid revoked"),
        (&[], &[&revoked], "invalid revoked"),
    ] {
        assert_eq!(chain.judge(crls, sources), verdict, "{crls:?} {sources:?}");
    }
}

#[test]
fn a_revocation_counts_whatever_its_date() {
    let chain = chain();
    let of_root = List::new(&chain.root).made();
    let since = |date| {
        let said = [About { said: Said::Revoked(date), ..About::new(7, &chain.authority) }];
        chain.judge(&[&of_root], &[&read(&Response::new(&chain.authority, &said))])
    };
    for date in ["20200101000000Z", "20261123000000Z", "20261124000000Z", "20991231235959Z"] {
        assert_eq!(since(date), "invalid revoked", "{date}");
    }
}

#[test]
fn a_source_of_the_callers_own_is_asked_for_each_link() {
    #[derive(Debug, Default)]
    struct Asked(Mutex<Vec<(String, String)>>);
    impl Revocation for Asked {
        fn answer(&self, link: &Link<'_>) -> Answer {
            assert_eq!((link.at, link.legacy_sha1), (at(), false));
            let names = (link.certificate.subject(), link.issuer.subject());
            self.0.lock().unwrap().push(names);
            Status::Good.into()
        }
    }
    let chain = chain();
    let asked = Arc::new(Asked::default());
    assert_eq!(judge(&chain.document(), &chain.trust(Vec::new(), vec![asked.clone()])), "valid");
    let mut asked = asked.0.lock().unwrap().clone();
    asked.sort();
    asked.dedup();
    let link =
        |certificate: &str, issuer: &str| (format!("CN={certificate},C=VN"), format!("CN={issuer},C=VN"));
    assert_eq!(asked, [link("authority", "root"), link("signer", "authority")]);
}

#[test]
fn without_an_issuer_to_ask_about_a_warning_says_so() {
    let chain = chain();
    let said = [About::new(7, &chain.authority)];
    let sources = vec![read(&Response::new(&chain.authority, &said))];
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let warnings =
        |trust: &Trust| match judge_with(chain.document().as_bytes(), 0, &PLACES, &options, trust).unwrap().0
        {
            Verdict::Valid(valid) => valid.warnings().to_vec(),
            other => panic!("{other:?}"),
        };
    let pinned = pinned(&[&chain.signer]);
    assert_eq!(warnings(&pinned), []);
    let authorities = Arc::new(Authorities { sources, ..Authorities::default() });
    assert_eq!(warnings(&Trust { authorities, ..pinned }), [Warning::RevocationNotChecked]);
    assert_eq!(warnings(&chain.trust(Vec::new(), Vec::new())), [Warning::RevocationNotChecked]);
}

#[test]
fn a_responder_that_is_revoked_itself_is_not_believed() {
    let chain = chain();
    let of_root = List::new(&chain.root).made();
    let revoking = List { revoked: &[(9, &[])], ..List::new(&chain.authority) };
    let revoked = revoking.made();
    let stale = List { next_update: None, ..revoking }.made();
    let others = List { next_update: None, revoked: &[(8, &[])], ..revoking }.made();
    let said = [About::new(7, &chain.authority)];
    let by = |responder: &Identity| {
        let certificates = [responder];
        read(&Response { certificates: &certificates, ..Response::new(responder, &said) })
    };
    let checked = by(&responder(&chain.authority, Wanted::default()));
    let unchecked = by(&responder(&chain.authority, Wanted { extensions: &[NO_CHECK], ..Wanted::default() }));
    for list in [&stale, &revoked] {
        // The list is current for the signer itself or not; the answer of the revoked one is worth nothing either way.
        let alone = if std::ptr::eq(list, &stale) { "unusable revocation-unknown" } else { "valid" };
        assert_eq!(chain.judge(&[&of_root, list], &[&checked]), alone);
    }
    assert_eq!(
        chain.judge(&[&of_root, &stale], &[&unchecked]),
        "valid",
        "its issuer says that it need not be"
    );
    assert_eq!(chain.judge(&[&of_root, &others], &[&checked]), "valid");
    assert_eq!(chain.judge(&[&of_root], &[&checked]), "valid");
}

#[test]
fn a_list_is_read_strictly_and_covers_everything() {
    let root = authority(None, "root", 1);
    let signer = ec_identity(Some(&root), Wanted::default());
    let plain = List::new(&root);
    let error = |list: List<'_>| Crl::from_der(&list.der()).err();
    let der = plain.der();
    assert_eq!(Crl::from_der(&der).err(), None);
    assert_eq!(Crl::from_der(&[&der[..], b"\0"].concat()).err(), Some(KeyError::Unreadable("CRL")));
    for end in 0..der.len() {
        assert_eq!(Crl::from_der(&der[..end]).err(), Some(KeyError::Unreadable("CRL")), "cut to {end}");
    }
    let partial = Some(KeyError::PartialList);
    let idp: &[u8] = b"\x55\x1D\x1C";
    let delta: &[u8] = b"\x55\x1D\x1B";
    let number: &[u8] = b"\x55\x1D\x14";
    for (id, critical, value, expected) in [
        (number, false, &b"\x02\x01\x01"[..], None),
        (number, true, b"\x02\x01\x01", partial.clone()),
        (idp, true, b"\x30\x03\x81\x01\xFF", partial.clone()),
        (idp, false, b"\x30\x03\x81\x01\xFF", partial.clone()),
        (delta, true, b"\x02\x01\x01", partial.clone()),
        (delta, false, b"\x02\x01\x01", partial.clone()),
        (b"\x2A\x03\x04", true, b"\x05\x00", partial.clone()),
        (b"\x2A\x03\x04", false, b"\x05\x00", None),
    ] {
        assert_eq!(error(List { extras: &[(id, critical, value)], ..plain }), expected, "{id:?}");
    }
    let twice = [(number, false, &b"\x02\x01\x01"[..]), (number, false, b"\x02\x01\x02")];
    assert_eq!(error(List { extras: &twice, ..plain }), Some(KeyError::Unreadable("CRL")));
    // certificateIssuer of an entry, which makes the list an indirect one; and a reason, which is harmless.
    let issuer: &[Extra<'_>] = &[(b"\x55\x1D\x1D", true, b"\x30\x00")];
    assert_eq!(error(List { revoked: &[(7, issuer)], ..plain }), partial);
    let reason: &[Extra<'_>] = &[(b"\x55\x1D\x15", false, b"\x0A\x01\x01")];
    let revoking: Source = Arc::new(List { revoked: &[(7, reason)], ..plain }.made());
    assert!(is_revoked(&ask(&revoking, &signer, &root)));

    // MD5 vouches for nobody; an issuer that may not sign lists for nothing.
    let by_rsa = issue(&rsa().key, None, Wanted { name: "root", authority: true, ..Wanted::default() });
    let below = ec_identity(Some(&by_rsa), Wanted::default());
    let md5: Source = Arc::new(List { digest: MessageDigest::md5(), ..List::new(&by_rsa) }.made());
    let (certificate, issuer) = (below.certificate(), by_rsa.certificate());
    for legacy_sha1 in [false, true] {
        let link = Link { certificate: &certificate, issuer: &issuer, at: at(), legacy_sha1 };
        assert!(is_unknown(&md5.answer(&link).status), "{legacy_sha1}");
    }
    let mut usage = KeyUsage::new();
    usage.critical().key_cert_sign().digital_signature();
    let quiet = ec_identity(None, Wanted { authority: true, usage: Some(usage), ..Wanted::default() });
    let below = ec_identity(Some(&quiet), Wanted::default());
    let list: Source = Arc::new(List { revoked: &[(7, &[])], ..List::new(&quiet) }.made());
    assert!(is_unknown(&ask(&list, &below, &quiet)));
}
