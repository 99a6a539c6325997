//! `route.update_receivers`: an update goes to whom it adds to, and removes from, the receivers of its document.

use lienthong_config::UpdateReceivers;
use lienthong_pipeline::record::Remark;
use lienthong_schemas::rejections::RejectionCode;

use super::*;

const REASON: &str = "<edXML:BussinessDocReason>thôi</edXML:BussinessDocReason>";

/// An update of letter 1 that adds (`1`) and removes (`0`) these.
fn update(number: u32, to: &[&str], list: &[(&str, &str)]) -> DocumentBuilder {
    let receiver = |(code, kind): &(&str, &str)| {
        format!(
            "<edXML:Receiver><edXML:OrganId>{code}</edXML:OrganId>\
             <edXML:ReceiverType>{kind}</edXML:ReceiverType></edXML:Receiver>"
        )
    };
    let receivers: String = list.iter().map(receiver).collect();
    let info = format!(
        "{REASON}<edXML:BussinessDocumentInfo><edXML:DocumentReceiver>1</edXML:DocumentReceiver>\
         <edXML:ReceiverList>{receivers}</edXML:ReceiverList></edXML:BussinessDocumentInfo>"
    );
    about(number, BusinessType::Update, to).with_raw(REASON, &info)
}

fn with_lists() -> Setup {
    Setup { update_receivers: UpdateReceivers::ToAndReceiverList, ..withdrawing() }
}

fn receivers(receipt: &Receipt) -> Vec<&str> {
    receipt.deliveries.iter().map(|line| line.receiver.as_str()).collect()
}

fn strangers(receipt: &Receipt) -> Vec<&Remark> {
    receipt.remarks.iter().filter(|remark| remark.code == "UPDATE_RECEIVER_UNKNOWN").collect()
}

#[tokio::test(start_paused = true)]
async fn by_default_an_update_goes_to_whom_it_names() {
    let mut world = World::open(withdrawing());
    world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    let receipt = world.send(update(2, &[B], &[(C, "0"), (D, "1"), ("H55.77", "1")])).await;
    assert_eq!((receivers(&receipt), strangers(&receipt).len()), (vec![B], 0));
    assert_eq!((standing(&world, C).await, standing(&world, D).await), ("-".into(), "-".into()));
}

#[tokio::test(start_paused = true)]
async fn with_its_list_each_receiver_gets_it_once_and_its_bytes_are_the_same() {
    let mut world = World::open(with_lists());
    world.send(letter(1, &[B, C])).await;
    world.quiet().await;
    let list = [(C, "0"), (D, "1"), (B, "0"), (D, "1"), (X, "7"), ("H55.77", "1"), ("?", "1")];
    let receipt = world.send(update(2, &[B_ALIAS], &list)).await;
    assert_eq!(receivers(&receipt), [B_ALIAS, C, D]);
    let place = "edXMLHeader/TraceHeaderList/Bussiness/BussinessDocumentInfo/ReceiverList/Receiver";
    let unknown: Vec<_> = strangers(&receipt).iter().map(|r| (r.field.clone(), r.detail.clone())).collect();
    let expected =
        [("7", "?"), ("6", "H55.77")].map(|(n, code)| (format!("{place}[{n}]/OrganId"), code.into()));
    assert!(expected.iter().all(|one| unknown.contains(one)) && unknown.len() == 2, "{unknown:?}");
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received; 3]);
    assert_eq!(
        (standing(&world, B).await, standing(&world, C).await, standing(&world, D).await),
        ("none 1".into(), "none 1".into(), "01".into()),
        "the axis answers for who is added"
    );
    let digests = world.adapter.attempts().into_iter().filter(|a| a.seen.document == receipt.document_id);
    assert!(digests.map(|attempt| attempt.seen.digest).all(|digest| digest == receipt.sha256));
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_before_the_letter_left_hears_of_neither() {
    for setup in [with_lists(), withdrawing()] {
        let listed = setup.update_receivers == UpdateReceivers::ToAndReceiverList;
        let mut world = World::open(setup);
        let down = Down::of(&world, &[B, C]);
        let first = world.send(letter(1, &[B, C])).await;
        world.quiet().await;
        let to: &[&str] = if listed { &[B] } else { &[B, C] };
        let receipt = world.send(update(2, to, &[(C, "0")])).await;
        assert_eq!(told(&receipt), [("RECALL_UNDELIVERED", C)]);
        world.quiet().await;
        assert_eq!(world.states(&first).await, [State::Queued, State::Withdrawn]);
        assert_eq!(world.states(&receipt).await, [State::Queued, State::Withdrawn]);
        assert_eq!(
            (standing(&world, B).await, standing(&world, C).await),
            ("none 2".into(), "withdrawn".into())
        );
        all_back(&mut world, &down).await;
        assert_eq!(
            (took(&world, B)[1..].to_vec(), took(&world, C).len()),
            (vec![first.document_id, receipt.document_id], 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_a_receiver_hold_for_who_is_listed() {
    let directory = "[[organisation]]\norgan_id = \"H55.60\"\nname = \"Nhỏ\"\nhome = { system = \"ba\" }\n\
                     accepts_max_bytes = 100\n";
    let world = World::open(Setup { directory: directory.to_owned(), ..with_lists() });
    world.send(letter(1, &[B])).await;
    let refused = world.refused(update(2, &[B], &[("H55.60", "1")]), RejectionCode::ReceiverLimit).await;
    assert!(refused.field.is_some_and(|field| field.contains("ReceiverList/Receiver[1]")));
    // In `To` nobody stands twice, as ever.
    world.refused(update(3, &[B, B_ALIAS], &[]), RejectionCode::ReceiverRepeated).await;
}
