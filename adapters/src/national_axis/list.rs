//! `getReceivedEdocList`: what waits, line by line. A line is taken for what it says of itself; one that is odd is counted,
//! and hinders no other. No I/O.

use std::collections::HashSet;
use std::fmt;

use lienthong_pipeline::ports::{AxisDocId, AxisEntry, AxisList};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Longest code that is taken over from a list, in bytes.
const CODE_BYTES_MAX: usize = 128;

/// `data` of the answer; `None` when it is no array.
pub(super) struct Lines(Option<Vec<Line>>);

/// One line, as far as it is needed.
#[derive(Default)]
struct Line {
    id: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Lines {
    /// The list, each id once, at its first place; `None` when there is none.
    pub(super) fn list(self) -> Option<AxisList> {
        let mut list = AxisList::default();
        let mut seen = HashSet::new();
        for line in self.0? {
            let Some(id) = line.id.as_deref().and_then(AxisDocId::parse) else {
                list.broken += 1;
                continue;
            };
            if seen.insert(id.clone()) {
                let code =
                    |text: Option<String>| text.filter(|t| t.len() <= CODE_BYTES_MAX).unwrap_or_default();
                list.entries.push(AxisEntry { id, from: code(line.from), to: code(line.to) });
            }
        }
        Some(list)
    }
}

/// What takes any JSON value and makes nothing of it.
macro_rules! nothing_else {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }
    };
}

fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Lines;

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = seq.next_element()? {
                    lines.push(line);
                }
                Ok(Lines(Some(lines)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Lines, A::Error> {
                skip_map(map).map(|()| Lines(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<Lines, E> {
                Ok(Lines(None))
            }
            nothing_else!(Lines(None));
        }
        deserializer.deserialize_any(Each)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Line;

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let (mut line, mut twice) = (Line::default(), false);
                while let Some(name) = map.next_key::<String>()? {
                    let place = match name.as_str() {
                        "docId" => &mut line.id,
                        "from" => &mut line.from,
                        "to" => &mut line.to,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let Text(text) = map.next_value()?;
                    twice |= place.is_some();
                    *place = text;
                }
                Ok(if twice { Line::default() } else { line })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Line, A::Error> {
                skip_seq(seq).map(|()| Line::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<Line, E> {
                Ok(Line::default())
            }
            nothing_else!(Line::default());
        }
        deserializer.deserialize_any(Each)
    }
}

/// A text; whatever else stands in its place is none.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Text;

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Text, A::Error> {
                skip_seq(seq).map(|()| Text(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                skip_map(map).map(|()| Text(None))
            }
            nothing_else!(Text(None));
        }
        deserializer.deserialize_any(Each)
    }
}
