//! The message format: what goes out comes back, and what is wrong in any way does not.

use lienthong_pipeline::record::{Event, HistoryEntry, NodeName, Posted};
use lienthong_schemas::ids::Operation;

use super::*;
use crate::contract::sample;

fn sent(message: &DeliveryMessage) -> Outgoing {
    encode(message).expect("encodes")
}

fn read(outgoing: &Outgoing) -> Result<DeliveryMessage, Fault> {
    decode(&outgoing.subject, &outgoing.headers, &outgoing.body)
}

/// The message with one field of its header replaced.
fn with(field: usize, value: &str) -> Result<DeliveryMessage, Fault> {
    let mut outgoing = sent(&sample::inline(1, Lane::Normal, b"packet"));
    let text = outgoing.headers.get(VERSION_HEADER).expect("there").as_str().to_owned();
    let mut fields: Vec<&str> = text.split(' ').collect();
    fields[field] = value;
    outgoing.headers.insert(VERSION_HEADER, fields.join(" "));
    read(&outgoing)
}

/// The same in the first version.
fn first(message: &DeliveryMessage) -> Outgoing {
    let (delivery, mut outgoing) = (&message.delivery, sent(message));
    let correlations: Vec<String> = delivery.correlations.iter().map(ToString::to_string).collect();
    let since = delivery.since.map(|since| ("Lt-Since", since.to_string()));
    let fields = [
        ("Lt-Version", "1".to_owned()),
        ("Lt-Delivery-Id", delivery.id.to_string()),
        ("Lt-Document-Id", delivery.document.to_string()),
        ("Lt-Sender", delivery.sender.to_string()),
        ("Lt-Receiver", delivery.route.receiver.to_string()),
        ("Lt-System", delivery.route.system.to_string()),
        ("Lt-Adapter", delivery.route.adapter.as_str().to_owned()),
        ("Lt-Lane", delivery.lane.token().to_owned()),
        ("Lt-Kind", delivery.kind.clone()),
        ("Lt-Sha256", delivery.digest.to_string()),
        ("Lt-Bytes", delivery.bytes.to_string()),
        ("Lt-Accepted-At", delivery.accepted_at.to_string()),
        ("Lt-Generation", delivery.generation.to_string()),
        ("Lt-Correlations", correlations.join(",")),
        ("Lt-Reportable", delivery.reportable.to_string()),
        ("Lt-Inline", message.inline.is_some().to_string()),
    ];
    for (name, value) in fields.into_iter().chain(since) {
        outgoing.headers.insert(name, value.as_str());
    }
    outgoing
}

/// A message of the first version with one header replaced.
fn first_with(name: &str, value: &str) -> Result<DeliveryMessage, Fault> {
    let mut outgoing = first(&sample::inline(1, Lane::Normal, b"packet"));
    outgoing.headers.insert(name, value);
    read(&outgoing)
}

#[test]
fn a_delivery_comes_back_as_a_fresh_one() {
    let mut message = sample::inline(1, Lane::Urgent, b"packet");
    message.delivery.generation = 3;
    message.delivery.attempts = 7;
    message.delivery.handed_off = true;
    message.delivery.order = 9;
    message.delivery.since = Some("2026-01-05T01:02:03.000000004Z".parse().expect("a time"));
    let outgoing = sent(&message);
    assert_eq!(outgoing.subject, format!("lt.dlv.vendor_http.u.{}", message.delivery.route.receiver.token()));
    let id = outgoing.headers.get(NATS_MESSAGE_ID).map(|value| value.as_str().to_owned());
    assert_eq!(id, Some(format!("{}:g3", message.delivery.id)));

    let expected = Delivery {
        published: 3,
        attempts: 0,
        handed_off: false,
        order: 0,
        due: message.delivery.accepted_at,
        ..message.delivery.clone()
    };
    for outgoing in [outgoing, first(&message)] {
        let back = read(&outgoing).expect("reads");
        assert_eq!(back.delivery, expected);
        assert_eq!(back.inline.as_deref(), Some(&b"packet"[..]));
    }
}

