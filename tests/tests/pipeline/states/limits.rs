//! What one packet may do to business states at most; it is delivered all the same.

use std::fmt::Write;

use lienthong_pipeline::record::{Move, Remark};

use super::*;

/// So many receivers that a hundred documents replaced at each are too many moves.
const RECEIVERS: usize = 150;
const REPLACED: u32 = 101;

fn code(at: usize) -> String {
    format!("H77.{at}")
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_replaces_too_much_moves_the_first_ones() {
    let mut directory = String::new();
    for at in 0..RECEIVERS {
        let (code, home) = (code(at), "home = { system = \"ba\" }");
        writeln!(directory, "[[organisation]]\norgan_id = \"{code}\"\nname = \"n\"\n{home}")
            .expect("written");
    }
    let mut world = World::open(Setup { directory, ..Setup::default() });
    let to: Vec<String> = (0..RECEIVERS).map(code).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let replaced: Vec<String> = (1..=REPLACED).map(name_of).collect();
    let receipt = world.send(letter(500, &to).replaces("thay", &replaced)).await;
    assert_eq!(odd(&receipt), ["CHANGE_DOCUMENT_UNKNOWN"]);
    assert_eq!(receipt.remarks.len(), Remark::KEPT_MAX);
    assert_eq!(counted(&world, "change_document_unknown"), 100, "the last one is not looked for");
    let admission = world.ports.spool.admission(receipt.document_id).await.expect("read").expect("there");
    assert_eq!(admission.moves.len(), Move::PER_ADMISSION_MAX);
    let last_full = (Move::PER_ADMISSION_MAX / RECEIVERS) as u32;
    for (number, at, expected) in [
        (1, 0, "none 3"),
        (last_full, RECEIVERS - 1, "none 3"),
        (last_full + 1, Move::PER_ADMISSION_MAX % RECEIVERS - 1, "none 3"),
        (last_full + 1, Move::PER_ADMISSION_MAX % RECEIVERS, "-"),
        (REPLACED, 0, "-"),
    ] {
        assert_eq!(state(&world, number, &code(at)).await, expected, "{number} at {at}");
    }
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, vec![lienthong_pipeline::record::State::Received; RECEIVERS]);
}
