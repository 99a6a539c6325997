//! Every fault of the double at every operation that the gateway calls, all at once: an axis for each. Nothing is lost,
//! nothing is confirmed early, and what is repeated is the same.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::path::PathBuf;
use std::sync::Arc;

use acceptance::{Stage, letter_to, organisation, text, until};
use futures_util::future::join_all;
use lienthong::demo::axis::{Agency, Axis, Fault, Habits, Mail, Manner, Operation, Plan, System};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use lienthong_schemas::organ::OrganId;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const SECRET: &str = "truc-thu-nghiem-0123456789abcdef";
/// As many requests as never come.
const MANY: u32 = 1_000_000;

/// Faults after which nothing was done.
fn undone() -> Vec<Manner> {
    let status = [301, 401, 404, 429, 500, 503].map(|http| Manner::Status { http });
    let pages = [200, 502].map(|http| Manner::Page { http });
    let codes = ["15", "19", "20", "99"].map(|code| Manner::Code { code: code.to_owned() });
    let others = [Manner::Hang, Manner::CutBody];
    [&status[..], &pages, &codes, &others].concat()
}

/// Faults after which it was done, and nobody was told so.
fn untold() -> Vec<Manner> {
    vec![Manner::LostAnswer, Manner::CutAnswer, Manner::Contradiction]
}

/// An axis with its own mishap.
struct Row {
    axis: Arc<Axis>,
    operation: Operation,
    manner: Manner,
    /// Behind the axis.
    code: String,
    id: String,
}

impl Row {
    async fn open(stage: &Stage, number: usize, operation: Operation, manner: Manner) -> Self {
        let system = |id: &str, organisation: &str| System {
            id: id.to_owned(),
            secret: SECRET.as_bytes().to_vec(),
            organisations: vec![OrganId::parse(organisation).expect("a code")],
        };
        let systems = vec![system("tinh.01", "H55"), system("bo.02", "G91")];
        let habits = Habits { checks: true, ..Habits::default() };
        let folder = stage.world.folder.join(format!("truc-{number}"));
        let plan = Plan { systems, habits, networks: Vec::new(), folder };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let axis = Axis::open_at(plan, listener).expect("an axis");
        let (id, code) = (format!("truc-{number}"), format!("G91.{number}"));
        Self { axis, operation, manner, code, id }
    }

    fn settings(&self) -> String {
        let (id, url) = (&self.id, self.axis.url());
        let poll = match self.operation {
            Operation::SendEdoc => String::new(),
            Operation::GetAgenciesList | Operation::GetAgenciesListQd20 => {
                format!("[axes.{id}.agencies]\n")
            }
            Operation::GetSentEdocList => {
                format!("[axes.{id}.poll]\nevery = \"1h\"\nsent_every = \"1s\"\n")
            }
            _ => format!("[axes.{id}.poll]\nevery = \"2s\"\n"),
        };
        format!(
            "\n[axes.{id}]\nname = \"Trục thử nghiệm\"\nurl = \"{url}\"\nsystem_id = \"tinh.01\"\nsecret_file = \"axis.secret\"\n\
             connect_timeout = \"1s\"\ntimeout = \"2s\"\n{poll}"
        )
    }

    fn fails(&self, times: u32) {
        let fault = Fault::of(self.operation, self.manner.clone());
        assert!(self.axis.fail(Fault { times: Some(times), ..fault }));
    }

    /// Waits until the fault was met.
    async fn is_met(&self) {
        let met = until(async || {
            let faults = self.axis.faults();
            faults.first().is_none_or(|fault| fault.times < Some(MANY)).then_some(())
        });
        assert!(met.await.is_some(), "{} was never asked", self.name());
    }

    fn name(&self) -> String {
        format!("{} {:?}", self.operation.as_str(), self.manner)
    }
}

/// A stage with an axis for each of these.
async fn stage(mishaps: Vec<(Operation, Manner)>) -> (Stage, Vec<Row>) {
    let stage = Stage::open(PROGRAM, &[]).await;
    std::fs::write(stage.world.folder.join("axis.secret"), SECRET).expect("written");
    let rows = mishaps.into_iter().enumerate();
    let rows = join_all(rows.map(|(n, (operation, manner))| Row::open(&stage, n, operation, manner))).await;
    let settings: String = rows.iter().map(Row::settings).collect();
    let entry = |row: &Row| organisation(&row.code, &format!("home = {{ axis = \"{}\" }}", row.id));
    stage.write_more(&settings, &rows.iter().map(entry).collect::<String>());
    (stage, rows)
}

