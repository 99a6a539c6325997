//! Packets that are accepted and hold as much that is odd as the limits let pass: reading them must take time in proportion
//! to their length, and little memory.

use super::bombs::{before_subject, instead, letter, with_attachments};

/// A packet that must be accepted.
pub(crate) struct Crowd {
    /// What it is.
    pub(crate) name: &'static str,
    /// Makes it.
    pub(crate) make: fn() -> Vec<u8>,
}

const fn crowd(name: &'static str, make: fn() -> Vec<u8>) -> Crowd {
    Crowd { name, make }
}

const FOLLOWS: &str = "<edXML:DocumentId>";

/// All of them.
pub(crate) const CROWDS: &[Crowd] = &[
    crowd("4,999 odd receivers", || {
        let one = |n| {
            format!(
                "<edXML:To><edXML:Website> x </edXML:Website><edXML:OrganName> Së Néi vô {n}\u{200b}</edXML:OrganName>\
                 <edXML:OrganId>odd-{n}</edXML:OrganId><x/></edXML:To>"
            )
        };
        let all: String = (0..4_999).map(one).collect();
        instead(FOLLOWS, &format!("{all}{FOLLOWS}"))
    }),
    crowd("20,000 odd places in a trace", || {
        let hop = |n| {
            format!(
                "<edXML:TraceHeader><edXML:Timestamp>31/02/{n}</edXML:Timestamp><edXML:OrganId>null</edXML:OrganId></edXML:TraceHeader>"
            )
        };
        let all: String = (0..20_000).map(hop).collect();
        let list = format!("<edXML:TraceHeaderList>{all}</edXML:TraceHeaderList></edXML:edXMLHeader>");
        instead("</edXML:edXMLHeader>", &list)
    }),
    crowd("20,000 replaced documents", || {
        let one = |n| {
            format!(
                "<edXML:ReplacementInfo><edXML:DocumentId>{}</edXML:DocumentId></edXML:ReplacementInfo>",
                n % 10_000
            )
        };
        let all: String = (0..19_999).map(one).collect();
        let list = format!(
            "<edXML:TraceHeaderList><edXML:Bussiness><edXML:BussinessDocType>3</edXML:BussinessDocType>\
             <edXML:ReplacementInfoList>{all}</edXML:ReplacementInfoList></edXML:Bussiness></edXML:TraceHeaderList>\
             </edXML:edXMLHeader>"
        );
        instead("</edXML:edXMLHeader>", &list)
    }),
    crowd("20,000 references that match nothing", || {
        let one = |n| format!("<edXML:Reference><edXML:ContentId>{n}</edXML:ContentId></edXML:Reference>");
        let all: String = (0..20_000).map(one).collect();
        let body = format!(
            "</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest>{all}</edXML:edXMLManifest></edXML:edXMLBody>"
        );
        instead("</edXML:edXMLHeader>", &body)
    }),
    crowd("a million unknown elements", || before_subject(&"<x a=''>b</x>".repeat(1_000_000))),
    crowd("a million unknown elements in one", || {
        before_subject(&format!("<x>{}</x>", "<y a=''>b</y>".repeat(1_000_000)))
    }),
    crowd("1,000 attachments of one name and id", || {
        with_attachments(
            1_000,
            "<Attachment><ContentId>cid:cid:1</ContentId><AttachmentName>../con.exe\u{202e}</AttachmentName>\
             <ContentType>application/pdf</ContentType><ContentTransferEncoded>TVqQAA==</ContentTransferEncoded>\
             </Attachment>",
        )
    }),
    crowd("10 MB of base64 with a strange letter in each line", || {
        let text = format!("{}*\n", "QUJD".repeat(19)).repeat((10 << 20) / 78);
        let attachment = format!(
            "<Attachment><AttachmentName>a.txt</AttachmentName><ContentTransferEncoded>{text}\
             </ContentTransferEncoded></Attachment>"
        );
        with_attachments(1, &attachment)
    }),
    crowd("8 MB of text in an old encoding", || long_texts("C«ng v¨n sè ®Õn cña Së Néi vô ")),
    crowd("8 MB of combining letters", || long_texts("Vie\u{323}\u{302}t ".repeat(8).as_str())),
    crowd("8 MB of invisible letters", || long_texts("\u{200b}\u{202e}\u{feff}")),
    crowd("8 MB of one letter with marks", || long_texts("\u{323}\u{301}\u{302}")),
    crowd("8 MB of VIQR", || long_texts("Vie^.t Nam ddo^`ng y' ")),
];

/// Many receivers with long names: as much text as a packet may have.
fn long_texts(text: &str) -> Vec<u8> {
    let name = format!("S{}", text.repeat((60 << 10) / text.len()));
    let one = |n| {
        format!(
            "<edXML:To><edXML:OrganId>H56.{n}</edXML:OrganId><edXML:OrganName>{name}</edXML:OrganName></edXML:To>"
        )
    };
    let all: String = (0..8_300_000 / name.len()).map(one).collect();
    let long = letter().with_raw(FOLLOWS, &format!("{all}{FOLLOWS}"));
    long.to_bytes().expect("the builder holds what is replaced")
}
