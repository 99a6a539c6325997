//! The commented example: it loads, has every key that the reader asks for, and shows the defaults.

use std::collections::BTreeSet;
use std::path::Path;

use super::{folder, load_in};
use crate::environment::Environment;
use crate::reading::Reading;
use crate::{FaultCode, Settings, sections};

/// The example, every commented key taken in.
fn whole_example() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lienthong.toml");
    let text = std::fs::read_to_string(path).expect("the example");
    let setting = |line: &str| {
        line.starts_with('#') && line[1..].starts_with(|c: char| c == '[' || c.is_ascii_lowercase())
    };
    let whole = text.lines().map(|line| if setting(line) { &line[1..] } else { line });
    (text.clone(), whole.collect::<Vec<_>>().join("\n"))
}

/// The variables of the secrets that the example leaves to the environment.
const VARIABLES: [&str; 4] = [
    "LIENTHONG_SYSTEM_QLVB_SO_NOI_VU_SECRET",
    "LIENTHONG_SYSTEM_THU_CONG_VU_SECRET",
    "LIENTHONG_SDK_QLVB_XA_SECRET",
    "LIENTHONG_AXIS_VPCP_SECRET",
];

fn secrets() -> Environment {
    VARIABLES.into_iter().fold(Environment::empty(), |all, name| all.with(name, "sixteen bytes or more"))
}

#[test]
fn the_example_loads_as_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lienthong.toml");
    let settings = Settings::load(&file, &secrets()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!((settings.systems.len(), settings.axes.len()), (3, 1));
}

#[test]
fn the_example_has_no_secret_of_its_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lienthong.toml");
    let faults = Settings::load(&file, &Environment::empty()).expect_err("secrets are missing");
    let found: Vec<(&str, FaultCode)> = faults.iter().map(|f| (f.key.as_str(), f.code)).collect();
    let missing = [
        "systems.qlvb-so-noi-vu.vendor_http.secret",
        "systems.thu-cong-vu.email.password",
        "systems.qlvb-xa.sdk.secret",
        "axes.vpcp.secret",
    ];
    assert_eq!(found, missing.map(|key| (key, FaultCode::Missing)));
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let (_, whole) = whole_example();
    let (file, environment) = (Path::new("x/lienthong.toml"), Environment::empty());
    let mut reading = Reading::new(file, &whole, &environment);
    let found = reading.run(|root| sections::read(file, root)).err().unwrap_or_default();
    let strangers: Vec<_> =
        found.iter().filter(|f| matches!(f.code, FaultCode::UnknownKey | FaultCode::Syntax)).collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
    let table: toml::Table = whole.parse().expect("TOML");
    let shown = shown_keys("", &table);
    for key in reading.asked.iter().map(|key| any_name(key)) {
        assert!(shown.contains(&key), "{key} is not in the example");
    }
}

/// Paths of all keys, the names that the writer chooses left open: what one section shows need not stand in another.
fn shown_keys(path: &str, table: &toml::Table) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(inner) = value.as_table() {
            keys.extend(shown_keys(&key, inner));
        }
        keys.insert(any_name(&key));
    }
    keys
}

fn any_name(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        [kind @ ("systems" | "axes" | "operators"), _, ref rest @ ..] => {
            [&[kind, "*"], rest].concat().join(".")
        }
        _ => key.to_owned(),
    }
}

#[test]
fn the_example_shows_the_defaults() {
    // Keys without a default: the example shows a possible value.
    const POSSIBLE: &[&str] = &[
        "master_key_file",
        "quota",
        "packet_max",
        "tls_cert",
        "tls_key",
        "insecure_networks",
        "nats_server",
        "node",
        "url",
        "user",
        "password",
        "password_file",
        "password_sealed",
        "token",
        "token_file",
        "token_sealed",
        "nkey_seed_file",
        "nkey_seed_sealed",
        "inbox_prefix",
        "secret",
        "secret_file",
        "secret_sealed",
        "secret_next_file",
        "secret_next_sealed",
        "allowed_cidrs",
        "credentials",
        "token_sha256",
        "mail_system",
        "ca",
        "crl",
    ];
    let (text, _) = whole_example();
    let folder = folder();
    let loaded = |text: &str| load_in(folder.path(), text, &secrets());
    let defaults = format!("{:?}", loaded(&text).expect("loads"));
    let mut shown = 0;
    // A line's own pauses have no default but its adapter's.
    const OF_LINES: [&str; 3] = ["retry_first", "retry_max", "give_up_after"];
    let (mut in_commented_table, mut of_a_line) = (false, false);
    for (at, line) in text.lines().enumerate() {
        in_commented_table = line.starts_with("#[") || (in_commented_table && !line.starts_with('['));
        of_a_line = if line.starts_with('[') { line != "[delivery]" } else { of_a_line };
        let setting = line.strip_prefix('#').and_then(|line| Some((line.split_once(" = ")?.0, line)));
        let possible = |key: &str| POSSIBLE.contains(&key) || (of_a_line && OF_LINES.contains(&key));
        let default = |key: &str| !key.contains(' ') && !possible(key);
        let Some((key, setting)) = setting.filter(|(key, _)| !in_commented_table && default(key)) else {
            continue;
        };
        let explicit = text.lines().enumerate().map(|(n, line)| if n == at { setting } else { line });
        let explicit = loaded(&explicit.collect::<Vec<_>>().join("\n"));
        assert_eq!(format!("{:?}", explicit.expect(key)), defaults, "line {}: {setting}", at + 1);
        shown += 1;
    }
    assert_eq!(shown, 51);
}
