//! `lienthong nodes`, `lienthong adopt`: the gateways that share one broker, and what to do when one is lost for good.
//! Asks the running gateway. Exit codes: 0, 1 when it is refused or something is lost, 3 usage or I/O.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lienthong_pipeline::adopt::{Adopted, NodeView};
use serde::de::DeserializeOwned;

use super::reach::{At, EXIT_REFUSED, refused};
use super::tables::{facts, json, rows};
use super::{CommandFault, block_on, print};
use crate::control::client::{AskFault, Client};
use crate::control::nodes::AdoptRequest;

/// How long the gateway has to answer; an adoption reads two streams to their end.
const WITHIN: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub(super) struct ShowNodes {
    #[command(flatten)]
    at: At,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct AdoptNode {
    /// Tên nút đã mất / Name of the node that is lost
    #[arg(long)]
    node: String,
    /// Lý do, được ghi lại, tối đa 200 ký tự / Why; it is recorded, at most 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    look: ShowNodes,
}

impl ShowNodes {
    pub(super) fn run(&self) -> Result<ExitCode, CommandFault> {
        self.ask(async |client| client.get("/v1/nodes", WITHIN).await, |nodes: &Vec<NodeView>| table(nodes))
    }

    fn ask<T: DeserializeOwned + serde::Serialize>(
        &self,
        ask: impl AsyncFnOnce(&Client) -> Result<T, AskFault>,
        shown: impl FnOnce(&T) -> ExitCode,
    ) -> Result<ExitCode, CommandFault> {
        let answer = block_on(async {
            let client = self.at.running().await?;
            let client = client.ok_or_else(|| CommandFault(AskFault::Stopped.to_string()))?;
            Ok(ask(&client).await)
        })?;
        match answer {
            Ok(found) if self.json => json(&found).map(|()| ExitCode::SUCCESS),
            Ok(found) => Ok(shown(&found)),
            Err(fault) => refused(fault),
        }
    }
}

impl AdoptNode {
    pub(super) fn run(&self) -> Result<ExitCode, CommandFault> {
        let request = AdoptRequest { node: self.node.clone(), reason: self.reason.clone() };
        self.look.ask(async |client| client.post("/v1/nodes/adopt", &request, WITHIN).await, outcome)
    }
}

fn table(nodes: &[NodeView]) -> ExitCode {
    let head = [
        ("Nút", "node"),
        ("Trạng thái", "state"),
        ("Báo sống cách đây", "alive ago"),
        ("Phần đang giữ", "partitions"),
        ("Đời", "epoch"),
    ];
    rows(
        head,
        nodes.iter().map(|node| {
            let state = match node {
                NodeView { drains: true, .. } => "đã bị tiếp quản, chỉ trả việc (adopted, drains)",
                NodeView { own: true, .. } => "trục này (this one)",
                NodeView { age_seconds: 0..15, .. } => "đang chạy (alive)",
                NodeView { .. } => "im lặng (silent)",
            };
            let age = format!("{} s", node.age_seconds);
            [node.node.clone(), state.to_owned(), age, node.partitions.to_string(), node.epoch.to_string()]
        }),
    );
    ExitCode::SUCCESS
}

fn outcome(adopted: &Adopted) -> ExitCode {
    facts([
        ("Bản chuyển đã tiếp quản (taken on)", adopted.taken_on.to_string()),
        ("Đã xong hoặc đã tiếp quản từ trước (over, or taken on before)", adopted.settled.to_string()),
        ("Văn bản hỏi được biên nhận tại đây (documents answered for here)", adopted.documents.to_string()),
        ("Đời mới của nút đó (its epoch now)", adopted.epoch.to_string()),
    ]);
    if adopted.lost.is_empty() {
        return ExitCode::SUCCESS;
    }
    print(
        "Các văn bản sau chỉ còn trên đĩa đã mất, nơi gửi phải gửi lại: (Only the lost disk has these; their senders must send them again:)",
    );
    for (document, deliveries) in &adopted.lost {
        print(&format!("  {document}: {} bản chuyển (deliveries)", deliveries.len()));
    }
    ExitCode::from(EXIT_REFUSED)
}
