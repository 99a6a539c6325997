//! Whole settings files, good and bad, through the one door [`Settings::load`].

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::environment::{self, Environment};
use crate::*;

mod example;
mod lines;
mod polls;
mod secrets;

const GATEWAY: &str = "[gateway]\ndata_dir = \"data\"\norgan_id = \"H55\"\nname = \"Trục\"\n";
/// What else must be set.
const REST: &str = "[directory]\nfile = \"directory.toml\"\n[support]\nhotline = \"0200 000 000\"\n";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A folder with the files that the texts below name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["directory.toml", "cert.pem", "key.pem", "ca.pem", "crl.pem", "login.creds", "program"] {
        std::fs::write(folder.path().join(name), "x").expect("written");
    }
    std::fs::write(folder.path().join("secret"), "0123456789abcdef\r\n").expect("written");
    folder
}

fn load_in(folder: &Path, text: &str, environment: &Environment) -> Result<Settings, Vec<SettingsFault>> {
    let file = folder.join("lienthong.toml");
    std::fs::write(&file, text).expect("written");
    Settings::load(&file, environment)
}

/// Loads what is needed and these lines besides.
fn load(more: &str) -> Result<Settings, Vec<SettingsFault>> {
    load_in(folder().path(), &format!("{GATEWAY}{REST}{more}"), &Environment::empty())
}

/// Key and code of every fault.
fn faults(more: &str) -> Vec<(String, FaultCode)> {
    let faults = load(more).err().unwrap_or_default();
    faults.into_iter().map(|fault| (fault.key, fault.code)).collect()
}

fn vendor(lines: &str) -> String {
    format!("[systems.a]\nname = \"A\"\n[systems.a.vendor_http]\n{lines}\n")
}

#[test]
fn what_is_not_set_has_its_default() {
    let settings = load("").expect("loads");
    assert_eq!(settings.gateway.profile, Profile::Production);
    assert_eq!(settings.listen.address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.listen.security, ListenSecurity::Loopback);
    assert_eq!(settings.listen.body_max, ByteSize::new(200_000_000));
    assert_eq!(settings.listen.slowest_rate_bytes, 16_384);
    assert_eq!(settings.admin_listen.address.to_string(), "127.0.0.1:9090");
    assert!(matches!(settings.broker.server, BrokerServer::Managed { nats_server: None }));
    assert_eq!(settings.receipt.after, ReceiptAfter::Outbox);
    assert_eq!(settings.outbox.engine, OutboxEngine::Sled);
    assert_eq!(settings.delivery.retry_first, Duration::from_secs(5));
    assert_eq!(settings.delivery.retry_max, Duration::from_secs(15 * 60));
    assert_eq!(settings.delivery.late_after, Duration::from_secs(86_400));
    assert_eq!(settings.delivery.give_up_after, Duration::from_secs(7 * 86_400));
    assert_eq!(settings.delivery.concurrent, 32);
    assert_eq!(settings.notify.given_up, GivenUpNotice::Status02);
    assert_eq!(settings.recall.undelivered, Undelivered::Withdraw);
    assert_eq!(settings.route.update_receivers, UpdateReceivers::To);
    assert_eq!(settings.retention.idempotency, Duration::from_secs(30 * 86_400));
    assert_eq!(settings.retention.documents, Duration::from_secs(730 * 86_400));
    assert_eq!(settings.retention.mailboxes, Duration::from_secs(90 * 86_400));
    assert_eq!((settings.spool.quota, settings.spool.disk_free_min), (None, 2_000_000_000));
    assert!(settings.systems.is_empty() && settings.axes.is_empty() && settings.operators.is_empty());
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = folder();
    let text = format!("{GATEWAY}{REST}[trust]\nca = [\"ca.pem\"]\n");
    let settings = load_in(folder.path(), &text, &Environment::empty()).expect("loads");
    assert_eq!(settings.gateway.data_dir, folder.path().join("data"));
    assert_eq!(settings.directory.file, folder.path().join("directory.toml"));
    assert_eq!(settings.trust.ca, [folder.path().join("ca.pem")]);
}

