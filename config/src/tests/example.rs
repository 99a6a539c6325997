//! The commented example: it loads, has every key that the reader asks for, and shows the defaults.

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

#[test]
fn the_example_loads_as_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lienthong.toml");
    let settings =
        Settings::load(&file, &Environment::empty()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(settings.systems.len(), 2);
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
    for key in &reading.asked {
        let mut at = Some(&table);
        let parts: Vec<&str> = key.split('.').collect();
        let (last, folders) = parts.split_last().expect("a key");
        for part in folders {
            at = at.and_then(|table| table.get(*part)).and_then(|value| value.as_table());
        }
        // The second system shows that the way out may be left away.
        let optional = key.starts_with("systems.qlvb-so-y-te.");
        assert!(optional || at.is_some_and(|table| table.contains_key(*last)), "{key} is not in the example");
    }
}

#[test]
fn the_example_shows_the_defaults() {
    // Keys without a default: the example shows a possible value.
    const POSSIBLE: [&str; 15] = [
        "support_hotline",
        "tls_cert",
        "tls_key",
        "insecure_networks",
        "nats_server",
        "url",
        "user",
        "password",
        "password_file",
        "token",
        "token_file",
        "credentials",
        "ca",
        "crl",
        "token_sha256",
    ];
    let (text, _) = whole_example();
    let folder = folder();
    let loaded = |text: &str| load_in(folder.path(), text, &Environment::empty());
    let defaults = format!("{:?}", loaded(&text).expect("loads"));
    let mut shown = 0;
    let mut in_commented_table = false;
    for line in text.lines() {
        in_commented_table = line.starts_with("#[") || (in_commented_table && !line.starts_with('['));
        let setting = line.strip_prefix('#').and_then(|line| Some((line.split_once(" = ")?.0, line)));
        let Some((key, setting)) = setting.filter(|(key, _)| !key.contains(' ') && !POSSIBLE.contains(key))
        else {
            continue;
        };
        if !in_commented_table {
            let explicit = text.replacen(&format!("\n{line}\n"), &format!("\n{setting}\n"), 1);
            assert_eq!(format!("{:?}", loaded(&explicit).expect(key)), defaults, "{setting}");
            shown += 1;
        }
    }
    assert_eq!(shown, 23);
}
