//! Judging a located signature: SignedInfo in the form that it asks for, its References, then the SignatureValue over
//! those very octets, the certificate, and last the digests in a second pass over the document.

use std::io::BufRead;

use crate::algorithms::{DigestMethod, SignatureMethod};
use crate::c14n::Method;
use crate::capture::{Captured, Said};
use crate::certificate::Certificate;
use crate::digest::{Digested, Digests, Rule, Subject, relative, undeclared};
use crate::driver::Drive;
use crate::error::ReadError;
use crate::limits::Limits;
use crate::locate::{Finding, Located, Path};
use crate::reader::{Observer, ReadOptions, Shown, read};
use crate::signed_info::{Methods, Reference, SignedInfo, base64, canonical};
use crate::trust::Trust;
use crate::verdict::{Invalid, Objection, Signer, Unusable, Valid, Verdict, Warning};

impl Located {
    /// Pass 2: judges the signature, reading the same bytes again, to the end. `observer` sees the whole document, unless
    /// the signature is refused before the digests are made: then this returns at once. What it saw counts only when the
    /// caller accepts the verdict.
    ///
    /// # Errors
    /// The document breaks a rule of the reader; the input cannot be read; the observer stops it.
    pub fn verify(
        self,
        input: &mut dyn BufRead,
        trust: &Trust,
        observer: &mut dyn Observer,
    ) -> Result<Verdict, ReadError> {
        let Self { limits, given, signed, repaired, relative_namespace, finding } = self;
        let given: Vec<(&str, &str)> = given.iter().map(|(p, u)| (p.as_str(), u.as_str())).collect();
        let options = ReadOptions { limits: &limits, initial_namespaces: &given };

        let found = match finding {
            Finding::None => Err(Verdict::Absent),
            Finding::WrongNamespace(namespace, at) => {
                let detail = format!("Signature in the namespace \"{namespace}\"");
                Err(Objection::Unusable(Unusable::WrongNamespace, detail).at(at))
            }
            Finding::Duplicate(at) | Finding::Misplaced(at) if repaired => Err(undeclared().at(at)),
            Finding::Duplicate(at) => Err(invalid(Invalid::Duplicate, "more than one ds:Signature").at(at)),
            Finding::Misplaced(at) => {
                Err(invalid(Invalid::Position, "ds:Signature at a place not allowed").at(at))
            }
            Finding::One(captured) if repaired => Err(undeclared().at(captured.span.0)),
            Finding::One(captured) => Ok(captured),
        };
        let captured = match found {
            Ok(captured) => captured,
            Err(verdict @ Verdict::Invalid { .. }) => return Ok(verdict),
            Err(verdict) => return read(input, &options, observer).map(|()| verdict),
        };
        let planned = match relative_namespace {
            Some(at) => Err((relative(), at)),
            None => plan(&captured, &limits, trust),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err((objection @ Objection::Invalid(..), at)) => return Ok(objection.at(at)),
            Err((unusable, at)) => {
                // It cannot be judged, and yet the rest of the document may show that it is refused.
                let rest = digest(input, &captured, &[], Rule::Alone(&[]), &options, observer)?;
                return Ok(match rest {
                    Err((objection @ Objection::Invalid(..), at)) => objection.at(at),
                    _ => unusable.at(at),
                });
            }
        };
        let signed: Vec<Vec<(&str, &str)>> =
            signed.iter().map(|path| path.iter().map(|(n, l)| (n.as_str(), l.as_str())).collect()).collect();
        let signed: Vec<Path<'_>> = signed.iter().map(Vec::as_slice).collect();
        let digested = digest(input, &captured, &plan.references, Rule::Alone(&signed), &options, observer)?;
        Ok(digested.map_or_else(|(objection, at)| objection.at(at), |digested| plan.valid(digested)))
    }
}

/// A signature that is good as far as SignedInfo goes; only the digests are left.
pub(crate) struct Plan {
    signer: Signer,
    methods: Methods,
    pub(crate) references: Vec<Reference>,
    warnings: Vec<Warning>,
}

impl Plan {
    /// The verdict when the digests are good too.
    pub(crate) fn valid(self, digested: Digested) -> Verdict {
        let weakest = self.references.iter().map(|reference| reference.digest).min();
        Verdict::Valid(Valid {
            signer: self.signer,
            covers: digested.covers,
            signature_algorithm: self.methods.signature.uri,
            digest_algorithm: weakest.map_or("", |digest| digest.uri()),
            canonicalisation: self.methods.form_uri,
            warnings: self.warnings,
        })
    }
}

