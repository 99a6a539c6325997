//! What is taken although it is not written as it should be, and all the errors of a packet that is refused.

use lienthong_schemas::edxml::{Content, DocumentBuilder, EdxmlLimits, Envelope, Findings, UnknownElement};
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::producers::{MESSAGE, NS, PDF, dotnet, whole_document, whole_status};
use super::{built, codes, letter, read, remarks};

fn taken(packet: &str) -> Envelope {
    read(packet.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {packet}")).0
}

fn changed(whole: &str, old: &str, new: &str) -> String {
    assert!(whole.contains(old), "{old}");
    whole.replacen(old, new, 1)
}

#[test]
fn a_byte_order_mark_is_taken() {
    let packet = format!("\u{feff}{}", whole_document());
    let (envelope, repaired) = read(packet.as_bytes()).expect("a packet");
    assert!(!repaired && remarks(&envelope).is_empty());
}

#[test]
fn the_same_text_twice_counts_once() {
    let whole = whole_document();
    for (text, again) in [
        ("<edXML:OrganId>H55.15</edXML:OrganId>", "<edXML:OrganId>H55.15</edXML:OrganId>"),
        ("<edXML:Subject>V/v thử nghiệm</edXML:Subject>", "<edXML:Subject/>"),
        ("<edXML:Fax>0208 2</edXML:Fax>", "<edXML:Fax>\n</edXML:Fax>"),
        ("<edXML:Priority>0</edXML:Priority>", "<edXML:Priority>0</edXML:Priority>"),
    ] {
        for both in [format!("{text}{again}"), format!("{again}{text}")] {
            let (envelope, _) = read(changed(&whole, text, &both).as_bytes()).expect("a packet");
            assert_eq!(codes(&envelope), ["ELEMENT_REPEATED"], "{both}");
            let content = envelope.claimed_content();
            assert_eq!((content.subject.as_str(), content.from.fax.as_str()), ("V/v thử nghiệm", "0208 2"));
        }
    }
}

#[test]
fn two_texts_in_one_place_are_refused() {
    let whole = whole_document();
    for (text, other, field) in [
        ("<edXML:OrganId>H55.15</edXML:OrganId>", "<edXML:OrganId>H55.16</edXML:OrganId>", "From/OrganId"),
        ("<edXML:OrganId>H55.15</edXML:OrganId>", "<edXML:OrganId/>", "From/OrganId"),
        ("<edXML:Subject>V/v thử nghiệm</edXML:Subject>", "<edXML:Subject>V/v</edXML:Subject>", "Subject"),
        ("<edXML:Priority>0</edXML:Priority>", "<edXML:Priority/>", "OtherInfo/Priority"),
        (
            "<edXML:ToPlaces><edXML:Place>Như trên</edXML:Place></edXML:ToPlaces>",
            "<edXML:ToPlaces/>",
            "ToPlaces",
        ),
    ] {
        for both in [format!("{text}{other}"), format!("{other}{text}")] {
            let rejection = read(changed(&whole, text, &both).as_bytes()).expect_err(&both);
            let told = (rejection.code, rejection.field);
            assert_eq!(told, (RejectionCode::FieldRepeated, Some(format!("{MESSAGE}/{field}"))), "{both}");
        }
    }
}

#[test]
fn markup_in_text_for_persons_is_set_aside_and_its_text_is_kept() {
    let packet = changed(
        &whole_document(),
        "<edXML:Subject>V/v thử nghiệm<",
        "<edXML:Subject>V/v <b>thử <i>nghiệm</i></b><br/> x<",
    );
    let envelope = taken(&packet);
    let content = envelope.claimed_content();
    assert_eq!(content.subject, "V/v thử nghiệm x");
    let unknown: Vec<_> = content.unknown.iter().map(|u| (u.path.as_str(), u.text.as_str())).collect();
    let (b, br) = (format!("{MESSAGE}/Subject/b"), format!("{MESSAGE}/Subject/br"));
    assert_eq!(unknown, [(&*b, "thử"), (&*br, "")]);
    for field in ["CodeNumber", "DocumentId", "PromulgationDate", "Priority", "Type"] {
        let open = format!("<edXML:{field}>");
        let packet = changed(&whole_document(), &open, &format!("{open}<b/>"));
        let rejection = read(packet.as_bytes()).expect_err(field);
        assert_eq!(rejection.code, RejectionCode::FieldInvalid, "{field}");
    }
}

#[test]
fn unknown_elements_are_kept_aside_with_their_place() {
    let whole = whole_document();
    let unknown = "<x:Security xmlns:x=\"urn:x\">\n  vừa <y><z/></y> phải </x:Security>";
    let packet = changed(&whole, "<edXML:Code>", &format!("{unknown}<Box/><edXML:Code>"));
    let envelope = taken(&packet);
    let content = envelope.claimed_content();
    let offset = packet.find("<x:Security").expect("it is there") as u64;
    assert_eq!(content.unknown.len(), 2);
    let UnknownElement { path, namespace, offset: at, text, .. } = &content.unknown[0];
    assert_eq!((path.as_str(), namespace.as_str()), (&*format!("{MESSAGE}/Security"), "urn:x"));
    assert_eq!((*at, text.as_str()), (offset, "vừa  phải"));
    assert_eq!(content.unknown[1].namespace, NS);

    let many = "<Box/>".repeat(Content::UNKNOWN_MAX + 1);
    let envelope = taken(&changed(&whole, "<edXML:Code>", &format!("{many}<edXML:Code>")));
    let content = envelope.claimed_content();
    assert_eq!(content.unknown.len(), Content::UNKNOWN_MAX);
    let long = format!("<Box>{}</Box>", "đ".repeat(UnknownElement::TEXT_BYTES_MAX));
    let envelope = taken(&changed(&whole, "<edXML:Code>", &format!("{long}<edXML:Code>")));
    let content = envelope.claimed_content();
    assert_eq!(content.unknown[0].text, "đ".repeat(UnknownElement::TEXT_BYTES_MAX / 2));
}

#[test]
fn attributes_are_read_in_either_namespace_and_up_to_their_limit() {
    let reference = "<Reference><ContentId>cid:1<";
    let whole =
        dotnet("", "<TraceHeaderList id=' a ' mustUnderstand='1'><Paper>1</Paper></TraceHeaderList>", PDF);
    for with in [
        "<Reference xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='cid:1' xlink:role='r' xlink:type='simple'>",
        "<Reference href='cid:1' role='r' type='simple'>",
    ] {
        let envelope = taken(&changed(&whole, reference, &format!("{with}<ContentId>cid:1<")));
        let content = envelope.claimed_content();
        let read = &content.manifest[0];
        let read = [&read.href, &read.role, &read.link_type].map(String::as_str);
        assert_eq!(read, ["cid:1", "r", "simple"]);
        assert_eq!((content.trace_list.id.as_str(), content.trace_list.must_understand.as_str()), ("a", "1"));
        assert!(content.business.as_ref().is_some_and(|business| business.paper), "Paper without Bussiness");
    }
    let longest = "x".repeat(EdxmlLimits::default().field_bytes);
    let with = |href: &str| changed(&whole, "<Reference>", &format!("<Reference href='{href}'>"));
    assert_eq!(taken(&with(&longest)).claimed_content().manifest[0].href, longest);
    let rejection = read(with(&format!("{longest}x")).as_bytes()).expect_err("one byte more");
    let field = "edXMLBody/edXMLManifest/Reference[1]/@href";
    assert_eq!((rejection.code, rejection.field.as_deref()), (RejectionCode::FieldTooLong, Some(field)));
}

/// What the table of the specification lets a receiver do without, all of it at once.
#[test]
fn the_least_that_a_receiver_must_take_is_taken() {
    let least = format!(
        "<edXML xmlns=\"{NS}\"><edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>vxp.saas.03</OrganId></From>\
         <To><OrganId>H55.15</OrganId></To><Code><CodeNumber>74fass22</CodeNumber><CodeNotation>A</CodeNotation></Code>\
         <PromulgationInfo><PromulgationDate>2014/02/30</PromulgationDate></PromulgationInfo><DocumentType>\
         <TypeName>x</TypeName></DocumentType><Subject>y</Subject><SignerInfo><FullName>z</FullName></SignerInfo>\
         </MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"
    );
    let envelope = taken(&least);
    let content = envelope.claimed_content();
    assert_eq!((content.priority, content.to.len(), &content.document_id), (0, 1, &None));
    let status = format!(
        "<edXML xmlns=\"{NS}\"><edXMLEnvelope><edXMLHeader><Status><From><OrganId>H55</OrganId></From><ResponseFor>\
         <OrganId>H03</OrganId><Code>1/A</Code></ResponseFor><StatusCode>1</StatusCode></Status></edXMLHeader>\
         </edXMLEnvelope></edXML>"
    );
    assert!(taken(&status).claimed_content().status.is_some());
}

fn told(rejection: &Rejection) -> Vec<(&'static str, &str)> {
    let first = [(rejection.code.row().name, rejection.field.as_deref().unwrap_or_default())];
    let also = rejection.also.iter().map(|a| (a.code.row().name, a.field.as_deref().unwrap_or_default()));
    first.into_iter().chain(also).collect()
}

#[test]
fn all_errors_of_a_packet_are_told_at_once_in_the_order_of_the_standard() {
    let mut packet = whole_document();
    for (old, new) in [
        ("<edXML:OrganId>H55.15<", "<edXML:OrganId><"),
        ("<edXML:OrganId>H37.02<", "<edXML:OrganId>H37 02<"),
        (">12</edXML:CodeNumber>", "></edXML:CodeNumber>"),
        (">2026/01/02</edXML:PromulgationDate>", "></edXML:PromulgationDate>"),
        (">Công văn<", "> <"),
        ("<edXML:Subject>V/v thử nghiệm</edXML:Subject>", ""),
        (">Nguyễn Thị Mẫu<", "><"),
        ("<edXML:Priority>0<", "<edXML:Priority>gấp<"),
        ("<edXML:BussinessDocType>0<", "<edXML:BussinessDocType>9<"),
    ] {
        packet = changed(&packet, old, new);
    }
    let rejection = read(packet.as_bytes()).expect_err("nine errors");
    let at = |path: &str| format!("{MESSAGE}/{path}");
    let expected = [
        ("FIELD_MISSING", at("From/OrganId")),
        ("FIELD_INVALID", at("To[1]/OrganId")),
        ("FIELD_MISSING", at("Code/CodeNumber")),
        ("FIELD_MISSING", at("PromulgationInfo/PromulgationDate")),
        ("FIELD_MISSING", at("DocumentType/TypeName")),
        ("FIELD_MISSING", at("Subject")),
        ("FIELD_MISSING", at("SignerInfo/FullName")),
        ("FIELD_INVALID", at("OtherInfo/Priority")),
        ("FIELD_INVALID", "edXMLHeader/TraceHeaderList/Bussiness/BussinessDocType".to_owned()),
    ];
    assert_eq!(told(&rejection), expected.each_ref().map(|(code, field)| (*code, field.as_str())));
    assert_eq!(rejection.also[7].detail.as_deref(), Some("9"));
}

#[test]
fn all_errors_of_a_status_are_told_at_once() {
    let packet = changed(&whole_status(), "<edXML:OrganId>H55.16<", "<edXML:OrganId><");
    let packet = changed(&packet, "<edXML:OrganId>H55.15<", "<edXML:OrganId>Đ<");
    let rejection = read(changed(&packet, ">02<", ">12<").as_bytes()).expect_err("three errors");
    let fields =
        ["From/OrganId", "ResponseFor/OrganId", "StatusCode"].map(|path| format!("{MESSAGE}/{path}"));
    let names = ["FIELD_MISSING", "FIELD_INVALID", "STATUS_CODE_UNKNOWN"];
    let expected: Vec<_> = names.into_iter().zip(fields.iter().map(String::as_str)).collect();
    assert_eq!(told(&rejection), expected);
}

#[test]
fn errors_are_told_up_to_their_limit() {
    let receivers = vec!["Đ"; 100];
    let packet = DocumentBuilder::new("H55.15", &receivers);
    let rejection = read(&built(packet)).expect_err("a hundred errors");
    assert_eq!(rejection.also.len(), Rejection::ALSO_MAX);
    let repeated = DocumentBuilder::new("H55.15", &["H01", "h01", "H01 "]);
    let rejection = read(&built(repeated)).expect_err("one receiver three times");
    let fields = ["To[2]/OrganId", "To[3]/OrganId"].map(|path| format!("{MESSAGE}/{path}"));
    let expected: Vec<_> = fields.iter().map(|field| ("RECEIVER_REPEATED", field.as_str())).collect();
    assert_eq!(told(&rejection), expected);
    read(&built(letter())).expect("a letter has none");
}

#[test]
fn repeats_and_signatures_are_taken_up_to_their_limit() {
    let whole = whole_document();
    let fax = "<edXML:Fax>0208 2</edXML:Fax>";
    let times = |count: usize| changed(&whole, fax, &fax.repeat(1 + count));
    assert_eq!(remarks(&taken(&times(100))).len(), Findings::PLACES_MAX);
    let rejection = read(times(101).as_bytes()).expect_err("one more");
    assert_eq!(rejection.code, RejectionCode::FieldRepeated, "{rejection}");

    let end = "</edXML:edXMLHeader>";
    let signatures = "<edXML:Signature/><edXML:DigitalSignature/>".repeat(1_000);
    let envelope = taken(&changed(&whole, end, &format!("{signatures}{end}")));
    assert_eq!(codes(&envelope), ["SIGNATURE_NAMESPACE", "DIGITAL_SIGNATURE_ELEMENT"]);
    assert!(envelope.claimed_content().findings.remarks().len() <= Findings::PLACES_MAX);
}
