//! The elements of a packet that we read, as one tree: an element counts only at its true path.
//! Names, cardinality and advised lengths: QCVN 102:2016 and the samples; what is not here is kept aside. Children stand
//! in the order in which the reference library writes them.

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
    /// Local names of the attributes that are read, whatever their namespace.
    pub(super) attributes: &'static [&'static str],
    /// The reference library does not write it, or writes it in several places: it is in order anywhere in its parent.
    pub(super) anywhere: bool,
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
    /// Text that a program acts on, of an advised length in characters: a code, a number, a date, an id. It holds no
    /// markup.
    Text(usize),
    /// Text for persons, of an advised length in characters. Markup in it is passed over and its text kept.
    Prose(usize),
    /// Base64 that is decoded and hashed as it passes.
    Base64,
}

const fn element(name: &'static str, holds: Holds) -> Element {
    Element { name, alias: None, occurs: Occurs::Once, holds, attributes: &[], anywhere: false }
}

const fn text(name: &'static str, characters_advised: usize) -> Element {
    element(name, Holds::Text(characters_advised))
}

const fn prose(name: &'static str, characters_advised: usize) -> Element {
    element(name, Holds::Prose(characters_advised))
}

const fn branch(name: &'static str, children: &'static [Element]) -> Element {
    element(name, Holds::Elements(children))
}

impl Element {
    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    const fn many(self, occurs: Occurs) -> Self {
        Self { occurs, ..self }
    }

    const fn with(self, attributes: &'static [&'static str]) -> Self {
        Self { attributes, ..self }
    }

    const fn anywhere(self) -> Self {
        Self { anywhere: true, ..self }
    }
}

/// The root.
pub(super) static ROOT: Element = branch("edXML", ROOT_CHILDREN);

const ROOT_CHILDREN: &[Element] =
    &[branch("edXMLEnvelope", ENVELOPE), branch("AttachmentEncoded", ATTACHMENT_ENCODED)];

const ENVELOPE: &[Element] = &[branch("edXMLHeader", HEADER), branch("edXMLBody", BODY)];

// One JSON mirror of the format names the header of a status packet `Status`.
const HEADER: &[Element] = &[
    branch("MessageHeader", MESSAGE).or("Status"),
    branch("TraceHeaderList", TRACE_HEADER_LIST).with(&["id", "version", "mustUnderstand", "actor"]),
];

const MESSAGE: &[Element] = &[
    branch("From", PARTY),
    branch("To", PARTY).many(Occurs::Receivers),
    text("DocumentId", 200),
    branch("Code", &CODE),
    branch("PromulgationInfo", &PROMULGATION_INFO),
    branch("DocumentType", &DOCUMENT_TYPE),
    prose("Subject", 500),
    prose("Content", 500),
    branch("SignerInfo", &SIGNER_INFO),
    text("DueDate", 10),
    branch("OtherInfo", OTHER_INFO),
    branch("ResponseFor", RESPONSE_FOR).many(Occurs::Entries),
    text("SteeringType", 10),
    branch("ResponseForTask", &RESPONSE_FOR_TASK),
    text("ApplicationType", 100),
    branch("ToPlaces", &TO_PLACES),
    branch("StaffInfo", STAFF_INFO),
    text("StatusCode", 2),
    prose("Description", 500),
    text("Timestamp", 19),
];

const PARTY: &[Element] = &[
    text("OrganId", 35),
    prose("OrganizationInCharge", 200),
    prose("OrganName", 200),
    prose("OrganAdd", 250),
    prose("Email", 100),
    prose("Telephone", 20),
    prose("Fax", 20),
    prose("Website", 100),
];

const CODE: [Element; 2] = [text("CodeNumber", 11), text("CodeNotation", 30)];
const PROMULGATION_INFO: [Element; 2] = [prose("Place", 50), text("PromulgationDate", 10)];
const DOCUMENT_TYPE: [Element; 3] = [text("Type", 10), text("TypeDetail", 10), prose("TypeName", 100)];
const SIGNER_INFO: [Element; 3] =
    [prose("Competence", 100), prose("Position", 100).or("Function"), prose("FullName", 50)];
