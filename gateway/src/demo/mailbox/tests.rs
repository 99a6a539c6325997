//! The mailbox spoken to by raw sockets: what it takes, and everything that it must not let pass.

use std::sync::Arc;

use openssl::base64::encode_block;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::mime::{Entity, base64, words};
use super::*;
use crate::demo::pki::peer_tls;

const PACKET: &[u8] = b"<edXML>\r\n.\r\n..\r\n\x00\xff</edXML>\r\n";
const DELIVERY: &str = "00112233445566778899aabbccddeeff";
const DOCUMENT: &str = "ffeeddccbbaa99887766554433221100";

struct Client<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
        self.0.flush().await.expect("sent");
    }

    /// The last line of the reply; empty when the connection is over.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).await;
            if read.is_err() || line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }
}

struct Ground {
    mailbox: Arc<Mailbox>,
    _folder: TempDir,
}

impl Ground {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account {
            user: "truc".to_owned(),
            password: "mat-khau".to_owned(),
            sender: "truc@tinh.example.vn".to_owned(),
            mailbox: "van-thu@xa.example.vn".to_owned(),
        };
        let tls = peer_tls(&folder.path().join("ca.pem"), "127.0.0.1").expect("certificates");
        let mailbox = Mailbox::open(account, tls, &folder.path().join("mail")).await.expect("a mailbox");
        Self { mailbox, _folder: folder }
    }

    async fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.mailbox.address()).await.expect("connected");
        let mut client = Client(BufReader::new(stream));
        assert!(client.reply().await.starts_with("220 "));
        assert_eq!(client.ask("EHLO x").await, "250 STARTTLS", "nothing else is offered in clear");
        client
    }

    async fn secure(&self) -> Client<TlsStream<TcpStream>> {
        let mut client = self.connect().await;
        assert!(client.ask("STARTTLS").await.starts_with("220 "));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.mailbox.ca()).expect("a CA")).expect("added");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, client.0.into_inner()).await;
        let mut client = Client(BufReader::new(stream.expect("TLS")));
        assert!(client.ask("EHLO x").await.starts_with("250 "));
        client
    }

    async fn signed_in(&self) -> Client<TlsStream<TcpStream>> {
        let mut client = self.secure().await;
        let plain = format!("AUTH PLAIN {}", encode_block(b"\0truc\0mat-khau"));
        assert!(client.ask(&plain).await.starts_with("235 "));
        client
    }

    /// Hands a message in on a connection of its own; the reply after its last byte.
    async fn hand_in(&self, message: &str) -> String {
        let mut client = self.signed_in().await;
        for (line, code) in [
            ("MAIL FROM:<truc@tinh.example.vn> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=x", "250 "),
            ("RCPT TO:<van-thu@xa.example.vn> NOTIFY=FAILURE,DELAY", "250 "),
            ("DATA", "354 "),
        ] {
            let reply = client.ask(line).await;
            assert!(reply.starts_with(code), "{line}: {reply}");
        }
        client.send(message.replace("\r\n.", "\r\n..").as_bytes()).await;
        client.ask(".").await
    }

    fn complaint(&self) -> String {
        self.mailbox.complaints().join("\n")
    }
}

/// The message that the mailbox wants, its packet and text as given.
fn message(packet: &[u8], text: &str) -> String {
    let mut lines = String::new();
    for line in packet.chunks(57) {
        lines += &format!("{}\r\n", encode_block(line));
    }
    let sha256 = hex::encode(openssl::sha::sha256(packet));
    format!(
        "From: =?utf-8?B?VHLhu6Vj?= <truc@tinh.example.vn>\r\nTo: van-thu@xa.example.vn\r\n\
         Subject: =?utf-8?Q?V=C4=83n_b=E1=BA=A3n?= 12/UBND\r\nDate: Sun, 22 Nov 2026 20:00:00 +0000\r\n\
         Message-ID: <edxml.{DOCUMENT}.{DELIVERY}@tinh.example.vn>\r\nMIME-Version: 1.0\r\n\
         Auto-Submitted: auto-generated\r\nX-Lienthong-Delivery-Id: {DELIVERY}\r\n\
         X-Lienthong-Document-Id: {DOCUMENT}\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         {text}\r\n.chấm đầu dòng\r\n{DELIVERY} {DOCUMENT} {sha256}\r\n\
         --b\r\nContent-Type: application/xml; name=\"{DELIVERY}.edxml\"\r\n\
         Content-Disposition: attachment; filename=\"{DELIVERY}.edxml\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{lines}--b--\r\n"
    )
}

