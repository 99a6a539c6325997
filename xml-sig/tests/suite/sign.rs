//! Signing: the document stays as it was, byte for byte, and what comes out verifies.

use std::io::{self, BufRead};
use std::process::Command;

use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::extension::KeyUsage;
use xml_sig::{
    Certificate, KeyError, Limits, ReadOptions, SignError, SigningFault, SigningKey, SigningMethod,
    SoftwareKey, sign,
};

use crate::support::*;

const HEADER: &[(&str, &str)] = &[("", "r"), ("", "h")];

fn signed_with(document: &str, parent: &[(&str, &str)], given: &[(&str, &str)]) -> Result<String, SignError> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: given };
    let mut output = Vec::new();
    let owned = document.as_bytes().to_vec();
    let mut input = move || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(io::Cursor::new(owned.clone()))) };
    sign(&mut input, parent, &ec().signing_key(), &options, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn the_signature_is_the_last_child_and_the_rest_is_unchanged() {
    for document in [
        "<r><h></h></r>",
        "<r><h>x<i/></h ></r>",
        "\u{FEFF}<?xml version='1.0'?>\r\n<r xmlns:ds='u:other' xml:lang='&quot;&#10;vi'><h xml:space='preserve'  >\r\n</h>\n</r><!-- -->",
        "<r><a><h/></a><h xmlns:p='u:&amp;&lt;' a='/>'>\u{1EE6}y ban</h></r>",
    ] {
        let signed = signed_with(document, HEADER, &[]).unwrap();
        let from = signed.find("<ds:Signature ").unwrap();
        let to = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        assert!(signed[to..].starts_with("</h"), "{signed}");
        assert_eq!(format!("{}{}", &signed[..from], &signed[to..]), document);
        assert_eq!(judge(&signed, &pinned(&[ec()])), "valid", "{signed}");
    }
}

#[test]
fn an_empty_parent_is_opened_up() {
    for (document, before) in [("<r><h/></r>", "<r><h>"), ("<r><h a='' />\n</r>", "<r><h a='' >")] {
        let signed = signed_with(document, HEADER, &[]).unwrap();
        assert!(signed.starts_with(before) && signed.contains("</ds:Signature></h>"), "{signed}");
        assert_eq!(judge(&signed, &pinned(&[ec()])), "valid", "{signed}");
    }
    let signed = signed_with("<r/>", &[("", "r")], &[]).unwrap();
    assert_eq!(judge(&signed, &pinned(&[ec()])), "valid");
    let prefixed = signed_with("<p:r xmlns:p='u:p'/>", &[("u:p", "r")], &[]).unwrap();
    assert!(prefixed.ends_with("</ds:Signature></p:r>"), "{prefixed}");
}

#[test]
fn all_certificates_of_the_key_file_are_sent_along() {
    let both = [ec().certificate_pem(), rsa().certificate_pem()].concat();
    let key = SoftwareKey::from_pem(&ec().key_pem(), &both).unwrap();
    assert_eq!(key.certificate(), &ec().certificate());
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut output = Vec::new();
    let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(&b"<r/>"[..])) };
    sign(&mut input, &[("", "r")], &key, &options, &mut output).unwrap();
    let signed = String::from_utf8(output).unwrap();
    assert_eq!(signed.matches("<ds:X509Certificate>").count(), 2);
    assert_eq!(judge(&signed, &pinned(&[ec()])), "valid");
}

#[test]
fn documents_that_cannot_be_signed_are_refused() {
    let refused = |document: &str| signed_with(document, HEADER, &[]).unwrap_err();
    let signed = signed_with("<r><h/></r>", HEADER, &[]).unwrap();
    assert!(matches!(refused(&signed), SignError::AlreadySigned));
    assert!(matches!(refused("<r><b/></r>"), SignError::Parent(0)));
    assert!(matches!(refused("<r><h xmlns='u:h'/></r>"), SignError::Parent(0)));
    assert!(matches!(refused("<r><h/><h/></r>"), SignError::Parent(2)));
    assert!(matches!(refused("<r xmlns:p='p'><h/></r>"), SignError::RelativeNamespace));
    assert!(matches!(refused("<r><h></r>"), SignError::Read(_)));
    assert!(matches!(signed_with("<r><h p:a=''/></r>", HEADER, &[("p", "u:p")]), Err(SignError::Repaired)));
    assert!(signed_with("<r><h/></r>", HEADER, &[("p", "u:p")]).is_ok(), "nothing needed repair");
}

/// Signs documents that are others at each opening; the verdict, and what was written.
fn signed_of(openings: [&'static str; 4]) -> (Result<(), SignError>, String) {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut next = openings.into_iter();
    let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(next.next().unwrap().as_bytes())) };
    let mut output = Vec::new();
    let result = sign(&mut input, HEADER, &ec().signing_key(), &options, &mut output);
    (result, String::from_utf8(output).unwrap())
}

