//! The crate xml-sig as an engine.

use std::error::Error;
use std::io::{self, BufRead, Cursor};
use std::sync::Arc;

use xml_sig::{
    Authorities, Certificate, Form, Limits, Method, Name, Observer, Places, Reach, ReadOptions, SoftwareKey,
    StartTag, Stop, Trust, Unwatched, Verdict, canonicalise, locate, read, sign,
};

use crate::generate::signature::Shape;
use crate::keys::Identity;

/// The engine with one key.
pub(crate) struct Ours {
    key: Option<SoftwareKey>,
    trust: Trust,
    limits: Limits,
}

impl Ours {
    /// Verifies with one certificate pinned; signs too, if its key is of a kind that we sign with.
    pub(crate) fn new(identity: &Identity) -> Result<Self, Box<dyn Error>> {
        let key = SoftwareKey::from_pem(&identity.key, &identity.certificate).ok();
        Ok(Self { key, ..Self::verifier(&identity.certificate)? })
    }

    /// Verifies with one certificate (PEM) pinned.
    pub(crate) fn verifier(certificate: &[u8]) -> Result<Self, Box<dyn Error>> {
        let at = "2026-11-23T00:00:00Z".parse()?;
        let signers = Arc::new(Certificate::from_pem(certificate)?.into());
        Ok(Self {
            key: None,
            trust: Trust { signers, authorities: Arc::new(Authorities::default()), at, legacy_sha1: false },
            limits: Limits::default(),
        })
    }

    fn options(&self) -> ReadOptions<'_> {
        ReadOptions { limits: &self.limits, initial_namespaces: &[] }
    }

    /// Signs as the crate does: enveloped, into the root. `None` with a key that it does not sign with.
    pub(crate) fn sign(&self, document: &str, root: &(String, String)) -> Option<Result<String, String>> {
        let key = self.key.as_ref()?;
        let mut input =
            || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(document.as_bytes().to_vec()))) };
        let mut output = Vec::new();
        let parent = [(root.0.as_str(), root.1.as_str())];
        let signed = sign(&mut input, &parent, key, &self.options(), &mut output);
        Some(signed.map_err(|error| error.to_string()).map(|_| String::from_utf8_lossy(&output).into_owned()))
    }

    /// The Signature must stand in the root, or be it; the error is what the verdict says, its code first.
    pub(crate) fn verify(
        &self,
        document: &[u8],
        shape: Shape,
        root: &(String, String),
    ) -> Result<(), String> {
        let root = [(root.0.as_str(), root.1.as_str())];
        let parents = [if shape == Shape::Enveloping { &[][..] } else { &root[..] }];
        let places = Places { parents: &parents, signed: &[] };
        let judge = |reach| self.judge(document, &places, reach);
        let judged = judge(Reach::End);
        let early = judge(Reach::Signature);
        if judged.is_ok() != early.is_ok() {
            return Err(format!("{judged:?} and {early:?}, as far as pass 1 reads"));
        }
        judged
    }

    fn judge(&self, document: &[u8], places: &Places<'_>, reach: Reach) -> Result<(), String> {
        let judged = locate(&mut &*document, &self.options(), places, reach, &mut Unwatched)
            .and_then(|located| located.verify(&mut &*document, &self.trust, &mut Unwatched));
        match judged {
            Ok(Verdict::Valid(_)) => Ok(()),
            Ok(Verdict::Unusable { why, detail, .. }) => Err(format!("unusable {}: {detail}", why.code())),
            Ok(Verdict::Invalid { why, detail, at }) => {
                Err(format!("invalid {}: {detail}, at {at}", why.code()))
            }
            Ok(Verdict::Absent) => Err("absent".to_owned()),
            Err(error) => Err(format!("not readable: {error}")),
        }
    }
}

/// The canonical form of a whole document.
pub(crate) fn canonical(
    document: &str,
    method: Method,
    comments: bool,
    prefixes: &[String],
) -> Result<Vec<u8>, String> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let form = Form { method, comments, prefixes: prefixes.to_vec() };
    let mut octets = Vec::new();
    canonicalise(&mut document.as_bytes(), &options, &form, &mut octets)
        .map_err(|error| error.to_string())?;
    Ok(octets)
}

/// Namespace and local name of a document's root.
pub(crate) fn root(document: &str) -> Result<(String, String), Box<dyn Error>> {
    struct Root(Option<(String, String)>);
    impl Observer for Root {
        fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
            self.0.get_or_insert_with(|| (tag.name.namespace.to_owned(), tag.name.local.to_owned()));
            Ok(())
        }
        fn text(&mut self, _: &str) -> Result<(), Stop> {
            Ok(())
        }
        fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
            Ok(())
        }
    }
    let limits = Limits::default();
    let mut root = Root(None);
    read(&mut document.as_bytes(), &ReadOptions { limits: &limits, initial_namespaces: &[] }, &mut root)?;
    root.0.ok_or_else(|| "no root".into())
}