fn good() -> String {
    message(
        PACKET,
        "Văn bản điện tử được trục liên thông chuyển đến, đề nghị kiểm tra chữ ký số và tiếp nhận.",
    )
}

#[tokio::test]
async fn a_packet_comes_out_as_it_went_in() {
    let ground = Ground::open().await;
    let reply = ground.hand_in(&good()).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let kept = &ground.mailbox.taken()[DELIVERY];
    assert_eq!(std::fs::read(&kept.file).expect("kept"), PACKET);
    assert_eq!(kept.letter.sha256, hex::encode(openssl::sha::sha256(PACKET)));
    assert_eq!((kept.letter.bytes, kept.letter.subject.as_str()), (PACKET.len() as u64, "Văn bản 12/UBND"));
    assert!(kept.letter.text.contains("\r\n.chấm đầu dòng\r\n"), "dots are unstuffed: {}", kept.letter.text);
    assert_eq!((kept.offered, kept.taken, kept.order), (1, 1, 0));
    assert_eq!(ground.complaint(), "");
}

#[tokio::test]
async fn a_busy_mailbox_takes_the_same_message_later() {
    let ground = Ground::open().await;
    ground.mailbox.be_busy_once();
    assert!(ground.hand_in(&good()).await.starts_with("451 "));
    assert!(ground.mailbox.taken().is_empty(), "not taken");
    assert!(ground.hand_in(&good()).await.starts_with("250 "));
    let kept = &ground.mailbox.taken()[DELIVERY];
    assert_eq!((kept.offered, kept.taken), (2, 1));
    assert_eq!(ground.complaint(), "");
}

#[tokio::test]
async fn a_repetition_that_says_something_else_is_noticed() {
    let ground = Ground::open().await;
    assert!(ground.hand_in(&good()).await.starts_with("250 "));
    let reply = ground.hand_in(&good().replace("12/UBND", "13/UBND")).await;
    assert!(reply.starts_with("554 "), "{reply}");
    assert!(ground.complaint().contains("came again as"), "{}", ground.complaint());
}

#[tokio::test]
async fn every_part_of_a_message_is_checked() {
    let text = "Văn bản điện tử được trục liên thông chuyển đến, đề nghị kiểm tra chữ ký số.";
    for (old, new, complaint) in [
        ("Message-ID: <edxml.", "Message-ID: <other.", "is not made of the ids"),
        ("Message-ID", "X-Message-ID", "message-id is missing"),
        ("Auto-Submitted: auto-generated", "Auto-Submitted: no", "auto-submitted"),
        ("To: van-thu@", "To: khac@", "to is"),
        ("Date: Sun", "Date: Sometime", "date"),
        ("=?utf-8?Q?V=C4=83n", "=?utf-8?Q?V=C4n", "not whole UTF-8"),
        ("Subject: ", "Subject: \u{1b}[31m", "not printable ASCII"),
        ("charset=utf-8", "charset=us-ascii", "the first part is"),
        (text, "A document.", "hardly Vietnamese"),
        ("application/xml;", "application/octet-stream;", "the packet is application/octet-stream"),
        ("Disposition: attachment", "Disposition: inline", "the packet is"),
        ("Encoding: base64", "Encoding: 8bit", "not in base64"),
        ("--b--", "--c--", "without an end"),
        ("\r\n\r\nPGVk", "\r\n\r\n=GVk", "not base64"),
    ] {
        let ground = Ground::open().await;
        let whole = message(PACKET, text);
        assert!(whole.contains(old), "{old}");
        let reply = ground.hand_in(&whole.replacen(old, new, 1)).await;
        assert!(reply.starts_with("554 "), "{old}: {reply}");
        assert!(ground.complaint().contains(complaint), "{old}: {}", ground.complaint());
        assert!(ground.mailbox.taken().is_empty());
    }
    // One byte of the packet: the text's SHA-256 is another.
    let ground = Ground::open().await;
    let other = encode_block(b"<edXMl>");
    let reply = ground.hand_in(&message(PACKET, text).replacen("PGVkWE1MPg", &other[..10], 1)).await;
    assert!(reply.starts_with("554 ") && ground.complaint().contains("does not name"), "{reply}");
}

