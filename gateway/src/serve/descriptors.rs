//! File descriptors: as many as the system gives, and a part of them that connections can never take, so that the
//! outbox, the blobs and the broker always have theirs (getrlimit(2), RLIMIT_NOFILE).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::CommandFault;

/// Uploads of all systems at once, received or being taken in.
const UPLOADS_MAX: usize = 128;
/// A gateway with fewer descriptors than this for its connections is not worth starting.
const LEAST: usize = 16;

/// What the descriptors suffice for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Connections of the public listener.
    pub(super) public: usize,
    /// Connections of the operator's listener.
    pub(super) admin: usize,
    /// Files of uploads; these go on when their connection is gone.
    pub(super) uploads: usize,
}

/// Raises the soft limit to the hard one.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(cause) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%cause, soft = limit.current, hard = limit.maximum, "the limit of open files stays");
    }
}

/// How many descriptors may still be opened.
pub(super) fn left() -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    limit.unwrap_or(usize::MAX).saturating_sub(open)
}

/// Connections take at most half of what is left, files of uploads half of the rest.
///
/// # Errors
/// When that is less than a gateway can work with.
pub(super) fn share(left: usize, public: usize, admin: usize) -> Result<Share, CommandFault> {
    let half = left / 2;
    if half < LEAST {
        return Err(CommandFault(format!(
            "giới hạn tệp mở quá thấp, còn {left}; hãy tăng LimitNOFILE (too few open files allowed, {left} left; raise \
             LimitNOFILE)"
        )));
    }
    let admin = admin.min(half / 4);
    let share = Share { public: public.min(half - admin), admin, uploads: UPLOADS_MAX.min(half / 2) };
    if share.public < public {
        tracing::warn!(
            asked = public,
            granted = share.public,
            descriptors_left = left,
            "listen.connections_max is more than the limit of open files allows",
        );
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_at_most_half_of_the_descriptors() {
        let of = |left| share(left, 1024, 32).ok().map(|s| (s.public, s.admin, s.uploads));
        assert_eq!(of(usize::MAX), Some((1024, 32, 128)));
        assert_eq!(of(2 * 1056), Some((1024, 32, 128)));
        assert_eq!(of(2 * 1055), Some((1023, 32, 128)));
        assert_eq!(of(100), Some((38, 12, 25)));
        assert_eq!((of(32), of(31)), (Some((12, 4, 8)), None));
    }
}
