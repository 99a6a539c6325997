//! The table of rejections: the only place where a status number, a problem text or a metric label of a refusal stands.
//! SDK codes are those of the provincial axis guide: 10 file invalid, 15 credentials, 18 receiver unknown, 19 sender not
//! registered, 20 trouble on our side, 21 file processing, 22 not edXML, 23 receiver closed.

use super::Row;

macro_rules! table {
    ($($code:ident $name:literal $status:literal $sdk:literal $label:literal
        $title_vi:literal $title_en:literal $rule_vi:literal $rule_en:literal;)*) => {
        #[allow(rustdoc::bare_urls, reason = "the texts are for senders, not for rustdoc")]
        /// Why something was refused. Closed: a code is a row, and whoever needs another adds a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RejectionCode {
            $(#[doc = $title_en] #[doc = ""] #[doc = $rule_en] $code,)*
        }

        impl RejectionCode {
            /// Every code, in the order of the documentation page.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The code's row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$code => &Row {
                        name: $name,
                        status: $status,
                        sdk: $sdk,
                        label: $label,
                        title_vi: $title_vi,
                        title_en: $title_en,
                        rule_vi: $rule_vi,
                        rule_en: $rule_en,
                    },)*
                }
            }
        }
    };
}

table! {
    // The door: who asks, and whether the request came whole.
    CredentialsMissing "CREDENTIALS_MISSING" 401 "15" "credentials_missing"
        "Thiếu thông tin xác thực" "Credentials missing"
        "Mỗi yêu cầu phải kèm thông tin xác thực của hệ thống gửi; hãy bổ sung rồi gửi lại."
        "Every request must carry the credentials of the connected system; add them and send again.";
    CredentialsUnknown "CREDENTIALS_UNKNOWN" 401 "15" "credentials_unknown"
        "Thông tin xác thực không đúng" "Credentials not accepted"
        "Mã hệ thống hoặc khóa bí mật không khớp với đăng ký; hãy kiểm tra lại với đơn vị vận hành trục."
        "The system id or secret does not match a registration; check it with the operator of the gateway.";
    AttemptsTooMany "ATTEMPTS_TOO_MANY" 429 "15" "attempts_too_many"
        "Sai thông tin xác thực quá nhiều lần" "Too many wrong credentials"
        "Từ địa chỉ này, hoặc với mã hệ thống này, đã có quá nhiều lần ký sai; hãy sửa khóa bí mật, chờ một phút rồi gọi lại."
        "Too many wrong signatures have come from this address or under this system id; correct the secret, wait a minute and call again.";
    OperationOff "OPERATION_OFF" 403 "10" "operation_off"
        "Lệnh không mở cho hệ thống này" "Operation switched off"
        "Trục không mở lệnh này cho hệ thống của bạn; hãy đề nghị đơn vị vận hành trục thực hiện hoặc mở lệnh."
        "The gateway has this operation switched off for your system; ask its operator to do it or to switch it on.";
    TlsRequired "TLS_REQUIRED" 403 "15" "tls_required"
        "Lệnh này cần kết nối mã hóa" "Encrypted connection required"
        "Nội dung của lệnh này không nằm trong chữ ký, nên trục chỉ nhận qua TLS; hãy đổi service.endpoint sang https."
        "The signature does not cover what this operation says, so it is taken over TLS only; change the endpoint to https.";
    NotFound "NOT_FOUND" 404 "10" "not_found"
        "Không tìm thấy" "Not found"
        "Không có đối tượng này, hoặc hệ thống của bạn không gửi và không nhận nó; hãy kiểm tra lại mã."
        "There is no such object, or your system neither sent nor receives it; check the id.";
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 "10" "method_not_allowed"
        "Phương thức không được hỗ trợ" "Method not allowed"
        "Địa chỉ này không nhận phương thức HTTP đã dùng; hãy dùng phương thức ghi trong tiêu đề Allow."
        "This address does not take the HTTP method used; use one that the Allow header names.";
    BodyTooSlow "BODY_TOO_SLOW" 408 "21" "body_too_slow"
        "Dữ liệu đến quá chậm" "Body too slow"
        "Nội dung không đến đủ trong thời gian cho phép; hãy kiểm tra đường truyền rồi gửi lại từ đầu."
        "The body did not arrive within the time allowed; check the line and send it again from the start.";
    BodyIncomplete "BODY_INCOMPLETE" 400 "21" "body_incomplete"
        "Dữ liệu bị cắt ngang" "Body incomplete"
        "Số byte nhận được ít hơn số đã khai báo; hãy gửi lại toàn bộ nội dung."
        "Fewer bytes arrived than were announced; send the whole body again.";
    BodyTooLarge "BODY_TOO_LARGE" 413 "21" "body_too_large"
        "Gói tin quá lớn" "Body too large"
        "Gói tin vượt dung lượng tối đa mà trục nhận; hãy giảm hoặc tách tệp đính kèm."
        "The packet is larger than the gateway takes; shrink or split the attachments.";
    BodyEmpty "BODY_EMPTY" 400 "10" "body_empty"
        "Không có nội dung" "Body empty"
        "Yêu cầu không chứa gói tin; hãy gửi tệp edXML trong phần thân của yêu cầu."
        "The request holds no packet; send the edXML file as the body of the request.";
    BodyNotJson "BODY_NOT_JSON" 400 "10" "body_not_json"
        "Nội dung không phải JSON" "Body not JSON"
        "Phần thân phải là một đối tượng JSON bằng UTF-8, mỗi thành phần là một chuỗi và chỉ có một lần; hãy sửa rồi gửi lại."
        "The body must be one JSON object in UTF-8, each member a text that stands once; correct it and send it again.";
    ContentTypeUnsupported "CONTENT_TYPE_UNSUPPORTED" 415 "10" "content_type_unsupported"
        "Kiểu nội dung không được hỗ trợ" "Content type not supported"
        "Gói tin phải được gửi nguyên dạng với kiểu application/xml hoặc application/octet-stream; hãy sửa Content-Type."
        "A packet is sent as it is, as application/xml or application/octet-stream; correct the Content-Type.";
    HeaderInvalid "HEADER_INVALID" 400 "10" "header_invalid"
        "Tiêu đề yêu cầu không hợp lệ" "Request header invalid"
        "Tiêu đề HTTP được nêu bị thiếu, lặp hoặc sai dạng; hãy sửa theo tài liệu kết nối."
        "The HTTP header named is missing, repeated or not in its form; correct it as the interface manual says.";
    UploadsTooMany "UPLOADS_TOO_MANY" 429 "20" "uploads_too_many"
        "Quá nhiều lượt gửi cùng lúc" "Too many uploads at once"
        "Hệ thống của bạn đang gửi nhiều hơn số lượt cho phép; hãy chờ theo Retry-After rồi gửi lại."
        "Your system has more uploads open than it may; wait for Retry-After and send again.";
    LooksTooMany "LOOKS_TOO_MANY" 429 "20" "looks_too_many"
        "Quá nhiều lượt tra cứu cùng lúc" "Too many look-ups at once"
        "Hệ thống của bạn đang tra cứu nhiều hơn số lượt cho phép; hãy chờ theo Retry-After rồi hỏi lại."
        "Your system has more look-ups open than it may; wait for Retry-After and ask again.";
    IdempotencyKeyInvalid "IDEMPOTENCY_KEY_INVALID" 400 "" "idempotency_key_invalid"
        "Idempotency-Key không hợp lệ" "Idempotency-Key invalid"
        "Idempotency-Key gồm 1 đến 128 ký tự ASCII nhìn thấy được; hãy sửa lại khóa."
        "An Idempotency-Key has 1 to 128 visible ASCII characters; correct the key.";
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" 422 "" "idempotency_key_reused"
        "Idempotency-Key đã dùng cho gói tin khác" "Idempotency-Key used for another packet"
        "Khóa này đã gắn với một gói tin có nội dung khác; hãy dùng khóa mới cho mỗi gói tin."
        "This key already stands for a packet with other bytes; use a fresh key for each packet.";
    IdempotencyKeyInFlight "IDEMPOTENCY_KEY_IN_FLIGHT" 409 "" "idempotency_key_in_flight"
        "Yêu cầu cùng Idempotency-Key đang được xử lý" "A request with this Idempotency-Key is under way"
        "Một yêu cầu mang khóa này chưa xong; hãy chờ kết quả của nó rồi mới gửi lại."
        "A request with this key has not ended; wait for its answer before sending again.";
    TryAgainLater "TRY_AGAIN_LATER" 503 "20" "try_again_later"
        "Trục tạm thời chưa nhận được" "Try again later"
        "Lỗi ở phía trục, không phải do gói tin; hãy gửi lại nguyên vẹn sau thời gian ghi ở Retry-After."
        "The trouble is ours and not the packet's; send the same bytes again after Retry-After.";
    StorageFull "STORAGE_FULL" 507 "20" "storage_full"
        "Trục hết chỗ chứa" "Storage full"
        "Trục tạm thời không còn chỗ để nhận thêm gói tin, các văn bản đã nhận vẫn được gửi tiếp; hãy gửi lại nguyên vẹn sau thời gian ghi ở Retry-After."
        "The gateway has no room for more packets now, and goes on with those it took; send the same bytes again after Retry-After.";

    // The file: XML and edXML.
    XmlMalformed "XML_MALFORMED" 422 "10" "xml_malformed"
        "Tệp không phải XML đúng chuẩn" "Not well-formed XML"
        "Gói tin phải là XML 1.0 đúng chuẩn, mã hóa UTF-8, không có byte thừa trước khai báo XML; hãy xuất lại tệp."
        "A packet must be well-formed XML 1.0 in UTF-8 with nothing before its XML declaration; export the file again.";
    XmlForbidden "XML_FORBIDDEN" 422 "10" "xml_forbidden"
        "Tệp chứa cấu trúc XML bị cấm" "Forbidden XML construct"
        "Gói tin không được chứa DOCTYPE hoặc thực thể tự định nghĩa; hãy bỏ chúng đi."
        "A packet must not hold a DOCTYPE or entities of its own; remove them.";
    XmlLimit "XML_LIMIT" 422 "10" "xml_limit"
        "Gói tin vượt giới hạn cấu trúc" "Structural limit exceeded"
        "Một phần của gói tin (số phần tử lặp, độ dài tên, tổng độ dài các trường) vượt giới hạn được nêu; hãy rút gọn."
        "A part of the packet (number of repeated elements, length of names, all fields together) exceeds the limit named; reduce it.";
    XmlTooDeep "XML_TOO_DEEP" 422 "10" "xml_too_deep"
        "Phần tử lồng nhau quá sâu" "Elements nested too deep"
        "Số phần tử lồng nhau vượt giới hạn được nêu; gói tin đúng quy chuẩn không lồng quá mười cấp, hãy kiểm tra phần mềm tạo gói tin."
        "More elements stand inside each other than the limit named; a packet of the standard needs ten at most, so check the software that wrote it.";
    XmlTagTooLarge "XML_TAG_TOO_LARGE" 422 "10" "xml_tag_too_large"
        "Thẻ XML quá lớn" "XML tag too large"
        "Một thẻ hoặc chú thích có quá nhiều thuộc tính hoặc quá dài; hãy bỏ phần thừa."
        "A tag or comment has too many attributes or is too long; remove what is not needed.";
    FieldTooLong "FIELD_TOO_LONG" 422 "22" "field_too_long"
        "Trường quá dài" "Field too long"
        "Nội dung của trường được nêu dài hơn mức mà trục đọc; hãy rút gọn, phần dài hãy để trong tệp đính kèm."
        "The field named holds more text than the gateway reads; shorten it and put long text into an attachment.";
    AttachmentsTooMany "ATTACHMENTS_TOO_MANY" 422 "22" "attachments_too_many"
        "Quá nhiều tệp đính kèm" "Too many attachments"
        "Số tệp đính kèm vượt giới hạn của một gói tin; hãy gộp tệp hoặc chia thành nhiều gói tin."
        "There are more attachments than one packet may have; join files or split them over several packets.";
    ArchiveRatio "ARCHIVE_RATIO" 422 "10" "archive_ratio"
        "Tệp nén có tỷ lệ nén bất thường" "Archive inflates out of proportion"
        "Tệp ZIP đính kèm giải nén lớn hơn rất nhiều lần dung lượng gửi, giống tệp phá hoại; hãy gửi tệp gốc không nén."
        "The attached ZIP inflates to many times what was sent, as archives made to do harm do; send the file itself.";
    ArchiveTooLarge "ARCHIVE_TOO_LARGE" 422 "10" "archive_too_large"
        "Tệp nén giải ra quá lớn" "Archive inflates too far"
        "Nội dung giải nén của tệp ZIP đính kèm vượt giới hạn được nêu; hãy chia nhỏ tệp."
        "What the attached ZIP inflates to exceeds the limit named; split the file.";
    ArchiveNested "ARCHIVE_NESTED" 422 "10" "archive_nested"
        "Tệp nén lồng nhau quá nhiều lớp" "Archives nested too deep"
        "Tệp ZIP đính kèm chứa tệp ZIP khác quá số lớp cho phép; hãy gửi tệp gốc không nén."
        "The attached ZIP holds a ZIP in a ZIP beyond the levels allowed; send the file itself.";
    ArchiveEntries "ARCHIVE_ENTRIES" 422 "10" "archive_entries"
        "Tệp nén có quá nhiều mục" "Archive has too many entries"
        "Tệp ZIP đính kèm có nhiều mục hơn giới hạn được nêu; hãy chia nhỏ."
        "The attached ZIP has more entries than the limit named; split it.";
    PacketNotEdxml "PACKET_NOT_EDXML" 422 "22" "packet_not_edxml"
        "Không phải gói tin edXML" "Not an edXML packet"
        "Phần tử gốc phải là edXML trong không gian tên http://www.mic.gov.vn/TBT/QCVN_102_2016; hãy tạo lại gói tin."
        "The root must be edXML in the namespace http://www.mic.gov.vn/TBT/QCVN_102_2016; build the packet again.";
    FieldMissing "FIELD_MISSING" 422 "22" "field_missing"
        "Thiếu trường bắt buộc" "Mandatory field missing"
        "Trường được nêu là bắt buộc và không được để trống; hãy bổ sung."
        "The field named is mandatory and must not be empty; fill it in.";
    FieldInvalid "FIELD_INVALID" 422 "22" "field_invalid"
        "Giá trị của trường không hợp lệ" "Field invalid"
        "Giá trị của trường được nêu không thuộc tập giá trị cho phép; hãy sửa lại."
        "The value of the field named is not one that is allowed; correct it.";
    FieldRepeated "FIELD_REPEATED" 422 "22" "field_repeated"
        "Trường bị lặp" "Field repeated"
        "Trường được nêu chỉ được xuất hiện một lần; hãy bỏ phần tử thừa."
        "The field named may stand only once; remove the others.";
    KindUnclear "KIND_UNCLEAR" 422 "22" "kind_unclear"
        "Không rõ loại gói tin" "Kind of packet unclear"
        "Gói tin phải là văn bản (có To và Code) hoặc trạng thái (có StatusCode), không phải cả hai, và khớp với loại đã khai khi gửi."
        "A packet is a document (To and Code) or a status (StatusCode), never both, and of the kind announced with it.";
    AttachmentInvalid "ATTACHMENT_INVALID" 422 "21" "attachment_invalid"
        "Tệp đính kèm không giải mã được" "Attachment cannot be decoded"
        "Nội dung tệp đính kèm được nêu phải là base64 đầy đủ; hãy đính kèm lại tệp."
        "The content of the attachment named must be whole base64; attach the file again.";
    SecretNotCarried "SECRET_NOT_CARRIED" 422 "10" "secret_not_carried"
        "Văn bản không được gửi qua trục" "Not carried by this gateway"
        "Văn bản mật và đơn thư khiếu nại, tố cáo, tranh chấp không được gửi qua trục liên thông; hãy gửi theo đường quy định riêng."
        "Secret documents and letters of complaint, denunciation or dispute are not carried; send them by the way prescribed for them.";

    HashMismatch "HASH_MISMATCH" 422 "10" "hash_mismatch"
        "Mã băm của tệp không khớp" "Digest of the file does not fit"
        "hash-file phải là SHA-256 của tệp được gửi và nằm trong phần đã ký; hãy tính lại rồi gửi lại toàn bộ."
        "hash-file must be the SHA-256 of the file sent, and be signed; compute it again and send all of it again.";

    // The signature.
    SignatureMissing "SIGNATURE_MISSING" 422 "10" "signature_missing"
        "Thiếu chữ ký số" "Signature missing"
        "Đơn vị gửi này phải ký số toàn bộ gói tin; hãy ký rồi gửi lại."
        "This sender must sign the whole packet; sign it and send again.";
    SignatureUnusable "SIGNATURE_UNUSABLE" 422 "10" "signature_unusable"
        "Chữ ký số không kiểm tra được" "Signature cannot be judged"
        "Chữ ký dùng thuật toán, không gian tên hoặc chứng thư ngoài quy định; hãy ký lại bằng RSA hoặc P-256 với SHA-256."
        "The signature uses an algorithm, namespace or certificate outside the profile; sign again with RSA or P-256 and SHA-256.";
    SignatureInvalid "SIGNATURE_INVALID" 422 "10" "signature_invalid"
        "Chữ ký số không hợp lệ" "Signature invalid"
        "Nội dung không khớp với chữ ký hoặc chữ ký đặt sai chỗ: gói tin đã bị sửa sau khi ký; hãy ký lại bản gốc."
        "The content does not match the signature or the signature is misplaced: the packet changed after signing; sign the original again.";
    SignerNotTrusted "SIGNER_NOT_TRUSTED" 422 "10" "signer_not_trusted"
        "Người ký không được tin cậy" "Signer not trusted"
        "Chứng thư ký không phải của đơn vị gửi, hết hạn, bị thu hồi hoặc không thuộc tổ chức chứng thực được tin cậy; hãy ký bằng chứng thư đã đăng ký."
        "The signing certificate is not this sender's, has expired, is revoked or has no trusted issuer; sign with the registered one.";
    RevocationUnknown "REVOCATION_UNKNOWN" 503 "20" "revocation_unknown"
        "Chưa xét được thu hồi chứng thư" "Revocation cannot be judged"
        "Trục thiếu danh sách thu hồi còn hạn của tổ chức cấp chứng thư ký, không phải lỗi của gói tin; hãy gửi lại nguyên vẹn sau thời gian ghi ở Retry-After."
        "The gateway has no current revocation list of the authority that issued the signing certificate: the trouble is ours and not the packet's; send the same bytes again after Retry-After.";

    // Who sends, who receives.
    SenderUnknown "SENDER_UNKNOWN" 422 "19" "sender_unknown"
        "Đơn vị gửi chưa đăng ký" "Sender not registered"
        "Mã định danh ở From/OrganId không có trong danh bạ của trục; hãy đăng ký hoặc sửa mã."
        "The code in From/OrganId is not in the directory; register it or correct it.";
    SenderNotYours "SENDER_NOT_YOURS" 403 "19" "sender_not_yours"
        "Không được gửi thay đơn vị này" "Not entitled to send for this organisation"
        "Kết nối này không được phép gửi thay đơn vị ở From/OrganId; hãy gửi từ hệ thống của chính đơn vị đó."
        "This connection may not speak for the organisation in From/OrganId; send from that organisation's own system.";
    SenderClosed "SENDER_CLOSED" 422 "19" "sender_closed"
        "Đơn vị gửi đã ngừng hoạt động" "Sender closed"
        "Mã định danh ở From/OrganId đã đóng; hãy gửi bằng mã của đơn vị kế thừa."
        "The code in From/OrganId is closed; send under the code of the successor.";
    AxisSpeaksNot "AXIS_SPEAKS_NOT" 403 "19" "axis_speaks_not"
        "Trục gửi đến không đại diện cho đơn vị gửi" "Axis does not speak for the sender"
        "Đơn vị ở From/OrganId không thuộc các nhóm mã mà trục này được nói thay, hoặc thuộc nơi kết nối khác theo danh bạ."
        "The organisation in From/OrganId is not of the groups that this axis speaks for, or is at home elsewhere by the directory.";
    AgencyOutOfScope "AGENCY_OUT_OF_SCOPE" 403 "19" "agency_out_of_scope"
        "Mã đơn vị ngoài phạm vi đăng ký" "Organisation outside your scope"
        "Hệ thống của bạn chỉ được đăng ký đơn vị trong các nhóm mã đã thỏa thuận; hãy liên hệ đơn vị vận hành trục."
        "Your system may register organisations of the agreed groups of codes only; ask the operator of the gateway.";
    AgencyElsewhere "AGENCY_ELSEWHERE" 409 "10" "agency_elsewhere"
        "Đơn vị đã kết nối ở nơi khác" "Organisation at home elsewhere"
        "Mã này đã thuộc một hệ thống hoặc trục khác, và đăng ký không chuyển đơn vị đi đâu; hãy liên hệ đơn vị vận hành trục."
        "This code is at home at another system or axis, and no registration moves it; ask the operator of the gateway.";
    AgencyFixed "AGENCY_FIXED" 409 "10" "agency_fixed"
        "Đơn vị do người vận hành khai" "Organisation kept by the operator"
        "Đơn vị này do đơn vị vận hành trục khai trong danh bạ; hãy đề nghị họ sửa hoặc đóng."
        "The operator of the gateway keeps this organisation in the directory; ask for it to be changed or closed there.";
    AgencyRequestsTooMany "AGENCY_REQUESTS_TOO_MANY" 429 "20" "agency_requests_too_many"
        "Quá nhiều yêu cầu đăng ký chờ duyệt" "Too many registrations waiting"
        "Hệ thống của bạn có quá nhiều yêu cầu đăng ký hoặc xóa đơn vị đang chờ duyệt; hãy chờ duyệt rồi gửi tiếp."
        "Too many registrations and deletions of your system wait for the operator; send more when they are decided.";
    ReceiverMissing "RECEIVER_MISSING" 422 "18" "receiver_missing"
        "Thiếu nơi nhận" "Receiver missing"
        "Văn bản phải có ít nhất một nơi nhận ở To/OrganId; hãy bổ sung."
        "A document must name at least one receiver in To/OrganId; add it.";
    ReceiverRepeated "RECEIVER_REPEATED" 422 "22" "receiver_repeated"
        "Nơi nhận bị lặp" "Receiver repeated"
        "Mỗi đơn vị chỉ được ghi một lần trong danh sách nơi nhận; hãy bỏ mục trùng."
        "Each organisation may stand only once among the receivers; remove the duplicate.";
    ReceiverUnknown "RECEIVER_UNKNOWN" 422 "18" "receiver_unknown"
        "Nơi nhận không tồn tại" "Receiver unknown"
        "Mã định danh của nơi nhận không có trong danh bạ của trục; hãy tra cứu lại mã."
        "The receiver's code is not in the directory; look the code up again.";
    ReceiverNotInPacket "RECEIVER_NOT_IN_PACKET" 422 "18" "receiver_not_in_packet"
        "Nơi nhận không có trong gói tin" "Receiver not named by the packet"
        "Danh sách to chỉ được gồm các đơn vị có trong To của gói tin (với trạng thái: trong ResponseFor); hãy sửa danh sách hoặc gói tin."
        "The list to may only name organisations that stand in the packet's To (of a status: in ResponseFor); correct the list or the packet.";
    ReceiverClosed "RECEIVER_CLOSED" 422 "23" "receiver_closed"
        "Nơi nhận đã ngừng hoạt động" "Receiver closed"
        "Đơn vị nhận đã đóng mã; hãy gửi đến đơn vị kế thừa được nêu."
        "The receiving organisation is closed; send to the successors named.";
    ReceiverUnreachable "RECEIVER_UNREACHABLE" 422 "18" "receiver_unreachable"
        "Chưa có đường gửi đến nơi nhận" "No line to the receiver"
        "Nơi nhận có trong danh bạ nhưng trục chưa nối đến hệ thống của nơi nhận; hãy gửi bằng cách khác và báo đơn vị vận hành."
        "The receiver is in the directory, but the gateway has no line to its system yet; send it another way and tell the operator.";
    ReceiverLimit "RECEIVER_LIMIT" 413 "21" "receiver_limit"
        "Gói tin lớn hơn nơi nhận cho phép" "Larger than the receiver takes"
        "Nơi nhận được nêu chỉ nhận gói tin đến dung lượng ghi kèm; hãy giảm tệp đính kèm hoặc bỏ nơi nhận đó."
        "The receiver named takes packets up to the size given; shrink the attachments or leave that receiver out.";
    ReceiversTooMany "RECEIVERS_TOO_MANY" 422 "22" "receivers_too_many"
        "Quá nhiều nơi nhận" "Too many receivers"
        "Số nơi nhận vượt giới hạn của một gói tin; hãy chia thành nhiều gói tin."
        "There are more receivers than one packet may have; split them over several packets.";

    // The document among others.
    DocumentConflict "DOCUMENT_CONFLICT" 409 "10" "document_conflict"
        "Trùng mã văn bản nhưng khác nội dung" "Same DocumentId, other content"
        "Một văn bản khác cùng DocumentId đã được gửi đến nơi nhận này; để sửa văn bản đã gửi, hãy gửi cập nhật với BussinessDocType 2."
        "Another document with this DocumentId went to this receiver before; to change what was sent, send an update with BussinessDocType 2.";
    StatusCodeUnknown "STATUS_CODE_UNKNOWN" 422 "22" "status_code_unknown"
        "Mã trạng thái không hợp lệ" "Status code unknown"
        "StatusCode chỉ nhận 01, 02, 03, 04, 05, 06, 13, 15 hoặc 16; hãy sửa lại mã."
        "StatusCode is one of 01, 02, 03, 04, 05, 06, 13, 15 and 16; correct it.";
    StatusSubjectMissing "STATUS_SUBJECT_MISSING" 422 "22" "status_subject_missing"
        "Không rõ trạng thái của văn bản nào" "Status without its document"
        "Gói tin trạng thái phải nêu trong ResponseFor đơn vị được báo (OrganId) và văn bản (DocumentId hoặc Code); hãy bổ sung."
        "A status packet must name in ResponseFor whom it informs (OrganId) and of which document (DocumentId or Code); add them.";
    Loop "LOOP" 422 "22" "loop"
        "Gói tin quay vòng" "Packet came round again"
        "Gói tin đã đi qua trục này rồi (có mã của trục trong TraceHeader); hãy kiểm tra tuyến chuyển tiếp."
        "The packet has passed this gateway before (its code stands in a TraceHeader); check the forwarding route.";
}
