//! `lienthong sign`: puts an enveloped signature as the last child of `edXMLHeader` (design.md B4). `xml_sig::sign`
//! verifies it before anything is written.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use lienthong_schemas::edxml::HEADER_PATH;
use xml_sig::{Limits, ReadOptions, SignError, SigningKey, SoftwareKey};

use super::{CommandFault, read_small};

#[derive(Args)]
pub(super) struct Sign {
    /// Gói tin / The packet
    file: PathBuf,
    /// Khóa riêng, PEM / Private key
    #[arg(long, value_name = "PEM", requires = "cert", required_unless_present = "pkcs12")]
    key: Option<PathBuf>,
    /// Chứng thư số, PEM / Certificate of that key
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// Khóa và chứng thư số trong một tệp .p12 hoặc .pfx / Key and certificate in one file
    #[arg(long, value_name = "P12", requires = "password_file", conflicts_with_all = ["key", "cert"])]
    pkcs12: Option<PathBuf>,
    /// Tệp chứa mật khẩu của tệp .p12 / File with the password of that file
    #[arg(long, value_name = "FILE", requires = "pkcs12")]
    password_file: Option<PathBuf>,
    /// Nơi ghi kết quả, mặc định FILE.signed / Where the result goes
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let key = self.signing_key()?;
        let output = self.output.unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".signed");
            name.into()
        });
        sign_file(&self.file, &output, &key)?;
        Ok(ExitCode::SUCCESS)
    }

    fn signing_key(&self) -> Result<SoftwareKey, CommandFault> {
        match (&self.key, &self.cert, &self.pkcs12, &self.password_file) {
            (Some(key), Some(certificate), None, None) => {
                SoftwareKey::from_pem(&read_small(key)?, &read_small(certificate)?)
                    .map_err(|cause| CommandFault::at(key.display(), cause))
            }
            (None, None, Some(file), Some(password)) => {
                SoftwareKey::from_pkcs12(&read_small(file)?, &read_password(password)?)
                    .map_err(|cause| CommandFault::at(file.display(), cause))
            }
            _ => {
                Err(CommandFault("--key với --cert, hoặc --pkcs12 với --password-file (one pair)".to_owned()))
            }
        }
    }
}

/// The first line of a file; what an editor puts before and behind it is no part of the password.
fn read_password(path: &Path) -> Result<String, CommandFault> {
    let text =
        String::from_utf8(read_small(path)?).map_err(|_| CommandFault::at(path.display(), "not UTF-8"))?;
    let line = text.lines().next().unwrap_or_default();
    Ok(line.strip_prefix('\u{FEFF}').unwrap_or(line).to_owned())
}

/// Signs `input` into `output`, which appears whole and verified or not at all. The certificate must be valid today:
/// receivers judge it when they receive the packet.
pub fn sign_file(input: &Path, output: &Path, key: &dyn SigningKey) -> Result<(), CommandFault> {
    let at_output = |cause: &dyn std::fmt::Display| CommandFault::at(output.display(), cause);
    check_dates(key)?;
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(|cause| at_output(&cause))?;
    let mut open = || File::open(input).map(|f| Box::new(BufReader::new(f)) as Box<dyn BufRead>);
    let mut writer = BufWriter::new(draft.as_file());
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    xml_sig::sign(&mut open, HEADER_PATH, key, &options, &mut writer)
        .map_err(|cause| CommandFault::at(input.display(), format!("{} ({cause})", vietnamese(&cause))))?;
    writer.flush().map_err(|cause| at_output(&cause))?;
    drop(writer);
    draft.persist(output).map_err(|cause| at_output(&cause))?;
    Ok(())
}

fn vietnamese(fault: &SignError) -> &'static str {
    match fault {
        SignError::Read(_) => "gói tin không đọc được",
        SignError::Io(_) => "không đọc hoặc không ghi được tệp",
        SignError::AlreadySigned => "gói tin đã có chữ ký",
        SignError::Parent(_) => "gói tin không có đúng một edXMLHeader để đặt chữ ký",
        SignError::Changed => "gói tin bị thay đổi trong khi ký",
        SignError::Key(_) | SignError::NoCertificate | SignError::ForeignValue(_) => {
            "khóa hoặc chứng thư số không ký được"
        }
        _ => "gói tin này không ký được",
    }
}

fn check_dates(key: &dyn SigningKey) -> Result<(), CommandFault> {
    let now = super::verify::now();
    match key.certificates().first() {
        Some(certificate) if now > certificate.not_after() => Err(CommandFault::at(
            "chứng thư số đã hết hạn (the certificate has expired)",
            format!("not after {}", certificate.not_after()),
        )),
        Some(certificate) if now < certificate.not_before() => Err(CommandFault::at(
            "chứng thư số chưa có hiệu lực (the certificate is not yet valid)",
            format!("not before {}", certificate.not_before()),
        )),
        _ => Ok(()),
    }
}
