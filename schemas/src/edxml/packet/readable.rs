//! Whether our own reader takes a packet: its limits on lengths and numbers hold for what we write too. Asked of the
//! reader itself, so that the two cannot differ.

use std::io::{self, BufRead, Cursor, Read};

use super::flaw::{FlawRule, PacketFlaw};
use super::{DocumentPacket, layout, write_attachments};
use crate::edxml::limits::EdxmlLimits;
use crate::edxml::read::{PacketFault, read_envelope};
use crate::edxml::write::PacketText;

/// Why the reader would refuse the packet, whatever its attachments hold: they stand empty here.
pub(super) fn refusal(packet: &DocumentPacket) -> Option<PacketFlaw> {
    let packet = packet.completed(&vec![Vec::new(); packet.attachments.len()]);
    let mut text = PacketText::exact();
    layout::envelope(&mut text, &packet);
    let mut bytes = text.end_envelope().into_bytes();
    let mut empty = |_| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::empty())) };
    write_attachments(&packet, &mut empty, &mut bytes).ok()?;
    let mut open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(bytes.clone()))) };
    match read_envelope(&mut open, &EdxmlLimits::default()) {
        Err(PacketFault::Rejected(rejection)) => Some(PacketFlaw {
            field: rejection.field.unwrap_or_default(),
            rule: FlawRule::Refused(rejection.code, rejection.detail.unwrap_or_default()),
        }),
        _ => None,
    }
}
