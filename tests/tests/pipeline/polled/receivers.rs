//! For whom a packet of an axis is: those of ours that it names, once each, however often and in whatever bytes it comes.

use lienthong_schemas::edxml::BusinessType;

use super::super::world::{D, Z};
use super::*;

/// What came to B, C and D, by the number of packets.
fn counts(polling: &Polling) -> [usize; 3] {
    [B, C, D].map(|code| polling.world.got(code).len())
}

#[tokio::test(start_paused = true)]
async fn each_receiver_of_ours_gets_one_copy() {
    // The axis has an entry for each receiver, with equal bytes or each written anew.
    for traces in [["G22", "G22"], ["G22", "G23"]] {
        let mut polling = Polling::open();
        for (to, trace) in [B, C].into_iter().zip(traces) {
            polling.put(to, &bytes(from_axis(1, &[B, Z, C, "G09"], trace)));
        }
        polling.look().await;
        assert_eq!(polling.said(), [[Done], [Done]]);
        assert_eq!(counts(&polling), [1, 1, 0], "{traces:?}");
        assert_eq!((polling.count(Outcome::Taken), polling.count(Outcome::Repeated)), (2, 0));
        assert!(polling.world.consigned().is_empty(), "nothing goes back to an axis");
    }
}

#[tokio::test(start_paused = true)]
async fn packets_of_every_type_are_known_again() {
    for business in [BusinessType::Update, BusinessType::Revoke] {
        let mut polling = Polling::open();
        polling.put(B, &bytes(from_axis(1, &[B, C], "G22")));
        polling.look().await;
        let name = format!("{X},2026/01/02,1/BM-VP");
        let change = |reason: &str, trace: &str| {
            let letter = from_axis(1, &[B, C], trace).business(business, reason, &name);
            bytes(letter)
        };
        polling.put(B, &change("sai", "G22"));
        polling.put(C, &change("sai", "G23"));
        polling.look().await;
        assert_eq!(
            counts(&polling),
            [2, 1, 0],
            "{business:?}: the letter came to B, one word about it to each"
        );
        polling.put(C, &change("vẫn sai", "G22"));
        polling.look().await;
        assert_eq!(counts(&polling), [2, 2, 0], "{business:?}: another reason is another word");
        assert!(polling.said().iter().all(|said| said == &[Done]));
    }
}

#[tokio::test(start_paused = true)]
async fn another_document_under_a_number_that_is_taken_is_not_refused() {
    let mut polling = Polling::open();
    polling.put(B, &bytes(from_axis(1, &[B], "G22")));
    polling.put(B, &bytes(from_axis(1, &[B], "G22").subject("V/v khác")));
    polling.look().await;
    assert_eq!((polling.said(), counts(&polling)), (vec![vec![Done], vec![Done]], [2, 0, 0]));
    // Further receivers of one that is known get it, and nobody else does again.
    polling.put(C, &bytes(from_axis(1, &[B, C], "G22")));
    polling.look().await;
    assert_eq!(counts(&polling), [2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_told_to_the_axis_and_the_others_get_theirs() {
    let closed = "[[organisation]]\norgan_id = \"H55.70\"\nname = \"Đã đóng\"\nvalid_to = \"2025-12-31\"\n\
                  successors = [\"H55.02\"]\n";
    let setup = || Setup { directory: closed.to_owned(), ..Setup::default() };
    for turned in [false, true] {
        let mut polling = Polling::over(World::open(setup()));
        let packet = bytes(from_axis(1, &["H55.70", C], "G22"));
        let mut receivers = ["H55.70", C];
        if turned {
            receivers.reverse();
        }
        for to in receivers {
            polling.put(to, &packet);
        }
        polling.look().await;
        let mut said = polling.said();
        if turned {
            said.reverse();
        }
        assert_eq!(said, [[Fail], [Done]], "turned: {turned}");
        assert_eq!(
            (counts(&polling), polling.quarantined()),
            ([0, 1, 0], vec!["RECEIVER_CLOSED".to_owned()])
        );
    }
    // Where the axis does not say for whom it is, who is missing is not passed over.
    let mut polling = Polling::over(World::open(setup()));
    polling.put("", &bytes(from_axis(1, &["H55.70", C], "G22")));
    polling.look().await;
    assert_eq!((polling.said(), counts(&polling)), (vec![vec![Fail]], [0, 1, 0]));
    assert_eq!(polling.quarantined(), ["RECEIVER_CLOSED"]);
}

#[tokio::test(start_paused = true)]
async fn a_packet_goes_to_whom_the_axis_has_it_for() {
    let mut polling = Polling::open();
    polling.put(C, &bytes(from_axis(1, &[B, C, D], "G22")));
    polling.look().await;
    assert_eq!(
        (polling.said(), counts(&polling)),
        (vec![vec![Done]], [0, 1, 0]),
        "its sender meant this one"
    );
    // One whom the packet does not name, or who is not ours, limits nothing.
    for (number, to) in (2..).zip(["", "H55.01", "G01.03", "không phải mã"]) {
        polling.put(to, &bytes(from_axis(number, &[B, Z], "G22")));
        polling.look().await;
        assert_eq!(counts(&polling), [number as usize - 1, 1, 0], "{to}");
    }
    assert!(polling.said().iter().all(|said| said == &[Done]));
}