#[test]
fn everything_wrong_is_listed_at_once_in_the_order_of_the_file() {
    let text = "[gateway]\ndata_dir = 7\norgan_id = \"\"\n\n[listen]\nadress = \"127.0.0.1:1\"\nbody_max = \"lots\"\n\
                connections_max = 0\n[lisen]\n[broker]\nca = \"nowhere.pem\"\n[delivery]\njitter = 1.5\n";
    let faults = load_in(folder().path(), text, &Environment::empty()).expect_err("faults");
    let found: Vec<(Option<usize>, &str, FaultCode)> =
        faults.iter().map(|fault| (fault.line, fault.key.as_str(), fault.code)).collect();
    let expected = [
        (Some(1), "gateway.name", FaultCode::Missing),
        (Some(2), "gateway.data_dir", FaultCode::WrongType),
        (Some(3), "gateway.organ_id", FaultCode::OutOfRange),
        (Some(6), "listen.adress", FaultCode::UnknownKey),
        (Some(7), "listen.body_max", FaultCode::WrongType),
        (Some(8), "listen.connections_max", FaultCode::OutOfRange),
        (Some(9), "lisen", FaultCode::UnknownKey),
        (Some(11), "broker.ca", FaultCode::FileMissing),
        (Some(11), "broker.ca", FaultCode::Contradiction),
        (Some(13), "delivery.jitter", FaultCode::OutOfRange),
        (None, "directory.file", FaultCode::Missing),
    ];
    assert_eq!(found, expected);
    let shown = |key: &str| faults.iter().find(|fault| fault.key == key).map(ToString::to_string);
    assert_eq!(
        shown("listen.adress").as_deref(),
        Some(
            "dòng (line) 6: listen.adress: không có khóa này; có phải là \"address\"? \
             (unknown key; did you mean \"address\"?) [unknown-key]"
        )
    );
    assert!(shown("lisen").is_some_and(|text| text.contains("\"listen\"")));
}

#[test]
fn every_syntax_fault_is_listed_with_its_line() {
    let text = "[gateway]\nname = = 1\norgan_id = \"H55\n";
    let faults = load_in(folder().path(), text, &Environment::empty()).expect_err("faults");
    let lines: BTreeSet<Option<usize>> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [Some(2), Some(3)].into(), "{faults:?}");
    assert!(faults.iter().all(|fault| fault.code == FaultCode::Syntax));
}

#[test]
fn a_door_beyond_this_machine_needs_tls_or_named_networks() {
    let contradiction = |key: &str| vec![(format!("listen.{key}"), FaultCode::Contradiction)];
    let out = "[listen]\naddress = \"0.0.0.0:8443\"\n";
    assert_eq!(faults(out), contradiction("address"));
    assert_eq!(faults("[listen]\naddress = \"[::]:8443\"\n"), contradiction("address"));
    assert_eq!(faults(&format!("{out}insecure_http = true")), contradiction("insecure_http"));
    assert_eq!(
        faults(&format!("{out}insecure_http = true\ninsecure_networks = [\"::/0\"]")),
        contradiction("insecure_networks")
    );
    assert_eq!(faults(&format!("{out}tls_cert = \"cert.pem\"")), contradiction("tls_cert"));
    assert_eq!(faults(&format!("{out}tls_key = \"key.pem\"")), contradiction("tls_key"));
    let tls = format!("{out}tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n");
    let networks = "insecure_http = true\ninsecure_networks = [\"10.0.0.0/8\"]";
    assert_eq!(faults(&format!("{tls}{networks}")), contradiction("insecure_http"));
    assert_eq!(faults("[listen]\ninsecure_networks = [\"10.0.0.0/8\"]"), contradiction("insecure_networks"));
    let security = |text: &str| load(text).expect("loads").listen.security;
    assert!(matches!(security(&tls), ListenSecurity::Tls { .. }));
    assert!(matches!(security("[listen]\naddress = \"[::1]:0\""), ListenSecurity::Loopback));
    assert!(matches!(
        security(&format!("{out}{networks}")),
        ListenSecurity::InsecureHttp { networks } if networks.len() == 1
    ));
}

#[test]
fn the_two_doors_are_apart() {
    assert_eq!(
        faults("[admin_listen]\naddress = \"127.0.0.1:8080\""),
        [("admin_listen".to_owned(), FaultCode::Contradiction)]
    );
    assert_eq!(faults("[listen]\naddress = \"127.0.0.1:0\"\n[admin_listen]\naddress = \"127.0.0.1:0\""), []);
}

