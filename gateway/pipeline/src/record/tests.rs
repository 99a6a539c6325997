//! Records of earlier programs are read, and what is new in them is left out where there is none of it.

use super::*;

/// As the program before business states and remarks wrote it.
const BEFORE: &str = r#"{"receipt":{"document_id":"0123456789abcdef0123456789abcdef","accepted_at":"2026-01-05T01:00:00Z","from":"H55.01","sender_document_id":"H55.01,2026/01/02,1/STN-VP","kind":"document:0","sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","bytes":7,"origin":"mot","signature":"absent","signer":null,"findings":["SIGNATURE_ABSENT"],"durability":"local","deliveries":[{"delivery_id":"fedcba9876543210fedcba9876543210","receiver":"H55.02","state":"queued","state_vi":"đang chờ gửi"}]},"deliveries":[{"id":"fedcba9876543210fedcba9876543210","document":"0123456789abcdef0123456789abcdef","sender":"H55.01","route":{"receiver":"H55.02","system":"hai","adapter":"vendor_http"},"lane":"normal","kind":"document:0","digest":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","bytes":7,"accepted_at":"2026-01-05T01:00:00Z","correlations":["00112233445566778899aabbccddeeff"],"reportable":true,"state":"queued","generation":1,"published":0,"handed_off":false,"attempts":0,"document_failures":0,"due":"2026-01-05T01:00:00Z","ours_to_fix":false,"order":0}],"keys":{"name":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"kind":"document:0","semantic":null,"status":null},"idempotency":null,"subject":{"document_id":"H55.01,2026/01/02,1/STN-VP","code":"1/STN-VP","promulgation_date":"2026/01/02"},"cover":{"from_name":"Sở Một","code":"1/STN-VP","date":"2026/01/02","subject":"V/v thử","priority":0,"type_name":"Công văn","paper_follows":null,"signature":"absent"}}"#;

#[test]
fn an_admission_of_before_is_read_and_written_the_same() {
    let admission: Admission = serde_json::from_str(BEFORE).expect("it reads");
    assert_eq!((admission.receipt.remarks.len(), admission.moves.len()), (0, 0));
    assert_eq!(admission.keys.document_name(), Some([1; 16]), "its state is found by its name");
    assert_eq!(serde_json::to_string(&admission).expect("it writes"), BEFORE);
    assert_eq!(admission.receipt.clone().worded(), admission.receipt);
}

#[test]
fn the_words_of_a_remark_are_those_of_its_code() {
    for finding in lienthong_schemas::edxml::Finding::ALL {
        let remark = Remark { code: finding.code().to_owned(), field: "x".to_owned(), ..Remark::default() };
        let stored = serde_json::to_string(&remark).expect("it writes");
        assert_eq!(stored, format!("{{\"code\":\"{finding}\",\"field\":\"x\"}}"), "words are not stored");
        let worded = remark.worded();
        assert_eq!((worded.vi.as_str(), worded.en.as_str()), finding.wording());
    }
    let later = Remark { code: "OF_A_LATER_PROGRAM".to_owned(), ..Remark::default() };
    assert_eq!(later.clone().worded(), later);
}
