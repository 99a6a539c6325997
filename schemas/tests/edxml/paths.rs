//! Whatever is wrong with a packet, findings and rejections point at an element that is there, and say what stands in
//! it. The places are looked up in a second, plain reading of the same bytes.

use lienthong_schemas::edxml::Finding;
use lienthong_schemas::safe_text::SafeText;
use proptest::prelude::*;
use proptest::sample::Index;
use xml_sig::{Limits, Name, Observer, ReadOptions, StartTag, Stop};

use super::read;

const NS: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// Every element of a document packet that is read, most of them once, what may repeat twice.
const RICH: &str = include_str!("rich.xml");

/// The same of a status packet.
const STATUS: &str = r#"<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader><edXML:MessageHeader><edXML:From><edXML:OrganId>H55.16</edXML:OrganId><edXML:OrganizationInCharge>UBND tỉnh Mẫu</edXML:OrganizationInCharge><edXML:OrganName>Sở Khác</edXML:OrganName><edXML:OrganAdd>Số 2</edXML:OrganAdd><edXML:Email>b@example.vn</edXML:Email><edXML:Telephone>0208</edXML:Telephone><edXML:Fax>0208</edXML:Fax><edXML:Website>example.vn</edXML:Website></edXML:From><edXML:ResponseFor><edXML:OrganId>H55.15</edXML:OrganId><edXML:Code>12/STN-VP</edXML:Code><edXML:DocumentId>H55.15,2026/01/02,12/STN-VP</edXML:DocumentId><edXML:PromulgationDate>2026/01/02</edXML:PromulgationDate></edXML:ResponseFor><edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Trần Mẫu</edXML:Staff><edXML:Email>d@example.vn</edXML:Email><edXML:Mobile>0900</edXML:Mobile></edXML:StaffInfo><edXML:StatusCode>02</edXML:StatusCode><edXML:Description>Thiếu phụ lục</edXML:Description><edXML:Timestamp>2026/01/02 08:00:00</edXML:Timestamp></edXML:MessageHeader></edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>"#;

#[derive(Clone, Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

#[derive(Default)]
struct Plain {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Observer for Plain {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop> {
        let attributes =
            tag.attributes.iter().map(|a| (a.name.local.to_owned(), a.value.to_owned())).collect();
        self.open.push(Element { name: tag.name.local.to_owned(), attributes, ..Element::default() });
        Ok(())
    }

    fn text(&mut self, chunk: &str) -> Result<(), Stop> {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(chunk);
        }
        Ok(())
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        let mut element = self.open.pop().expect("an end has a start");
        if !element.children.is_empty() {
            element.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }
}

impl Element {
    fn parse(bytes: &[u8]) -> Self {
        let mut plain = Plain::default();
        let options = ReadOptions { limits: &Limits::default(), initial_namespaces: &[] };
        xml_sig::read(&mut &bytes[..], &options, &mut plain).expect("well-formed");
        plain.root.expect("a root")
    }

    fn write(&self, to: &mut String) {
        to.push_str(&format!("<{}", self.name));
        for (name, value) in &self.attributes {
            to.push_str(&format!(" {name}=\"{value}\""));
        }
        to.push_str(&format!(">{}", self.text.replace('&', "&amp;").replace('<', "&lt;")));
        self.children.iter().for_each(|child| child.write(to));
        to.push_str(&format!("</{}>", self.name));
    }

    fn to_xml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text.replacen("<edXML", &format!("<edXML xmlns=\"{NS}\""), 1)
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty() && self.children.iter().all(Self::is_blank)
    }

    /// The places of all elements below, as child numbers.
    fn places(&self) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        for (n, child) in self.children.iter().enumerate() {
            all.push(vec![n]);
            all.extend(child.places().into_iter().map(|below| [&[n][..], &below].concat()));
        }
        all
    }

    fn parent_of(&mut self, place: &[usize]) -> &mut Self {
        place[..place.len() - 1].iter().fold(self, |at, n| &mut at.children[*n])
    }

    fn step(&self, step: &str) -> Vec<&Self> {
        let (name, number) = match step.strip_suffix(']').and_then(|s| s.split_once('[')) {
            Some((name, number)) => (name, number.parse().ok()),
            None => (step, None::<usize>),
        };
        let alias = match name {
            "MessageHeader" => "Status",
            "edXMLManifest" => "Manifest",
            "Position" => "Function",
            _ => name,
        };
        let like: Vec<&Self> = self.children.iter().filter(|c| c.name == name || c.name == alias).collect();
        match number {
            Some(n) => like.get(n - 1).copied().into_iter().collect(),
            None => like,
        }
    }

    /// The elements at a path, with how many of its steps are there.
    fn at(&self, path: &str) -> (Vec<&Self>, usize, usize) {
        if path == self.name {
            return (vec![self], 1, 1);
        }
        let steps: Vec<&str> = path.split('/').collect();
        let envelope = self.step("edXMLEnvelope").first().copied();
        let mut at = vec![self];
        for (n, step) in steps.iter().enumerate() {
            if let Some(name) = step.strip_prefix('@') {
                let there = at.iter().any(|e| e.attributes.iter().any(|(a, _)| a.ends_with(name)));
                return (at, if there { steps.len() } else { n }, steps.len());
            }
            let mut next: Vec<&Self> = at.iter().flat_map(|e| e.step(step)).collect();
            if n == 0 && next.is_empty() {
                next = envelope.map_or(Vec::new(), |envelope| envelope.step(step));
            }
            if next.is_empty() {
                return (at, n, steps.len());
            }
            at = next;
        }
        (at, steps.len(), steps.len())
    }
}