#[test]
fn limits_hold_at_both_ends() {
    for (section, key, inside, outside) in [
        ("listen", "header_timeout", ["\"1s\"", "\"5m\""], ["\"999ms\"", "\"301s\""]),
        ("listen", "slowest_rate_bytes", ["1", "1073741824"], ["0", "1073741825"]),
        ("listen", "slowest_rate_window", ["\"1s\"", "\"10m\""], ["\"0s\"", "\"601s\""]),
        ("listen", "body_max", ["\"1kB\"", "\"4GB\""], ["999", "\"4001MB\""]),
        ("listen", "uploads_per_system", ["1", "1024"], ["0", "1025"]),
        ("listen", "connections_max", ["1", "65535"], ["0", "65536"]),
        ("broker", "max_store", ["\"64MB\"", "\"100TB\""], ["\"63MB\"", "\"101TB\""]),
        ("spool", "quota", ["\"1kB\"", "\"1000000TB\""], ["999", "\"1000001TB\""]),
        ("spool", "disk_free_min", ["0", "\"1000000TB\""], ["\"-1GB\"", "\"1000001TB\""]),
        ("delivery", "retry_first", ["\"10ms\"", "\"15m\""], ["\"9ms\"", "\"16m\""]),
        ("delivery", "retry_max", ["\"5s\"", "\"1d\""], ["\"4s\"", "\"25h\""]),
        ("delivery", "attempt_timeout", ["\"1s\"", "\"1h\""], ["\"999ms\"", "\"61m\""]),
        ("delivery", "late_after", ["\"1s\"", "\"7d\""], ["\"999ms\"", "\"8d\""]),
        ("delivery", "give_up_after", ["\"1s\"", "\"30d\""], ["\"999ms\"", "\"31d\""]),
        ("delivery", "concurrent", ["1", "1024"], ["0", "1025"]),
        ("delivery", "jitter", ["0", "1.0"], ["-0.1", "1.1"]),
        ("outbox", "cache", ["\"16MiB\"", "\"64GiB\""], ["\"15MiB\"", "\"65GiB\""]),
        ("outbox", "rotate_every", ["\"1d\"", "\"366d\""], ["\"23h\"", "\"367d\""]),
        ("retention", "idempotency", ["\"7d\"", "\"3650d\""], ["\"6d\"", "\"3651d\""]),
        ("retention", "mailboxes", ["\"1d\"", "\"36500d\""], ["\"23h\"", "\"36501d\""]),
        ("retention", "documents", ["\"37d\"", "\"36500d\""], ["\"36d\"", "\"36501d\""]),
    ] {
        for value in inside {
            assert_eq!(faults(&format!("[{section}]\n{key} = {value}\n")), [], "{key} = {value}");
        }
        for value in outside {
            assert_eq!(faults(&format!("[{section}]\n{key} = {value}\n")).len(), 1, "{key} = {value}");
        }
    }
    let name = |bytes: usize| GATEWAY.replace("Trục", &"a".repeat(bytes));
    let loads = |text: &str| load_in(folder().path(), &format!("{text}{REST}"), &Environment::empty());
    assert!(loads(&name(256)).is_ok());
    assert!(loads(&name(257)).is_err());
    assert!(loads(&GATEWAY.replace("Trục", "a\\u001b[2J")).is_err());
}

#[test]
fn a_document_is_kept_until_it_is_over_and_repeats_of_it_are() {
    let contradiction = [("retention".to_owned(), FaultCode::Contradiction)];
    let kept = |idempotency: &str, documents: &str| {
        faults(&format!("[retention]\nidempotency = \"{idempotency}\"\ndocuments = \"{documents}\"\n"))
    };
    assert_eq!(kept("40d", "40d"), []);
    assert_eq!(kept("41d", "40d"), contradiction);
    let patient = |documents: &str| {
        faults(&format!("[delivery]\ngive_up_after = \"20d\"\n[retention]\ndocuments = \"{documents}\"\n"))
    };
    assert_eq!(patient("50d"), []);
    assert_eq!(patient("49d"), contradiction);
    let longer = load("[retention]\nidempotency = \"1000d\"\n").expect("loads").retention;
    assert_eq!(longer.documents, longer.idempotency);
}

#[test]
fn a_node_has_a_plain_name_and_a_broker_that_others_have_too() {
    let url = "[broker]\nurl = \"tls://cum.tinh.vn:4222\"\n";
    let node = |text: &str| load(&format!("{url}{text}")).expect("loads").cluster.node;
    assert_eq!(node(""), None);
    assert_eq!(node("[cluster]\nnode = \"gw-1\"\n").as_deref(), Some("gw-1"));
    for wrong in ["", "Gw", "a b", &"x".repeat(33)] {
        let found = faults(&format!("{url}[cluster]\nnode = \"{wrong}\"\n"));
        assert_eq!(found, [("cluster.node".to_owned(), FaultCode::WrongType)], "{wrong:?}");
    }
    assert_eq!(
        faults("[cluster]\nnode = \"gw-1\"\n"),
        [("cluster.node".to_owned(), FaultCode::Contradiction)]
    );
}

