//! The ids of design.md B1: made from what was received, so that every gateway makes the same ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::organ::OrganId;
use crate::text::nfc;

/// A text is not the hex form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has {0} lower-case hex digits")]
pub struct IdFault(usize);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The id's bytes, as they stand in store keys.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = IdFault;
            fn from_str(text: &str) -> Result<Self, IdFault> {
                let mut bytes = [0; $bytes];
                let fault = IdFault($bytes * 2);
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(fault);
                }
                hex::decode_to_slice(text, &mut bytes).map_err(|_| fault)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdFault;
            fn try_from(text: String) -> Result<Self, IdFault> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

hex_id!(
    /// SHA-256 over the exact bytes of a packet; also the name of its blob.
    PacketDigest, 32
);
hex_id!(
    /// The gateway's id of one document (B1), not the sender's `DocumentId` element.
    DocumentId, 16
);
hex_id!(
    /// The id of one document on its way to one receiver (B1): the same on every attempt, for life.
    DeliveryId, 16
);
hex_id!(
    /// A hash under which two packets are found to belong together (same or referred `DocumentId`).
    CorrelationKey, 16
);
hex_id!(
    /// A hash under which the business state of one document at one receiver is kept.
    StandingKey, 16
);

/// SHA-256 over parts, each preceded by its length as eight big-endian bytes, cut to 16 bytes.
pub fn digest16(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut cut = [0; 16];
    cut.copy_from_slice(&digest[..16]);
    cut
}

impl DocumentId {
    /// B1: over (From, DocumentId, packet kind and business type, packet SHA-256).
    ///
    /// `sender_document_id` is empty when the packet has none; `kind` is [`crate::edxml::PacketKind::id_text`].
    pub fn derive(from: &OrganId, sender_document_id: &str, kind: &str, packet: &PacketDigest) -> Self {
        let id = sender_document_id.as_bytes();
        Self(digest16(&[from.as_str().as_bytes(), id, kind.as_bytes(), packet.as_bytes()]))
    }
}

/// What a delivery does at its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Hand the packet over.
    Deliver,
}

impl Operation {
    /// The operation's name, as it enters the delivery id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
        }
    }
}

impl DeliveryId {
    /// B1: over (document id, receiver, operation).
    pub fn derive(document: &DocumentId, receiver: &OrganId, operation: Operation) -> Self {
        let (receiver, operation) = (receiver.as_str().as_bytes(), operation.as_str().as_bytes());
        Self(digest16(&[document.to_string().as_bytes(), receiver, operation]))
    }
}

impl StandingKey {
    /// Of the document of this [name](crate::document_name) at this receiver, by its code in the directory.
    pub fn of(document_name: &[u8; 16], receiver: &OrganId) -> Self {
        Self(digest16(&[b"standing", document_name, receiver.as_str().as_bytes()]))
    }
}

impl CorrelationKey {
    /// The key of a `DocumentId` as senders write it. The text is trimmed, and compared in NFC without regard to case.
    pub fn of(sender_document_id: &str) -> Self {
        Self(digest16(&[b"correlation", nfc(sender_document_id.trim()).to_lowercase().as_bytes()]))
    }
}

impl PacketDigest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_part_boundaries_apart() {
        let digest = PacketDigest::of(b"x");
        let organ = |t| OrganId::parse(t).expect("a code");
        let one = DocumentId::derive(&organ("H55"), "1,2", "0", &digest);
        assert_eq!(one, DocumentId::derive(&organ("h55"), "1,2", "0", &digest));
        assert_ne!(one, DocumentId::derive(&organ("H551"), ",2", "0", &digest));
        let to = |t| DeliveryId::derive(&one, &organ(t), Operation::Deliver);
        assert_ne!(to("H01"), to("H02"));
    }

    #[test]
    fn ids_are_read_back_from_their_text() {
        let id = DocumentId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AB".repeat(16).parse::<DocumentId>().is_err());
        assert!("ab".parse::<DocumentId>().is_err());
    }
}
