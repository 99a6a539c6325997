//! A stage with further ways out: axes and mail systems beside the vendors' ones, and what is seen of a delivery there.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lienthong::demo::child::Gateway;
use lienthong::demo::mailbox::{Account, Mailbox};
use lienthong::demo::pki::peer_tls;
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;

use crate::axis::{SYSTEM_ID, ScriptedAxis};
use crate::http_peer::{Asked, ScriptedHttp};
use crate::smtp::{SENDER, ScriptedSmtp, USER};
use crate::{Stage, signal, text, until};

/// The pause after a first failure in these tests; later ones are longer.
pub const PAUSE: Duration = Duration::from_secs(1);
/// How long an axis, or a mail system, may be silent in these tests.
pub const SILENCE: Duration = Duration::from_secs(2);

/// A directory entry.
pub fn organisation(code: &str, more: &str) -> String {
    format!("\n[[organisation]]\norgan_id = \"{code}\"\nname = \"Đơn vị {code} (thử nghiệm)\"\n{more}\n")
}

/// A letter of agency 0 to these codes.
pub fn letter_to(number: u32, codes: &[&str]) -> DocumentBuilder {
    let from = AGENCIES[0].code;
    DocumentBuilder::new(from, codes)
        .code(&number.to_string(), "UBND-VP")
        .document_id(&format!("{from},2026/01/02,{number}/UBND-VP"))
        .subject(&format!("V/v thử nghiệm số {number}"))
}

/// Whoever is not taken is left alone for [`PAUSE`] at least, whatever else waits for the same axis.
pub fn is_left_alone_after_failures(asked: &[Asked]) {
    for pair in asked.windows(2).filter(|pair| pair[0].failed) {
        let gap = pair[1].at - pair[0].at;
        // Due times go by the wall clock, which may be slewed.
        assert!(gap >= PAUSE.mul_f64(0.99), "asked again after {gap:?}");
    }
}

impl Stage {
    /// Writes more after the settings and after the directory of a gateway that is not started yet. From then on its
    /// pauses are those of [`PAUSE`].
    pub fn write_more(&self, settings: &str, directory: &str) {
        let before = std::fs::read_to_string(&self.world.config).expect("the settings");
        if !before.contains("[operators.") {
            let uid = rustix::process::geteuid().as_raw();
            let operators = format!("\n[operators.van-hanh]\nuid = {uid}\nrole = \"operator\"\n");
            append(&self.world.config, &operators);
            self.set("retry_first = \"100ms\"", &format!("retry_first = \"{}ms\"", PAUSE.as_millis()));
        }
        append(&self.world.config, settings);
        append(&self.world.folder.join("directory.toml"), directory);
    }

    /// Replaces a text of the settings, which must be there.
    pub fn set(&self, old: &str, new: &str) {
        let before = std::fs::read_to_string(&self.world.config).expect("the settings");
        assert!(before.contains(old), "{old} is not in {before}");
        std::fs::write(&self.world.config, before.replace(old, new)).expect("written");
    }

    /// Opens an axis, tells the settings of it as `vpcp`, and the directory of these codes behind it. The gateway's copy
    /// of the secret is in `axis.secret`. `more`: lines of the axis's section.
    pub async fn with_axis(&self, codes: &[&str], more: &str) -> ScriptedAxis {
        let secret = "truc-thu-nghiem-0123456789abcdef";
        let axis = ScriptedAxis::open(secret, &self.world.folder.join("axis")).await;
        std::fs::write(self.world.folder.join("axis.secret"), secret).expect("written");
        let url = axis.url();
        let settings = format!(
            "\n[axes.vpcp]\nname = \"Trục thử nghiệm\"\nurl = \"{url}\"\nsystem_id = \"{SYSTEM_ID}\"\n\
             secret_file = \"axis.secret\"\nconnect_timeout = \"1s\"\ntimeout = \"{}s\"\n{more}",
            SILENCE.as_secs()
        );
        let entries: String =
            codes.iter().map(|code| organisation(code, "home = { axis = \"vpcp\" }")).collect();
        self.write_more(&settings, &entries);
        axis
    }

