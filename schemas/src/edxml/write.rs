//! The layout of packets that we write: exactly the reference library's, because some receivers compare prefixes.
//! Root in the default namespace, everything in the envelope under the prefix `edXML`, two blanks a level, CR LF.

use super::NAMESPACE;

/// A packet being written, up to the end of its envelope.
#[derive(Debug)]
pub(super) struct PacketText {
    text: String,
    open: Vec<&'static str>,
}

impl PacketText {
    /// Declaration, root and envelope, open.
    pub(super) fn new() -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<edXML xmlns=\"{NAMESPACE}\">\r\n  \
             <edXML:edXMLEnvelope xmlns:edXML=\"{NAMESPACE}\">\r\n"
        );
        Self { text, open: Vec::new() }
    }

    /// An element of the envelope with elements in it.
    pub(super) fn within(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) {
        self.indent();
        self.text.push_str(&format!("<edXML:{name}>\r\n"));
        self.open.push(name);
        fill(self);
        self.open.pop();
        self.indent();
        self.text.push_str(&format!("</edXML:{name}>\r\n"));
    }

    /// An element of the envelope with text in it.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.indent();
        self.text.push_str(&format!("<edXML:{name}>{}</edXML:{name}>\r\n", escaped(text)));
    }

    /// The same, left out when the text is empty.
    pub(super) fn leaf_if_any(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.leaf(name, text);
        }
    }

    /// The text so far, its envelope ended and its root open.
    pub(super) fn end_envelope(mut self) -> String {
        self.text.push_str("  </edXML:edXMLEnvelope>\r\n");
        self.text
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len() + 2));
    }
}

/// Text for element content: markup escaped, CR kept from becoming LF, and what XML 1.0 does not allow left out.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\r' => safe.push_str("&#xD;"),
            '\t' | '\n' => safe.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_leave_its_element() {
        assert_eq!(escaped("a<b>&]]>\r\n\u{0}\u{b}\u{ffff}\"'đ"), "a&lt;b&gt;&amp;]]&gt;&#xD;\n\"'đ");
    }
}
