//! The little DER (X.690) that OpenSSL's binding does not show: the purposes in a certificate's ExtendedKeyUsage, whether
//! it is an authority's, and whether a CRL has critical extensions.

const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const EXTENSIONS: u8 = 0xA3;
const CRL_EXTENSIONS: u8 = 0xA0;
/// 2.5.29.37 (RFC 5280 section 4.2.1.12).
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
/// 2.5.29.19 (RFC 5280 section 4.2.1.9).
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];

/// What a certificate's ExtendedKeyUsage says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purposes<'d> {
    /// There is no such extension.
    Absent,
    /// The purposes' OIDs, in their DER content octets.
    Listed(Vec<&'d [u8]>),
    /// The certificate or the extension cannot be read.
    Unreadable,
}

/// The purposes of a certificate.
pub(crate) fn purposes(certificate: &[u8]) -> Purposes<'_> {
    match extension(certificate, EXTENDED_KEY_USAGE) {
        Some(None) => Purposes::Absent,
        Some(Some(value)) => listed(value).unwrap_or(Purposes::Unreadable),
        None => Purposes::Unreadable,
    }
}

/// Whether BasicConstraints make this the certificate of an authority. One that cannot be read is taken for one.
pub(crate) fn is_authority(certificate: &[u8]) -> bool {
    let Some(found) = extension(certificate, BASIC_CONSTRAINTS) else { return true };
    let Some(value) = found else { return false };
    match element(value) {
        Some((SEQUENCE, [], [])) => false,
        Some((SEQUENCE, fields, [])) => match element(fields) {
            Some((BOOLEAN, ca, _)) => ca != [0],
            // A path length without the flag: cA is FALSE by default.
            Some(_) => false,
            None => true,
        },
        _ => true,
    }
}

/// Whether a CRL has a critical extension (RFC 5280 section 5.2): it is a delta list, or covers a part only. A list that
/// cannot be read is taken for one.
pub(crate) fn has_critical_extension(crl: &[u8]) -> bool {
    any_critical(crl).unwrap_or(true)
}

fn any_critical(crl: &[u8]) -> Option<bool> {
    let (_, outer, _) = element(crl)?;
    let (_, mut tbs, _) = element(outer)?;
    while !tbs.is_empty() {
        let (tag, content, rest) = element(tbs)?;
        if tag == CRL_EXTENSIONS {
            let (_, mut list, _) = element(content)?;
            while !list.is_empty() {
                let (_, extension, rest) = element(list)?;
                let (_, _, fields) = element(extension)?;
                let (tag, critical, _) = element(fields)?;
                if tag == BOOLEAN && critical != [0] {
                    return Some(true);
                }
                list = rest;
            }
        }
        tbs = rest;
    }
    Some(false)
}

/// The value of an extension: `Some(None)` when there is no such one, `None` when the certificate cannot be read.
fn extension<'d>(certificate: &'d [u8], wanted: &[u8]) -> Option<Option<&'d [u8]>> {
    let (_, outer, _) = element(certificate)?;
    let (_, mut tbs, _) = element(outer)?;
    while !tbs.is_empty() {
        let (tag, content, rest) = element(tbs)?;
        if tag == EXTENSIONS {
            let (_, list, _) = element(content)?;
            return in_extensions(list, wanted);
        }
        tbs = rest;
    }
    Some(None)
}

fn in_extensions<'d>(mut list: &'d [u8], wanted: &[u8]) -> Option<Option<&'d [u8]>> {
    while !list.is_empty() {
        let (tag, extension, rest) = element(list)?;
        let (id_tag, id, mut fields) = element(extension)?;
        if tag != SEQUENCE || id_tag != OID {
            return None;
        }
        if id == wanted {
            loop {
                let (tag, content, rest) = element(fields)?;
                if tag == OCTETS {
                    return Some(Some(content));
                }
                fields = rest;
            }
        }
        list = rest;
    }
    Some(None)
}

fn listed(value: &[u8]) -> Option<Purposes<'_>> {
    let (tag, mut list, rest) = element(value)?;
    if tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let mut purposes = Vec::new();
    while !list.is_empty() {
        let (tag, id, rest) = element(list)?;
        if tag != OID {
            return None;
        }
        purposes.push(id);
        list = rest;
    }
    Some(Purposes::Listed(purposes))
}

/// Tag, content and what follows, of one element with a one-byte tag and a definite length.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |len, &b| (len << 8) | usize::from(b)), rest)
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
        assert_eq!(element(&[]), None);
        assert_eq!(element(&[0x30]), None);
        assert_eq!(element(&[0x30, 2, 1]), None);
        assert_eq!(element(&[0x30, 0x80, 0, 0]), None);
        assert_eq!(element(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(element(&[0x30, 0x81, 1, 7, 9]), Some((0x30, &[7][..], &[9][..])));
        assert!(has_critical_extension(b"\x30\x03\x30\x01\x30"));
        assert_eq!(purposes(b"\x30\x03\x30\x01\x30"), Purposes::Unreadable);
        assert!(is_authority(b"\x30\x03\x30\x01\x30"));
    }
}