#[test]
fn every_form_of_a_delivery_comes_back() {
    let since = Some("2026-01-05T01:02:03.000000004Z".parse().expect("a time"));
    for (reportable, since) in [(true, since), (false, since), (true, None), (false, None)] {
        for adapter in AdapterKind::ALL {
            for inline in [true, false] {
                let mut message = sample::inline(1, Lane::Normal, b"packet");
                message.delivery.reportable = reportable;
                message.delivery.since = since;
                message.delivery.route.adapter = adapter;
                message.delivery.correlations.truncate(usize::from(inline));
                message.inline = message.inline.filter(|_| inline);
                for outgoing in [sent(&message), first(&message)] {
                    let back = read(&outgoing).expect("reads");
                    let DeliveryMessage { delivery, inline, .. } = &message;
                    assert_eq!(back.delivery, Delivery { published: 1, ..delivery.clone() });
                    assert_eq!(&back.inline, inline);
                }
            }
        }
    }
}

#[test]
fn what_a_message_asks_of_others_comes_back() {
    let one = sample::inline(1, Lane::Normal, b"packet");
    let other = |number| sample::inline(number, Lane::Normal, b"packet").delivery.id;
    let (act, moves) = (RecallAct::Hold, Vec::new());
    let recall = Recall { by: one.delivery.id, act, of: vec![other(2), other(3)], moves, at_holder: true };
    let asking = DeliveryMessage { recall: Some(recall.clone()), ..one.clone() };
    let back = read(&sent(&asking)).expect("reads");
    assert_eq!(back.recall, asking.recall);

    for of in [Vec::new(), vec![one.delivery.id], vec![other(2); Recall::OF_MESSAGE_MAX + 1]] {
        let unfit = DeliveryMessage { recall: Some(Recall { of, ..recall.clone() }), ..one.clone() };
        assert!(encode(&unfit).is_err());
    }
    let id = short(other(2).as_bytes());
    for hostile in ["", "w", "w,", "x,", &format!("W,{id}"), &format!("w,{id},{id}"), &format!("w,{id},")] {
        let mut outgoing = sent(&one);
        outgoing.headers.insert(RECALL_HEADER, hostile);
        let fault = read(&outgoing).expect_err(hostile).to_string();
        assert!(fault.contains(RECALL_HEADER), "{fault}");
    }
}

#[test]
fn a_message_without_its_packet_is_small() {
    let message = DeliveryMessage { inline: None, ..sample::inline(1, Lane::Normal, b"packet") };
    let Outgoing { subject, headers, body, .. } = sent(&message);
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let headers: usize =
        lines.map(|(name, value)| name.to_string().len() + value.as_str().len() + 4).sum::<usize>() + 12;
    assert_eq!(body.len(), 0);
    assert!(subject.len() + headers <= 300, "{} and {headers} bytes", subject.len());
}

#[test]
fn unknown_headers_are_ignored_and_other_versions_refused() {
    let mut more = sent(&sample::inline(1, Lane::Normal, b"packet"));
    more.headers.insert("Lt-Later", "x");
    assert!(read(&more).is_ok());
    assert!(first_with("Lt-Later", "x").is_ok());
    let fault = with(0, "3").expect_err("refused").to_string();
    assert!(fault.contains("version 3"), "{fault}");
    assert!(with(0, "0").is_err() && first_with("Lt-Version", "0").is_err());
    let mut none = sent(&sample::inline(1, Lane::Normal, b"packet"));
    none.headers = HeaderMap::new();
    let fault = read(&none).expect_err("refused").to_string();
    assert!(fault.contains("Lt-Version is missing"), "{fault}");
}

#[test]
fn the_time_of_a_requeue_may_be_missing() {
    assert_eq!(with(9, NOTHING).expect("reads").delivery.since, None);
    assert!(with(9, "yesterday").is_err());
    assert!(with(9, &"9".repeat(40)).is_err());
    assert!(first_with("Lt-Since", "2026-01-05T01:02:03Z").expect("reads").delivery.since.is_some());
    assert!(first_with("Lt-Since", "yesterday").is_err());
}

