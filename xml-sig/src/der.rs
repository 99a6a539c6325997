//! The DER (X.690) that OpenSSL's binding does not show: a strict reader of elements, the parts of a certificate, and what
//! a revocation list says of itself. What it cannot read it does not guess.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BITS: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT` to `[3] EXPLICIT`, and the primitive forms of `[0]`, `[1]` and `[2]`.
pub(crate) const EXPLICIT_0: u8 = 0xA0;
pub(crate) const EXPLICIT_1: u8 = 0xA1;
pub(crate) const EXPLICIT_2: u8 = 0xA2;
pub(crate) const EXPLICIT_3: u8 = 0xA3;
pub(crate) const IMPLICIT_0: u8 = 0x80;
pub(crate) const IMPLICIT_1: u8 = 0x81;
pub(crate) const IMPLICIT_2: u8 = 0x82;

/// 2.5.29.28 and 2.5.29.27: the two extensions that make a list a partial one (RFC 5280 sections 5.2.4 and 5.2.5).
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1D, 0x1C];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1D, 0x1B];

/// Elements one behind the other. Every step is `None` when what is there is not what was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'d>(pub(crate) &'d [u8]);

impl<'d> Der<'d> {
    /// The next element's tag and content.
    pub(crate) fn any(&mut self) -> Option<(u8, &'d [u8])> {
        let (tag, content, rest) = element(self.0)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The same, with the octets of tag and length before it.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'d [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len() - self.0.len())
    }

    /// What is in the next element, which has this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    /// The content of the next element when it has this tag: `Some(None)` when it has another, or there is none.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<&'d [u8]>> {
        if self.0.first() == Some(&tag) { self.take(tag).map(Some) } else { Some(None) }
    }

    /// Nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The one element with this tag that these octets are, and what is in it.
pub(crate) fn only(der: &[u8], tag: u8) -> Option<Der<'_>> {
    let mut der = Der(der);
    let inside = der.inside(tag)?;
    der.end()?;
    Some(inside)
}

/// An extension (RFC 5280 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension<'d> {
    /// The content octets of its OID.
    pub(crate) id: &'d [u8],
    pub(crate) critical: bool,
    /// What the OCTET STRING holds.
    pub(crate) value: &'d [u8],
}

/// The list of extensions in an explicit tag. One that stands twice makes all of it unreadable, for two programs would
/// read different ones (RFC 5280 section 4.2).
pub(crate) fn extensions(explicit: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut list = only(explicit, SEQUENCE)?;
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let extension = extension(list.inside(SEQUENCE)?)?;
        if extensions.len() == EXTENSIONS_MAX || extensions.iter().any(|known| known.id == extension.id) {
            return None;
        }
        extensions.push(extension);
    }
    Some(extensions)
}

/// More extensions than any certificate, list or response has; they are compared with each other.
const EXTENSIONS_MAX: usize = 64;

fn extension(mut fields: Der<'_>) -> Option<Extension<'_>> {
    let id = fields.take(OID)?;
    let critical = match fields.optional(BOOLEAN)? {
        None => false,
        // DER leaves the default out; some write it.
        Some([0]) => false,
        Some([0xFF]) => true,
        Some(_) => return None,
    };
    let value = fields.take(OCTETS)?;
    fields.end()?;
    Some(Extension { id, critical, value })
}

/// The parts of a certificate that are looked at here (RFC 5280 section 4.1).
#[derive(Clone, Debug)]
pub(crate) struct CertificateParts<'d> {
    /// The AlgorithmIdentifier that it is signed with, whole.
    pub(crate) algorithm: &'d [u8],
    /// The content octets of the INTEGER.
    pub(crate) serial: &'d [u8],
    /// The Names, whole.
    pub(crate) issuer: &'d [u8],
    pub(crate) subject: &'d [u8],
    /// SubjectPublicKeyInfo, whole.
    pub(crate) key_info: &'d [u8],
    pub(crate) extensions: Vec<Extension<'d>>,
}

