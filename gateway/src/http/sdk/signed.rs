//! The signed headers of the national SDK (spec/vxp-api.md section 2): what a request claims, whether a secret made its
//! signature, and the parameters that it vouches for. Nothing is ever read from a header that is not signed.

use axum::http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lienthong_schemas::edxml::VIETNAM;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// What begins the name of every signed header.
const PREFIX: &str = "XroadVnpt-";
/// Most parameters of one request: the SDK keeps those of earlier calls.
const PARAMETERS_MAX: usize = 64;
/// Longest `systemid`, in bytes.
const SYSTEM_ID_BYTES_MAX: usize = lienthong_config::SDK_SYSTEM_ID_BYTES_MAX;
/// How far ahead of our clock a timestamp may be. There is no limit to its age: the SDK sets it when the program starts.
const AHEAD_MAX_SECONDS: i64 = 86_400;

/// What a request says of itself before anything is checked.
pub(super) struct Claim<'h> {
    headers: &'h HeaderMap,
    /// Who it says it is.
    pub(super) system_id: &'h str,
    /// The bytes that are signed, exactly as they came.
    text: &'h [u8],
    mac: [u8; 32],
}

/// A request is not what its signature says, though the secret is right; a word for the log and for its sender.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {cause}")]
pub(super) struct Unfit {
    /// The header.
    pub(super) header: String,
    /// What is wrong with it.
    pub(super) cause: &'static str,
}

fn unfit(header: &str, cause: &'static str) -> Unfit {
    Unfit { header: header.to_owned(), cause }
}

impl<'h> Claim<'h> {
    /// What the headers claim; `None` when a part of the signature is missing, stands twice or has no such form.
    pub(super) fn read(headers: &'h HeaderMap) -> Option<Self> {
        let system_id = std::str::from_utf8(one(headers, "XroadVnpt-systemid")?).ok()?;
        let text = one(headers, "XroadVnpt-sign-header")?;
        let mut mac = [0; 32];
        hex::decode_to_slice(one(headers, "XroadVnpt-hash-header")?, &mut mac).ok()?;
        let fits = (1..=SYSTEM_ID_BYTES_MAX).contains(&system_id.len());
        fits.then_some(Self { headers, system_id, text, mac })
    }

    /// Whether this secret made the signature. Takes as long whether it did or not.
    pub(super) fn is_signed_by(&self, secret: &[u8]) -> bool {
        let made = PKey::hmac(secret)
            .and_then(|key| Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(self.text));
        made.is_ok_and(|made| made.len() == self.mac.len() && memcmp::eq(&made, &self.mac))
    }

    /// The parameters. To be called when the signature is known to be good.
    pub(super) fn parameters(&self, now: Timestamp) -> Result<Parameters, Unfit> {
        let Members(members) = serde_json::from_slice(self.text)
            .map_err(|_| unfit("XroadVnpt-sign-header", "not a JSON object of texts"))?;
        let mut parameters = Vec::with_capacity(members.len());
        for (header, value) in members {
            let name = header.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX));
            let Some(name) = name.map(|_| header[PREFIX.len()..].to_owned()) else {
                return Err(unfit(&header, "signed, and no header of the protocol"));
            };
            // Two spellings of one name are two headers of one name.
            let wanted = blank_trimmed(value.as_bytes());
            if !self.headers.get_all(&header).iter().any(|sent| blank_trimmed(sent.as_bytes()) == wanted) {
                return Err(unfit(&header, "not the value that is signed"));
            }
            parameters.push((name, value));
        }
        let parameters = Parameters(parameters);
        if parameters.get("systemid")? != Some(self.system_id) {
            return Err(unfit("XroadVnpt-systemid", "not signed"));
        }
        let timestamp = parameters.get("timestamp")?.and_then(time);
        let timestamp = timestamp.ok_or_else(|| unfit("XroadVnpt-timestamp", "not ddMMyyyyTHHmmss+SSSS"))?;
        if timestamp.as_second().saturating_sub(now.as_second()) > AHEAD_MAX_SECONDS {
            return Err(unfit("XroadVnpt-timestamp", "more than a day ahead of the clock here"));
        }
        Ok(parameters)
    }
}

/// What a request asks, every value signed.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// A parameter under its name as the SDK's applications write it, whatever its case; `None` without it or when it is
    /// empty. Under several spellings the one given here counts: the SDK never forgets a parameter of an earlier call.
    ///
    /// # Errors
    /// Several other spellings with different values.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Unfit> {
        let all = || self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let found = match all().find(|(known, _)| known == name) {
            Some((_, value)) => Some(value),
            None => {
                let mut values = all().map(|(_, value)| value);
                let first = values.next();
                if values.any(|value| Some(value) != first) {
                    return Err(unfit(&format!("{PREFIX}{name}"), "several spellings with different values"));
                }
                first
            }
        };
        Ok(found.map(|value| value.trim()).filter(|value| !value.is_empty()))
    }
}

/// The members of a JSON object, texts only; none twice.
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
                let mut members: Vec<(String, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if members.len() == PARAMETERS_MAX || members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("too many members, or one twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// `ddMMyyyy'T'HHmmss+SSSS`, the sender's clock, which shows Vietnamese time. The plus sign is no offset: what follows it
/// are milliseconds, which are left out.
fn time(text: &str) -> Option<Timestamp> {
    let (clock, milliseconds) = text.split_once('+')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if milliseconds.len() != 4 || !digits(milliseconds) || clock.len() != 15 {
        return None;
    }
    let local = DateTime::strptime("%d%m%YT%H%M%S", clock).ok()?;
    Some(local.to_zoned(TimeZone::fixed(VIETNAM)).ok()?.timestamp())
}

/// The raw bytes of a header that must stand once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// Blanks around a value are no part of it (RFC 9110 section 5.5): they do not arrive.
fn blank_trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
