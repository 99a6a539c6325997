//! What real producers do differently, by the list of 25 deviations (specification, section 11), each in a packet of our
//! own. Here: how a packet is written. Attachments and values have files of their own.

use lienthong_schemas::edxml::{BusinessType, EdxmlLimits, EnvelopeReader, PacketKind, ReadMode};
use lienthong_schemas::ids::PacketDigest;
use xml_sig::{Limits, ReadOptions};

use super::producers::{MESSAGE, NS, PDF, dotnet, whole_document};
use super::{built, codes, letter, letter_with, read, remarks};

#[test]
fn d01_d02_undeclared_prefixes_are_repaired_and_flagged() {
    for (old, new) in [
        ("<edXML:Reference>", "<edXML:Reference xlink:href=\"\">"),
        (" xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", ""),
    ] {
        let (envelope, repaired) = letter_with(old, new).expect("a packet that only lacks a declaration");
        assert!(repaired, "{old}");
        assert_eq!(envelope.claimed_content().to.len(), 2);
    }
    assert!(!read(&built(letter())).expect("a letter").1);
    let other = letter_with("<edXML:Subject>", "<soap:Subject>").expect_err("no binding is made up");
    assert_eq!(other.code.row().name, "XML_MALFORMED");
}

#[test]
fn d03_bytes_before_the_declaration_make_no_packet() {
    let whole = [b"<?xml version=\"1.0\"?>".as_slice(), whole_document().as_bytes()].concat();
    read(&whole).expect("nothing before it");
    for garbage in ["1212", " ", "\r\n", "\0"] {
        let rejection = read(&[garbage.as_bytes(), &whole].concat()).expect_err(garbage);
        assert_eq!(rejection.code.row().name, "XML_MALFORMED", "{garbage:?}");
    }
}

#[test]
fn d04_d25_signatures_in_no_or_the_wrong_namespace_are_no_part_of_the_content() {
    let xmldsig = "http://www.w3.org/2000/09/xmldsig#";
    let cut = "<KeyInfo><X509Data><X509Certificate>MIIFqTCCBJG</X509Certificate></X509Data></KeyInfo>";
    for (signature, told) in [
        ("<edXML:DigitalSignature />".to_owned(), vec!["DIGITAL_SIGNATURE_ELEMENT"]),
        (
            format!("<Signature><SignedInfo><Reference URI=\"\"/></SignedInfo>{cut}</Signature>"),
            vec!["SIGNATURE_NAMESPACE", "CERTIFICATE_TRUNCATED"],
        ),
        ("<Signature xmlns=\"\"/>".to_owned(), vec!["SIGNATURE_NAMESPACE"]),
        (format!("<Signature xmlns=\"{xmldsig}\">{cut}</Signature>"), vec!["CERTIFICATE_TRUNCATED"]),
        (format!("<Signature xmlns=\"{xmldsig}\"><Object><MessageHeader/></Object></Signature>"), vec![]),
        (format!("<Signature xmlns=\"{xmldsig}\"><X509Certificate> </X509Certificate></Signature>"), vec![]),
    ] {
        let end = "</edXML:edXMLHeader>";
        let packet = whole_document().replacen(end, &format!("{signature}{end}"), 1);
        let (envelope, _) = read(packet.as_bytes()).expect("a packet");
        assert_eq!(envelope.claimed_sender().as_str(), "H55.15", "{signature}");
        assert_eq!(codes(&envelope), told, "{signature}");
        assert!(envelope.claimed_content().unknown.is_empty(), "a Signature is no unknown element");
    }
}

#[test]
fn a_certificate_that_is_known_is_not_read_to_see_whether_it_can_be() {
    let cut = "<ds:X509Certificate>MIIFqTCCBJE=</ds:X509Certificate>";
    let signature =
        format!("<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{cut}</ds:Signature>");
    let end = "</edXML:edXMLHeader>";
    let packet = whole_document().replacen(end, &format!("{signature}{end}"), 1);
    let told = |is_known: bool| {
        let asked = std::cell::RefCell::new(Vec::new());
        let known = |der: &[u8]| {
            asked.borrow_mut().push(der.to_vec());
            is_known
        };
        let (xml, limits) = (Limits::default(), EdxmlLimits::default());
        let options = ReadOptions { limits: &xml, initial_namespaces: &[] };
        let mut reader = EnvelopeReader::new(ReadMode::Full, &limits).knowing(&known);
        xml_sig::read(&mut packet.as_bytes(), &options, &mut reader).expect("well formed");
        let codes = codes(&reader.finish().expect("a packet"));
        (codes, asked.into_inner())
    };
    let der = [0x30, 0x82, 0x05, 0xA9, 0x30, 0x82, 0x04, 0x91].to_vec();
    assert_eq!(told(false), (vec!["CERTIFICATE_TRUNCATED"], vec![der.clone()]));
    assert_eq!(told(true), (vec![], vec![der]));
}

