//! An answer: its status and what that means (design.md B6), as much of its body as may be read, Retry-After.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, LOCATION, RETRY_AFTER};
use http::status::StatusCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use reqwest::Response;

use super::body::Attempt;
use super::trouble;
use crate::failure::failed;

/// A receiver cannot put us off for longer than this.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer whose head is here. While it is held, what is left of the request's body is still sent.
pub(crate) struct Answer {
    response: Response,
    whole: bool,
    attempt: Attempt,
}

impl Answer {
    pub(super) fn new(response: Response, attempt: Attempt) -> Self {
        Self { response, whole: attempt.whole(), attempt }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Status, target of a redirect, and these words of the body, as a note says them.
    pub(crate) fn said(&self, words: &str) -> String {
        let mut said = format!("HTTP {}", self.status().as_u16());
        if let (true, Some(location)) = (self.status().is_redirection(), self.field(LOCATION)) {
            said = format!("{said}, Location: {location}");
        }
        if words.trim().is_empty() { said } else { format!("{said}: {}", words.trim()) }
    }

    /// Fails as [`FailureClass::OursToFix`], `early_answer`, unless the receiver could have the whole packet before it
    /// said so.
    pub(crate) fn after_the_packet(&self, said: &str) -> Result<(), DeliveryFailure> {
        if self.whole {
            return Ok(());
        }
        let cause = format!("answered before it had the whole packet: {said}");
        Err(DeliveryFailure {
            // It said yes, and what was left was on its way.
            may_have_arrived: true,
            ..failed(FailureClass::OursToFix, "early_answer", &cause)
        })
    }

    /// An answer from which nothing follows: the receiver may have the packet, if all of it went out.
    pub(crate) fn no_word(&self, class: FailureClass, code: &str, said: &str) -> DeliveryFailure {
        DeliveryFailure { may_have_arrived: self.attempt.whole(), ..failed(class, code, said) }
    }

    /// The failure that a status which is no 2xx stands for.
    pub(crate) fn refusal(&self, said: &str, now: Timestamp) -> DeliveryFailure {
        let (class, code) = refusal(self.status());
        let failure = match self.status().as_u16() {
            // It did not take it, whatever it does next time.
            300..=499 | 503 => failed(class, code, said),
            // It, or somebody before it, failed on the way, perhaps after the packet was in its hands.
            _ => self.no_word(class, &code, said),
        };
        self.put_off(failure, now)
    }

    /// The failure with this answer's Retry-After, if another attempt can follow.
    pub(crate) fn put_off(&self, failure: DeliveryFailure, now: Timestamp) -> DeliveryFailure {
        use FailureClass::{OneOfSeveral, Permanent, Unlisted};
        let again = !matches!(failure.class, Permanent | OneOfSeveral | Unlisted { .. });
        let wait = self.field(RETRY_AFTER).and_then(|value| retry_after(value, now));
        DeliveryFailure { retry_after: wait.filter(|_| again), ..failure }
    }

    fn field(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, DeliveryFailure> {
        self.response.chunk().await.map_err(|error| trouble::sort(error, self.attempt.whole()))
    }

    /// The body's first `bytes_max` bytes, or what came of them.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> Words {
        let mut bytes = Vec::new();
        let end = loop {
            match self.response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = bytes_max - bytes.len();
                    bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if bytes.len() == bytes_max {
                        break End::Full;
                    }
                }
                Ok(None) => break End::Whole,
                Err(error) => break End::Broken(trouble::sort(error, self.attempt.whole())),
            }
        };
        Words { bytes, end }
    }
}

/// What was read of an answer's body.
pub(crate) struct Words {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Why there are no more.
    pub(crate) end: End,
}

/// Where the reading of an answer's body ended.
pub(crate) enum End {
    /// At its end.
    Whole,
    /// At the limit; there may be more.
    Full,
    /// The connection broke, or time ran out.
    Broken(DeliveryFailure),
}

impl Words {
    /// As text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// What follows from an answer that is not a 2xx (design.md B6), and its stable code.
fn refusal(status: StatusCode) -> (FailureClass, String) {
    let class = match status.as_u16() {
        400 | 410 | 413 | 415 | 422 | 451 => FailureClass::Permanent,
        429 | 502..=504 => FailureClass::Receiver,
        300..=499 => FailureClass::OursToFix,
        500..=599 => FailureClass::Document,
        _ => FailureClass::Receiver,
    };
    let code = if status.is_redirection() { "redirect".into() } else { format!("http_{}", status.as_u16()) };
    (class, code)
}

/// RFC 9110 §10.2.3: seconds or an HTTP date, counted from `now`; at most [`RETRY_AFTER_MAX`]. `None` for a time that is
/// over, and for what is neither.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let wait = http_date(value)?.duration_since(now.to_zoned(TimeZone::UTC).datetime());
    Duration::try_from(wait).ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// RFC 9110 §5.6.7: the fixed form, and the two old ones that a recipient must still read; all in UTC.
fn http_date(text: &str) -> Option<DateTime> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())
}
