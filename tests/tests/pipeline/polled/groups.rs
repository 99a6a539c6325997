//! Whom an axis speaks for: whole groups of codes, and what the directory has behind it.

use super::super::agencies::directory_of;
use super::*;

/// A letter of this sender to [`B`].
fn of(from: &str, number: u32) -> Vec<u8> {
    let letter = DocumentBuilder::new(from, &[B]).code(&number.to_string(), "BM-VP");
    bytes(letter.document_id(&format!("{from},2026/01/02,{number}/BM-VP")))
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_a_foreign_name_is_set_aside() {
    let mut polling = Polling::open();
    let more = "[[organisation]]\norgan_id = \"H22.01\"\nname = \"Sở\"\nhome = { axis = \"bo\" }\n\
                [[organisation]]\norgan_id = \"K01\"\nname = \"Viện\"\nhome = { axis = \"vpcp\" }\n";
    polling.world.directory_in_use().store(Arc::new(directory_of(more, &["G01", "000.00.00.H22"])));
    // In a group by its new or its old code; at home there by the directory, whatever the groups.
    let good = [X, "H22.07", "000.00.07.H22", "K01"];
    // No group; the beginning of a group's code, or one that begins like it; at home at another axis.
    let bad = ["G02", "G0", "G011", "H22.01"];
    for (number, from) in (1..).zip(good.into_iter().chain(bad)) {
        polling.put(B, &of(from, number));
    }
    polling.look().await;
    assert_eq!((polling.count(Outcome::Taken), polling.count(Outcome::Quarantined)), (4, 4));
    assert_eq!(polling.said(), [[Done], [Done], [Done], [Done], [Fail], [Fail], [Fail], [Fail]]);
    assert_eq!(polling.quarantined(), ["AXIS_SPEAKS_NOT"; 4]);
    assert_eq!(polling.world.got(B).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn without_groups_an_axis_speaks_for_whoever_is_not_at_home_here() {
    let mut polling = Polling::open();
    for (number, from) in (1..).zip(["G99", "H22.01", X]) {
        polling.put(B, &of(from, number));
    }
    polling.look().await;
    assert_eq!((polling.count(Outcome::Taken), polling.quarantined().len()), (3, 0));
}

/// The old form of a code, which the directory has in its new form only.
#[tokio::test(start_paused = true)]
async fn nobody_speaks_for_one_of_ours_by_the_other_form_of_its_code() {
    let mut polling = Polling::open();
    for (number, from) in (1..).zip(["000.00.01.H55", "000.00.99.H55", "99.H55", "000.00.07.H55"]) {
        polling.put(B, &of(from, number));
    }
    polling.look().await;
    assert_eq!((polling.count(Outcome::Taken), polling.count(Outcome::Unmatched)), (1, 3));
    assert_eq!(polling.quarantined(), ["ECHO_UNMATCHED"; 3]);
    assert_eq!(polling.said(), [vec![], vec![], vec![], vec![Done]]);
}
