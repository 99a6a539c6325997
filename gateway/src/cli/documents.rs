//! `lienthong documents`: where is my document? Asked at a running gateway, or read from the data folder of one that is
//! stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::view::{self, Viewer};
use lienthong_schemas::ids::DocumentId;

use super::send::{answer, client, token, unreachable};
use super::{CommandFault, block_on, print};

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
    /// Tệp cấu hình của trục đã dừng / Settings of a gateway that is stopped
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

async fn read(config: &Path, id: DocumentId) -> Result<ExitCode, CommandFault> {
    let settings = crate::serve::settings::load(config)?;
    let (_lock, ports) = crate::serve::offline(&settings)?;
    let fault = |cause: lienthong_pipeline::ports::Fault| CommandFault(cause.to_string());
    let view = view::document(&ports, &Directory::default(), id, Viewer::Operator).await.map_err(fault)?;
    ports.store.close().await.map_err(fault)?;
    let Some(view) = view else {
        super::complain(&format!("không có văn bản {id} (no such document)"));
        return Ok(ExitCode::from(1));
    };
    print(&serde_json::to_string_pretty(&view).map_err(|cause| CommandFault::at("JSON", cause))?);
    Ok(ExitCode::SUCCESS)
}
