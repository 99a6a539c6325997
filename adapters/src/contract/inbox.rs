//! What every inbox at an axis keeps to, as a suite; and [`MemoryInbox`], the one without a network, for tests of the
//! pipeline.

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lienthong_pipeline::ports::{
    AxisDocId, AxisEntry, AxisInbox, AxisList, Confirmation, DeliveryFailure, FailureClass, Fault,
    FetchFailure, Incoming, IncomingWriter, SentEntry, Traffic,
};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::ids::PacketDigest;

use crate::failure::failed;

/// The contract of [`AxisInbox`]. Nothing waits at `axis`, which takes a packet in by `put` and gives its id.
///
/// # Panics
/// When the inbox breaks the contract.
pub async fn inbox_holds(
    inbox: &dyn AxisInbox,
    axis: &SystemId,
    at: Timestamp,
    put: impl Fn(Traffic, &str, &str, &[u8]) -> String,
) {
    for traffic in Traffic::ALL {
        assert_eq!(inbox.waiting(axis, traffic, at).await.expect("a list"), AxisList::default());
    }
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let packets: [(Traffic, &[u8]); 4] = [
        (Traffic::Documents, b"<edXML/>"),
        (Traffic::Statuses, b"<edXML>s</edXML>"),
        (Traffic::Documents, b"<edXML/>"),
        (Traffic::Documents, &large),
    ];
    let ids = packets.map(|(traffic, packet)| put(traffic, "G22", "H55.15", packet));
    let entry = |n: usize| AxisEntry {
        id: AxisDocId::parse(&ids[n]).expect("an id"),
        from: "G22".to_owned(),
        to: "H55.15".to_owned(),
    };
    // What is fetched goes on waiting, and comes out equal each time.
    for _ in 0..2 {
        let list = inbox.waiting(axis, Traffic::Documents, at).await.expect("a list");
        assert_eq!((list.entries, list.broken), (vec![entry(0), entry(2), entry(3)], 0));
        let list = inbox.waiting(axis, Traffic::Statuses, at).await.expect("a list");
        assert_eq!(list.entries, [entry(1)]);
        for (n, (_, packet)) in packets.iter().enumerate() {
            let most = packet.len() as u64;
            let fetched =
                inbox.fetch(axis, &entry(n).id, MemorySink::open(), most, at).await.expect("a packet");
            let mut bytes = Vec::new();
            fetched.open().expect("readable").read_to_end(&mut bytes).expect("read");
            assert!(bytes == *packet && fetched.digest() == PacketDigest::of(packet));
            assert_eq!(fetched.bytes(), most);
            let more = inbox.fetch(axis, &entry(n).id, MemorySink::open(), most - 1, at).await;
            assert!(matches!(more, Err(FetchFailure::TooLarge { bytes_max }) if bytes_max == most - 1));
        }
    }
    let stranger = AxisDocId::parse("khong-co").expect("an id");
    let nothing = inbox.fetch(axis, &stranger, MemorySink::open(), 1_000, at).await;
    assert!(matches!(nothing, Err(FetchFailure::Axis(_))), "an id that nobody gave");
    let nothing = inbox.sent(axis, &stranger, Traffic::Documents, at).await;
    assert_eq!(nothing.expect_err("the same").class, FailureClass::Permanent);
    let nowhere = SystemId::parse("khong-co-truc").expect("an id");
    let failure = inbox.waiting(&nowhere, Traffic::Documents, at).await.expect_err("no such axis");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::OursToFix, "no_endpoint"));
    // What is confirmed waits no more, and may be confirmed again at any time.
    let later = at + SignedDuration::from_secs(60);
    for at in [at, later] {
        inbox.confirm(axis, &entry(0).id, Confirmation::Done, at).await.expect("told");
        inbox.confirm(axis, &entry(2).id, Confirmation::Fail, at).await.expect("told");
        let list = inbox.waiting(axis, Traffic::Documents, at).await.expect("a list");
        assert_eq!(list.entries, [entry(3)]);
    }
    assert_eq!(inbox.waiting(axis, Traffic::Statuses, at).await.expect("a list").entries, [entry(1)]);
}

/// A packet written into memory.
#[derive(Default)]
pub struct MemorySink(Vec<u8>);

struct MemoryPacket(Bytes);

impl MemorySink {
    /// An empty one.
    pub fn open() -> Box<dyn IncomingWriter> {
        Box::new(Self::default())
    }
}

#[async_trait]
impl IncomingWriter for MemorySink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        self.0.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Incoming>, Fault> {
        Ok(Box::new(MemoryPacket(self.0.into())))
    }
}

impl Incoming for MemoryPacket {
    fn digest(&self) -> PacketDigest {
        PacketDigest::of(&self.0)
    }

    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

/// What a test may let fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// The list of one kind.
    Waiting(Traffic),
    /// The packet of one entry.
    Fetch(AxisDocId),
    /// The word about one entry.
    Confirm(AxisDocId),
    /// What became of a submission of ours.
    Sent(AxisDocId),
}

