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
pub(super) struct Signed(Vec<(String, String)>);

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
    /// Verifies the headers of a request from `system_id`, with its secret.
    pub(super) fn verify(
        headers: &HeaderMap,
        system_id: &str,
        secret: &[u8],
        now: Timestamp,
    ) -> Result<Self, String> {
        let raw = one(headers, "XroadVnpt-sign-header")?;
        let key = PKey::hmac(secret).map_err(|cause| cause.to_string())?;
        let made = Signer::new(MessageDigest::sha256(), &key)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(raw))
            .map_err(|cause| cause.to_string())?;
        if one(headers, "XroadVnpt-hash-header")? != hex::encode(made).as_bytes() {
            return Err("hash-header is not the HMAC of sign-header".to_owned());
        }
        let Members(members) =
            serde_json::from_slice(raw).map_err(|cause| format!("sign-header is not JSON: {cause}"))?;
        let mut signed = Vec::new();
        for (name, value) in members {
            if one(headers, &name)? != value.as_bytes() {
                return Err(format!("the header {name} is not the one signed"));
            }
            let name = name.strip_prefix(PREFIX).ok_or_else(|| format!("{name} is signed"))?.to_owned();
            signed.push((name, value));
        }
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        if one(headers, "XroadVnpt-sign-header-key")? != names.join(";").as_bytes() {
            return Err("sign-header-key is not the list of what is signed".to_owned());
        }
        let signed = Self(signed);
        if signed.get("systemid")? != system_id {
            return Err(format!("systemid is {}", signed.get("systemid")?));
        }
        for (name, wanted) in [
            ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP"),
            ("XroadVnpt-version", "3.0.201608"),
            ("Content-Type", signed.get("Content-Type")?),
        ] {
            if one(headers, name)? != wanted.as_bytes() {
                return Err(format!("{name} is not {wanted}"));
            }
        }
        signed.check_time(now)?;
        Ok(signed)
    }

    /// A parameter that must be signed, once.
    pub(super) fn get(&self, name: &str) -> Result<&str, String> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(format!("{name} is not signed, or twice")),
        }
    }

    /// `to`: a JSON array of codes; `None` where it is not signed.
    pub(super) fn receivers(&self) -> Result<Option<Vec<String>>, String> {
        if !self.0.iter().any(|(name, _)| name == "to") {
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