#[test]
fn a_document_that_changes_while_it_is_signed_is_refused() {
    const FIRST: &str = "<r><h/><b>1</b></r>";
    assert!(signed_of([FIRST; 4]).0.is_ok());
    for other in
        ["<r><h/><b>2</b></r>", "<r><h/><b>1</b></r>\n", "<r><h/><b>1</b><b/></r>", "<r ><h/><b>1</b></r>"]
    {
        let (result, written) = signed_of([FIRST, other, other, other]);
        assert!(matches!(result, Err(SignError::Changed | SignError::Read(_))), "{other}: {result:?}");
        assert!(written.is_empty() || other.ends_with('\n'), "{other}: {written}");
        let (result, written) = signed_of([FIRST, FIRST, other, FIRST]);
        assert!(result.is_err(), "{other}");
        assert!(written.is_empty() || other.ends_with('\n'), "{other}: {written}");
        let (result, _) = signed_of([FIRST, FIRST, FIRST, other]);
        assert!(matches!(result, Err(SignError::Changed)), "{other}: {result:?}");
    }
    let (result, written) = signed_of([FIRST, "<r", FIRST, FIRST]);
    assert!(result.is_err() && written.is_empty(), "{result:?}");
}

/// A key that is not in this program: it answers what the test tells it to.
struct Token {
    certificates: Vec<Certificate>,
    method: SigningMethod,
    answer: Box<Answer>,
}

type Answer = dyn Fn(&[u8]) -> Result<Vec<u8>, SigningFault> + Send + Sync;

impl SigningKey for Token {
    fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    fn method(&self) -> SigningMethod {
        self.method
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFault> {
        (self.answer)(octets)
    }
}

impl Token {
    /// One that signs rightly, as a token with PKCS #11 would: raw r and s, or the RSA value.
    fn of(identity: &Identity) -> Self {
        let key = identity.key.clone();
        let method = match key.id() {
            Id::EC => SigningMethod::EcdsaP256Sha256,
            _ => SigningMethod::RsaSha256,
        };
        let answer = move |octets: &[u8]| {
            let fault = |stack: ErrorStack| SigningFault::new(stack.to_string());
            let Ok(ec) = key.ec_key() else {
                let mut signer = Signer::new(MessageDigest::sha256(), &key).map_err(fault)?;
                return signer.sign_oneshot_to_vec(octets).map_err(fault);
            };
            let made = EcdsaSig::sign(&sha256(octets), &ec).map_err(fault)?;
            let (r, s) =
                (made.r().to_vec_padded(32).map_err(fault)?, made.s().to_vec_padded(32).map_err(fault)?);
            Ok([r, s].concat())
        };
        Self { certificates: vec![identity.certificate()], method, answer: Box::new(answer) }
    }

    fn signs(&self, document: &str) -> (Result<(), SignError>, String) {
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let mut input =
            || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(io::Cursor::new(document.to_owned()))) };
        let mut output = Vec::new();
        let result = sign(&mut input, HEADER, self, &options, &mut output);
        (result, String::from_utf8(output).unwrap())
    }
}

#[test]
fn a_key_outside_this_program_signs() {
    for identity in [ec(), rsa()] {
        let (result, signed) = Token::of(identity).signs("<r><h/></r>");
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(judge(&signed, &pinned(&[identity])), "valid");
    }
    assert_eq!(SigningMethod::RsaSha256.uri(), RSA_SHA256);
    assert_eq!(SigningMethod::EcdsaP256Sha256.uri(), ECDSA_SHA256);
}

#[test]
fn nothing_is_written_with_a_key_that_lies() {
    let another = issue(&ec_key(Nid::X9_62_PRIME256V1), None, Wanted::default());
    let answering = |answer: fn(&[u8]) -> Vec<u8>| Token {
        answer: Box::new(move |octets| Ok(answer(octets))),
        ..Token::of(ec())
    };
    let lies = [
        ("garbage", answering(|_| vec![7; 64])),
        ("nothing", answering(|_| Vec::new())),
        ("zeros", answering(|_| vec![0; 64])),
        ("too much", answering(|_| vec![1; 1 << 20])),
        ("what it was given", answering(<[u8]>::to_vec)),
        ("another certificate", Token { certificates: vec![another.certificate()], ..Token::of(ec()) }),
        (
            "a certificate of another kind",
            Token { certificates: vec![rsa().certificate()], ..Token::of(ec()) },
        ),
        ("another method", Token { method: SigningMethod::RsaSha256, ..Token::of(ec()) }),
        (
            "its certificate second",
            Token { certificates: vec![another.certificate(), ec().certificate()], ..Token::of(ec()) },
        ),
    ];
    for (name, token) in lies {
        let (result, written) = token.signs("<r><h/></r>");
        assert!(matches!(result, Err(SignError::ForeignValue(_))), "{name}: {result:?}");
        assert_eq!(written, "", "{name}");
    }
    let (result, written) = Token { certificates: Vec::new(), ..Token::of(ec()) }.signs("<r><h/></r>");
    assert!(matches!(result, Err(SignError::NoCertificate)) && written.is_empty(), "{result:?}");
    let refuses =
        Token { answer: Box::new(|_| Err(SigningFault::new("the token is locked"))), ..Token::of(ec()) };
    let (result, written) = refuses.signs("<r><h/></r>");
    assert_eq!(result.unwrap_err().to_string(), "making the signature: the token is locked");
    assert_eq!(written, "");
}