#[tokio::test]
async fn nothing_is_taken_in_clear_or_from_a_stranger() {
    let ground = Ground::open().await;
    let mut clear = ground.connect().await;
    assert!(clear.ask("MAIL FROM:<truc@tinh.example.vn>").await.starts_with("530 "));
    let mut clear = ground.connect().await;
    assert!(clear.ask("AUTH PLAIN AHRydWMAbWF0LWtoYXU=").await.starts_with("530 "));
    let mut secure = ground.secure().await;
    assert!(secure.ask("MAIL FROM:<truc@tinh.example.vn>").await.starts_with("530 "));
    let mut secure = ground.secure().await;
    assert!(
        secure.ask(&format!("AUTH PLAIN {}", encode_block(b"\0truc\0khac"))).await.starts_with("535 "),
        "wrong password"
    );
    let mut secure = ground.secure().await;
    assert_eq!(secure.ask("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(secure.ask(&encode_block(b"truc")).await, "334 UGFzc3dvcmQ6");
    assert!(secure.ask(&encode_block(b"mat-khau")).await.starts_with("235 "));
    assert!(secure.ask("MAIL FROM:<khac@tinh.example.vn>").await.starts_with("553 "));
    let mut secure = ground.signed_in().await;
    assert!(secure.ask("MAIL FROM:<truc@tinh.example.vn>").await.starts_with("250 "));
    assert!(secure.ask("RCPT TO:<khong-co@xa.example.vn>").await.starts_with("550 "));
    let mut secure = ground.signed_in().await;
    assert!(secure.ask("MAIL FROM:<truc@tinh.example.vn> SMTPUTF8").await.starts_with("555 "));
    assert_eq!(ground.mailbox.complaints().len(), 7, "{}", ground.complaint());
}

#[tokio::test]
async fn what_comes_in_clear_after_starttls_never_counts() {
    let ground = Ground::open().await;
    let mut client = ground.connect().await;
    client.send(b"STARTTLS\r\nEHLO y\r\n").await;
    while !client.reply().await.is_empty() {}
    assert!(ground.complaint().contains("in clear after STARTTLS"), "{}", ground.complaint());
}

#[tokio::test]
async fn lines_are_bounded_and_end_in_crlf() {
    for line in [b"NOOP\n".to_vec(), b"NO\rOP\r\n".to_vec(), vec![b'x'; 2_048]] {
        let ground = Ground::open().await;
        let mut client = ground.connect().await;
        client.send(&line).await;
        assert!(client.reply().await.starts_with("500 "));
        assert!(ground.complaint().contains("without CRLF"), "{}", ground.complaint());
    }
}

#[test]
fn encodings_are_read_strictly() {
    assert_eq!(base64(b"AAEC/w==").as_deref(), Ok([0, 1, 2, 255].as_slice()));
    for wrong in ["AAEC/w=", "AAEC/x==", "AA EC", "A===", "====", "AAE=C==="] {
        assert!(base64(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(words("a =?UTF-8?b?w6E=?= =?utf-8?q?_=C3=A1?= b").as_deref(), Ok("a á á b"));
    for wrong in ["=?latin1?Q?x?=", "=?utf-8?X?x?=", "=?utf-8?Q?=C3?=", "=?utf-8?Q?=4?="] {
        assert!(words(wrong).is_err(), "{wrong}");
    }
    let quoted = b"Content-Transfer-Encoding: quoted-printable\r\n\r\nx=C3=A1 =\r\ny=3D\r\nz";
    let entity = Entity::read(quoted).expect("reads");
    assert_eq!(entity.content().as_deref(), Ok("xá y=\r\nz".as_bytes()));
}
