//! What may become of an operator's act, in words.

use serde::{Deserialize, Serialize};

/// What became of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be tried at once, and so may what goes before it.
    Hastened,
    /// On its way again in the next generation.
    Requeued,
    /// Given up and closed.
    GivenUp,
    /// It was over already; now it is closed.
    Closed,
    /// There is no such delivery.
    NotFound,
    /// It is queued: what helps is a retry.
    IsQueued,
    /// It is not queued any more: what helps is a requeue.
    IsDeadLetter,
    /// It is on its way through the broker, and goes by itself.
    NotTakenOver,
    /// Nothing is to be done for a delivery in this state.
    WrongState,
    /// It was closed before.
    ClosedBefore,
    /// The spool does not have its packet.
    BlobMissing,
    /// There is no way out for it: its receiver's code is closed, and nobody said who takes its place.
    NoWayOut,
    /// Something else happened to it at the same moment; look at it again.
    Changed,
    /// Our own trouble.
    Fault,
}

impl Verdict {
    /// Whether the operator got what was asked for.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Hastened | Self::Requeued | Self::GivenUp | Self::Closed)
    }

    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hastened => "hastened",
            Self::Requeued => "requeued",
            Self::GivenUp => "given_up",
            Self::Closed => "closed",
            Self::NotFound => "not_found",
            Self::IsQueued => "is_queued",
            Self::IsDeadLetter => "is_dead_letter",
            Self::NotTakenOver => "not_taken_over",
            Self::WrongState => "wrong_state",
            Self::ClosedBefore => "closed_before",
            Self::BlobMissing => "blob_missing",
            Self::NoWayOut => "no_way_out",
            Self::Changed => "changed",
            Self::Fault => "fault",
        }
    }

    /// What the operator reads, Vietnamese first.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Hastened => ("sẽ gửi ngay", "will be tried now"),
            Self::Requeued => ("đã đưa lại vào hàng gửi", "on its way again"),
            Self::GivenUp => (
                "đã thôi gửi; bên gửi được báo, trừ gói tin trạng thái",
                "given up; the sender is told unless it is a status packet",
            ),
            Self::Closed => ("đã đóng, không còn trong danh sách", "closed; it is listed no more"),
            Self::NotFound => ("không có bản chuyển này", "there is no such delivery"),
            Self::IsQueued => (
                "đang trong hàng gửi: dùng deliveries retry để gửi ngay",
                "it is queued: use deliveries retry to have it tried now",
            ),
            Self::IsDeadLetter => (
                "không còn trong hàng gửi: dùng dead-letters requeue để gửi lại",
                "it is not queued any more: use dead-letters requeue to send it again",
            ),
            Self::NotTakenOver => (
                "đang qua hàng đợi tin, trục sẽ tự gửi; xem lienthong status nếu lâu",
                "it is on its way through the broker and goes by itself; see lienthong status if that takes long",
            ),
            Self::WrongState => {
                ("không có việc gì để làm ở trạng thái này", "nothing is to be done in this state")
            }
            Self::ClosedBefore => ("đã đóng từ trước", "it was closed before"),
            Self::BlobMissing => (
                "tệp gói tin không còn trong kho: đề nghị bên gửi gửi lại, rồi dùng dead-letters give-up",
                "the spool does not have its packet: ask the sender to send it again, then use dead-letters give-up",
            ),
            Self::NoWayOut => (
                "không có đường gửi: mã bên nhận đã đóng và chưa rõ bên nào thay; dùng dead-letters give-up, sửa danh bạ \
                 nếu cần, rồi đề nghị bên gửi gửi văn bản khác cho đúng bên nhận",
                "no way out: the receiver's code is closed and who takes its place is not decided; use dead-letters \
                 give-up, correct the directory if need be, and ask the sender for a new packet to the right receiver",
            ),
            Self::Changed => {
                ("vừa đổi trạng thái, hãy xem lại", "its state has just changed; look at it again")
            }
            Self::Fault => ("trục có lỗi, xem nhật ký", "the gateway has a fault; see the log"),
        }
    }
}
