//! Packets in the manner of real producers, written here.

pub(super) const NS: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// `edXMLHeader/MessageHeader`, where most fields stand.
pub(super) const MESSAGE: &str = "edXMLHeader/MessageHeader";

/// One attachment of the .NET family, whose `ContentId` lacks its prefix.
pub(super) const PDF: &str = "<Attachment><ContentId>1</ContentId><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment>";

/// A packet in the manner of the .NET family: no prefix anywhere, other order, other attachment layout.
pub(super) fn dotnet(message_extra: &str, header_extra: &str, attachment: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<edXML xmlns="{NS}"><edXMLEnvelope><edXMLHeader><MessageHeader>
<DocumentId>H55.07,2025/03/04,15/STN-VP</DocumentId>
<SignerInfo><FullName> Nguyễn  Mẫu
</FullName></SignerInfo><Subject>V/v</Subject>
<DocumentType><TypeName>Công văn</TypeName><Type>18</Type><TypeDetail>0</TypeDetail></DocumentType>
<PromulgationInfo><PromulgationDate>2025/03/04</PromulgationDate></PromulgationInfo>
<Code><CodeNotation>STN-VP</CodeNotation><CodeNumber>15</CodeNumber></Code>
<To><OrganId>H37.02.02</OrganId></To><From><OrganName>Sở</OrganName><OrganId>H55.07</OrganId></From>
{message_extra}</MessageHeader>{header_extra}</edXMLHeader>
<edXMLBody><edXMLManifest version="1.0"><Reference><ContentId>cid:1</ContentId><AttachmentName>cv.pdf</AttachmentName></Reference></edXMLManifest></edXMLBody>
</edXMLEnvelope><AttachmentEncoded>{attachment}</AttachmentEncoded></edXML>"#
    )
}

/// A document in the layout of the reference library with every field that a correct sender writes: nothing about it is
/// odd.
pub(super) fn whole_document() -> String {
    let party = |name: &str, organ: &str| {
        format!(
            "<edXML:{name}><edXML:OrganId>{organ}</edXML:OrganId>\
             <edXML:OrganizationInCharge>UBND tỉnh</edXML:OrganizationInCharge><edXML:OrganName>Sở Thử nghiệm</edXML:OrganName>\
             <edXML:OrganAdd>Số 1</edXML:OrganAdd><edXML:Email>so@example.vn</edXML:Email>\
             <edXML:Telephone>0208 1</edXML:Telephone><edXML:Fax>0208 2</edXML:Fax>\
             <edXML:Website>example.vn</edXML:Website></edXML:{name}>"
        )
    };
    let message = format!(
        "{}{}<edXML:DocumentId>H55.15,2026/01/02,12/STN-VP</edXML:DocumentId>\
         <edXML:Code><edXML:CodeNumber>12</edXML:CodeNumber><edXML:CodeNotation>STN-VP</edXML:CodeNotation></edXML:Code>\
         <edXML:PromulgationInfo><edXML:Place>Thái Nguyên</edXML:Place>\
         <edXML:PromulgationDate>2026/01/02</edXML:PromulgationDate></edXML:PromulgationInfo>\
         <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>18</edXML:TypeDetail>\
         <edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType><edXML:Subject>V/v thử nghiệm</edXML:Subject>\
         <edXML:Content>V/v thử nghiệm</edXML:Content><edXML:SignerInfo><edXML:Competence>KT. GIÁM ĐỐC</edXML:Competence>\
         <edXML:Position>PHÓ GIÁM ĐỐC</edXML:Position><edXML:FullName>Nguyễn Thị Mẫu</edXML:FullName></edXML:SignerInfo>\
         <edXML:DueDate>2026/01/09</edXML:DueDate><edXML:OtherInfo><edXML:Priority>0</edXML:Priority>\
         <edXML:SphereOfPromulgation>Liên thông</edXML:SphereOfPromulgation><edXML:TyperNotation>TVC</edXML:TyperNotation>\
         <edXML:PromulgationAmount>1</edXML:PromulgationAmount><edXML:PageAmount>2</edXML:PageAmount>\
         <edXML:Direction>false</edXML:Direction><edXML:Appendixes><edXML:Appendix>Phụ lục</edXML:Appendix></edXML:Appendixes>\
         </edXML:OtherInfo><edXML:ResponseFor><edXML:OrganId>000.00.15.H55</edXML:OrganId><edXML:Code>7/STN-VP</edXML:Code>\
         <edXML:DocumentId>H55.15,2025/12/30,7/STN-VP</edXML:DocumentId>\
         <edXML:PromulgationDate>2025/12/30</edXML:PromulgationDate></edXML:ResponseFor>\
         <edXML:SteeringType>0</edXML:SteeringType><edXML:ToPlaces><edXML:Place>Như trên</edXML:Place></edXML:ToPlaces>",
        party("From", "H55.15"),
        party("To", "H37.02"),
    );
    format!(
        "<edXML xmlns=\"{NS}\"><edXML:edXMLEnvelope xmlns:edXML=\"{NS}\"><edXML:edXMLHeader>\
         <edXML:MessageHeader>{message}</edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader>\
         <edXML:OrganId>H55.15</edXML:OrganId><edXML:Timestamp>2026/01/02 08:09:10</edXML:Timestamp></edXML:TraceHeader>\
         <edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:BussinessDocReason>Văn bản mới</edXML:BussinessDocReason>\
         <edXML:Paper>0</edXML:Paper></edXML:Bussiness></edXML:TraceHeaderList></edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>"
    )
}

/// A status packet in the layout of the reference library, about which nothing is odd.
pub(super) fn whole_status() -> String {
    format!(
        "<edXML xmlns=\"{NS}\"><edXML:edXMLEnvelope xmlns:edXML=\"{NS}\"><edXML:edXMLHeader><edXML:MessageHeader>\
         <edXML:From><edXML:OrganId>H55.16</edXML:OrganId></edXML:From><edXML:ResponseFor>\
         <edXML:OrganId>H55.15</edXML:OrganId><edXML:Code>12/STN-VP</edXML:Code>\
         <edXML:DocumentId>H55.15,2026/01/02,12/STN-VP</edXML:DocumentId>\
         <edXML:PromulgationDate>2026/01/02</edXML:PromulgationDate></edXML:ResponseFor><edXML:StaffInfo>\
         <edXML:Staff>Trần Văn Mẫu</edXML:Staff></edXML:StaffInfo><edXML:StatusCode>02</edXML:StatusCode>\
         <edXML:Description>Sai nơi nhận</edXML:Description><edXML:Timestamp>2026/01/03 08:09:10</edXML:Timestamp>\
         </edXML:MessageHeader></edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>"
    )
}
