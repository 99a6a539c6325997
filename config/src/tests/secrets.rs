//! Where secrets come from: in clear, from files, from the environment, sealed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SHARED: &str = "sixteen bytes or more";

fn master() -> Environment {
    Environment::empty().with(environment::MASTER_KEY, KEY)
}

fn sealed(place: &str, secret: &str) -> String {
    let place = place.parse().expect("a place");
    MasterKey::parse(KEY).expect("a key").seal(&place, &Secret::new(secret)).expect("sealed")
}

/// An axis whose secret stands in these lines.
fn axis(lines: &str) -> String {
    format!("[axes.a]\nname = \"A\"\nurl = \"https://a.vn\"\nsystem_id = \"s\"\n{lines}\n")
}

fn load_with(more: &str, environment: &Environment) -> Result<Settings, Vec<SettingsFault>> {
    load_in(folder().path(), &format!("{GATEWAY}{REST}{more}"), environment)
}

/// Key and code of every fault, with an environment.
fn faults_with(more: &str, environment: &Environment) -> Vec<(String, FaultCode)> {
    let faults = load_with(more, environment).err().unwrap_or_default();
    faults.into_iter().map(|fault| (fault.key, fault.code)).collect()
}

#[test]
fn secrets_come_from_the_environment_first() {
    let text =
        format!("{GATEWAY}{REST}[broker]\nurl = \"tls://a\"\nuser = \"u\"\npassword = \"in the file\"\n")
            + &vendor("url = \"https://a.example.vn\"\nsecret_file = \"secret\"");
    let environment = Environment::empty()
        .with(environment::BROKER_PASSWORD, "from outside")
        .with("LIENTHONG_SYSTEM_A_SECRET", SHARED);
    let settings = load_in(folder().path(), &text, &environment).expect("loads");
    let BrokerServer::External { login: BrokerLogin::Password { password, .. }, .. } =
        &settings.broker.server
    else {
        panic!("it has a url and a password");
    };
    assert_eq!(password.expose(), "from outside");
    let secret = settings.systems["a"].vendor_http.as_ref().map(|vendor| vendor.secret.expose());
    assert_eq!(secret, Some(SHARED));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("from outside") && !shown.contains("sixteen"), "{shown}");

    for (variable, value) in [
        (environment::BROKER_TOKEN, "t"),
        (environment::BROKER_NKEY_SEED, "s"),
        ("LIENTHONG_SYSTEM_B_SECRET", SHARED),
        ("LIENTHONG_AXIS_B_SECRET", SHARED),
    ] {
        let found = load_with("", &Environment::empty().with(variable, value));
        assert!(
            found.is_err_and(|faults| faults[0].key.ends_with(variable)),
            "{variable} belongs to nothing"
        );
    }
    let program = Environment::empty().with(environment::NATS_SERVER, "/opt/program");
    let settings = load_with("", &program).expect("loads");
    assert!(
        matches!(settings.broker.server, BrokerServer::Managed { nats_server: Some(path) } if path == Path::new("/opt/program"))
    );
}

