//! Codes that were closed when districts ended on 1 July 2025 and provinces merged (design.md B5), and receivers that get
//! paper: who gets what, what the receipt says, and what a sender is told.

use std::time::Duration;

use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::ports::Clock;
use lienthong_pipeline::record::{AdapterKind, Receipt, State};
use lienthong_pipeline::view::{self, DocumentView, Viewer};
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder, StatusCode};
use lienthong_schemas::rejections::RejectionCode;

use super::world::{A, B, LATE_AFTER, Setup, World, X, letter, name_of, organ, status, system};

/// A district that ended with June 2025; three communes took over. Two of them have merged since.
const DISTRICT: &str = "H55.30";
/// The same by its old code.
const DISTRICT_OLD: &str = "000.00.30.H55";
const COMMUNE_1: &str = "H55.30.1";
const COMMUNE_2: &str = "H55.30.2";
const COMMUNE_3: &str = "H55.30.3";
/// Ended as well; two of the communes took over.
const OFFICE: &str = "H55.31";
/// A province that was closed into another, which is at home behind the axis.
const PROVINCE: &str = "H54";
const PROVINCE_OLD: &str = "000.00.00.H54";
const MERGED: &str = "H56";
/// Gets paper only.
const PAPER: &str = "H55.40";

const CHANGED: &str = r#"
[[organisation]]
organ_id = "H55.30"
aliases = ["000.00.30.H55"]
name = "Huyện Ba Mươi"
valid_to = "2025-06-30"
successors = ["H55.30.1", "H55.30.2", "H55.30.3"]
[[organisation]]
organ_id = "H55.30.1"
name = "Xã Một"
valid_from = "2025-07-01"
home = { system = "ba" }
[[organisation]]
organ_id = "H55.30.2"
name = "Xã Hai"
valid_from = "2025-07-01"
home = { system = "thu" }
adapter = { mailbox = "van-thu@xa-hai.example.vn" }
[[organisation]]
organ_id = "H55.30.3"
name = "Xã Ba"
valid_from = "2025-07-01"
valid_to = "2026-01-31"
successors = ["H55.30.1"]
home = { system = "ba" }
[[organisation]]
organ_id = "H55.30.4"
name = "Xã Bốn"
valid_from = "2026-02-01"
home = { system = "ba" }
[[organisation]]
organ_id = "H55.31"
name = "Phòng Ba Mốt"
valid_to = "2025-06-30"
successors = ["H55.30.3", "H55.30.2"]
home = { system = "mot" }
[[organisation]]
organ_id = "H54"
aliases = ["000.00.00.H54"]
name = "Tỉnh Cũ"
valid_to = "2025-06-30"
successors = ["H56"]
home = { system = "hai" }
[[organisation]]
organ_id = "H56"
aliases = ["000.00.00.H56"]
name = "Tỉnh Mới"
home = { axis = "vpcp" }
[[organisation]]
organ_id = "H55.40"
name = "Xã Giấy"
reach = "paper"
home = { system = "ba" }
accepts_max_bytes = 10
"#;

/// On 5 January 2026.
fn world() -> World {
    World::open(Setup { directory: CHANGED.to_owned(), ..Setup::default() })
}

/// The document as this system sees it.
async fn seen(world: &World, receipt: &Receipt, by: &str) -> Option<DocumentView> {
    let (directory, system) = (world.directory(), system(by));
    let viewer = Viewer::System(&system);
    view::document(&world.ports, &directory, receipt.document_id, viewer, LATE_AFTER).await.expect("a view")
}

fn recall(number: u32, kind: BusinessType, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(kind, "thôi", &name_of(1))
}

