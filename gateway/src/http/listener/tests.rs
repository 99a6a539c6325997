//! Peers that misbehave, against a listener with small bounds.

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// More than the buffers of both sockets hold.
const LARGE: usize = 64 << 20;

struct Open {
    address: SocketAddr,
    tasks: Tasks,
}

impl Open {
    async fn door(connections_max: usize, write_stall: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let header_timeout = Duration::from_secs(20);
        let door =
            Door { listener, tls: None, networks: Vec::new(), header_timeout, write_stall, connections_max };
        let router = Router::new()
            .route("/", get(|| async { "here" }).post(|| async { http::StatusCode::PAYLOAD_TOO_LARGE }))
            .route("/large", get(|| async { vec![0_u8; LARGE] }));
        let tasks = Tasks::new();
        tasks.spawn("door", door.serve(router, tasks.clone()));
        Self { address, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn close(self) {
        self.tasks.stop();
        assert!(self.tasks.join().await.is_empty());
    }
}

/// Whether the listener answers on this connection.
async fn answers(stream: &mut TcpStream) -> bool {
    let mut first = [0; 12];
    stream.write_all(ASK).await.is_ok() && stream.read_exact(&mut first).await.is_ok()
}

#[tokio::test]
async fn a_peer_that_asks_and_never_reads_loses_its_place() {
    let open = Open::door(1, Duration::from_millis(200)).await;
    let mut silent = open.connect().await;
    silent.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut next = open.connect().await;
    // There is one place; without the deadline this would wait for ever.
    let answered = tokio::time::timeout(Duration::from_secs(20), answers(&mut next)).await;
    assert_eq!(answered, Ok(true));
    drop((silent, next));
    open.close().await;
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let open = Open::door(9, WRITE_STALL_MAX).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = open.connect().await;
        assert!(answers(&mut stream).await);
        held.push(stream);
    }
    assert!(!answers(&mut open.connect().await).await, "the ninth is closed");
    held.pop();
    let mut tries = tokio::time::interval(Duration::from_millis(10));
    let again = async {
        while !answers(&mut open.connect().await).await {
            tries.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("its place is free again");
    drop(held);
    open.close().await;
}

#[tokio::test]
async fn a_sender_reads_why_it_was_refused_though_it_goes_on_sending() {
    let open = Open::door(8, WRITE_STALL_MAX).await;
    let mut stream = open.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n").await.expect("sent");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("an answer before the body");
    assert_eq!(answer, b"HTTP/1.1 413");
    for _ in 0..90 {
        stream.write_all(&[b'x'; 10_000]).await.expect("the listener goes on taking it");
        tokio::task::yield_now().await;
    }
    stream.read_to_end(&mut answer).await.expect("an end and no reset");
    drop(stream);
    open.close().await;
}
