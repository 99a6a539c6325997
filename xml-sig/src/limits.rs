//! What a document may cost. Every number that bounds memory or work is here.

/// Limits of one reading. Going past one is [`crate::XmlFault::Limit`] with the field's name, or, for the limits of the
/// Signature element, [`crate::Invalid::Limit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open elements, the root included.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
    /// Namespace declarations in scope at once, given ones included.
    pub namespaces: usize,
    /// Bytes of a namespace URI, references resolved. A URI is compared and written once for each name that uses it, so
    /// a long one multiplies the work for short names.
    pub namespace_bytes: usize,
    /// Bytes of the qualified name of an element, an attribute or a namespace declaration; of a processing instruction's
    /// target.
    pub name_bytes: usize,
    /// Bytes of one tag, comment or processing instruction; also of all names and namespace URIs in scope together.
    pub markup_bytes: usize,
    /// Bytes of the document.
    pub total_bytes: u64,
    /// Bytes of the Signature element, its Objects left out; also of the canonical SignedInfo.
    pub signature_bytes: usize,
    /// Signature elements that [`crate::survey`] takes; the reading ends with a fault when there are more.
    pub signatures: usize,
    /// Reference elements in a SignedInfo.
    pub references: usize,
    /// Transform elements in a Reference.
    pub transforms: usize,
    /// Digests that may be made of one byte of the document: References that overlap multiply the work.
    pub digests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            attributes: 256,
            namespaces: 64,
            namespace_bytes: 2 << 10,
            name_bytes: 1 << 10,
            markup_bytes: 1 << 20,
            total_bytes: u64::MAX,
            signature_bytes: 256 << 10,
            signatures: 16,
            references: 8,
            transforms: 3,
            digests: 2,
        }
    }
}
