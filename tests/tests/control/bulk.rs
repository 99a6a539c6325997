//! Many deliveries by one command: filters, dry runs, pages, exit codes; and other ways for deliveries.

use acceptance::{letter, text};
use serde_json::Value;

use crate::Hands;

/// Letters that receiver 1 refused, oldest first; their delivery ids.
async fn refused(hands: &Hands, numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let stage = &hands.stage;
    stage.world.receivers[1].answer_with(Some(410));
    let mut ids = Vec::new();
    for number in numbers {
        let document = stage.accepted(&stage.letter(number, &[1])).await;
        stage.all_are(&document, "refused").await;
        ids.push(hands.delivery_of(&document).await);
    }
    ids
}

fn ids(report: &Value) -> Vec<&str> {
    let outcomes = report["outcomes"].as_array().expect("outcomes");
    outcomes.iter().map(|outcome| outcome["delivery_id"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_dry_first_and_then_carried_out_in_order() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    let waiting = refused(&hands, 1..=3).await;

    let filter = ["dead-letters", "requeue", "--receiver", "H55.15", "--reason-code", "http_410"];
    let dry = hands.json(0, &[&filter[..], &["--dry-run"]].concat());
    assert_eq!(ids(&dry), waiting, "in the order of the store");
    assert_eq!((&dry["summary"]["dry_run"], &dry["summary"]["done"]), (&true.into(), &3.into()), "{dry}");
    assert_eq!((&dry["outcomes"][0]["done"], &dry["outcomes"][0]["dry_run"]), (&false.into(), &true.into()));
    assert_eq!(hands.listed("dead-letters"), waiting, "nothing was done");
    let table = hands.run(&[&filter[..], &["--dry-run"]].concat());
    assert!(text(&table.stdout).contains("sẽ đưa lại vào hàng gửi"), "{}", text(&table.stdout));
    assert!(text(&table.stderr).contains("nothing done"), "{}", text(&table.stderr));

    let nothing = ["--reason-code", "smtp"];
    let none = hands.json(0, &[&["dead-letters", "requeue"], &nothing[..], &["--reason", "x"]].concat());
    assert!(ids(&none).is_empty());
    for wrong in [
        &["dead-letters", "requeue", "--reason", "x"][..],
        &["dead-letters", "requeue", &waiting[0], "--state", "refused", "--reason", "x"],
        &["dead-letters", "requeue", &waiting[0], "--limit", "1", "--reason", "x"],
        &["dead-letters", "requeue", "--state", "refused", "--limit", "101", "--reason", "x"],
        &["dead-letters", "requeue", "--state", "refused"],
        &["dead-letters", "requeue", "--state", "pigeon", "--reason", "x"],
        &["dead-letters", "requeue", "--older-than", "soon", "--reason", "x"],
    ] {
        assert_eq!(hands.run(wrong).status.code(), Some(3), "{wrong:?}");
    }
    assert_eq!(hands.listed("dead-letters"), waiting);

    let one = hands.json(0, &[&filter[..], &["--limit", "1", "--reason", "thử một"]].concat());
    assert_eq!((ids(&one), &one["more"]), (vec![waiting[0].as_str()], &true.into()), "{one}");
    let back = acceptance::until(async || (hands.listed("dead-letters") == waiting).then_some(())).await;
    assert!(back.is_some(), "it was refused once more");
    stage.world.receivers[1].answer_with(None);
    let all = hands.json(0, &[&filter[..], &["--all", "--reason", "đã sửa"]].concat());
    assert_eq!(ids(&all), waiting, "{all}");
    let come = async || (stage.world.receivers[1].taken().len() == 3).then_some(());
    assert!(acceptance::until(come).await.is_some(), "all are sent again");
    let taken = stage.world.receivers[1].taken();
    assert!(taken[&waiting[1]].order < taken[&waiting[2]].order, "in their order");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_and_makes_the_exit_code() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    let waiting = refused(&hands, 1..=2).await;
    let nobody = "0".repeat(32);
    let report = hands.json(1, &["dead-letters", "give-up", &waiting[0], &nobody, "--reason", "thôi"]);
    assert_eq!(
        (&report["summary"]["done"], &report["summary"]["refused"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(report["summary"]["by_verdict"]["not_found"], 1);
    let table = hands.run(&["dead-letters", "list"]);
    let table = text(&table.stdout);
    assert!(table.contains("2/UBND-VP") && table.contains("http_410"), "number and reason: {table}");
    assert!(table.contains("danh bạ"), "who may fix it: {table}");
    let line = &hands.json(0, &["dead-letters", "list"])["deliveries"][0];
    assert_eq!((line["fix_by"].as_str(), line["since"].is_string()), (Some("operator"), true), "{line}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_to_another_organisation_or_by_another_line() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    let waiting = refused(&hands, 1..=2).await;
    let dry = ["dead-letters", "reroute", &waiting[0], "--to-receiver", "H55.21", "--dry-run"];
    let foreseen = hands.json(0, &dry);
    assert_eq!(foreseen["outcomes"][0]["route"]["receiver"], "H55.21", "{foreseen}");
    let same = hands.json(1, &["dead-letters", "reroute", &waiting[0], "--reason", "x"]);
    assert_eq!(same["outcomes"][0]["verdict"], "same_route", "the directory says the same: {same}");
    let unknown = hands.json(1, &["deliveries", "reroute", &waiting[0], "--via", "nobody", "--reason", "x"]);
    assert_eq!(unknown["outcomes"][0]["verdict"], "system_unknown", "{unknown}");
    let both = hands.run(&["dead-letters", "reroute", &waiting[0], "--via", "a", "--to-receiver", "H55.21"]);
    assert_eq!(both.status.code(), Some(3));

    let there = ["--to-receiver", "H55.21", "--reason", "bên thay"];
    let done = hands.json(0, &[&["dead-letters", "reroute", &waiting[0]], &there[..]].concat());
    assert_eq!(
        (done["outcomes"][0]["verdict"].as_str(), &done["outcomes"][0]["done"]),
        (Some("rerouted"), &true.into())
    );
    let taken =
        acceptance::until(async || stage.world.receivers[2].taken().contains_key(&waiting[0]).then_some(()));
    assert!(taken.await.is_some(), "under the same id");
    let shown = hands.json(0, &["deliveries", "show", &waiting[0]]);
    assert_eq!(
        (shown["delivery"]["receiver"].as_str(), &shown["delivery"]["generation"]),
        (Some("H55.21"), &2.into())
    );
    let lines = shown["history"].as_array().expect("a history");
    let line = lines.iter().find(|line| line["event"] == "rerouted").expect("a line");
    assert!(line["note"].as_str().expect("a note").ends_with("; operator lan: bên thay"), "{line}");
    assert_eq!(stage.metric("lienthong_operator_acts_total{act=\"reroute\"}").await, 1.0);
    assert_eq!(hands.json(0, &["outbox", "check"])["faults"], Value::Array(Vec::new()));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    // The same while it is stopped: the directory is read for it.
    let done = hands.run(&[&["dead-letters", "reroute", &waiting[1]], &there[..], &["--json"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let mut gateway = stage.start().await;
    let taken =
        acceptance::until(async || stage.world.receivers[2].taken().contains_key(&waiting[1]).then_some(()));
    assert!(taken.await.is_some());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_is_listed_and_its_sender_sees_it() {
    let hands = Hands::open().await;
    hands.settings(|text| text.replace("[delivery]\n", "[delivery]\nlate_after = \"1s\"\n"));
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let document = stage.accepted(&stage.signed("1.edxml", letter(1, &[1]))).await;
    let late = acceptance::until(async || {
        let shown = stage.world.show(0, &document).await.ok()?.body;
        (shown["deliveries"][0]["late"] == true).then_some(shown)
    });
    let shown = late.await.expect("it is late");
    assert!(shown["deliveries"][0]["late_since"].is_string(), "{shown}");
    let id = hands.delivery_of(&document).await;
    let page = hands.json(0, &["deliveries", "list", "--late"]);
    assert_eq!(page["deliveries"][0]["delivery_id"], id.as_str(), "{page}");
    assert!(page["deliveries"][0]["late_since"].is_string(), "{page}");
    assert!(text(&hands.run(&["deliveries", "list"]).stdout).contains("TRỄ"));
    let retried = hands.json(0, &["deliveries", "retry", "--late", "--reason", "đã mở lại"]);
    assert_eq!(ids(&retried), [id.as_str()], "{retried}");
    // An attempt may be under way, which nobody gives up.
    let given_up = acceptance::until(async || {
        let done = hands.run(&["deliveries", "give-up", "--late", "--reason", "thôi", "--json"]);
        let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        (done.status.code() == Some(0)).then_some(report)
    });
    let given_up = given_up.await.expect("it is given up in the end");
    assert_eq!(given_up["outcomes"][0]["verdict"], "given_up", "{given_up}");
    assert_eq!(hands.json(0, &["deliveries", "list", "--late"])["deliveries"], Value::Array(Vec::new()));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