#[test]
fn each_header_is_needed_once_and_readable() {
    let message = sample::inline(1, Lane::Normal, b"packet");
    for (good, count) in [(sent(&message), 2), (first(&message), 17)] {
        let names: Vec<String> = good.headers.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names.len(), count);
        for name in &names {
            let mut missing = HeaderMap::new();
            for (kept, values) in good.headers.iter().filter(|(kept, _)| kept.to_string() != *name) {
                missing.insert(kept.clone(), values[0].clone());
            }
            assert!(decode(&good.subject, &missing, &good.body).is_err(), "{name} missing");

            let mut twice = good.headers.clone();
            twice.append(name.as_str(), good.headers.get(name.as_str()).expect("there").clone());
            assert!(decode(&good.subject, &twice, &good.body).is_err(), "{name} twice");

            for hostile in ["\u{1}?".to_owned(), "a".repeat(HEADER_BYTES_MAX + 1)] {
                let mut headers = good.headers.clone();
                headers.insert(name.as_str(), hostile.as_str());
                assert!(decode(&good.subject, &headers, &good.body).is_err(), "{name} unreadable");
            }
        }
    }
}

#[test]
fn each_field_is_needed_and_readable() {
    for field in 1..FIELDS {
        for hostile in ["", "?", "\u{e9}", "a b", &"a".repeat(HEADER_BYTES_MAX)] {
            // A kind may be any visible word.
            if (field, hostile) != (5, "?") {
                assert!(with(field, hostile).is_err(), "{hostile:?} in the place of field {field}");
            }
        }
    }
    for (field, hostile) in [(7, "06"), (7, "+6"), (7, "-6"), (11, "ir"), (11, "x")] {
        assert!(with(field, hostile).is_err(), "{hostile:?} in the place of field {field}");
    }
}

#[test]
fn headers_that_disagree_are_refused() {
    assert!(with(3, "H99").is_err(), "another receiver than the subject's");
    assert!(with(7, "7").is_err(), "another length than the body's");
    assert!(with(11, NOTHING).is_err(), "a body that should not be");
    let good = sent(&sample::inline(1, Lane::Normal, b"packet"));
    for subject in ["lt.dlv.vendor_http.u.X", "lt.dlv.vendor_http.n", "", "lt.evt.x"] {
        assert!(decode(subject, &good.headers, &good.body).is_err(), "{subject:?}");
    }
    for id in
        ["", ":g1", "0123:g1", "0123456789abcdef0123456789abcdef:g01", "0123456789abcdef0123456789abcdef"]
    {
        let mut headers = good.headers.clone();
        headers.insert(NATS_MESSAGE_ID, id);
        assert!(decode(&good.subject, &headers, &good.body).is_err(), "{id:?}");
    }
    assert!(first_with("Lt-Receiver", "H99").is_err(), "another receiver than the subject's");
    assert!(first_with("Lt-Lane", "u").is_err(), "another lane than the subject's");
    assert!(first_with("Lt-Generation", "8").is_err(), "another generation than the message id's");
    assert!(first_with("Lt-Bytes", "7").is_err(), "another length than the body's");
    assert!(first_with("Lt-Inline", "false").is_err(), "a body that should not be");
}

#[test]
fn an_inline_packet_has_a_limit() {
    let at = sample::inline(1, Lane::Normal, &vec![7; INLINE_BYTES_MAX]);
    assert!(read(&sent(&at)).is_ok());
    let over = sample::inline(1, Lane::Normal, &vec![7; INLINE_BYTES_MAX + 1]);
    assert!(encode(&over).is_err());
    let mut hostile = first(&at);
    hostile.body = over.inline.clone().expect("inline");
    hostile.headers.insert("Lt-Bytes", over.delivery.bytes.to_string());
    hostile.headers.insert("Lt-Sha256", over.delivery.digest.to_string());
    assert!(read(&hostile).is_err());
}

#[test]
fn correlations_have_a_limit() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    let keys = |count: usize| (0..count).map(|n| CorrelationKey::of(&n.to_string())).collect();
    message.delivery.correlations = keys(CORRELATIONS_MAX);
    for outgoing in [sent(&message), first(&message)] {
        assert_eq!(read(&outgoing).expect("reads").delivery.correlations.len(), CORRELATIONS_MAX);
    }
    let over: Vec<CorrelationKey> = keys(CORRELATIONS_MAX + 1);
    message.delivery.correlations = over.clone();
    assert!(encode(&message).is_err());
    let text: Vec<String> = over.iter().map(|key| short(key.as_bytes())).collect();
    assert!(with(10, &text.join(",")).is_err());
    let text: Vec<String> = over.iter().map(ToString::to_string).collect();
    assert!(first_with("Lt-Correlations", &text.join(",")).is_err());
}

