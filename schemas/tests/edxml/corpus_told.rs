//! What must be told of each packet of the corpus, all of it: weight, code, place. Each peculiarity that the corpus' README
//! names is among them, or is a field that `corpus.rs` looks at.

/// A packet's name and its findings.
pub(super) type Told = (&'static str, &'static [&'static str]);

/// The status packets of one producer are in one order, which is not the reference library's.
const STATUS: &[&str] = &[
    "note ELEMENT_ORDER edXMLHeader/MessageHeader/From",
    "note ELEMENT_ORDER edXMLHeader/MessageHeader/ResponseFor[1]",
    "note ELEMENT_ORDER edXMLHeader/MessageHeader/StaffInfo",
];

/// Every packet that is read.
pub(super) const TOLD: &[Told] = &[
    // A new document. Its ZIP holds one entry, an edXML under the name of a .doc; its Signature stands in the namespace of
    // the standard with a certificate of eight bytes; 2014/02/30 in a DocumentId; the short code 28.22.H17.
    (
        "edoc-new",
        &[
            "warning SIGNATURE_NAMESPACE edXMLHeader/Signature",
            "warning CERTIFICATE_TRUNCATED edXMLHeader/Signature/KeyInfo/X509Data/X509Certificate",
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/To[1]/OrganId",
            "warning DUE_DATE_EARLY edXMLHeader/MessageHeader/DueDate",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "warning DATE_UNREADABLE edXMLHeader/TraceHeaderList/Bussiness/DocumentId",
            "warning ATTACHMENT_TYPE_DIFFERS AttachmentEncoded/Attachment[1]/AttachmentName",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/MessageHeader/DocumentId",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/TraceHeaderList/Bussiness/DocumentId",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
        ],
    ),
    // A replacement: the same ReplacementInfo twice.
    (
        "edoc-replacement",
        &[
            "warning SIGNATURE_NAMESPACE edXMLHeader/Signature",
            "warning CERTIFICATE_TRUNCATED edXMLHeader/Signature/KeyInfo/X509Data/X509Certificate",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "warning ATTACHMENT_TYPE_DIFFERS AttachmentEncoded/Attachment[1]/AttachmentName",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/MessageHeader/DocumentId",
            "note REPLACEMENT_REPEATED edXMLHeader/TraceHeaderList/Bussiness/ReplacementInfoList[1]/ReplacementInfo[2]",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
        ],
    ),
    // A revocation: no Bussiness/DocumentId, so the one of the MessageHeader is revoked.
    (
        "edoc-revocation",
        &[
            "warning SIGNATURE_NAMESPACE edXMLHeader/Signature",
            "warning CERTIFICATE_TRUNCATED edXMLHeader/Signature/KeyInfo/X509Data/X509Certificate",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "warning ATTACHMENT_TYPE_DIFFERS AttachmentEncoded/Attachment[1]/AttachmentName",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/MessageHeader/DocumentId",
            "note FIELD_ABSENT edXMLHeader/TraceHeaderList/Bussiness",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
        ],
    ),
    // Two .txt, zipped; a TraceHeader without OrganId.
    (
        "edoc-two-attachments-zipped-txt",
        &[
            "warning FIELD_LONG edXMLHeader/MessageHeader/Code/CodeNumber",
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/From/OrganId",
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/To[1]/OrganId",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "note ORGAN_ID_CASE edXMLHeader/MessageHeader/From/OrganId",
            "note ORGAN_ID_CASE edXMLHeader/MessageHeader/To[1]/OrganId",
            "note SELF_ADDRESSED edXMLHeader/MessageHeader/To[1]/OrganId",
            "note DOCUMENT_ID_FORM edXMLHeader/MessageHeader/DocumentId",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/From",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/To[1]",
            "note FIELD_ABSENT edXMLHeader/MessageHeader",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/SignerInfo",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/OtherInfo",
            "note BUSINESS_MISSING edXMLHeader/TraceHeaderList/Bussiness",
            "note TRACE_ORGAN_MISSING edXMLHeader/TraceHeaderList/TraceHeader[1]/OrganId",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[2]/ContentTransferEncoded",
        ],
    ),
    // An update: Bussiness/DocumentId is another than that of the MessageHeader.
    (
        "edoc-update",
        &[
            "warning SIGNATURE_NAMESPACE edXMLHeader/Signature",
            "warning CERTIFICATE_TRUNCATED edXMLHeader/Signature/KeyInfo/X509Data/X509Certificate",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "warning DATE_UNREADABLE edXMLHeader/TraceHeaderList/Bussiness/DocumentId",
            "warning ATTACHMENT_TYPE_DIFFERS AttachmentEncoded/Attachment[1]/AttachmentName",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/MessageHeader/DocumentId",
            "note DOCUMENT_ID_DIFFERS edXMLHeader/TraceHeaderList/Bussiness/DocumentId",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
        ],
    ),
    // A template: edXML and xlink undeclared where they are used, a placeholder for base64, an empty ResponseFor, ToPlaces
    // before OtherInfo, DocumentId last. A name is half decomposed, which its README does not say.
    (
        "edoc-vendor-template-illformed-ns",
        &[
            "warning TEXT_MIXED_FORMS edXMLHeader/MessageHeader/SignerInfo/FullName",
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/From/OrganId",
            "warning DUE_DATE_EARLY edXMLHeader/MessageHeader/DueDate",
            "warning ORGAN_ID_PATTERN edXMLHeader/TraceHeaderList/TraceHeader[1]/OrganId",
            "warning PLACEHOLDER_ATTACHMENT AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
            "warning UNDECLARED_PREFIX_REPAIRED edXML",
            "note ELEMENT_ORDER edXMLHeader/MessageHeader",
            "note ELEMENT_EMPTY edXMLHeader/MessageHeader/ResponseFor[1]",
            "note ELEMENT_ORDER edXMLBody/edXMLManifest/Reference[1]",
            "note DOCUMENT_ID_FORM edXMLHeader/MessageHeader/DocumentId",
            "note BUSINESS_MISSING edXMLHeader/TraceHeaderList/Bussiness",
        ],
    ),
    // A PDF by its type and a ZIP by its bytes; a system's code; TraceHeaders with the word null and with nothing; no
    // Bussiness; no OrganName.
    (
        "received-from-axis-2025-pdf-type-but-zip",
        &[
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/From/OrganId",
            "warning ORGAN_ID_PATTERN edXMLHeader/MessageHeader/To[1]/OrganId",
            "warning DOCUMENT_TYPE_DIFFERS edXMLHeader/MessageHeader/DocumentType",
            "warning CONTENT_TYPE_MISMATCH AttachmentEncoded/Attachment[1]/ContentType",
            "note ORGAN_ID_CASE edXMLHeader/MessageHeader/From/OrganId",
            "note ORGAN_ID_CASE edXMLHeader/MessageHeader/To[1]/OrganId",
            "note SELF_ADDRESSED edXMLHeader/MessageHeader/To[1]/OrganId",
            "note DOCUMENT_ID_FORM edXMLHeader/MessageHeader/DocumentId",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/From",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/To[1]",
            "note FIELD_ABSENT edXMLHeader/MessageHeader",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/SignerInfo",
            "note BUSINESS_MISSING edXMLHeader/TraceHeaderList/Bussiness",
            "note TRACE_ORGAN_MISSING edXMLHeader/TraceHeaderList/TraceHeader[1]/OrganId",
            "note TRACE_ORGAN_MISSING edXMLHeader/TraceHeaderList/TraceHeader[2]/OrganId",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
        ],
    ),
    // The reference library's own: PDF raw, others zipped, application/zip in the manifest for all; cid:cid:.
    (
        "refjar-built-pdf-txt-xlsx",
        &[
            "warning CONTENT_TYPE_MISMATCH edXMLBody/edXMLManifest/Reference[1]/ContentType",
            "warning ATTACHMENT_TYPE_DIFFERS AttachmentEncoded/Attachment[3]/AttachmentName",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/From",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/To[1]",
            "note FIELD_ABSENT edXMLHeader/MessageHeader",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/OtherInfo",
            "note CONTENT_ID_FORM AttachmentEncoded/Attachment[2]/ContentId",
            "note CONTENT_ID_FORM AttachmentEncoded/Attachment[3]/ContentId",
            "note CONTENT_ID_FORM edXMLBody/edXMLManifest/Reference[2]/ContentId",
            "note CONTENT_ID_FORM edXMLBody/edXMLManifest/Reference[3]/ContentId",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[2]/ContentTransferEncoded",
            "note ATTACHMENT_ZIPPED AttachmentEncoded/Attachment[3]/ContentTransferEncoded",
        ],
    ),
    // The template, filled; to itself.
    (
        "sent-to-axis-2019-original",
        &[
            "warning TEXT_MIXED_FORMS edXMLHeader/MessageHeader/SignerInfo/FullName",
            "warning DUE_DATE_EARLY edXMLHeader/MessageHeader/DueDate",
            "warning ORGAN_ID_PATTERN edXMLHeader/TraceHeaderList/TraceHeader[1]/OrganId",
            "warning PLACEHOLDER_ATTACHMENT AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
            "warning UNDECLARED_PREFIX_REPAIRED edXML",
            "note ELEMENT_ORDER edXMLHeader/MessageHeader",
            "note ELEMENT_EMPTY edXMLHeader/MessageHeader/ResponseFor[1]",
            "note ELEMENT_ORDER edXMLBody/edXMLManifest/Reference[1]",
            "note SELF_ADDRESSED edXMLHeader/MessageHeader/To[1]/OrganId",
            "note DOCUMENT_ID_FORM edXMLHeader/MessageHeader/DocumentId",
            "note BUSINESS_MISSING edXMLHeader/TraceHeaderList/Bussiness",
        ],
    ),
    // Other orders in From, ResponseFor and StaffInfo.
    ("status-01-inbox", STATUS),
    // The reference library's order.
    ("status-01-reference-jar-order", &[]),
    ("status-02-rejection", STATUS),
    ("status-03-acceptance", STATUS),
    ("status-04-assignment", STATUS),
    ("status-06-finish", STATUS),
    ("status-13-cancellation", STATUS),
    ("status-15-change-acceptance", STATUS),
    // The .NET family: ContentId with cid: only in the manifest, a DigitalSignature, StaffInfo before Paper, Type 18, own
    // orders, empty elements.
    (
        "synthetic-dotnet-style",
        &[
            "warning VALUE_UNKNOWN edXMLHeader/MessageHeader/DocumentType/Type",
            "note DIGITAL_SIGNATURE_ELEMENT edXMLHeader/DigitalSignature",
            "note ELEMENT_ORDER edXMLHeader/MessageHeader",
            "note ELEMENT_ORDER edXMLHeader/MessageHeader/DocumentType",
            "note ELEMENT_EMPTY edXMLHeader/MessageHeader/OtherInfo/Appendixes",
            "note ELEMENT_ORDER edXMLHeader/TraceHeaderList/Bussiness",
            "note ELEMENT_ORDER edXMLHeader/TraceHeaderList/Bussiness/StaffInfo[1]",
            "note ELEMENT_EMPTY edXMLHeader/TraceHeaderList/Bussiness/StaffInfo[1]/Mobile",
            "note ELEMENT_EMPTY edXMLHeader/TraceHeaderList/Bussiness/StaffInfo[1]/Email",
            "note ELEMENT_ORDER edXMLBody/edXMLManifest/Reference[1]",
            "note ELEMENT_ORDER AttachmentEncoded/Attachment[1]",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/From",
            "note FIELD_ABSENT edXMLHeader/MessageHeader/To[1]",
            "note CONTENT_ID_FORM AttachmentEncoded/Attachment[1]/ContentId",
        ],
    ),
];
