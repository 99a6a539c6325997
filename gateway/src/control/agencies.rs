//! What operators see and decide of organisations that stand beside the directory file: lists of axes that wait, and what
//! systems ask for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use lienthong_pipeline::axis_lists::{AxisLists, NotStaged};
use lienthong_pipeline::directory::{Decided, Home, Undecided};
use lienthong_pipeline::operate::{REASON_CHARS_MAX, Reason};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::operators::Caller;
use super::routes::{Answer, Control, asked, stopping};
use super::{Trouble, TroubleCode};
use crate::rolls::view::RollView;
use crate::rolls::{self, RollTrouble, Rolls};

/// How long an axis has to give its lists when an operator asks.
const SYNC_WITHIN: Duration = Duration::from_secs(45);

/// What stands beside the directory file, and who asks axes about it.
pub struct Staged {
    /// The rolls.
    pub rolls: Arc<Rolls>,
    /// The lists of axes.
    pub lists: Arc<AxisLists>,
}

/// Which list, or which request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The axis or system.
    pub id: SystemId,
    /// Of a system: the code that it asks about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<OrganId>,
    /// Of a decision: only about what waits since then, as it was shown; nobody agrees to what was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why; 1 to 200 characters. Not needed to have a list asked for.
    #[serde(default)]
    pub reason: String,
}

fn staged(control: &Control) -> Result<&Staged, Trouble> {
    control.desk.staged.as_ref().ok_or_else(|| Trouble::not_found("danh sách", "list"))
}

async fn views(control: &Control) -> Result<Vec<RollView>, Trouble> {
    let rolls = staged(control)?.rolls.clone();
    tokio::task::spawn_blocking(move || rolls.views()).await.map_err(|_| stopping())
}

/// Every roll.
pub(super) async fn list(State(control): State<Arc<Control>>) -> Answer<Vec<RollView>> {
    views(&control).await.map(Json)
}

/// Has the lists of an axis asked for now, and answers when they are staged.
pub(super) async fn sync(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Vec<RollView>> {
    caller.may_act()?;
    let word: Word = asked(body).await?;
    let Staged { lists, .. } = staged(&control)?;
    let axes = control.desk.directory.as_ref().map(|directory| directory.load_full());
    if axes.is_none_or(|directory| !directory.lines().axes.contains_key(&word.id)) {
        return Err(Trouble::not_found("trục", "axis"));
    }
    let clock = &*control.desk.ports.clock;
    lists.staged_since(&word.id, clock.now(), SYNC_WITHIN, clock).await.map_err(not_staged)?;
    views(&control).await.map(Json)
}

fn not_staged(why: NotStaged) -> Trouble {
    match why {
        NotStaged::NotGiven(why) => Trouble::new(
            TroubleCode::Busy,
            format!("trục đó không cho danh sách: {why}"),
            format!("the axis gives no list: {why}"),
        ),
        NotStaged::Failed(why) => Trouble::new(
            TroubleCode::Fault,
            format!("không ghi lại được danh sách của trục: {why}"),
            format!("the list of the axis cannot be kept: {why}"),
        ),
        NotStaged::Elsewhere(Some(node)) => Trouble::new(
            TroubleCode::Busy,
            format!(
                "nút {node} đang hỏi trục đó; hãy chạy lệnh này ở nút ấy, danh sách dùng chung cho mọi nút"
            ),
            format!("node {node} asks that axis; run this there, the list is for all nodes"),
        ),
        NotStaged::Elsewhere(None) => Trouble::new(
            TroubleCode::Busy,
            "chưa rõ nút nào đang hỏi trục đó; hãy thử lại sau ít giây",
            "which node asks that axis is not known yet; try again in some seconds",
        ),
        NotStaged::Late => Trouble::new(
            TroubleCode::Busy,
            "trục đó chưa trả lời xong, xem nhật ký",
            "the axis has not answered in time; see the log",
        ),
    }
}

/// An operator agrees.
pub(super) async fn approve(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Vec<RollView>> {
    decide(control, caller, body, Decided::Approved).await
}

/// An operator does not.
pub(super) async fn reject(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer<Vec<RollView>> {
    decide(control, caller, body, Decided::Rejected).await
}

async fn decide(
    control: Arc<Control>,
    caller: Caller,
    body: Body,
    decided: Decided,
) -> Answer<Vec<RollView>> {
    caller.may_act().inspect_err(|_| {
        tracing::warn!(operator = caller.name, "a viewer may not decide about agencies");
    })?;
    let word: Word = asked(body).await?;
    let reason = Reason::parse(&word.reason)
        .ok_or_else(|| Trouble::invalid(format_args!("reason: 1..={REASON_CHARS_MAX} ký tự / characters")))?;
    if decided == Decided::Approved && word.since.is_none() {
        return Err(Trouble::invalid("since: lúc của việc đã xem / the time of what was looked at"));
    }
    let rolls = staged(&control)?.rolls.clone();
    let decision = tokio::task::spawn_blocking(move || {
        let by = rolls::Word { operator: &caller.name, reason: reason.as_str(), since: word.since };
        match &word.code {
            Some(code) => rolls.answer(&word.id, code, decided, by),
            None => rolls.decide_list(&word.id, decided, by).map(drop),
        }
    });
    decision.await.map_err(|_| stopping())?.map_err(|trouble| match trouble {
        RollTrouble::Undecided(Undecided::Nothing) => Trouble::not_found("việc chờ duyệt", "thing waiting"),
        RollTrouble::Undecided(Undecided::Taken(code)) => Trouble::new(
            TroubleCode::Busy,
            format!("mã {code} nay đã thuộc nơi khác hoặc tệp danh bạ; hãy từ chối yêu cầu này"),
            format!("{code} is at home elsewhere by now, or in the directory file; reject this request"),
        ),
        RollTrouble::Another(at) => Trouble::new(
            TroubleCode::Busy,
            format!("việc đang chờ là của {at}, không phải việc đã xem; hãy xem lại"),
            format!("what waits is of {at}, and not what was looked at; look again"),
        ),
        RollTrouble::Full(full) | RollTrouble::Undecided(Undecided::Full(full)) => {
            Trouble::invalid(format_args!("{full}"))
        }
        RollTrouble::Away(fault) => Trouble::new(
            TroubleCode::Fault,
            format!("chưa quyết định được, cụm không trả lời ({fault}); hãy xem lại và thử lại sau ít phút"),
            format!(
                "not decided, the cluster does not answer ({fault}); look, and try again in some minutes"
            ),
        ),
        RollTrouble::Io(cause) => Trouble::new(
            TroubleCode::Fault,
            format!("không ghi được xuống đĩa: {cause}"),
            format!("the disk does not take it: {cause}"),
        ),
    })?;
    views(&control).await.map(Json)
}

/// The home of a roll in words.
pub fn home_words(home: &Home) -> String {
    match home {
        Home::Axis(id) => format!("trục (axis) {id}"),
        Home::System(id) => format!("hệ thống (system) {id}"),
    }
}
