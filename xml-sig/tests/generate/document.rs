//! Well-formed documents with namespaces, in all the ways of writing that XML has but DOCTYPE.

use std::ops::Range;

use super::content;
use super::random::Random;

/// What a document may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Namespace URIs that need escapes, which libxml2 writes unescaped.
    pub(crate) awkward_uris: bool,
    /// Attributes `xml:id`.
    pub(crate) xml_ids: bool,
    /// Comments.
    pub(crate) comments: bool,
    /// Elements there may be.
    pub(crate) elements: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { awkward_uris: false, xml_ids: true, comments: true, elements: 24 }
    }
}

/// A comment of the document.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) range: Range<usize>,
    /// Below the root; otherwise beside it.
    pub(crate) inside: bool,
}

/// An element with an Id.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) local: String,
    /// 0 for the root.
    pub(crate) depth: usize,
}

/// A document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// The root's namespace and local name.
    pub(crate) root: (String, String),
    /// The root element.
    pub(crate) element: Range<usize>,
    /// Elements with an `Id` attribute, the root perhaps first; their Ids are unique.
    pub(crate) parts: Vec<Part>,
    pub(crate) comments: Vec<Comment>,
    /// Where the root's children begin and end: an element can be put there. Never empty.
    pub(crate) joints: Vec<usize>,
}

impl Document {
    /// The same without comments. An empty CDATA section keeps what stood on both sides of one apart, as line ends and
    /// `]]>` across it demand.
    pub(crate) fn without_comments(&self) -> String {
        let mut text = String::new();
        let mut at = 0;
        for comment in &self.comments {
            text.push_str(&self.text[at..comment.range.start]);
            text.push_str(if comment.inside { "<![CDATA[]]>" } else { "" });
            at = comment.range.end;
        }
        text + &self.text[at..]
    }

    /// The same with an element among the root's children.
    pub(crate) fn with(&self, joint: usize, element: &str) -> String {
        let (before, after) = self.text.split_at(self.joints[joint]);
        format!("{before}{element}{after}")
    }
}

/// A document of this stream.
pub(crate) fn document(random: &mut Random, settings: &Settings) -> Document {
    let mut made = Document::default();
    if random.one_in(4) {
        made.text.push('\u{FEFF}');
    }
    if random.one_in(2) {
        declaration(random, &mut made.text);
    }
    let mut writer = Writer { random, settings, made, scope: Vec::new(), left: settings.elements };
    writer.beside();
    let start = writer.made.text.len();
    writer.element(0);
    writer.made.element = start..writer.made.text.len();
    writer.beside();
    writer.made
}

fn declaration(random: &mut Random, text: &mut String) {
    text.push_str("<?xml");
    let space = content::space(random);
    text.push_str(&space);
    text.push_str(random.pick(&["version=\"1.0\"", "version='1.0'", "version = \"1.0\""]));
    text.push_str(random.pick(&[
        "",
        " encoding=\"UTF-8\"",
        "\r\nencoding='utf-8'",
        "\tencoding\n=\n'Utf-8'",
    ]));
    text.push_str(random.pick(&["", "", " standalone='yes'", " standalone=\"no\""]));
    text.push_str(&content::maybe_space(random));
    text.push_str("?>");
}

const PREFIXES: [&str; 9] = ["", "", "p", "q", "r", "ds", "a.b", "A", "\u{111}"];
const URIS: [&str; 6] =
    ["u:a", "u:b", "urn:example:c", "http://example.vn/x", "http://example.vn/x#", "u:a'b"];
/// As written, and as meant.
const AWKWARD_URIS: [(&str, &str); 3] =
    [("u:a&amp;b", "u:a&b"), ("u:a?x=1&#38;y=&lt;2", "u:a?x=1&y=<2"), ("u:&quot;q&quot;", "u:\"q\"")];
const LOCALS: [&str; 9] = ["a", "b", "c", "B", "_x", "z.1", "t-1", "t\u{EA}n", "\u{10380}"];
const XML: &str = "http://www.w3.org/XML/1998/namespace";

struct Writer<'a> {
    random: &'a mut Random,
    settings: &'a Settings,
    made: Document,
    /// Prefix and URI, innermost last.
    scope: Vec<(String, String)>,
    left: usize,
}