/// Judges everything but the digests.
pub(crate) fn plan(captured: &Captured, limits: &Limits, trust: &Trust) -> Result<Plan, (Objection, u64)> {
    match &captured.said {
        Ok(said) => plan_of(said, limits, trust).map_err(|objection| (objection, captured.span.0)),
        Err(objection) => Err(objection.clone()),
    }
}

fn plan_of(said: &Said, limits: &Limits, trust: &Trust) -> Result<Plan, Objection> {
    let kept = SignedInfo::parse(&said.signed_info, limits)?;
    let methods = kept.methods(limits, trust.legacy_sha1)?;
    if methods.form.method == Method::Inclusive11 && said.inherited.iter().any(|a| a.local == "base") {
        return Err(Objection::algorithm("Canonical XML 1.1 of a SignedInfo below xml:base"));
    }
    let octets = canonical(&said.signed_info, &methods.form, &said.inherited, limits)?;

    // From here on nothing of SignedInfo counts but the octets that the SignatureValue is checked against.
    let signed_info = if octets == said.signed_info { kept } else { SignedInfo::parse(&octets, limits)? };
    if signed_info.methods(limits, trust.legacy_sha1)? != methods {
        return Err(Objection::structure("SignedInfo reads differently in its canonical form"));
    }
    let references = signed_info.references(limits, trust.legacy_sha1)?;
    if !trust.is_given() {
        let detail = "no certificate, no key and no authority is trusted".to_owned();
        return Err(Objection::Unusable(Unusable::NoTrust, detail));
    }
    let (signer, mut warnings) = find_signer(said, &octets, methods.signature, trust)?;
    let sha1 = references
        .iter()
        .map(|r| r.digest)
        .chain([methods.signature.digest])
        .any(|d| d == DigestMethod::Sha1);
    if sha1 && !warnings.contains(&Warning::Sha1) {
        warnings.push(Warning::Sha1);
    }
    Ok(Plan { signer, methods, references, warnings })
}

/// The one whose key made the SignatureValue and that is trusted, with the warnings of its check, among those that may be
/// it: bare keys; certificates that KeyInfo names and that are bound to the sender, or, when it names none, those that are
/// pinned. A renewed certificate has the key of the old one, so all whose key fits are tried; if none is trusted, the
/// first objection is told.
fn find_signer(
    said: &Said,
    octets: &[u8],
    method: SignatureMethod,
    trust: &Trust,
) -> Result<(Signer, Vec<Warning>), Objection> {
    let named = named_certificates(said, trust);
    let candidates: Vec<&Certificate> = match &named[..] {
        [] => trust.signers.certificates.iter().collect(),
        named => named.iter().filter(|certificate| trust.binds(certificate)).collect(),
    };
    if candidates.is_empty() && trust.signers.keys.is_empty() {
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
    let not_base64 = || invalid(Invalid::SignatureValue, "it is not base64");
    let value = base64(&said.signature_value).ok_or_else(not_base64)?;
    let (mut misfit, mut distrust) = (None, None);
    let keys = trust.signers.keys.iter().map(|key| Signer::Key(key.clone()));
    let certificates = candidates.into_iter().map(|certificate| Signer::Certificate(certificate.clone()));
    for signer in keys.chain(certificates) {
        let checked = match &signer {
            Signer::Key(key) => key.check(method, octets, &value),
            Signer::Certificate(certificate) => certificate.check_value(method, octets, &value),
        };
        match checked {
            Ok(()) => match trust.check_signer(&signer, &named) {
                Ok(warnings) => return Ok((signer, warnings)),
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
    let none = || invalid(Invalid::SignatureValue, "no key fits");
    Err(distrust.or(misfit).unwrap_or_else(none))
}

/// The certificates of KeyInfo that can be read. One that is pinned is not read again.
fn named_certificates(said: &Said, trust: &Trust) -> Vec<Certificate> {
    let decoded = said.certificates.iter().filter_map(|text| base64(text));
    decoded.filter_map(|der| trust.known(&der).or_else(|| Certificate::from_der(&der).ok())).collect()
}

/// Pass 2.
pub(crate) fn digest(
    input: &mut dyn BufRead,
    captured: &Captured,
    references: &[Reference],
    rule: Rule<'_>,
    options: &ReadOptions<'_>,
    observer: &mut dyn Observer,
) -> Result<Result<Digested, (Objection, u64)>, ReadError> {
    let subject = Subject { span: captured.span, ancestors: &captured.ancestors, references, rule };
    let mut digests = Digests::new(subject, options.limits, Shown(observer));
    let outcome = Drive::new(input, options)?.run(&mut digests)?;
    Ok(digests.finish(outcome.repaired, outcome.bytes))
}

fn invalid(why: Invalid, detail: &str) -> Objection {
    Objection::Invalid(why, detail.to_owned())
}
