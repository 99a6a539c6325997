//! Vietnamese text: TCVN 6909:2001 (Unicode, composed) and the encodings before it. Comparing, searching, what is odd
//! about a text, and conversion. Packets are never rewritten; `docs/text.md` is for people.

mod converter;
mod detect;
mod encode;
mod encoding;
mod fold;
mod forms;
mod hidden;
mod legacy;
mod letters;
mod oddities;
mod syllable;

pub use converter::{Converter, Form, Source, Unconvertible, decode};
pub use detect::{Confidence, DETECT_BYTES_MAX, Detected, Undetected, detect, source_of};
pub use encode::{Unencodable, encode};
pub use encoding::Encoding;
pub use fold::{Needle, contains, fold, nfc, same};
pub use hidden::{Hidden, hidden};
pub use oddities::oddities;
