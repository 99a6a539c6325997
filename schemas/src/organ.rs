//! Organisation identifiers (mã định danh), as they are looked up, as they stand in subjects, and what their form says.
//! Whether a code belongs to somebody is the directory's business, not this module's.

mod id;
mod standard;
mod token;

pub use id::{ORGAN_ID_BYTES_MAX, OrganId, OrganIdFault};
pub use standard::follows_a_standard;
pub use token::ReceiverToken;
