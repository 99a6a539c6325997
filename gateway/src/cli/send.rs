//! `lienthong send`: posts a packet to a gateway and prints the receipt.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use futures_util::stream;
use http_body_util::StreamBody;
use lienthong_schemas::safe_text::SafeText;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{CommandFault, block_on, print, read_small};

#[derive(Args)]
pub(super) struct Send {
    /// Gói tin / The packet
    file: PathBuf,
    /// Địa chỉ trục, ví dụ https://truc.tinh.gov.vn / Address of the gateway
    #[arg(long)]
    url: String,
    /// Tệp chứa mã truy cập / File that holds the token
    #[arg(long, value_name = "F")]
    token_file: PathBuf,
    /// Chứng thư gốc của trục, PEM / CA of the gateway
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// Khóa chống gửi trùng / Idempotency-Key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Send {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        block_on(self.send())
    }

    async fn send(self) -> Result<ExitCode, CommandFault> {
        let client = client(self.ca.as_ref())?;
        let at_file = |cause: std::io::Error| CommandFault::at(self.file.display(), cause);
        let file = tokio::fs::File::open(&self.file).await.map_err(at_file)?;
        let length = file.metadata().await.map_err(at_file)?.len();
        let address = format!("{}/api/v1/documents", self.url.trim_end_matches('/'));
        let mut request = client
            .post(&address)
            .bearer_auth(token(&self.token_file)?)
            .header("content-type", "application/xml")
            .header("content-length", length)
            .body(reqwest::Body::wrap(file_body(file)));
        if let Some(key) = &self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.map_err(|cause| unreachable(&address, cause))?;
        answer(&address, response).await
    }
}

/// A file as a body, 64 KiB at a time.
fn file_body(
    file: tokio::fs::File,
) -> StreamBody<impl futures_util::Stream<Item = std::io::Result<hyper::body::Frame<bytes::Bytes>>>> {
    StreamBody::new(stream::try_unfold(file, |mut file| async move {
        let mut chunk = bytes::BytesMut::with_capacity(64 * 1024);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (hyper::body::Frame::data(chunk.freeze()), file)))
    }))
}

/// A client that trusts `ca`, or the machine's authorities.
pub(super) fn client(ca: Option<&PathBuf>) -> Result<reqwest::Client, CommandFault> {
    crate::serve::install_crypto();
    let mut builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    if let Some(path) = ca {
        let bad = |cause: reqwest::Error| CommandFault::at(path.display(), cause);
        let certificates = reqwest::Certificate::from_pem_bundle(&read_small(path)?).map_err(bad)?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|cause| CommandFault::at("HTTP", cause))
}

/// The token in a file, without the line end.
pub(super) fn token(path: &std::path::Path) -> Result<String, CommandFault> {
    let text = String::from_utf8(read_small(path)?);
    let text = text.map_err(|_| CommandFault::at(path.display(), "not text"))?;
    Ok(text.trim().to_owned())
}

pub(super) fn unreachable(address: &str, cause: reqwest::Error) -> CommandFault {
    CommandFault::at(format!("không kết nối được (cannot reach) {address}"), cause.without_url())
}

/// A value whose texts and names cannot drive a terminal, whoever it was that answered.
fn escaped(value: Value) -> Value {
    let safe = |text: &str| SafeText::new(text).into_string();
    match value {
        Value::String(text) => Value::String(safe(&text)),
        Value::Array(list) => list.into_iter().map(escaped).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (safe(&name), escaped(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Prints what the gateway said: on stdout, exit 0, when it agreed; else on stderr, exit 1.
pub(super) async fn answer(address: &str, response: reqwest::Response) -> Result<ExitCode, CommandFault> {
    let status = response.status();
    let text = response.text().await.map_err(|cause| unreachable(address, cause))?;
    let pretty = serde_json::from_str(&text)
        .and_then(|json| serde_json::to_string_pretty(&escaped(json)))
        .unwrap_or_else(|_| SafeText::new(&text).into_string());
    if status.is_success() {
        print(&pretty);
        return Ok(ExitCode::SUCCESS);
    }
    super::complain(&format!("{status}\n{pretty}"));
    Ok(ExitCode::from(1))
}