const ODD: &[&str] = &[
    "",
    " ",
    "null",
    "  x ",
    "2014/02/30",
    "28/09/2018",
    "2018-09-28T10:00:00Z",
    "-1",
    "99",
    "1",
    "0",
    "3",
    "h55.15",
    "vxp.saas.02",
    "H03.12",
    "${slot}",
    "cid:cid:1",
    "a\u{200b}b",
    "a\u{202e}b",
    "Quye\u{302}\u{301}t định",
    "QuyÕt ®Þnh vÒ viÖc",
    "../../x.exe",
];

#[derive(Clone, Debug)]
enum Change {
    BlankBefore,
    Twice,
    Gone,
    Text(&'static str),
    Long,
    First,
    UnknownBefore,
    Renamed,
}

fn changes() -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change = prop_oneof![
        Just(Change::BlankBefore),
        Just(Change::Twice),
        Just(Change::Gone),
        proptest::sample::select(ODD).prop_map(Change::Text),
        proptest::sample::select(ODD).prop_map(Change::Text),
        Just(Change::Long),
        Just(Change::First),
        Just(Change::UnknownBefore),
        Just(Change::Renamed),
    ];
    proptest::collection::vec((any::<Index>(), change), 1..5)
}

fn apply(root: &mut Element, at: Index, change: &Change) {
    let places = root.places();
    if places.is_empty() {
        return;
    }
    let place = at.get(&places);
    let parent = root.parent_of(place);
    let n = place[place.len() - 1];
    let element = parent.children[n].clone();
    match change {
        Change::BlankBefore => {
            parent.children.insert(n, Element { name: element.name, ..Element::default() });
        }
        Change::Twice => parent.children.insert(n, element),
        Change::Gone => drop(parent.children.remove(n)),
        Change::Text(text) if element.children.is_empty() => (*text).clone_into(&mut parent.children[n].text),
        Change::Long if element.children.is_empty() => parent.children[n].text = "dài ".repeat(200),
        Change::Text(_) | Change::Long => {}
        Change::First => {
            let moved = parent.children.remove(n);
            parent.children.insert(0, moved);
        }
        Change::UnknownBefore => {
            parent.children.insert(n, Element { name: "La".into(), text: "lạ".into(), ..Element::default() });
        }
        Change::Renamed => parent.children[n].name = "Khac".into(),
    }
}

/// What these speak of is not there, or is empty.
fn is_of_absence(code: &str) -> bool {
    code.ends_with("_MISSING") || ["ATTACHMENT_EMPTY", "KIND_UNCLEAR"].contains(&code)
}

/// Their detail is the text of the element.
fn quotes(finding: Finding) -> bool {
    use Finding::{DateForm, DateUnreadable, NumberUnreadable, OrganIdCase, OrganIdPattern, ValueUnknown};
    [DateForm, DateUnreadable, NumberUnreadable, OrganIdCase, OrganIdPattern, ValueUnknown].contains(&finding)
}

/// The place is there, and for what is absent its parent; what is said to be lacking in it does.
fn check_place(
    root: &Element,
    code: &str,
    field: &str,
    detail: &str,
    xml: &str,
) -> Result<(), TestCaseError> {
    let (found, there, steps) = root.at(field);
    if is_of_absence(code) {
        let empty = found.iter().any(|e| e.is_blank() || ["", "null"].contains(&e.text.trim()));
        prop_assert!(
            there < steps || empty || code == "KIND_UNCLEAR",
            "{code} at {field}: it is there\n{xml}"
        );
    } else {
        prop_assert!(there == steps, "{code} at {field}: no such place\n{xml}");
    }
    if code == "FIELD_ABSENT" {
        for name in detail.split(", ") {
            let there = found.iter().any(|e| !e.step(name).is_empty());
            prop_assert!(!there, "{code} at {field}: {name} is there\n{xml}");
        }
    }
    Ok(())
}

#[test]
fn packets_with_every_element_have_nothing_odd() {
    for packet in [RICH, STATUS] {
        let (envelope, repaired) = read(packet.as_bytes()).expect("a packet");
        let remarks = envelope.claimed_content().findings.remarks();
        assert!(remarks.is_empty() && !repaired, "{remarks:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn findings_point_at_what_is_there(packet in proptest::sample::select(&[RICH, RICH, STATUS][..]), changes in changes()) {
        let mut root = Element::parse(packet.as_bytes());
        root.attributes.clear();
        for (at, change) in &changes {
            apply(&mut root, *at, change);
        }
        let xml = root.to_xml();
        let root = Element::parse(xml.as_bytes());
        match read(xml.as_bytes()) {
            Ok((envelope, _)) => {
                for remark in envelope.claimed_content().findings.remarks() {
                    check_place(&root, remark.finding.code(), &remark.field, &remark.detail, &xml)?;
                    if quotes(remark.finding) && !remark.detail.is_empty() {
                        let (found, ..) = root.at(&remark.field);
                        let said = found.iter().any(|e| SafeText::new(e.text.trim()).cut(400).into_string() == remark.detail);
                        prop_assert!(said, "{} at {}: {}\n{xml}", remark.finding, remark.field, remark.detail);
                    }
                }
            }
            Err(rejection) => {
                for (code, field) in std::iter::once((rejection.code, &rejection.field))
                    .chain(rejection.also.iter().map(|also| (also.code, &also.field)))
                {
                    if let Some(field) = field {
                        check_place(&root, code.row().name, field, "", &xml)?;
                    }
                }
            }
        }
    }
}
