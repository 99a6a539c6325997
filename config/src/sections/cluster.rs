//! `[cluster]`: this gateway as one of several on one broker.

use crate::fault::{FaultCode, Rule};
use crate::reading::Section;

/// Longest name of a node, in bytes; what a name is made of, the pipeline checks, too.
const NODE_BYTES_MAX: usize = 32;

/// This gateway as one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Its name among them, 1-32 of `[a-z0-9-]`; `None`: it is alone.
    pub node: Option<String>,
}

impl ClusterSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let node: Option<String> = section.read("node");
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = |node: &String| (1..=NODE_BYTES_MAX).contains(&node.len()) && node.bytes().all(fits);
        if node.as_ref().is_some_and(|node| !is_name(node)) {
            let rule = Rule::new("phải gồm 1-32 ký tự a-z, 0-9, -", "must be 1-32 of a-z, 0-9 and -");
            section.fault("node", FaultCode::WrongType, rule);
        }
        Self { node }
    }
}
