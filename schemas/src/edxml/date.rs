//! Dates in packets: the text as written, and what it means when it means something.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// Local time of every packet: Asia/Ho_Chi_Minh, +07:00 all year.
pub const VIETNAM: Offset = Offset::constant(7);

/// Length of `yyyy/MM/dd`.
const DATE_BYTES: usize = 10;

/// A date or time as a packet writes it. Java senders are lenient, so impossible dates (2014/02/30) occur: the text is
/// kept and nothing is parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateText {
    /// The text, trimmed; empty when the element is absent or empty.
    pub text: String,
    /// Vietnam local time; midnight when only a date is given. `None` when the text is no date.
    pub parsed: Option<DateTime>,
}

impl DateText {
    /// Reads a text. Accepted, in this order: `yyyy/MM/dd[ HH:mm:ss]`, `yyyy-MM-dd[{ |T}HH:mm:ss[.fff][Z|±hh:mm]]`,
    /// `dd/MM/yyyy[ HH:mm:ss]`; month and day may have one digit.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        Self { text: text.to_owned(), parsed: parse(text) }
    }

    /// There is a text, but it is no date.
    pub fn is_unreadable(&self) -> bool {
        !self.text.is_empty() && self.parsed.is_none()
    }

    /// There is no text, or one that is written as the standard wants: `yyyy/MM/dd` or `yyyy/MM/dd HH:mm:ss`.
    pub fn is_in_standard_form(&self) -> bool {
        let written = |at: DateTime| {
            let text = standard_text(at);
            self.text == text || self.text == text[..DATE_BYTES]
        };
        self.text.is_empty() || self.parsed.is_some_and(written)
    }
}

/// `yyyy/MM/dd HH:mm:ss` in Vietnam local time: the form that packets of ours carry.
pub fn timestamp_text(at: jiff::Timestamp) -> String {
    standard_text(at.to_zoned(TimeZone::fixed(VIETNAM)).datetime())
}

/// The same of a local time.
pub(super) fn standard_text(at: DateTime) -> String {
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn parse(text: &str) -> Option<DateTime> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (text, None),
    };
    let iso = date.contains('-');
    let mut parts = date.split(if iso { '-' } else { '/' });
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, day) = if a.len() == 4 || iso { (a, c) } else { (c, a) };
    if year.len() != 4 {
        return None;
    }
    let date =
        Date::new(number(year, 4)?, number(b, 2)?.try_into().ok()?, number(day, 2)?.try_into().ok()?).ok()?;
    match time {
        None => Some(date.to_datetime(Time::midnight())),
        Some(time) => parse_time(date, time, iso),
    }
}

fn parse_time(date: Date, text: &str, iso: bool) -> Option<DateTime> {
    if !iso {
        return Some(date.to_datetime(clock(text)?));
    }
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = text.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |t: &str| !t.is_empty() && t.len() <= 9 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(fraction) {
        return None;
    }
    let local = date.to_datetime(clock(time)?);
    match zone {
        "" => Some(local),
        "Z" => to_vietnam(local, Offset::UTC),
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let seconds = i32::from(number(hours, 2)?) * 3600 + i32::from(number(minutes, 2)?) * 60;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            to_vietnam(local, Offset::from_seconds(sign * seconds).ok()?)
        }
    }
}

fn to_vietnam(local: DateTime, offset: Offset) -> Option<DateTime> {
    Some(offset.to_timestamp(local).ok()?.to_zoned(TimeZone::fixed(VIETNAM)).datetime())
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut next = || number(parts.next()?, 2)?.try_into().ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

fn number(text: &str, digits_max: usize) -> Option<i16> {
    let fits = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn every_form_of_the_wild_is_read() {
        let day = datetime(2018, 9, 28, 0, 0, 0, 0);
        let minute = datetime(2018, 9, 28, 17, 25, 11, 0);
        for (text, expected) in [
            (" 2018/09/28\r\n", day),
            ("2018/9/28", day),
            ("2018-09-28", day),
            ("28/09/2018", day),
            ("2018/09/28 17:25:11", minute),
            ("2018-09-28 17:25:11", minute),
            ("2018-09-28T17:25:11.123", minute),
            ("2018-09-28T10:25:11Z", minute),
            ("2018-09-28T17:25:11+07:00", minute),
            ("2018-09-28T05:25:11.5-05:00", minute),
            ("28/09/2018 17:25:11", minute),
        ] {
            assert_eq!(DateText::read(text).parsed, Some(expected), "{text}");
        }
    }

    #[test]
    fn impossible_dates_keep_their_text() {
        for text in [
            "2014/02/30",
            "2014/13/01",
            "20140230",
            "2014/02",
            "2014/02/03/04",
            "hôm nay",
            "2014/02/03 25:00:00",
            "2014-02-03T10:00:00+7",
            "2014-02-03T10:00:00+99:00",
            "99999-01-01",
            "+201/01/01",
            "2014/-2/03",
        ] {
            let date = DateText::read(text);
            assert_eq!((date.text.as_str(), date.is_unreadable()), (text, true));
        }
        assert!(!DateText::read("").is_unreadable());
    }

    #[test]
    fn timestamps_of_ours_are_vietnam_time() {
        let at: jiff::Timestamp = "2018-09-28T20:25:11.9Z".parse().expect("a timestamp");
        assert_eq!(timestamp_text(at), "2018/09/29 03:25:11");
        assert_eq!(DateText::read(&timestamp_text(at)).parsed, Some(datetime(2018, 9, 29, 3, 25, 11, 0)));
    }
}