    /// Opens a mail system, tells the settings of it as `thu`, and the directory of these codes with mailboxes there.
    /// The gateway's copy of the password is in `mail.password`.
    pub async fn with_mail(&self, codes: &[&str]) -> ScriptedSmtp {
        let (password, ca) = ("mat-khau-thu-nghiem", self.world.folder.join("mail-ca.pem"));
        let smtp = ScriptedSmtp::open(password, &ca).await;
        std::fs::write(self.world.folder.join("mail.password"), password).expect("written");
        let settings = format!(
            "\n[systems.thu]\nname = \"Thư thử nghiệm\"\n\n[systems.thu.email]\nhost = \"127.0.0.1\"\nport = {}\n\
             security = \"tls\"\nuser = \"{USER}\"\npassword_file = \"mail.password\"\nfrom = \"{SENDER}\"\n\
             ca = \"mail-ca.pem\"\nconnect_timeout = \"1s\"\ntimeout = \"{}s\"\n",
            smtp.port(),
            SILENCE.as_secs()
        );
        let mailbox = |code: &str| {
            let local = code.to_ascii_lowercase();
            format!(
                "home = {{ system = \"thu\" }}\nadapter = {{ mailbox = \"{local}@thunghiem.example.vn\" }}"
            )
        };
        let entries: String = codes.iter().map(|code| organisation(code, &mailbox(code))).collect();
        self.write_more(&settings, &entries);
        smtp
    }

    /// Opens a mail system that checks every message by code of its own, tells the settings of it as `thu-kiem`, and the
    /// directory of this code, which has the only mailbox there. STARTTLS.
    pub async fn with_checked_mail(&self, code: &str) -> Arc<Mailbox> {
        let account = Account {
            user: USER.to_owned(),
            password: "mat-khau-thu-nghiem".to_owned(),
            sender: SENDER.to_owned(),
            mailbox: "van-thu@xa.example.vn".to_owned(),
        };
        let tls = peer_tls(&self.world.folder.join("checked-ca.pem"), "127.0.0.1").expect("certificates");
        let folder = self.world.folder.join("mailbox");
        let mailbox = Mailbox::open(account, tls, &folder).await.expect("a mailbox");
        let Account { user, password, sender, mailbox: address } = mailbox.account();
        let settings = format!(
            "\n[systems.thu-kiem]\nname = \"Thư có kiểm tra\"\n\n[systems.thu-kiem.email]\nhost = \"127.0.0.1\"\n\
             port = {}\nsecurity = \"starttls\"\nuser = \"{user}\"\npassword = \"{password}\"\nfrom = \"{sender}\"\n\
             ca = \"checked-ca.pem\"\n",
            mailbox.address().port()
        );
        let home = format!("home = {{ system = \"thu-kiem\" }}\nadapter = {{ mailbox = \"{address}\" }}");
        self.write_more(&settings, &organisation(code, &home));
        mailbox
    }

    /// Opens a vendor's system that follows a script, in place of that of an agency.
    pub async fn with_scripted_vendor(&self, agency: usize) -> ScriptedHttp {
        let vendor = ScriptedHttp::open().await;
        self.set(&self.world.receivers[agency].url(), &vendor.url());
        vendor
    }

    /// Submits a signed letter of agency 0 to these codes; its document id.
    pub async fn sent_to(&self, number: u32, codes: &[&str]) -> String {
        self.accepted(&self.signed(&format!("{number}.edxml"), letter_to(number, codes))).await
    }

    /// Submits an urgent letter, and waits until nothing but a pause can keep it from being tried: it has a lane of its
    /// own. Its document id.
    pub async fn sent_urgently_to(&self, number: u32, code: &str) -> String {
        let letter = letter_to(number, &[code]).priority(1);
        let id = self.accepted(&self.signed(&format!("{number}.edxml"), letter)).await;
        let is_here = |line: &Value| {
            let history = line["history"].as_array().expect("a history");
            history.iter().any(|entry| entry["event"] == "handed_off")
        };
        self.delivery_when(&id, code, is_here).await;
        id
    }

    /// The delivery to a receiver, as agency 0 sees it now.
    pub async fn delivery(&self, document_id: &str, receiver: &str) -> Option<Value> {
        let shown = self.world.show(0, document_id).await.ok()?.body;
        shown["deliveries"].as_array()?.iter().find(|line| line["receiver"] == receiver).cloned()
    }

