//! The closed list of findings: code, weight and words. Whoever needs another adds a row here; a code never changes
//! once released. `docs/findings.md` is made from it.

use super::finding::Severity;

macro_rules! findings {
    ($($(#[$doc:meta])* $finding:ident $severity:ident $code:literal $vi:literal $en:literal;)*) => {
        /// Something unusual in an accepted packet. A closed list with stable codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Finding {
            $(#[doc = $en] $finding,)*
        }

        impl Finding {
            /// Every finding.
            pub const ALL: &[Self] = &[$(Self::$finding),*];

            /// The stable code: `DOCID_REUSED`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$finding => $code,)* }
            }

            /// The finding with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|finding| finding.code() == code)
            }

            /// Warning or note.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$finding => Severity::$severity,)* }
            }

            /// What a clerk reads, Vietnamese and English.
            pub const fn wording(self) -> (&'static str, &'static str) {
                match self { $(Self::$finding => ($vi, $en),)* }
            }
        }
    };
}

findings! {
    UndeclaredPrefixRepaired Warning "UNDECLARED_PREFIX_REPAIRED"
        "Gói tin dùng tiền tố chưa khai báo" "The packet uses an undeclared namespace prefix";
    SignatureAbsent Warning "SIGNATURE_ABSENT"
        "Gói tin không có chữ ký số" "The packet has no signature";
    SignatureUnusable Warning "SIGNATURE_UNUSABLE"
        "Chữ ký số không kiểm tra được, coi như chưa ký" "The signature cannot be judged; treated as unsigned";
    SignatureSha1 Warning "SIGNATURE_SHA1"
        "Chữ ký số hợp lệ nhưng dùng SHA-1, đã lỗi thời" "The signature is valid and uses SHA-1, which is out of date";
    SignatureInvalidRecorded Warning "SIGNATURE_INVALID_RECORDED"
        "Chữ ký số không hợp lệ, chỉ ghi nhận" "The signature is invalid; recorded only";
    DocidReused Warning "DOCID_REUSED"
        "DocumentId đã dùng cho văn bản khác, nơi nhận khác" "The DocumentId was used for another document to other receivers";
    RecallIncomplete Warning "RECALL_INCOMPLETE"
        "Thu hồi không gửi đến mọi nơi đang giữ văn bản" "The revocation leaves out organisations that have the document";
    RecallUndelivered Note "RECALL_UNDELIVERED"
        "Văn bản chưa rời trục khi lệnh thu hồi đến: rút cả hai, trừ khi đúng lúc đang gửi; xem trạng thái từng nơi nhận"
        "The document had not left when its revocation came: both are withdrawn, unless it was just being sent; the deliveries say which";
    RecallHeld Warning "RECALL_HELD"
        "Văn bản chưa rời trục khi có yêu cầu lấy lại (13): trục giữ cả hai, trừ khi đúng lúc đang gửi; gửi gói tin thu hồi để rút hẳn"
        "The document had not left when it was asked back (13): both are held, unless it was just being sent; a revocation withdraws them";
    UpdateReceiverUnknown Warning "UPDATE_RECEIVER_UNKNOWN"
        "Danh sách nơi nhận của bản cập nhật có đơn vị không gửi đến được" "The update's receiver list names an organisation that cannot be reached";
    DocumentIdMissing Warning "DOCUMENT_ID_MISSING"
        "Gói tin không có DocumentId" "The packet has no DocumentId";
    ReasonMissing Warning "REASON_MISSING"
        "Thu hồi, cập nhật hoặc thay thế không nêu lý do" "A revocation, update or replacement gives no reason";
    TimestampMissing Warning "TIMESTAMP_MISSING"
        "Gói tin trạng thái không có thời gian" "The status packet has no timestamp";
    DateUnreadable Warning "DATE_UNREADABLE"
        "Ngày không đọc được" "A date cannot be read";
    OrganIdPattern Warning "ORGAN_ID_PATTERN"
        "Mã định danh không theo mẫu QCVN 102:2016 hoặc QĐ 20/2020"
        "An organisation code follows neither QCVN 102:2016 nor QĐ 20/2020";
    SelfAddressed Note "SELF_ADDRESSED"
        "Đơn vị gửi cũng là nơi nhận" "The sender is one of the receivers";
    FieldLong Warning "FIELD_LONG"
        "Trường dài hơn quy định" "A field is longer than the standard says";
    AttachmentUnreferenced Warning "ATTACHMENT_UNREFERENCED"
        "Tệp đính kèm không có trong danh mục" "An attachment is not listed in the manifest";
    ReferenceUnresolved Warning "REFERENCE_UNRESOLVED"
        "Danh mục nêu tệp không có trong gói tin" "The manifest lists an attachment that is not there";
    ContentTypeMismatch Warning "CONTENT_TYPE_MISMATCH"
        "Kiểu tệp khai báo khác nội dung" "An attachment's declared type differs from its bytes";
    PlaceholderAttachment Warning "PLACEHOLDER_ATTACHMENT"
        "Tệp đính kèm là chuỗi mẫu, không phải dữ liệu" "An attachment is an unfilled template placeholder";
    AttachmentBase64 Warning "ATTACHMENT_BASE64"
        "Base64 của tệp đính kèm không đúng chuẩn; tệp có thể đã hỏng" "An attachment's base64 is not quite right; the file may be damaged";
    AttachmentMangled Warning "ATTACHMENT_MANGLED"
        "Tệp đính kèm bị hỏng do chuyển mã UTF-8" "An attachment was damaged by a UTF-8 conversion";
    AttachmentEmpty Warning "ATTACHMENT_EMPTY"
        "Tệp đính kèm rỗng" "An attachment is empty";

    // How the packet is written.
    SignatureNamespace Warning "SIGNATURE_NAMESPACE"
        "Chữ ký số nằm sai không gian tên, không kiểm tra được" "A Signature stands in a namespace other than XMLDSig's and cannot be judged";
    CertificateTruncated Warning "CERTIFICATE_TRUNCATED"
        "Chứng thư trong chữ ký bị cắt hoặc không đọc được" "The certificate in a Signature is cut off or cannot be read";
    DigitalSignatureElement Note "DIGITAL_SIGNATURE_ELEMENT"
        "Có phần tử DigitalSignature, không phải chữ ký số" "There is a DigitalSignature element, which is no signature";
    UnknownElement Note "UNKNOWN_ELEMENT"
        "Phần tử ngoài quy chuẩn, được giữ nguyên và bỏ qua" "An element that the standard does not have; kept and passed over";
    ElementOrder Note "ELEMENT_ORDER"
        "Thứ tự phần tử khác thư viện tham chiếu" "The elements stand in another order than the reference library writes";
    ElementPrefix Note "ELEMENT_PREFIX"
        "Phần tử trong phong bì không dùng tiền tố edXML; một số hệ thống nhận không đọc được" "Elements of the envelope lack the prefix edXML; some receivers cannot read them";
    ElementRepeated Note "ELEMENT_REPEATED"
        "Phần tử bị lặp với cùng nội dung hoặc rỗng, chỉ tính một lần" "An element stands twice with the same text, or once empty; it counts once";
    ElementEmpty Note "ELEMENT_EMPTY"
        "Phần tử rỗng, coi như không có" "An empty element, taken for an absent one";
    BlanksTrimmed Note "BLANKS_TRIMMED"
        "Khoảng trắng thừa ở đầu hoặc cuối trường" "Blanks at the start or end of a field";

    // What is missing or does not fit.
    FieldAbsent Note "FIELD_ABSENT"
        "Thiếu trường nên có" "A field that should be there is missing";
    NumberUnreadable Warning "NUMBER_UNREADABLE"
        "Trường phải là số nguyên" "A field that must be a whole number is none";
    ValueUnknown Warning "VALUE_UNKNOWN"
        "Giá trị ngoài danh mục quy định" "A value that the standard does not list";
    DateForm Note "DATE_FORM"
        "Ngày viết khác dạng yyyy/MM/dd" "A date is written in another form than yyyy/MM/dd";
    DueDateEarly Warning "DUE_DATE_EARLY"
        "Hạn xử lý trước ngày ban hành" "The due date is before the date of promulgation";
    DocumentIdForm Note "DOCUMENT_ID_FORM"
        "DocumentId không theo dạng mã định danh,ngày,số/ký hiệu" "The DocumentId is not composed of OrganId, date and code";
    DocumentIdDiffers Note "DOCUMENT_ID_DIFFERS"
        "DocumentId khác mã đơn vị, ngày hoặc số ký hiệu trong gói tin" "The DocumentId names another organisation, date or code than the header";
    DocumentTypeDiffers Warning "DOCUMENT_TYPE_DIFFERS"
        "Mã loại văn bản khác tên loại văn bản" "Type and TypeDetail do not stand for the TypeName";
    OrganIdCase Note "ORGAN_ID_CASE"
        "Mã định danh viết chữ thường" "An organisation code is written in lower case";
    OrganIdClosed Warning "ORGAN_ID_CLOSED"
        "Mã cấp 1 đã đóng do sáp nhập" "The level-1 code was closed by a merger";
    TraceMissing Note "TRACE_MISSING"
        "Không có TraceHeaderList, coi là văn bản mới" "There is no TraceHeaderList; taken for a new document";
    TraceOrganMissing Note "TRACE_ORGAN_MISSING"
        "TraceHeader không ghi đơn vị" "A TraceHeader names no organisation";
    BusinessMissing Note "BUSINESS_MISSING"
        "Không có Bussiness, coi là văn bản mới" "There is no Bussiness; taken for a new document";
    ReplacementRepeated Note "REPLACEMENT_REPEATED"
        "ReplacementInfo bị lặp" "A ReplacementInfo stands there twice";
    StatusCodeForm Note "STATUS_CODE_FORM"
        "StatusCode thiếu số 0 ở đầu" "The StatusCode lacks its leading zero";

    // Attachments.
    ContentIdForm Note "CONTENT_ID_FORM"
        "ContentId thiếu hoặc thừa tiền tố cid:" "A ContentId lacks its prefix cid: or has it more than once";
    ContentIdRepeated Warning "CONTENT_ID_REPEATED"
        "ContentId bị lặp" "A ContentId stands for several attachments or references";
    AttachmentByPosition Note "ATTACHMENT_BY_POSITION"
        "Tệp đính kèm chỉ khớp với danh mục theo thứ tự" "An attachment matches the manifest by its position only";
    AttachmentNameDiffers Note "ATTACHMENT_NAME_DIFFERS"
        "Tên tệp trong danh mục khác tên tệp đính kèm" "The manifest gives an attachment another name";
    AttachmentNameUnsafe Warning "ATTACHMENT_NAME_UNSAFE"
        "Tên tệp không dùng được làm tên tệp; khi lưu sẽ đổi tên" "An attachment's name cannot be a file name; it is saved under another";
    AttachmentNameMissing Warning "ATTACHMENT_NAME_MISSING"
        "Tệp đính kèm không có tên" "An attachment has no name";
    AttachmentZipped Note "ATTACHMENT_ZIPPED"
        "Tệp được nén ZIP khi gửi, đã mở ra để đọc" "The file was zipped for the way; what counts is the file in it";
    AttachmentSeveralEntries Warning "ATTACHMENT_SEVERAL_ENTRIES"
        "Tệp ZIP có nhiều tệp dưới tên không phải ZIP; các hệ thống chỉ đọc tệp đầu tiên" "A ZIP of several files under another name; receivers read the first one only";
    AttachmentZipUnreadable Warning "ATTACHMENT_ZIP_UNREADABLE"
        "Tệp ZIP hỏng, có mật khẩu hoặc dùng kiểu nén lạ" "A ZIP that is damaged, encrypted or packed in a way that is not read";
    AttachmentTypeDiffers Warning "ATTACHMENT_TYPE_DIFFERS"
        "Đuôi tên tệp khác nội dung thật của tệp" "The ending of the name is not that of the file's real type";
    AttachmentProgram Warning "ATTACHMENT_PROGRAM"
        "Tệp đính kèm là chương trình chạy được" "An attachment is a program";

    // Text (TCVN 6909:2001 is Unicode).
    TextLegacy Warning "TEXT_LEGACY"
        "Chữ có vẻ theo bảng mã cũ (TCVN3, VNI, VIQR), không phải Unicode" "The text looks like TCVN3, VNI or VIQR and not like Unicode";
    TextDecomposed Note "TEXT_DECOMPOSED"
        "Chữ Unicode tổ hợp, không phải dựng sẵn" "The text is Unicode with combining marks (not NFC)";
    TextMixedForms Warning "TEXT_MIXED_FORMS"
        "Chữ Unicode vừa dựng sẵn vừa tổ hợp" "The text mixes composed and decomposed letters";
    TextInvisible Warning "TEXT_INVISIBLE"
        "Chữ có ký tự không nhìn thấy" "The text holds invisible characters";
    TextBidi Warning "TEXT_BIDI"
        "Chữ có ký tự đổi chiều viết" "The text holds characters that reverse its direction";

    // What organisations say to each other.
    StatusReasonMissing Warning "STATUS_REASON_MISSING"
        "Trạng thái từ chối hoặc yêu cầu lấy lại không nêu lý do" "A refusal or a recall gives no reason";
    StatusDocumentUnknown Warning "STATUS_DOCUMENT_UNKNOWN"
        "Trục không biết văn bản mà trạng thái nói đến" "The gateway does not know the document that the status speaks of";
    StatusSenderUnrelated Warning "STATUS_SENDER_UNRELATED"
        "Đơn vị báo trạng thái không phải nơi nhận hay nơi gửi của văn bản; trạng thái không đổi" "The status comes from who neither received nor sent the document; it changes nothing";
    StatusUnexpected Warning "STATUS_UNEXPECTED"
        "Trạng thái không đúng trình tự" "The status does not follow from the state before it";
    ChangeDocumentUnknown Warning "CHANGE_DOCUMENT_UNKNOWN"
        "Trục không biết văn bản được thu hồi, cập nhật hoặc thay thế" "The gateway does not know the document that is revoked, updated or replaced";
    ChangeUnexpected Warning "CHANGE_UNEXPECTED"
        "Thu hồi, cập nhật hoặc thay thế không đúng trình tự" "The revocation, update or replacement does not follow from the state before it";
}