#[test]
fn a_fault_does_not_repeat_a_secret() {
    let text = vendor("url = \"https://u:hunter2@a.example.vn\"\nsecret = \"hunter2\"")
        + "[broker]\nurl = \"tls://u:hunter2@a\"\ntoken = 1\n"
        + &axis("secret = \"hunter2\"").replace("axes.a", "axes.x")
        + "[axes.b]\nsecret_sealed = \"hunter2\"\n";
    let found = load_with(&text, &master()).expect_err("faults");
    assert_eq!(found.len(), 9, "{found:?}");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    let found = load("[broker]\npassword = \"hunter2\" hunter2\n").expect_err("syntax");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    let bad_key = Environment::empty().with(environment::MASTER_KEY, "hunter2");
    let found = load_with("", &bad_key).expect_err("no key");
    assert!(!format!("{found:?}{bad_key:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn a_secret_under_the_key_of_its_file_is_not_repeated() {
    let folder = folder();
    for (section, key) in [
        ("axes.a", "secret_file"),
        ("systems.a.vendor_http", "secret_file"),
        ("systems.a.email", "password_file"),
        ("broker", "token_file"),
        ("gateway", "master_key_file"),
    ] {
        for value in ["hunter2".repeat(3), "hunter2/".repeat(600)] {
            let text = format!("[{section}]\n{key} = \"{value}\"\n");
            let found = load_in(folder.path(), &text, &Environment::empty()).expect_err("faults");
            let fault = found.iter().find(|fault| fault.code == FaultCode::FileMissing).expect("no file");
            assert_eq!(fault.key, format!("{section}.{key}"));
            assert!(!format!("{found:?}").contains("hunter2"), "{key}: {found:?}");
        }
    }
}

#[test]
fn every_secret_may_be_sealed() {
    let vendor_secret = sealed("systems.v.vendor_http.secret", SHARED);
    let mail_password = sealed("systems.m.email.password", "p");
    let text = format!(
        "[systems.v]\nname = \"V\"\n[systems.v.vendor_http]\nurl = \"https://v.vn\"\n\
         secret_sealed = \"{vendor_secret}\"\n\
         [systems.m]\nname = \"M\"\n[systems.m.email]\nhost = \"h\"\nuser = \"u\"\nfrom = \"a@b.vn\"\n\
         password_sealed = \"{mail_password}\"\n\
         [broker]\nurl = \"tls://a\"\nuser = \"u\"\npassword_sealed = \"{}\"\n",
        sealed("broker.password", "mật khẩu"),
    ) + &axis(&format!("secret_sealed = \"{}\"", sealed("axes.a.secret", SHARED)));
    let settings = load_with(&text, &master()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let vendor = settings.systems["v"].vendor_http.as_ref().expect("is set");
    let email = settings.systems["m"].email.as_ref().expect("is set");
    assert_eq!((vendor.secret.expose(), email.password.expose()), (SHARED, "p"));
    assert_eq!(settings.axes["a"].secret.expose(), SHARED);
    assert!(matches!(
        &settings.broker.server,
        BrokerServer::External { login: BrokerLogin::Password { password, .. }, .. } if password.expose() == "mật khẩu"
    ));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("sixteen") && !shown.contains("mật khẩu") && !shown.contains(KEY), "{shown}");

    let token = format!("[broker]\nurl = \"tls://a\"\ntoken_sealed = \"{}\"", sealed("broker.token", "t"));
    let server = load_with(&token, &master()).expect("loads").broker.server;
    assert!(
        matches!(server, BrokerServer::External { login: BrokerLogin::Token(t), .. } if t.expose() == "t")
    );
    let seed =
        format!("[broker]\nurl = \"tls://a\"\nnkey_seed_sealed = \"{}\"", sealed("broker.nkey_seed", "SU"));
    let server = load_with(&seed, &master()).expect("loads").broker.server;
    assert!(
        matches!(server, BrokerServer::External { login: BrokerLogin::Nkey(seed), .. } if seed.expose() == "SU")
    );
}

#[test]
fn both_secrets_of_the_sdk_may_be_sealed_or_in_the_environment() {
    let [now, next] =
        ["secret", "secret_next"].map(|key| sealed(&format!("systems.x.sdk.{key}"), key.repeat(3).as_str()));
    let with =
        |lines: &str| format!("[systems.x]\nname = \"X\"\n[systems.x.sdk]\nsystem_id = \"x\"\n{lines}");
    let secrets = |text: &str, environment: &Environment| -> Vec<String> {
        let settings = load_with(text, environment).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let sdk = settings.systems["x"].sdk.as_ref().expect("is set");
        sdk.secrets.iter().map(|secret| secret.expose().to_owned()).collect()
    };
    let text = with(&format!("secret_sealed = \"{now}\"\nsecret_next_sealed = \"{next}\"\n"));
    assert_eq!(secrets(&text, &master()), ["secret".repeat(3), "secret_next".repeat(3)]);
    let swapped = with(&format!("secret_sealed = \"{next}\"\n"));
    assert_eq!(
        faults_with(&swapped, &master()),
        [("systems.x.sdk.secret_sealed".to_owned(), FaultCode::WrongSeal)]
    );
    let environment = Environment::empty()
        .with(Environment::sdk_secret("x"), SHARED)
        .with("LIENTHONG_NEXT_SDK_X_SECRET", "another of sixteen bytes");
    assert_eq!(secrets(&with(""), &environment), [SHARED, "another of sixteen bytes"]);
    let stranger = Environment::empty().with("LIENTHONG_SDK_Y_SECRET", SHARED);
    assert_eq!(
        faults_with("", &stranger),
        [("systems.LIENTHONG_SDK_Y_SECRET".to_owned(), FaultCode::UnknownKey)]
    );
}

#[test]
fn a_sealed_secret_opens_in_its_place_under_its_key_only() {
    let at = |code| vec![("axes.a.secret_sealed".to_owned(), code)];
    let with = |sealed: &str| axis(&format!("secret_sealed = \"{sealed}\""));
    let good = sealed("axes.a.secret", SHARED);
    assert_eq!(faults_with(&with(&good), &master()), []);

    assert_eq!(faults_with(&with(&good), &Environment::empty()), at(FaultCode::Missing));
    let other_key = Environment::empty().with(environment::MASTER_KEY, KEY.replace('0', "1"));
    let moved = sealed("axes.b.secret", SHARED);
    let wrong_key = load_with(&with(&good), &other_key).expect_err("another key");
    let wrong_place = load_with(&with(&moved), &master()).expect_err("another place");
    assert_eq!(wrong_key, wrong_place, "which of the two it was is not told");
    assert_eq!(wrong_key[0].code, FaultCode::WrongSeal);
    let bytes = STANDARD.decode(&good[3..]).expect("base64");
    for at_byte in [0, 11, 12, bytes.len() - 17, bytes.len() - 16, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at_byte] ^= 1;
        let changed = format!("v1:{}", STANDARD.encode(changed));
        assert_eq!(faults_with(&with(&changed), &master()), at(FaultCode::WrongSeal), "byte {at_byte}");
    }

    let body = good.trim_start_matches("v1:");
    let shortest = |bytes: usize| format!("v1:{}", STANDARD.encode(vec![0; bytes]));
    for (text, code) in [
        (body.to_owned(), FaultCode::WrongType),
        (format!("v2:{body}"), FaultCode::WrongType),
        ("v1:".to_owned(), FaultCode::WrongType),
        (format!("v1:{body}="), FaultCode::WrongType),
        (format!("v1: {body}"), FaultCode::WrongType),
        (shortest(12 + 15), FaultCode::WrongType),
        (shortest(12 + 16), FaultCode::WrongSeal),
    ] {
        assert_eq!(faults_with(&with(&text), &master()), at(code), "{text}");
    }
}

#[test]
fn a_master_key_is_hex_or_base64() {
    let bytes: Vec<u8> = (0..32).collect();
    for text in [KEY.to_owned(), KEY.to_uppercase(), STANDARD.encode(&bytes), format!(" {KEY}\r\n")] {
        assert_eq!(MasterKey::parse(&text).map(|key| key.expose_hex()), Ok(KEY.to_owned()), "{text:?}");
    }
    for text in [
        "",
        &KEY[2..],
        &format!("{KEY}20"),
        &STANDARD.encode(&bytes[1..]),
        &STANDARD.encode([&bytes[..], &[32]].concat()),
        &"00".repeat(32),
        &"ab".repeat(32),
    ] {
        assert_eq!(MasterKey::parse(text).err(), Some(SealFault::BadKey), "{text:?}");
    }
    let (one, two) = (MasterKey::generate().expect("one"), MasterKey::generate().expect("two"));
    assert_ne!(one.expose_hex(), two.expose_hex());
    assert_eq!(format!("{one:?}"), "***");
    assert!(MasterKey::parse(&one.expose_hex()).is_ok());
}

#[test]
fn the_master_key_comes_from_the_environment_first() {
    let folder = folder();
    let good = axis(&format!("secret_sealed = \"{}\"", sealed("axes.a.secret", SHARED)));
    let gateway = format!("{GATEWAY}master_key_file = \"master\"\n{REST}{good}");
    let found = |environment: &Environment| {
        let faults = load_in(folder.path(), &gateway, environment).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.key, fault.code)).collect::<Vec<_>>()
    };
    let at = |code| vec![("gateway.master_key_file".to_owned(), code)];
    let write = |text: &str| std::fs::write(folder.path().join("master"), text).expect("written");
    assert_eq!(found(&Environment::empty()), at(FaultCode::FileMissing), "and nothing of the secret");
    write(&format!("{KEY}\n"));
    assert_eq!(found(&Environment::empty()), []);
    write("not a key");
    assert_eq!(found(&Environment::empty()), at(FaultCode::WrongType), "and nothing of the secret");
    assert_eq!(found(&master()), []);
    write(&format!("{KEY}{}", " ".repeat(64)));
    assert_eq!(found(&Environment::empty()), []);
    write(&format!("{KEY}{}", " ".repeat(65)));
    assert_eq!(found(&Environment::empty()), at(FaultCode::WrongType), "longer than any key");
}

