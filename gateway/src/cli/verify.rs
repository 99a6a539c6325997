//! `lienthong verify`: is this packet genuine, as far as what is given on the command line can tell. What is given must
//! all hold. Exit codes (design.md B4): 0 valid, 1 refused, 2 not judged, 3 usage or I/O.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use lienthong_schemas::edxml::{PLACES, covers_packet};
use lienthong_schemas::safe_text::SafeText;
use serde_json::json;
use xml_sig::{
    Authorities, Certificate, Crl, Invalid, Limits, Reach, ReadError, ReadOptions, Signers, Subject, Trust,
    Unwatched, Verdict,
};

use super::{CommandFault, print, read_small};

#[derive(Args)]
pub(super) struct Verify {
    /// Gói tin / The packet
    file: PathBuf,
    #[command(flatten)]
    trusted: Trusted,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

/// Whose signature counts, and when: what is given must all hold.
#[derive(Args)]
pub(super) struct Trusted {
    /// Chứng thư của người ký / The signer's certificate
    #[arg(long, value_name = "PEM")]
    cert: Vec<PathBuf>,
    /// Chủ thể chứng thư theo RFC 4514, cần --ca / Subject of the signer's certificate, needs --ca
    #[arg(long, value_name = "NAME", requires = "ca")]
    signer: Vec<String>,
    /// Chứng thư gốc / CA certificates
    #[arg(long, value_name = "PEM")]
    ca: Vec<PathBuf>,
    /// Danh sách thu hồi / Revocation lists
    #[arg(long, value_name = "PEM")]
    crl: Vec<PathBuf>,
    /// Thời điểm xét, RFC 3339; mặc định: bây giờ / Time to judge at
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Chấp nhận SHA-1 / Take SHA-1
    #[arg(long)]
    pub(super) legacy_sha1: bool,
}

/// The time of the machine, for commands.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// What is told: a word, a code and a sentence, and the exit code.
struct Answer {
    verdict: &'static str,
    code: String,
    detail: String,
    signer: Option<String>,
    exit: u8,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let trust = self.trusted.trust()?;
        let answer = self.judge(&trust)?;
        let safe = |text: &str| SafeText::new(text).into_string();
        if self.json {
            let (detail, signer) = (safe(&answer.detail), answer.signer.as_deref().map(safe));
            let body = json!({
                "verdict": answer.verdict, "code": answer.code, "detail": detail, "signer": signer,
            });
            print(&body.to_string());
        } else {
            let vi = match answer.exit {
                0 => "HỢP LỆ",
                1 => "KHÔNG HỢP LỆ",
                _ => "KHÔNG XÁC ĐỊNH",
            };
            print(&format!("{vi} ({}) {} {}", answer.verdict, answer.code, safe(&answer.detail)));
            if let Some(signer) = &answer.signer {
                print(&format!("Người ký / signer: {}", safe(signer)));
            }
        }
        Ok(ExitCode::from(answer.exit))
    }

    fn judge(&self, trust: &Trust) -> Result<Answer, CommandFault> {
        let fault = |cause: &dyn std::fmt::Display| CommandFault::at(self.file.display(), cause);
        let open = || File::open(&self.file).map(BufReader::new).map_err(|cause| fault(&cause));
        let limits = Limits::default();
        let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
        let located = match xml_sig::locate(&mut open()?, &options, &PLACES, Reach::Signature, &mut Unwatched)
        {
            Ok(located) => located,
            Err(cause) => return refused(cause, &fault),
        };
        match located.verify(&mut open()?, trust, &mut Unwatched) {
            Ok(verdict) => Ok(told(&verdict)),
            Err(cause) => refused(cause, &fault),
        }
    }
}

impl Trusted {
    /// Somebody is trusted.
    pub(super) fn is_given(&self) -> bool {
        !self.cert.is_empty() || !self.ca.is_empty()
    }

    /// Reads the files. Without any of them nobody is trusted.
    pub(super) fn trust(&self) -> Result<Trust, CommandFault> {
        let (mut signers, mut authorities) = (Signers::default(), Authorities::default());
        let bad = |path: &PathBuf, cause: xml_sig::KeyError| CommandFault::at(path.display(), cause);
        for path in &self.cert {
            signers.certificates.extend(Certificate::from_pem(&read_small(path)?).map_err(|e| bad(path, e))?);
        }
        for path in &self.ca {
            authorities.anchors.extend(Certificate::from_pem(&read_small(path)?).map_err(|e| bad(path, e))?);
        }
        for path in &self.crl {
            authorities.crls.extend(Crl::from_pem(&read_small(path)?).map_err(|e| bad(path, e))?);
        }
        for text in &self.signer {
            let subject = Subject::parse(text).map_err(|cause| CommandFault::at("--signer", cause))?;
            signers.subjects.push(subject);
        }
        Ok(Trust {
            signers: Arc::new(signers),
            authorities: Arc::new(authorities),
            at: self.at.unwrap_or_else(now),
            legacy_sha1: self.legacy_sha1,
        })
    }
}

fn refused(
    cause: ReadError,
    fault: &dyn Fn(&dyn std::fmt::Display) -> CommandFault,
) -> Result<Answer, CommandFault> {
    match cause {
        ReadError::Xml(xml) => {
            let exit = if xml.fault == xml_sig::XmlFault::Encoding { 2 } else { 1 };
            let verdict = if exit == 1 { "refused" } else { "unusable" };
            let code = xml.fault.code().to_owned();
            Ok(Answer { verdict, code, detail: xml.to_string(), signer: None, exit })
        }
        ReadError::Io(cause) => Err(fault(&cause)),
        ReadError::Stopped(stop) => Err(fault(&stop.0)),
    }
}

fn told(verdict: &Verdict) -> Answer {
    let name = verdict.name();
    match verdict {
        Verdict::Absent => Answer {
            verdict: name,
            code: "ABSENT".into(),
            detail: "no Signature".into(),
            signer: None,
            exit: 2,
        },
        Verdict::Valid(valid) if !covers_packet(valid) => Answer {
            verdict: "invalid",
            code: Invalid::Coverage.code().into(),
            detail: format!("no edXMLHeader is signed, only {}", valid.covers()),
            signer: None,
            exit: 1,
        },
        Verdict::Valid(valid) => Answer {
            verdict: name,
            code: "VALID".into(),
            detail: format!("{}, {}", valid.covers(), valid.signature_algorithm()),
            signer: Some(valid.signer().subject()),
            exit: 0,
        },
        Verdict::Unusable { why, detail, at } => {
            let detail = format!("{detail} (byte {at})");
            Answer { verdict: name, code: why.code().into(), detail, signer: None, exit: 2 }
        }
        Verdict::Invalid { why, detail, at } => {
            let detail = format!("{detail} (byte {at})");
            Answer { verdict: name, code: why.code().into(), detail, signer: None, exit: 1 }
        }
    }
}
