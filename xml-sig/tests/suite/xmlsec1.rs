//! Against an independent engine, the program `xmlsec1`: random documents, signed by each and verified by the other, and
//! mutants of them, of which it must accept what we accept. Where it is known to be wrong stands in `generate/gaps.rs`;
//! `oracles` sets a third engine beside the two. More than the gate has: `XML_SIG_SIGNATURES=1000 XML_SIG_SEED=7`.

use std::io::{BufRead, Cursor};

use openssl::nid::Nid;
use xml_sig::{Limits, Places, Reach, ReadOptions, Trust, Unwatched, Verdict, locate, sign};

use crate::differential::from_environment;
use crate::generate::document::{Document, Part, Settings, document};
use crate::generate::gaps::{Engine, gap};
use crate::generate::mutate::mutate;
use crate::generate::random::Random;
use crate::generate::signature::{Key, Shape, Template, filled, template};
use crate::generate::xmlsec1::Xmlsec1;
use crate::support::*;

const SEED: u64 = 0x5EED_0403;
/// Documents to a kind of key.
const SIGNATURES: u64 = 40;
/// To each document that it signs.
const MUTATIONS: u64 = 20;

/// A signed document, and where it may have its Signature.
struct Signed {
    name: String,
    text: String,
    shape: Shape,
    root: (String, String),
}

/// Everything about one kind of key.
struct Exchange {
    kind: Key,
    identity: Identity,
    xmlsec1: Xmlsec1,
    seed: u64,
    count: u64,
    _folder: tempfile::TempDir,
}

impl Exchange {
    fn new(kind: Key) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let Some(xmlsec1) = Xmlsec1::find(folder.path()) else {
            println!("SKIPPED: xmlsec1 absent");
            return None;
        };
        let key = match kind {
            Key::Rsa => rsa_key(2048),
            Key::P256 => ec_key(Nid::X9_62_PRIME256V1),
            Key::P384 => ec_key(Nid::SECP384R1),
            Key::P521 => ec_key(Nid::SECP521R1),
        };
        let seed = from_environment("XML_SIG_SEED", SEED) ^ kind as u64;
        let count = from_environment("XML_SIG_SIGNATURES", SIGNATURES);
        println!("{kind:?}, seed {seed:#x}, {count} documents");
        let identity = issue(&key, None, Wanted::default());
        Some(Self { kind, identity, xmlsec1, seed, count, _folder: folder })
    }

    fn documents(&self) -> Vec<(Random, Document)> {
        let settings = Settings::default();
        let made = (0..self.count).map(|number| {
            let mut random = Random::of(self.seed, number);
            let document = document(&mut random, &settings);
            (random, document)
        });
        made.collect()
    }

    fn verify(&self, parts: &[Part], documents: &[&str]) -> Vec<bool> {
        let documents: Vec<&[u8]> = documents.iter().map(|document| document.as_bytes()).collect();
        let certificate = self.identity.certificate_pem();
        let valid = documents.chunks(100).map(|some| self.xmlsec1.verify(&certificate, parts, some).unwrap());
        valid.collect::<Vec<_>>().concat()
    }

    fn templates(&self) -> Vec<(Document, Template)> {
        let certificate = openssl::base64::encode_block(&self.identity.x509.to_der().unwrap());
        let templates = self.documents().into_iter().map(|(mut random, document)| {
            let certificate = if random.one_in(4) { "" } else { &*certificate };
            let template = template(&mut random, &document, self.kind, false, certificate);
            (document, template)
        });
        templates.collect()
    }

    /// Each twice: as the program writes it, and with its values in the octets of the template.
    fn signed_by_xmlsec1(&self, templates: &[(Document, Template)], parts: &[Part]) -> Vec<Signed> {
        let texts: Vec<&str> = templates.iter().map(|(_, template)| template.text.as_str()).collect();
        let signed = self.xmlsec1.sign(&self.identity.key_pem(), parts, &texts).unwrap();
        let both =
            templates.iter().zip(signed).enumerate().flat_map(|(number, ((document, template), text))| {
                let text =
                    text.unwrap_or_else(|| panic!("{number}: xmlsec1 does not sign {}", template.text));
                let in_place = filled(&template.text, &text);
                [(format!("{number}"), text), (format!("{number} in place"), in_place)].map(|(name, text)| {
                    Signed { name, text, shape: template.shape, root: document.root.clone() }
                })
            });
        both.collect()
    }

    /// One of our limits, or known to be wrong there.
    fn excused(text: &str, said: &str) -> bool {
        gap(Engine::Ours, text, said).or_else(|| gap(Engine::Xmlsec1, text, said)).is_some()
    }

    fn run(&self) {
        let templates = self.templates();
        let parts: Vec<Part> = templates.iter().flat_map(|(_, template)| template.parts.clone()).collect();
        let signed = self.signed_by_xmlsec1(&templates, &parts);
        let trust = pinned(&[&self.identity]);
        let mut accepted = Vec::new();
        let (mut good, mut mutants) = (0, 0);
        for (index, one) in signed.iter().enumerate() {
            let said = judged(one.text.as_bytes(), one, &trust);
            let valid = said == "valid";
            assert!(valid || Self::excused(&one.text, &said), "{}: {said}: {}", one.name, one.text);
            good += usize::from(valid);
            for number in 0..MUTATIONS {
                let mut random = Random::of(self.seed, 1 << 40 | (index as u64) << 20 | number);
                let mut mutant = one.text.clone().into_bytes();
                mutate(&mut mutant, &mut random);
                mutants += 1;
                if judged(&mutant, one, &trust) == "valid" {
                    accepted
                        .push((format!("{} mutant {number}", one.name), String::from_utf8(mutant).unwrap()));
                }
            }
        }
        println!("{good} of {} are valid, {} of {mutants} mutants", signed.len(), accepted.len());
        assert!(good * 10 >= signed.len() * 9, "the excuses are not most of them");
        assert!(
            accepted.len() > mutants / 8 && accepted.len() < mutants / 2,
            "the mutants are of both kinds"
        );
        let texts: Vec<&str> = accepted.iter().map(|(_, text)| text.as_str()).collect();
        for ((name, text), valid) in accepted.iter().zip(self.verify(&parts, &texts)) {
            assert!(valid || Self::excused(text, ""), "we accept what xmlsec1 refuses: {name}: {text}");
        }
    }
}

