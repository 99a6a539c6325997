//! What is offered, and what is not.

use lienthong_pipeline::ports::{Adapter, Consignment, FailureClass};
use lienthong_pipeline::record::{AdapterKind, State};
use lienthong_schemas::ids::PacketDigest;

use super::Mailbox;
use crate::parcel::Parcel;

#[tokio::test]
async fn a_packet_is_offered_as_often_as_it_is_handed_over() {
    assert_eq!(Mailbox.kind(), AdapterKind::Mailbox);
    let parcel = Parcel::of(&vec![b'x'; 200_000]);
    for _ in 0..2 {
        let handover = Mailbox.deliver(&parcel.consignment()).await.expect("offered");
        assert_eq!(handover.state, State::Offered);
    }
}

#[tokio::test]
async fn a_packet_that_is_not_whole_is_not_offered() {
    let parcel = Parcel::of(b"<edXML/>");
    let bad = |spoil: fn(&mut Consignment)| {
        let mut consignment = parcel.consignment();
        spoil(&mut consignment);
        consignment
    };
    for (consignment, code) in [
        (bad(|bad| assert!(bad.packet.set_extension("not-there"))), "blob_missing"),
        (bad(|bad| bad.delivery.bytes += 1), "blob_length"),
        (bad(|bad| bad.delivery.digest = PacketDigest::of(b"another packet")), "blob_damaged"),
    ] {
        let failure = Mailbox.deliver(&consignment).await.expect_err(code);
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Packet, code));
    }
}
