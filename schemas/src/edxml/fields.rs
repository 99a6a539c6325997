//! The elements of a packet that we read, as one tree: an element counts only at its true path.
//! Names, cardinality and advised lengths: QCVN 102:2016 and the samples; what is not here is ignored.

/// One element that is read.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name, and the name it has in rejections.
    pub(super) name: &'static str,
    /// Another name under which some producers write it.
    pub(super) alias: Option<&'static str>,
    /// How often it may stand in its parent.
    pub(super) occurs: Occurs,
    /// What is in it.
    pub(super) holds: Holds,
}

/// How often an element may stand in its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occurs {
    /// At most once; twice is refused.
    Once,
    /// Up to the limit on receivers.
    Receivers,
    /// Up to the limit on attachments.
    Attachments,
    /// Up to the limit on all other repeated elements together.
    Entries,
}

/// What an element holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// These elements, in any order, and whatever else is ignored.
    Elements(&'static [Element]),
    /// Text of an advised length in characters.
    Text(usize),
    /// Base64 that is decoded and hashed as it passes.
    Base64,
}

const fn text(name: &'static str, characters_advised: usize) -> Element {
    Element { name, alias: None, occurs: Occurs::Once, holds: Holds::Text(characters_advised) }
}

const fn branch(name: &'static str, children: &'static [Element]) -> Element {
    Element { name, alias: None, occurs: Occurs::Once, holds: Holds::Elements(children) }
}

impl Element {
    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    const fn many(self, occurs: Occurs) -> Self {
        Self { occurs, ..self }
    }
}

/// The root.
pub(super) static ROOT: Element = branch("edXML", ROOT_CHILDREN);

const ROOT_CHILDREN: &[Element] =
    &[branch("edXMLEnvelope", ENVELOPE), branch("AttachmentEncoded", ATTACHMENT_ENCODED)];

const ENVELOPE: &[Element] = &[branch("edXMLHeader", HEADER), branch("edXMLBody", BODY)];

// One JSON mirror of the format names the header of a status packet `Status`.
const HEADER: &[Element] =
    &[branch("MessageHeader", MESSAGE).or("Status"), branch("TraceHeaderList", TRACE_HEADER_LIST)];

const MESSAGE: &[Element] = &[
    branch("From", PARTY),
    branch("To", PARTY).many(Occurs::Receivers),
    text("DocumentId", 200),
    branch("Code", &CODE),
    branch("PromulgationInfo", &PROMULGATION_INFO),
    branch("DocumentType", &DOCUMENT_TYPE),
    text("Subject", 500),
    text("Content", 500),
    branch("SignerInfo", &SIGNER_INFO),
    text("DueDate", 10),
    branch("ToPlaces", &TO_PLACES),
    branch("OtherInfo", OTHER_INFO),
    branch("ResponseFor", RESPONSE_FOR).many(Occurs::Entries),
    text("SteeringType", 10),
    branch("ResponseForTask", &RESPONSE_FOR_TASK),
    text("ApplicationType", 100),
    branch("StaffInfo", STAFF_INFO),
    text("StatusCode", 2),
    text("Description", 500),
    text("Timestamp", 19),
];

const PARTY: &[Element] = &[
    text("OrganId", 35),
    text("OrganizationInCharge", 200),
    text("OrganName", 200),
    text("OrganAdd", 250),
    text("Email", 100),
    text("Telephone", 20),
    text("Fax", 20),
    text("Website", 100),
];

const CODE: [Element; 2] = [text("CodeNumber", 11), text("CodeNotation", 30)];
const PROMULGATION_INFO: [Element; 2] = [text("Place", 50), text("PromulgationDate", 10)];
const DOCUMENT_TYPE: [Element; 3] = [text("Type", 10), text("TypeDetail", 10), text("TypeName", 100)];
const SIGNER_INFO: [Element; 3] =
    [text("Competence", 100), text("Position", 100).or("Function"), text("FullName", 50)];
const TO_PLACES: [Element; 1] = [text("Place", 150).many(Occurs::Entries)];

