//! Memory does not grow with the document: signing and verifying 24 MB must not raise the peak by more than a few MB.
//! A binary of its own, so that no other test raises the peak.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are tests too; clippy.toml allows it in #[test] functions only"
)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::X509;
use xml_sig::{
    Certificate, Limits, Name, Observer, Places, Reach, ReadOptions, SigningKey, StartTag, Stop, Trust,
    Verdict, locate, sign,
};

const TEXT_BYTES: u64 = 12 << 20;
const GROWTH_BYTES_MAX: u64 = 4 << 20;

/// Counts text.
#[derive(Default)]
struct Count(u64);

impl Observer for Count {
    fn start(&mut self, _: &StartTag<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        self.0 += chunk.len() as u64;
        Ok(())
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

/// The peak resident set; `None` where the system does not say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn document() -> io::Result<Box<dyn BufRead>> {
    let text = |byte: u8| io::repeat(byte).take(TEXT_BYTES);
    let parts = b"<r><t>"
        .chain(text(b'A'))
        .chain(&b"</t><t><![CDATA["[..])
        .chain(text(b']'))
        .chain(&b" ]]></t></r>"[..]);
    Ok(Box::new(BufReader::new(parts)))
}

fn key() -> (SigningKey, Certificate) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_not_before(&Asn1Time::from_str("20260101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20270101000000Z").unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let pem = builder.build().to_pem().unwrap();
    let signing = SigningKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap(), &pem).unwrap();
    (signing, Certificate::from_pem(&pem).unwrap().remove(0))
}

#[test]
fn signing_and_verifying_a_long_text_takes_no_memory() {
    let (key, certificate) = key();
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let parent: &[(&str, &str)] = &[("", "r")];
    let mut file = tempfile::tempfile().unwrap();
    let before = peak_bytes();

    let mut output = BufWriter::new(&mut file);
    sign(&mut document, parent, &key, &options, &mut output).unwrap();
    output.flush().unwrap();
    drop(output);
    let again = |mut file: &File| {
        file.seek(SeekFrom::Start(0)).unwrap();
        BufReader::with_capacity(64 << 10, file.try_clone().unwrap())
    };
    let mut count = Count::default();
    let places = Places { parents: &[parent], signed: &[] };
    let located = locate(&mut again(&file), &options, &places, Reach::End, &mut count).unwrap();
    let at: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let (signers, authorities) = (Arc::new(vec![certificate].into()), Arc::default());
    let trust = Trust { signers, authorities, at, legacy_sha1: false };
    let verdict = located.verify(&mut again(&file), &trust, &mut Count::default()).unwrap();
    assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
    assert!(count.0 > 2 * TEXT_BYTES);

    match (before, peak_bytes()) {
        (Some(before), Some(after)) => {
            println!("peak {before} -> {after}");
            assert!(after - before <= GROWTH_BYTES_MAX, "the peak grew by {}", after - before);
        }
        _ => println!("SKIPPED: the system does not tell the peak memory"),
    }
}
