//! `./bench verify`: what judging a signature costs beside the least that it must cost: SHA-256 over the same bytes and
//! one RSA verification. Each size runs in a process of its own, so that its peak memory is its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lienthong::cli::{print, sign_file, trial_pki};
use lienthong::demo::world::scan;
use lienthong_schemas::edxml::{DocumentBuilder, PLACES};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::{Signer, Verifier};
use openssl::x509::X509;
use xml_sig::{Certificate, Limits, Reach, ReadOptions, SigningKey, Trust, Unwatched, Verdict, locate};

use crate::conditions;
use crate::figures::Spread;

/// The sizes asked for unless others are.
const SIZES: [u64; 3] = [10_000, 1_000_000, 100_000_000];
/// A half of a pair repeats its work at least this long, so that the clock does not count.
const HALF_LASTS: Duration = Duration::from_millis(400);
/// Buffer of every reader.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a packet beside its attachment, about.
const REST_BYTES: u64 = 4_326;

#[derive(Args)]
pub(crate) struct Verify {
    /// Kích thước, byte / Sizes of the documents in bytes
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    sizes: Vec<u64>,
    /// Số cặp / Pairs
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// One size, in this process, in this folder.
    #[arg(long, hide = true, value_name = "FOLDER")]
    here: Option<std::path::PathBuf>,
}

impl Verify {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(self.pairs > 0, "--pairs must be at least 1");
        if let Some(folder) = &self.here {
            return self.sizes.iter().try_for_each(|size| measure(folder, *size, self.pairs));
        }
        let program = lienthong::demo::child::own_program()?;
        let beside = program.parent().context("the program lies in no folder")?;
        let folder = tempfile::Builder::new().prefix("bench-verify-").tempdir_in(beside)?;
        print(
            "verify: signed packets, nearly all base64 of one attachment (RSA-2048, SHA-256, Canonical XML, signer pinned)\n\
             ours:  locate + verify, two reads of the file in pieces of 64 KiB, nobody looks on\n\
             least: OpenSSL SHA-256 over the same file, read once the same way, and one RSA-2048 verification",
        );
        conditions::tell(folder.path());
        conditions::tell_load("before");
        for size in &self.sizes {
            let documents = folder.path().join(size.to_string());
            make(&documents, *size)?;
            let mut child = Command::new(&program);
            child.args([
                "verify",
                "--sizes",
                &size.to_string(),
                "--pairs",
                &self.pairs.to_string(),
                "--here",
            ]);
            let status = child.arg(&documents).status()?;
            ensure!(status.success(), "the measurement of {size} bytes ended with {status}");
        }
        conditions::tell_load("after");
        Ok(())
    }
}

/// Makes a signed packet of about `size` bytes in a new folder.
fn make(folder: &Path, size: u64) -> Result<()> {
    std::fs::create_dir(folder)?;
    let identities = trial_pki(&folder.join("pki"), &["H55"])?;
    let identity = identities.first().context("no identity")?;
    std::fs::copy(&identity.key, folder.join("key"))?;
    std::fs::copy(&identity.certificate, folder.join("certificate"))?;
    let unsigned = folder.join("unsigned");
    let mut out = io::BufWriter::new(File::create(&unsigned)?);
    let attachment = scan(size.saturating_sub(REST_BYTES) / 4 * 3, size);
    let document =
        DocumentBuilder::new("H55", &["H55.15"]).attach("ban-quet.pdf", "application/pdf", attachment);
    document.write_to(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let certificate = std::fs::read(&identity.certificate)?;
    let key = SigningKey::from_pem(&std::fs::read(&identity.key)?, &certificate)?;
    sign_file(&unsigned, &folder.join("signed"), &key, &certificate)?;
    Ok(())
}

/// Measures and prints one size.
fn measure(folder: &Path, size: u64, pairs: usize) -> Result<()> {
    let signed = folder.join("signed");
    let bytes = std::fs::metadata(&signed)?.len();
    let certificate = std::fs::read(folder.join("certificate"))?;
    let trust = Trust {
        signers: Arc::new(Certificate::from_pem(&certificate)?.into()),
        authorities: Arc::default(),
        at: now(),
        legacy_sha1: false,
    };
    let key = PKey::private_key_from_pem(&std::fs::read(folder.join("key"))?)?;
    let least = Least::prepare(&signed, &key, &certificate)?;
    let idle = peak_kib();
    judge(&signed, &trust)?;
    let peak = peak_kib();
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        ours.push(repeat(|| judge(&signed, &trust))?);
        beside.push(repeat(|| least.verify(&signed))?);
    }
    let ratio = Spread::of(ours.iter().zip(&beside).map(|(ours, least)| ours / least));
    let ms = |seconds: &[f64]| Spread::of(seconds.iter().map(|s| s * 1e3)).show(3);
    let rate = |seconds: &[f64]| Spread::of(seconds.iter().map(|s| bytes as f64 / s / 1e6)).median;
    print(&format!(
        "{size:>9} ({bytes} bytes): ours {} ms, {:.0} MB/s; least {} ms, {:.0} MB/s; ours takes {} times as long\n\
         {:>9}  peak memory (VmHWM) {} KiB before, {} KiB after a verification",
        ms(&ours),
        rate(&ours),
        ms(&beside),
        rate(&beside),
        ratio.show(2),
        "",
        idle.unwrap_or_default(),
        peak.unwrap_or_default(),
    ));
    Ok(())
}

/// Seconds of one run of `work`, which is repeated until it can be measured.
fn repeat(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let (begun, mut times) = (Instant::now(), 0_u32);
    while begun.elapsed() < HALF_LASTS {
        work()?;
        times += 1;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(times))
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(READ_BYTES, File::open(path)?))
}

/// Locates and verifies.
fn judge(signed: &Path, trust: &Trust) -> Result<()> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let located = locate(&mut open(signed)?, &options, &PLACES, Reach::Signature, &mut Unwatched)?;
    let verdict = located.verify(&mut open(signed)?, trust, &mut Unwatched)?;
    ensure!(matches!(verdict, Verdict::Valid(_)), "the signature is {}", verdict.name());
    Ok(())
}

/// A plain signature over the bytes of the file, and the key to check it with.
struct Least {
    public: PKey<openssl::pkey::Public>,
    signature: Vec<u8>,
}

impl Least {
    fn prepare(signed: &Path, key: &PKey<Private>, certificate: &[u8]) -> Result<Self> {
        let mut signer = Signer::new(MessageDigest::sha256(), key)?;
        pieces(signed, |piece| Ok(signer.update(piece)?))?;
        Ok(Self { public: X509::from_pem(certificate)?.public_key()?, signature: signer.sign_to_vec()? })
    }

    fn verify(&self, signed: &Path) -> Result<()> {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &self.public)?;
        pieces(signed, |piece| Ok(verifier.update(piece)?))?;
        ensure!(verifier.verify(&self.signature)?, "the plain signature does not verify");
        Ok(())
    }
}

fn pieces(path: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut reader = open(path)?;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        take(piece)?;
        let read = piece.len();
        reader.consume(read);
    }
}

/// The peak resident set of this process in KiB; `None` where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The trial certificates are made now, so they are judged now.
#[expect(clippy::disallowed_methods, reason = "a measuring program is its own clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
