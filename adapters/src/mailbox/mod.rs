//! Mailboxes: the outside system is a document system that fetches by the national SDK's protocol
//! (spec vxp-api section 7). To hand over is to have the packet ready here; nothing leaves, and what the system says later
//! is heard by [`lienthong_pipeline::mailbox`].

use std::future::poll_fn;

use async_trait::async_trait;
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, Handover};
use lienthong_pipeline::record::{AdapterKind, State};

use crate::packet::PacketReader;

/// The adapter of [`AdapterKind::Mailbox`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mailbox;

#[async_trait]
impl Adapter for Mailbox {
    fn kind(&self) -> AdapterKind {
        AdapterKind::Mailbox
    }

    /// Offers the packet, after reading it once: a damaged one is found while somebody can still mend it.
    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let mut packet = PacketReader::open(consignment).await?;
        while let Some(chunk) = poll_fn(|cx| packet.poll_chunk(cx)).await {
            chunk?;
        }
        Ok(Handover { state: State::Offered, note: "waits to be fetched".to_owned(), known_as: None })
    }
}

#[cfg(test)]
mod tests;
