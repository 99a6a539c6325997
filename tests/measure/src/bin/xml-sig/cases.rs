//! The cases, what each must reach and should reach, and a line for each figure. The figures asked for are fixed: a miss
//! is printed as one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use measure::least::{hash, parse};
use measure::print;
use measure::process::{peak_kib, resident_kib, run};
use measure::turns::{Times, Turns, take_turns};
use measure::wanted::{Verdicts, Wanted};
use xml_sig::Trust;

use crate::Case;
use crate::documents::{Document, Place, Shape};
use crate::engine::{Expected, judge, judge_file};
use crate::keys::{Identity, trust};
use crate::least::{self, Plain};
use crate::peers::{Peers, Race};

const LONG: Shape = Shape::Attachment { signed_bytes: 100_000_000 };
const SMALL: Shape = Shape::Attachment { signed_bytes: 10_000 };
/// Most that memory may grow by while a document is streamed.
const GROWTH_MB_MAX: f64 = 16.0;
/// The hash's work without the memory's.
const NEAR: &str = "SHA-256 of as many bytes out of the cache";

/// A run.
pub(crate) struct Bench<'a> {
    folder: &'a Path,
    turns: Turns,
    rsa: Identity,
    trust: Trust,
    peers: Option<Peers>,
    documents: usize,
    verdicts: Verdicts,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(folder: &'a Path, turns: Turns, peers: Option<Peers>) -> Result<Self> {
        let rsa = Identity::rsa(None)?;
        let trust = rsa.pinned()?;
        Ok(Self { folder, turns, rsa, trust, peers, documents: 0, verdicts: Verdicts::default() })
    }

    pub(crate) fn measure(&mut self, case: Case) -> Result<()> {
        match case {
            Case::Streamed => self.streamed(),
            Case::Memory => self.memory(),
            Case::Small => self.small(),
            Case::Dense => self.dense(),
            Case::Wrong => self.wrong(),
        }
    }

    /// What was missed, all in one place.
    pub(crate) fn conclude(&self) {
        self.verdicts.conclude();
    }

    fn streamed(&mut self) -> Result<()> {
        print(
            "\n1. 100 MB, one attachment, streamed from a file; least: SHA-256 of the bytes, in memory or of the file read once, whichever takes less",
        );
        for place in Place::BOTH {
            let document = self.document(LONG, place)?;
            let (file, bytes) = (document.file(), document.bytes()?);
            let [ours, hash, hash_file, hash_near] = take_turns(
                self.turns,
                [
                    Box::new(|| judge_file(&file, &self.trust, Expected::Valid)),
                    Box::new(|| hash(&bytes)),
                    Box::new(|| least::hash_file(&file)),
                    Box::new(|| least::hash_near(&bytes)),
                ],
            )?;
            // Which of them is the stricter depends on the machine's memory.
            let (in_memory, of_file) = (("in memory", &hash), ("of the file", &hash_file));
            let in_memory_first = hash.median().cpu <= hash_file.median().cpu;
            let (least, other) = if in_memory_first { (in_memory, of_file) } else { (of_file, in_memory) };
            let words = format!("{}, to SHA-256 {}", place.words(), least.0);
            self.ratio(&words, &ours, least.1, Wanted::AtMost { must: 2.0, aim: Some(1.4) });
            beside(&format!("SHA-256 {}", other.0), &ours, other.1);
            beside(NEAR, &ours, &hash_near);
            self.growth(&document, place)?;
            if place == Place::Header {
                self.race(&document, least.1, Race::Valid)?;
            }
            document.remove()?;
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        print("\n2. 100 MB, from memory; least: SHA-256 of the bytes");
        for place in Place::BOTH {
            let document = self.document(LONG, place)?;
            let bytes = document.bytes()?;
            document.remove()?;
            let [ours, hash, hash_near] = take_turns(
                self.turns,
                [
                    Box::new(|| judge(&bytes, &self.trust, Expected::Valid)),
                    Box::new(|| hash(&bytes)),
                    Box::new(|| least::hash_near(&bytes)),
                ],
            )?;
            self.ratio(place.words(), &ours, &hash, Wanted::AtMost { must: 1.6, aim: Some(1.25) });
            beside(NEAR, &ours, &hash_near);
        }
        Ok(())
    }

    fn small(&mut self) -> Result<()> {
        print(
            "\n3. 10 KB, verifies per CPU-second, from memory; least: SHA-256, one verification of the bytes, one pass of \
             quick-xml",
        );
        let rsa = self.document(SMALL, Place::Header)?;
        let wanted = Wanted::AtLeast { must: 9_000.0, aim: 15_000.0 };
        let [ours, least] = self.rate("RSA-2048", &rsa, &self.rsa, &self.trust)?;
        let rate = ours.per_cpu_second().median;
        let verdicts = self.verdicts.judge(&format!("RSA-2048: {rate:.0}/s"), rate, wanted);
        print(&format!("     {verdicts}"));
        self.race(&rsa, &least, Race::Valid)?;
        let p256 = Identity::p256()?;
        let document = Document::make(self.next_folder(), SMALL, Place::Header, &p256)?;
        self.rate("ECDSA P-256", &document, &p256, &p256.pinned()?)?;
        let authority = Identity::authority()?;
        let below = Identity::rsa(Some(&authority))?;
        let document = Document::make(self.next_folder(), SMALL, Place::Header, &below)?;
        self.rate("RSA-2048, chain to an anchor, CRL", &document, &below, &below.under(&authority)?)?;
        Ok(())
    }

    fn dense(&mut self) -> Result<()> {
        print(
            "\n4. 10 MB of dense tags, from memory; least: one pass of quick-xml over the slice, and SHA-256",
        );
        for place in Place::BOTH {
            let document = self.document(Shape::Dense, place)?;
            let bytes = document.bytes()?;
            let elements = parse(&bytes)?;
            let [ours, parse_and_hash] = take_turns(
                self.turns,
                [
                    Box::new(|| judge(&bytes, &self.trust, Expected::Valid)),
                    Box::new(|| parse(&bytes).and_then(|_| hash(&bytes))),
                ],
            )?;
            let words = format!("{}; {elements} elements, {} bytes", place.words(), bytes.len());
            self.ratio(&words, &ours, &parse_and_hash, Wanted::AtMost { must: 7.0, aim: Some(3.0) });
            if place == Place::Header {
                self.race(&document, &parse_and_hash, Race::Valid)?;
            }
            document.remove()?;
        }
        Ok(())
    }

    fn wrong(&mut self) -> Result<()> {
        print("\n5. 100 MB with a wrong SignatureValue; least: SHA-256 of the bytes in memory");
        for place in Place::BOTH {
            let document = self.document(LONG, place)?;
            document.spoil(place)?;
            let (file, bytes) = (document.file(), document.bytes()?);
            let [streamed, hash, memory, again] = take_turns(
                self.turns,
                [
                    Box::new(|| judge_file(&file, &self.trust, Expected::WrongValue)),
                    Box::new(|| hash(&bytes)),
                    Box::new(|| judge(&bytes, &self.trust, Expected::WrongValue)),
                    Box::new(|| hash(&bytes)),
                ],
            )?;
            let wanted = Wanted::AtMost { must: 0.4, aim: None };
            self.ratio(&format!("{}, from memory", place.words()), &memory, &again, wanted);
            self.ratio(&format!("{}, streamed", place.words()), &streamed, &hash, wanted);
            if place == Place::Header {
                self.race(&document, &hash, Race::Refused)?;
            }
            document.remove()?;
        }
        Ok(())
    }

    fn next_folder(&mut self) -> PathBuf {
        self.documents += 1;
        self.folder.join(self.documents.to_string())
    }

    fn document(&mut self, shape: Shape, place: Place) -> Result<Document> {
        Document::make(self.next_folder(), shape, place, &self.rsa)
    }

    /// Verifications in a CPU-second, and their least.
    fn rate(&self, what: &str, document: &Document, signer: &Identity, trust: &Trust) -> Result<[Times; 2]> {
        let bytes = document.bytes()?;
        let plain = Plain::sign(signer, &bytes)?;
        let [ours, least] = take_turns(
            self.turns,
            [
                Box::new(|| judge(&bytes, trust, Expected::Valid)),
                Box::new(|| plain.verify(&bytes).and_then(|()| parse(&bytes).map(drop))),
            ],
        )?;
        let (rate, most) = (ours.per_cpu_second().show(0), least.per_cpu_second().show(0));
        let ratio = ours.to(&least, |taken| taken.cpu).show(2);
        let length = bytes.len();
        print(&format!(
            "   {what} ({length} bytes): ours {rate}/s, least {most}/s; ratio of CPU times {ratio}"
        ));
        Ok([ours, least])
    }

    fn ratio(&mut self, what: &str, ours: &Times, least: &Times, wanted: Wanted) {
        let (wall, cpu) = (ours.to(least, |taken| taken.wall), ours.to(least, |taken| taken.cpu));
        let verdicts = self.verdicts.judge(&format!("{what}: {:.2}", wall.median), wall.median, wanted);
        print(&format!(
            "   {what}: ours {} ms, least {} ms; ratio {}, CPU {:.2}\n     {verdicts}",
            ours.wall_ms().show(1),
            least.wall_ms().show(1),
            wall.show(2),
            cpu.median,
        ));
    }

    fn growth(&mut self, document: &Document, place: Place) -> Result<()> {
        let mut program = Command::new(std::env::current_exe()?);
        let ended = run(program.arg("--growth").arg(document.folder()))?;
        ensure!(ended.status.success(), "{}", ended.said);
        let kib: f64 = ended.said.trim().parse().with_context(|| ended.said.clone())?;
        let grown = kib * 1024.0 / 1e6;
        let wanted = Wanted::AtMost { must: GROWTH_MB_MAX, aim: None };
        let verdicts = self.verdicts.judge(&format!("{}: {grown:.1} MB", place.words()), grown, wanted);
        print(&format!("     peak memory (VmHWM) of one verification grew by {grown:.1} MB: {verdicts}"));
        Ok(())
    }

    fn race(&self, document: &Document, least: &Times, race: Race) -> Result<()> {
        self.peers.as_ref().map_or(Ok(()), |peers| peers.race(document, least.median(), race))
    }
}

/// A ratio for information.
fn beside(what: &str, ours: &Times, least: &Times) {
    let (ms, ratio) = (least.wall_ms().show(1), ours.to(least, |taken| taken.wall).show(2));
    print(&format!("     beside {what}, {ms} ms: ratio {ratio}"));
}

/// Prints how many KiB the peak of this process lies above what it held before it verified.
pub(crate) fn print_growth(folder: &Path) -> Result<()> {
    let document = Document::at(folder);
    let trust = trust(&std::fs::read(document.certificate())?)?;
    let file = document.file();
    let silent = "the system does not tell the memory of a process";
    let before = resident_kib().context(silent)?;
    judge_file(&file, &trust, Expected::Valid)?;
    let peak = peak_kib().context(silent)?;
    print(&peak.saturating_sub(before).to_string());
    Ok(())
}
