//! Deliveries and events to send about, the same ones for the same numbers.

use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::DeliveryMessage;
use lienthong_pipeline::record::{
    AdapterKind, Admission, Cover, Delivery, Event, Fence, HistoryEntry, Lane, Mailbox, Offer, Receipt,
    ReceiptLine, RecognitionKeys, Route, State, StatusSubject, SystemId,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, Operation, PacketDigest};
use lienthong_schemas::organ::OrganId;

fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

fn accepted_at() -> Timestamp {
    "2026-03-02T01:02:03.456Z".parse().expect("a time")
}

/// The `number`th delivery, with its packet inline.
pub fn inline(number: u32, lane: Lane, packet: &[u8]) -> DeliveryMessage {
    let (sender, receiver) = (organ("000.00.15.H55"), organ("000.00.01.H55"));
    let digest = PacketDigest::of(packet);
    let document = DocumentId::derive(&sender, &number.to_string(), "0", &digest);
    let delivery = Delivery {
        id: DeliveryId::derive(&document, &receiver, Operation::Deliver),
        document,
        sender,
        route: Route {
            receiver,
            system: SystemId::parse("so-noi-vu").expect("an id"),
            adapter: AdapterKind::VendorHttp,
        },
        lane,
        kind: "0".to_owned(),
        digest,
        bytes: packet.len() as u64,
        accepted_at: accepted_at(),
        since: None,
        correlations: vec![CorrelationKey::of("one"), CorrelationKey::of("two")],
        reportable: true,
        state: State::Queued,
        generation: 1,
        published: 0,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: accepted_at(),
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 0,
        closed: false,
        mailbox: None,
        beyond: None,
    };
    DeliveryMessage {
        delivery,
        inline: Some(Bytes::copy_from_slice(packet)),
        fence: None,
        after: Vec::new(),
        recall: None,
    }
}

/// The `count`th event of the `number`th document's delivery.
pub fn event(number: u32, count: u32) -> Event {
    let delivery = inline(number, Lane::Normal, b"packet").delivery;
    Event {
        id: format!("{}:{count}", delivery.id),
        document: delivery.document,
        delivery: delivery.id,
        receiver: delivery.route.receiver,
        entry: HistoryEntry {
            at: accepted_at(),
            state: State::Queued,
            event: "accepted".to_owned(),
            attempt: 0,
            note: "văn bản đã nhận".to_owned(),
        },
        // What a gateway that is alone writes does not say it.
        generation: 0,
        node: None,
        fence: Fence::ALONE,
        offer: None,
    }
}

/// The same of a delivery that waits in a mailbox.
pub fn offered(number: u32, count: u32) -> Event {
    let mut delivery = inline(number, Lane::Normal, b"packet").delivery;
    delivery.mailbox = Some(Mailbox::new(accepted_at()));
    let mut event = event(number, count);
    event.entry.state = State::Offered;
    event.offer = Offer::of(&delivery).map(Box::new);
    event
}

/// The `number`th document as it was accepted, for so many receivers.
pub fn admission(number: u32, receivers: usize) -> Admission {
    let first = inline(number, Lane::Normal, b"packet").delivery;
    let delivery = |n: usize| {
        let receiver = organ(&format!("H{n}.15.H55"));
        let id = DeliveryId::derive(&first.document, &receiver, Operation::Deliver);
        let route = Route { receiver, ..first.route.clone() };
        Delivery { id, route, ..first.clone() }
    };
    let deliveries: Vec<Delivery> = (0..receivers).map(delivery).collect();
    let line = |delivery: &Delivery| ReceiptLine {
        delivery_id: delivery.id,
        receiver: delivery.route.receiver.clone(),
        state: delivery.state,
        state_vi: "đang chờ gửi".to_owned(),
    };
    let receipt = Receipt {
        document_id: first.document,
        accepted_at: accepted_at(),
        from: first.sender.clone(),
        sender_document_id: number.to_string(),
        kind: first.kind.clone(),
        sha256: first.digest,
        bytes: first.bytes,
        origin: first.route.system.clone(),
        signature: "absent".to_owned(),
        signer: None,
        findings: Vec::new(),
        remarks: Vec::new(),
        durability: "local".to_owned(),
        deliveries: deliveries.iter().map(line).collect(),
    };
    let keys = RecognitionKeys {
        name: Some([1; 16]),
        code: None,
        changes: None,
        kind: first.kind,
        semantic: None,
        status: None,
    };
    Admission {
        receipt,
        deliveries,
        keys,
        idempotency: None,
        subject: StatusSubject::default(),
        cover: Cover::default(),
        moves: Vec::new(),
        recalls: Vec::new(),
        from_axis: false,
    }
}
