//! Codes that are closed (design.md B5): a district of 2025 with three communes in its place, a province that went over into
//! another, a body that is reached on paper only. And the hotline, which stands in every refusal.

use acceptance::{Stage, Wire, letter_to, organisation};
use jiff::Timestamp;
use lienthong::demo::world::{AGENCIES, Answer};
use lienthong_schemas::edxml::{
    BusinessType, DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::RejectionCode;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// The district, closed with its last day on 2025-06-30, and the communes that took over.
const DISTRICT: &str = "H55.40";
const COMMUNES: [&str; 3] = ["H55.41", "H55.42", "H55.43"];
/// A province that went over into another one, which has a new code of its own.
const OLD_PROVINCE: &str = "H07";
const PROVINCE: &str = "H08";
/// Gets paper.
const PAPER: &str = "H55.90";
/// Closed, and nobody took over.
const DISSOLVED: &str = "H55.91";
/// `support.hotline` of a world.
const HOTLINE: &str = "0208 000 000";

fn directory() -> String {
    let at = |system: &str| format!("home = {{ system = \"{system}\" }}\n");
    let vendor = at(AGENCIES[1].system);
    let list = |codes: &[&str]| codes.iter().map(|code| format!("\"{code}\"")).collect::<Vec<_>>().join(", ");
    let closed = |codes: &[&str]| format!("valid_to = \"2025-06-30\"\nsuccessors = [{}]\n", list(codes));
    [
        organisation(DISTRICT, &closed(&COMMUNES)),
        organisation(OLD_PROVINCE, &closed(&[PROVINCE])),
        organisation(PROVINCE, &format!("{vendor}valid_from = \"2025-07-01\"\n")),
        organisation(DISSOLVED, "valid_to = \"2025-06-30\"\n"),
        organisation(PAPER, "reach = \"paper\"\n"),
    ]
    .into_iter()
    .chain(COMMUNES.map(|code| organisation(code, &format!("{vendor}valid_from = \"2025-07-01\"\n"))))
    .collect()
}

async fn stage() -> Stage {
    let stage = Stage::open(PROGRAM, &[]).await;
    stage.write_more("", &directory());
    stage
}

/// A refusal of the door: its row of the table, and what each of them owes its reader.
fn is_refused(answer: &Answer, code: RejectionCode, field: Option<&str>) {
    let (row, body) = (code.row(), &answer.body);
    assert_eq!((answer.status, body["code"].as_str()), (row.status, Some(row.name)), "{body:#}");
    assert_eq!(body["support"], HOTLINE, "the hotline: {body:#}");
    assert_eq!(body["type"], format!("urn:lienthong:problem:{}", code.slug()), "{body:#}");
    assert_eq!(body["field"].as_str(), field, "{body:#}");
}

/// A packet of agency 0, signed.
async fn submit(stage: &Stage, name: &str, document: DocumentBuilder) -> Answer {
    stage.submit(&stage.signed(&format!("{name}.edxml"), document)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_document_to_a_closed_code_is_refused_and_told_where_to() {
    let stage = stage().await;
    let mut gateway = stage.start().await;
    let rows: [(&str, &[&str]); 3] = [(DISTRICT, &COMMUNES), (OLD_PROVINCE, &[PROVINCE]), (DISSOLVED, &[])];
    for (number, (code, successors)) in (1..).zip(rows) {
        // With an open receiver before it: nothing of the document is taken.
        let answer = submit(&stage, code, letter_to(number, &[AGENCIES[2].code, code])).await;
        let field = "edXMLHeader/MessageHeader/To[2]/OrganId";
        is_refused(&answer, RejectionCode::ReceiverClosed, Some(field));
        let named: Vec<_> = answer.body["successors"].as_array().into_iter().flatten().collect();
        assert_eq!(named, successors.iter().collect::<Vec<_>>(), "{}", answer.body);
        for detail in ["detail", "detail_en"] {
            assert!(answer.body[detail].as_str().is_some_and(|text| text.contains(code)), "{}", answer.body);
        }
    }
    // So is what replaces an older one: it is a document to be registered anew.
    let replacing = letter_to(4, &[DISTRICT]).replaces("sai thể thức", &["H55,2025/01/02,7/UBND-VP"]);
    let answer = submit(&stage, "replacing", replacing).await;
    is_refused(&answer, RejectionCode::ReceiverClosed, Some("edXMLHeader/MessageHeader/To[1]/OrganId"));
    assert_eq!(answer.body["successors"], serde_json::json!(COMMUNES));
    assert_eq!(stage.metric("lienthong_refused_total{code=\"receiver_closed\"}").await, 4.0);
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    // The sender does what it is told.
    let answer = submit(&stage, "to-successors", letter_to(5, &COMMUNES)).await;
    stage.all_are(&answer.document_id().expect("accepted"), "received").await;
    stage.nothing_else_arrived([0, 3, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// What agency 0 answers about a letter that `to` sent before it was closed.
fn status_to(to: &str) -> Vec<u8> {
    let organ = |code: &str| OrganId::parse(code).expect("a code");
    let packet = StatusPacket {
        from: StatusSender {
            organ_id: organ(AGENCIES[0].code),
            organization_in_charge: String::new(),
            organ_name: AGENCIES[0].name.to_owned(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(to),
            code: "7/UBND-VP".to_owned(),
            document_id: format!("{to},2025/01/02,7/UBND-VP"),
            promulgation_date: "2025/01/02".to_owned(),
        },
        staff: None,
        code: StatusCode::Finished,
        description: "Đã hoàn thành".to_owned(),
        timestamp: "2026-01-03T01:00:00Z".parse::<Timestamp>().expect("a time"),
    };
    packet.to_xml()
}

/// A revocation of a letter that went to `to` before it was closed.
fn revocation_to(number: u32, to: &str) -> DocumentBuilder {
    letter_to(number, &[to]).business(BusinessType::Revoke, "gửi nhầm", "H55,2025/01/02,7/UBND-VP")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_an_older_document_goes_to_the_single_successor() {
    let stage = stage().await;
    let mut gateway = stage.start().await;
    let file = stage.world.folder.join("status.edxml");
    std::fs::write(&file, status_to(OLD_PROVINCE)).expect("written");
    let status = stage.submit(&file).await;
    let revocation = submit(&stage, "revocation", revocation_to(1, OLD_PROVINCE)).await;
    let bytes = [file, stage.world.folder.join("revocation.edxml")];
    for (answer, packet) in [(&status, &bytes[0]), (&revocation, &bytes[1])] {
        let id = answer.document_id().expect("accepted");
        assert_eq!(answer.body["deliveries"][0]["receiver"], OLD_PROVINCE, "as the packet names it");
        let line = stage.delivery_is(&id, PROVINCE, "received").await;
        assert_eq!(answer.body["deliveries"][0]["delivery_id"], line["delivery_id"]);
        let taken = stage.world.receivers[1].wait_for(&id, acceptance::PATIENCE).await.expect("it comes");
        assert_eq!(taken.receiver, PROVINCE);
        assert_eq!(std::fs::read(&taken.file).expect("kept"), std::fs::read(packet).expect("sent"));
    }
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    stage.nothing_else_arrived([0, 2, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_an_older_document_of_several_successors_is_held() {
    let stage = stage().await;
    let mut gateway = stage.start().await;
    let file = stage.world.folder.join("status.edxml");
    std::fs::write(&file, status_to(DISTRICT)).expect("written");
    let status = stage.submit(&file).await;
    let revocation = submit(&stage, "revocation", revocation_to(1, DISTRICT)).await;
    let to_nobody = submit(&stage, "to-nobody", revocation_to(2, DISSOLVED)).await;
    let mut held = Vec::new();
    for answer in [&status, &revocation, &to_nobody] {
        let id = answer.document_id().expect("accepted");
        let line = &answer.body["deliveries"][0];
        let words = (line["state"].as_str(), line["state_vi"].as_str());
        assert_eq!(words, (Some("parked"), Some("tạm giữ, chờ xử lý")), "seen in the receipt: {line}");
        let shown = stage.world.show(0, &id).await.expect("an answer").body;
        assert_eq!(shown["deliveries"][0]["state"], "parked", "{shown:#}");
        held.push(line["delivery_id"].as_str().expect("an id").to_owned());
    }
    held.sort_unstable();
    let mut listed = stage.dead_letters();
    listed.sort_unstable();
    assert_eq!(listed, held, "somebody has to look at each of them");
    assert_eq!(stage.metric("lienthong_parked_total").await, 3.0);
    // The operator sees no way for two of them. The sender of the revocation is told, in our own name; about a status
    // packet nobody is told anything.
    for answer in [&status, &revocation] {
        let id = answer.body["deliveries"][0]["delivery_id"].as_str().expect("an id");
        stage.operator(&["dead-letters", "give-up", id, "--reason", "đã gọi điện"]);
    }
    stage.metric_reaches("lienthong_accepted_total", 4.0).await;
    stage.metric_reaches("lienthong_settled_total{state=\"received\"}", 1.0).await;
    let told = stage.world.receivers[0].taken().into_values().next().expect("a 02");
    let text = std::fs::read_to_string(&told.file).expect("kept");
    for word in [">H55.TRUC<", ">02<", DISTRICT] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(stage.dead_letters().len(), 1);
    // What has nothing to do with them passes.
    let next = stage.sent_to(3, &[COMMUNES[0]]).await;
    stage.all_are(&next, "received").await;
    stage.nothing_else_arrived([1, 1, 0]);
    assert_eq!(stage.metric("lienthong_accepted_total").await, 5.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_says_who_must_get_paper() {
    let stage = stage().await;
    let mut gateway = stage.start().await;
    let answer = submit(&stage, "paper", letter_to(1, &[PAPER, AGENCIES[1].code])).await;
    let id = answer.document_id().expect("accepted");
    let line = &answer.body["deliveries"][0];
    assert_eq!((&line["receiver"], &line["state"]), (&PAPER.into(), &"paper".into()), "{line}");
    assert_eq!(line["state_vi"], "phải gửi bản giấy");
    assert_eq!(answer.body["deliveries"][1]["state"], "queued");
    stage.delivery_is(&id, AGENCIES[1].code, "received").await;
    let line = stage.delivery(&id, PAPER).await.expect("a line");
    assert_eq!((&line["state"], &line["attempts"]), (&"paper".into(), &0.into()), "{line:#}");
    assert_eq!(line["next_attempt"], serde_json::Value::Null);
    assert_eq!(stage.dead_letters(), Vec::<String>::new(), "nothing is wrong with it");
    assert_eq!(stage.metric("lienthong_outbox_pending").await, 0.0);
    stage.nothing_else_arrived([0, 1, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_the_hotline() {
    use RejectionCode as Code;
    let stage = stage().await;
    let mut gateway = stage.start().await;
    let letter = |number: u32| letter_to(number, &[AGENCIES[1].code]);
    let file = |name: &str, bytes: &[u8]| {
        let path = stage.world.folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let signed = |name: &str, document| stage.signed(name, document);
    let unsigned = stage.world.unsigned("unsigned.edxml", letter(1)).expect("a packet");
    let foreign = stage.world.packet("foreign.edxml", letter(2), 1).expect("a packet");
    let genuine = std::fs::read_to_string(signed("3.edxml", letter(3))).expect("a packet");
    let changed = file("changed.edxml", genuine.replace("thử nghiệm số", "đã bị sửa số").as_bytes());
    let secret = letter(4).subject("V/v tuyệt mật").type_name("Tuyệt mật");
    let own = "H55.TRUC";
    let rows = [
        (Code::PacketNotEdxml, file("other", b"<a/>")),
        (Code::ReceiverRepeated, signed("10.edxml", letter_to(10, &[AGENCIES[1].code, AGENCIES[1].code]))),
        (Code::Loop, signed("11.edxml", letter(11).trace(own, "2026/01/02 08:00:00"))),
        (Code::XmlMalformed, file("garbage", b"<edXML")),
        (Code::XmlForbidden, file("doctype", genuine.replacen("?>", "?>\n<!DOCTYPE edXML>", 1).as_bytes())),
        (Code::SignatureMissing, unsigned),
        (Code::SignerNotTrusted, foreign),
        (Code::SignatureInvalid, changed),
        (Code::ReceiverUnknown, signed("5.edxml", letter_to(5, &["H99.99"]))),
        (Code::ReceiverClosed, signed("6.edxml", letter_to(6, &[DISTRICT]))),
        (Code::BodyEmpty, file("empty", b"")),
        (Code::SecretNotCarried, signed("7.edxml", secret)),
    ];
    for (code, packet) in &rows {
        let answer = stage.submit(packet).await;
        let field = answer.body["field"].as_str();
        is_refused(&answer, *code, field);
    }
    let not_yours = stage.world.submit(1, &signed("8.edxml", letter(8))).await.expect("an answer");
    is_refused(&not_yours, Code::SenderNotYours, not_yours.body["field"].as_str());
    let absent = stage.world.show(0, &"0".repeat(32)).await.expect("an answer");
    is_refused(&absent, Code::NotFound, Some("id"));
    let key = [("Idempotency-Key", "hai từ")];
    let bad_key = stage.world.submit_with(0, &signed("9.edxml", letter(9)), &key).await.expect("an answer");
    is_refused(&bad_key, Code::IdempotencyKeyInvalid, Some("Idempotency-Key"));
    for (method, path, code) in [
        ("GET", "/api/v1/documents", Code::MethodNotAllowed),
        ("POST", "/api/v1/documents", Code::CredentialsMissing),
        ("GET", "/anything", Code::NotFound),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let heard = Wire::open(&stage.world.public).await.ask(&request).await;
        let answer = Answer { status: heard.status, body: heard.body, replayed: false };
        is_refused(&answer, code, answer.body["field"].as_str());
    }
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
