//! Lines to other systems: vendors, mail systems, axes; and who may connect or command.

use super::*;

const SECRET: &str = "secret = \"0123456789abcdef\"\n";

/// A mail system `m` with these lines instead of the least ones of the same key.
fn email(lines: &str) -> String {
    let least = "host = \"mail.vn\"\nuser = \"u\"\npassword = \"p\"\nfrom = \"truc@b.vn\"\n";
    format!("[systems.m]\nname = \"M\"\n[systems.m.email]\n{}", overlaid(least, lines))
}

/// An axis `a`, in the same way.
pub(super) fn axis(lines: &str) -> String {
    let least = "name = \"A\"\nurl = \"https://a.vn/vxp\"\nsystem_id = \"s\"\nsecret_file = \"secret\"\n";
    format!("[axes.a]\n{}", overlaid(least, lines))
}

fn overlaid(least: &str, lines: &str) -> String {
    let key = |line: &str| line.split(' ').next().map(str::to_owned);
    let set: Vec<Option<String>> = lines.lines().map(key).collect();
    let rest = least.lines().filter(|line| !set.contains(&key(line)));
    rest.chain(lines.lines().filter(|line| !line.ends_with("= absent")))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn a_vendor_needs_a_secret_and_encryption() {
    let secret = "secret = \"0123456789abcdef\"\n";
    let settings = load(&vendor(&format!("url = \"http://127.0.0.1:1/in\"\n{secret}"))).expect("loads");
    let vendor_http = settings.systems["a"].vendor_http.as_ref().expect("is set");
    assert_eq!(vendor_http.url.as_str(), "http://127.0.0.1:1/in");
    assert_eq!(
        (vendor_http.connect_timeout, vendor_http.timeout),
        (Duration::from_secs(10), Duration::from_secs(120))
    );
    assert!(load(&vendor(&format!("url = \"http://a.vn\"\ninsecure_http = true\n{secret}"))).is_ok());
    let key = |key: &str| format!("systems.a.vendor_http.{key}");
    for (lines, fault) in [
        (format!("url = \"http://a.vn\"\n{secret}"), (key("url"), FaultCode::Contradiction)),
        (secret.to_owned(), (key("url"), FaultCode::Missing)),
        ("url = \"https://a.vn\"".to_owned(), (key("secret"), FaultCode::Missing)),
        (
            "url = \"https://a.vn\"\nsecret = \"0123456789abcde\"".to_owned(),
            (key("secret"), FaultCode::OutOfRange),
        ),
        (
            "url = \"https://a.vn\"\nsecret_file = \"nowhere\"".to_owned(),
            (key("secret_file"), FaultCode::FileMissing),
        ),
        (
            format!("url = \"https://a.vn\"\nconnect_timeout = \"9s\"\ntimeout = \"8s\"\n{secret}"),
            (key("connect_timeout"), FaultCode::Contradiction),
        ),
        (
            format!("url = \"https://a.vn\"\ntimeout = \"11m\"\n{secret}"),
            ("systems".to_owned(), FaultCode::Contradiction),
        ),
    ] {
        assert_eq!(faults(&vendor(&lines)), [fault], "{lines}");
    }
    let longest =
        |bytes: usize| vendor(&format!("url = \"https://a.vn\"\nsecret = \"{}\"", "s".repeat(bytes)));
    assert!(load(&longest(SECRET_BYTES_MAX)).is_ok());
    assert!(load(&longest(SECRET_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_token_belongs_to_one_system() {
    let system =
        |id: &str, tokens: &str| format!("[systems.{id}]\nname = \"n\"\ntoken_sha256 = [{tokens}]\n");
    let other = HASH.replace('9', "8");
    let settings = load(&system("a", &format!("\"{HASH}\", \"{other}\""))).expect("loads");
    assert_eq!(settings.systems["a"].token_sha256.len(), 2);
    assert_eq!(hex::encode(settings.systems["a"].token_sha256[0]), HASH);
    let twice = system("a", &format!("\"{HASH}\"")) + &system("b", &format!("\"{}\"", HASH.to_uppercase()));
    assert_eq!(faults(&twice), [("systems.b.token_sha256".to_owned(), FaultCode::Duplicate)]);
    let wrong = [("systems.a.token_sha256".to_owned(), FaultCode::WrongType)];
    assert_eq!(faults(&system("a", "\"abc\"")), wrong);
    assert_eq!(faults(&system("a", &format!("\"{HASH}0\""))), wrong);
    let many = |n: usize| (0..n).map(|i| format!("\"{i:064x}\"")).collect::<Vec<_>>().join(",");
    assert_eq!(faults(&system("a", &many(TOKENS_PER_SYSTEM_MAX))), []);
    assert_eq!(
        faults(&system("a", &many(TOKENS_PER_SYSTEM_MAX + 1))),
        [("systems.a.token_sha256".to_owned(), FaultCode::OutOfRange)]
    );
}

#[test]
fn the_id_of_a_system_is_plain() {
    for (id, fits) in [
        ("a".to_owned(), true),
        ("qlvb-so-noi-vu-2".to_owned(), true),
        ("a".repeat(SYSTEM_ID_BYTES_MAX), true),
        ("a".repeat(SYSTEM_ID_BYTES_MAX + 1), false),
        ("A".to_owned(), false),
        ("a_b".to_owned(), false),
        ("\"a.b\"".to_owned(), false),
        ("\"\"".to_owned(), false),
        ("\"a\\nb\"".to_owned(), false),
    ] {
        assert_eq!(load(&format!("[systems.{id}]\nname = \"n\"\n")).is_ok(), fits, "{id}");
    }
    assert_eq!(faults("[systems]\na = 1\n")[0], ("systems.a".to_owned(), FaultCode::WrongType));
}

#[test]
fn a_mail_system_has_safe_defaults() {
    let settings = load(&email("")).expect("loads");
    let mail = settings.systems["m"].email.as_ref().expect("is set");
    assert!(settings.systems["m"].vendor_http.is_none());
    assert_eq!((mail.host.as_str(), mail.port, mail.security), ("mail.vn", 465, MailSecurity::Tls));
    assert_eq!((mail.user.as_str(), mail.password.expose()), ("u", "p"));
    assert_eq!((mail.from.as_str(), mail.from_name.as_str()), ("truc@b.vn", "Trục"), "the gateway's name");
    assert_eq!(mail.message_max, ByteSize::new(25_000_000));
    assert_eq!((mail.connect_timeout, mail.timeout), (Duration::from_secs(10), Duration::from_secs(120)));
    let mail = |lines: &str| load(&email(lines)).expect("loads").systems["m"].email.clone().expect("is set");
    let starttls = mail("security = \"starttls\"\nfrom_name = \"Phòng\"");
    assert_eq!((starttls.port, starttls.from_name.as_str()), (587, "Phòng"));
    assert_eq!(mail("security = \"starttls\"\nport = 2525").port, 2525);
}

#[test]
fn the_settings_of_a_mail_system_are_checked() {
    for (line, code) in [
        ("host = absent", FaultCode::Missing),
        ("host = \"\"", FaultCode::WrongType),
        ("host = \"mail.vn:465\"", FaultCode::WrongType),
        ("host = \"[::1]\"", FaultCode::WrongType),
        ("host = \"-a.vn\"", FaultCode::WrongType),
        ("host = \"a..vn\"", FaultCode::WrongType),
        ("host = \"thư.vn\"", FaultCode::WrongType),
        ("port = 0", FaultCode::OutOfRange),
        ("port = 65536", FaultCode::OutOfRange),
        ("security = \"none\"", FaultCode::WrongType),
        ("user = absent", FaultCode::Missing),
        ("password = absent", FaultCode::Missing),
        ("password = \"\"", FaultCode::OutOfRange),
        ("from = absent", FaultCode::Missing),
        ("from = \"b.vn\"", FaultCode::WrongType),
        ("from = \"a b@b.vn\"", FaultCode::WrongType),
        ("from = \"a@b.vn>\"", FaultCode::WrongType),
        ("from = \"a@b@c.vn\"", FaultCode::WrongType),
        ("from = \"A <a@b.vn>\"", FaultCode::WrongType),
        ("from = \"a@b.vn\\r\\nRCPT\"", FaultCode::WrongType),
        ("from_name = \"a\\u001b[2J\"", FaultCode::OutOfRange),
        ("ca = \"nowhere.pem\"", FaultCode::FileMissing),
        ("message_max = \"199999\"", FaultCode::OutOfRange),
        ("message_max = \"201MB\"", FaultCode::OutOfRange),
        ("connect_timeout = \"121s\"", FaultCode::Contradiction),
    ] {
        let key = line.split(' ').next().expect("a key");
        assert_eq!(faults(&email(line)), [(format!("systems.m.email.{key}"), code)], "{line}");
    }
    let too_long = [("systems".to_owned(), FaultCode::Contradiction)];
    assert_eq!(faults(&email("timeout = \"11m\"")), too_long, "longer than an attempt");
    let mailbox = |local: usize, domain: usize| {
        let labels = format!("{}{}", "a.".repeat(domain / 2), "a".repeat(domain % 2));
        format!("from = \"{}@{}\"", "x".repeat(local), labels.trim_end_matches('.'))
    };
    for line in [
        "host = \"10.0.0.1\"",
        "host = \"::1\"",
        "host = \"localhost\"",
        "port = 1",
        "port = 65535",
        "message_max = 200000",
        "message_max = \"200MB\"",
        "timeout = \"10m\"",
        &mailbox(64, 189),
    ] {
        assert_eq!(faults(&email(line)), [], "{line}");
    }
    assert_eq!(faults(&email(&mailbox(65, 9))).len(), 1, "64 bytes before the @");
    assert_eq!(faults(&email(&mailbox(64, 191))).len(), 1, "254 bytes in all");
}

#[test]
fn a_system_takes_packets_in_one_way() {
    let mail = email("").replace("systems.m", "systems.a");
    let both = vendor(&format!("url = \"https://a.vn\"\n{SECRET}")) + mail.split_once('\n').expect("lines").1;
    let both = both.replacen("name = \"M\"\n", "", 1);
    assert_eq!(faults(&both), [("systems.a.email".to_owned(), FaultCode::Contradiction)]);
}

#[test]
fn an_axis_is_known_by_its_address_and_secret() {
    let settings = load(&axis("")).expect("loads");
    let a = &settings.axes["a"];
    assert_eq!((a.url.as_str(), a.system_id.as_str(), a.name.as_str()), ("https://a.vn/vxp", "s", "A"));
    assert_eq!((a.to_header, a.packet_max), (ToHeader::Send, None));
    assert_eq!((a.connect_timeout, a.timeout), (Duration::from_secs(10), Duration::from_secs(120)));
    let set = |lines: &str| load(&axis(lines)).expect("loads").axes["a"].clone();
    assert_eq!(set("to_header = \"omit\"").to_header, ToHeader::Omit);
    assert_eq!(set("packet_max = \"1kB\"").packet_max, Some(ByteSize::new(1_000)));
    for (line, code) in [
        ("name = absent", FaultCode::Missing),
        ("url = absent", FaultCode::Missing),
        ("url = \"http://a.vn\"", FaultCode::Contradiction),
        ("url = \"https://a.vn/?x=1\"", FaultCode::Contradiction),
        ("system_id = absent", FaultCode::Missing),
        ("system_id = \"a b\"", FaultCode::WrongType),
        ("system_id = \"hệ-thống\"", FaultCode::WrongType),
        ("system_id = \"a\\r\\nb\"", FaultCode::OutOfRange),
        ("to_header = \"sometimes\"", FaultCode::WrongType),
        ("packet_max = 999", FaultCode::OutOfRange),
        ("packet_max = \"4001MB\"", FaultCode::OutOfRange),
        ("ca = \"nowhere.pem\"", FaultCode::FileMissing),
        ("connect_timeout = \"121s\"", FaultCode::Contradiction),
    ] {
        let key = line.split(' ').next().expect("a key");
        assert_eq!(faults(&axis(line)), [(format!("axes.a.{key}"), code)], "{line}");
    }
    let too_long = [("axes".to_owned(), FaultCode::Contradiction)];
    assert_eq!(faults(&axis("timeout = \"11m\"")), too_long, "longer than an attempt");
    let system_id = |bytes: usize| axis(&format!("system_id = \"{}\"", "s".repeat(bytes)));
    assert_eq!(faults(&system_id(256)), []);
    assert_eq!(faults(&system_id(257)), [("axes.a.system_id".to_owned(), FaultCode::OutOfRange)]);
    for line in ["url = \"http://127.0.0.1:1/vxp/\"", "url = \"http://a.vn\"\ninsecure_http = true"] {
        assert_eq!(faults(&axis(line)), [], "{line}");
    }
}

#[test]
fn an_axis_and_a_system_have_different_ids() {
    let both = axis("") + "[systems.a]\nname = \"A\"\n";
    assert_eq!(faults(&both), [("axes.a".to_owned(), FaultCode::Duplicate)]);
    assert_eq!(faults(&(axis("") + "[systems.b]\nname = \"B\"\n")), []);
    let named = |id: &str| faults(&axis("").replace("axes.a", &format!("axes.{id}"))).len();
    let longest = "a".repeat(SYSTEM_ID_BYTES_MAX);
    assert_eq!([named("vp-cp2"), named(&longest)], [0, 0]);
    assert_eq!([named("A"), named("a_b"), named(&format!("{longest}a"))], [1, 1, 1]);
}

#[test]
fn an_operator_is_one_user() {
    let operator = |name: &str, uid: &str, role: &str| {
        format!(
            "[operators.{name}]\n{uid}{}",
            if role.is_empty() { String::new() } else { format!("role = \"{role}\"\n") }
        )
    };
    let two =
        operator("van-hanh", "uid = 1000\n", "operator") + &operator("\"kiem.tra-2\"", "uid = 0\n", "viewer");
    let operators = load(&two).expect("loads").operators;
    assert_eq!((operators["van-hanh"].uid, operators["van-hanh"].role), (1000, OperatorRole::Operator));
    assert_eq!((operators["kiem.tra-2"].uid, operators["kiem.tra-2"].role), (0, OperatorRole::Viewer));
    let twice = operator("a", "uid = 7\n", "operator") + &operator("b", "uid = 7\n", "viewer");
    assert_eq!(faults(&twice), [("operators.b.uid".to_owned(), FaultCode::Duplicate)]);
    for (uid, role, key, code) in [
        ("", "viewer", "uid", FaultCode::Missing),
        ("uid = -1\n", "viewer", "uid", FaultCode::WrongType),
        ("uid = 4294967295\n", "viewer", "uid", FaultCode::OutOfRange),
        ("uid = \"root\"\n", "viewer", "uid", FaultCode::WrongType),
        ("uid = 1\n", "", "role", FaultCode::Missing),
        ("uid = 1\n", "admin", "role", FaultCode::WrongType),
    ] {
        assert_eq!(faults(&operator("a", uid, role)), [(format!("operators.a.{key}"), code)], "{uid}{role}");
    }
    let largest = load(&operator("a", "uid = 4294967294\n", "viewer")).expect("loads");
    assert_eq!(largest.operators["a"].uid, 4_294_967_294);
    let named = |name: &str| faults(&operator(name, "uid = 1\n", "viewer")).len();
    let longest = "a".repeat(OPERATOR_NAME_BYTES_MAX);
    assert_eq!([named(&longest), named(&format!("{longest}a"))], [0, 1]);
    assert_eq!(["A", "a_b", "\"\"", "\"a b\"", "\"a\\nb\"", "\"đ\""].map(named), [1; 6]);
}

#[test]
fn pauses_and_patience_are_set_for_all_for_an_adapter_and_for_a_line() {
    let seconds = Duration::from_secs;
    let vendor_line = "url = \"https://a.vn\"\n";
    let text = format!(
        "[delivery]\nretry_first = \"7s\"\nconcurrent = 9\n[delivery.email]\nretry_max = \"1h\"\njitter = 0.5\n{}{}{}",
        vendor(&format!("{vendor_line}{SECRET}give_up_after = \"9d\"\n")),
        email("retry_first = \"1m\"\n"),
        axis("retry_max = \"2h\"\n").replace("[axes.a]", "[axes.b]"),
    );
    let settings = load(&text).expect("loads");
    let delivery = &settings.delivery;
    let of = |adapter: &AdapterDeliverySettings| {
        (adapter.retry.retry_first, adapter.retry.retry_max, adapter.concurrent, adapter.jitter)
    };
    assert_eq!(of(&delivery.vendor_http), (seconds(7), seconds(900), 9, 0.2));
    assert_eq!(of(&delivery.email), (seconds(7), seconds(3_600), 9, 0.5));
    assert_eq!(of(&delivery.national_axis), of(&delivery.vendor_http));
    let vendor = settings.systems["a"].vendor_http.as_ref().expect("is set").retry;
    assert_eq!(vendor, LineRetrySettings { give_up_after: Some(seconds(9 * 86_400)), ..Default::default() });
    let mail = settings.systems["m"].email.as_ref().expect("is set").retry.over(delivery.email.retry);
    let expected = RetrySettings {
        retry_first: seconds(60),
        retry_max: seconds(3_600),
        give_up_after: seconds(7 * 86_400),
    };
    assert_eq!(mail, expected);
    assert_eq!(settings.axes["b"].retry.retry_max, Some(seconds(7_200)));
    assert_eq!(settings.give_up_after_longest(), seconds(9 * 86_400));
}

#[test]
fn no_first_pause_is_longer_than_the_longest_and_repeats_are_known_as_long_as_the_most_patient_line() {
    let contradiction = |key: &str| vec![(key.to_owned(), FaultCode::Contradiction)];
    let vendor_with = |lines: &str| vendor(&format!("url = \"https://a.vn\"\n{SECRET}{lines}"));
    for (text, found) in [
        ("[delivery.email]\nretry_first = \"16m\"\n".to_owned(), contradiction("delivery.email.retry_first")),
        ("[delivery]\nretry_max = \"4s\"\n".to_owned(), contradiction("delivery.retry_first")),
        (vendor_with("retry_first = \"16m\"\n"), contradiction("systems")),
        (vendor_with("retry_max = \"4s\"\n"), contradiction("systems")),
        (email("retry_max = \"4s\"\n"), contradiction("systems")),
        (axis("retry_max = \"4s\"\n"), contradiction("axes")),
        (
            format!("[delivery.vendor_http]\nretry_first = \"3s\"\n{}", vendor_with("retry_max = \"4s\"\n")),
            vec![],
        ),
        (vendor_with("give_up_after = \"31d\"\n"), contradiction("retention")),
        ("[delivery.national_axis]\ngive_up_after = \"31d\"\n".to_owned(), contradiction("retention")),
        (
            axis("retry_first = \"61m\"\nretry_max = \"1d\"\n"),
            vec![("axes.a.retry_first".to_owned(), FaultCode::OutOfRange)],
        ),
        (
            "[delivery.email]\nconcurrent = 0\n".to_owned(),
            vec![("delivery.email.concurrent".to_owned(), FaultCode::OutOfRange)],
        ),
        (
            "[delivery.pigeon]\njitter = 0\n".to_owned(),
            vec![("delivery.pigeon".to_owned(), FaultCode::UnknownKey)],
        ),
    ] {
        assert_eq!(faults(&text), found, "{text}");
    }
}

/// A system `x` that speaks the SDK's protocol, in the same way.
fn sdk(lines: &str) -> String {
    let least = "system_id = \"demo.sys.01\"\nsecret_file = \"secret\"\n";
    format!("[systems.x]\nname = \"X\"\n[systems.x.sdk]\n{}", overlaid(least, lines))
}

#[test]
fn a_system_with_the_sdk_has_an_id_of_its_own_and_secrets() {
    let of = |lines: &str| load(&sdk(lines)).expect("loads").systems["x"].sdk.clone().expect("is set");
    let plain = of("");
    assert_eq!((plain.system_id.as_str(), plain.secrets.len(), plain.mailbox), ("demo.sys.01", 1, true));
    assert_eq!((plain.hash_file, plain.allowed_cidrs.len()), (HashFile::Required, 0));
    assert_eq!((plain.fan_in, plain.register_agencies.len()), (FanIn::Receiver, 0));
    assert_eq!(of("register_agencies = [\"H55.15\"]\n").register_agencies, ["H55.15"]);
    let other = of(
        "secret_next_file = \"secret\"\nallowed_cidrs = [\"10.0.0.0/8\", \"::1\"]\nmailbox = false\nhash_file = \"optional\"\n\
         fan_in = \"system\"\n",
    );
    assert_eq!((other.secrets.len(), other.allowed_cidrs.len()), (2, 2));
    assert_eq!((other.mailbox, other.hash_file, other.fan_in), (false, HashFile::Optional, FanIn::System));
    let key = |key: &str| format!("systems.x.sdk.{key}");
    for (line, name, code) in [
        ("secret_file = absent\n", "secret", FaultCode::Missing),
        ("secret_file = absent\nsecret = \"0123456789abcdef\"\n", "secret", FaultCode::SecretInClear),
        ("secret_next = \"0123456789abcdef\"\n", "secret_next", FaultCode::SecretInClear),
        ("secret_next_file = \"nowhere\"\n", "secret_next_file", FaultCode::FileMissing),
        ("system_id = absent\n", "system_id", FaultCode::Missing),
        ("system_id = \"a b\"\n", "system_id", FaultCode::WrongType),
        ("system_id = \"á\"\n", "system_id", FaultCode::WrongType),
        ("allowed_cidrs = [\"0.0.0.0/0\"]\n", "allowed_cidrs", FaultCode::Contradiction),
        ("allowed_cidrs = [\"10.1.0.0/8\"]\n", "allowed_cidrs", FaultCode::WrongType),
        ("hash_file = \"never\"\n", "hash_file", FaultCode::WrongType),
    ] {
        let found = faults(&sdk(line));
        assert!(found.contains(&(key(name), code)), "{line}: {found:?}");
    }
    let twin = sdk("") + &sdk("").replace("systems.x", "systems.y");
    assert_eq!(faults(&twin), [("systems.y.sdk.system_id".to_owned(), FaultCode::Duplicate)]);
}

#[test]
fn a_mailbox_is_the_one_way_in() {
    let both = |mailbox: &str| {
        let mail = email("").replace("systems.m", "systems.x").replace("[systems.x]\nname = \"M\"\n", "");
        sdk(mailbox) + &mail
    };
    assert_eq!(faults(&both("")), [("systems.x.sdk".to_owned(), FaultCode::Contradiction)]);
    assert_eq!(faults(&both("mailbox = false\n")), []);
}

#[test]
fn the_operations_of_the_sdk_stand_behind_a_path() {
    let with = |prefix: &str| {
        load(&format!("[listen]\nsdk_prefix = \"{prefix}\"\n")).map(|settings| settings.listen.sdk_prefix)
    };
    assert_eq!(load("").expect("loads").listen.sdk_prefix.as_deref(), Some("/sdk"));
    assert_eq!(with("").expect("loads"), None);
    for prefix in ["/vxp", "/a/b-c_d.e", "/VXP2"] {
        assert_eq!(with(prefix).expect("loads").as_deref(), Some(prefix));
    }
    let long = format!("/{}", "a".repeat(128));
    for prefix in ["sdk", "/", "/sdk/", "//sdk", "/a b", "/{x}", "/*x", "/..", "/api", "/api/v2", "/é", &long]
    {
        assert!(with(prefix).is_err(), "{prefix}");
    }
}