/// A letter for who is behind each axis, which fails so often; the documents, one after another.
async fn submitted(stage: &Stage, rows: &[Row], times: u32) -> Vec<(String, PathBuf)> {
    let mut documents = Vec::new();
    for (number, row) in (1..).zip(rows) {
        row.fails(times);
        let file = stage.signed(&format!("{number}.edxml"), letter_to(number, &[&row.code]));
        documents.push((stage.accepted(&file).await, file));
    }
    documents
}

/// A letter that goes out by an axis that fails once is taken there once, and its receiver has it once.
async fn is_sent(stage: &Stage, (id, file): &(String, PathBuf), row: &Row) {
    let line = stage.delivery_is(id, &row.code, "handed_over").await;
    let name = row.name();
    let attempts = line["attempts"].as_u64().expect("a number");
    let is_done_at_once = matches!(row.manner, Manner::Slow { .. });
    assert_eq!(attempts > 1, !is_done_at_once, "{name}: {line:#}");
    let [taken] = &row.axis.taken()[..] else { panic!("{name}: {:?}", row.axis.taken()) };
    let was_done = untold().contains(&row.manner) || row.manner == Manner::NoData;
    assert_eq!(taken.times, 1 + u32::from(was_done), "{name}");
    assert_eq!(std::fs::read(&taken.file).expect("kept"), std::fs::read(file).expect("sent"), "{name}");
    let [mail] = &row.axis.mail()[..] else { panic!("{name}: {:?}", row.axis.mail()) };
    assert_eq!((&mail.to, mail.system.as_str()), (&row.code, "bo.02"), "{name}");
    assert_eq!(row.axis.complaints(), Vec::<String>::new(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_arrives_once_whatever_went_wrong() {
    let more = [Manner::NoData, Manner::Slow { milliseconds: 300 }];
    let all = [undone(), untold(), more.to_vec()].concat();
    let (stage, rows) = stage(all.into_iter().map(|manner| (Operation::SendEdoc, manner)).collect()).await;
    let mut gateway = stage.start().await;
    let documents = submitted(&stage, &rows, 1).await;
    join_all(documents.iter().zip(&rows).map(|(document, row)| is_sent(&stage, document, row))).await;
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    assert_eq!(stage.metric("lienthong_accepted_total").await, rows.len() as f64, "no packet of our own");
    assert_eq!(stage.metric("lienthong_given_up_total").await, 0.0);
    stage.nothing_else_arrived([0, 0, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_axis_refuses_for_good_is_refused_and_never_taken() {
    let codes = ["10", "18", "21", "22", "23"].map(|code| Manner::Code { code: code.to_owned() });
    let status = [400, 410, 413, 415, 422, 451].map(|http| Manner::Status { http });
    let all = [&codes[..], &status].concat();
    let (stage, rows) = stage(all.into_iter().map(|manner| (Operation::SendEdoc, manner)).collect()).await;
    for row in &rows {
        // A list without anybody would say nothing of who is not there.
        row.axis.adjust(|habits| habits.agencies = vec![Agency::named("H92", "H92")]);
    }
    let mut gateway = stage.start().await;
    let documents = submitted(&stage, &rows, MANY).await;
    let each = documents.iter().zip(&rows).map(async |((id, _), row)| {
        let line = stage.delivery_is(id, &row.code, "refused").await;
        assert_eq!(line["attempts"], 1, "{}: {line:#}", row.name());
        assert!(row.axis.taken().is_empty() && row.axis.mail().is_empty(), "{}", row.name());
    });
    join_all(each).await;
    assert_eq!(stage.dead_letters().len(), rows.len());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn mail(row: &Row, id: &str) -> Mail {
    row.axis.mail().into_iter().find(|mail| mail.doc_id == id).expect("mail")
}

/// How often these bytes came to the receiver.
fn times(stage: &Stage, sha256: &str) -> Vec<u32> {
    let taken = stage.world.receivers[1].taken();
    taken.values().filter(|taken| taken.sha256 == sha256).map(|taken| taken.times).collect()
}

/// What waits at an axis that fails is not confirmed before it is here, and is here once when the axis is well again.
async fn is_taken_in(stage: &Stage, number: usize, row: &Row) {
    row.fails(MANY);
    let packet = DocumentBuilder::new(&row.code, &[AGENCIES[1].code])
        .document_id(&format!("{},2026/01/02,{number}/BM-VP", row.code))
        .subject(&format!("V/v thử nghiệm số {number}"))
        .to_bytes()
        .expect("a letter");
    let sha256: String = openssl::sha::sha256(&packet).iter().map(|byte| format!("{byte:02x}")).collect();
    let id = row.axis.offer("edoc", &row.code, AGENCIES[1].code, &packet);
    row.is_met().await;
    let name = row.name();
    let passes = matches!(row.manner, Manner::Slow { .. } | Manner::Duplicates | Manner::Nulls);
    let tells = untold().contains(&row.manner) || row.manner == Manner::NoData;
    match row.operation {
        _ if passes => {}
        Operation::UpdateStatus => {
            let here = until(async || (times(stage, &sha256) == [1]).then_some(())).await;
            assert!(here.is_some(), "{name}: it is here, whatever the axis hears");
            assert!(tells || mail(row, &id).said.is_empty(), "{name}");
        }
        _ => {
            assert_eq!(times(stage, &sha256), Vec::<u32>::new(), "{name}");
            assert!(mail(row, &id).said.is_empty(), "{name}: confirmed early");
        }
    }
    if !passes {
        row.axis.be_well();
    }
    let done =
        until(async || (times(stage, &sha256) == [1] && mail(row, &id).status() == "done").then_some(()));
    assert!(done.await.is_some(), "{name}: {:?} {:?}", mail(row, &id).said, times(stage, &sha256));
    assert!(mail(row, &id).said.iter().all(|said| said == "done"), "{name}");
    assert_eq!(row.axis.complaints(), Vec::<String>::new(), "{name}");
}

async fn all_are_taken_in(mishaps: Vec<(Operation, Manner)>) {
    let (stage, rows) = stage(mishaps).await;
    let mut gateway = stage.start().await;
    join_all(rows.iter().enumerate().map(|(number, row)| is_taken_in(&stage, number, row))).await;
    stage.nothing_else_arrived([0, rows.len(), 0]);
    assert_eq!(stage.metric("lienthong_axis_quarantined").await, 0.0, "no failure is the packet's");
    let taken = stage.metric("lienthong_axis_packets_total{outcome=\"taken\"}").await;
    assert_eq!(taken, rows.len() as f64);
    assert!(rows.iter().all(|row| row.axis.taken().is_empty()), "nothing goes back");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_comes_once_whatever_goes_wrong_in_lists() {
    let of_lists = [Manner::NoData, Manner::Duplicates, Manner::Nulls, Manner::Slow { milliseconds: 300 }];
    let all = [undone(), untold(), of_lists.to_vec()].concat();
    all_are_taken_in(all.into_iter().map(|manner| (Operation::GetReceivedEdocList, manner)).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_comes_once_whatever_goes_wrong_in_fetching() {
    let of_packets = [Manner::NoData, Manner::BadBase64, Manner::Slow { milliseconds: 300 }];
    let all = [undone(), untold(), of_packets.to_vec()].concat();
    all_are_taken_in(all.into_iter().map(|manner| (Operation::GetEdoc, manner)).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_confirmed_whatever_goes_wrong_in_confirming() {
    let all = [undone(), untold(), vec![Manner::Slow { milliseconds: 300 }]].concat();
    all_are_taken_in(all.into_iter().map(|manner| (Operation::UpdateStatus, manner)).collect()).await;
}

/// A receiver has what went out by an axis that does not say so; it is known when the axis is well again.
async fn is_known_in_the_end(stage: &Stage, document: &str, row: &Row) {
    let name = row.name();
    let line = stage.delivery_is(document, &row.code, "handed_over").await;
    assert_eq!(line["attempts"], 1, "{name}");
    let [mail] = &row.axis.mail()[..] else { panic!("{name}: {:?}", row.axis.mail()) };
    assert!(row.axis.say(&mail.doc_id, "done"));
    row.is_met().await;
    if !matches!(row.manner, Manner::Slow { .. } | Manner::Duplicates | Manner::Nulls) {
        // Were it received by now, it would stay so.
        stage.delivery_is(document, &row.code, "handed_over").await;
        row.axis.be_well();
    }
    let line = stage.delivery_is(document, &row.code, "received").await;
    let is_its_word = |entry: &Value| {
        let note = entry["note"].as_str().unwrap_or_default();
        entry["state"] == "received" && entry["event"] == "settled" && note.starts_with("done: DocId ")
    };
    let history = line["history"].as_array().expect("a history");
    assert_eq!(history.iter().filter(|entry| is_its_word(entry)).count(), 1, "{name}: {line:#}");
    assert_eq!(row.axis.taken()[0].times, 1, "{name}");
    assert_eq!(row.axis.complaints(), Vec::<String>::new(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_packet_is_known_whatever_goes_wrong_in_asking() {
    let of_lists = [Manner::NoData, Manner::Duplicates, Manner::Nulls, Manner::Slow { milliseconds: 300 }];
    let all = [undone(), untold(), of_lists.to_vec()].concat();
    let mishaps = all.into_iter().map(|manner| (Operation::GetSentEdocList, manner)).collect();
    let (stage, rows) = stage(mishaps).await;
    let mut gateway = stage.start().await;
    let documents = submitted(&stage, &rows, MANY).await;
    let each = documents.iter().zip(&rows).map(|((id, _), row)| is_known_in_the_end(&stage, id, row));
    join_all(each).await;
    assert_eq!(stage.dead_letters(), Vec::<String>::new());
    assert_eq!(stage.metric("lienthong_accepted_total").await, rows.len() as f64, "no packet of our own");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// The axis lists these beside the organisation of the directory's file.
fn lists(row: &Row, more: &[&str]) {
    let below = more.iter().map(|last| format!("{}.{last}", row.code));
    let codes = std::iter::once(row.code.clone()).chain(below);
    let agencies = codes.map(|code| Agency::named(&code, "Đơn vị thử nghiệm")).collect();
    row.axis.behave(Habits { agencies, ..Habits::default() });
}

/// What is staged of an axis: who is open, who is closed, and what waits.
fn staged(stage: &Stage, row: &Row) -> [Value; 3] {
    let view = &stage.operator(&["axis", "agencies", &row.id, "--pending"])[0];
    ["open", "closed", "pending"].map(|name| view[name].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_agencies_that_failed_closes_and_opens_nobody() {
    let of_lists = [Manner::NoData, Manner::Duplicates, Manner::Nulls, Manner::Slow { milliseconds: 300 }];
    let all = [undone(), untold(), of_lists.to_vec()].concat();
    let operations = [Operation::GetAgenciesList, Operation::GetAgenciesListQd20];
    let mishaps = operations.into_iter().flat_map(|of| all.iter().map(move |manner| (of, manner.clone())));
    let (stage, rows) = stage(mishaps.collect()).await;
    rows.iter().for_each(|row| lists(row, &["01", "02"]));
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"taken\"}", rows.len() as f64).await;
    for row in &rows {
        let name = row.name();
        assert_eq!(staged(&stage, row), [json!(2), json!(0), Value::Null], "{name}");
        row.fails(MANY);
        let passes = matches!(row.manner, Manner::Slow { .. } | Manner::Duplicates | Manner::Nulls);
        if !passes {
            // Were the list believed, somebody would be new and somebody gone.
            lists(row, &["02", "03"]);
        }
        let output = stage.operator_says(&["axis", "sync", &row.id], false);
        assert_eq!(output.status.success(), passes, "{name}: {}", text(&output.stderr));
        assert_eq!(staged(&stage, row), [json!(2), json!(0), Value::Null], "{name}");
        row.axis.be_well();
        lists(row, &["01", "02", "03"]);
        stage.operator(&["axis", "sync", &row.id]);
        assert_eq!(staged(&stage, row), [json!(3), json!(0), Value::Null], "{name}: it is asked again");
        assert_eq!(row.axis.complaints(), Vec::<String>::new(), "{name}");
    }
    assert_eq!(stage.metric("lienthong_agency_lists_waiting").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
