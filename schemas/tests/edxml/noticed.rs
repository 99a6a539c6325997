//! Every finding about the text of a packet occurs where it should: a packet about which nothing is odd, with one thing
//! changed, has the finding of that and no other, with its path and its value. The packets are in `noticed_cases.rs`.

use std::collections::BTreeSet;

use lienthong_schemas::edxml::Finding;

use super::noticed_cases::{Case, business, letters, statuses, traces, values, written};
use super::producers::{MESSAGE, whole_document, whole_status};
use super::{read, remarks};

fn check(cases: &[Case]) {
    for case in cases {
        let packet = &case.packet;
        let (envelope, _) = read(packet.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {packet}"));
        let told = remarks(&envelope);
        let codes: Vec<_> = told.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.join(" "), case.codes, "{told:#?}\n{packet}");
        assert_eq!(told[0].1, case.field, "{packet}");
        let detail = told[0].2;
        assert!(
            detail == case.detail || (!case.detail.is_empty() && detail.starts_with(case.detail)),
            "{} of {}: {detail}",
            case.codes,
            case.field
        );
    }
}

#[test]
fn about_a_whole_packet_of_the_reference_layout_nothing_is_odd() {
    for whole in [whole_document(), whole_status()] {
        let (envelope, _) = read(whole.as_bytes()).expect("a packet");
        assert!(remarks(&envelope).is_empty(), "{:#?}", remarks(&envelope));
    }
}

#[test]
fn how_a_packet_is_written_is_told_with_its_place() {
    check(&written());
}

#[test]
fn what_does_not_fit_in_a_document_is_told_with_its_place_and_value() {
    check(&values());
}

#[test]
fn odd_letters_are_told_of_every_text() {
    check(&letters());
}

#[test]
fn what_does_not_fit_in_a_status_is_told_with_its_place_and_value() {
    check(&statuses());
}

#[test]
fn what_does_not_fit_in_trace_and_business_data_is_told_with_its_place_and_value() {
    check(&business());
    check(&traces());
}

/// Receivers that lack the same are told once: a list of two hundred is one thing to put right, not two hundred.
#[test]
fn receivers_that_lack_the_same_are_told_once() {
    let whole = whole_document();
    let end = whole.find("<edXML:DocumentId>").expect("the end of the receivers");
    let bare = |n: usize| format!("<edXML:To><edXML:OrganId>H37.{n}</edXML:OrganId></edXML:To>");
    let receivers: String = (100..300).map(bare).collect();
    let (envelope, _) =
        read([&whole[..end], &receivers, &whole[end..]].concat().as_bytes()).expect("a packet");
    let lacks = "OrganName, OrganAdd, Email, Telephone, Fax, Website";
    assert_eq!(remarks(&envelope), [("FIELD_ABSENT", &*format!("{MESSAGE}/To[2]"), lacks)]);
}

#[test]
fn every_finding_about_the_text_of_a_packet_is_given() {
    let elsewhere = BTreeSet::from([
        // The verdict on the signature, and the prefixes that were repaired: `verdicts.rs`.
        Finding::UndeclaredPrefixRepaired,
        Finding::SignatureAbsent,
        Finding::SignatureUnusable,
        Finding::SignatureSha1,
        Finding::SignatureInvalidRecorded,
        // What other packets said before: the pipeline's tests.
        Finding::DocidReused,
        Finding::StatusDocumentUnknown,
        Finding::StatusSenderUnrelated,
        Finding::StatusUnexpected,
        Finding::ChangeDocumentUnknown,
        Finding::ChangeUnexpected,
        Finding::RecallIncomplete,
        Finding::RecallUndelivered,
        Finding::RecallHeld,
        Finding::UpdateReceiverUnknown,
        // Attachments and their list: `attachments.rs`.
        Finding::AttachmentUnreferenced,
        Finding::ReferenceUnresolved,
        Finding::ContentTypeMismatch,
        Finding::PlaceholderAttachment,
        Finding::AttachmentBase64,
        Finding::AttachmentMangled,
        Finding::AttachmentEmpty,
        Finding::ContentIdForm,
        Finding::ContentIdRepeated,
        Finding::AttachmentByPosition,
        Finding::AttachmentNameDiffers,
        Finding::AttachmentNameUnsafe,
        Finding::AttachmentNameMissing,
        Finding::AttachmentZipped,
        Finding::AttachmentSeveralEntries,
        Finding::AttachmentZipUnreadable,
        Finding::AttachmentTypeDiffers,
        Finding::AttachmentProgram,
    ]);
    let cases = [written(), values(), letters(), statuses(), business(), traces()];
    let given: BTreeSet<Finding> = cases
        .iter()
        .flatten()
        .flat_map(|case| case.codes.split(' '))
        .map(|code| Finding::from_code(code).unwrap_or_else(|| panic!("{code}")))
        .collect();
    let all: BTreeSet<Finding> = Finding::ALL.iter().copied().collect();
    assert_eq!(given, &all - &elsewhere);
}
