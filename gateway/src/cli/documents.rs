//! `lienthong documents`: where is my document? Asked at a running gateway over its public door or its control socket, or
//! read from the data folder of one that is stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use lienthong_schemas::ids::DocumentId;

use super::reach::{At, Reach, at};
use super::send::{answer, client, token, unreachable};
use super::{CommandFault, block_on, tables};

#[derive(Subcommand)]
pub(super) enum DocumentsCommand {
    /// Một văn bản: biên nhận, từng nơi nhận, lịch sử / One document: receipt, deliveries, history
    Show(Show),
}

#[derive(Args)]
pub(super) struct Show {
    /// Mã văn bản trên trục / The gateway's document id
    id: String,
    /// Địa chỉ trục đang chạy / Address of a running gateway
    #[arg(long, requires = "token_file", required_unless_present = "config", conflicts_with = "config")]
    url: Option<String>,
    /// Tệp chứa mã truy cập / File that holds the token
    #[arg(long, value_name = "F")]
    token_file: Option<PathBuf>,
    /// Chứng thư gốc của trục, PEM / CA of the gateway
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// Tệp cấu hình của trục trên máy này / Settings of the gateway on this machine
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(command: &DocumentsCommand) -> Result<ExitCode, CommandFault> {
    let DocumentsCommand::Show(show) = command;
    let id: DocumentId = show.id.parse().map_err(|cause| CommandFault::at("ID", cause))?;
    match (&show.url, &show.token_file, &show.config) {
        (Some(url), Some(token_file), _) => block_on(ask(url, token_file, show.ca.as_ref(), id)),
        (_, _, Some(config)) => block_on(read(config, id)),
        _ => Err(CommandFault(
            "cần --url và --token-file, hoặc -c (needs --url and --token-file, or -c)".into(),
        )),
    }
}

async fn ask(
    url: &str,
    token_file: &Path,
    ca: Option<&PathBuf>,
    id: DocumentId,
) -> Result<ExitCode, CommandFault> {
    let address = format!("{}/api/v1/documents/{id}", url.trim_end_matches('/'));
    let request = client(ca)?.get(&address).bearer_auth(token(token_file)?);
    let response = request.send().await.map_err(|cause| unreachable(&address, cause))?;
    answer(&address, response).await
}

/// Whether the gateway runs or is stopped.
async fn read(config: &Path, id: DocumentId) -> Result<ExitCode, CommandFault> {
    let shown = |view| tables::json(&view).map(|()| ExitCode::SUCCESS);
    at(&At::of(config), async |reach: &Reach| reach.document(id).await, shown).await
}
