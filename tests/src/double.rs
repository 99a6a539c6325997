//! `lienthong axis-double` as a process of its own, and the commands that it takes.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::wire::Wire;
use crate::{PATIENCE, signal};

/// The double while it runs; dropped, it is killed.
pub struct Double {
    /// The address of its operations, `host:port`.
    pub address: String,
    /// Where it is commanded, `host:port`.
    pub control: String,
    /// `systemid` and secret of each system, as it said; the secret is empty where it stands in the file.
    pub systems: Vec<(String, String)>,
    child: Child,
    _said: Lines<BufReader<ChildStdout>>,
}

impl Double {
    /// Starts it with these arguments; returns when it has said what its settings are.
    pub async fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.arg("axis-double").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("started");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (mut address, mut control, mut systems) = (String::new(), String::new(), Vec::new());
        let read = async {
            while let Some(line) = said.next_line().await.expect("text") {
                let host = |line: &str| line.split('/').nth(2).unwrap_or_default().to_owned();
                if line.starts_with("Địa chỉ") {
                    address = host(&line.replace(" / ", " "));
                } else if line.starts_with("Điều khiển") {
                    control = host(&line.replace(" / ", " "));
                } else if let Some(id) = line.trim().strip_prefix("systemid=") {
                    systems.push((id.to_owned(), String::new()));
                } else if let Some(secret) = line.trim().strip_prefix("secret=")
                    && let Some(last) = systems.last_mut()
                    && !secret.starts_with('(')
                {
                    last.1 = secret.to_owned();
                } else if line.trim_start().starts_with("every =") {
                    return;
                }
            }
            panic!("it ended before it had said all");
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it speaks in time");
        Self { address, control, systems, child, _said: said }
    }

    /// Commands something; status and body.
    pub async fn command(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut wire = Wire::open(&self.control).await;
        let (host, length) = (&self.control, body.len());
        let request = format!(
            "{method} /double/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let heard = wire.ask(&request).await;
        (heard.status, heard.body)
    }

    /// The same, and it must be done.
    pub async fn commanded(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, said) = self.command(method, path, body).await;
        assert_eq!(status, 200, "{method} {path} {body}: {said}");
        said
    }

    /// Ends it as an operator does; its exit code.
    pub async fn stop(mut self) -> Option<i32> {
        signal(self.child.id().expect("it runs"), rustix::process::Signal::TERM);
        self.child.wait().await.expect("it ends").code()
    }
}
