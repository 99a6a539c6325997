//! A packet in a file of its own with the record of its delivery, for the tests of every adapter.

use std::fs;

use jiff::Timestamp;
use lienthong_pipeline::ports::{Addressee, Consignment, Notice};
use lienthong_pipeline::record::{AdapterKind, Cover, Delivery, Lane, MailAddress, Route, State, SystemId};
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation, PacketDigest};
use lienthong_schemas::organ::OrganId;
use tempfile::TempDir;

/// A packet on disk; its file goes when this is dropped.
pub(crate) struct Parcel {
    folder: TempDir,
    delivery: Delivery,
    at: Timestamp,
}

impl Parcel {
    /// A packet with these bytes, from G09 to H55.15 at the system `qlvb-mot`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("packet"), bytes).expect("a file");
        let organ = |code| OrganId::parse(code).expect("a code");
        let digest = PacketDigest::of(bytes);
        let document = DocumentId::derive(&organ("G09"), "G09,2026/03/01,12/CV", "document:0", &digest);
        let accepted_at: Timestamp = "2026-08-03T02:15:00.25Z".parse().expect("a time");
        let receiver = organ("H55.15");
        let delivery = Delivery {
            id: DeliveryId::derive(&document, &receiver, Operation::Deliver),
            document,
            sender: organ("G09"),
            route: Route { receiver, system: system("qlvb-mot"), adapter: AdapterKind::VendorHttp },
            lane: Lane::Normal,
            kind: "document:0".into(),
            digest,
            bytes: bytes.len() as u64,
            accepted_at,
            since: None,
            correlations: Vec::new(),
            reportable: true,
            state: State::Queued,
            generation: 1,
            published: 1,
            handed_off: true,
            attempts: 1,
            document_failures: 0,
            due: accepted_at,
            paused_at: None,
            elsewhere: None,
            foreign: false,
            contested: false,
            ours_to_fix: false,
            lease: None,
            may_have_arrived: false,
            order: 1,
            closed: false,
            mailbox: None,
            beyond: None,
        };
        Self { folder, delivery, at: "2026-08-03T02:15:30.75Z".parse().expect("a time") }
    }

    /// An attempt at 2026-08-03T02:15:30.75Z.
    pub(crate) fn consignment(&self) -> Consignment {
        let packet = self.folder.path().join("packet");
        Consignment {
            delivery: self.delivery.clone(),
            receivers: vec![self.delivery.route.receiver.clone()],
            addressee: Addressee::default(),
            cover: Cover::default(),
            packet,
            at: self.at,
        }
    }
}

/// The id of a system.
pub(crate) fn system(id: &str) -> SystemId {
    SystemId::parse(id).expect("an id")
}

/// A letter about a document of G09 that did not get to H55.15, by this mail system.
pub(crate) fn notice(by: &str) -> Notice {
    let parcel = Parcel::of(b"<edXML/>");
    let Delivery { id, document, sender, route, accepted_at, .. } = parcel.delivery;
    Notice {
        delivery: id,
        document,
        system: system(by),
        sender: (sender, "Ủy ban nhân dân tỉnh".into()),
        mailbox: MailAddress::parse("vanthu@ubnd.example").expect("an address"),
        receiver: (route.receiver, "Sở Nội vụ".into()),
        rerouted_to: None,
        cover: Cover {
            code: "12/UBND-VP".into(),
            date: "2026-03-01".into(),
            subject: "V/v chuẩn bị kỳ họp thứ hai".into(),
            ..Cover::default()
        },
        accepted_at,
        given_up_at: "2026-08-10T02:15:00Z".parse().expect("a time"),
        why: ("quá thời hạn", "too late", "connect: nobody listens".into()),
    }
}