    /// Waits until the delivery to a receiver is as wanted; how it is then.
    pub async fn delivery_when(
        &self,
        document_id: &str,
        receiver: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let found = until(async || {
            last = self.delivery(document_id, receiver).await?;
            wanted(&last).then(|| last.clone())
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("{document_id} for {receiver} is not as wanted: {last:#}"))
    }

    /// Waits until the delivery to a receiver is in a state; how it is then.
    pub async fn delivery_is(&self, document_id: &str, receiver: &str, state: &str) -> Value {
        self.delivery_when(document_id, receiver, |line| line["state"] == state).await
    }

    /// Waits until an attempt has failed with this code and the delivery waits for the next one; how it is then.
    pub async fn delivery_fails(&self, document_id: &str, receiver: &str, code: &str) -> Value {
        let begin = format!("{code}: ");
        let failed = |line: &Value| {
            let last = line["history"].as_array().and_then(|all| all.last()).expect("a history");
            let note = last["note"].as_str().expect("a note");
            if last["event"] != "attempt_failed" || !note.starts_with(&begin) || line["state"] != "queued" {
                return false;
            }
            // A view can have a history that is newer than the rest of it.
            time(&line["next_attempt"]).duration_since(time(&last["at"])) >= SignedDuration::ZERO
        };
        let line = self.delivery_when(document_id, receiver, failed).await;
        let last = line["history"].as_array().and_then(|all| all.last()).expect("a history");
        let pause = time(&line["next_attempt"]).duration_since(time(&last["at"]));
        assert!(pause.unsigned_abs() >= PAUSE, "{line:#}");
        line
    }

    /// Waits until the delivery to a receiver is ready to be tried, which is all it can be while others are in its way.
    pub async fn delivery_waits(&self, document_id: &str, receiver: &str) {
        let waits = |line: &Value| {
            let history = line["history"].as_array().expect("a history");
            // The broker's word on what it took may come after what it gave out.
            let after = |entry: &Value| entry["event"] == "handed_off" || entry["event"] == "published";
            history.iter().any(|entry| entry["event"] == "handed_off") && history.last().is_some_and(after)
        };
        let line = self.delivery_when(document_id, receiver, waits).await;
        assert_eq!(
            (&line["state"], &line["attempts"]),
            (&Value::from("queued"), &Value::from(0)),
            "{line:#}"
        );
    }

    /// What an operator's command says with `--json`; it must not be refused.
    pub fn operator(&self, arguments: &[&str]) -> Value {
        let output = self.operator_says(arguments, true);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Runs an operator's command at this gateway.
    pub fn operator_says(&self, arguments: &[&str], json: bool) -> std::process::Output {
        let config = self.world.config.to_str().expect("a plain path");
        let more: &[&str] = if json { &["--json", "-c", config] } else { &["-c", config] };
        self.run(&[arguments, more].concat())
    }

    /// Ids of the deliveries that somebody has to look at.
    pub fn dead_letters(&self) -> Vec<String> {
        let page = self.operator(&["dead-letters", "list"]);
        let lines = page["deliveries"].as_array().expect("deliveries").iter();
        lines.map(|line| line["delivery_id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Has the running gateway read its settings again, and waits until it has.
    pub async fn reload(&self, gateway: &Gateway) {
        let series = "lienthong_directory_reloads_total{result=\"applied\"}";
        let before = self.metric(series).await;
        signal(gateway.pid().expect("it runs"), rustix::process::Signal::HUP);
        self.metric_reaches(series, before + 1.0).await;
    }

    /// Attempts of an adapter that failed in a class.
    pub async fn failures_of(&self, adapter: &str, class: &str) -> f64 {
        self.metric(&format!("lienthong_failed_attempts_total{{adapter=\"{adapter}\",class=\"{class}\"}}"))
            .await
    }

    /// Queues of an adapter that are paused now.
    pub async fn paused(&self, adapter: &str) -> f64 {
        self.metric(&format!("lienthong_receivers_paused{{adapter=\"{adapter}\"}}")).await
    }

    /// Waits until one queue of an adapter is paused.
    pub async fn pauses(&self, adapter: &str) {
        let paused = until(async || (self.paused(adapter).await >= 1.0).then_some(())).await;
        assert!(paused.is_some(), "no receiver of {adapter} is paused");
    }

    /// The gateway's log, a JSON object a line.
    pub fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.world.log).expect("the log");
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Whether the log raises the alarm that something is ours to fix.
    pub fn alarms(&self, code: &str) -> bool {
        let is_alarm = |line: &Value| {
            line["level"] == "ERROR"
                && line["message"] == "ours to fix: receiver paused"
                && line["code"] == code
        };
        self.log().iter().any(is_alarm)
    }
}

/// The notes of the failed attempts of a delivery, in order.
pub fn failures(line: &Value) -> Vec<String> {
    let history = line["history"].as_array().expect("a history").iter();
    let failed = history.filter(|entry| entry["event"] == "attempt_failed");
    failed.map(|entry| entry["note"].as_str().expect("a note").to_owned()).collect()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}

fn append(path: &std::path::Path, more: &str) {
    let before = std::fs::read_to_string(path).expect("a file");
    std::fs::write(path, before + more).expect("written");
}