#[test]
fn the_engine_of_the_store_is_one_of_two() {
    let engine = |text: &str| load(text).expect("loads").outbox.engine;
    assert_eq!(engine("[outbox]\nengine = \"redb\"\n"), OutboxEngine::Redb);
    assert_eq!(engine("[outbox]\nengine = \"sled\"\n"), OutboxEngine::Sled);
    assert_eq!(
        faults("[outbox]\nengine = \"fjall\"\n"),
        [("outbox.engine".to_owned(), FaultCode::WrongType)]
    );
}

#[test]
fn a_settings_file_has_a_longest_length() {
    let padding = SETTINGS_BYTES_MAX as usize - GATEWAY.len() - REST.len();
    assert!(load(&"#".repeat(padding)).is_ok());
    let found = load(&"#".repeat(padding + 1)).expect_err("too long");
    assert_eq!(found[0].code, FaultCode::Unreadable);
    let absent = Settings::load(Path::new("/nowhere/lienthong.toml"), &Environment::empty());
    assert_eq!(absent.expect_err("absent")[0].code, FaultCode::Unreadable);
}

#[test]
fn a_word_that_is_no_choice_is_refused_plainly() {
    let found = load("[receipt]\nafter = \"pigeon\"\n").expect_err("faults");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].key.as_str(), found[0].code), ("receipt.after", FaultCode::WrongType));
    assert!(
        found[0].vietnamese.contains("outbox+broker") && found[0].english.contains("outbox, outbox+broker")
    );
    let unknown = faults("[notify]\ngiven_up = \"pigeon\"\n");
    assert_eq!(unknown, [("notify.given_up".to_owned(), FaultCode::WrongType)]);
    let both = load("[receipt]\nafter = \"outbox+broker\"\n").expect("settings");
    assert_eq!(both.receipt.after, ReceiptAfter::Broker);
}

#[test]
fn what_becomes_of_recalls_and_updates_is_chosen() {
    let text = "[recall]\nundelivered = \"deliver\"\n[route]\nupdate_receivers = \"to+receiver-list\"\n";
    let settings = load(text).expect("loads");
    assert_eq!(settings.recall.undelivered, Undelivered::Deliver);
    assert_eq!(settings.route.update_receivers, UpdateReceivers::ToAndReceiverList);
    let unknown = faults("[recall]\nundelivered = \"drop\"\n[route]\nupdate_receivers = \"receiver-list\"\n");
    assert_eq!(unknown.len(), 2);
    assert!(unknown.iter().all(|(_, code)| *code == FaultCode::WrongType), "{unknown:?}");
}

#[test]
fn letters_to_senders_need_a_system_that_has_a_mail_account() {
    let system = |email: &str| format!("[systems.thu]\nname = \"Thư\"\n{email}");
    let email = "[systems.thu.email]\nhost = \"thu.example\"\nuser = \"u\"\npassword = \"p\"\nfrom = \"u@thu.example\"\n";
    let notify = "[notify]\ngiven_up = \"mail\"\n";
    let by_thu = format!("{notify}mail_system = \"thu\"\n");
    let good = load(&format!("{by_thu}{}", system(email))).expect("loads").notify;
    assert_eq!((good.given_up, good.mail_system.as_deref()), (GivenUpNotice::Mail, Some("thu")));
    let at = |code| vec![("notify.mail_system".to_owned(), code)];
    assert_eq!(faults(&format!("{notify}{}", system(email))), at(FaultCode::Missing));
    assert_eq!(faults(&format!("{by_thu}{}", system(""))), at(FaultCode::Contradiction));
    assert_eq!(faults(&by_thu), at(FaultCode::Contradiction));
    let named = "[notify]\nmail_system = \"nobody\"\n";
    assert_eq!(faults(named), at(FaultCode::Contradiction), "wherever it is named");
}

#[test]
fn nothing_is_late_after_it_is_given_up() {
    let late = |lines: &str| load(&format!("[delivery]\n{lines}\n")).map(|s| s.delivery.late_after.as_secs());
    assert_eq!(late("give_up_after = \"2h\"").ok(), Some(7_200), "the default is never longer");
    assert_eq!(late("give_up_after = \"2h\"\nlate_after = \"2h\"").ok(), Some(7_200));
    let found = late("give_up_after = \"2h\"\nlate_after = \"3h\"").expect_err("longer");
    assert_eq!((found.len(), found[0].key.as_str()), (1, "delivery.late_after"));
    assert_eq!(found[0].code, FaultCode::Contradiction);
}