fn organs(codes: &[&str]) -> Vec<lienthong_schemas::organ::OrganId> {
    codes.iter().map(|code| organ(code)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_new_to_a_closed_code_is_refused_naming_everybody_who_took_over() {
    let world = world();
    let communes = organs(&[COMMUNE_1, COMMUNE_2, COMMUNE_3]);
    for (code, successors) in [
        (DISTRICT, communes.clone()),
        (DISTRICT_OLD, communes),
        (PROVINCE, organs(&[MERGED])),
        (PROVINCE_OLD, organs(&[MERGED])),
    ] {
        for packet in [letter(1, &[B, code]), letter(1, &[B, code]).replaces("thay", &[name_of(9)])] {
            let rejection = world.refused(packet, RejectionCode::ReceiverClosed).await;
            assert!((400..500).contains(&rejection.code.row().status), "{rejection}");
            assert_eq!(rejection.successors, successors, "{code}");
            assert_eq!(rejection.field.as_deref(), Some("edXMLHeader/MessageHeader/To[2]/OrganId"));
            assert_eq!(rejection.detail.as_deref(), Some(code), "as the packet names it");
        }
    }
    assert_eq!((world.metrics.accepted.value(), world.adapter.attempts().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_was_closed_since_is_named_by_its_own_successor() {
    let mut world = world();
    // The last day of the third commune is 31 January.
    world.advance(Duration::from_secs(26 * 24 * 3600)).await;
    world.send(letter(1, &[COMMUNE_3])).await;
    world.advance(Duration::from_secs(24 * 3600)).await;
    let rejection = world.refused(letter(2, &[COMMUNE_3]), RejectionCode::ReceiverClosed).await;
    assert_eq!(rejection.successors, organs(&[COMMUNE_1]));
    let rejection = world.refused(letter(2, &[DISTRICT]), RejectionCode::ReceiverClosed).await;
    assert_eq!(rejection.successors, organs(&[COMMUNE_1, COMMUNE_2]), "each once");
    let recall = world.send(recall(3, BusinessType::Revoke, &[COMMUNE_3])).await;
    world.quiet().await;
    assert_eq!(world.delivery(recall.deliveries[0].delivery_id).await.route.receiver, organ(COMMUNE_1));
}

#[tokio::test(start_paused = true)]
async fn a_closed_sender_is_told_who_may_write_in_its_place_today() {
    let mut world = world();
    let senders = async |world: &World| {
        let packet = DocumentBuilder::new(OFFICE, &[B]).to_bytes().expect("written");
        match world.bring(packet, "mot").await {
            Err(Refused::Rejected(rejection)) => {
                assert_eq!(rejection.code, RejectionCode::SenderClosed);
                rejection.successors
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(senders(&world).await, organs(&[COMMUNE_3, COMMUNE_2]));
    // The third commune is closed with January, into the first.
    world.advance(Duration::from_secs(27 * 24 * 3600)).await;
    assert_eq!(senders(&world).await, organs(&[COMMUNE_1, COMMUNE_2]));
}

#[tokio::test(start_paused = true)]
async fn a_code_opens_and_closes_at_midnight_in_vietnam() {
    // 31 January ends at 17:00 UTC: one code's last day, and the day before the first one of another.
    let mut world = world();
    let last = "2026-01-31T16:59:59.999Z".parse::<jiff::Timestamp>().expect("a time");
    let ahead = Duration::try_from(last.duration_since(world.clock.now())).expect("ahead");
    world.advance(ahead).await;
    world.send(letter(1, &[COMMUNE_3])).await;
    let not_yet = world.refused(letter(2, &["H55.30.4"]), RejectionCode::ReceiverClosed).await;
    assert!(not_yet.successors.is_empty());
    world.advance(Duration::from_millis(1)).await;
    world.refused(letter(2, &[COMMUNE_3]), RejectionCode::ReceiverClosed).await;
    world.send(letter(2, &["H55.30.4"])).await;
}

#[tokio::test(start_paused = true)]
async fn answers_and_recalls_go_to_a_single_successor_wherever_it_is_at_home() {
    let mut world = world();
    let answer = status(A, PROVINCE_OLD, 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    let answer = world.bring(answer, "mot").await.expect("accepted").receipt;
    let revoked = world.send(recall(2, BusinessType::Revoke, &[PROVINCE, X])).await;
    let updated = world.send(recall(3, BusinessType::Update, &[PROVINCE_OLD])).await;
    world.quiet().await;
    for (receipt, named) in [(&answer, PROVINCE_OLD), (&revoked, PROVINCE), (&updated, PROVINCE_OLD)] {
        let line = &receipt.deliveries[0];
        assert_eq!(
            (line.receiver.as_str(), line.state),
            (named, State::Queued),
            "the receipt names whom the packet names"
        );
        let delivery = world.delivery(line.delivery_id).await;
        assert_eq!((delivery.route.receiver.as_str(), delivery.route.system.as_str()), (MERGED, "vpcp"));
        assert_eq!(delivery.state, State::HandedOver);
    }
    let to = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    let consigned: Vec<Vec<String>> = world.consigned().into_iter().map(|(_, to)| to).collect();
    let named = [to(&[PROVINCE_OLD]), to(&[PROVINCE, X]), to(&[PROVINCE_OLD])];
    assert_eq!(consigned, named, "`to` has what the packet has, and not the code of today");
}

#[tokio::test(start_paused = true)]
async fn answers_and_recalls_to_a_code_with_several_successors_wait_for_the_operator() {
    let mut world = world();
    let answer = status(A, DISTRICT_OLD, 1, StatusCode::Finished, "2026-01-05T02:00:00Z", "");
    let answer = world.bring(answer, "mot").await.expect("accepted").receipt;
    let revoked = world.send(recall(2, BusinessType::Revoke, &[DISTRICT, B])).await;
    let updated = world.send(recall(3, BusinessType::Update, &[DISTRICT])).await;
    world.quiet().await;
    for receipt in [&answer, &revoked, &updated] {
        let line = &receipt.deliveries[0];
        assert_eq!((line.state, line.state_vi.as_str()), (State::Parked, "tạm giữ, chờ xử lý"));
        let delivery = world.delivery(line.delivery_id).await;
        assert_eq!((delivery.state, delivery.route.receiver.as_str()), (State::Parked, DISTRICT));
        assert!(delivery.is_dead_letter());
    }
    assert_eq!(world.states(&revoked).await[1], State::Received, "the others get theirs");
    assert_eq!((world.metrics.parked.value(), world.metrics.accepted.value()), (3, 3));
    let seen = seen(&world, &revoked, "mot").await.expect("its sender's");
    assert_eq!(
        (seen.deliveries[0].state, seen.deliveries[0].state_vi.as_str()),
        (State::Parked, "tạm giữ, chờ xử lý")
    );
    world.advance(Duration::from_secs(3600 * 100)).await;
    assert_eq!(world.metrics.given_up.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_code_and_its_successor_in_one_packet_share_one_copy() {
    let mut world = world();
    for to in [[PROVINCE, MERGED], [MERGED, PROVINCE]] {
        world.refused(letter(1, &to), RejectionCode::ReceiverClosed).await;
        let kind = if to[0] == PROVINCE { BusinessType::Revoke } else { BusinessType::Update };
        let receipt = world.send(recall(2, kind, &to)).await;
        world.quiet().await;
        let named: Vec<&str> = receipt.deliveries.iter().map(|line| line.receiver.as_str()).collect();
        assert_eq!(named, to);
        assert_eq!(receipt.deliveries[0].delivery_id, receipt.deliveries[1].delivery_id);
        assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
        let (document, consigned) = world.consigned().pop().expect("a consignment");
        assert_eq!((document, consigned), (receipt.document_id, to.map(str::to_owned).to_vec()));
        let seen = seen(&world, &receipt, "mot").await.expect("its sender's");
        assert_eq!((seen.receipt.deliveries.len(), seen.deliveries.len()), (2, 1));
    }
    assert_eq!(world.consigned().len(), 2);
    // Two codes of one organisation stay a mistake.
    world
        .refused(recall(3, BusinessType::Revoke, &[PROVINCE, PROVINCE_OLD]), RejectionCode::ReceiverRepeated)
        .await;
}

#[tokio::test(start_paused = true)]
async fn paper_beside_packets_is_final_at_once_and_nothing_is_sent() {
    let mut world = world();
    let large =
        letter(1, &[PAPER, B, X]).attach("a.bin", "application/octet-stream", &b"more than ten bytes"[..]);
    let receipt = world.send(large).await;
    let line = &receipt.deliveries[0];
    assert_eq!((line.state, line.state_vi.as_str()), (State::Paper, "phải gửi bản giấy"));
    world.quiet().await;
    use State::{HandedOver, Paper, Received};
    assert_eq!(world.states(&receipt).await, [Paper, Received, HandedOver]);
    assert!(world.got(PAPER).is_empty());
    let seen = seen(&world, &receipt, "mot").await.expect("its sender's");
    let paper = &seen.deliveries[0];
    assert_eq!(paper.receiver, organ(PAPER));
    assert_eq!(
        (paper.state_vi.as_str(), paper.state_en.as_str()),
        ("phải gửi bản giấy", "paper copy needed")
    );
    assert_eq!((paper.attempts, paper.next_attempt, paper.history.len()), (0, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_document_for_paper_only_has_its_receipt_and_is_over() {
    let mut world = world();
    let first = world.accept(letter(1, &[PAPER])).await;
    assert_eq!(first.receipt.deliveries[0].state, State::Paper);
    assert_eq!(world.ports.store.stats().await.expect("stats").pending, 0);
    world.pass(Duration::from_secs(3600 * 60), Duration::from_secs(3600)).await;
    assert_eq!(world.states(&first.receipt).await, [State::Paper]);
    assert_eq!(
        (world.adapter.attempts().len(), world.broker.waiting(), world.metrics.accepted.value()),
        (0, 0, 1)
    );
    let settled = world.ports.spool.admission(first.receipt.document_id).await.expect("the spool answers");
    assert_eq!(settled.map(|admission| admission.receipt), Some(first.receipt.clone()));
    let again = world.accept(letter(1, &[PAPER])).await;
    assert!(again.replayed && again.receipt == first.receipt);
    assert!(
        world.broker.events().iter().any(|event| event.entry.state == State::Paper),
        "the ledger knows it"
    );
}

/// What [`MOVING`] is before and after.
fn home(home: &str) -> String {
    format!("{CHANGED}\n[[organisation]]\norgan_id = \"{MOVING}\"\nname = \"Sở Dời\"\n{home}\n")
}

const MOVING: &str = "H55.60";

#[tokio::test(start_paused = true)]
async fn what_is_queued_keeps_its_route_when_its_receiver_moves() {
    let vendor = home("home = { system = \"hai\" }");
    let axis = home("home = { axis = \"vpcp\" }");
    let mail = |mailbox: &str| {
        home(&format!("home = {{ system = \"thu\" }}\nadapter = {{ mailbox = \"{mailbox}\" }}"))
    };
    for (before, after, way) in [
        (&vendor, &axis, AdapterKind::VendorHttp),
        (&axis, &vendor, AdapterKind::NationalAxis),
        (&vendor, &mail("a@b.vn"), AdapterKind::VendorHttp),
    ] {
        let mut world = World::open(Setup { directory: before.clone(), ..Setup::default() });
        world.broker.stop();
        let queued = world.send(letter(1, &[MOVING])).await;
        world.reload(after);
        world.broker.start();
        world.advance(Duration::from_secs(5)).await;
        let next = world.send(letter(2, &[MOVING])).await;
        world.quiet().await;
        let ways: Vec<AdapterKind> =
            world.adapter.attempts().into_iter().map(|a| a.consignment.delivery.route.adapter).collect();
        assert_eq!(ways.len(), 2);
        assert_eq!(ways[0], way);
        assert_ne!(ways[1], way);
        assert!(world.states(&queued).await[0].is_final() && world.states(&next).await[0].is_final());
    }

    let mut world = World::open(Setup { directory: mail("cu@so.example.vn"), ..Setup::default() });
    world.answer(|_, _| {
        Err(lienthong_adapters::contract::failure(
            lienthong_pipeline::ports::FailureClass::Receiver,
            "smtp_451",
        ))
    });
    world.send(letter(1, &[MOVING])).await;
    world.quiet().await;
    world.reload(&mail("moi@so.example.vn"));
    world.advance(Duration::from_secs(10)).await;
    let mailboxes: Vec<String> = world
        .adapter
        .attempts()
        .into_iter()
        .filter_map(|attempt| attempt.consignment.addressee.mailbox.map(|mailbox| mailbox.to_string()))
        .collect();
    assert_eq!(
        mailboxes,
        ["cu@so.example.vn", "moi@so.example.vn"],
        "the next attempt goes to the mailbox of now"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_at_home_behind_an_axis_sends_over_no_system_not_even_one_of_its_name() {
    let world = world();
    for connection in ["mot", "hai", "thu", "vpcp"] {
        for from in [X, MERGED, PROVINCE] {
            if (from, connection) == (PROVINCE, "hai") {
                continue;
            }
            let packet = DocumentBuilder::new(from, &[B]).to_bytes().expect("written");
            match world.bring(packet, connection).await {
                Err(Refused::Rejected(rejection)) => {
                    assert_eq!(rejection.code, RejectionCode::SenderNotYours, "{from} over {connection}");
                }
                other => panic!("{from} over {connection}: {other:?}"),
            }
        }
    }
    let receipt = world.send(letter(1, &[X])).await;
    let seen = seen(&world, &receipt, "vpcp").await;
    assert!(seen.is_none(), "a system does not see what is an axis's of the same name");
}
