//! What a sender by the SDK's protocol says beside its packet: who sends it, and to which of its receivers this submission
//! goes. Both are signed by its connection, and neither may say what the packet does not. An axis says for which of our
//! receivers it has a packet.

use std::collections::BTreeSet;

use lienthong_schemas::edxml::{Content, PacketKind};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::Origin;
use crate::directory::Directory;
use crate::recognise::is_ours;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// `from`.
    pub from: OrganId,
    /// `to`; `None`: all receivers of the packet.
    pub to: Option<Vec<OrganId>>,
}

impl Origin {
    /// The receivers that a submission is limited to, as the directory has them; `None` when it goes to all that its packet
    /// names.
    ///
    /// # Errors
    /// [`RejectionCode::ReceiverMissing`] for an empty list, [`RejectionCode::ReceiverNotInPacket`].
    pub(crate) fn chosen(
        &self,
        directory: &Directory,
        content: &Content,
    ) -> Result<Option<BTreeSet<OrganId>>, Rejection> {
        let field = "XroadVnpt-to";
        let to = match self {
            Self::Sdk { beside: Beside { to: Some(to), .. }, .. } => to.as_slice(),
            Self::Axis { to: Some(to), .. } => std::slice::from_ref(to),
            _ => return Ok(None),
        };
        if to.is_empty() {
            return Err(Rejection::new(RejectionCode::ReceiverMissing).at(field));
        }
        let named: BTreeSet<OrganId> = match content.kind {
            PacketKind::Document(_) => content.to.iter().map(|to| directory.resolved(&to.organ_id)).collect(),
            PacketKind::Status => {
                let subjects =
                    content.response_for.iter().take(1).filter_map(|subject| subject.organ_id.as_ref());
                subjects.map(|code| directory.resolved(code)).collect()
            }
        };
        let mut chosen = BTreeSet::new();
        for code in to {
            let resolved = directory.resolved(code);
            if matches!(self, Self::Axis { .. }) && !(named.contains(&resolved) && is_ours(directory, code)) {
                // An axis limits to one of ours whom the packet names, or it says nothing.
                return Ok(None);
            }
            if !named.contains(&resolved) {
                return Err(Rejection::new(RejectionCode::ReceiverNotInPacket)
                    .at(field)
                    .because(code.as_str()));
            }
            chosen.insert(resolved);
        }
        Ok(Some(chosen).filter(|chosen| chosen.len() < named.len()))
    }

    /// What a document's kind is in its id (design.md B1): one submission of a packet to some of its receivers is another
    /// document than one to others, so that each has a receipt of its own.
    pub(super) fn kind_text(kind: &str, chosen: Option<&BTreeSet<OrganId>>) -> String {
        let mut text = kind.to_owned();
        for code in chosen.into_iter().flatten() {
            text.push(' ');
            text.push_str(code.as_str());
        }
        text
    }

    /// Whether who is said to send the packet is its sender.
    ///
    /// # Errors
    /// [`RejectionCode::SenderNotYours`].
    pub(super) fn check_from(&self, directory: &Directory, sender: &OrganId) -> Result<(), Rejection> {
        match self {
            Self::Sdk { beside, .. } if directory.resolved(&beside.from) != *sender => {
                Err(Rejection::new(RejectionCode::SenderNotYours)
                    .at("XroadVnpt-from")
                    .because(beside.from.as_str()))
            }
            _ => Ok(()),
        }
    }
}
