//! Start tags: attributes split strictly, values normalised. A tag that is well-formed is found to its end here; where
//! another one ends, quick-xml says, and what that is lenient about (white space between attributes, `<` in values, odd
//! names) is checked here.

use std::ops::Range;

use crate::chars::{CLASSES, all_chars, class, is_char, is_space};
use crate::error::XmlFault;
use crate::limits::Limits;
use crate::scope::split;

/// A qualified name as it stands in a tag.
#[derive(Clone, Debug, Default)]
struct Named {
    at: Range<usize>,
    /// Bytes of its prefix; `None` if it is no qualified name.
    prefix_len: Option<usize>,
}

/// An attribute in its tag.
#[derive(Clone, Debug)]
struct RawAttribute {
    name: Named,
    value: Range<usize>,
    /// The value is in the buffer of normalised values, not in the tag.
    normalised: bool,
    declares: bool,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'s> {
    pub(crate) qname: &'s str,
    /// Bytes of the name's prefix; `None` if it is no qualified name.
    pub(crate) prefix_len: Option<usize>,
    /// Normalised.
    pub(crate) value: &'s str,
    /// It declares a namespace.
    pub(crate) declares: bool,
}

impl<'s> Written<'s> {
    /// Prefix and local part.
    pub(crate) fn split(&self) -> Result<(&'s str, &'s str), XmlFault> {
        match self.prefix_len {
            Some(0) => Ok(("", self.qname)),
            Some(len) => Ok((&self.qname[..len], &self.qname[len + 1..])),
            None => Err(XmlFault::Name),
        }
    }
}

/// What ends a tag's parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The end of the text.
    End,
    /// `>` or `/`, outside of values.
    Close,
}

impl Until {
    fn is_met(self, byte: u8) -> bool {
        self == Self::Close && matches!(byte, b'>' | b'/')
    }

    /// Where quotes may stand in what is no name, the tag does not end at the first `>`.
    fn allows(self, name: &Named) -> Result<(), XmlFault> {
        if self == Self::Close && name.prefix_len.is_none() { Err(XmlFault::Name) } else { Ok(()) }
    }
}

/// A start tag, split; its buffers are reused from tag to tag.
#[derive(Default)]
pub(crate) struct Split {
    name: Named,
    attributes: Vec<RawAttribute>,
    normalised: String,
    declares: bool,
    /// So far all is written as Canonical XML writes it.
    canonical: bool,
}

impl Split {
    /// Splits the inside of a start tag (between `<` and `>` or `/>`).
    pub(crate) fn split(&mut self, inside: &str, limits: &Limits) -> Result<(), XmlFault> {
        self.parts(inside, Until::End, limits).map(drop)
    }

    /// The same when it is not known where the tag ends: returns how long its inside is. `None`: there is no tag at
    /// the front of `text`, or not all of it; what is wrong with it, [`Split::split`] says.
    pub(crate) fn scan(&mut self, text: &str, limits: &Limits) -> Option<usize> {
        self.parts(text, Until::Close, limits).ok()
    }

    fn parts(&mut self, text: &str, until: Until, limits: &Limits) -> Result<usize, XmlFault> {
        self.attributes.clear();
        self.normalised.clear();
        self.declares = false;
        self.canonical = true;
        let bytes = text.as_bytes();
        let name = named(text, 0, |b| is_space(b) || until.is_met(b));
        until.allows(&name)?;
        if name.at.end > limits.name_bytes {
            return Err(XmlFault::Limit("name_bytes"));
        }
        let mut at = name.at.end;
        let is_over = |at: usize| match (bytes.get(at), until) {
            (Some(&b), _) => Ok(until.is_met(b)),
            (None, Until::End) => Ok(true),
            (None, Until::Close) => Err(XmlFault::Truncated),
        };
        while !is_over(at)? {
            let spaced = skip_space(bytes, at);
            self.canonical &= spaced == at + 1 && bytes[at] == b' ';
            if is_over(spaced)? {
                self.canonical = false;
                at = spaced;
                break;
            }
            if spaced == at {
                return Err(XmlFault::Attribute);
            }
            if self.attributes.len() >= limits.attributes {
                return Err(XmlFault::Limit("attributes"));
            }
            at = self.attribute(text, spaced, until, limits.name_bytes)?;
        }
        self.name = name;
        Ok(at)
    }

