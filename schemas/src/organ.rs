//! Organisation identifiers (mã định danh), as they are looked up, as they stand in subjects, and what their form says.
//! Whether a code belongs to somebody is the directory's business, not this module's.

mod form;
mod group;
mod id;
mod standard;
mod suggestion;
mod token;

pub use form::Form;
pub use group::{OrganGroup, OrganPath};
pub use id::{ORGAN_ID_BYTES_MAX, OrganId, OrganIdFault};
pub use standard::follows_a_standard;
pub use suggestion::{Suggestion, suggest_other_form};
pub use token::ReceiverToken;