#[test]
fn a_kind_has_a_limit_and_no_blank() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    for (kind, fits) in [("k".repeat(64), true), ("k".repeat(65), false), (String::new(), false)] {
        message.delivery.kind = kind.clone();
        assert_eq!(encode(&message).is_ok(), fits, "{kind}");
        assert_eq!(with(5, &kind).is_ok(), fits, "{kind}");
        assert_eq!(first_with("Lt-Kind", &kind).is_ok(), fits, "{kind}");
    }
    for kind in ["0\r\nLt-Reportable: true", "0 1"] {
        message.delivery.kind = kind.to_owned();
        assert!(encode(&message).is_err(), "a value cannot add a header, nor a field");
    }
}

#[test]
fn a_document_of_the_gateway_itself_has_its_system() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    message.delivery.route.system = SystemId::gateway();
    for outgoing in [sent(&message), first(&message)] {
        assert_eq!(read(&outgoing).expect("reads").delivery.route.system, SystemId::gateway());
    }
    assert!(with(4, "@other").is_err() && first_with("Lt-System", "@other").is_err());
}

fn events(document: u32, count: u32) -> Vec<Event> {
    (1..=count).map(|number| sample::event(document, number)).collect()
}

#[test]
fn events_come_back_together_in_their_order() {
    for count in [1, 2, 100] {
        let mut events = events(1, count);
        for (number, event) in events.iter_mut().enumerate() {
            let back = i64::try_from(number).expect("small");
            event.entry.at -= std::time::Duration::from_nanos(back.unsigned_abs());
            event.entry.attempt = u32::try_from(number).expect("small");
        }
        let outgoing = encode_events(&events, None).expect("encodes");
        assert_eq!(outgoing.subject, format!("lt.evt.{}", events[0].document));
        assert_eq!(decode_events(&outgoing.body).expect("reads"), events);
        let HistoryEntry { note, .. } = &events[0].entry;
        assert!(!note.is_empty());
    }
    let outgoing = encode_events(&events(1, 1), None).expect("encodes");
    let id = outgoing.headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned());
    assert_eq!(id, Some(events(1, 1)[0].id.clone()), "one by itself has its own id");
}

#[test]
fn a_delivery_that_is_not_the_usual_one_keeps_its_id() {
    let mut event = sample::event(1, 1);
    let receiver = OrganId::parse("H99").expect("a code");
    let usual = DeliveryId::derive(&event.document, &receiver, Operation::Deliver);
    assert_ne!(event.delivery, usual);
    event.receiver = receiver;
    let outgoing = encode_events(std::slice::from_ref(&event), None).expect("encodes");
    assert_eq!(decode_events(&outgoing.body).expect("reads"), [event]);
}

#[test]
fn events_of_other_versions_and_documents_are_refused() {
    assert!(encode_events(&[], None).is_err());
    assert!(encode_events(&[sample::event(1, 1), sample::event(2, 1)], None).is_err());
    let body = encode_events(&events(1, 2), None).expect("encodes").body;
    let text = String::from_utf8(body.to_vec()).expect("text");
    let later = text.replace("\"version\":2", "\"version\":3");
    assert!(decode_events(later.as_bytes()).is_err());
    let more = text.replace("\"version\":2", "\"version\":2,\"later\":true");
    assert_eq!(decode_events(more.as_bytes()).expect("unknown fields are ignored"), events(1, 2));
    for hostile in ["", "{}", "[]", "{\"version\":2}"] {
        assert!(decode_events(hostile.as_bytes()).is_err(), "{hostile}");
    }
    let event = sample::event(1, 1);
    let mut first = serde_json::to_value(&event).expect("json");
    first["version"] = 1.into();
    assert_eq!(decode_events(first.to_string().as_bytes()).expect("the first version"), [event]);
}

