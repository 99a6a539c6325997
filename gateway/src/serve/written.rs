//! The settings file as it was written, to tell after a reload which keys are others now. Values are kept as digests
//! only: some of them are secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Sections, and keys of others, that a reload puts to use. All others wait for a restart. The profile is asked when
/// files are read, and the master key opens the secrets of axes and systems: both count whenever these do. Pauses and
/// patience count from the next attempt on; how long the broker keeps its streams follows them at the next start.
const LIVE: [&[&str]; 17] = [
    &["axes"],
    &["delivery", "concurrent"],
    &["delivery", "email"],
    &["delivery", "give_up_after"],
    &["delivery", "jitter"],
    &["delivery", "mailbox"],
    &["delivery", "national_axis"],
    &["delivery", "retry_first"],
    &["delivery", "retry_max"],
    &["delivery", "vendor_http"],
    &["directory"],
    &["gateway", "master_key_file"],
    &["gateway", "profile"],
    &["operators"],
    &["support"],
    &["systems"],
    &["trust"],
];

/// Every key of the file with a digest of its value.
#[derive(Clone, Debug, Default)]
pub struct Written(BTreeMap<Vec<String>, [u8; 32]>);

impl Written {
    /// Reads the file; nothing when it cannot be read, which whoever loads the settings has said already.
    pub(super) fn of(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut keys = BTreeMap::new();
        flatten(&mut Vec::new(), toml::Value::Table(text.parse().unwrap_or_default()), &mut keys);
        Self(keys)
    }

    /// Ids of the tables in a section, such as `systems`, that came, went or changed.
    pub(super) fn changed_ids(&self, next: &Self, section: &str) -> BTreeSet<String> {
        let ids = self.differences(next).filter(|path| path[0] == section);
        ids.filter_map(|path| path.get(1).cloned()).collect()
    }

    /// Keys that are others now and count only after a restart.
    pub(super) fn waiting_for_restart(&self, next: &Self) -> BTreeSet<String> {
        let is_live = |path: &[String]| {
            let begins =
                |live: &[&str]| path.len() >= live.len() && live.iter().zip(path).all(|(a, b)| a == b);
            LIVE.iter().any(|live| begins(live))
        };
        let waiting = self.differences(next).filter(|path| !is_live(path));
        waiting.map(|path| path.join(".")).collect()
    }

    fn differences<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a Vec<String>> {
        let keys: BTreeSet<&Vec<String>> = self.0.keys().chain(next.0.keys()).collect();
        keys.into_iter().filter(|key| self.0.get(*key) != next.0.get(*key))
    }
}

/// Below the root every path has a first part. An empty table is a key too: a section that says nothing is there.
fn flatten(path: &mut Vec<String>, value: toml::Value, keys: &mut BTreeMap<Vec<String>, [u8; 32]>) {
    match value {
        toml::Value::Table(table) if path.is_empty() || !table.is_empty() => {
            for (key, value) in table {
                path.push(key);
                flatten(path, value, keys);
                path.pop();
            }
        }
        value => {
            keys.insert(path.clone(), Sha256::digest(value.to_string().as_bytes()).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Written::of(file.path())
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn keys_that_wait_for_a_restart_are_named_and_live_ones_are_not() {
        let old = written(
            "[gateway]\nname = \"a\"\n[listen]\nbody_max = \"1MB\"\n[systems.a]\nname = \"A\"\n[systems.b]\nname = \"B\"\n\
             [broker]\npassword = \"hunter2hunter2\"\n[trust]\nca = [\"x\"]\n",
        );
        let new = written(
            "[gateway]\nname = \"a\"\n[listen]\nbody_max = \"2MB\"\n[systems.a]\nname = \"A\"\ntoken_sha256 = []\n[systems.c]\n\
             [broker]\npassword = \"hunter3hunter3\"\n[trust]\nca = [\"y\"]\n[log]\nlevel = \"debug\"\n",
        );
        assert_eq!(old.waiting_for_restart(&new), set(&["broker.password", "listen.body_max", "log.level"]));
        assert_eq!(old.changed_ids(&new, "systems"), set(&["a", "b", "c"]));
        assert_eq!(old.changed_ids(&new, "axes"), set(&[]));
        assert_eq!(old.waiting_for_restart(&old), set(&[]));
        assert!(!format!("{old:?}").contains("hunter"), "values are not kept");
    }

    #[test]
    fn of_the_gateway_the_profile_and_the_master_key_count_at_once() {
        let old = written("[gateway]\nname = \"a\"\nprofile = \"trial\"\nmaster_key_file = \"x\"\n");
        let new = written("[gateway]\nname = \"b\"\nmaster_key_file = \"y\"\nmaster_key = \"z\"\n");
        assert_eq!(old.waiting_for_restart(&new), set(&["gateway.master_key", "gateway.name"]));
    }

    #[test]
    fn pauses_and_patience_count_at_once() {
        let old = written(
            "[delivery]\nretry_first = \"1s\"\nattempt_timeout = \"1m\"\n[delivery.email]\njitter = 0\n",
        );
        let new = written(
            "[delivery]\nretry_first = \"2s\"\nattempt_timeout = \"2m\"\n[delivery.email]\njitter = 1\n",
        );
        assert_eq!(old.waiting_for_restart(&new), set(&["delivery.attempt_timeout"]));
    }

    #[test]
    fn order_blanks_and_comments_are_no_difference() {
        let one = written("[a]\nx = 1 # one\ny = [1, 2]\n[b]\n");
        let two = written("[b]\n[a]\ny = [ 1,2 ]\n\nx = 1\n");
        assert_eq!(one.waiting_for_restart(&two), set(&[]));
        assert_eq!(one.waiting_for_restart(&written("not = = toml")), set(&["a.x", "a.y", "b"]));
    }
}