impl<'d> CertificateParts<'d> {
    /// `None` when the certificate is not built as the RFC says, or names two algorithms.
    pub(crate) fn read(certificate: &'d [u8]) -> Option<Self> {
        let mut outer = only(certificate, SEQUENCE)?;
        let mut tbs = outer.inside(SEQUENCE)?;
        let algorithm = outer.whole(SEQUENCE)?;
        outer.take(BITS)?;
        outer.end()?;
        tbs.optional(EXPLICIT_0)?;
        let serial = tbs.take(INTEGER)?;
        if tbs.whole(SEQUENCE)? != algorithm {
            return None;
        }
        let issuer = tbs.whole(SEQUENCE)?;
        tbs.take(SEQUENCE)?;
        let subject = tbs.whole(SEQUENCE)?;
        let key_info = tbs.whole(SEQUENCE)?;
        tbs.optional(IMPLICIT_1)?;
        tbs.optional(IMPLICIT_2)?;
        let extensions = tbs.optional(EXPLICIT_3)?.map_or(Some(Vec::new()), extensions)?;
        tbs.end()?;
        Some(Self { algorithm, serial, issuer, subject, key_info, extensions })
    }

    /// The content of an extension.
    pub(crate) fn extension(&self, id: &[u8]) -> Option<&'d [u8]> {
        self.extensions.iter().find(|extension| extension.id == id).map(|extension| extension.value)
    }

    /// The key itself, without the BIT STRING's octet of unused bits: what identifiers of keys are hashes of.
    pub(crate) fn key_bits(&self) -> Option<&'d [u8]> {
        let mut key_info = only(self.key_info, SEQUENCE)?;
        key_info.take(SEQUENCE)?;
        bits(key_info.take(BITS)?)
    }
}

/// The octets of a BIT STRING that has no unused bits.
pub(crate) fn bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bits)| bits)
}

/// What a revocation list says of itself (RFC 5280 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListParts<'d> {
    /// The AlgorithmIdentifier that it is signed with, whole.
    pub(crate) algorithm: &'d [u8],
    /// It says that it covers a part of its issuer's certificates, or says something critical that is not understood.
    pub(crate) partial: bool,
}

/// `None` when the list is not built as the RFC says, or names two algorithms.
pub(crate) fn list_parts(list: &[u8]) -> Option<ListParts<'_>> {
    let mut outer = only(list, SEQUENCE)?;
    let mut tbs = outer.inside(SEQUENCE)?;
    let algorithm = outer.whole(SEQUENCE)?;
    outer.take(BITS)?;
    outer.end()?;

    tbs.optional(INTEGER)?;
    if tbs.whole(SEQUENCE)? != algorithm {
        return None;
    }
    tbs.take(SEQUENCE)?;
    let time = |(tag, _): &(u8, &[u8])| matches!(*tag, UTC_TIME | GENERALIZED_TIME);
    tbs.any().filter(time)?;
    if tbs.0.first().is_some_and(|tag| matches!(*tag, UTC_TIME | GENERALIZED_TIME)) {
        tbs.any()?;
    }
    let mut partial = false;
    if let Some(entries) = tbs.optional(SEQUENCE)? {
        let mut entries = Der(entries);
        while !entries.is_empty() {
            partial |= has_critical(entries.inside(SEQUENCE)?)?;
        }
    }
    if let Some(explicit) = tbs.optional(EXPLICIT_0)? {
        let of_a_part = |id: &[u8]| id == ISSUING_DISTRIBUTION_POINT || id == DELTA_CRL_INDICATOR;
        partial |= extensions(explicit)?.iter().any(|e| e.critical || of_a_part(e.id));
    }
    tbs.end()?;
    Some(ListParts { algorithm, partial })
}

/// Whether an entry of a list has a critical extension: then it may be of another issuer's certificate (section 5.3.3).
fn has_critical(mut entry: Der<'_>) -> Option<bool> {
    entry.take(INTEGER)?;
    entry.any().filter(|(tag, _)| matches!(*tag, UTC_TIME | GENERALIZED_TIME))?;
    let Some(list) = entry.optional(SEQUENCE)? else { return Some(false) };
    entry.end()?;
    let (mut list, mut critical) = (Der(list), false);
    while !list.is_empty() {
        critical |= extension(list.inside(SEQUENCE)?)?.critical;
    }
    Some(critical)
}

