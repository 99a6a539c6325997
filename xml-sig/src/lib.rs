//! XML Signature for one strict profile: reader, canonicalisation, verify, sign.
//! `read` is the only XML reader of the program; `locate` and `Located::verify` judge a signature while they read;
//! `sign` writes one. What the profile is, and what it refuses: README.md.

mod algorithms;
mod c14n;
mod capture;
mod certificate;
mod chain;
mod chars;
mod der;
mod digest;
mod driver;
mod error;
mod events;
mod ids;
mod key_info;
mod keys;
mod limits;
mod locate;
mod name;
mod ocsp;
mod octets;
mod reader;
mod revocation;
mod running;
mod scope;
mod sign;
mod signed_info;
mod signing_key;
mod source;
mod splice;
mod survey;
mod tag;
mod text;
mod tokens;
mod trust;
mod usage;
mod verdict;
mod verify;
mod vouch;
mod window;

pub use c14n::{Form, Method, canonicalise};
pub use certificate::{Certificate, Crl, KeyError};
pub use chain::Chains;
pub use error::{ReadError, Stop, XmlError, XmlFault};
pub use keys::PublicKey;
pub use limits::Limits;
pub use locate::{Located, Path, Places, Reach, locate};
pub use name::{Subject, SubjectError};
pub use ocsp::{OCSP_RESPONSE_BYTES_MAX, OcspError, OcspResponse};
pub use reader::{Attribute, Name, Observer, ReadOptions, StartTag, Unwatched, read};
pub use revocation::{Answer, Link, Revocation, Status};
pub use sign::{SignError, sign};
pub use signing_key::{SigningFault, SigningKey, SigningMethod, SoftwareKey};
pub use survey::{Judged, Survey, survey};
pub use trust::{Authorities, Signers, Trust};
pub use verdict::{Coverage, ElementPath, Invalid, Signer, Step, Unusable, Valid, Verdict, Warning};

/// The examples of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
