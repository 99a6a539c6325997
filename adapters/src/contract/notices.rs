//! What everybody keeps to who writes to senders, as a suite; and [`MemoryNotifier`], the one without a network.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass, Notice, Notifier};
use lienthong_pipeline::record::{MailAddress, SystemId};

use super::assert_note;
use crate::failure::failed;

/// What a sender's mailbox got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNotice {
    /// The letter's own id.
    pub id: String,
    /// Whose mailbox.
    pub to: MailAddress,
    /// All that is to be read.
    pub text: String,
}

/// The contract of [`Notifier`]. `good` goes out by a system that is there and takes everything; `seen` returns what came,
/// oldest first.
///
/// # Panics
/// When the notifier breaks the contract.
pub async fn tells(notifier: &dyn Notifier, good: &Notice, seen: impl Fn() -> Vec<SeenNotice>) {
    for attempt in 1..=2 {
        let said = notifier.notify(good).await.expect("a mail system that takes everything");
        assert_note(&said);
        assert_eq!(seen().len(), attempt, "one letter an attempt");
    }
    let letters = seen();
    assert_eq!(letters[0], letters[1], "every attempt sends the same letter under the same id");
    assert_eq!(letters[0].to, good.mailbox);
    let (why_vi, why_en, _) = good.why;
    let (document, delivery) = (good.document.to_string(), good.delivery.to_string());
    let names = [good.receiver.0.as_str(), &good.receiver.1, &good.cover.code, &good.cover.subject];
    for said in names.into_iter().chain([&*document, &*delivery, why_vi, why_en]) {
        assert!(letters[0].text.contains(said), "{said} in {}", letters[0].text);
    }
    let vietnamese = letters[0].text.find(why_vi).expect("found before");
    assert!(vietnamese < letters[0].text.find(why_en).expect("found before"), "Vietnamese first");

    let mut other = good.clone();
    other.document = lienthong_schemas::ids::DocumentId::derive(&good.sender.0, "another", "0", &digest());
    let receiver = &good.receiver.0;
    let operation = lienthong_schemas::ids::Operation::Deliver;
    other.delivery = lienthong_schemas::ids::DeliveryId::derive(&other.document, receiver, operation);
    notifier.notify(&other).await.expect("taken");
    assert_ne!(seen()[2].id, letters[0].id, "another delivery is another letter");

    let mut nowhere = good.clone();
    nowhere.system = SystemId::parse("nobody-has-this").expect("an id");
    let failure = notifier.notify(&nowhere).await.expect_err("there is no such system");
    assert_eq!(failure.class, FailureClass::OursToFix);
    assert_note(&failure.note);
    assert_eq!(seen().len(), 3, "and nobody got anything");
}

fn digest() -> lienthong_schemas::ids::PacketDigest {
    lienthong_schemas::ids::PacketDigest::of(b"another packet")
}

type Answer = dyn Fn(&Notice, usize) -> Result<String, DeliveryFailure> + Send + Sync;

/// Writes to mailboxes in memory, by one mail system, and answers by a script.
pub struct MemoryNotifier {
    system: SystemId,
    answer: Arc<Answer>,
    attempts: Mutex<Vec<Notice>>,
}

impl MemoryNotifier {
    /// By this system. Each attempt is answered by this script; the number counts those about one delivery, from 1.
    pub fn answering(
        system: SystemId,
        script: impl Fn(&Notice, usize) -> Result<String, DeliveryFailure> + Send + Sync + 'static,
    ) -> Self {
        Self { system, answer: Arc::new(script), attempts: Mutex::default() }
    }

    /// Every attempt by its system, whatever the script answered, oldest first.
    pub fn attempts(&self) -> Vec<Notice> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as letters.
    pub fn seen(&self) -> Vec<SeenNotice> {
        let seen = |notice: Notice| {
            let (vi, en, failure) = &notice.why;
            let (code, name) = &notice.receiver;
            let cover = &notice.cover;
            SeenNotice {
                id: format!("given-up.{}", notice.delivery),
                to: notice.mailbox.clone(),
                text: format!(
                    "{} {} {} {name} {code} {vi} {en} {failure} {} {}",
                    cover.code, cover.date, cover.subject, notice.document, notice.delivery
                ),
            }
        };
        self.attempts().into_iter().map(seen).collect()
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn notify(&self, notice: &Notice) -> Result<String, DeliveryFailure> {
        if notice.system != self.system {
            let cause = format!("no mail system {} in memory", notice.system);
            return Err(failed(FailureClass::OursToFix, "no_endpoint", &cause));
        }
        let nth = {
            let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            attempts.push(notice.clone());
            attempts.iter().filter(|past| past.delivery == notice.delivery).count()
        };
        (self.answer)(notice, nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parcel::{notice, system};

    #[tokio::test]
    async fn the_notifier_in_memory_holds_the_contract() {
        let notifier = MemoryNotifier::answering(system("thu-mot"), |_, _| Ok("taken in memory".to_owned()));
        tells(&notifier, &notice("thu-mot"), || notifier.seen()).await;
    }
}
