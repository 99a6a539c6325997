//! The door for connected systems: `POST /api/v1/documents`, `GET /api/v1/documents/{id}`.
//! Credentials are checked before a byte of the body is read.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lienthong_monitoring::{Metrics, Step};
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::intake::{Intake, Origin};
use lienthong_pipeline::ports::Ports;
use lienthong_pipeline::record::{IdempotencyKey, SystemId};
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::view::{Anywhere, Viewer};
use lienthong_schemas::ids::DocumentId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use tokio::sync::Semaphore;

use super::body::{BodyLimits, Holding, receive, too_large};
use super::guests::Guests;
use super::problem::{Refusal, rejection_of, try_again};

/// Everything that a request needs.
pub struct Public {
    /// Storage.
    pub ports: Ports,
    /// Documents of all gateways.
    pub anywhere: Arc<Anywhere>,
    /// The one way in.
    pub intake: Arc<Intake>,
    /// Who sees what.
    pub directory: Arc<ArcSwap<Directory>>,
    /// The connected systems.
    pub guests: Arc<ArcSwap<Guests>>,
    /// Uploads at once, of all systems.
    pub uploads_in_all: Arc<Semaphore>,
    /// Body limits.
    pub limits: BodyLimits,
    /// After so long a delivery that is not over is late in its sender's view.
    pub late_after: Duration,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where admissions run to their end.
    pub tasks: Tasks,
}

/// Media types that a packet may come as.
const MEDIA_TYPES: [&str; 4] =
    ["application/xml", "text/xml", "application/octet-stream", "application/edxml+xml"];

/// The routes of the public listener.
pub fn router(public: Arc<Public>) -> Router {
    Router::new()
        .route("/api/v1/documents", post(submit).fallback(method_not_allowed))
        .route("/api/v1/documents/{id}", get(show).fallback(method_not_allowed))
        .fallback(not_found)
        .layer(DefaultBodyLimit::disable())
        .with_state(public)
}

async fn submit(State(public): State<Arc<Public>>, request: Request<Body>) -> Response {
    match public.submit(request).await {
        Ok(response) => response,
        Err(rejection) => public.refuse(rejection),
    }
}

async fn show(
    State(public): State<Arc<Public>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    // What is no text is no id either, and is answered like one that nobody has.
    let id = id.map(|Path(id)| id).unwrap_or_default();
    match public.show(&id, &headers).await {
        Ok(response) => response,
        Err(rejection) => public.refuse(rejection),
    }
}

async fn not_found(State(public): State<Arc<Public>>) -> Response {
    public.refuse(Rejection::new(RejectionCode::NotFound))
}

async fn method_not_allowed(State(public): State<Arc<Public>>, request: Request<Body>) -> Response {
    let mut response = public.refuse(Rejection::new(RejectionCode::MethodNotAllowed));
    let allowed = if request.uri().path() == "/api/v1/documents" { "POST" } else { "GET" };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

impl Public {
    async fn submit(&self, request: Request<Body>) -> Result<Response, Rejection> {
        let system = self.authenticate(request.headers())?;
        self.check_head(request.headers())?;
        let place = self.guests.load().upload(&system)?;
        let of_all = self.uploads_in_all.clone().try_acquire_owned().map_err(|_| try_again())?;
        let turn = match idempotency_key(request.headers())? {
            Some(key) => Some((self.intake.begin(&system, &key)?, key)),
            None => None,
        };
        // What is announced and cannot fit is refused before its body is read; what is not, while it comes.
        let announced = announced(request.headers()).unwrap_or(0).max(1);
        self.ports.spool.room_for(announced).map_err(|fault| rejection_of(fault.into()))?;
        let counted = Counted::new(&self.metrics);
        let timer = self.metrics.timer(Step::Receive);
        let received = receive(request.into_body(), &self.limits, &*self.ports.spool).await;
        let packet = received.map_err(rejection_of)?;
        drop(timer);

        // From here on the work goes to its end even when the sender goes away, and it keeps its place: one who cuts
        // and sends again finds it taken.
        let intake = self.intake.clone();
        let work = async move {
            let key =
                turn.as_ref().map(|(_, key)| IdempotencyKey { system: system.clone(), key: key.clone() });
            let outcome = intake.admit(packet, &Origin::System(system), key).await;
            drop((turn, counted, place, of_all));
            outcome
        };
        let accepted = self.tasks.complete(work).await.map_err(|_| try_again())?.map_err(rejection_of)?;

        let location = format!("/api/v1/documents/{}", accepted.receipt.document_id);
        let mut response = (StatusCode::ACCEPTED, Json(accepted.receipt.worded())).into_response();
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if accepted.replayed {
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    async fn show(&self, id: &str, headers: &HeaderMap) -> Result<Response, Rejection> {
        let system = self.authenticate(headers)?;
        let unknown = || Rejection::new(RejectionCode::NotFound).at("id");
        let id: DocumentId = id.parse().map_err(|_| unknown())?;
        let look = self.guests.load().look(&system)?;
        let directory = self.directory.load_full();
        let view = self.anywhere.document(&directory, id, Viewer::System(&system), self.late_after).await;
        let view = view.map_err(|fault| rejection_of(fault.into()))?.ok_or_else(unknown)?;
        Ok(Json(view).into_response().map(|body| Body::new(Holding::new(body, look))))
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<SystemId, Rejection> {
        self.guests.load().credentials.system_of(headers.get(header::AUTHORIZATION))
    }

    fn check_head(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let media = headers.get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap_or_default());
        let media = media.map(|v| v.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if media.is_some_and(|media| !MEDIA_TYPES.contains(&media.as_str())) {
            return Err(Rejection::new(RejectionCode::ContentTypeUnsupported).at("Content-Type"));
        }
        if headers.get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity") {
            return Err(Rejection::new(RejectionCode::ContentTypeUnsupported).at("Content-Encoding"));
        }
        if announced(headers).is_some_and(|length| length > self.limits.bytes_max) {
            return Err(too_large(&self.limits).at("Content-Length"));
        }
        Ok(())
    }

    fn refuse(&self, rejection: Rejection) -> Response {
        self.note_refused(&rejection);
        Refusal { rejection, hotline: self.guests.load().hotline.clone() }.into_response()
    }

    /// Counts and logs a refusal, at whichever door.
    pub(super) fn note_refused(&self, rejection: &Rejection) {
        self.metrics.refused.of(rejection.code.row().label).inc();
        tracing::info!(
            code = rejection.code.row().name,
            field = rejection.field.as_deref().unwrap_or_default(),
            detail = rejection.detail.as_deref().unwrap_or_default(),
            "refused",
        );
    }
}

/// Content-Length.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok())
}

/// One upload in the gauge, until it is taken in or the sender goes away.
pub(super) struct Counted(Arc<Metrics>);

impl Counted {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.uploads_in_flight.inc();
        Self(metrics.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.uploads_in_flight.dec();
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key("idempotency-key") {
            true => Err(Rejection::new(RejectionCode::IdempotencyKeyInvalid).at("Idempotency-Key")),
            false => Ok(None),
        };
    };
    let text = value
        .to_str()
        .map_err(|_| Rejection::new(RejectionCode::IdempotencyKeyInvalid).at("Idempotency-Key"));
    text.map(|text| Some(text.to_owned()))
}
