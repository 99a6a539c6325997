//! What `inspect` says of the packet's XML signature. Where nobody is named whom to trust, the packet's own certificate
//! shows at least whether the content is what was signed; by whom is then not known, and the page says so.

use std::sync::Arc;

use lienthong_schemas::edxml::{PLACES, REPAIR_NAMESPACES, covers_packet};
use xml_sig::{
    Authorities, Certificate, Invalid, Limits, Name, Observer, PublicKey, Reach, ReadError, ReadOptions,
    Signer, Signers, StartTag, Stop, Trust, Unusable, Unwatched, Valid, Verdict, Warning,
};

use super::source::Source;
use crate::cli::CommandFault;
use crate::cli::verify::Trusted;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Most certificates of a packet that are looked at.
const CERTIFICATES_MAX: usize = 10;
/// Longest base64 text of one.
const CERTIFICATE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Shortest RSA key whose signature says anything, in bits; the profile of `xml-sig`.
const RSA_BITS_MIN: u32 = 2048;

/// The verdict, and what it is worth.
pub(super) struct Judgement {
    /// `absent`, `wrong-namespace`, `unusable`, `invalid`, `intact` or `valid`.
    pub(super) verdict: &'static str,
    /// The class of the reason: a code of `xml-sig`, for `unusable` and `invalid`.
    pub(super) code: Option<&'static str>,
    /// What exactly, in English; may quote the packet.
    pub(super) detail: Option<String>,
    /// Where: bytes from the start of the packet.
    pub(super) at: Option<u64>,
    /// The signer's certificate, once the signature fits the content.
    pub(super) signer: Option<Certificate>,
    /// What is signed, in English, once the signature fits the content.
    pub(super) covers: Option<String>,
    /// URIs: signature, digest, canonicalisation.
    pub(super) algorithms: Option<[&'static str; 3]>,
    /// SHA-1 was used.
    pub(super) sha1: bool,
    /// What was looked at.
    pub(super) checked: Checked,
}

/// What a verdict rests on.
#[derive(Clone, Copy, Default)]
pub(super) struct Checked {
    /// That the content is what was signed.
    pub(super) content: bool,
    /// That the signer's certificate is one that the command line names or leads to.
    pub(super) signer: bool,
    /// That it was not revoked.
    pub(super) revocation: bool,
}

impl Judgement {
    fn bare(verdict: &'static str) -> Self {
        Self {
            verdict,
            code: None,
            detail: None,
            at: None,
            signer: None,
            covers: None,
            algorithms: None,
            sha1: false,
            checked: Checked::default(),
        }
    }

    fn because(verdict: &'static str, code: &'static str, detail: String, at: Option<u64>) -> Self {
        Self { code: Some(code), detail: Some(detail), at, ..Self::bare(verdict) }
    }

    /// The reason in words, Vietnamese and English.
    pub(super) fn wording(&self) -> Option<(&'static str, &'static str)> {
        self.code.and_then(|code| REASONS.iter().find(|reason| reason.0 == code)).map(|r| (r.1, r.2))
    }
}

/// Judges the signature of a packet that was read, `repaired` when that took given namespace bindings.
pub(super) fn judge(source: &Source, repaired: bool, trusted: &Trusted) -> Result<Judgement, CommandFault> {
    let limits = Limits::default();
    let options =
        ReadOptions { limits: &limits, initial_namespaces: if repaired { REPAIR_NAMESPACES } else { &[] } };
    let fault = |cause: ReadError| CommandFault::at(&source.name, cause);
    let mut own = OwnCertificates::default();
    let located = xml_sig::locate(&mut source.read(), &options, &PLACES, Reach::Signature, &mut own);
    let located = located.map_err(fault)?;
    let mut trust = trusted.trust()?;
    let by_name = trusted.is_given();
    if !by_name {
        trust.authorities = Arc::new(Authorities::default());
        trust.signers = Arc::new(Signers { keys: own.keys(), ..Signers::default() });
    }
    let verdict = located.verify(&mut source.read(), &trust, &mut Unwatched).map_err(fault)?;
    Ok(match verdict {
        Verdict::Absent => Judgement::bare("absent"),
        Verdict::Valid(valid) if !covers_packet(&valid) => {
            let detail = format!("no edXMLHeader is signed, only {}", valid.covers());
            Judgement::because("invalid", Invalid::Coverage.code(), detail, None)
        }
        Verdict::Valid(valid) => good(&valid, &own, &trust, by_name),
        Verdict::Unusable { why: Unusable::WrongNamespace, detail, at } => {
            Judgement::because("wrong-namespace", Unusable::WrongNamespace.code(), detail, Some(at))
        }
        Verdict::Unusable { why: Unusable::NoTrust, .. } if !by_name => {
            let detail = "KeyInfo has no certificate whose key can be used".to_owned();
            Judgement::because("unusable", Unusable::NoCertificate.code(), detail, None)
        }
        Verdict::Unusable { why, detail, at } => Judgement::because("unusable", why.code(), detail, Some(at)),
        Verdict::Invalid { why, detail, at } => Judgement::because("invalid", why.code(), detail, Some(at)),
    })
}

fn good(valid: &Valid, own: &OwnCertificates, trust: &Trust, by_name: bool) -> Judgement {
    let signer = match valid.signer() {
        Signer::Certificate(certificate) => Some(certificate.clone()),
        Signer::Key(key) => {
            own.all.iter().find(|(_, of)| of.sha256() == key.sha256()).map(|(c, _)| c.clone())
        }
    };
    let lists = !trust.authorities.crls.is_empty() && !trust.authorities.anchors.is_empty();
    Judgement {
        signer,
        covers: Some(valid.covers().to_string()),
        algorithms: Some([valid.signature_algorithm(), valid.digest_algorithm(), valid.canonicalisation()]),
        sha1: valid.warnings().contains(&Warning::Sha1),
        checked: Checked { content: true, signer: by_name, revocation: by_name && lists },
        ..Judgement::bare(if by_name { "valid" } else { "intact" })
    }
}

/// The certificates that a packet brings in its Signature, with their keys. Nobody vouches for them.
#[derive(Default)]
struct OwnCertificates {
    all: Vec<(Certificate, PublicKey)>,
    /// The text of the one that is being read.
    open: Option<String>,
    seen: usize,
}

impl OwnCertificates {
    fn keys(&self) -> Vec<PublicKey> {
        self.all.iter().map(|(_, key)| key.clone()).collect()
    }

