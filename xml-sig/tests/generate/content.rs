//! The pieces of a document: text, attribute values, CDATA sections, comments, instructions and white space, each with
//! what makes canonicalisation hard.

use super::random::Random;

/// Characters that stand as they are, in text and in values.
const PLAIN: [&str; 18] = [
    "a",
    "1000",
    "\u{1EE6}y ban nh\u{E2}n d\u{E2}n",
    "e\u{302}\u{301}",
    "\u{1F600}",
    "\u{10FFFD}",
    "\u{FFFD}",
    "\u{FEFF}",
    "\u{85}",
    "\u{2028}",
    "\u{7F}",
    "x=y",
    "-->",
    "?>",
    ">",
    "]",
    "/",
    "--",
];
const REFERENCES: [&str; 19] = [
    "&lt;",
    "&gt;",
    "&amp;",
    "&quot;",
    "&apos;",
    "&#9;",
    "&#10;",
    "&#xA;",
    "&#13;",
    "&#xD;",
    "&#x20;",
    "&#38;",
    "&#x3c;",
    "&#62;",
    "&#x22;",
    "&#xd;&#xa;",
    "&#x1F600;",
    "&#0000065;",
    "&amp;amp;",
];
const WHITE: [&str; 8] = [" ", "\t", "\n", "\r\n", "\r", "  ", "\r\r\n", "\n\r"];

/// White space in markup: one piece or several.
pub(crate) fn space(random: &mut Random) -> String {
    let mut space = String::from(if random.one_in(4) { random.pick(&WHITE) } else { " " });
    while random.one_in(6) {
        space.push_str(random.pick(&WHITE));
    }
    space
}

/// White space where there need be none.
pub(crate) fn maybe_space(random: &mut Random) -> String {
    if random.one_in(8) { space(random) } else { String::new() }
}

fn piece(random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => random.pick(&REFERENCES),
        1 => random.pick(&WHITE),
        _ => random.pick(&PLAIN),
    }
}

/// Character data, without `]]>`.
pub(crate) fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(5) {
        match random.below(12) {
            0 => text.push_str(random.pick(&["\"", "'", "]]", "]]&gt;", "]] >"])),
            _ => text.push_str(piece(random)),
        }
    }
    text.replace("]]>", "]]&gt;")
}

/// An attribute value in quotes of either kind.
pub(crate) fn value(random: &mut Random) -> String {
    let quote = if random.one_in(3) { '\'' } else { '"' };
    let mut value = String::from(quote);
    for _ in 0..random.below(4) {
        match random.below(10) {
            0 => value.push(if quote == '"' { '\'' } else { '"' }),
            _ => value.push_str(piece(random)),
        }
    }
    value.push(quote);
    value
}

/// A CDATA section.
pub(crate) fn cdata(random: &mut Random) -> String {
    const INSIDE: [&str; 14] = [
        "<",
        "&",
        ">",
        "]]",
        "]",
        "\r\n",
        "\r",
        "<!--",
        "<![CDATA[",
        "&amp;",
        "&#13;",
        "\u{1EE6}",
        "--",
        "?>",
    ];
    let mut inside = String::new();
    for _ in 0..random.below(5) {
        inside.push_str(if random.one_in(2) { random.pick(&INSIDE) } else { random.pick(&PLAIN) });
    }
    format!("<![CDATA[{}]]>", inside.replace("]]>", "]] >"))
}

/// A comment.
pub(crate) fn comment(random: &mut Random) -> String {
    const INSIDE: [&str; 9] = ["<", "&", "-", "- ", "\r\n", "\r", "<a>", "]]>", "&lt;"];
    let mut inside = String::new();
    for _ in 0..random.below(4) {
        inside.push_str(if random.one_in(2) { random.pick(&INSIDE) } else { random.pick(&PLAIN) });
    }
    while inside.contains("--") {
        inside = inside.replace("--", "- ");
    }
    let end = if inside.ends_with('-') { " " } else { "" };
    format!("<!--{inside}{end}-->")
}

/// A processing instruction, with data or without.
pub(crate) fn instruction(random: &mut Random) -> String {
    const INSIDE: [&str; 8] = ["<", "&", "?", " ? >", "\r\n", "\r", "&lt;", "a=\"b\""];
    let target = random.pick(&["p", "xml-stylesheet", "q.1", "\u{111}\u{1ED9}", "_"]);
    let mut inside = String::new();
    if !random.one_in(4) {
        inside.push_str(&space(random));
        for _ in 0..random.below(4) {
            inside.push_str(if random.one_in(2) { random.pick(&INSIDE) } else { random.pick(&PLAIN) });
        }
    }
    format!("<?{target}{}?>", inside.replace("?>", "? >"))
}