impl Writer<'_> {
    /// What may stand beside the root.
    fn beside(&mut self) {
        while self.random.one_in(3) {
            match self.random.below(3) {
                0 => self.comment(false),
                1 => self.made.text.push_str(&content::instruction(self.random)),
                _ => self.made.text.push_str(&content::space(self.random)),
            }
        }
    }

    fn comment(&mut self, inside: bool) {
        if self.settings.comments {
            let start = self.made.text.len();
            self.made.text.push_str(&content::comment(self.random));
            self.made.comments.push(Comment { range: start..self.made.text.len(), inside });
        }
    }

    fn element(&mut self, depth: usize) {
        self.left = self.left.saturating_sub(1);
        let outer = self.scope.len();
        let mut attributes = self.declarations();
        let prefix = self.bound_prefix(true);
        let namespace = self.uri(&prefix);
        let local = self.random.pick(&LOCALS).to_owned();
        if depth == 0 {
            self.made.root = (namespace.clone(), local.clone());
        }
        self.attributes(&mut attributes, &namespace, &local, depth);
        let name = if prefix.is_empty() { local } else { format!("{prefix}:{local}") };
        self.made.text.push('<');
        self.made.text.push_str(&name);
        while !attributes.is_empty() {
            let attribute = attributes.swap_remove(self.random.below(attributes.len()));
            let space = content::space(self.random);
            self.made.text.push_str(&space);
            self.made.text.push_str(&attribute);
        }
        let space = content::maybe_space(self.random);
        self.made.text.push_str(&space);
        if depth > 0 && self.random.one_in(5) {
            self.made.text.push_str("/>");
        } else {
            self.made.text.push('>');
            self.children(depth);
            let space = content::maybe_space(self.random);
            self.made.text.push_str(&format!("</{name}{space}>"));
        }
        self.scope.truncate(outer);
    }

    fn children(&mut self, depth: usize) {
        let count = if depth == 0 { 2 + self.random.below(8) } else { self.random.below(6) };
        for _ in 0..count {
            if depth == 0 {
                self.made.joints.push(self.made.text.len());
            }
            match self.random.below(10) {
                0..=3 if self.left > 0 && depth < 7 => self.element(depth + 1),
                4 => self.made.text.push_str(&content::cdata(self.random)),
                5 => self.comment(true),
                6 => self.made.text.push_str(&content::instruction(self.random)),
                // Text behind text could make `]]>`, or CRLF of two line ends.
                _ if self.made.text.ends_with(['>', ';']) => {
                    self.made.text.push_str(&content::text(self.random))
                }
                _ => {}
            }
        }
        if depth == 0 {
            self.made.joints.push(self.made.text.len());
        }
    }

    /// Namespace declarations, which come into scope.
    fn declarations(&mut self) -> Vec<String> {
        let mut written: Vec<String> = Vec::new();
        let mut prefixes: Vec<&str> = Vec::new();
        while self.random.one_in(2) {
            let prefix = self.random.pick(&PREFIXES);
            if prefixes.contains(&prefix) {
                continue;
            }
            prefixes.push(prefix);
            let (uri, meant) = match self.random.below(8) {
                0 if prefix.is_empty() => ("", ""),
                1 | 2 if self.settings.awkward_uris => AWKWARD_URIS[self.random.below(AWKWARD_URIS.len())],
                _ => [self.random.pick(&URIS); 2].into(),
            };
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            let quote = if uri.contains('\'') || self.random.one_in(2) { '"' } else { '\'' };
            written.push(format!("{name}{}{quote}{uri}{quote}", self.equals()));
            self.scope.push((prefix.to_owned(), meant.to_owned()));
        }
        if self.random.one_in(40) {
            written.push(format!("xmlns:xml=\"{XML}\""));
        }
        written
    }

    fn attributes(&mut self, written: &mut Vec<String>, namespace: &str, local: &str, depth: usize) {
        if self.random.one_in(3) {
            let id = format!("e{}", self.made.parts.len());
            written.push(format!("Id{}\"{id}\"", self.equals()));
            let (namespace, local) = (namespace.to_owned(), local.to_owned());
            self.made.parts.push(Part { id, namespace, local, depth });
        }
        let mut names: Vec<(String, &str)> = Vec::new();
        while self.random.one_in(2) {
            let prefix = self.bound_prefix(false);
            let namespace = if prefix.is_empty() { String::new() } else { self.uri(&prefix) };
            let expanded = (namespace, self.random.pick(&LOCALS));
            if names.contains(&expanded) {
                continue;
            }
            let name =
                if prefix.is_empty() { expanded.1.to_owned() } else { format!("{prefix}:{}", expanded.1) };
            let equals = self.equals();
            written.push(format!("{name}{equals}{}", content::value(self.random)));
            names.push(expanded);
        }
        for (name, values) in [
            ("xml:lang", ["vi", "en", ""]),
            ("xml:space", ["preserve", "default", "default"]),
            ("xml:base", ["http://example.vn/", "x", ""]),
        ] {
            if self.random.one_in(8) {
                let value = self.random.pick(&values);
                written.push(format!("{name}{}'{value}'", self.equals()));
            }
        }
        if self.settings.xml_ids && self.random.one_in(16) {
            // An NCName, unique: the document has fewer bytes than that at every other element.
            written.push(format!("xml:id=\"x{}\"", self.made.text.len()));
        }
    }

    fn equals(&mut self) -> String {
        format!("{}={}", content::maybe_space(self.random), content::maybe_space(self.random))
    }

    /// A prefix in scope. Attributes without one are in no namespace, whatever the default is.
    fn bound_prefix(&mut self, of_element: bool) -> String {
        if self.scope.is_empty() || self.random.one_in(3) {
            return String::new();
        }
        let (prefix, _) = self.scope[self.random.below(self.scope.len())].clone();
        if of_element || !prefix.is_empty() { prefix } else { String::new() }
    }

    fn uri(&self, prefix: &str) -> String {
        let bound = self.scope.iter().rev().find(|(bound, _)| bound == prefix);
        bound.map_or_else(String::new, |(_, uri)| uri.clone())
    }
}
