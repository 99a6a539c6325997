//! Where an engine is known to be wrong, or to know less than another: what is listed here is counted, and no
//! disagreement. Each entry says why. Those of xml-sig are limits of its profile, and refusals always.

use super::tokens::{Kind, attributes, tokens};

/// Who signs and verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Engine {
    Ours,
    Bergshamra,
    Xmlsec1,
}

/// One gap of one engine.
pub(crate) struct Gap {
    pub(crate) engine: Engine,
    pub(crate) why: &'static str,
    /// Whether the document (and what the engine said of it) is such a case.
    pub(crate) fits: fn(document: &str, said: &str) -> bool,
}

/// All of them.
pub(crate) const GAPS: &[Gap] = &[
    Gap {
        engine: Engine::Ours,
        why: "Canonical XML 1.1 below xml:base is not in the profile",
        fits: |_, said| said.contains("unusable algorithm: Canonical XML 1.1 of "),
    },
    Gap {
        engine: Engine::Ours,
        why: "no part of a document is digested in more than so many ways at once (Limits::digests)",
        fits: |_, said| said.contains("invalid limit: more than ") && said.contains(" digests of one part"),
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "xmlsec1 1.2 has no RSASSA-PSS (RFC 6931 section 2.3.10)",
        fits: |document, _| document.contains("-rsa-MGF1"),
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "libxml2 2.9 writes namespace URIs unescaped into a canonical form (Canonical XML 1.0 section 2.3 \
              has them written as attributes)",
        fits: |document, _| {
            any_attribute(document, |name, value| name.starts_with("xmlns") && value.contains('&'))
        },
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "libxml2 2.9 takes a namespace name that it cannot read as a URI (other characters, no number as port) \
              for a relative one, anywhere in the document",
        fits: |document, _| {
            any_attribute(document, |name, value| name.starts_with("xmlns") && !is_uri(value))
        },
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "libxml2 2.9 joins every xml:base in Canonical XML 1.1, and drops empty ones (section 2.4 says so only \
              of an apex)",
        fits: |document, _| document.contains("/xml-c14n11") && document.contains("xml:base"),
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "xmlsec1 1.2 takes what is between two spaces of a PrefixList for #default (Exclusive C14N section 3: \
              a list, delimited by white space)",
        fits: |document, _| {
            any_attribute(document, |name, value| {
                name == "PrefixList"
                    && value.trim_matches(['"', '\'']).split(' ').any(str::is_empty)
                    && value.len() > 2
            })
        },
    },
    Gap {
        engine: Engine::Xmlsec1,
        why: "xmlsec1 wants every Id in the document to be unique, named by a Reference or not",
        fits: |document, _| twin_id_unnamed(document),
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "bergshamra wants every Id in the document to be unique, named by a Reference or not",
        fits: |document, said| said.contains("duplicate ID") && twin_id_unnamed(document),
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "uppsala 0.12 keeps TAB, LF and CR of attribute values (XML 1.0 section 3.3.3 makes spaces of them)",
        fits: |document, _| any_attribute(document, |_, value| value.contains(['\t', '\n', '\r'])),
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "uppsala 0.12 keeps CR in text with references, in comments and instructions (XML 1.0 section 2.11)",
        fits: |document, _| document.contains('\r'),
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "bergshamra 0.11 takes an xml:id for two Ids of one element when it signs",
        fits: |document, said| {
            said.contains("does not sign: ")
                && said.contains("duplicate ID: x")
                && document.contains("xml:id")
        },
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "bergshamra 0.11 has an apex inherit xml:id in Canonical XML 1.1 (section 2.4 forbids it)",
        fits: |document, _| document.contains("/xml-c14n11") && document.contains("xml:id"),
    },
    Gap {
        engine: Engine::Bergshamra,
        why: "bergshamra 0.11 reads a value as far as a CDATA section in it only",
        fits: |document, _| section_in_value(document),
    },
];

/// The first gap that a disagreement falls into.
pub(crate) fn gap(engine: Engine, document: &str, said: &str) -> Option<usize> {
    GAPS.iter().position(|gap| gap.engine == engine && (gap.fits)(document, said))
}

/// A value in its quotes is a URI as libxml2 reads one: no character of another kind, and a port is a number, not empty.
fn is_uri(value: &str) -> bool {
    let inside = &value[1..value.len() - 1];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=".contains(&byte);
    let authority =
        inside.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let port = authority.and_then(|authority| authority.split_once(':')).map(|(_, port)| port);
    inside.bytes().all(plain) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// An Id stands twice, and no Reference names it.
fn twin_id_unnamed(document: &str) -> bool {
    let mut ids = Vec::new();
    any_attribute(document, |name, value| {
        if matches!(name, "Id" | "ID" | "id" | "xml:id") {
            ids.push(resolved(&value[1..value.len() - 1]));
        }
        false
    });
    let named =
        |id: &str| document.contains(&format!("URI=\"#{id}\"")) || document.contains(&format!("URI='#{id}'"));
    ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id) && !named(id))
}

/// A value with its hexadecimal references, the only ones that mutants have in an Id, resolved.
fn resolved(value: &str) -> String {
    let mut parts = value.split("&#x");
    let mut resolved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once(';').unwrap_or(("", part));
        resolved.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
        resolved.push_str(rest);
    }
    resolved
}

/// A CDATA section in DigestValue or SignatureValue.
fn section_in_value(document: &str) -> bool {
    ["DigestValue", "SignatureValue"]
        .iter()
        .any(|local| document.split(local).skip(1).step_by(2).any(|value| value.contains("<![CDATA[")))
}

fn any_attribute(document: &str, mut fits: impl FnMut(&str, &str) -> bool) -> bool {
    let octets = document.as_bytes();
    tokens(octets).iter().filter(|token| matches!(token.kind, Kind::Start | Kind::Empty)).any(|tag| {
        attributes(octets, &tag.range)
            .into_iter()
            .any(|(name, value)| fits(&document[name], &document[value]))
    })
}