const OTHER_INFO: &[Element] = &[
    text("Priority", 1),
    text("SphereOfPromulgation", 100),
    text("TyperNotation", 10),
    text("PromulgationAmount", 10),
    text("PageAmount", 10),
    text("ReplyFors", 500),
    text("ReferenceCodes", 500),
    text("Direction", 5),
    branch("Appendixes", &APPENDIXES),
];
const APPENDIXES: [Element; 1] = [text("Appendix", 250).many(Occurs::Entries)];

const RESPONSE_FOR: &[Element] =
    &[text("OrganId", 35), text("Code", 42), text("DocumentId", 200), text("PromulgationDate", 10)];

const RESPONSE_FOR_TASK: [Element; 1] = [text("TaskCode", 200).many(Occurs::Entries)];

const STAFF_INFO: &[Element] = &[
    text("Department", 200),
    text("DepartmentId", 35),
    text("Staff", 100),
    text("StaffId", 35),
    text("Email", 100),
    text("Mobile", 20),
];

const TRACE_HEADER_LIST: &[Element] = &[
    branch("TraceHeader", &TRACE_HEADER).many(Occurs::Entries),
    branch("Bussiness", BUSSINESS),
    text("Paper", 1),
];
const TRACE_HEADER: [Element; 2] = [text("OrganId", 35), text("Timestamp", 19)];

const BUSSINESS: &[Element] = &[
    text("DocumentId", 200),
    text("BussinessDocType", 1),
    text("BussinessDocReason", 500),
    text("Paper", 1),
    branch("StaffInfo", STAFF_INFO).many(Occurs::Entries),
    branch("BussinessDocumentInfo", &DOCUMENT_INFO).many(Occurs::Entries),
    branch("ReplacementInfoList", &REPLACEMENT_INFO_LIST).many(Occurs::Entries),
];
const DOCUMENT_INFO: [Element; 3] =
    [text("DocumentInfo", 1), text("DocumentReceiver", 1), branch("ReceiverList", &RECEIVER_LIST)];
const RECEIVER_LIST: [Element; 1] = [branch("Receiver", &RECEIVER).many(Occurs::Entries)];
const RECEIVER: [Element; 2] = [text("OrganId", 35), text("ReceiverType", 1)];
const REPLACEMENT_INFO_LIST: [Element; 1] =
    [branch("ReplacementInfo", &REPLACEMENT_INFO).many(Occurs::Entries)];
const REPLACEMENT_INFO: [Element; 2] = [text("DocumentId", 200), branch("OrganIdList", &ORGAN_ID_LIST)];
const ORGAN_ID_LIST: [Element; 1] = [text("OrganId", 35).many(Occurs::Entries)];

const BODY: &[Element] = &[branch("edXMLManifest", &MANIFEST).or("Manifest")];
const MANIFEST: [Element; 1] = [branch("Reference", REFERENCE).many(Occurs::Entries)];
const REFERENCE: &[Element] = &[
    text("ContentId", 200),
    text("ContentType", 100),
    text("Description", 500),
    text("AttachmentName", 200),
];

const ATTACHMENT_ENCODED: &[Element] = &[branch("Attachment", ATTACHMENT).many(Occurs::Attachments)];
const ATTACHMENT: &[Element] = &[
    text("ContentId", 200),
    text("AttachmentName", 200),
    text("Description", 500),
    text("FieldName", 100),
    text("MimeType", 100),
    text("Format", 100),
    text("ContentType", 100),
    Element { name: "ContentTransferEncoded", alias: None, occurs: Occurs::Once, holds: Holds::Base64 },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(element: &Element) {
        let Holds::Elements(children) = element.holds else { return };
        // The reader marks children seen in the bits of a u64.
        assert!(children.len() <= 64, "{}", element.name);
        let names: Vec<_> = children.iter().flat_map(|c| [Some(c.name), c.alias]).flatten().collect();
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len(), "two children of {} share a name", element.name);
        children.iter().for_each(check);
    }

    #[test]
    fn no_name_stands_for_two_elements_of_one_parent() {
        check(&ROOT);
    }
}