#[test]
fn a_signature_that_no_receiver_would_take_is_not_written() {
    let mut usage = KeyUsage::new();
    usage.key_encipherment();
    let key = ec_key(Nid::X9_62_PRIME256V1);
    let encrypts = issue(&key, None, Wanted { usage: Some(usage), ..Wanted::default() });
    let small = issue(&rsa_key(1024), None, Wanted::default());
    let many = Token { certificates: vec![ec().certificate(); 17], ..Token::of(ec()) };
    for (name, token, wanted) in
        [("usage", Token::of(&encrypts), "key-usage"), ("too many certificates", many, "limit")]
    {
        let (result, written) = token.signs("<r><h/></r>");
        assert!(
            matches!(&result, Err(SignError::Unverifiable { code, .. }) if *code == wanted),
            "{name}: {result:?}"
        );
        assert_eq!(written, "", "{name}");
    }
    let (result, written) = Token::of(&small).signs("<r><h/></r>");
    assert!(matches!(result, Err(SignError::ForeignValue(_))) && written.is_empty(), "{result:?}");
    let sixteen = Token { certificates: vec![ec().certificate(); 16], ..Token::of(ec()) };
    assert!(sixteen.signs("<r><h/></r>").0.is_ok());
}

#[test]
fn an_expired_certificate_signs_and_its_receiver_decides() {
    let wanted = Wanted { from: "20200101000000Z", to: "20210101000000Z", ..Wanted::default() };
    let expired = issue(&ec_key(Nid::X9_62_PRIME256V1), None, wanted);
    let (result, signed) = Token::of(&expired).signs("<r><h/></r>");
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(judge(&signed, &pinned(&[&expired])), "invalid expired");
}

#[test]
fn the_signed_document_keeps_the_limits_that_the_reader_has() {
    let document = "<r><h/></r>";
    let (_, signed) = Token::of(ec()).signs(document);
    let attempt = |total_bytes: usize| {
        let limits = Limits { total_bytes: total_bytes as u64, ..Limits::default() };
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let mut output = Vec::new();
        let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(document.as_bytes())) };
        let result = sign(&mut input, HEADER, &ec().signing_key(), &options, &mut output);
        (result, output.len())
    };
    // Every signature of P-256 has one length.
    assert!(attempt(signed.len()).0.is_ok());
    let (result, written) = attempt(signed.len() - 1);
    assert!(matches!(result, Err(SignError::Read(_))) && written == 0, "{result:?}");
}

fn pkcs12(identity: &Identity, others: &[&Identity], password: &str) -> Vec<u8> {
    let mut stack = Stack::new().unwrap();
    for other in others {
        stack.push(other.x509.clone()).unwrap();
    }
    let mut builder = Pkcs12::builder();
    builder.name("key").pkey(&identity.key).cert(&identity.x509).ca(stack);
    builder.build2(password).unwrap().to_der().unwrap()
}

#[test]
fn a_pkcs12_file_signs_with_its_key_and_brings_its_chain() {
    for (identity, other, password) in [(ec(), rsa(), "mật khẩu"), (rsa(), ec(), "")] {
        let key = SoftwareKey::from_pkcs12(&pkcs12(identity, &[other], password), password).unwrap();
        assert_eq!(key.certificate(), &identity.certificate());
        assert_eq!(key.certificates(), [identity.certificate(), other.certificate()]);
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let mut output = Vec::new();
        let mut input = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(&b"<r><h/></r>"[..])) };
        sign(&mut input, HEADER, &key, &options, &mut output).unwrap();
        assert_eq!(judge(std::str::from_utf8(&output).unwrap(), &pinned(&[identity])), "valid");
        assert!(!format!("{key:?}").contains("PRIVATE"), "{key:?}");
    }
}

