//! The signed headers of the national SDK's protocol, as an axis verifies them: from the raw bytes of `sign-header`, with
//! every value that is acted on taken from there. The member order and every header name are those of the reference.

use http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What begins every signed header.
const PREFIX: &str = "XroadVnpt-";
/// How far the time of a request may be from ours.
const TIME_OFF_MAX_SECONDS: i64 = 300;

/// The signed parameters of one request, in their order.
pub(super) struct Signed {
    all: Vec<(String, String)>,
    exact: bool,
}

/// The members of a JSON object, in order and with every repetition.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl Signed {
    /// Verifies the headers of a request. `secret_of` knows the key of a system. `exact`: the request is just what the SDK
    /// makes, made now; else the key's owner is free in what the signature does not need.
    pub(super) fn verify<'k>(
        headers: &HeaderMap,
        secret_of: impl Fn(&str) -> Option<&'k [u8]>,
        exact: bool,
        now: Timestamp,
    ) -> Result<Self, String> {
        let raw = one(headers, "XroadVnpt-sign-header")?;
        let Members(members) =
            serde_json::from_slice(raw).map_err(|cause| format!("sign-header is not JSON: {cause}"))?;
        let mut all = Vec::new();
        for (name, value) in &members {
            let prefix = name
                .get(..PREFIX.len())
                .filter(|prefix| if exact { *prefix == PREFIX } else { prefix.eq_ignore_ascii_case(PREFIX) });
            let prefix = prefix.ok_or_else(|| format!("{name} is signed"))?;
            all.push((name[prefix.len()..].to_owned(), value.clone()));
        }
        let signed = Self { all, exact };
        let system = signed.get("systemid")?;
        let secret = secret_of(system).ok_or_else(|| format!("systemid is {system}"))?;
        check_mac(headers, raw, secret)?;
        for (name, value) in &members {
            if one(headers, name)? != value.as_bytes() {
                return Err(format!("the header {name} is not the one signed"));
            }
        }
        if exact {
            signed.check_form(headers)?;
            signed.check_time(now)?;
        }
        Ok(signed)
    }

    /// What the SDK sends beside what is signed.
    fn check_form(&self, headers: &HeaderMap) -> Result<(), String> {
        let names: Vec<&str> = self.all.iter().map(|(name, _)| name.as_str()).collect();
        if one(headers, "XroadVnpt-sign-header-key")? != names.join(";").as_bytes() {
            return Err("sign-header-key is not the list of what is signed".to_owned());
        }
        for (name, wanted) in [
            ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP"),
            ("XroadVnpt-version", "3.0.201608"),
            ("Content-Type", self.get("Content-Type")?),
        ] {
            if one(headers, name)? != wanted.as_bytes() {
                return Err(format!("{name} is not {wanted}"));
            }
        }
        Ok(())
    }

    /// A parameter that must be signed, once.
    pub(super) fn get(&self, name: &str) -> Result<&str, String> {
        let is = |n: &str| if self.exact { n == name } else { n.eq_ignore_ascii_case(name) };
        let mut values = self.all.iter().filter(|(n, _)| is(n)).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(format!("{name} is not signed, or twice")),
        }
    }

    /// `to`: a JSON array of codes; `None` where it is not signed.
    pub(super) fn receivers(&self) -> Result<Option<Vec<String>>, String> {
        if !self.all.iter().any(|(name, _)| name == "to") {
            return Ok(None);
        }
        let to = self.get("to")?;
        serde_json::from_str(to).map(Some).map_err(|cause| format!("to is {to}: {cause}"))
    }

    /// `ddMMyyyy'T'HHmmss+SSSS` of the Vietnamese clock; the four digits are milliseconds.
    fn check_time(&self, now: Timestamp) -> Result<(), String> {
        let text = self.get("timestamp")?;
        let wrong = || format!("timestamp {text}");
        let (clock, milliseconds) = text.split_once('+').ok_or_else(wrong)?;
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(milliseconds, 4) || milliseconds > "0999" || clock.len() != 15 {
            return Err(wrong());
        }
        let local = DateTime::strptime("%d%m%YT%H%M%S", clock).map_err(|_| wrong())?;
        let there = local.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).map_err(|_| wrong())?;
        let off = there.timestamp().as_second().abs_diff(now.as_second());
        if off > TIME_OFF_MAX_SECONDS.unsigned_abs() {
            return Err(format!("timestamp {text} is {off} s off"));
        }
        Ok(())
    }
}

fn check_mac(headers: &HeaderMap, raw: &[u8], secret: &[u8]) -> Result<(), String> {
    let key = PKey::hmac(secret).map_err(|cause| cause.to_string())?;
    let made = Signer::new(MessageDigest::sha256(), &key)
        .and_then(|mut signer| signer.sign_oneshot_to_vec(raw))
        .map_err(|cause| cause.to_string())?;
    let sent = one(headers, "XroadVnpt-hash-header")?.to_ascii_lowercase();
    let made = hex::encode(made);
    if sent.len() == made.len() && openssl::memcmp::eq(&sent, made.as_bytes()) {
        return Ok(());
    }
    Err("hash-header is not the HMAC of sign-header".to_owned())
}

/// The raw bytes of a header that must stand once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a [u8], String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        _ => Err(format!("{name} is missing or stands twice")),
    }
}

/// A digest as the SDK writes `hash-file`: Java's `Integer.toHexString` of each byte, which leaves zeros out.
pub(super) fn unpadded(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:x}")).collect()
}
