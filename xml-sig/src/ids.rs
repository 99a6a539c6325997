//! Which attributes are Ids. Without a DTD nothing in a document says so: this is the list of the vocabularies that are
//! signed by Id.

use crate::reader::Name;
use crate::scope::XML_NAMESPACE;

/// The namespace of `wsu:Id` (WS-Security SOAP Message Security 1.1, section 4.2).
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// Whether an attribute of this name is an Id: `Id` (XML Signature, edXML packets), `ID` (SAML 2.0), `id`, `AssertionID`,
/// `RequestID` and `ResponseID` (SAML 1.1), all without namespace; `xml:id`; `wsu:Id`.
pub(crate) fn is_id(name: &Name<'_>) -> bool {
    match name.namespace {
        "" => matches!(name.local, "Id" | "ID" | "id" | "AssertionID" | "RequestID" | "ResponseID"),
        XML_NAMESPACE => name.local == "id",
        WSU => name.local == "Id",
        _ => false,
    }
}