#[test]
fn a_pkcs12_file_that_cannot_be_used_is_named() {
    let whole = pkcs12(ec(), &[], "word");
    let read = |der: &[u8], password: &str| SoftwareKey::from_pkcs12(der, password).err().unwrap();
    let unreadable = KeyError::Unreadable("PKCS #12 file");
    assert_eq!(read(&whole, "Word"), KeyError::Password);
    assert_eq!(read(&whole, ""), KeyError::Password);
    assert_eq!(read(&whole, "word\0"), KeyError::Password);
    assert_eq!(read(b"", "word"), unreadable);
    assert_eq!(read(&ec().key_pem(), "word"), unreadable);
    assert_eq!(read(&whole[..whole.len() - 1], "word"), unreadable);
    assert_eq!(read(&two_keys(&whole), "word"), KeyError::Several);

    let bag = |key: Option<&PKey<Private>>, certificate: Option<&X509>| {
        let mut builder = Pkcs12::builder();
        key.map(|key| builder.pkey(key));
        certificate.map(|certificate| builder.cert(certificate));
        builder.build2("word").unwrap().to_der().unwrap()
    };
    assert_eq!(read(&bag(None, Some(&ec().x509)), "word"), KeyError::Missing("private key"));
    assert_eq!(read(&bag(Some(&ec().key), None), "word"), KeyError::Missing("certificate"));
    let mut builder = Pkcs12::builder();
    let mut stack = Stack::new().unwrap();
    stack.push(rsa().x509.clone()).unwrap();
    let foreign = builder.pkey(&ec().key).ca(stack).build2("word").unwrap().to_der().unwrap();
    assert_eq!(read(&foreign, "word"), KeyError::Mismatch);
    let p384 = issue(&ec_key(Nid::SECP384R1), None, Wanted::default());
    assert_eq!(read(&pkcs12(&p384, &[], "word"), "word"), KeyError::Kind);
    let small = issue(&rsa_key(1024), None, Wanted::default());
    assert_eq!(read(&pkcs12(&small, &[], "word"), "word"), KeyError::Size(1024));
}

/// The file with its key twice in the part that is not encrypted as a whole (RFC 7292 section 4: PFX, ContentInfo,
/// AuthenticatedSafe, ContentInfo with data, SafeContents). The MAC is no longer right.
fn two_keys(pkcs12: &[u8]) -> Vec<u8> {
    const DATA: [u8; 11] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
    let wrapped = |content: &[u8]| {
        let octets = der_of(0xA0, &der_of(0x04, content));
        der_of(0x30, &[&DATA[..], &octets].concat())
    };
    let data = |info: &[u8]| {
        let (fields, _) = der_content(info);
        let octets = fields.strip_prefix(&DATA)?;
        let (octets, _) = der_content(octets);
        Some(der_content(octets).0.to_vec())
    };
    let (pfx, _) = der_content(pkcs12);
    let (version, rest) = pfx.split_at(3);
    let (_, mac) = der_content(rest);
    let safe = data(&rest[..rest.len() - mac.len()]).unwrap();
    let (mut infos, _) = der_content(&safe);
    let mut twice = Vec::new();
    while !infos.is_empty() {
        let (_, behind) = der_content(infos);
        let info = &infos[..infos.len() - behind.len()];
        match data(info) {
            Some(contents) => {
                let (bags, _) = der_content(&contents);
                twice.extend(wrapped(&der_of(0x30, &[bags, bags].concat())));
            }
            None => twice.extend_from_slice(info),
        }
        infos = behind;
    }
    let safe = wrapped(&der_of(0x30, &twice));
    der_of(0x30, &[version, &safe, mac].concat())
}

/// Files of old programs are encrypted with RC2, which OpenSSL 3 leaves to its legacy provider.
#[test]
fn a_pkcs12_file_with_an_old_cipher_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("key"), ec().key_pem()).unwrap();
    std::fs::write(path("certificate"), ec().certificate_pem()).unwrap();
    let mut export = Command::new("openssl");
    export.args(["pkcs12", "-export", "-legacy", "-passout", "pass:word", "-certpbe", "PBE-SHA1-RC2-40"]);
    export.args([
        "-inkey".as_ref(),
        path("key").as_os_str(),
        "-in".as_ref(),
        path("certificate").as_os_str(),
    ]);
    match export.arg("-out").arg(path("p12")).output() {
        Ok(output) if output.status.success() => {}
        _ => return println!("SKIPPED: no openssl program with its legacy provider"),
    }
    let der = std::fs::read(path("p12")).unwrap();
    assert_eq!(SoftwareKey::from_pkcs12(&der, "word").err(), Some(KeyError::Cipher));
    assert_eq!(SoftwareKey::from_pkcs12(&der, "Word").err(), Some(KeyError::Password));
}
