//! Judging a located signature: first the SignatureValue over the canonical SignedInfo, then the References parsed from
//! those verified octets, the certificate, and last the digests in a second pass over the document.

use std::io::BufRead;

use crate::algorithms::{DS, DigestMethod, SignatureMethod};
use crate::c14n::{Canonical, Form, Method};
use crate::capture::{Capture, Captured};
use crate::certificate::Certificate;
use crate::driver::Drive;
use crate::error::ReadError;
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::locate::{Finding, Located};
use crate::octets::Hashing;
use crate::reader::{Observer, ReadOptions, Shown, read};
use crate::signed_info::{Methods, Reference, SignedInfo, base64};
use crate::trust::Trust;
use crate::verdict::{Coverage, Invalid, Objection, Unusable, Valid, Verdict, Warning};

impl Located {
    /// Pass 2: judges the signature, reading the same bytes again. `observer` sees the whole document, unless the
    /// signature is refused before the digests are made: then this returns at once. What it saw counts only when the
    /// caller accepts the verdict.
    ///
    /// # Errors
    /// The input cannot be read, or is no longer the document of pass 1, or the observer stops it.
    pub fn verify(
        self,
        input: &mut dyn BufRead,
        trust: &Trust,
        observer: &mut dyn Observer,
    ) -> Result<Verdict, ReadError> {
        let Self { limits, given, repaired, relative_namespace, finding } = self;
        let given: Vec<(&str, &str)> = given.iter().map(|(p, u)| (p.as_str(), u.as_str())).collect();
        let options = ReadOptions { limits: &limits, initial_namespaces: &given };

        let plan = match finding {
            Finding::None => Err(Verdict::Absent),
            Finding::WrongNamespace(namespace) => {
                let detail = format!("Signature in the namespace \"{namespace}\"");
                Err(Verdict::Unusable { why: Unusable::WrongNamespace, detail })
            }
            _ if repaired => {
                let detail = "the document leaves prefixes undeclared".to_owned();
                Err(Verdict::Unusable { why: Unusable::Namespaces, detail })
            }
            Finding::Duplicate => Err(invalid(Invalid::Duplicate, "more than one ds:Signature")),
            Finding::Misplaced => Err(invalid(Invalid::Position, "ds:Signature at a place not allowed")),
            Finding::One(_) if relative_namespace => {
                Err(invalid(Invalid::RelativeNamespace, "a relative namespace URI"))
            }
            Finding::One(capture) => plan(*capture, trust, &options).map_err(Verdict::from),
        };
        match plan {
            Ok(plan) => digest(input, plan, &options, observer),
            Err(verdict @ Verdict::Invalid { .. }) => Ok(verdict),
            Err(verdict) => read(input, &options, observer).map(|()| verdict),
        }
    }
}

/// A signature that is good as far as SignedInfo goes; only the digests are left.
struct Plan {
    span: (u64, u64),
    signer: Certificate,
    methods: Methods,
    references: Vec<Reference>,
    warnings: Vec<Warning>,
}

fn plan(capture: Capture, trust: &Trust, options: &ReadOptions<'_>) -> Result<Plan, Objection> {
    let span = capture.span();
    let captured = capture.finish()?;
    let methods = SignedInfo::parse(&captured.inclusive, options.limits)?.methods(trust.legacy_sha1)?;
    let octets = match methods.canonicalisation.method {
        Method::Inclusive => &captured.inclusive,
        Method::Exclusive => &captured.exclusive,
    };
    if methods.canonicalisation.comments && captured.comments {
        return Err(Objection::algorithm("canonicalisation with comments, and SignedInfo has some"));
    }
    if !trust.is_given() {
        return Err(Objection::Unusable(
            Unusable::NoTrust,
            "no certificate and no authority is trusted".to_owned(),
        ));
    }
    let named = named_certificates(&captured);
    let (signer, mut warnings) =
        find_signer(&captured.signature_value, octets, methods.signature, &named, trust)?;

    // From here on only the octets whose signature was checked are read.
    let signed_info = SignedInfo::parse(octets, options.limits)?;
    if signed_info.methods(trust.legacy_sha1)? != methods {
        return Err(Objection::structure("SignedInfo reads differently in its two canonical forms"));
    }
    let references = signed_info.references(options.limits, trust.legacy_sha1)?;
    if methods.signature.digest == DigestMethod::Sha1
        || references.iter().any(|r| r.digest == DigestMethod::Sha1)
    {
        warnings.push(Warning::Sha1);
    }
    Ok(Plan { span, signer, methods, references, warnings })
}

/// The certificates of KeyInfo that can be read.
fn named_certificates(captured: &Captured) -> Vec<Certificate> {
    let decoded = captured.certificates.iter().filter_map(|text| base64(text));
    decoded.filter_map(|der| Certificate::from_der(&der).ok()).collect()
}

