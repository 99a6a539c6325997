//! What may be acted on. [`vouch`] is the only origin of a [`VerifiedEnvelope`], and is the table of design.md B4.

use serde::{Deserialize, Serialize};
use xml_sig::{Coverage, ElementPath, Invalid, Places, Step, Unusable, Valid, Verdict, Warning};

use super::NAMESPACE;
use super::content::Content;
use super::envelope::Envelope;
use super::finding::{Finding, Findings};
use super::read::HEADER_PATH;
use crate::rejections::{Rejection, RejectionCode};

/// Where a `ds:Signature` may stand: directly in the root or in `edXMLHeader` (design.md B4). What it must cover, if not
/// the whole document: every header, body and `AttachmentEncoded`, which is all that is read of a packet, in any
/// namespace, because the reference library goes by local names.
pub const PLACES: Places<'static> = Places {
    parents: &[&[(NAMESPACE, "edXML")], HEADER_PATH],
    signed: &[
        &[("*", "edXML"), ("*", "edXMLEnvelope"), ("*", "edXMLHeader")],
        &[("*", "edXML"), ("*", "edXMLEnvelope"), ("*", "edXMLBody")],
        &[("*", "edXML"), ("*", "AttachmentEncoded")],
    ],
};

const SIGNATURE: &str = "edXMLHeader/Signature";
/// Retry-After while revocation cannot be judged, in seconds: an operator has to fetch a list.
const REVOCATION_RETRY_AFTER: u32 = 900;

/// What is demanded of a sender's XML signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePolicy {
    /// Only a valid signature over the whole packet will do.
    Required,
    /// A signature that is there and can be judged must be valid. Most real packets have none.
    #[default]
    VerifyIfPresent,
    /// The verdict is written down and decides nothing: what comes from the national axis, which re-serialises.
    RecordOnly,
}

/// A packet on whose signature a verdict and a policy have been applied. What a `Valid` verdict covers is all that is
/// read of the packet; with any other verdict the transport's authentication is all that speaks for the sender.
#[derive(Debug)]
pub struct VerifiedEnvelope {
    content: Content,
    verdict: Verdict,
    repaired: bool,
}

impl VerifiedEnvelope {
    /// All that the packet says.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// `absent`, `valid`, `unusable` or `invalid`.
    pub fn verdict_name(&self) -> &'static str {
        match &self.verdict {
            Verdict::Valid(valid) if !speaks_for_all(valid, self.repaired) => "unusable",
            verdict => verdict.name(),
        }
    }

    /// The subject of the signer's certificate; `None` unless the verdict is `valid`.
    pub fn signer(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Valid(valid) if speaks_for_all(valid, self.repaired) => Some(valid.signer().subject()),
            _ => None,
        }
    }

    /// What was noticed and did not hinder.
    pub fn findings(&self) -> &Findings {
        &self.content.findings
    }
}

/// Applies a verdict and a policy to the envelope that was read in the same pass over the same bytes.
///
/// | verdict | required | verify-if-present | record-only |
/// |---|---|---|---|
/// | valid | accept | accept | accept |
/// | absent, unusable | refuse | accept with a finding, as unsigned | accept |
/// | invalid | refuse | refuse | accept with a finding |
///
/// A valid signature with SHA-1, where the sender may use it, has a finding too. Where one is required, and it is our
/// revocation list that is missing or out of date, the refusal asks to try again.
///
/// `repaired`: the packet was read with given namespace bindings. Its signature is then never better than unusable.
/// An envelope that holds claims only is refused with `TRY_AGAIN_LATER` where it would be accepted.
pub fn vouch(
    envelope: Envelope,
    verdict: Verdict,
    policy: SignaturePolicy,
    repaired: bool,
) -> Result<VerifiedEnvelope, Rejection> {
    let finding = judge(&verdict, policy, repaired)?;
    let Envelope { mut content, whole } = envelope;
    if !whole {
        return Err(
            Rejection::new(RejectionCode::TryAgainLater).because("only the claims of the packet were read")
        );
    }
    if repaired {
        content.note(Finding::UndeclaredPrefixRepaired, "edXML");
    }
    if let Some(finding) = finding {
        content.note(finding, SIGNATURE);
    }
    Ok(VerifiedEnvelope { content, verdict, repaired })
}

