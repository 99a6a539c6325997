//! The one table of characters that are not seen or that change how others are seen. `safe_text` escapes all of them;
//! `oddities` tells which kind a text holds.

/// Why a character is not printed as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// A control character (Cc): line ends and tabs too.
    Control,
    /// Drawn as nothing, or as a line's end: format characters (Cf), fillers, variation selectors, tags,
    /// noncharacters.
    Invisible,
    /// Turns the direction of what stands around it (UAX #9: marks, embeddings, overrides, isolates).
    Bidi,
    /// Private use (Co): drawn as another thing on every machine.
    Private,
}

/// What hides in a character, if anything (Unicode 16).
pub const fn hidden(c: char) -> Option<Hidden> {
    let hidden = match c {
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Hidden::Control,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Hidden::Bidi
        }
        // Soft hyphen, grapheme joiner, Hangul fillers, Khmer and Mongolian invisibles.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => Hidden::Invisible,
        '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}' => Hidden::Invisible,
        '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' => Hidden::Invisible,
        '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' => Hidden::Invisible,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => Hidden::Invisible,
        '\u{fdd0}'..='\u{fdef}' => Hidden::Invisible,
        '\u{e000}'..='\u{f8ff}' => Hidden::Private,
        // Musical and shorthand format characters, tags and variation selectors.
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => Hidden::Invisible,
        '\u{e0000}'..='\u{effff}' => Hidden::Invisible,
        _ if c as u32 & 0xfffe == 0xfffe => Hidden::Invisible,
        '\u{f0000}'..='\u{10ffff}' => Hidden::Private,
        _ => return None,
    };
    Some(hidden)
}
