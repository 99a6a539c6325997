//! What was noticed in a packet and did not hinder it. Receipts and events carry the codes.

use std::fmt;

macro_rules! findings {
    ($($(#[$doc:meta])* $finding:ident $code:literal $vi:literal $en:literal;)*) => {
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

            /// What a clerk reads, Vietnamese and English.
            pub const fn wording(self) -> (&'static str, &'static str) {
                match self { $(Self::$finding => ($vi, $en),)* }
            }
        }
    };
}

findings! {
    UndeclaredPrefixRepaired "UNDECLARED_PREFIX_REPAIRED"
        "Gói tin dùng tiền tố chưa khai báo" "The packet uses an undeclared namespace prefix";
    SignatureAbsent "SIGNATURE_ABSENT"
        "Gói tin không có chữ ký số" "The packet has no signature";
    SignatureUnusable "SIGNATURE_UNUSABLE"
        "Chữ ký số không kiểm tra được, coi như chưa ký" "The signature cannot be judged; treated as unsigned";
    SignatureSha1 "SIGNATURE_SHA1"
        "Chữ ký số hợp lệ nhưng dùng SHA-1, đã lỗi thời" "The signature is valid and uses SHA-1, which is out of date";
    SignatureInvalidRecorded "SIGNATURE_INVALID_RECORDED"
        "Chữ ký số không hợp lệ, chỉ ghi nhận" "The signature is invalid; recorded only";
    DocidReused "DOCID_REUSED"
        "DocumentId đã dùng cho văn bản khác, nơi nhận khác" "The DocumentId was used for another document to other receivers";
    DocumentIdMissing "DOCUMENT_ID_MISSING"
        "Gói tin không có DocumentId" "The packet has no DocumentId";
    ReasonMissing "REASON_MISSING"
        "Thu hồi, cập nhật hoặc thay thế không nêu lý do" "A revocation, update or replacement gives no reason";
    TimestampMissing "TIMESTAMP_MISSING"
        "Gói tin trạng thái không có thời gian" "The status packet has no timestamp";
    DateUnreadable "DATE_UNREADABLE"
        "Ngày không đọc được" "A date cannot be read";
    OrganIdPattern "ORGAN_ID_PATTERN"
        "Mã định danh không theo mẫu QCVN 102:2016 hoặc QĐ 20/2020"
        "An organisation code follows neither QCVN 102:2016 nor QĐ 20/2020";
    SelfAddressed "SELF_ADDRESSED"
        "Đơn vị gửi cũng là nơi nhận" "The sender is one of the receivers";
    FieldLong "FIELD_LONG"
        "Trường dài hơn quy định" "A field is longer than the standard says";
    AttachmentUnreferenced "ATTACHMENT_UNREFERENCED"
        "Tệp đính kèm không có trong danh mục" "An attachment is not listed in the manifest";
    ReferenceUnresolved "REFERENCE_UNRESOLVED"
        "Danh mục nêu tệp không có trong gói tin" "The manifest lists an attachment that is not there";
    ContentTypeMismatch "CONTENT_TYPE_MISMATCH"
        "Kiểu tệp khai báo khác nội dung" "An attachment's declared type differs from its bytes";
    PlaceholderAttachment "PLACEHOLDER_ATTACHMENT"
        "Tệp đính kèm là chuỗi mẫu, không phải dữ liệu" "An attachment is an unfilled template placeholder";
    AttachmentMangled "ATTACHMENT_MANGLED"
        "Tệp đính kèm bị hỏng do chuyển mã UTF-8" "An attachment was damaged by a UTF-8 conversion";
    AttachmentEmpty "ATTACHMENT_EMPTY"
        "Tệp đính kèm rỗng" "An attachment is empty";
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A finding with its place, for `inspect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub finding: Finding,
    /// Where: an element path.
    pub field: String,
}