    fn take(&mut self, text: &str) {
        let text: String = text.split_ascii_whitespace().collect();
        let der = openssl::base64::decode_block(&text).ok();
        if let Some(certificate) = der.and_then(|der| Certificate::from_der(&der).ok())
            && let Ok(key) = PublicKey::from_certificate(&certificate, RSA_BITS_MIN)
        {
            self.all.push((certificate, key));
        }
    }
}

impl Observer for OwnCertificates {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        if tag.name.is(DS, "X509Certificate") && self.seen < CERTIFICATES_MAX {
            self.seen += 1;
            self.open = Some(String::new());
        }
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        if let Some(text) = &mut self.open
            && text.len() + chunk.len() <= CERTIFICATE_TEXT_BYTES_MAX
        {
            text.push_str(chunk);
        }
        Ok(())
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        if let Some(text) = self.open.take() {
            self.take(&text);
        }
        Ok(())
    }
}

/// Code, Vietnamese, English.
const REASONS: [(&str, &str, &str); 27] = [
    ("wrong-namespace", "phần tử Signature nằm sai không gian tên", "Signature stands in another namespace"),
    ("no-certificate", "gói tin không kèm chứng thư đọc được", "the packet brings no readable certificate"),
    ("no-trust", "không có chứng thư hay tổ chức cấp nào được tin cậy", "nobody is trusted"),
    ("algorithm", "thuật toán không được hỗ trợ", "an algorithm outside the profile"),
    (
        "sha1",
        "dùng SHA-1, đã lỗi thời (xét bằng --legacy-sha1)",
        "it uses SHA-1 (judge it with --legacy-sha1)",
    ),
    ("reference", "cách tham chiếu không được hỗ trợ", "a Reference of a form outside the profile"),
    ("object", "chữ ký chứa phần không được ký", "the Signature holds something that is not signed"),
    ("namespaces", "gói tin dùng tiền tố chưa khai báo", "the packet uses an undeclared prefix"),
    (
        "revocation-unknown",
        "danh sách thu hồi thiếu hoặc quá hạn",
        "a revocation list is missing or out of date",
    ),
    ("digest", "nội dung đã bị thay đổi sau khi ký", "the content was changed after it was signed"),
    ("signature-value", "giá trị chữ ký không khớp", "the signature value does not fit"),
    ("position", "chữ ký đặt sai chỗ", "the Signature stands where none may stand"),
    ("duplicate", "có nhiều hơn một chữ ký", "there is more than one Signature"),
    ("structure", "cấu trúc chữ ký sai", "the Signature is not built as it must be"),
    ("forbidden", "chữ ký dùng cấu trúc bị cấm", "the Signature uses a forbidden construct"),
    ("relative-namespace", "không gian tên tương đối", "a relative namespace URI"),
    ("id", "Id được tham chiếu thiếu hoặc bị lặp", "an Id that is referred to is missing or stands twice"),
    ("coverage", "chữ ký không bao trùm toàn bộ gói tin", "the signature does not cover the whole packet"),
    ("limit", "chữ ký vượt giới hạn", "the Signature is over a limit"),
    (
        "foreign-signer",
        "chứng thư không phải của người ký đã nêu",
        "the certificate is not the named signer's",
    ),
    ("untrusted", "chứng thư không do tổ chức đã nêu cấp", "no chain leads to the given authority"),
    ("expired", "chứng thư đã hết hạn", "the certificate has expired"),
    ("not-yet-valid", "chứng thư chưa có hiệu lực", "the certificate is not yet valid"),
    ("revoked", "chứng thư đã bị thu hồi", "the certificate was revoked"),
    ("key-usage", "chứng thư không dùng để ký văn bản", "the certificate is not for signing documents"),
    ("weak-key", "khóa của chứng thư quá yếu", "the certificate's key is too weak"),
    ("key-mismatch", "khóa không hợp với thuật toán ký", "the key is of another type than the algorithm"),
];
