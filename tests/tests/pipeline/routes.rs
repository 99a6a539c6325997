//! Who gets a packet, and who may send which (design.md B5 and invariant 7).

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::State;
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, StatusCode};
use lienthong_schemas::rejections::RejectionCode;

use super::world::{A, B, C, OWN, Setup, World, letter, name_of, organ, status};

/// Closed at the end of June 2025: one code with one successor by way of another, one with two; and who takes paper only.
/// `H55.55` is open for some time yet and has no home any more.
const CHANGED: &str = r#"
[[organisation]]
organ_id = "H55.50"
name = "Sở Cũ"
valid_to = "2025-06-30"
successors = ["H55.51"]
home = { system = "mot" }
[[organisation]]
organ_id = "H55.51"
name = "Sở Giữa"
valid_to = "2025-12-31"
successors = ["H55.02"]
[[organisation]]
organ_id = "H55.52"
name = "Sở Tách"
valid_to = "2025-06-30"
successors = ["H55.02", "H55.03"]
[[organisation]]
organ_id = "H55.53"
name = "Xã Giấy"
reach = "paper"
[[organisation]]
organ_id = "H55.54"
name = "Sở Nhỏ"
home = { system = "ba" }
accepts_max_bytes = 10000
[[organisation]]
organ_id = "H55.55"
name = "Sở sắp thôi"
valid_to = "2026-12-31"
"#;

fn world() -> World {
    World::open(Setup { directory: CHANGED.to_owned(), ..Setup::default() })
}

