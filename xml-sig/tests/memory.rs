//! Memory does not grow with the document: 1 GiB is signed and verified, made as it is read, with an allocator that
//! counts. OpenSSL's own memory, which that allocator does not see, shows in the process's peak.
//! A binary of its own, with one test: nothing else allocates meanwhile.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are tests too; clippy.toml allows it in #[test] functions only"
)]

use std::alloc::System;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::X509;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait as _};
use xml_sig::{
    Certificate, Limits, Name, Observer, Places, Reach, ReadOptions, SoftwareKey, StartTag, Stop, Trust,
    Verdict, locate, sign,
};

#[global_allocator]
static ALLOCATOR: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

const GIBIBYTE: usize = 1 << 30;
/// Most that may be allocated at once beyond what there was before.
const HEAP_BYTES_MAX: usize = 256 << 10;
/// Most that the peak of the process may grow.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// More than a Signature with what may stand before or behind it.
const NEAR_BYTES: usize = 8 << 10;

const PARENT: &[(&str, &str)] = &[("", "r"), ("", "h")];
const START: &str = "<r xmlns:p='urn:p'><h></h>\n";
const END: &str = "</r>";

/// One long text.
const TEXT: [&str; 2] = ["<t>", "</t>"];
/// One long CDATA section, full of what might end it.
const CDATA: [&str; 2] = ["<t><![CDATA[", "]]></t>"];
/// Elements and texts in turns, below one.
const ELEMENTS: [&str; 2] = ["<e>", "</e>"];
/// Very many small things; 6 % of the document, the rest is text.
const SMALL: &str = "<p:a k='v' p:k=\"&lt;1&#9;\" xml:lang='vi'>Ủy ban <b/>&amp; <c xmlns='urn:c' d='1'>]]\r\n</c></p:a><!-- - \
                     --><?pi data?><![CDATA[<&]]>";

/// The same piece again and again, lent and not copied.
struct Cycle {
    piece: &'static [u8],
    at: usize,
    times: usize,
}

impl BufRead for Cycle {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(if self.times == 0 { &[] } else { &self.piece[self.at..] })
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        if self.at == self.piece.len() && self.times > 0 {
            (self.at, self.times) = (0, self.times - 1);
        }
    }
}

impl Read for Cycle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// What stands between [`START`] and [`END`].
#[derive(Clone, Copy)]
struct Content {
    name: &'static str,
    bytes: usize,
    around: [&'static str; 2],
    piece: &'static [u8],
}

impl Content {
    fn all() -> [Self; 3] {
        let text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/\n".repeat(1_000);
        let small = SMALL.repeat(64);
        let mixed = format!("{small}<t>{}</t>", text.repeat(small.len() * 16 / text.len()));
        let content = |name, bytes, around, piece: String| {
            let piece = piece.into_bytes().leak();
            Self { name, bytes, around, piece }
        };
        [
            content("text", GIBIBYTE, TEXT, text),
            content("CDATA", GIBIBYTE / 16, CDATA, "] ]> ]] &<".repeat(6_000)),
            content("elements", GIBIBYTE / 4, ELEMENTS, mixed),
        ]
    }

    fn read(self) -> impl BufRead {
        let cycle = Cycle { piece: self.piece, at: 0, times: self.bytes / self.piece.len() };
        let [before, after] = self.around;
        before.as_bytes().chain(cycle).chain(after.as_bytes()).chain(END.as_bytes())
    }
}

/// Keeps the beginning of what is written, and counts the rest.
#[derive(Default)]
struct Beginning {
    bytes: Vec<u8>,
    all: usize,
}

impl Write for Beginning {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let kept = NEAR_BYTES.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(&piece[..kept]);
        self.all += piece.len();
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts text.
#[derive(Default)]
struct Count(usize);

impl Observer for Count {
    fn start(&mut self, _: &StartTag<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        self.0 += chunk.len();
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

fn key() -> (SoftwareKey, Trust) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_not_before(&Asn1Time::from_str("20260101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20270101000000Z").unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let pem = builder.build().to_pem().unwrap();
    let signing = SoftwareKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap(), &pem).unwrap();
    let signers = Arc::new(Certificate::from_pem(&pem).unwrap().into());
    let at: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    (signing, Trust { signers, authorities: Arc::default(), at, legacy_sha1: false })
}

/// Signs and verifies; how many bytes of text were seen.
fn sign_and_verify(content: Content, key: &SoftwareKey, trust: &Trust) -> usize {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut unsigned =
        || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(START.as_bytes().chain(content.read()))) };
    let mut signed = Beginning::default();
    sign(&mut unsigned, PARENT, key, &options, &mut signed).unwrap();
    assert!(signed.all > content.bytes - content.piece.len());
    let end = signed.bytes.windows(5).position(|window| window == b"</h>\n").unwrap() + 5;
    let signed = || signed.bytes[..end].chain(content.read());
    let places = Places { parents: &[PARENT], signed: &[] };
    let located = locate(&mut signed(), &options, &places, Reach::End, &mut Count::default()).unwrap();
    let mut count = Count::default();
    let verdict = located.verify(&mut signed(), trust, &mut count).unwrap();
    assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
    count.0
}

#[test]
fn signing_and_verifying_a_gibibyte_takes_no_memory() {
    let (key, trust) = key();
    let before = peak_bytes();
    for content in Content::all() {
        ALLOCATOR.reset_peak_memory();
        let text_bytes = sign_and_verify(content, &key, &trust);
        let heap = ALLOCATOR.get_peak_memory();
        println!("{}: {text_bytes} bytes of text, {heap} bytes allocated at once", content.name);
        assert!(text_bytes > content.bytes / 10 * 9, "{text_bytes} bytes of text in {}", content.name);
        assert!(heap > 0, "the allocator counts");
        assert!(heap <= HEAP_BYTES_MAX, "{heap} bytes allocated at once for {}", content.name);
    }
    match (before, peak_bytes()) {
        (Some(before), Some(after)) => {
            println!("peak {before} -> {after}");
            assert!(after - before <= GROWTH_BYTES_MAX, "the peak grew by {}", after - before);
        }
        _ => println!("SKIPPED: the system does not tell the peak memory"),
    }
}
