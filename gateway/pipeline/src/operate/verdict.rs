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
    /// On its way again by another way, in the next generation.
    Rerouted,
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
    /// An attempt is under way: until it ends nobody knows whether the receiver has the packet.
    UnderWay,
    /// It goes that way already.
    SameRoute,
    /// The directory does not have this organisation.
    ReceiverUnknown,
    /// Its code is closed.
    ReceiverClosed,
    /// It gets paper only.
    PaperOnly,
    /// The settings have no such system or axis, or it takes no packets.
    SystemUnknown,
    /// A mail system needs a mailbox, and the directory has none for the receiver.
    NoMailbox,
    /// The packet is larger than is taken there.
    TooLarge,
    /// The receiver has a delivery of this document of its own.
    HasItsOwn,
    /// The document came from this axis.
    BackToItsAxis,
    /// An axis serves only whom the packet names.
    NotNamed,
    /// An earlier related one would be overtaken.
    RelatedFirst,
    /// More related ones than can be looked at.
    TooManyRelated,
    /// No directory is at hand.
    NoDirectory,
    /// Something else happened to it at the same moment; look at it again.
    Changed,
    /// Our own trouble.
    Fault,
}

impl Verdict {
    /// Whether the operator got what was asked for.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Hastened | Self::Requeued | Self::GivenUp | Self::Closed | Self::Rerouted)
    }

    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hastened => "hastened",
            Self::Requeued => "requeued",
            Self::GivenUp => "given_up",
            Self::Closed => "closed",
            Self::Rerouted => "rerouted",
            Self::NotFound => "not_found",
            Self::IsQueued => "is_queued",
            Self::IsDeadLetter => "is_dead_letter",
            Self::NotTakenOver => "not_taken_over",
            Self::WrongState => "wrong_state",
            Self::ClosedBefore => "closed_before",
            Self::BlobMissing => "blob_missing",
            Self::NoWayOut => "no_way_out",
            Self::UnderWay => "under_way",
            Self::SameRoute => "same_route",
            Self::ReceiverUnknown => "receiver_unknown",
            Self::ReceiverClosed => "receiver_closed",
            Self::PaperOnly => "paper_only",
            Self::SystemUnknown => "system_unknown",
            Self::NoMailbox => "no_mailbox",
            Self::TooLarge => "too_large",
            Self::HasItsOwn => "has_its_own",
            Self::BackToItsAxis => "back_to_its_axis",
            Self::NotNamed => "not_named",
            Self::RelatedFirst => "related_first",
            Self::TooManyRelated => "too_many_related",
            Self::NoDirectory => "no_directory",
            Self::Changed => "changed",
            Self::Fault => "fault",
        }
    }

    /// What the operator reads of a dry run: what would be done, or why it would not.
    pub const fn foresight(self) -> (&'static str, &'static str) {
        match self {
            Self::Requeued => ("sẽ đưa lại vào hàng gửi", "would be on its way again"),
            Self::GivenUp => (
                "sẽ thôi gửi; bên gửi sẽ được báo, trừ gói tin trạng thái",
                "would be given up; the sender would be told unless it is a status packet",
            ),
            Self::Closed => ("sẽ đóng, không còn trong danh sách", "would be closed and listed no more"),
            Self::Rerouted => ("sẽ chuyển sang đường gửi khác", "would be on its way again by another way"),
            Self::Hastened => ("sẽ gửi ngay", "would be tried now"),
            _ => self.wording(),
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
            Self::Rerouted => ("đã chuyển sang đường gửi khác", "on its way again by another way"),
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
                "không có đường gửi: mã bên nhận đã đóng và chưa rõ bên nào thay; sửa danh bạ rồi dùng reroute, hoặc \
                 reroute --to-receiver, hoặc give-up rồi đề nghị bên gửi gửi văn bản khác cho đúng bên nhận",
                "no way out: the receiver's code is closed and who takes its place is not decided; correct the directory \
                 and use reroute, or reroute --to-receiver, or give-up and ask the sender for a new packet to the right \
                 receiver",
            ),
            Self::UnderWay => (
                "đang có một lần gửi dở: chờ lần gửi này kết thúc rồi làm lại",
                "an attempt is under way: wait for its end and try again",
            ),
            Self::SameRoute => ("đường gửi vẫn như cũ", "it goes that way already"),
            Self::ReceiverUnknown => {
                ("danh bạ không có đơn vị này", "the directory does not have this organisation")
            }
            Self::ReceiverClosed => ("mã đơn vị này đã đóng", "this organisation's code is closed"),
            Self::PaperOnly => ("đơn vị này chỉ nhận bản giấy", "this organisation gets paper only"),
            Self::SystemUnknown => (
                "cấu hình không có hệ thống hoặc trục này, hoặc nơi đó không nhận gói tin",
                "the settings have no such system or axis, or it takes no packets",
            ),
            Self::NoMailbox => {
                ("danh bạ không có hộp thư của bên nhận", "the directory has no mailbox for the receiver")
            }
            Self::TooLarge => ("gói tin lớn hơn mức nơi đó nhận", "the packet is larger than is taken there"),
            Self::HasItsOwn => (
                "đơn vị này đã có bản chuyển riêng của văn bản này",
                "this organisation has a delivery of this document of its own",
            ),
            Self::BackToItsAxis => (
                "văn bản đến từ trục này, không gửi ngược lại",
                "the document came from this axis, and nothing goes back there",
            ),
            Self::NotNamed => (
                "trục khác chỉ giao cho nơi nhận có tên trong gói tin",
                "an axis serves only receivers that the packet names",
            ),
            Self::RelatedFirst => (
                "văn bản liên quan đến trước còn ở hàng gửi cũ: chuyển nó trước",
                "an earlier related one is still in the old queue: reroute that one first",
            ),
            Self::TooManyRelated => (
                "quá nhiều văn bản liên quan đang chờ cùng chỗ",
                "too many related ones wait in the same queue",
            ),
            Self::NoDirectory => ("không đọc được danh bạ đơn vị", "no directory is at hand"),
            Self::Changed => {
                ("vừa đổi trạng thái, hãy xem lại", "its state has just changed; look at it again")
            }
            Self::Fault => ("trục có lỗi, xem nhật ký", "the gateway has a fault; see the log"),
        }
    }
}