#[test]
fn what_is_sealed_fits_its_place() {
    let key = MasterKey::parse(KEY).expect("a key");
    let seal = |place: &str, bytes: usize| {
        key.seal(&place.parse().expect("a place"), &Secret::new("s".repeat(bytes)))
    };
    let length = |least| Some(SealFault::Length { least });
    assert_eq!(seal("axes.a.secret", SECRET_BYTES_MIN - 1).err(), length(SECRET_BYTES_MIN));
    assert_eq!(seal("broker.token", 0).err(), length(1));
    assert_eq!(seal("axes.a.secret", SECRET_BYTES_MAX + 1).err(), length(SECRET_BYTES_MIN));
    for bytes in [SECRET_BYTES_MIN, SECRET_BYTES_MAX] {
        let sealed = seal("axes.a.secret", bytes).expect("sealed");
        let settings = load_with(&axis(&format!("secret_sealed = \"{sealed}\"")), &master());
        assert_eq!(settings.expect("loads").axes["a"].secret.expose().len(), bytes);
    }
    assert!(seal("broker.token", 1).is_ok());
    assert_ne!(seal("broker.token", 1), seal("broker.token", 1), "no nonce is used twice");
}

#[test]
fn keys_for_other_uses_are_derived_from_the_master_key() {
    let key = MasterKey::parse(KEY).expect("a key");
    let derived = |purpose: &str| key.derive(purpose).expect("derived").expose().to_owned();
    // Another value would lock every encrypted store: HKDF-SHA256, salt "lienthong", this text as info.
    assert_eq!(
        derived("jetstream store v1"),
        "3aa01d223be1ea1c5c59d901db40141325ec42448bd1e56a4e3f4599700c9862"
    );
    assert_ne!(derived("jetstream store v1"), derived("jetstream store v2"));
    let settings = load_with("", &master()).expect("loads");
    let known = settings.gateway.master_key.as_ref().expect("it was given");
    assert_eq!(known.expose_hex(), KEY);
    assert!(load_with("", &Environment::empty()).expect("loads").gateway.master_key.is_none());
}

