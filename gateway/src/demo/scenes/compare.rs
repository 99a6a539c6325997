//! The end of the play: every byte of everything that was sent, at every receiver; nothing missing, nothing else, no
//! complaint.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::{Scenes, Sent, delivery_to, failed};
use crate::cli::CommandFault;
use crate::demo::cast::{PARTIES, Way};
use crate::demo::story::Line;
use crate::demo::world::digest;

/// What one receiver has of one packet.
struct Found {
    /// Files with the packet as it came.
    files: Vec<std::path::PathBuf>,
    /// How often it was taken.
    times: u32,
}

impl Scenes {
    pub(super) async fn compare(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("So từng byte", "Comparing every byte");
        let sent = std::mem::take(&mut self.sent);
        let mut compared = 0;
        for one in &sent {
            let view = self.cast.world.show(one.sender, &one.document_id).await?.body;
            let mut receivers = Vec::new();
            for at in 0..PARTIES.len() {
                receivers.push(if one.to.contains(&at) {
                    compared += 1;
                    self.same(one, at, &view)?
                } else {
                    "–".to_owned()
                });
            }
            self.story.note(Line { what: one.code.clone(), answer: "202".to_owned(), receivers });
        }
        let (there, complaints) = (self.in_all(), self.cast.complaints());
        if there != compared || !complaints.is_empty() {
            return Err(failed(format!("{there} deliveries, not {compared}; complaints: {complaints:?}")));
        }
        self.story.table(&PARTIES);
        self.story.tell(&format!(
            "{compared} bản chuyển, đúng từng byte, không thừa / {compared} deliveries compared, equal byte for byte, \
             none too many"
        ));
        Ok(())
    }

    /// Compares what one receiver has of one packet with what was sent.
    fn same(&self, sent: &Sent, at: usize, view: &Value) -> Result<String, CommandFault> {
        let party = &PARTIES[at];
        let wrong = |what: &str| failed(format!("{} at {}: {what}", sent.code, party.shown()));
        let id = delivery_to(view, at)?["delivery_id"].as_str().unwrap_or_default();
        let found = match party.way {
            Way::Vendor(vendor) => self.at_vendor(sent, vendor, id),
            Way::Mail => self.in_mailbox(sent, id),
            Way::Axis => self.behind_axis(sent, at)?,
        };
        let found = found.map_err(|what| wrong(&what))?;
        for file in &found.files {
            if !equal(&sent.file, file)? {
                return Err(wrong(&format!("other bytes in {}", file.display())));
            }
        }
        match found.times {
            0 => Err(wrong("missing")),
            1 => Ok("đúng".to_owned()),
            times if sent.killed => Ok(format!("đúng ({times}×)")),
            times => Err(wrong(&format!("taken {times} times"))),
        }
    }

    fn at_vendor(&self, sent: &Sent, vendor: usize, id: &str) -> Result<Found, String> {
        let taken = self.cast.world.receivers[vendor].taken();
        let taken = taken.get(id).ok_or_else(|| format!("no delivery {id}"))?;
        if taken.document_id != sent.document_id || taken.receiver != PARTIES[vendor].code {
            return Err(format!("{taken:?}"));
        }
        Ok(Found { files: vec![taken.file.clone()], times: taken.times })
    }

    /// Also whether the clerk can read what it is.
    fn in_mailbox(&self, sent: &Sent, id: &str) -> Result<Found, String> {
        let taken = self.cast.mailbox.taken();
        let kept = taken.get(id).ok_or_else(|| format!("no delivery {id}"))?;
        let letter = &kept.letter;
        let told = [&letter.subject, &letter.text];
        let tells = told.iter().all(|text| text.contains(&sent.code) && text.contains(sent.subject));
        if letter.document_id != sent.document_id || !tells {
            return Err(format!("{letter:?}"));
        }
        Ok(Found { files: vec![kept.file.clone()], times: kept.taken })
    }

    /// One consignment for exactly the receivers of the packet that are there, in any order (which of them was taken over
    /// first comes first); after a kill it may be in parts.
    fn behind_axis(&self, sent: &Sent, at: usize) -> Result<Result<Found, String>, CommandFault> {
        let (sha256, bytes) = digest(&sent.file)?;
        let mut all = self.cast.axis.taken();
        all.retain(|consigned| consigned.sha256 == sha256);
        let there = sent.to.iter().map(|&to| &PARTIES[to]).filter(|party| party.way == Way::Axis);
        let whole: BTreeSet<&str> = there.map(|party| party.code).collect();
        let fits = |to: &[String]| {
            let named: BTreeSet<&str> = to.iter().map(String::as_str).collect();
            named.len() == to.len() && (named == whole || (sent.killed && named.is_subset(&whole)))
        };
        let good = all.iter().all(|consigned| {
            let head = (consigned.message_type.as_str(), consigned.from.as_str(), consigned.bytes);
            head == ("edoc", PARTIES[sent.sender].code, bytes) && fits(&consigned.to)
        });
        if !good || (all.len() != 1 && !sent.killed) {
            return Ok(Err(format!("not one consignment to {whole:?}: {all:?}")));
        }
        let mut found = Found { files: Vec::new(), times: 0 };
        for own in all.iter().filter(|consigned| consigned.to.iter().any(|code| code == PARTIES[at].code)) {
            found.files.push(own.file.clone());
            found.times += own.times;
        }
        Ok(Ok(found))
    }

    /// Deliveries that peers have: at the axis pairs of packet and receiver.
    fn in_all(&self) -> usize {
        let vendors: usize = self.cast.world.receivers.iter().map(|receiver| receiver.taken().len()).sum();
        let consigned = self.cast.axis.taken();
        let pairs: BTreeSet<(&str, &str)> = consigned
            .iter()
            .flat_map(|one| one.to.iter().map(|code| (one.sha256.as_str(), code.as_str())))
            .collect();
        vendors + self.cast.mailbox.taken().len() + pairs.len()
    }
}

/// Whether two files have the same bytes, read in pieces.
fn equal(one: &Path, other: &Path) -> Result<bool, CommandFault> {
    let open = |path: &Path| {
        let file = File::open(path).map_err(|cause| CommandFault::at(path.display(), cause))?;
        Ok::<_, CommandFault>(BufReader::with_capacity(1 << 18, file))
    };
    let fault = |cause: std::io::Error| CommandFault::at(one.display(), cause);
    let (mut one_reader, mut other_reader) = (open(one)?, open(other)?);
    loop {
        let (left, right) = (one_reader.fill_buf().map_err(fault)?, other_reader.fill_buf().map_err(fault)?);
        let most = left.len().min(right.len());
        if left[..most] != right[..most] || (most == 0 && left.len() != right.len()) {
            return Ok(false);
        }
        if most == 0 {
            return Ok(true);
        }
        one_reader.consume(most);
        other_reader.consume(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_to_their_last_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        let long = vec![7; 600_000];
        let mut other = long.clone();
        other[599_999] = 8;
        let (one, same) = (write("one", &long), write("same", &long));
        assert!(equal(&one, &same).expect("read"));
        assert!(!equal(&one, &write("other", &other)).expect("read"));
        assert!(!equal(&one, &write("short", &long[..599_999])).expect("read"));
        assert!(!equal(&write("empty", b""), &one).expect("read"));
        assert!(equal(&write("one byte", b"x"), &folder.path().join("none")).is_err());
    }
}
