//! What `[delivery]` and the lines to other systems say together of attempts.

use std::time::Duration;

use crate::Settings;
use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::sections::retry::{LineRetrySettings, RetrySettings};
use crate::values::span::Span;

/// Notes lines that may wait longer than an attempt lasts, and those whose first pause is longer than the longest.
pub(crate) fn between(settings: &Settings, root: &mut Section<'_, '_>) {
    let most = settings.delivery.attempt_timeout;
    let limit = Span::new(most);
    for LineOfAttempts { section, name, timeout, retry, adapter } in settings.lines() {
        if timeout > most {
            let rule = Rule::new(
                format!("{name}.timeout dài hơn delivery.attempt_timeout ({limit})"),
                format!("{name}.timeout is longer than delivery.attempt_timeout ({limit})"),
            );
            root.fault(section, FaultCode::Contradiction, rule);
        }
        if retry.is_crossed(adapter) {
            let rule = Rule::new(
                format!("{name}.retry_first dài hơn retry_max"),
                format!("{name}.retry_first is longer than retry_max"),
            );
            root.fault(section, FaultCode::Contradiction, rule);
        }
    }
}

/// What one line to another system says of attempts.
struct LineOfAttempts {
    /// `systems` or `axes`.
    section: &'static str,
    /// Its name in there.
    name: String,
    timeout: Duration,
    retry: LineRetrySettings,
    /// What it has where it says nothing.
    adapter: RetrySettings,
}

impl Settings {
    /// The longest time after which something is given up, over all adapters and lines.
    pub fn give_up_after_longest(&self) -> Duration {
        let Self { delivery, .. } = self;
        let adapters = [delivery.vendor_http, delivery.email, delivery.national_axis];
        let lines = self.lines().map(|line| line.retry.over(line.adapter).give_up_after);
        let adapters = adapters.into_iter().map(|adapter| adapter.retry.give_up_after);
        lines.chain(adapters).fold(delivery.give_up_after, Duration::max)
    }

    fn lines(&self) -> impl Iterator<Item = LineOfAttempts> {
        let Self { delivery, systems, axes, .. } = self;
        let systems = systems.iter().flat_map(|(id, system)| {
            let vendor = system.vendor_http.as_ref().map(|line| LineOfAttempts {
                section: "systems",
                name: format!("{id}.vendor_http"),
                timeout: line.timeout,
                retry: line.retry,
                adapter: delivery.vendor_http.retry,
            });
            let email = system.email.as_ref().map(|line| LineOfAttempts {
                section: "systems",
                name: format!("{id}.email"),
                timeout: line.timeout,
                retry: line.retry,
                adapter: delivery.email.retry,
            });
            vendor.into_iter().chain(email)
        });
        let axes = axes.iter().map(|(id, line)| LineOfAttempts {
            section: "axes",
            name: id.clone(),
            timeout: line.timeout,
            retry: line.retry,
            adapter: delivery.national_axis.retry,
        });
        systems.chain(axes)
    }
}
