//! Signatures over parts of documents, made when the tests run. All that is signed is written in canonical form, and
//! SignedInfo in the exclusive one, so that it is the same wherever the Signature stands.

use openssl::hash::{MessageDigest, hash};
use xml_sig::{Limits, Places, ReadOptions, Verdict};

use crate::support::{Draft, EXC, SHA256, ec, element, judge_with, pinned, reference, word};

pub(crate) const C14N_11: &str = "http://www.w3.org/2006/12/xml-c14n11";

/// A Reference to the element of this Id, which has these canonical octets.
pub(crate) fn to(id: &str, transforms: &[&str], octets: &str) -> String {
    to_uri(&format!("#{id}"), transforms, octets)
}

pub(crate) fn to_uri(uri: &str, transforms: &[&str], octets: &str) -> String {
    let digest = hash(MessageDigest::sha256(), octets.as_bytes()).unwrap();
    reference(&format!(" URI=\"{uri}\""), transforms, SHA256, &digest)
}

/// The Transform that is the exclusive form with this PrefixList, in a Reference that was made with the plain one.
pub(crate) fn with_prefix_list(reference: &str, list: &str) -> String {
    let plain = element("Transform", EXC);
    let listed = plain.replace(
        "></",
        &format!(
            "><ec:InclusiveNamespaces xmlns:ec=\"{EXC}\" PrefixList=\"{list}\"></ec:InclusiveNamespaces></"
        ),
    );
    let changed = reference.replace(&plain, &listed);
    assert_ne!(changed, reference);
    changed
}

/// What is to be signed, by [`ec`].
pub(crate) fn draft(references: &[String]) -> Draft<'static> {
    Draft {
        canonicalisation: element("CanonicalizationMethod", EXC),
        references: Some(references.concat()),
        ..Draft::new(ec())
    }
}

pub(crate) fn signature(references: &[String]) -> String {
    draft(references).signature()
}

/// A good signature's `valid` and what it covers, or the word and code of the verdict; whole and in small pieces.
pub(crate) fn told(document: &str, places: &Places<'_>) -> String {
    told_within(document, places, &Limits::default())
}

pub(crate) fn told_within(document: &str, places: &Places<'_>, limits: &Limits) -> String {
    let [whole, pieces] = [0, 7].map(|chunk| match verdict(document, places, limits, chunk) {
        Verdict::Valid(valid) => format!("valid {}", valid.covers()),
        other => word(&other),
    });
    assert_eq!(whole, pieces, "{document}");
    whole
}

pub(crate) fn verdict(document: &str, places: &Places<'_>, limits: &Limits, chunk: usize) -> Verdict {
    let options = ReadOptions { limits, initial_namespaces: &[] };
    judge_with(document.as_bytes(), chunk, places, &options, &pinned(&[ec()])).unwrap().0
}
