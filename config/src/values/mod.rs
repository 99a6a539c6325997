//! Values that the settings write as text and the program holds as types.

pub(crate) mod byte_size;
pub(crate) mod network;
pub(crate) mod secret;
pub(crate) mod span;
pub(crate) mod url;
