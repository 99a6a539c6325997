//! A system with the national SDK built in, as spec/vxp-api.md sections 1 to 6 describe what it puts on the wire: written
//! from there alone, over a plain socket, sharing nothing with the server or with our own client of that protocol.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// One service object of the SDK: it keeps its timestamp and the parameters of every call for life.
#[derive(Clone)]
pub struct SdkClient {
    /// `host:port`.
    pub address: String,
    /// What operations are appended to, and a slash.
    pub prefix: String,
    /// The key; used as text.
    pub secret: String,
    /// Parameters in the order in which they were first set.
    pub kept: Vec<(String, String)>,
}

/// An answer, byte by byte.
#[derive(Debug)]
pub struct Raw {
    /// HTTP status; 0 when the connection ended without one.
    pub status: u16,
    /// The head.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Raw {
    /// The answer as the SDK reads it: ASCII, an object, no null anywhere, and the three members that all have.
    pub fn json(&self) -> Value {
        assert!(self.body.is_ascii(), "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.status, 200, "{}", self.head);
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        no_null(&value);
        for name in ["status", "ErrorCode", "ErrorDesc"] {
            assert!(value[name].is_string(), "{name} of {value}");
        }
        assert_eq!(value["status"] == "OK", value["ErrorCode"] == "0", "{value}");
        value
    }
}

fn no_null(value: &Value) {
    match value {
        Value::Null => panic!("a null"),
        Value::Array(all) => all.iter().for_each(no_null),
        Value::Object(all) => all.values().for_each(no_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl SdkClient {
    /// A new service object.
    pub fn new(address: &str, prefix: &str, system_id: &str, secret: &str) -> Self {
        let kept = [("systemid", system_id), ("timestamp", "22112026T150137+0304")];
        let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { address: address.to_owned(), prefix: prefix.to_owned(), secret: secret.to_owned(), kept }
    }

    /// Sets a parameter, for this call and all later ones.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.kept.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.kept.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Takes one back, as a new service object would.
    pub fn unset(&mut self, name: &str) {
        self.kept.retain(|(known, _)| known != name);
    }

    /// An operation without a packet: POST, an empty body, keep-alive.
    pub async fn call(&mut self, operation: &str, parameters: &[(&str, &str)]) -> Value {
        self.ask("POST", operation, parameters, b"").await.json()
    }

    /// The same with this method and body; a body that is not empty waits for `100 Continue`.
    pub async fn ask(
        &mut self,
        method: &str,
        operation: &str,
        parameters: &[(&str, &str)],
        body: &[u8],
    ) -> Raw {
        self.set("Content-Type", "application/json");
        for (name, value) in parameters {
            self.set(name, value);
        }
        let mut head = self.head(method, operation);
        if method != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += &format!("Host: {}\r\nConnection: Keep-Alive\r\n", self.address);
        if !body.is_empty() {
            head += "Expect: 100-continue\r\n";
        }
        head += "Accept-Encoding: gzip,deflate\r\n\r\n";
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        if !body.is_empty() {
            let interim = read(&mut stream).await;
            if interim.status != 100 {
                return interim;
            }
            stream.write_all(body).await.expect("sent");
        }
        read(&mut stream).await
    }

    /// sendEdoc of a file: its bytes and CR LF, and the digest as Java writes it.
    pub async fn send(&mut self, file: &[u8], parameters: &[(&str, &str)]) -> Value {
        let hash = hash_file(file);
        let mut all = vec![("servicetype", "eDoc"), ("messagetype", "edoc"), ("hash-file", hash.as_str())];
        all.extend_from_slice(parameters);
        self.send_as(&[file, b"\r\n"].concat(), &all).await.json()
    }

    /// sendEdoc of exactly this body.
    pub async fn send_as(&mut self, body: &[u8], parameters: &[(&str, &str)]) -> Raw {
        self.set("Content-Type", "application/octet-stream");
        for (name, value) in parameters {
            self.set(name, value);
        }
        let mut head = self.head("POST", "sendEdoc");
        head += "Cache-Control: no-cache\r\nPragma: no-cache\r\n";
        head += &format!("Host: {}\r\n", self.address);
        head += "Accept: text/html, image/gif, image/jpeg, */*; q=0.2\r\nConnection: keep-alive\r\n";
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        // A server may refuse before it has all of it.
        stream.write_all(body).await.unwrap_or_default();
        read(&mut stream).await
    }

    /// Request line and signed headers, each on a line.
    pub fn head(&self, method: &str, operation: &str) -> String {
        let mut head = format!("{method} {}/{operation} HTTP/1.1\r\n", self.prefix);
        let mut members = Vec::new();
        for (name, value) in &self.kept {
            if name == "Content-Type" {
                head += &format!("Content-Type: {value}\r\n");
            }
            head += &format!("XroadVnpt-{name}: {value}\r\n");
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            members.push(format!("\"XroadVnpt-{name}\":\"{escaped}\""));
        }
        let names: Vec<&str> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        let signed = format!("{{{}}}", members.join(","));
        head += &format!("XroadVnpt-sign-header-key: {}\r\n", names.join(";"));
        head += &format!("XroadVnpt-sign-header: {signed}\r\n");
        head += &format!("XroadVnpt-hash-header: {}\r\n", hmac(&self.secret, &signed));
        head + "User-Agent: JAVASDKAgent/1.0.0 XRoad/VPCP\r\nXroadVnpt-version: 3.0.201608\r\n"
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("a connection")
    }
}

/// Sends these bytes and reads one answer.
pub async fn exchange(address: &str, bytes: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.unwrap_or_default();
    read(&mut stream).await
}

/// SHA-256 with `Integer.toHexString` of each byte: no zero before a single digit.
pub fn hash_file(file: &[u8]) -> String {
    sha256(file).iter().map(|byte| format!("{byte:x}")).collect()
}

/// HMAC-SHA256 of a text in lower-case hex.
pub fn hmac(secret: &str, text: &str) -> String {
    let key = PKey::hmac(secret.as_bytes()).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    let mac = signer.sign_oneshot_to_vec(text.as_bytes()).expect("signed");
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn read(stream: &mut TcpStream) -> Raw {
    tokio::time::timeout(PATIENCE, read_one(stream)).await.expect("an answer in time")
}

async fn read_one(stream: &mut TcpStream) -> Raw {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Raw { status: 0, head: String::new(), body: bytes };
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut body = bytes.split_off(end);
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map(|(_, value)| value.trim().parse().expect("a length")).next().unwrap_or(0);
    while body.len() < length {
        assert_ne!(stream.read_buf(&mut body).await.expect("a body"), 0, "the body is whole");
    }
    Raw { status, head, body }
}
