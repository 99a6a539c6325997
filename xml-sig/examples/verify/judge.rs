//! What `verify` decides, apart from arguments and files: the suite judges the corpus with it as well.

use std::io::{self, BufRead};
use std::sync::Arc;

use jiff::Timestamp;
use openssl::x509::X509;
use xml_sig::{
    Authorities, Invalid, KeyError, Limits, PublicKey, ReadError, Signers, Trust, Verdict, XmlFault, survey,
};

/// Whoever names the key vouches for it, also for the short ones of twenty years ago.
const RSA_BITS_MIN: u32 = 512;

/// Every Signature is good.
pub(crate) const VALID: u8 = 0;
/// One of them is wrong, or the document is no XML.
pub(crate) const REFUSED: u8 = 1;
/// There is none, or one says what this crate does not judge.
pub(crate) const NOT_JUDGED: u8 = 2;

/// The answer, with the reasons.
pub(crate) struct Answer {
    /// [`VALID`], [`REFUSED`] or [`NOT_JUDGED`].
    pub(crate) exit: u8,
    /// A line for each Signature, or one for the document.
    pub(crate) lines: Vec<String>,
}

/// The key of a file in PEM, a certificate or a bare public key. Nothing else in a certificate counts.
pub(crate) fn key(pem: &[u8]) -> Result<PublicKey, KeyError> {
    let certified = || X509::from_pem(pem)?.public_key()?.public_key_to_pem();
    let bare = certified().unwrap_or_else(|_| pem.to_owned());
    PublicKey::from_pem(&bare, RSA_BITS_MIN)
}

/// Judges every Signature of a document with this key.
pub(crate) fn judge(
    open: &mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    key: PublicKey,
    legacy_sha1: bool,
) -> io::Result<Answer> {
    let trust = Trust {
        signers: Arc::new(Signers { keys: vec![key], ..Signers::default() }),
        authorities: Arc::new(Authorities::default()),
        // A bare key has no dates.
        at: Timestamp::UNIX_EPOCH,
        legacy_sha1,
    };
    let judged = survey(&mut *open()?, &Limits::default()).and_then(|survey| survey.verify(open, &trust));
    let judged = match judged {
        Ok(judged) => judged,
        Err(ReadError::Xml(error)) => {
            let outside = matches!(error.fault, XmlFault::Doctype | XmlFault::Encoding | XmlFault::Limit(_));
            let exit = if outside { NOT_JUDGED } else { REFUSED };
            return Ok(Answer { exit, lines: vec![format!("unreadable {}: {error}", error.fault.code())] });
        }
        Err(ReadError::Io(cause)) => return Err(cause),
        Err(ReadError::Stopped(stop)) => return Err(io::Error::other(stop.0)),
    };
    if judged.is_empty() {
        return Ok(Answer { exit: NOT_JUDGED, lines: vec!["absent: no Signature".to_owned()] });
    }
    let exits: Vec<u8> = judged.iter().map(|judged| exit(&judged.verdict)).collect();
    let worst = [REFUSED, NOT_JUDGED].into_iter().find(|exit| exits.contains(exit));
    let lines = judged.iter().map(|judged| line(judged.offset, &judged.verdict)).collect();
    Ok(Answer { exit: worst.unwrap_or(VALID), lines })
}

/// What is forbidden by name is not looked at any further, nor is a document without a canonical form, nor one that is
/// too much: nobody knows whether such a signature is good.
fn exit(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Valid(_) => VALID,
        Verdict::Absent | Verdict::Unusable { .. } => NOT_JUDGED,
        Verdict::Invalid {
            why: Invalid::Forbidden | Invalid::RelativeNamespace | Invalid::Limit, ..
        } => NOT_JUDGED,
        Verdict::Invalid { .. } => REFUSED,
    }
}

fn line(offset: u64, verdict: &Verdict) -> String {
    let name = verdict.name();
    match verdict {
        Verdict::Absent => name.to_owned(),
        Verdict::Valid(valid) => {
            let warnings: String =
                valid.warnings().iter().map(|w| format!("; warning: {}", w.code())).collect();
            format!(
                "{name}: Signature at byte {offset} covers {}; signer {}; {}, {}, {}{warnings}",
                valid.covers(),
                valid.signer().subject(),
                valid.signature_algorithm(),
                valid.digest_algorithm(),
                valid.canonicalisation(),
            )
        }
        Verdict::Unusable { why, detail, at } => {
            format!("{name} {}: Signature at byte {offset}, for what is at byte {at}: {detail}", why.code())
        }
        Verdict::Invalid { why, detail, at } => {
            format!("{name} {}: Signature at byte {offset}, for what is at byte {at}: {detail}", why.code())
        }
    }
}
