//! The same commands while the gateway is stopped: its data folder is opened under the lock.

use acceptance::{letter, text};
use serde_json::Value;

use crate::Hands;

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_gateway_is_looked_at_and_its_dead_letters_are_dealt_with() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].answer_with(Some(410));
    stage.world.receivers[2].answer_with(Some(410));
    let packet = stage.signed("1.edxml", letter(1, &[1]));
    let document = stage.accepted(&packet).await;
    let other = stage.accepted(&stage.letter(2, &[2])).await;
    stage.all_are(&document, "refused").await;
    stage.all_are(&other, "refused").await;
    let (id, other_id) = (hands.delivery_of(&document).await, hands.delivery_of(&other).await);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    let status = hands.json(0, &["status"]);
    assert_eq!((&status["running"], &status["dead_letters"]), (&Value::Bool(false), &2.into()), "{status}");
    assert!(text(&hands.run(&["status"]).stdout).contains("đang dừng"));
    let mut listed = hands.listed("dead-letters");
    listed.sort();
    let mut both = [id.clone(), other_id.clone()];
    both.sort();
    assert_eq!(listed, both);
    assert_eq!(hands.json(0, &["dead-letters", "show", &id])["delivery"]["state"], "refused");
    assert_eq!(hands.json(0, &["outbox", "check", "--deep"])["faults"], Value::Array(Vec::new()));

    let retry = hands.run(&["deliveries", "retry", &id, "--reason", "x"]);
    assert_eq!(retry.status.code(), Some(3), "a retry is for a gateway that runs");
    assert!(text(&retry.stderr).contains("stopped"), "{}", text(&retry.stderr));
    let requeued = hands.run(&["dead-letters", "requeue", &id, "--reason", "đã sửa", "--json"]);
    assert_eq!(requeued.status.code(), Some(0), "{}", text(&requeued.stderr));
    let outcomes: Value = serde_json::from_slice(&requeued.stdout).expect("JSON");
    assert_eq!(outcomes["outcomes"][0]["verdict"], "requeued");
    let log = text(&requeued.stderr);
    let line =
        log.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?.get("operator").cloned());
    assert_eq!(line, Some("lan".into()), "the line goes to stderr: {log}");
    let given_up = hands.json(0, &["dead-letters", "give-up", &other_id, "--reason", "thôi"]);
    assert_eq!(given_up["outcomes"][0]["verdict"], "closed");
    assert!(hands.listed("dead-letters").is_empty());
    assert_eq!(hands.listed("deliveries"), [id.as_str()]);

    stage.world.receivers[1].answer_with(None);
    let mut gateway = stage.start().await;
    stage.delivered(&document, &packet, &[1]).await;
    stage.nothing_else_arrived([0, 1, 0]);
    assert!(hands.listed("dead-letters").is_empty());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    // Nobody acts under no name, though the data folder is open to this user.
    hands.settings(|text| {
        text.replace("[operators.lan]", "[operators.minh]").replace("\"operator\"", "\"viewer\"")
    });
    let refused = hands.run(&["dead-letters", "requeue", &other_id, "--reason", "x"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("minh"), "{}", text(&refused.stderr));

    let (digest, _) = lienthong::demo::world::digest(&packet).expect("the packet");
    std::fs::write(hands.data().join("blobs").join(digest), b"x").expect("overwritten");
    let checked = hands.run(&["outbox", "check", "--deep"]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("blob_"), "{}", text(&checked.stdout));
}
