//! What an operator sees: pages of lists, and one delivery whole.

use lienthong_pipeline::directory::{Directory, Line, Lines};
use lienthong_pipeline::operate::look::PageFault;
use lienthong_pipeline::record::AdapterKind;
use lienthong_pipeline::trust::TrustSets;
use lienthong_schemas::edxml::BusinessType;

use super::*;
use crate::pipeline::world::{name_of, organ, system};

#[tokio::test(start_paused = true)]
async fn lists_are_pages_and_filters_hold() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.adapter {
        AdapterKind::Email => Err(failure(FailureClass::Receiver, "connect")),
        _ => Err(failure(FailureClass::Permanent, "http_410")),
    });
    let mut mailed = Vec::new();
    for number in 1..=5 {
        mailed.push(world.send(letter(number, &[B, M])).await.deliveries[1].delivery_id);
    }
    world.quiet().await;
    let ports = &world.ports;
    let ids = |page: &look::Page| page.deliveries.iter().map(|line| line.delivery_id).collect::<Vec<_>>();
    let (mut found, mut wanted) = (Vec::new(), Wanted { limit: Some(2), ..Wanted::default() });
    loop {
        let page = look::list(ports, Listing::Pending, &wanted).await.expect("a page");
        assert!(page.deliveries.len() <= 2);
        found.extend(ids(&page));
        wanted.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(found, mailed, "the oldest first, each once");
    for (wanted, listing, count) in [
        (Wanted { receiver: Some(organ(M)), ..Wanted::default() }, Listing::Pending, 5),
        (Wanted { receiver: Some(organ(B)), ..Wanted::default() }, Listing::Pending, 0),
        (Wanted { receiver: Some(organ(B)), ..Wanted::default() }, Listing::DeadLetters, 5),
        (Wanted { sender: Some(organ(A)), ..Wanted::default() }, Listing::DeadLetters, 5),
        (Wanted { sender: Some(organ(C)), ..Wanted::default() }, Listing::DeadLetters, 0),
        (Wanted { state: Some(State::Refused), ..Wanted::default() }, Listing::DeadLetters, 5),
        (Wanted { state: Some(State::Parked), ..Wanted::default() }, Listing::DeadLetters, 0),
        (Wanted { adapter: Some(AdapterKind::Email), ..Wanted::default() }, Listing::Pending, 5),
        (Wanted { adapter: Some(AdapterKind::VendorHttp), ..Wanted::default() }, Listing::Pending, 0),
        (Wanted { limit: Some(0), ..Wanted::default() }, Listing::Pending, 1),
    ] {
        let page = look::list(ports, listing, &wanted).await.expect("a page");
        assert_eq!(page.deliveries.len(), count, "{wanted:?}");
    }
    assert_eq!(look::count_dead_letters(ports).await.expect("counted"), (5, false));
    let nobody = Wanted { after: "0".repeat(32).parse().ok(), ..Wanted::default() };
    let refused = look::list(ports, Listing::Pending, &nobody).await;
    assert!(matches!(refused, Err(PageFault::AfterUnknown)), "a page that begins nowhere would be the first");
    let page = look::list(ports, Listing::DeadLetters, &Wanted::default()).await.expect("a page");
    let last = page.deliveries[0].last.as_ref().expect("a line");
    assert_eq!(last.note, "http_410: failed in memory", "why it is there");
}

/// A directory of B alone.
fn with_b_at_home(home: &str) -> Directory {
    let line = Line { way: Some(AdapterKind::VendorHttp), packet_bytes_max: None };
    let systems = [(system(home), line)].into();
    let lines = Lines { systems, ..Lines::default() };
    let text = format!(
        "[[organisation]]\norgan_id = \"{B}\"\nname = \"Sở Hai\"\nhome = {{ system = \"{home}\" }}\n"
    );
    let none = &mut |path: &str| Err(format!("no {path}"));
    Directory::from_toml(&text, &lines, &TrustSets::default(), none).expect("a directory")
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_shown_with_what_it_waits_for_and_where_its_receiver_is_now() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let first = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let hostile = "V/v \u{9b}2J\u{202e}gì đó\u{200b}";
    let revokes = letter(2, &[B]).business(BusinessType::Revoke, "nhầm", &name_of(1)).subject(hostile);
    let revocation = world.send(revokes.priority(4)).await;
    let plain = world.send(letter(3, &[B])).await;
    world.quiet().await;
    let show = async |id| look::show(&world.ports, None, id).await.expect("shown").expect("it is there");
    let shown = show(revocation.deliveries[0].delivery_id).await;
    let waits: Vec<_> =
        shown.waits_for.iter().map(|earlier| (earlier.delivery_id, earlier.related)).collect();
    assert_eq!(waits, [(first.deliveries[0].delivery_id, true)]);
    let face = shown.document.expect("its face");
    assert_eq!(face.subject, "V/v \\u{9b}2J\\u{202e}gì đó\\u{200b}");
    assert_eq!((face.code.as_str(), face.sender_document_id), ("2/STN-VP", name_of(2)));
    let shown = show(plain.deliveries[0].delivery_id).await;
    let waits: Vec<_> =
        shown.waits_for.iter().map(|earlier| (earlier.delivery_id, earlier.related)).collect();
    assert_eq!(waits, [(first.deliveries[0].delivery_id, false)], "the head of its lane");
    let shown = show(first.deliveries[0].delivery_id).await;
    assert!(shown.waits_for.is_empty() && shown.packet_here && shown.home_now.is_none());
    for (home, said) in [("hai", None), ("ba", Some("ba (vendor_http)"))] {
        let directory = with_b_at_home(home);
        let shown = look::show(&world.ports, Some(&directory), first.deliveries[0].delivery_id).await;
        let shown = shown.expect("shown").expect("it is there");
        assert_eq!(shown.home_now.as_deref(), said);
        assert_eq!(shown.delivery.system.as_str(), "hai", "the route stays");
    }
    let empty = look::show(&world.ports, Some(&Directory::default()), first.deliveries[0].delivery_id).await;
    let said = empty.expect("shown").expect("it is there").home_now.expect("it is gone");
    assert!(said.contains("not in the directory"), "{said}");
    assert_eq!(shown.history.last().map(|line| line.event.as_str()), Some("attempt_failed"));
    assert!(
        look::show(&world.ports, None, "0".repeat(32).parse().expect("an id")).await.expect("read").is_none()
    );
}