#[tokio::test(start_paused = true)]
async fn a_new_document_to_a_closed_code_is_refused_naming_who_took_over() {
    let world = world();
    let rejection = world.refused(letter(1, &[C, "H55.52"]), RejectionCode::ReceiverClosed).await;
    assert_eq!(rejection.successors, [organ(B), organ(C)]);
    assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
    let replacing = letter(1, &["H55.50"]).replaces("thay", &["x"]);
    assert_eq!(world.refused(replacing, RejectionCode::ReceiverClosed).await.successors, [organ(B)]);
    assert_eq!(world.metrics.accepted.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_status_or_recall_to_a_closed_code_goes_to_its_single_successor() {
    let mut world = world();
    let answer = status(A, "H55.50", 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    let answer = world.bring(answer, "mot").await.expect("accepted").receipt;
    let recall = world.send(letter(2, &["H55.50"]).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    world.quiet().await;
    assert_eq!(world.states(&answer).await, [State::Received]);
    assert_eq!(world.states(&recall).await, [State::Received]);
    assert_eq!(world.got(B).len(), 2);
    assert_eq!(recall.deliveries[0].receiver, organ("H55.50"), "the receipt speaks of whom the packet names");
}

#[tokio::test(start_paused = true)]
async fn two_closed_codes_with_one_successor_get_one_copy_of_a_recall() {
    let mut world = world();
    let to = ["H55.50", "H55.51", B];
    let recall = world.send(letter(2, &to).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    world.quiet().await;
    let named: Vec<&str> = recall.deliveries.iter().map(|line| line.receiver.as_str()).collect();
    assert_eq!(named, to, "each body that the packet names has its line");
    assert_eq!(world.states(&recall).await, [State::Received; 3]);
    assert_eq!(world.got(B).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recall_to_a_code_with_two_successors_waits_for_the_operator() {
    let mut world = world();
    let recall =
        world.send(letter(2, &["H55.52", C]).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    world.quiet().await;
    assert_eq!(world.states(&recall).await, [State::Parked, State::Received]);
    assert_eq!(recall.deliveries[0].state_vi, "tạm giữ, chờ xử lý");
    assert_eq!(world.metrics.parked.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_takes_paper_only_gets_nothing_and_the_receipt_says_so() {
    let mut world = world();
    let receipt = world.send(letter(1, &["H55.53", B])).await;
    assert_eq!(
        (receipt.deliveries[0].state, receipt.deliveries[0].state_vi.as_str()),
        (State::Paper, "phải gửi bản giấy")
    );
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Paper, State::Received]);
    assert_eq!(world.adapter.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_packet_larger_than_its_receiver_takes_is_refused() {
    let world = world();
    let sized = |size: u64| {
        letter(1, &[C, "H55.54"]).attach(
            "a.bin",
            "application/octet-stream",
            std::io::Read::take(std::io::repeat(7), size),
        )
    };
    let rest = |size: u64| sized(size).to_bytes().expect("written").len();
    // Base64 moves in fours; a longer text makes the length exact.
    let pad = 10_000 - rest(3_000);
    let exact =
        |more: usize| sized(3_000).with_raw("Giám đốc", &format!("Giám đốc{}", "x".repeat(pad + more)));
    world.refused(exact(1), RejectionCode::ReceiverLimit).await;
    let receipt = world.send(exact(0)).await;
    assert_eq!(receipt.bytes, 10_000);
}

#[tokio::test(start_paused = true)]
async fn receivers_that_cannot_be_reached_are_refused_by_name() {
    let world = world();
    for (to, code) in
        [("H55.77", RejectionCode::ReceiverUnknown), ("H55.55", RejectionCode::ReceiverUnreachable)]
    {
        let rejection = world.refused(letter(1, &[B, to]), code).await;
        assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
        assert_eq!(rejection.detail.as_deref(), Some(to));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_speaks_for_its_own_open_organisations_only() {
    let world = world();
    for (from, system, code) in [
        ("H55.50", "mot", RejectionCode::SenderClosed),
        (A, "hai", RejectionCode::SenderNotYours),
        ("H55.77", "mot", RejectionCode::SenderUnknown),
        (OWN, "mot", RejectionCode::SenderUnknown),
    ] {
        let packet = DocumentBuilder::new(from, &[C]).to_bytes().expect("written");
        match world.bring(packet, system).await {
            Err(Refused::Rejected(rejection)) => {
                assert_eq!(rejection.code, code, "{from}");
                // H55.51 took over and is closed as well.
                let named: &[_] = if from == "H55.50" { &[organ(B)] } else { &[] };
                assert_eq!(rejection.successors, named);
            }
            other => panic!("{from}: {other:?}"),
        }
    }
    assert_eq!(world.metrics.accepted.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_packet_to_its_own_sender_arrives() {
    let mut world = world();
    let receipt = world.send(letter(1, &[A, B])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received, State::Received]);
    assert_eq!((world.got(A).len(), world.got(B).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_has_already_been_here_is_a_loop() {
    let world = world();
    let trace = |organ: &str| letter(1, &[B]).trace(organ, "2026/01/02 08:00:00");
    let rejection = world.refused(trace(OWN), RejectionCode::Loop).await;
    assert_eq!(rejection.detail.as_deref(), Some(OWN));
    world.refused(trace(&OWN.to_lowercase()), RejectionCode::Loop).await;
    world.send(trace("H55.98")).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_carried_is_refused_and_leaves_nothing() {
    let world = world();
    for letter in [
        letter(1, &[B]).type_name("Công văn (mật)"),
        letter(1, &[B]).subject("[TỐI MẬT] V/v kế hoạch"),
        letter(1, &[B]).code("1", "CV-MẬT"),
        letter(1, &[B]).type_name("Đơn khiếu nại"),
        letter(1, &[B]).subject("Đơn tố cáo ông X"),
    ] {
        world.refused(letter, RejectionCode::SecretNotCarried).await;
    }
    for folder in ["blobs", "admissions", "incoming"] {
        let left = std::fs::read_dir(world.folder.path().join(folder)).expect("a folder").count();
        assert_eq!(left, 0, "{folder}");
    }
    world.send(letter(1, &[B]).subject("V/v bảo mật thông tin")).await;
}

#[tokio::test(start_paused = true)]
async fn a_placeholder_instead_of_an_attachment_is_refused() {
    let world = world();
    let slot = "<AttachmentEncoded><Attachment><ContentId>cid:x</ContentId><AttachmentName>a.txt</AttachmentName>\
                <ContentType>text/plain</ContentType><ContentTransferEncoded>${__StringFromFile(test.txt,,,)}\
                </ContentTransferEncoded></Attachment></AttachmentEncoded>";
    let manifest = "<edXML:edXMLBody><edXML:edXMLManifest><edXML:Reference><edXML:ContentId>cid:x</edXML:ContentId>\
                    <edXML:ContentType>text/plain</edXML:ContentType><edXML:AttachmentName>a.txt</edXML:AttachmentName>\
                    </edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody>";
    let end = "</edXML:edXMLEnvelope>";
    let packet = letter(1, &[B]).with_raw(end, &format!("{manifest}{end}{slot}"));
    let rejection = world.refused(packet, RejectionCode::AttachmentInvalid).await;
    assert_eq!(rejection.detail.as_deref(), Some("placeholder"));
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_the_directory_does_not_touch_what_is_under_way() {
    let mut world = world();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &["H55.54"])).await;
    world.quiet().await;
    world.reload("");
    world.refused(letter(2, &["H55.54"]), RejectionCode::ReceiverUnknown).await;
    world.answer(|_, _| Ok(received()));
    world.advance(std::time::Duration::from_secs(10)).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
}
