//! The operator's listener: `/metrics`, `/healthz`, `/readyz`. Loopback unless the settings say otherwise.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::partitions::Partitions;
use lienthong_pipeline::ports::Ports;
use serde_json::json;

/// What the operator's listener looks at.
pub struct Admin {
    /// The parts asked for their health.
    pub ports: Ports,
    /// Of one of several gateways: whether it only drains.
    pub partitions: Arc<Partitions>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// Its routes.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(admin)
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.measure().await;
    let mut response = admin.metrics.render().into_response();
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Ready = documents can be accepted; not where another gateway has adopted this one. A broker that is away does not hinder that, and is named. Nor does a spool
/// without room: each sender is told so, and when to come again; `room` says it to the operator.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let store = admin.ports.store.stats().await;
    let spool = admin.ports.spool.receive_ours().await.map(drop);
    let room = admin.ports.spool.room_for(1);
    let broker = admin.ports.broker.ready().await;
    // A broker that answers, and refuses us a part of what we need, is told too.
    let broker = broker.and_then(|()| admin.ports.broker.refusal().map_or(Ok(()), Err));
    let node = match admin.partitions.drains() {
        true => Err("đã bị tiếp quản, chỉ trả việc (adopted by another gateway: it only drains)".to_owned()),
        false => Ok(()),
    };
    let status = match store.is_ok() && spool.is_ok() && node.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let word = |outcome: Result<(), String>| outcome.err().unwrap_or_else(|| "ok".to_owned());
    let body = json!({
        "ready": status == StatusCode::OK,
        "outbox": word(store.map(drop).map_err(|f| f.to_string())),
        "spool": word(spool.map_err(|f| f.to_string())),
        "room": word(room.map_err(|f| f.to_string())),
        "broker": word(broker.map_err(|f| f.to_string())),
        "node": word(node),
    });
    (status, Json(body)).into_response()
}

impl Admin {
    async fn measure(&self) {
        match self.ports.store.stats().await {
            Ok(stats) => {
                let now = self.ports.clock.now();
                let age = stats.oldest_pending.map(|at| now.duration_since(at).unsigned_abs());
                self.metrics.outbox_pending.set(stats.pending);
                self.metrics.outbox_unpublished.set(stats.unpublished);
                self.metrics.oldest_pending.set(age.unwrap_or_default());
            }
            Err(fault) => tracing::warn!(%fault, "outbox numbers are not to be had"),
        }
        match self.ports.spool.usage().await {
            Ok(usage) => {
                self.metrics.spool_bytes.set(usage.bytes);
                self.metrics.spool_quota.set(usage.quota.unwrap_or(0));
                self.metrics.disk_free.set(usage.disk_free);
            }
            Err(fault) => tracing::warn!(%fault, "spool numbers are not to be had"),
        }
        self.metrics.broker_up.set(u64::from(self.ports.broker.ready().await.is_ok()));
    }
}
