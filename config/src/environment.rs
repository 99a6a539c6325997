//! The environment, read in this one place: secrets that should not stand in a file, and where the broker program is.
//! Tests fill an [`Environment`] of their own instead of changing the process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What every variable of ours begins with.
const PREFIX: &str = "LIENTHONG_";

/// The password of the broker.
pub const BROKER_PASSWORD: &str = "LIENTHONG_BROKER_PASSWORD";

/// The token of the broker.
pub const BROKER_TOKEN: &str = "LIENTHONG_BROKER_TOKEN";

/// The seed of the nkey by which we log in to the broker.
pub const BROKER_NKEY_SEED: &str = "LIENTHONG_BROKER_NKEY_SEED";

/// The key that secrets of the settings are sealed with, where no file holds it.
pub const MASTER_KEY: &str = "LIENTHONG_MASTER_KEY";

/// The broker program, where the settings do not name one.
pub const NATS_SERVER: &str = "LIENTHONG_NATS_SERVER";

/// Whether people want colour where there is a terminal: the only variables of others that are looked at. `NO_COLOR`
/// (no-color.org) says no, and so does a `TERM` that is missing or `dumb`.
pub fn colour_is_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Variables that begin with `LIENTHONG_`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process, as it is now.
    pub fn of_process() -> Self {
        let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        Self(std::env::vars_os().filter(|(name, _)| ours(name)).collect())
    }

    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// A variable's value; an empty one counts as not set.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The variable that holds the secret of a system: `LIENTHONG_SYSTEM_<ID>_SECRET`, the id in upper case with `_` for
    /// `-`. An id has no `_`, so no two systems share a variable.
    pub fn system_secret(id: &str) -> String {
        SecretOf::System.variable(id)
    }

    /// The variable that holds the secret of an axis: `LIENTHONG_AXIS_<ID>_SECRET`, as [`Environment::system_secret`].
    pub fn axis_secret(id: &str) -> String {
        SecretOf::Axis.variable(id)
    }

    /// The variable that holds the secret of a system that speaks the SDK's protocol: `LIENTHONG_SDK_<ID>_SECRET`, as
    /// [`Environment::system_secret`]. That of the secret to come is `LIENTHONG_NEXT_SDK_<ID>_SECRET`.
    pub fn sdk_secret(id: &str) -> String {
        SecretOf::Sdk.variable(id)
    }

    /// Names of the variables for secrets of this kind.
    pub(crate) fn secrets_of(&self, kind: SecretOf) -> impl Iterator<Item = &str> {
        let prefix = format!("{PREFIX}{}_", kind.as_str());
        let names = self.0.keys().filter_map(|name| name.to_str());
        names.filter(move |name| name.starts_with(&prefix) && name.ends_with("_SECRET"))
    }
}

/// Whose secret a variable holds.
#[derive(Clone, Copy)]
pub(crate) enum SecretOf {
    /// A connected system's.
    System,
    /// An axis's.
    Axis,
    /// That of a system which speaks the SDK's protocol.
    Sdk,
    /// The one that it will have next.
    NextSdk,
}

impl SecretOf {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "SYSTEM",
            Self::Axis => "AXIS",
            Self::Sdk => "SDK",
            Self::NextSdk => "NEXT_SDK",
        }
    }

    /// The variable of one of them.
    pub(crate) fn variable(self, id: &str) -> String {
        format!("{PREFIX}{}_{}_SECRET", self.as_str(), id.to_ascii_uppercase().replace('-', "_"))
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let environment = Environment::empty().with(BROKER_PASSWORD, "hunter2");
        assert_eq!(environment.value(BROKER_PASSWORD), Some(OsStr::new("hunter2")));
        assert_eq!(format!("{environment:?}"), "{\"LIENTHONG_BROKER_PASSWORD\"}");
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert_eq!(Environment::empty().with(BROKER_TOKEN, "").value(BROKER_TOKEN), None);
    }

    #[test]
    fn only_our_variables_are_kept() {
        assert!(Environment::of_process().value("PATH").is_none());
    }
}
