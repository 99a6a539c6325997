//! Axes that are polled, asked for their agencies, and told whom they speak for.

use super::lines::axis;
use super::*;

#[test]
fn an_axis_is_polled_where_its_section_says_so_and_each_mailbox_once() {
    let poll = |lines: &str| format!("{}[axes.a.poll]\n{lines}", axis(""));
    let every = |lines: &str| load(&poll(lines)).expect(lines).axes["a"].poll.map(|poll| poll.every);
    assert_eq!(load(&axis("")).expect("loads").axes["a"].poll, None);
    assert_eq!(every(""), Some(Duration::from_secs(60)));
    assert_eq!(every("every = \"5m\"\n"), Some(Duration::from_secs(300)));
    assert_eq!(every("every = \"5m\"\nenabled = false\n"), None);
    let sent = |lines: &str| load(&poll(lines)).expect(lines).axes["a"].poll.expect("polled").sent_every;
    assert_eq!(sent(""), Some(Duration::from_secs(900)));
    assert_eq!(sent("sent_every = \"1h\"\n"), Some(Duration::from_secs(3_600)));
    assert_eq!(sent("sent_every = \"0s\"\n"), None);
    for (lines, fault) in [
        ("every = \"0s\"\n", ("axes.a.poll.every", FaultCode::OutOfRange)),
        ("every = \"2d\"\n", ("axes.a.poll.every", FaultCode::OutOfRange)),
        ("sent_every = \"2d\"\n", ("axes.a.poll.sent_every", FaultCode::OutOfRange)),
        ("often = true\n", ("axes.a.poll.often", FaultCode::UnknownKey)),
    ] {
        assert_eq!(faults(&poll(lines)), [(fault.0.to_owned(), fault.1)], "{lines}");
    }
    let two = |url: &str, id: &str, more: &str| {
        let other = axis(&format!("url = \"{url}\"\nsystem_id = \"{id}\"\n")).replace("axes.a", "axes.b");
        format!("{}[axes.a.poll]\n{other}{more}", axis(""))
    };
    let polled = "[axes.b.poll]\n";
    assert!(load(&two("https://a.vn/vxp", "t", polled)).is_ok(), "another id there");
    assert!(load(&two("https://b.vn/vxp", "s", polled)).is_ok(), "another axis");
    assert!(load(&two("https://a.vn/vxp", "s", "")).is_ok(), "one of them only sends");
    for url in ["https://a.vn/vxp", "https://a.vn/vxp/"] {
        let twice = ("axes.b".to_owned(), FaultCode::Duplicate);
        assert_eq!(faults(&two(url, "s", polled)), [twice], "{url}");
    }
}

#[test]
fn an_axis_is_asked_who_is_there_where_its_section_says_so() {
    let agencies = |lines: &str| format!("{}[axes.a.agencies]\n{lines}", axis(""));
    let every = |lines: &str| load(&agencies(lines)).expect(lines).axes["a"].agencies.map(|a| a.every);
    let plain = load(&axis("")).expect("loads");
    assert_eq!((plain.axes["a"].agencies, plain.axes["a"].speaks_for.len()), (None, 0));
    assert_eq!(every(""), Some(Duration::from_secs(86_400)));
    assert_eq!(every("every = \"1h\"\n"), Some(Duration::from_secs(3_600)));
    assert_eq!(every("enabled = false\n"), None);
    for every in ["59s", "32d"] {
        let wrong = ("axes.a.agencies.every".to_owned(), FaultCode::OutOfRange);
        assert_eq!(faults(&agencies(&format!("every = \"{every}\"\n"))), [wrong], "{every}");
    }
    let groups = |count: usize| format!("speaks_for = {:?}\n", vec!["G22"; count]);
    let most = load(&axis(&groups(crate::GROUPS_MAX))).expect("loads");
    assert_eq!(most.axes["a"].speaks_for[0], "G22");
    let wrong = ("axes.a.speaks_for".to_owned(), FaultCode::OutOfRange);
    assert_eq!(faults(&axis(&groups(crate::GROUPS_MAX + 1))), [wrong]);
}