#[test]
fn a_place_is_a_key_of_a_secret() {
    for place in [
        "broker.password",
        "broker.token",
        "broker.nkey_seed",
        "axes.vpcp.secret",
        "systems.qlvb-a.vendor_http.secret",
        "systems.m.email.password",
        "systems.x.sdk.secret",
        "systems.x.sdk.secret_next",
    ] {
        assert_eq!(place.parse::<SecretPlace>().expect(place).to_string(), place);
    }
    for text in [
        "",
        "broker",
        "broker.secret",
        "broker.token_sealed",
        "axes.vpcp.secret_sealed",
        "axes.A.secret",
        "axes..secret",
        "axes.a.b.secret",
        "systems.a.secret",
        "systems.a.email.secret",
        "systems.a.vendor_http.password",
        " axes.a.secret",
    ] {
        assert_eq!(text.parse::<SecretPlace>(), Err(SecretPlaceFault), "{text:?}");
    }
}

#[test]
fn an_axis_has_no_secret_in_clear() {
    let found = load(&axis(&format!("secret = \"{SHARED}\""))).expect_err("in clear");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].key.as_str(), found[0].code), ("axes.a.secret", FaultCode::SecretInClear));
    let command = "lienthong secret seal --place axes.a.secret";
    assert!(found[0].vietnamese.contains(command) && found[0].english.contains(command), "{}", found[0]);
    assert_eq!(faults(&axis("")), [("axes.a.secret".to_owned(), FaultCode::Missing)]);
    let from_file = load(&axis("secret_file = \"secret\"")).expect("loads");
    assert_eq!(from_file.axes["a"].secret.expose(), "0123456789abcdef");
    let variable = Environment::empty().with("LIENTHONG_AXIS_A_SECRET", SHARED);
    let from_variable = load_with(&axis(""), &variable).expect("loads");
    assert_eq!(from_variable.axes["a"].secret.expose(), SHARED);
    let short = Environment::empty().with("LIENTHONG_AXIS_A_SECRET", &SHARED[..SECRET_BYTES_MIN - 1]);
    assert_eq!(faults_with(&axis(""), &short), [("axes.a.secret".to_owned(), FaultCode::OutOfRange)]);
}

#[test]
fn a_secret_is_given_in_one_way() {
    let good = sealed("systems.a.vendor_http.secret", SHARED);
    let (clear, file) = (format!("secret = \"{SHARED}\"\n"), "secret_file = \"secret\"\n".to_owned());
    let good = format!("secret_sealed = \"{good}\"\n");
    let lines = |ways: &[&String]| {
        vendor(&(ways.iter().map(|way| way.as_str()).collect::<String>() + "url = \"https://a.vn\""))
    };
    for one in [&clear, &file, &good] {
        assert_eq!(faults_with(&lines(&[one]), &master()), [], "{one}");
    }
    let at = |key: &str| vec![(format!("systems.a.vendor_http.{key}"), FaultCode::Contradiction)];
    assert_eq!(faults_with(&lines(&[&clear, &file]), &master()), at("secret_file"));
    assert_eq!(faults_with(&lines(&[&clear, &good]), &master()), at("secret_sealed"));
    assert_eq!(faults_with(&lines(&[&file, &good]), &master()), at("secret_sealed"));
    assert_eq!(faults_with(&lines(&[&clear, &file, &good]), &master()), at("secret_sealed"));
}
