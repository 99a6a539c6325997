//! `lienthong keygen`: a trial PKI. Everything it makes says TRIAL, and `serve` refuses it without `profile = "trial"`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use super::{CommandFault, print};

/// Stands in the subject of every trial certificate.
pub const TRIAL_MARK: &str = "LIENTHONG TRIAL - KHONG DUNG CHINH THUC";

const DAYS: u32 = 90;

#[derive(Args)]
pub(super) struct Keygen {
    /// Thư mục mới / A new folder
    dir: PathBuf,
    /// Mã định danh cần cấp khóa thử / Organisations to make keys for
    #[arg(long = "organ", value_name = "ORGANID", default_values = ["H55", "H55.15"])]
    organs: Vec<String>,
}

impl Keygen {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let organs: Vec<&str> = self.organs.iter().map(String::as_str).collect();
        for identity in trial_pki(&self.dir, &organs)? {
            print(&format!(
                "{}\t{}\t{}",
                identity.organ,
                identity.key.display(),
                identity.certificate.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Files of one trial signer.
#[derive(Clone)]
pub struct TrialIdentity {
    /// Its organisation code.
    pub organ: String,
    /// Private key, PEM, 0600.
    pub key: PathBuf,
    /// Certificate, PEM.
    pub certificate: PathBuf,
}

/// Makes `dir` (which must not exist) with `ca.crt` and a key and certificate for each organisation: RSA-2048 for the
/// first, P-256 for the others, so that both are used.
pub fn trial_pki(dir: &Path, organs: &[&str]) -> Result<Vec<TrialIdentity>, CommandFault> {
    let fault = |cause: std::io::Error| CommandFault::at(dir.display(), cause);
    std::fs::create_dir(dir).map_err(fault)?;
    let crypto = |cause: ErrorStack| CommandFault::at("openssl", cause);
    let ca_key = p256().map_err(crypto)?;
    let ca_name = name("CA").map_err(crypto)?;
    let ca = certificate(&ca_name, &ca_key, &ca_name, &ca_key, true).map_err(crypto)?;
    write(&dir.join("ca.crt"), &ca.to_pem().map_err(crypto)?, 0o644)?;
    let mut identities = Vec::new();
    for (at, organ) in organs.iter().enumerate() {
        let file = lienthong_schemas::organ::ReceiverToken::of(organ);
        let key = if at == 0 { rsa() } else { p256() }.map_err(crypto)?;
        let subject = name(organ).map_err(crypto)?;
        let signed = certificate(&subject, &key, &ca_name, &ca_key, false).map_err(crypto)?;
        let identity = TrialIdentity {
            organ: (*organ).to_owned(),
            key: dir.join(format!("{file}.key")),
            certificate: dir.join(format!("{file}.crt")),
        };
        write(&identity.key, &key.private_key_to_pem_pkcs8().map_err(crypto)?, 0o600)?;
        write(&identity.certificate, &signed.to_pem().map_err(crypto)?, 0o644)?;
        identities.push(identity);
    }
    Ok(identities)
}

fn rsa() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_rsa(Rsa::generate(2048)?)
}

fn p256() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COUNTRYNAME, "VN")?;
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, TRIAL_MARK)?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

fn certificate(
    subject: &X509Name,
    key: &PKey<Private>,
    issuer: &X509Name,
    issuer_key: &PKey<Private>,
    ca: bool,
) -> Result<X509, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    builder.set_pubkey(key)?;
    if ca {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    } else {
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        builder
            .append_extension(KeyUsage::new().critical().digital_signature().non_repudiation().build()?)?;
    }
    let id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(id)?;
    builder.sign(issuer_key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CommandFault> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.map_err(|cause| CommandFault::at(path.display(), cause))
}
