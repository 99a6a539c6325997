//! What may be asked over the control socket. Everybody is named before anything is read; a viewer may only look.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use lienthong_outbox::OutboxCheck;
use lienthong_pipeline::mailbox::Overview;
use lienthong_pipeline::operate::look::{Page, Shown, Wanted};
use lienthong_pipeline::ports::Listing;
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::view::DocumentView;
use lienthong_schemas::safe_text::SafeText;

use super::agencies;
use super::desk::{ActRequest, Desk, Outcomes, Status, Verb};
use super::nodes;
use super::operators::{Caller, Operators};
use super::{REQUEST_BYTES_MAX, Trouble, TroubleCode};

/// Time for a request's body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The user at the other end of a connection, by the kernel's word.
#[derive(Clone, Copy, Debug)]
pub struct User(pub u32);

/// Everything that a request needs.
pub struct Control {
    /// Who answers.
    pub desk: Desk,
    /// Who may ask.
    pub operators: Arc<ArcSwap<Operators>>,
    /// Where acts run to their end.
    pub tasks: Tasks,
}

pub(super) type Answer<T> = Result<Json<T>, Trouble>;

/// The routes of the control socket. Each connection carries a [`User`].
pub fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/deliveries", get(deliveries))
        .route("/v1/deliveries/{id}", get(delivery))
        .route("/v1/deliveries/retry", act(Listing::Pending, Verb::Retry))
        .route("/v1/deliveries/reroute", act(Listing::Pending, Verb::Reroute))
        .route("/v1/deliveries/give-up", act(Listing::Pending, Verb::GiveUp))
        .route("/v1/dead-letters", get(dead_letters))
        .route("/v1/dead-letters/requeue", act(Listing::DeadLetters, Verb::Requeue))
        .route("/v1/dead-letters/reroute", act(Listing::DeadLetters, Verb::Reroute))
        .route("/v1/dead-letters/give-up", act(Listing::DeadLetters, Verb::GiveUp))
        .route("/v1/documents/{id}", get(document))
        .route("/v1/mailboxes", get(mailboxes))
        .route("/v1/outbox/check", get(check))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/nodes/adopt", post(nodes::adopt))
        .route("/v1/agencies", get(agencies::list))
        .route("/v1/agencies/sync", post(agencies::sync))
        .route("/v1/agencies/approve", post(agencies::approve))
        .route("/v1/agencies/reject", post(agencies::reject))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(from_fn_with_state(control.clone(), known))
        .with_state(control)
}

/// Only those whom the settings know come in.
async fn known(
    State(control): State<Arc<Control>>,
    Extension(User(uid)): Extension<User>,
    mut request: Request,
    next: Next,
) -> Response {
    match control.operators.load().caller(uid) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(trouble) => {
            tracing::warn!(uid, "an unknown user at the control socket");
            trouble.into_response()
        }
    }
}

async fn nothing() -> Trouble {
    Trouble::not_found("lệnh", "command")
}

async fn status(State(control): State<Arc<Control>>) -> Answer<Status> {
    control.desk.status().await.map(Json)
}

async fn mailboxes(State(control): State<Arc<Control>>) -> Answer<Overview> {
    control.desk.mailboxes().await.map(Json)
}

async fn deliveries(
    State(control): State<Arc<Control>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer<Page> {
    control.list(Listing::Pending, wanted).await
}

async fn dead_letters(
    State(control): State<Arc<Control>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer<Page> {
    control.list(Listing::DeadLetters, wanted).await
}

async fn delivery(
    State(control): State<Arc<Control>>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Shown> {
    control.desk.delivery(parsed(id)?).await.map(Json)
}

async fn document(
    State(control): State<Arc<Control>>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<DocumentView> {
    control.desk.document(parsed(id)?).await.map(Json)
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depth {
    /// Every packet is read.
    #[serde(default)]
    pub deep: bool,
}

async fn check(
    State(control): State<Arc<Control>>,
    depth: Result<Query<Depth>, QueryRejection>,
) -> Answer<OutboxCheck> {
    let Query(Depth { deep }) = depth.map_err(|cause| unreadable(&cause.body_text()))?;
    control.desk.check(deep).await.map(Json)
}

/// An act, to deliveries by their ids or to those in a list that a filter names.
fn act(listing: Listing, verb: Verb) -> MethodRouter<Arc<Control>> {
    let answer = async move |State(control): State<Arc<Control>>,
                             Extension(caller): Extension<Caller>,
                             body: Body| control.act(listing, verb, &caller, body).await;
    post(answer)
}

/// The id that a path ends in.
fn parsed<T: std::str::FromStr>(id: Result<Path<String>, PathRejection>) -> Result<T, Trouble> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(|| Trouble::invalid("id: 32 chữ số hex / hex digits"))
}

impl Control {
    async fn list(&self, listing: Listing, wanted: Result<Query<Wanted>, QueryRejection>) -> Answer<Page> {
        let Query(wanted) = wanted.map_err(|cause| unreadable(&cause.body_text()))?;
        self.desk.list(listing, &wanted).await.map(Json)
    }

    async fn act(
        self: Arc<Self>,
        listing: Listing,
        verb: Verb,
        caller: &Caller,
        body: Body,
    ) -> Answer<Outcomes> {
        caller.may_act().inspect_err(|_| {
            tracing::warn!(operator = caller.name, act = verb.word(), "a viewer may not act");
        })?;
        let request: ActRequest = asked(body).await?;
        let job = request.checked(listing, verb, &caller.name)?;
        // An operator who goes away in the middle leaves nothing half done.
        let control = self.clone();
        let work = async move { control.desk.act(&control.desk.operate, job).await };
        self.tasks.complete(work).await.map_err(|_| stopping())?.map(Json)
    }
}

/// What the body of a request asks for.
pub(super) async fn asked<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Trouble> {
    let body = tokio::time::timeout(BODY_WITHIN, to_bytes(body, REQUEST_BYTES_MAX)).await;
    let body = body.map_err(|_| unreadable("it comes too slowly"))?;
    let body = body.map_err(|cause| unreadable(&cause.to_string()))?;
    serde_json::from_slice(&body).map_err(|cause| unreadable(&cause.to_string()))
}

fn unreadable(why: &str) -> Trouble {
    Trouble::invalid(SafeText::new(why).cut(200))
}

pub(super) fn stopping() -> Trouble {
    Trouble::new(TroubleCode::Fault, "trục đang dừng", "the gateway is stopping")
}