fn judge(verdict: &Verdict, policy: SignaturePolicy, repaired: bool) -> Result<Option<Finding>, Rejection> {
    use SignaturePolicy::{RecordOnly, Required, VerifyIfPresent};
    let refuse = |code, detail: String| Err(Rejection::new(code).at(SIGNATURE).because(detail));
    match (verdict, policy) {
        (Verdict::Valid(valid), _) if speaks_for_all(valid, repaired) => {
            Ok(valid.warnings().contains(&Warning::Sha1).then_some(Finding::SignatureSha1))
        }
        (Verdict::Valid(_), Required) => refuse(
            RejectionCode::SignatureUnusable,
            "it does not cover the whole packet as it stands".to_owned(),
        ),
        // A newer list is the operator's to bring: the same packet may be good tomorrow.
        (Verdict::Unusable { why: why @ Unusable::Revocation, detail, .. }, Required) => {
            let detail = format!("{}: {detail}", why.code());
            let mut rejection =
                Rejection::new(RejectionCode::RevocationUnknown).at(SIGNATURE).because(detail);
            rejection.retry_after_seconds = Some(REVOCATION_RETRY_AFTER);
            Err(rejection)
        }
        (Verdict::Unusable { why, detail, .. }, Required) => {
            refuse(RejectionCode::SignatureUnusable, format!("{}: {detail}", why.code()))
        }
        (Verdict::Valid(_) | Verdict::Unusable { .. }, VerifyIfPresent | RecordOnly) => {
            Ok(Some(Finding::SignatureUnusable))
        }
        (Verdict::Absent, Required) => Err(Rejection::new(RejectionCode::SignatureMissing).at(SIGNATURE)),
        (Verdict::Absent, VerifyIfPresent) => Ok(Some(Finding::SignatureAbsent)),
        (Verdict::Absent, RecordOnly) => Ok(None),
        (Verdict::Invalid { why, detail, at }, Required | VerifyIfPresent) => {
            refuse(row_of(*why), format!("{}: {detail} (byte {at})", why.code()))
        }
        (Verdict::Invalid { .. }, RecordOnly) => Ok(Some(Finding::SignatureInvalidRecorded)),
    }
}

fn speaks_for_all(valid: &Valid, repaired: bool) -> bool {
    !repaired && covers_packet(valid)
}

/// Invariant 3: only a signature over all that is read vouches for it. The verdict says that every part of [`PLACES`] that
/// is there is covered; this says that there is a header. Without one it was no packet that was signed.
pub fn covers_packet(valid: &Valid) -> bool {
    let to_header = |path: &ElementPath| {
        path.steps.len() <= HEADER_PATH.len()
            && path.steps.iter().zip(HEADER_PATH).all(|(step, name)| is(step, name))
    };
    match valid.covers() {
        Coverage::WholeDocument => true,
        Coverage::Elements(paths) => paths.iter().any(to_header),
    }
}

fn is(step: &Step, (namespace, local): &(&str, &str)) -> bool {
    step.namespace == *namespace && step.local == *local
}

/// The content may be sound where only the signer is not one that we trust: the sender must do different things.
fn row_of(why: Invalid) -> RejectionCode {
    match why {
        Invalid::ForeignSigner
        | Invalid::Untrusted
        | Invalid::Expired
        | Invalid::NotYetValid
        | Invalid::Revoked
        | Invalid::KeyUsage
        | Invalid::WeakKey => RejectionCode::SignerNotTrusted,
        Invalid::Digest
        | Invalid::SignatureValue
        | Invalid::Position
        | Invalid::Duplicate
        | Invalid::Structure
        | Invalid::Forbidden
        | Invalid::RelativeNamespace
        | Invalid::Id
        | Invalid::Coverage
        | Invalid::Limit
        | Invalid::KeyMismatch => RejectionCode::SignatureInvalid,
    }
}
