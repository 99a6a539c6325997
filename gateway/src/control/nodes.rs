//! What operators see of the other gateways, and the adoption of one that is lost.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use lienthong_pipeline::adopt::{Adopt, AdoptRefused, Adopted, NodeView};
use lienthong_pipeline::operate::{REASON_CHARS_MAX, Reason};
use serde::{Deserialize, Serialize};

use super::operators::Caller;
use super::routes::{Answer, Control, asked, stopping};
use super::{Trouble, TroubleCode};

/// Which gateway is to be adopted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// The lost node.
    pub node: String,
    /// Why; 1 to 200 characters.
    pub reason: String,
}

fn several(control: &Control) -> Result<&Adopt, Trouble> {
    let alone = || {
        let (vi, en) =
            ("trục này chạy một mình, không khai [cluster] node", "this gateway is alone: no [cluster] node");
        Trouble::new(TroubleCode::NotFound, vi, en)
    };
    control.desk.adopt.as_ref().ok_or_else(alone)
}

/// Every node that ever said a word.
pub(super) async fn list(State(control): State<Arc<Control>>) -> Answer<Vec<NodeView>> {
    Ok(Json(several(&control)?.nodes().await?))
}

/// Takes on what a lost node had accepted.
pub(super) async fn adopt(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Adopted> {
    caller.may_act().inspect_err(|_| {
        tracing::warn!(operator = caller.name, "a viewer may not adopt a node");
    })?;
    let AdoptRequest { node, reason } = asked(body).await?;
    let reason = Reason::parse(&reason)
        .ok_or_else(|| Trouble::invalid(format_args!("reason: 1..={REASON_CHARS_MAX} ký tự / characters")))?;
    let adopt = several(&control)?.clone();
    // An operator who goes away in the middle leaves nothing half done.
    let work = control.tasks.complete(async move {
        tracing::warn!(
            node,
            operator = caller.name,
            reason = reason.as_str(),
            "an operator has a node adopted"
        );
        adopt.adopt(&node).await
    });
    let adopted = work.await.map_err(|_| stopping())?;
    adopted.map(Json).map_err(|refused| match refused {
        AdoptRefused::Fault(fault) => fault.into(),
        AdoptRefused::Alone | AdoptRefused::Unknown(_) => Trouble::not_found("nút", "node"),
        AdoptRefused::Alive { age_seconds, .. } => Trouble::new(
            TroubleCode::Busy,
            format!("nút đó mới báo sống {age_seconds} giây trước; phải im ít nhất 60 giây"),
            format!("that node was alive {age_seconds} s ago; it must be silent for 60 s"),
        ),
        AdoptRefused::Taken(_) => Trouble::new(
            TroubleCode::Busy,
            "một trục khác đang tiếp quản nút đó",
            "another gateway adopts that node just now",
        ),
    })
}