/// The one whose key made the SignatureValue and that is trusted, with the warnings of its check, among those that may be
/// it: certificates that KeyInfo names and that are bound to the sender, or, when it names none, those that are pinned. A
/// renewed certificate has the key of the old one, so all whose key fits are tried; if none is trusted, the first
/// objection is told.
fn find_signer(
    value: &str,
    octets: &[u8],
    method: SignatureMethod,
    named: &[Certificate],
    trust: &Trust,
) -> Result<(Certificate, Vec<Warning>), Objection> {
    let candidates: Vec<&Certificate> = match named {
        [] => trust.signers.certificates.iter().collect(),
        named => named.iter().filter(|certificate| trust.binds(certificate)).collect(),
    };
    if candidates.is_empty() {
        return Err(match named.first() {
            None => {
                let detail = "KeyInfo has no readable X509Certificate".to_owned();
                Objection::Unusable(Unusable::NoCertificate, detail)
            }
            Some(named) => {
                let detail = format!("no certificate of this sender: {}", named.subject());
                Objection::Invalid(Invalid::ForeignSigner, detail)
            }
        });
    }
    let value = base64(value).ok_or_else(|| bad_value("it is not base64"))?;
    let (mut misfit, mut distrust) = (None, None);
    for candidate in candidates {
        match candidate.check_value(method, octets, &value) {
            Ok(()) => match trust.check(candidate, named) {
                Ok(warnings) => return Ok((candidate.clone(), warnings)),
                Err(objection) => {
                    distrust.get_or_insert(objection);
                }
            },
            // A key that fits, and yet did not make it, says more than one that does not fit.
            Err(wrong @ Objection::Invalid(Invalid::SignatureValue, _)) => misfit = Some(wrong),
            Err(other) => {
                misfit.get_or_insert(other);
            }
        }
    }
    Err(distrust.or(misfit).unwrap_or_else(|| bad_value("no key fits")))
}

fn bad_value(detail: &str) -> Objection {
    Objection::Invalid(Invalid::SignatureValue, detail.to_owned())
}

fn invalid(why: Invalid, detail: &str) -> Verdict {
    Verdict::Invalid { why, detail: detail.to_owned() }
}

fn digest(
    input: &mut dyn BufRead,
    plan: Plan,
    options: &ReadOptions<'_>,
    observer: &mut dyn Observer,
) -> Result<Verdict, ReadError> {
    let mut digests = Digests::new(plan.span, Shown(observer));
    for reference in &plan.references {
        digests.add(reference);
    }
    Drive::new(input, options)?.run(&mut digests)?;
    if digests.changed || !digests.seen {
        return Ok(invalid(Invalid::Digest, "the document changed between the two passes"));
    }
    for running in digests.running {
        let Some(made) = running.canonical.into_octets().finish() else {
            return Ok(invalid(Invalid::Digest, "the digest could not be made"));
        };
        if running.expected.iter().any(|value| *value != made) {
            return Ok(invalid(Invalid::Digest, "the content is not what was signed"));
        }
    }
    let weakest = plan.references.iter().map(|r| r.digest).min();
    Ok(Verdict::Valid(Valid {
        signer: plan.signer,
        covers: Coverage::WholeDocument,
        signature_algorithm: plan.methods.signature.uri,
        digest_algorithm: weakest.unwrap_or(DigestMethod::Sha256).uri(),
        canonicalisation: plan.methods.canonicalisation.uri,
        warnings: plan.warnings,
    }))
}

/// One canonicalisation into one hash, for all References that ask for the same.
struct Running {
    digest: DigestMethod,
    canonical: Canonical<Hashing>,
    expected: Vec<Vec<u8>>,
}

/// Pass 2: the document less the one Signature goes into the hashes; the observer sees all of it.
struct Digests<'o> {
    shown: Shown<'o>,
    span: (u64, u64),
    skipping: Option<usize>,
    seen: bool,
    changed: bool,
    running: Vec<Running>,
}

impl<'o> Digests<'o> {
    fn new(span: (u64, u64), shown: Shown<'o>) -> Self {
        Self { shown, span, skipping: None, seen: false, changed: false, running: Vec::new() }
    }

    fn add(&mut self, reference: &Reference) {
        let same =
            |r: &&mut Running| r.canonical.form().method == reference.method && r.digest == reference.digest;
        if let Some(running) = self.running.iter_mut().find(same) {
            return running.expected.push(reference.value.clone());
        }
        let canonical = Canonical::new(&Form::of(reference.method), Hashing::new(reference.digest.digest()));
        let expected = vec![reference.value.clone()];
        self.running.push(Running { digest: reference.digest, canonical, expected });
    }
}

impl Sink for Digests<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        let signature = open.tag.name.is(DS, "Signature");
        let here = open.tag.offset == self.span.0;
        self.changed |= signature != here;
        if signature && here {
            self.skipping = Some(open.tag.depth);
        }
        if self.skipping.is_none() {
            for running in &mut self.running {
                running.canonical.start(open, &[]);
            }
        }
        self.shown.start(open)
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        if self.skipping.is_none() {
            for running in &mut self.running {
                running.canonical.text(chunk, form);
            }
        }
        self.shown.text(chunk, form)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        if self.skipping.is_none() {
            for running in &mut self.running {
                running.canonical.end(end);
            }
        } else if self.skipping == Some(end.depth) {
            self.skipping = None;
            self.seen = true;
            self.changed |= end.offset_end != self.span.1;
        }
        self.shown.end(end)
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        if self.skipping.is_none() {
            for running in &mut self.running {
                running.canonical.instruction(target, data, place);
            }
        }
        Ok(())
    }
}