#[test]
fn a_broker_is_ours_or_somebody_elses() {
    let broker = |lines: &str| load(&format!("[broker]\n{lines}\n")).map(|settings| settings.broker.server);
    let url = "url = \"tls://a:4222,tls://b:4222\"\n";
    assert!(matches!(
        broker("nats_server = \"program\""),
        Ok(BrokerServer::Managed { nats_server: Some(_) })
    ));
    let login = |lines: &str| match broker(&format!("{url}{lines}")).expect("loads") {
        BrokerServer::External { login, .. } => login,
        BrokerServer::Managed { .. } => panic!("it has a url"),
    };
    assert!(matches!(login(""), BrokerLogin::None));
    assert!(
        matches!(login("user = \"u\"\npassword = \"p\""), BrokerLogin::Password { password, .. } if password.expose() == "p")
    );
    assert!(
        matches!(login("token_file = \"secret\""), BrokerLogin::Token(token) if token.expose() == "0123456789abcdef")
    );
    assert!(matches!(login("credentials = \"login.creds\""), BrokerLogin::Credentials(_)));
    assert!(
        matches!(login("nkey_seed_file = \"secret\""), BrokerLogin::Nkey(seed) if seed.expose() == "0123456789abcdef")
    );
    let inbox = |lines: &str| match broker(&format!("{url}{lines}")).expect("loads") {
        BrokerServer::External { inbox_prefix, .. } => inbox_prefix,
        BrokerServer::Managed { .. } => panic!("it has a url"),
    };
    assert_eq!(inbox(""), None);
    assert_eq!(inbox("inbox_prefix = \"_INBOX.gw-1\"").as_deref(), Some("_INBOX.gw-1"));
    for wrong in [
        "nats_server = \"nowhere\"",
        "user = \"u\"\npassword = \"p\"",
        "ca = \"ca.pem\"",
        "replicas = 3",
        &format!("{url}replicas = 2"),
        &format!("{url}replicas = 7"),
        &format!("{url}nats_server = \"program\""),
        &format!("{url}user = \"u\""),
        &format!("{url}password = \"p\""),
        &format!("{url}token = \"t\"\ncredentials = \"login.creds\""),
        &format!("{url}token = \"t\"\ntoken_file = \"secret\""),
        &format!("{url}token = \"t\"\nnkey_seed_file = \"secret\""),
        &format!("{url}nkey_seed = \"SU\""),
        &format!("{url}inbox_prefix = \"_INBOX.>\""),
        &format!("{url}inbox_prefix = \"_INBOX.\""),
        &format!("{url}inbox_prefix = \"a b\""),
        "nkey_seed_file = \"secret\"",
        "inbox_prefix = \"_INBOX.a\"",
        "url = \"tls://u:p@a:4222\"",
        "url = \"a:4222\"",
        "url = \"\"",
    ] {
        assert!(broker(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_real_gateway_has_a_hotline() {
    let directory = "[directory]\nfile = \"directory.toml\"\n";
    let found = |text: &str| {
        let faults = load_in(folder().path(), text, &Environment::empty()).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.key, fault.line, fault.code)).collect::<Vec<_>>()
    };
    let missing = |line| vec![("support.hotline".to_owned(), line, FaultCode::Missing)];
    assert_eq!(found(&format!("{GATEWAY}{directory}")), missing(None));
    assert_eq!(found(&format!("{GATEWAY}{directory}[support]\nhotline = \" \"\n")), missing(Some(7)));
    assert_eq!(found(&format!("{GATEWAY}profile = \"trial\"\n{directory}")), []);
    assert_eq!(load("").expect("loads").support.hotline, "0200 000 000");
    let hotline = |text: &str| found(&format!("{GATEWAY}{directory}[support]\nhotline = \"{text}\"\n")).len();
    assert_eq!([hotline(&"1".repeat(256)), hotline(&"1".repeat(257)), hotline("1\\n2")], [0, 1, 1]);
}

#[test]
fn the_old_key_of_the_hotline_says_where_it_went() {
    let text = format!("{GATEWAY}support_hotline = \"0200 000 000\"\n{REST}");
    let found = load_in(folder().path(), &text, &Environment::empty()).expect_err("it has moved");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].key.as_str(), found[0].code), ("gateway.support_hotline", FaultCode::UnknownKey));
    assert!(found[0].vietnamese.contains("[support]") && found[0].english.contains("hotline in [support]"));
}
