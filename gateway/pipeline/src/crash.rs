//! Named points at which a test makes the process die, to show that nothing is lost there.
//! Without the feature `crash-points` nothing of this is compiled in.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("crash-points must not be in a release build");

/// Dies by SIGKILL-like abort when the environment's `LIENTHONG_CRASH_AT` names this point.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &str) {
    static WANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test's switch, not a setting")]
    let wanted = WANTED.get_or_init(|| std::env::var("LIENTHONG_CRASH_AT").ok());
    if wanted.as_deref() == Some(name) {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &str) {}