    /// The element's name, and how many bytes its prefix has (`None`: it is no qualified name).
    pub(crate) fn name<'s>(&self, inside: &'s str) -> (&'s str, Option<usize>) {
        (&inside[self.name.at.clone()], self.name.prefix_len)
    }

    /// Whether there are attributes or namespace declarations.
    pub(crate) fn has_attributes(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Whether there are namespace declarations.
    pub(crate) fn has_declarations(&self) -> bool {
        self.declares
    }

    /// Whether there are no namespace declarations and Canonical XML would write each attribute as it stands.
    pub(crate) fn is_canonical(&self) -> bool {
        self.canonical && !self.declares
    }

    /// The attributes, in order.
    pub(crate) fn attributes<'s>(&'s self, inside: &'s str) -> impl Iterator<Item = Written<'s>> {
        self.attributes.iter().map(move |attribute| {
            let values = if attribute.normalised { &self.normalised } else { inside };
            Written {
                qname: &inside[attribute.name.at.clone()],
                prefix_len: attribute.name.prefix_len,
                value: &values[attribute.value.clone()],
                declares: attribute.declares,
            }
        })
    }

    fn attribute(
        &mut self,
        inside: &str,
        from: usize,
        until: Until,
        name_max: usize,
    ) -> Result<usize, XmlFault> {
        let bytes = inside.as_bytes();
        let name = named(inside, from, |b| b == b'=' || is_space(b) || until.is_met(b));
        until.allows(&name)?;
        if name.at.end == bytes.len() {
            return Err(XmlFault::Attribute);
        }
        if name.at.len() > name_max {
            return Err(XmlFault::Limit("name_bytes"));
        }
        let equals = skip_space(bytes, name.at.end);
        if bytes.get(equals) != Some(&b'=') {
            return Err(XmlFault::Attribute);
        }
        let open = skip_space(bytes, equals + 1);
        let quote = match bytes.get(open) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return Err(XmlFault::Attribute),
        };
        self.canonical &= open == name.at.end + 1 && quote == b'"';
        let before = self.normalised.len();
        let (end, normalised) = self.value(inside, open + 1, quote)?;
        let value = if normalised { before..self.normalised.len() } else { open + 1..end };
        let declares =
            bytes[name.at.clone()].strip_prefix(b"xmlns").is_some_and(|rest| matches!(rest, [] | [b':', ..]));
        self.declares |= declares;
        self.attributes.push(RawAttribute { name, value, normalised, declares });
        Ok(end + 1)
    }

    /// Where the closing quote of the value is that begins at `from`, and whether it had to be normalised.
    fn value(&mut self, inside: &str, from: usize, quote: u8) -> Result<(usize, bool), XmlFault> {
        let bytes = &inside.as_bytes()[from..];
        let mut seen = 0;
        let plain = bytes.iter().position(|&b| {
            seen |= CLASSES[usize::from(b)];
            CLASSES[usize::from(b)] & class::VALUE == 0
        });
        let plain = plain.ok_or(XmlFault::Attribute)?;
        let len = match bytes[plain] {
            b if b == quote => plain,
            _ => plain + memchr::memchr(quote, &bytes[plain..]).ok_or(XmlFault::Attribute)?,
        };
        let (written, end) = (&inside[from..from + len], from + len);
        if plain == len && (seen & class::BEYOND == 0 || all_chars(written)) {
            return Ok((end, false));
        }
        if memchr::memchr(b'<', written.as_bytes()).is_some() {
            return Err(XmlFault::Attribute);
        }
        if !all_chars(written) {
            return Err(XmlFault::Character);
        }
        self.canonical = false;
        self.normalise(written)?;
        Ok((end, true))
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

/// The name that begins at `from` and ends at the end of `inside` or before a byte that `ends` it.
fn named(inside: &str, from: usize, ends: impl Fn(u8) -> bool) -> Named {
    let bytes = &inside.as_bytes()[from..];
    let part = |at: usize| match bytes.get(at) {
        Some(&b) if CLASSES[usize::from(b)] & class::NAME_START != 0 => {
            let more = bytes[at..].iter().position(|&b| CLASSES[usize::from(b)] & class::NAME == 0);
            more.map_or(bytes.len(), |len| at + len)
        }
        _ => at,
    };
    let mut end = part(0);
    let mut prefix_len = 0;
    if end > 0 && bytes.get(end) == Some(&b':') {
        let local = part(end + 1);
        (prefix_len, end) = if local > end + 1 { (end, local) } else { (0, end) };
    }
    if end > 0 && bytes.get(end).is_none_or(|&b| ends(b)) {
        return Named { at: from..from + end, prefix_len: Some(prefix_len) };
    }
    // Not of ASCII alone, or no name.
    let end = from + bytes.iter().position(|&b| ends(b)).unwrap_or(bytes.len());
    let prefix_len = split(&inside[from..end]).ok().map(|(prefix, _)| prefix.len());
    Named { at: from..end, prefix_len }
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
        Ok(split.attributes(inside).map(|a| (a.qname.to_owned(), a.value.to_owned())).collect())
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