/// A GeneralizedTime as RFC 5280 section 4.1.2.5.2 wants it: with seconds, in UTC, no fraction.
pub(crate) fn generalized_time(content: &[u8]) -> Option<Timestamp> {
    let digits = content.strip_suffix(b"Z").filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| -> Option<i16> {
        let text = std::str::from_utf8(digits.get(from..to)?).ok()?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let part = |from: usize| number(from, from + 2).and_then(|part| i8::try_from(part).ok());
    let time = DateTime::new(number(0, 4)?, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?, 0).ok()?;
    match TimeZone::UTC.to_timestamp(time) {
        Ok(time) => Some(time),
        // "No well-defined date" (section 4.1.2.5) is some hours past the last that a Timestamp holds.
        Err(_) => (time.year() == 9999).then_some(Timestamp::MAX),
    }
}

/// Tag, content and what follows, of one element with a one-byte tag and a definite length in its shortest form.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    if tag & 0x1F == 0x1F {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let len = bytes.iter().fold(0, |len, &b| (len << 8) | usize::from(b));
            if len < 0x80 || bytes.first() == Some(&0) {
                return None;
            }
            (len, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_or_overlong_elements_are_not_read() {
        for broken in [
            &[][..],
            &[0x30],
            &[0x30, 2, 1],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 7],
            // Longer than need be: BER allows it, DER does not.
            &[0x30, 0x81, 1, 7],
            &[0x30, 0x82, 0, 1, 7],
            // A tag of two octets.
            &[0x3F, 0x20, 1, 7],
        ] {
            assert_eq!(element(broken), None, "{broken:?}");
        }
        assert_eq!(element(&[0x30, 1, 7, 9]), Some((0x30, &[7][..], &[9][..])));
        let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(element(&long), Some((0x04, &[7; 0x80][..], &[][..])));
        assert!(CertificateParts::read(b"\x30\x03\x30\x01\x30").is_none());
        assert_eq!(list_parts(b"\x30\x03\x30\x01\x30"), None);
    }

    #[test]
    fn extensions_are_read_to_a_limit_and_none_twice() {
        let of = |count: u8, last: u8| {
            let mut list = Vec::new();
            for id in (0..count - 1).chain([last]) {
                list.extend([0x30, 5, OID, 1, id, OCTETS, 0]);
            }
            let length = u16::try_from(list.len()).expect("short").to_be_bytes();
            [&[SEQUENCE, 0x82, length[0], length[1]], &list[..]].concat()
        };
        let most = u8::try_from(EXTENSIONS_MAX).expect("small");
        assert_eq!(extensions(&of(most, 100)).map(|all| all.len()), Some(EXTENSIONS_MAX));
        assert_eq!(extensions(&of(most + 1, 100)), None);
        assert_eq!(extensions(&of(most, 3)), None, "the same twice");
        let flag = |value: u8| [SEQUENCE, 10, SEQUENCE, 8, OID, 1, 9, BOOLEAN, 1, value, OCTETS, 0];
        for (value, critical) in [(0, Some(false)), (0xFF, Some(true)), (1, None)] {
            assert_eq!(extensions(&flag(value)).map(|all| all[0].critical), critical, "{value}");
        }
    }

    #[test]
    fn a_time_has_seconds_and_no_fraction() {
        let time = |text: &str| generalized_time(text.as_bytes()).map(|time| time.to_string());
        assert_eq!(time("20261123000000Z").as_deref(), Some("2026-11-23T00:00:00Z"));
        assert_eq!(time("20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        assert_eq!(generalized_time(b"99991231235959Z"), Some(Timestamp::MAX));
        for broken in [
            "",
            "Z",
            "20261123000000",
            "202611230000Z",
            "20261123000000.5Z",
            "20261123000000+0700",
            "261123000000Z",
            "20261323000000Z",
            "20261123240000Z",
            "20261123000060Z",
            "2026112300000 Z",
            "+0261123000000Z",
            "99991331235959Z",
        ] {
            assert_eq!(time(broken), None, "{broken}");
        }
    }
}
