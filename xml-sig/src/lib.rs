//! XML Signature for one strict profile: reader, canonicalisation, verify, sign.
//! `read` is the only XML reader of the program; `locate` and `Located::verify` judge a signature while they read;
//! `sign` writes one. What the profile is, and what it refuses: README.md.

mod chars;
mod driver;
mod error;
mod limits;
mod reader;
mod scope;
mod source;
mod tag;
mod text;

pub use error::{ReadError, Stop, XmlError, XmlFault};
pub use limits::Limits;
pub use reader::{Attribute, Name, Observer, ReadOptions, StartTag, read};
