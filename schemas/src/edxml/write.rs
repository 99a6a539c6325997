//! The letters of packets that we write: exactly the reference library's, because some receivers compare prefixes.
//! Root in the default namespace, everything in the envelope under the prefix `edXML`, two blanks a level, CR LF.
//! Which elements there are, and in what order: `packet/layout.rs` and `status.rs`.

use std::io::{self, Write};

use super::NAMESPACE;

/// A packet being written, up to the end of its envelope.
#[derive(Debug)]
pub(super) struct PacketText {
    text: String,
    open: Vec<&'static str>,
    exact: bool,
    unfit: Vec<(String, char)>,
}

impl PacketText {
    /// Declaration, root and envelope, open. Texts are written as they are, less the characters that XML cannot carry.
    pub(super) fn new() -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<edXML xmlns=\"{NAMESPACE}\">\r\n  \
             <edXML:edXMLEnvelope xmlns:edXML=\"{NAMESPACE}\">\r\n"
        );
        Self { text, open: Vec::new(), exact: false, unfit: Vec::new() }
    }

    /// The same, for texts that are to be read back as they were: they are trimmed, as every reader does, and
    /// characters that XML cannot carry are remembered ([`PacketText::unfit`]).
    pub(super) fn exact() -> Self {
        Self { exact: true, ..Self::new() }
    }

    /// An element of the envelope with elements in it.
    pub(super) fn within(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) {
        self.within_having(name, &[], fill);
    }

    /// The same with attributes; those that are empty are left out.
    pub(super) fn within_having(
        &mut self,
        name: &'static str,
        attributes: &[(&str, &str)],
        fill: impl FnOnce(&mut Self),
    ) {
        self.indent();
        self.text.push_str(&format!("<edXML:{name}"));
        for (attribute, value) in attributes {
            let value = self.taken(value, attribute);
            if !value.is_empty() {
                self.text.push_str(&format!(" {attribute}=\"{}\"", escaped_in_attribute(value)));
            }
        }
        self.text.push_str(">\r\n");
        self.open.push(name);
        fill(self);
        self.open.pop();
        self.indent();
        self.text.push_str(&format!("</edXML:{name}>\r\n"));
    }

    /// An element of the envelope with text in it. An exact packet has no empty one.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        let text = escaped(self.taken(text, name));
        if self.exact && text.is_empty() {
            return;
        }
        self.indent();
        self.text.push_str(&format!("<edXML:{name}>{text}</edXML:{name}>\r\n"));
    }

    /// The same, left out when the text is empty.
    pub(super) fn leaf_if_any(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.leaf(name, text);
        }
    }

    /// Elements of one name, one for each text.
    pub(super) fn leaves(&mut self, name: &str, texts: &[String]) {
        texts.iter().for_each(|text| self.leaf_if_any(name, text));
    }

    /// An element with such elements in it, left out when there are none.
    pub(super) fn within_leaves(&mut self, parent: &'static str, name: &str, texts: &[String]) {
        if texts.iter().any(|text| !text.trim().is_empty()) {
            self.within(parent, |list| list.leaves(name, texts));
        }
    }

    /// The characters that XML cannot carry, with the element or attribute that each stands in.
    pub(super) fn unfit(self) -> Vec<(String, char)> {
        self.unfit
    }

    /// The text so far, its envelope ended and its root open.
    pub(super) fn end_envelope(mut self) -> String {
        self.text.push_str("  </edXML:edXMLEnvelope>\r\n");
        self.text
    }

    fn taken<'t>(&mut self, text: &'t str, name: &str) -> &'t str {
        if !self.exact {
            return text;
        }
        if let Some(unfit) = text.chars().find(|c| !is_carried(*c)) {
            self.unfit.push((format!("{}/{name}", self.open.join("/")), unfit));
        }
        text.trim()
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len() + 2));
    }
}

/// What stands before the base64 of an attachment. `fields` are names and texts; empty ones are left out.
pub(super) fn begin_attachment(out: &mut dyn Write, fields: &[(&str, &str)]) -> io::Result<()> {
    out.write_all(b"    <Attachment>\r\n")?;
    for (name, text) in fields.iter().filter(|(_, text)| !text.is_empty()) {
        write!(out, "      <{name}>{}</{name}>\r\n", escaped(text))?;
    }
    write!(out, "      <edXML:ContentTransferEncoded xmlns:edXML=\"{NAMESPACE}\">")
}

/// What stands after it.
pub(super) const END_ATTACHMENT: &[u8] = b"</edXML:ContentTransferEncoded>\r\n    </Attachment>\r\n";

/// Whether XML 1.0 can carry a character (production 2, Char).
pub(super) const fn is_carried(c: char) -> bool {
    !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Text for element content: markup escaped, CR kept from becoming LF, and what XML 1.0 does not allow left out.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| is_carried(*c)) {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\r' => safe.push_str("&#xD;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// The same for an attribute in double quotes, where white space is kept from becoming blanks.
fn escaped_in_attribute(text: &str) -> String {
    escaped(text).replace('"', "&quot;").replace('\t', "&#x9;").replace('\n', "&#xA;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_leave_its_element() {
        assert_eq!(escaped("a<b>&]]>\r\n\u{0}\u{b}\u{ffff}\"'đ"), "a&lt;b&gt;&amp;]]&gt;&#xD;\n\"'đ");
        assert_eq!(escaped_in_attribute("\"a\r\n\t<'"), "&quot;a&#xD;&#xA;&#x9;&lt;'");
    }
}