const TO_PLACES: [Element; 1] = [prose("Place", 150).many(Occurs::Entries)];

const OTHER_INFO: &[Element] = &[
    text("Priority", 1),
    prose("SphereOfPromulgation", 100),
    prose("TyperNotation", 10),
    text("PromulgationAmount", 10),
    text("PageAmount", 10),
    prose("ReplyFors", 500),
    prose("ReferenceCodes", 500),
    text("Direction", 5),
    branch("Appendixes", &APPENDIXES),
];
const APPENDIXES: [Element; 1] = [prose("Appendix", 250).many(Occurs::Entries)];

const RESPONSE_FOR: &[Element] =
    &[text("OrganId", 35), text("Code", 42), text("DocumentId", 200), text("PromulgationDate", 10)];

const RESPONSE_FOR_TASK: [Element; 1] = [text("TaskCode", 200).many(Occurs::Entries)];

const STAFF_INFO: &[Element] = &[
    prose("Department", 200),
    text("DepartmentId", 35).anywhere(),
    prose("Staff", 100),
    text("StaffId", 35).anywhere(),
    prose("Email", 100),
    prose("Mobile", 20),
];

const TRACE_HEADER_LIST: &[Element] = &[
    branch("TraceHeader", &TRACE_HEADER).many(Occurs::Entries),
    // Before the TraceHeaders in one version of the reference library, after them in another.
    branch("Bussiness", BUSSINESS).anywhere(),
    text("Paper", 1).anywhere(),
];
const TRACE_HEADER: [Element; 2] = [text("OrganId", 35), text("Timestamp", 19)];

const BUSSINESS: &[Element] = &[
    text("DocumentId", 200),
    text("BussinessDocType", 1),
    prose("BussinessDocReason", 500),
    text("Paper", 1),
    branch("BussinessDocumentInfo", &DOCUMENT_INFO).many(Occurs::Entries),
    branch("ReplacementInfoList", &REPLACEMENT_INFO_LIST).many(Occurs::Entries),
    branch("StaffInfo", STAFF_INFO).many(Occurs::Entries),
];
const DOCUMENT_INFO: [Element; 3] =
    [text("DocumentInfo", 1), text("DocumentReceiver", 1), branch("ReceiverList", &RECEIVER_LIST)];
const RECEIVER_LIST: [Element; 1] = [branch("Receiver", &RECEIVER).many(Occurs::Entries)];
const RECEIVER: [Element; 2] = [text("OrganId", 35), text("ReceiverType", 1)];
const REPLACEMENT_INFO_LIST: [Element; 1] =
    [branch("ReplacementInfo", &REPLACEMENT_INFO).many(Occurs::Entries)];
const REPLACEMENT_INFO: [Element; 2] = [text("DocumentId", 200), branch("OrganIdList", &ORGAN_ID_LIST)];
const ORGAN_ID_LIST: [Element; 1] = [text("OrganId", 35).many(Occurs::Entries)];

const BODY: &[Element] = &[branch("edXMLManifest", &MANIFEST).or("Manifest").with(&["version"])];
const MANIFEST: [Element; 1] =
    [branch("Reference", REFERENCE).many(Occurs::Entries).with(&["href", "role", "type"])];
const REFERENCE: &[Element] = &[
    text("ContentId", 200),
    text("ContentType", 100),
    prose("Description", 500),
    text("AttachmentName", 200),
];

const ATTACHMENT_ENCODED: &[Element] = &[branch("Attachment", ATTACHMENT).many(Occurs::Attachments)];
const ATTACHMENT: &[Element] = &[
    text("ContentId", 200),
    text("AttachmentName", 200),
    prose("Description", 500),
    prose("FieldName", 100).anywhere(),
    text("MimeType", 100).anywhere(),
    text("Format", 100).anywhere(),
    text("ContentType", 100),
    element("ContentTransferEncoded", Holds::Base64),
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