/// A packet that was put in, and what was done with it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its line.
    pub entry: AxisEntry,
    /// Its kind.
    pub traffic: Traffic,
    /// Its bytes.
    pub packet: Bytes,
    /// How often they were asked for.
    pub fetched: u32,
    /// What was said of it, in order.
    pub said: Vec<Confirmation>,
}

/// One axis's mailbox in memory.
#[derive(Debug)]
pub struct MemoryInbox {
    axis: SystemId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Vec<Kept>,
    fails: HashMap<Call, DeliveryFailure>,
    calls: Vec<Call>,
    /// Lines that are none.
    broken: usize,
    sent: HashMap<AxisDocId, Vec<SentEntry>>,
}

impl MemoryInbox {
    /// The empty mailbox at this axis.
    pub fn new(axis: SystemId) -> Self {
        Self { axis, state: Mutex::default() }
    }

    /// Puts a packet in; its id.
    pub fn put(&self, traffic: Traffic, from: &str, to: &str, packet: &[u8]) -> AxisDocId {
        let mut state = self.state();
        let id = AxisDocId::parse(&format!("goi-{}", state.kept.len() + 1)).expect("an id");
        let entry = AxisEntry { id: id.clone(), from: from.to_owned(), to: to.to_owned() };
        let packet = Bytes::copy_from_slice(packet);
        state.kept.push(Kept { entry, traffic, packet, fetched: 0, said: Vec::new() });
        id
    }

    /// All that was ever put in.
    pub fn kept(&self) -> Vec<Kept> {
        self.state().kept.clone()
    }

    /// Every call, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// This call fails so from now on, or does no more.
    pub fn fails(&self, call: Call, failure: Option<(FailureClass, &str)>) {
        let fails = &mut self.state().fails;
        match failure {
            Some((class, code)) => drop(fails.insert(call, failed(class, code, "as the test wants it"))),
            None => drop(fails.remove(&call)),
        }
    }

    /// This became of a submission.
    pub fn became(&self, id: &AxisDocId, entries: Vec<SentEntry>) {
        self.state().sent.insert(id.clone(), entries);
    }

    /// Every list has so many lines that are none.
    pub fn has_broken_lines(&self, broken: usize) {
        self.state().broken = broken;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, axis: &SystemId, call: Call) -> Result<MutexGuard<'_, State>, DeliveryFailure> {
        if *axis != self.axis {
            return Err(failed(FailureClass::OursToFix, "no_endpoint", "another axis"));
        }
        let mut state = self.state();
        let failure = state.fails.get(&call).cloned();
        state.calls.push(call);
        failure.map_or(Ok(state), Err)
    }
}

fn find<'s>(state: &'s mut State, id: &AxisDocId) -> Result<&'s mut Kept, DeliveryFailure> {
    let found = state.kept.iter_mut().find(|kept| kept.entry.id == *id);
    found.ok_or_else(|| failed(FailureClass::Permanent, "axis_10", "no such id"))
}

#[async_trait]
impl AxisInbox for MemoryInbox {
    async fn waiting(
        &self,
        axis: &SystemId,
        traffic: Traffic,
        _: Timestamp,
    ) -> Result<AxisList, DeliveryFailure> {
        let state = self.called(axis, Call::Waiting(traffic))?;
        let waits = |kept: &&Kept| kept.traffic == traffic && kept.said.is_empty();
        let entries = state.kept.iter().filter(waits).map(|kept| kept.entry.clone()).collect();
        Ok(AxisList { entries, broken: state.broken })
    }

    async fn fetch(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        mut sink: Box<dyn IncomingWriter>,
        bytes_max: u64,
        _: Timestamp,
    ) -> Result<Box<dyn Incoming>, FetchFailure> {
        let packet = {
            let mut state = self.called(axis, Call::Fetch(id.clone()))?;
            let kept = find(&mut state, id)?;
            kept.fetched += 1;
            kept.packet.clone()
        };
        if packet.len() as u64 > bytes_max {
            return Err(FetchFailure::TooLarge { bytes_max });
        }
        sink.write(packet).await?;
        Ok(sink.finish().await?)
    }

    async fn sent(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        _: Traffic,
        _: Timestamp,
    ) -> Result<Vec<SentEntry>, DeliveryFailure> {
        let state = self.called(axis, Call::Sent(id.clone()))?;
        let found = state.sent.get(id).cloned();
        found.ok_or_else(|| failed(FailureClass::Permanent, "axis_10", "no such id"))
    }

    async fn confirm(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        word: Confirmation,
        _: Timestamp,
    ) -> Result<(), DeliveryFailure> {
        let mut state = self.called(axis, Call::Confirm(id.clone()))?;
        find(&mut state, id)?.said.push(word);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_mailbox_in_memory_holds_the_contract() {
        let axis = SystemId::parse("truc-vpcp").expect("an id");
        let inbox = MemoryInbox::new(axis.clone());
        let put =
            |traffic, from: &str, to: &str, packet: &[u8]| inbox.put(traffic, from, to, packet).to_string();
        inbox_holds(&inbox, &axis, Timestamp::UNIX_EPOCH, put).await;
    }
}
