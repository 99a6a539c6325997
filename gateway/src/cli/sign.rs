//! `lienthong sign`: puts an enveloped signature as the last child of `edXMLHeader` (design.md B4), and verifies it
//! before the result takes its name.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use lienthong_schemas::edxml::{HEADER_PATH, PLACES};
use xml_sig::{Certificate, Limits, Reach, ReadOptions, SigningKey, Trust, Unwatched, Verdict};

use super::{CommandFault, read_small};

#[derive(Args)]
pub(super) struct Sign {
    /// Gói tin / The packet
    file: PathBuf,
    /// Khóa riêng, PEM / Private key
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// Chứng thư số, PEM / Certificate of that key
    #[arg(long, value_name = "PEM")]
    cert: PathBuf,
    /// Nơi ghi kết quả, mặc định FILE.signed / Where the result goes
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let output = self.output.unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".signed");
            name.into()
        });
        let certificate = read_small(&self.cert)?;
        let key = SigningKey::from_pem(&read_small(&self.key)?, &certificate)
            .map_err(|cause| CommandFault::at(self.key.display(), cause))?;
        sign_file(&self.file, &output, &key, &certificate)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Signs `input` into `output`, which appears whole and verified or not at all.
pub fn sign_file(
    input: &Path,
    output: &Path,
    key: &SigningKey,
    certificate: &[u8],
) -> Result<(), CommandFault> {
    let at_output = |cause: &dyn std::fmt::Display| CommandFault::at(output.display(), cause);
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(|cause| at_output(&cause))?;
    let mut open = || File::open(input).map(|f| Box::new(BufReader::new(f)) as Box<dyn BufRead>);
    let mut writer = BufWriter::new(draft.as_file());
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    xml_sig::sign(&mut open, HEADER_PATH, key, &options, &mut writer)
        .map_err(|cause| CommandFault::at(input.display(), cause))?;
    writer.flush().map_err(|cause| at_output(&cause))?;
    drop(writer);
    check(draft.path(), &options, certificate)?;
    draft.persist(output).map_err(|cause| at_output(&cause))?;
    Ok(())
}

/// What we signed, we can verify; anything else must not leave the house.
fn check(signed: &Path, options: &ReadOptions<'_>, certificate: &[u8]) -> Result<(), CommandFault> {
    let fault = |cause: &dyn std::fmt::Display| CommandFault::at("signed packet", cause);
    let open = || File::open(signed).map(BufReader::new).map_err(|cause| fault(&cause));
    let pinned = Certificate::from_pem(certificate).map_err(|cause| fault(&cause))?;
    let (signers, authorities) = (Arc::new(pinned.into()), Arc::default());
    let trust = Trust { signers, authorities, at: super::verify::now(), legacy_sha1: false };
    let located = xml_sig::locate(&mut open()?, options, &PLACES, Reach::End, &mut Unwatched)
        .map_err(|cause| fault(&cause))?;
    match located.verify(&mut open()?, &trust, &mut Unwatched).map_err(|cause| fault(&cause))? {
        Verdict::Valid(_) => Ok(()),
        other => {
            Err(fault(&format!("chữ ký vừa tạo không kiểm tra được (cannot be verified: {})", other.name())))
        }
    }
}