#[test]
fn what_waits_in_mailboxes_is_read_without_the_rest() {
    let together = [sample::event(1, 1), sample::offered(1, 2)];
    let outgoing = encode_events(&together, None).expect("encodes");
    assert_eq!(decode_events(&outgoing.body).expect("reads"), together);
    let posted = decode_posted(Some(&outgoing.headers), &outgoing.body).expect("reads");
    assert_eq!(posted, Vec::from_iter(Posted::of_event(&together[1])));
    assert_eq!((posted.len(), posted[0].count, posted[0].state), (1, 2, State::Offered));
    // A message that says nothing of them is not even looked at, one of a program of before with it.
    let silent = encode_events(&events(1, 2), None).expect("encodes");
    assert!(!String::from_utf8_lossy(&silent.body).contains("offers"));
    assert_eq!(decode_posted(Some(&silent.headers), b"not read").expect("nothing"), []);
    assert_eq!(decode_posted(None, b"not read").expect("nothing"), []);
    assert!(decode_posted(Some(&outgoing.headers), b"not read").is_err());
}

#[test]
fn offers_that_fit_no_event_are_refused() {
    let body = encode_events(&[sample::offered(1, 1)], None).expect("encodes").body;
    let whole: serde_json::Value = serde_json::from_slice(&body).expect("json");
    let offer = &whole["offers"][0][1];
    let reads = |offers: serde_json::Value| {
        let mut spoilt = whole.clone();
        spoilt["offers"] = offers;
        decode_events(spoilt.to_string().as_bytes())
    };
    let spoilt = |field: &str, value: serde_json::Value| {
        let mut offer = offer.clone();
        offer[field] = value;
        serde_json::json!([[0, offer]])
    };
    assert_eq!(reads(serde_json::json!([])).expect("reads")[0].offer, None);
    assert!(reads(serde_json::json!([[0, offer]])).is_ok());
    for hostile in [
        serde_json::json!([[1, offer]]),
        serde_json::json!([[-1, offer]]),
        serde_json::json!([[0, offer], [0, offer]]),
        serde_json::json!([[0, null]]),
        serde_json::json!([[0]]),
        serde_json::json!({}),
        spoilt("kind", "a kind".into()),
        spoilt("kind", "k".repeat(65).into()),
        spoilt("system", "../x".into()),
        spoilt("digest", "00".into()),
        spoilt("lane", "slow".into()),
        spoilt("bytes", (-1).into()),
        spoilt("mailbox", serde_json::Value::Null),
    ] {
        let text = hostile.to_string();
        assert!(reads(hostile).is_err(), "{text}");
    }
}

/// What of a hostile message is not the admission of the document asked for, or is more than its limit, is none.
#[test]
fn an_admission_is_read_within_its_limits() {
    let admission = sample::admission(1, 2);
    let document = admission.receipt.document_id;
    let Outgoing { subject, headers, body, .. } = encode_admission(&admission).expect("a message");
    assert_eq!(subject, format!("lt.evt.{document}.admission"));
    assert_eq!(decode_admission(document, &headers, &body).expect("reads"), admission);
    assert!(decode_posted(Some(&headers), &body).expect("passed over").is_empty());
    let own = NodeName::parse("gw-1");
    assert!(decode_followed(Some(&headers), &body, own.as_ref()).expect("passed over").is_empty());

    let other = sample::admission(2, 2).receipt.document_id;
    assert!(decode_admission(other, &headers, &body).is_err(), "another document's");
    assert!(decode_admission(document, &HeaderMap::new(), &body).is_err(), "no admission");
    let mut newer = HeaderMap::new();
    newer.insert("Lt-Admission", "2");
    assert!(decode_admission(document, &newer, &body).is_err(), "a later version");
    assert!(decode_admission(document, &headers, &body[..body.len() / 2]).is_err(), "torn");
    let mut foreign = admission.clone();
    foreign.deliveries[1].document = other;
    let foreign = encode_admission(&foreign).expect("a message").body;
    assert!(decode_admission(document, &headers, &foreign).is_err(), "a delivery of another document");
    // A few kilobytes that come to more than 16 MB.
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![b' '; 17 << 20]).expect("packed");
    let bomb = packer.finish().expect("packed");
    assert!(bomb.len() < 100_000);
    let fault = decode_admission(document, &headers, &bomb).expect_err("too large");
    assert!(fault.to_string().contains("more than"), "{fault}");
}
