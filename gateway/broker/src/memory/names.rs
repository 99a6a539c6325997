//! Names of documents among the events of a [`super::MemoryBroker`]: the last message of a name counts.

use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{NameClaim, NameClaims};

use super::{Board, MemoryBroker, Stored};
use crate::message;

impl Board {
    fn name_claims(&self, name: [u8; 16]) -> NameClaims {
        let subject = message::name_subject(name);
        let last = self.events.iter().rev().find_map(|(number, stored)| match stored {
            Stored::Name(of, body) if *of == subject => Some((*number, body)),
            _ => None,
        });
        last.map_or_else(NameClaims::nothing, |(sequence, body)| NameClaims {
            sequence,
            claims: message::read_names(&subject, body),
        })
    }
}

impl MemoryBroker {
    pub(super) fn read_name(&self, name: [u8; 16]) -> Result<NameClaims, Fault> {
        Ok(self.shared.running()?.name_claims(name))
    }

    pub(super) fn write_name(&self, name: [u8; 16], claims: &[NameClaim], after: u64) -> Result<bool, Fault> {
        let body = message::encode_names(claims)?;
        let mut board = self.shared.running()?;
        if board.name_claims(name).sequence != after {
            return Ok(false);
        }
        board.last_event += 1;
        let number = board.last_event;
        board.events.push((number, Stored::Name(message::name_subject(name), body)));
        drop(board);
        self.shared.changed.notify_waiters();
        Ok(true)
    }
}
