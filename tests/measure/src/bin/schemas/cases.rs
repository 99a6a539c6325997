//! The cases, what each must reach, and a line for each figure.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum as _;
use measure::least::parse;
use measure::print;
use measure::process::run;
use measure::turns::{Times, Turns, take_turns};
use measure::wanted::{Verdicts, Wanted};

use crate::Case;
use crate::engine::{accept, refuse};
use crate::least::{Least, parse_bomb};
use crate::made::bombs::{ARCHIVE_BOMBS, BOMBS, Bomb};
use crate::made::crowds::CROWDS;
use crate::packets::{Kind, Long, small};

/// Most that memory may grow by while a packet of a gigabyte is read.
const LONG: Wanted = Wanted::AtMost { must: 32.0, aim: Some(4.0) };
/// Most that reading may take of what is the least.
const TIMES: Wanted = Wanted::AtMost { must: 2.0, aim: Some(1.5) };
/// Most that refusing a bomb may take of one pass of quick-xml.
const BOMB_TIMES: Wanted = Wanted::AtMost { must: 2.0, aim: None };
/// Most that memory may grow by while a bomb is read.
const BOMB_GROWTH: Wanted = Wanted::AtMost { must: 16.0, aim: None };

/// A run.
pub(crate) struct Bench<'a> {
    folder: &'a Path,
    turns: Turns,
    verdicts: Verdicts,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(folder: &'a Path, turns: Turns) -> Self {
        Self { folder, turns, verdicts: Verdicts::default() }
    }

    pub(crate) fn measure(&mut self, case: Case) -> Result<()> {
        match case {
            Case::Long => self.long(),
            Case::Attachment => self.attachment(),
            Case::Bombs => self.bombs(),
            Case::Crowds => self.crowds(),
            Case::Small => self.small(),
        }
    }

    /// What was missed, all in one place. Whether all was reached that must be.
    pub(crate) fn conclude(&self) -> bool {
        self.verdicts.conclude()
    }

    fn long(&mut self) -> Result<()> {
        print(
            "\n1. 1 GB, streamed through a pipe as it is written; growth of peak memory (VmHWM), writer included",
        );
        for long in Long::value_variants() {
            let name = long.to_possible_value().context("a name")?;
            let mut program = Command::new(std::env::current_exe()?);
            let (grown, seconds) = growth(program.arg("--growth-long").arg(name.get_name()))?;
            let verdicts =
                self.verdicts.judge(&format!("1 GB, {}: {grown:.1} MB", long.words()), grown, LONG);
            print(&format!("   {}: {grown:.1} MB in {seconds:.1} s: {verdicts}", long.words()));
        }
        Ok(())
    }

    fn attachment(&mut self) -> Result<()> {
        print(
            "\n2. 10 MB, one attachment, from memory; least: one pass of quick-xml, base64 at once, SHA-256 of what it \
             decodes to, and for a zipped file inflating at once and SHA-256 of that",
        );
        for kind in Kind::ALL {
            let packet = kind.packet()?;
            let (mut all, mut decode) = (Least::of(&packet), Least::of(&packet));
            let (mut parts, length) = (Least::of(&packet), packet.bytes.len());
            parts.decode()?;
            let [ours, least, parsed, decoded, hashed] = take_turns(
                self.turns,
                [
                    Box::new(|| accept(&packet.bytes).map(drop)),
                    Box::new(|| all.all()),
                    Box::new(|| parts.parse()),
                    Box::new(|| decode.decode().map(drop)),
                    Box::new(|| parts.hash()),
                ],
            )?;
            let words = format!("{} ({length} bytes)", kind.words());
            let wanted = (kind == Kind::Plain).then_some(TIMES);
            self.ratio(&words, &ours, &least, wanted);
            print(&format!(
                "     of the least: quick-xml {:.2} ms, base64 {:.2} ms, SHA-256 {:.2} ms",
                parsed.wall_ms().median,
                decoded.wall_ms().median,
                hashed.wall_ms().median,
            ));
        }
        Ok(())
    }

    fn bombs(&mut self) -> Result<()> {
        print(
            "\n3. Packets made to cost much, from memory; least: one pass of quick-xml. Growth: streamed from a file",
        );
        for bomb in BOMBS.iter().chain(ARCHIVE_BOMBS) {
            self.bomb(bomb).with_context(|| bomb.name)?;
        }
        Ok(())
    }

    fn bomb(&mut self, bomb: &Bomb) -> Result<()> {
        let packet: Arc<[u8]> = (bomb.make)().into();
        let Some((code, field)) = refuse(&packet)? else {
            let verdict =
                self.verdicts.judge(&format!("{} is accepted", bomb.name), f64::INFINITY, BOMB_TIMES);
            print(&format!("   {} ({} bytes): accepted\n     {verdict}", bomb.name, packet.len()));
            return Ok(());
        };
        ensure!((code, field.as_str()) == (bomb.code, bomb.field), "{code} at {field}");
        let [ours, least] = take_turns(
            self.turns,
            [Box::new(|| refuse(&packet).map(drop)), Box::new(|| parse_bomb(&packet))],
        )?;
        let file = self.folder.join("bomb.xml");
        std::fs::write(&file, &packet)?;
        let mut program = Command::new(std::env::current_exe()?);
        let (grown, _) = growth(program.arg("--growth-file").arg(&file))?;
        self.ratio(
            &format!("{} ({} bytes): {code}", bomb.name, packet.len()),
            &ours,
            &least,
            Some(BOMB_TIMES),
        );
        let verdicts = self.verdicts.judge(&format!("{}: {grown:.1} MB", bomb.name), grown, BOMB_GROWTH);
        print(&format!("     growth {grown:.1} MB: {verdicts}"));
        Ok(())
    }

    fn crowds(&mut self) -> Result<()> {
        print("\n4. Packets full of what is odd, accepted, from memory; least: one pass of quick-xml");
        for crowd in CROWDS {
            let packet: Arc<[u8]> = (crowd.make)().into();
            accept(&packet).with_context(|| crowd.name)?;
            let [ours, least] = take_turns(
                self.turns,
                [Box::new(|| accept(&packet).map(drop)), Box::new(|| parse(&packet).map(drop))],
            )?;
            self.ratio(&format!("{} ({} bytes)", crowd.name, packet.len()), &ours, &least, None);
        }
        Ok(())
    }

    fn small(&mut self) -> Result<()> {
        print("\n5. 10 KB, packets per CPU-second, from memory; least: one pass of quick-xml");
        let packet = small()?;
        let [ours, least] = take_turns(
            self.turns,
            [Box::new(|| accept(&packet).map(drop)), Box::new(|| parse(&packet).map(drop))],
        )?;
        let (rate, most) = (ours.per_cpu_second().show(0), least.per_cpu_second().show(0));
        let ratio = ours.to(&least, |taken| taken.cpu).show(2);
        let length = packet.len();
        print(&format!("   {length} bytes: ours {rate}/s, least {most}/s; ratio of CPU times {ratio}"));
        Ok(())
    }

    fn ratio(&mut self, what: &str, ours: &Times, least: &Times, wanted: Option<Wanted>) {
        let (wall, cpu) = (ours.to(least, |taken| taken.wall), ours.to(least, |taken| taken.cpu));
        let verdicts = wanted.map_or("shown only".to_owned(), |wanted| {
            self.verdicts.judge(&format!("{what}: {:.2}", wall.median), wall.median, wanted)
        });
        print(&format!(
            "   {what}: ours {} ms, least {} ms; ratio {}, CPU {:.2}\n     {verdicts}",
            ours.wall_ms().show(3),
            least.wall_ms().show(3),
            wall.show(2),
            cpu.median,
        ));
    }
}

/// Megabytes of growth, and seconds, that a child says.
fn growth(program: &mut Command) -> Result<(f64, f64)> {
    let ended = run(program)?;
    ensure!(ended.status.success(), "{}", ended.said);
    let (kib, seconds) = ended.said.trim().split_once(' ').with_context(|| ended.said.clone())?;
    Ok((kib.parse::<f64>()? * 1024.0 / 1e6, seconds.parse()?))
}