/// `valid`, or what is wrong, in words.
fn judged(document: &[u8], signed: &Signed, trust: &Trust) -> String {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let root = [(signed.root.0.as_str(), signed.root.1.as_str())];
    let parents = [if signed.shape == Shape::Enveloping { &[][..] } else { &root[..] }];
    let places = Places { parents: &parents, signed: &[] };
    let reaching = |reach| {
        let judged = locate(&mut &*document, &options, &places, reach, &mut Unwatched)
            .and_then(|located| located.verify(&mut &*document, trust, &mut Unwatched));
        match judged {
            Ok(Verdict::Unusable { why, detail, .. }) => format!("unusable {}: {detail}", why.code()),
            Ok(Verdict::Invalid { why, detail, .. }) => format!("invalid {}: {detail}", why.code()),
            Ok(verdict) => verdict.name().to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let (soon, whole) = (reaching(Reach::Signature), reaching(Reach::End));
    assert_eq!(soon == "valid", whole == "valid", "{soon}, {whole}");
    whole
}

#[test]
fn xmlsec1_verifies_what_we_sign() {
    for kind in [Key::Rsa, Key::P256] {
        let Some(exchange) = Exchange::new(kind) else { return };
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let key = exchange.identity.signing_key();
        let mut signed = Vec::new();
        for (_, document) in exchange.documents() {
            let text = document.text.clone().into_bytes();
            let mut input =
                || -> std::io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(text.clone()))) };
            let parent = [(document.root.0.as_str(), document.root.1.as_str())];
            let mut output = Vec::new();
            sign(&mut input, &parent, &key, &options, &mut output).unwrap();
            signed.push(String::from_utf8(output).unwrap());
        }
        let texts: Vec<&str> = signed.iter().map(String::as_str).collect();
        for (text, valid) in texts.iter().zip(exchange.verify(&[], &texts)) {
            assert!(valid, "xmlsec1 refuses {text}");
        }
        // One more attribute.
        let forge = |text: &&str| text.replacen("<ds:SignedInfo", "<ds:SignedInfo Id='x'", 1);
        let forged: Vec<String> = texts.iter().take(8).map(forge).collect();
        let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
        assert!(!exchange.verify(&[], &forged).contains(&true), "xmlsec1 checks nothing");
    }
}

#[test]
fn we_and_xmlsec1_agree_about_rsa() {
    Exchange::new(Key::Rsa).inspect(Exchange::run);
}

#[test]
fn we_and_xmlsec1_agree_about_p256() {
    Exchange::new(Key::P256).inspect(Exchange::run);
}

#[test]
fn we_and_xmlsec1_agree_about_p384() {
    Exchange::new(Key::P384).inspect(Exchange::run);
}

#[test]
fn we_and_xmlsec1_agree_about_p521() {
    Exchange::new(Key::P521).inspect(Exchange::run);
}