#[test]
fn d05_d20_d21_order_names_and_blanks_do_not_matter_and_are_noticed() {
    let (envelope, repaired) = read(dotnet("", "", PDF).as_bytes()).expect("a packet without prefixes");
    let content = envelope.claimed_content();
    assert!(!repaired && content.kind == PacketKind::Document(BusinessType::New));
    assert_eq!((content.from.organ_name.as_str(), content.from.organization_in_charge.as_str()), ("Sở", ""));
    assert_eq!(content.signer.full_name, "Nguyễn  Mẫu");
    let told = |code: &str| -> Vec<(String, String)> {
        let remarks = remarks(&envelope).into_iter().filter(|(found, ..)| *found == code);
        remarks.map(|(_, field, detail)| (field.to_owned(), detail.to_owned())).collect()
    };
    let is = |field: &str, detail: &str| (format!("{MESSAGE}{field}"), detail.to_owned());
    let message = "Subject after SignerInfo, DocumentType after Subject, PromulgationInfo \
                   after DocumentType, Code after PromulgationInfo, To after Code, From after To";
    let order = [
        is("", message),
        is("/DocumentType", "Type after TypeName"),
        is("/Code", "CodeNumber after CodeNotation"),
        is("/From", "OrganId after OrganName"),
    ];
    assert_eq!(told("ELEMENT_ORDER"), order);
    assert_eq!(told("BLANKS_TRIMMED"), [is("/SignerInfo/FullName", "")]);
    assert_eq!(told("ELEMENT_PREFIX"), [("edXMLEnvelope".to_owned(), String::new())]);
}

#[test]
fn d06_attachments_are_read_with_and_without_a_prefix() {
    let bare = format!("<AttachmentEncoded>{PDF}</AttachmentEncoded>");
    let names = ["AttachmentEncoded", "Attachment", "ContentId", "ContentTransferEncoded"];
    let prefixed = names.iter().fold(bare.clone(), |text, name| {
        text.replace(&format!("<{name}>"), &format!("<edXML:{name}>"))
            .replace(&format!("</{name}>"), &format!("</edXML:{name}>"))
    });
    let declared = prefixed.replacen(
        "<edXML:AttachmentEncoded>",
        &format!("<edXML:AttachmentEncoded xmlns:edXML=\"{NS}\">"),
        1,
    );
    let inner =
        bare.replace("<ContentTransferEncoded>", &format!("<e:ContentTransferEncoded xmlns:e=\"{NS}\">"));
    let inner = inner.replace("</ContentTransferEncoded>", "</e:ContentTransferEncoded>");
    for (attachments, repaired) in [(&bare, false), (&declared, false), (&inner, false), (&prefixed, true)] {
        let packet = whole_document().replacen("</edXML>", &format!("{attachments}</edXML>"), 1);
        let (envelope, was_repaired) =
            read(packet.as_bytes()).unwrap_or_else(|r| panic!("{r}: {attachments}"));
        assert_eq!(was_repaired, repaired, "{attachments}");
        let attachment = &envelope.claimed_content().attachments[0];
        assert_eq!(attachment.packed.sha256, PacketDigest::of(b"%PDF-1.4"), "{attachments}");
    }
}

#[test]
fn d12_empty_elements_stand_for_absent_ones() {
    let message = "<ResponseFor/><ResponseFor><OrganId> </OrganId><Code/></ResponseFor><To/><DueDate/>\
                   <OtherInfo><Priority/><Appendixes><Appendix/></Appendixes></OtherInfo><StatusCode/>";
    for list in [
        "",
        "<TraceHeaderList/>",
        "<TraceHeaderList><Bussiness/><TraceHeader/></TraceHeaderList>",
        "<TraceHeaderList><Bussiness><Paper>0</Paper><StaffInfo><Mobile/></StaffInfo></Bussiness></TraceHeaderList>",
    ] {
        let (envelope, _) = read(dotnet(message, list, PDF).as_bytes()).expect("a packet");
        let content = envelope.claimed_content();
        assert_eq!(content.kind, PacketKind::Document(BusinessType::New));
        assert!(content.response_for.is_empty() && content.trace.is_empty() && content.appendixes.is_empty());
        assert_eq!((content.to.len(), content.priority), (1, 0));
        let empty = remarks(&envelope).into_iter().filter(|(code, ..)| *code == "ELEMENT_EMPTY");
        let mut fields: Vec<_> = empty.map(|(_, field, _)| field.trim_start_matches(MESSAGE)).collect();
        fields.retain(|field| !field.starts_with("edXMLHeader"));
        let said = ["/ResponseFor[1]", "/ResponseFor[2]", "/To[2]", "/DueDate", "/OtherInfo", "/StatusCode"];
        assert_eq!(fields, said, "the outermost of empty elements is enough");
    }
}

#[test]
fn d23_d24_line_ends_and_a_trailing_line_are_nothing() {
    let crlf = built(letter());
    let lf = String::from_utf8(crlf.clone()).expect("UTF-8").replace("\r\n", "\n").replace("  ", "\t");
    let trailing = [crlf.as_slice(), b"\r\n"].concat();
    let told = |bytes: &[u8]| format!("{:?}", read(bytes).expect("a letter").0.claimed_content());
    assert_eq!(told(&crlf), told(lf.as_bytes()));
    assert_eq!(told(&crlf), told(&trailing));
}

#[test]
fn old_names_of_elements_are_read() {
    let whole = dotnet("", "", PDF)
        .replace("edXMLManifest", "Manifest")
        .replace("<FullName>", "<Function>Trưởng phòng</Function><FullName>")
        .replace("MessageHeader>", "Status>");
    let (envelope, _) = read(whole.as_bytes()).expect("a packet");
    assert_eq!(envelope.claimed_content().signer.position, "Trưởng phòng");
    assert_eq!(envelope.claimed_content().manifest.len(), 1);
}
