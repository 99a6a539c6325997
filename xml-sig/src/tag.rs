//! Start tags: attributes split strictly, values normalised. quick-xml finds where a tag ends; what it is lenient
//! about (white space between attributes, `<` in values, odd names) is checked here.

use std::ops::Range;

use crate::chars::{all_chars, is_char, is_space};
use crate::error::XmlFault;
use crate::limits::Limits;

/// An attribute as written.
#[derive(Clone, Debug)]
pub(crate) struct RawAttribute {
    name: Range<usize>,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// In the tag itself: nothing to normalise.
    Written(Range<usize>),
    /// In the buffer of normalised values.
    Normalised(Range<usize>),
}

/// A start tag, split; its buffers are reused from tag to tag.
#[derive(Default)]
pub(crate) struct Split {
    attributes: Vec<RawAttribute>,
    normalised: String,
}

impl Split {
    /// Splits the inside of a start tag (between `<` and `>` or `/>`) and returns the element's qualified name.
    pub(crate) fn split<'t>(&mut self, inside: &'t str, limits: &Limits) -> Result<&'t str, XmlFault> {
        self.attributes.clear();
        self.normalised.clear();
        let bytes = inside.as_bytes();
        let name_end = bytes.iter().position(|&b| is_space(b)).unwrap_or(bytes.len());
        if name_end > limits.name_bytes {
            return Err(XmlFault::Limit("name_bytes"));
        }
        let mut at = name_end;
        loop {
            let spaced = skip_space(bytes, at);
            if spaced == bytes.len() {
                return Ok(&inside[..name_end]);
            }
            if spaced == at {
                return Err(XmlFault::Attribute);
            }
            if self.attributes.len() >= limits.attributes {
                return Err(XmlFault::Limit("attributes"));
            }
            at = self.attribute(inside, spaced, limits.name_bytes)?;
        }
    }

    /// The attributes: (qualified name, value), in order.
    pub(crate) fn attributes<'s>(&'s self, inside: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.attributes.iter().map(move |attribute| {
            let value = match &attribute.value {
                Value::Written(range) => &inside[range.clone()],
                Value::Normalised(range) => &self.normalised[range.clone()],
            };
            (&inside[attribute.name.clone()], value)
        })
    }

    fn attribute(&mut self, inside: &str, from: usize, name_max: usize) -> Result<usize, XmlFault> {
        let bytes = inside.as_bytes();
        let name_len =
            bytes[from..].iter().position(|&b| b == b'=' || is_space(b)).ok_or(XmlFault::Attribute)?;
        if name_len > name_max {
            return Err(XmlFault::Limit("name_bytes"));
        }
        let name = from..from + name_len;
        let equals = skip_space(bytes, name.end);
        if bytes.get(equals) != Some(&b'=') {
            return Err(XmlFault::Attribute);
        }
        let open = skip_space(bytes, equals + 1);
        let quote = match bytes.get(open) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return Err(XmlFault::Attribute),
        };
        let value_from = open + 1;
        let value_len = memchr::memchr(quote, &bytes[value_from..]).ok_or(XmlFault::Attribute)?;
        let value = self.value(&inside[value_from..value_from + value_len], value_from)?;
        self.attributes.push(RawAttribute { name, value });
        Ok(value_from + value_len + 1)
    }

    fn value(&mut self, written: &str, at: usize) -> Result<Value, XmlFault> {
        let plain = |b: u8| (b >= 0x20) & (b != b'<') & (b != b'&') & (b < 0x80);
        if written.bytes().fold(true, |good, b| good & plain(b)) {
            return Ok(Value::Written(at..at + written.len()));
        }
        if memchr::memchr(b'<', written.as_bytes()).is_some() {
            return Err(XmlFault::Attribute);
        }
        if !all_chars(written) {
            return Err(XmlFault::Character);
        }
        let from = self.normalised.len();
        self.normalise(written)?;
        Ok(Value::Normalised(from..self.normalised.len()))
    }

    /// XML 1.0 section 3.3.3 for CDATA attributes, after the line ends of section 2.11.
    fn normalise(&mut self, written: &str) -> Result<(), XmlFault> {
        let mut rest = written;
        while let Some(at) = rest.bytes().position(|b| matches!(b, b'\t' | b'\n' | b'\r' | b'&')) {
            self.normalised.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with('&') {
                let end = rest.find(';').ok_or(XmlFault::Reference)?;
                self.normalised.push(reference(&rest[1..end])?);
                rest = &rest[end + 1..];
            } else {
                self.normalised.push(' ');
                rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
            }
        }
        self.normalised.push_str(rest);
        Ok(())
    }
}

/// The character that a reference stands for, given what is between `&` and `;`.
pub(crate) fn reference(name: &str) -> Result<char, XmlFault> {
    match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        _ => {}
    }
    let number = name.strip_prefix('#').ok_or(XmlFault::Reference)?;
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (number, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return Err(XmlFault::Reference);
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| XmlFault::Character)?;
    char::from_u32(code).filter(|&c| is_char(c)).ok_or(XmlFault::Character)
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&b| !is_space(b)).map_or(bytes.len(), |n| from + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(inside: &str) -> Result<Vec<(String, String)>, XmlFault> {
        let mut split = Split::default();
        split.split(inside, &Limits { attributes: 4, ..Limits::default() })?;
        Ok(split.attributes(inside).map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn values_are_normalised_and_references_survive() {
        let got = split("e a = 'x\r\ny\tz' b=\"&#9;&#xA;&amp;&lt;&quot;đ>\" ").unwrap();
        assert_eq!(got, pairs(&[("a", "x y z"), ("b", "\t\n&<\"đ>")]));
    }

    #[test]
    fn malformed_attributes_are_refused() {
        for inside in ["e a", "e a=b", "e a='1'b='2'", "e a='<'", "e a='1", "e ='1'", "e a==''", "e a='1' /"]
        {
            let refused = split(inside).err().or_else(|| {
                let names = split(inside).unwrap();
                names.iter().any(|(n, _)| !crate::chars::is_ncname(n)).then_some(XmlFault::Name)
            });
            assert!(refused.is_some(), "{inside}");
        }
        assert_eq!(split("e a='&nbsp;'"), Err(XmlFault::Reference));
        assert_eq!(split("e a='&#0;'"), Err(XmlFault::Character));
        assert_eq!(split("e a='&#xD800;'"), Err(XmlFault::Character));
        assert_eq!(split("e a='&#99999999999999;'"), Err(XmlFault::Character));
        assert_eq!(split("e a='&#+9;'"), Err(XmlFault::Reference));
        assert_eq!(split("e a='\u{1}'"), Err(XmlFault::Character));
    }

    #[test]
    fn the_attribute_limit_is_met_and_not_passed() {
        assert_eq!(split("e a='' b='' c='' d=''").map(|a| a.len()), Ok(4));
        assert_eq!(split("e a='' b='' c='' d='' f=''"), Err(XmlFault::Limit("attributes")));
    }
}
