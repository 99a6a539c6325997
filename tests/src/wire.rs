//! HTTP/1.1 by hand, for what a well-behaved client would not do: a body that is announced and does not come, comes
//! slowly, or is still under way while something else happens.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// One connection.
pub struct Wire {
    stream: TcpStream,
}

/// What came back.
#[derive(Debug)]
pub struct Heard {
    /// HTTP status; 0 when the connection was closed without a word.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The body: JSON, or a text.
    pub body: Value,
}

impl Heard {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Wire {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("a connection") }
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// Sends a text and waits for the answer.
    pub async fn ask(&mut self, text: &str) -> Heard {
        self.send(text).await;
        self.answer().await
    }

    /// Waits for an answer.
    pub async fn answer(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an answer in time")
    }

    async fn read(&mut self) -> Heard {
        let mut bytes = Vec::new();
        let head_ends = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return Heard { status: 0, head: String::new(), body: Value::Null };
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_ends]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut heard = Heard { status, head, body: Value::Null };
        let length: usize = heard.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        while bytes.len() < head_ends + length {
            if self.stream.read_buf(&mut bytes).await.expect("a body") == 0 {
                break;
            }
        }
        let body = String::from_utf8_lossy(&bytes[head_ends..]).into_owned();
        heard.body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        heard
    }
}
