//! A client of the SDK's protocol (spec vxp-api section 2), as small as it can be: one request a connection, as the SDK.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::delivery::letters::connect;

/// The `timestamp` that it has for life, as the SDK has.
const TIMESTAMP: &str = "01012026T010000+0000";

/// The body of a request.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One system.
pub(super) struct Client {
    address: String,
    system: String,
    secret: String,
}

impl Client {
    /// A client of this door.
    pub(super) fn new(address: &str, system: &str, secret: &str) -> Self {
        Self { address: address.to_owned(), system: system.to_owned(), secret: secret.to_owned() }
    }

    /// The answer to one operation, its body yet to come.
    pub(super) async fn ask(
        &self,
        operation: &str,
        parameters: &[(&str, &str)],
        body: Option<(u64, Body)>,
    ) -> Result<Incoming> {
        let mut all = vec![("systemid", self.system.as_str()), ("timestamp", TIMESTAMP)];
        all.push(("Content-Type", "application/json"));
        all.extend(parameters);
        let quoted = |text: &str| serde_json::to_string(text);
        let mut signed = Vec::new();
        for (name, value) in &all {
            signed.push(format!("{}:{}", quoted(&format!("XroadVnpt-{name}"))?, quoted(value)?));
        }
        let signed = format!("{{{}}}", signed.join(","));
        let key = PKey::hmac(self.secret.as_bytes())?;
        let hash = Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(signed.as_bytes())?;
        let mut request = http::Request::post(format!("/sdk/{operation}"))
            .header("host", &self.address)
            .header("xroadvnpt-sign-header", &signed)
            .header("xroadvnpt-hash-header", hex(&hash));
        for (name, value) in &all {
            request = request.header(format!("XroadVnpt-{name}"), *value);
        }
        let empty = || (0, Full::default().map_err(|never| match never {}).boxed_unsync());
        let (length, body) = body.unwrap_or_else(empty);
        let request = request.header("content-length", length).body(body)?;
        let mut sender = connect(&self.address).await?;
        let response = sender.send_request(request).await?;
        ensure!(response.status().is_success(), "{operation}: {}", response.status());
        Ok(response.into_body())
    }

    /// The whole answer, which must be `OK`.
    pub(super) async fn json(
        &self,
        operation: &str,
        parameters: &[(&str, &str)],
        body: Option<(u64, Body)>,
    ) -> Result<serde_json::Value> {
        let answer = self.ask(operation, parameters, body).await?.collect().await?.to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        ensure!(answer["status"] == "OK", "{operation}: {answer}");
        Ok(answer)
    }

    /// The entries of its mailbox.
    pub(super) async fn list(&self) -> Result<Vec<serde_json::Value>> {
        let asked = [("servicetype", "eDoc"), ("messagetype", "edoc")];
        let answer = self.json("getReceivedEdocList", &asked, None).await?;
        answer["data"].as_array().cloned().context("no list")
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
