//! getSentEdocList: what became of a document, one entry a receiver, for whoever sent it.

use std::collections::HashMap;

use jiff::Timestamp;
use lienthong_pipeline::directory::{Directory, Home};
use lienthong_pipeline::ports::{Fault, Ports};
use lienthong_pipeline::record::{Admission, Delivery, ReceiptLine, State, SystemId};
use lienthong_schemas::edxml::{PacketKind, VIETNAM};
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use serde_json::{Value, json};

/// `servicetype` of everything here.
const SERVICE: &str = "eDoc";

/// The entries of a document that this system sent; `None` when there is no such document for it.
pub(super) async fn list(
    ports: &Ports,
    directory: &Directory,
    system: &SystemId,
    id: DocumentId,
) -> Result<Option<Vec<Value>>, Fault> {
    let Some(admission) = ports.spool.admission(id).await? else { return Ok(None) };
    let sender = directory.find(&admission.receipt.from).and_then(|sender| sender.home.as_ref());
    if admission.receipt.origin != *system && sender != Some(&Home::System(system.clone())) {
        return Ok(None);
    }
    let deliveries = ports.store.deliveries_of(id).await?;
    if deliveries.is_empty() {
        return Ok(None);
    }
    let by_id: HashMap<DeliveryId, &Delivery> =
        deliveries.iter().map(|delivery| (delivery.id, delivery)).collect();
    let mut entries = Vec::with_capacity(admission.receipt.deliveries.len());
    for line in &admission.receipt.deliveries {
        let Some(delivery) = by_id.get(&line.delivery_id) else { continue };
        let received = received_at(ports, delivery).await?;
        entries.push(entry(&admission, line, delivery, received));
    }
    Ok(Some(entries))
}

/// When the receiver had it; `None` while it does not, or nobody knows.
async fn received_at(ports: &Ports, delivery: &Delivery) -> Result<Option<Timestamp>, Fault> {
    if delivery.state != State::Received {
        return Ok(None);
    }
    let history = ports.store.history(delivery.id).await?;
    Ok(history.iter().find(|line| line.state == State::Received).map(|line| line.at))
}

fn entry(
    admission: &Admission,
    line: &ReceiptLine,
    delivery: &Delivery,
    received: Option<Timestamp>,
) -> Value {
    let receipt = &admission.receipt;
    // A packet without a number and notation, such as a status, has nothing but what stands between them.
    let notation = Some(admission.cover.code.as_str()).filter(|code| *code != "/").unwrap_or_default();
    json!({
        "serviceType": SERVICE,
        "messageType": message_type(&receipt.kind),
        "senderDocId": receipt.document_id.to_string(),
        "receiverDocId": delivery.id.to_string(),
        "fromCode": receipt.from.as_str(),
        "toCode": line.receiver.as_str(),
        "title": admission.cover.subject,
        "notation": notation,
        "sentTime": time(receipt.accepted_at),
        "receivedTime": received.map(time).unwrap_or_default(),
        "sendStatus": "done",
        "sendStatusDesc": "trục đã nhận",
        "receiveStatus": receive_status(delivery.state),
        "receiveStatusDesc": delivery.state.wording().0,
    })
}

/// `edoc` or `status`.
pub(super) fn message_type(kind: &str) -> &'static str {
    if kind == PacketKind::Status.id_text() { "status" } else { "edoc" }
}

/// The word of section 9 there that is nearest to a state of ours.
fn receive_status(state: State) -> &'static str {
    match state {
        State::Queued | State::Offered => "initial",
        State::HandedOver | State::Parked => "processing",
        State::Received => "done",
        State::Refused | State::Withdrawn | State::GivenUp | State::Paper => "fail",
    }
}

/// `yyyy/MM/dd HH:mm:ss`, Vietnamese time.
pub(super) fn time(at: Timestamp) -> String {
    at.to_zoned(VIETNAM.to_time_zone()).strftime("%Y/%m/%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_vietnamese_and_states_are_words_of_the_sdk() {
        assert_eq!(time("2026-11-22T17:05:06.9Z".parse().expect("a time")), "2026/11/23 00:05:06");
        for state in State::ALL {
            let word = receive_status(state);
            assert!(["initial", "processing", "done", "fail"].contains(&word));
            assert_eq!(word == "done", state == State::Received, "only who has it is done");
        }
        assert_eq!(["status", "document:0"].map(message_type), ["status", "edoc"]);
    }
}
