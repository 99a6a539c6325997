//! The door by which a trial commands its axis, for this machine only: faults and habits, what was taken, what waits.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answer::Answer;
use super::{Axis, Fault};

/// Largest command, in bytes.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// The door while it is open; dropped, it is closed.
pub struct Control {
    address: SocketAddr,
    _open: DropGuard,
}

/// A refusal: what is wrong with the command.
type Wrong = (StatusCode, Json<Value>);

fn wrong(status: StatusCode, why: impl std::fmt::Display) -> Wrong {
    (status, Json(json!({ "error": why.to_string() })))
}

impl Control {
    /// Opens the door of an axis behind this listener, which must be on the loopback.
    ///
    /// # Errors
    /// The listener is elsewhere.
    pub fn open(axis: Arc<Axis>, listener: TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(std::io::ErrorKind::AddrNotAvailable.into());
        }
        let open = CancellationToken::new();
        let app = Router::new()
            .route("/double/faults", get(faults).post(fail).delete(be_well))
            .route("/double/habits", get(habits).post(adjust))
            .route("/double/packets", get(packets))
            .route("/double/packets/{id}", get(packet))
            .route("/double/mail", get(mail).post(offer).layer(DefaultBodyLimit::disable()))
            .route("/double/mail/{id}", post(say))
            .route("/double/complaints", get(complaints))
            .layer(axum::middleware::from_fn(from_here))
            .layer(DefaultBodyLimit::max(COMMAND_BYTES_MAX))
            .with_state(axis);
        let closed = open.clone();
        #[expect(clippy::disallowed_methods, reason = "a peer of the gateway, ended by its own token")]
        drop(tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(listener, app) => {}
                () = closed.cancelled() => {}
            }
        }));
        Ok(Self { address, _open: open.drop_guard() })
    }

    /// What its paths are appended to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// No page in a browser of this machine may command the axis.
async fn from_here(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    let name = host.as_ref().map_or("", |host| host.host());
    let is_here = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    if !is_here || request.headers().contains_key(header::ORIGIN) {
        return wrong(StatusCode::FORBIDDEN, "127.0.0.1 only").into_response();
    }
    next.run(request).await
}

async fn faults(State(axis): State<Arc<Axis>>) -> Json<Value> {
    Json(json!({ "faults": axis.post().faults.all() }))
}

async fn fail(State(axis): State<Arc<Axis>>, Json(fault): Json<Fault>) -> Result<Json<Value>, Wrong> {
    if let Some(flaw) = fault.flaw() {
        return Err(wrong(StatusCode::UNPROCESSABLE_ENTITY, flaw));
    }
    if !axis.fail(fault) {
        return Err(wrong(StatusCode::CONFLICT, "too many faults"));
    }
    Ok(faults(State(axis)).await)
}

async fn be_well(State(axis): State<Arc<Axis>>) -> Json<Value> {
    axis.be_well();
    faults(State(axis)).await
}

/// Habits that are to be other ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjustment {
    honours_to: Option<bool>,
    reserialise: Option<bool>,
    offers_failed: Option<bool>,
    checks: Option<bool>,
    exact: Option<bool>,
}

async fn habits(State(axis): State<Arc<Axis>>) -> Json<Value> {
    let habits = axis.post().habits.clone();
    Json(json!({
        "honours_to": habits.honours_to,
        "reserialise": habits.rewrites,
        "offers_failed": habits.offers_failed,
        "checks": habits.checks,
        "exact": habits.exact,
    }))
}

async fn adjust(State(axis): State<Arc<Axis>>, Json(change): Json<Adjustment>) -> Json<Value> {
    axis.adjust(|habits| {
        let places = [
            (&mut habits.honours_to, change.honours_to),
            (&mut habits.rewrites, change.reserialise),
            (&mut habits.offers_failed, change.offers_failed),
            (&mut habits.checks, change.checks),
            (&mut habits.exact, change.exact),
        ];
        for (place, value) in places {
            *place = value.unwrap_or(*place);
        }
    });
    habits(State(axis)).await
}

async fn packets(State(axis): State<Arc<Axis>>) -> Json<Value> {
    Json(json!({ "packets": axis.taken() }))
}

/// A packet that was taken, or that waits, as it is.
async fn packet(State(axis): State<Arc<Axis>>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let file = {
        let post = axis.post();
        let taken = post.taken.iter().find(|taken| taken.doc_id == id).map(|taken| taken.file.clone());
        taken.or_else(|| post.mail.iter().find(|mail| mail.doc_id == id).map(|mail| mail.file.clone()))
    };
    let file = file.ok_or_else(|| wrong(StatusCode::NOT_FOUND, &id))?;
    let sent = Answer::File(file).send(false).await;
    let sent = sent.map_err(|cause| wrong(StatusCode::INTERNAL_SERVER_ERROR, cause))?;
    Ok(sent.map(axum::body::Body::new))
}

async fn mail(State(axis): State<Arc<Axis>>) -> Json<Value> {
    let mail: Vec<Value> = axis
        .mail()
        .iter()
        .map(|mail| {
            let mut shown = json!(mail);
            shown["status"] = mail.status().into();
            shown
        })
        .collect();
    Json(json!({ "mail": mail }))
}

/// Of a packet that is put into a mailbox by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    #[serde(default = "edoc")]
    messagetype: String,
    from: String,
    to: String,
}

fn edoc() -> String {
    "edoc".to_owned()
}

async fn offer(
    State(axis): State<Arc<Axis>>,
    Query(offered): Query<Offered>,
    body: axum::body::Body,
) -> Result<Json<Value>, Wrong> {
    if !matches!(offered.messagetype.as_str(), "edoc" | "status") {
        return Err(wrong(StatusCode::UNPROCESSABLE_ENTITY, "messagetype: edoc, status"));
    }
    let ours = |cause: &dyn std::fmt::Display| wrong(StatusCode::INTERNAL_SERVER_ERROR, cause);
    let draft = tempfile::NamedTempFile::new_in(&axis.folder).map_err(|cause| ours(&cause))?;
    let (file, draft) = draft.into_parts();
    let (mut file, mut pieces) = (tokio::fs::File::from_std(file), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|cause| wrong(StatusCode::BAD_REQUEST, cause))?;
        file.write_all(&piece).await.map_err(|cause| ours(&cause))?;
    }
    file.flush().await.map_err(|cause| ours(&cause))?;
    let put = move || axis.offer_file(&offered.messagetype, &offered.from, &offered.to, draft);
    let id = tokio::task::spawn_blocking(put).await.map_err(|cause| ours(&cause))?;
    Ok(Json(json!({ "doc_id": id.map_err(|cause| ours(&cause))? })))
}

/// What a receiver's system says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    status: String,
}

async fn say(
    State(axis): State<Arc<Axis>>,
    Path(id): Path<String>,
    Json(word): Json<Word>,
) -> Result<Json<Value>, Wrong> {
    if !matches!(word.status.as_str(), "processing" | "done" | "fail") {
        return Err(wrong(StatusCode::UNPROCESSABLE_ENTITY, "status: processing, done, fail"));
    }
    if !axis.say(&id, &word.status) {
        return Err(wrong(StatusCode::NOT_FOUND, &id));
    }
    Ok(mail(State(axis)).await)
}

async fn complaints(State(axis): State<Arc<Axis>>) -> Json<Value> {
    Json(json!({ "complaints": axis.complaints() }))
}
