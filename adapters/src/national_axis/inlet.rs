//! What waits for us at an axis: lists, packets, and the word that takes them out. One request, one answer.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::{
    AxisDocId, AxisInbox, AxisList, Confirmation, DeliveryFailure, FailureClass, FetchFailure, Incoming,
    IncomingWriter, SentEntry, Traffic,
};
use lienthong_pipeline::record::SystemId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::list::Lines;
use super::outlet::{ANSWER_BYTES_MAX, Axis, NationalAxis};
use super::reply::{self, Answered, Said};
use super::sent;
use super::unwrap::{Odd, REST_BYTES_MAX, Unwrap};
use super::wire;
use crate::failure::failed;
use crate::http::{Answer, Paced};

/// Longest list, in bytes: some hundred thousand lines.
const LIST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Decoded bytes that are gathered before they are written on.
const PIECE_BYTES: usize = 64 * 1024;

/// As much of an answer as may be said of it.
const NOTED_BYTES: usize = 1024;
/// The body of operations on one packet.
const NOTHING: &str = "{}";

#[async_trait]
impl AxisInbox for NationalAxis {
    async fn waiting(
        &self,
        axis: &SystemId,
        traffic: Traffic,
        at: Timestamp,
    ) -> Result<AxisList, DeliveryFailure> {
        let axis = self.lines.of(axis)?;
        let parameters = [("servicetype", "eDoc"), ("messagetype", traffic.as_str())];
        let mut answer = axis.ask("getReceivedEdocList", &parameters, "", LIST_BYTES_MAX as u64, at).await?;
        let (lines, said) = spoken::<Lines>(&mut answer, LIST_BYTES_MAX, at).await?;
        let list = lines.data.and_then(Lines::list);
        list.ok_or_else(|| failed(FailureClass::Receiver, "bad_answer", &format!("no list: {said}")))
    }

    async fn fetch(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        sink: Box<dyn IncomingWriter>,
        bytes_max: u64,
        at: Timestamp,
    ) -> Result<Box<dyn Incoming>, FetchFailure> {
        let axis = self.lines.of(axis)?;
        // The SDK says into which of its folders the packet goes. That is nobody's business but ours.
        let parameters = [("docId", id.as_str()), ("filePath", ".")];
        let answer_bytes = bytes_max / 3 * 4 + REST_BYTES_MAX as u64;
        let mut paced = axis.ask("getEdoc", &parameters, NOTHING, answer_bytes, at).await?;
        if !paced.answer.status().is_success() {
            spoken::<Value>(&mut paced, ANSWER_BYTES_MAX, at).await?;
        }
        let mut packet = Packet { sink, held: Vec::new(), bytes: 0, bytes_max };
        let mut unwrap = Unwrap::default();
        while let Some(chunk) = paced.chunk().await? {
            let pushed = unwrap.push(&chunk, &mut packet.held);
            pushed.map_err(|odd| no_packet(&paced.answer, odd, unwrap.so_far()))?;
            packet.write(PIECE_BYTES).await?;
        }
        let answer = &paced.answer;
        let words = String::from_utf8_lossy(unwrap.so_far()).into_owned();
        let said = answer.said(&words);
        let rest = unwrap.rest().map_err(|odd| no_packet(answer, odd, words.as_bytes()))?;
        judged::<Value>(answer, &rest, &said, at)?;
        packet.write(0).await?;
        if packet.bytes == 0 {
            return Err(no_packet(answer, Odd("no packet in it"), &rest).into());
        }
        Ok(packet.sink.finish().await?)
    }

    async fn sent(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        traffic: Traffic,
        at: Timestamp,
    ) -> Result<Vec<SentEntry>, DeliveryFailure> {
        let axis = self.lines.of(axis)?;
        let parameters = [("servicetype", "eDoc"), ("messagetype", traffic.as_str()), ("docId", id.as_str())];
        let mut answer =
            axis.ask("getSentEdocList", &parameters, "", sent::SENT_BYTES_MAX as u64, at).await?;
        let (answered, said) = spoken::<Value>(&mut answer, sent::SENT_BYTES_MAX, at).await?;
        let entries = answered.data.as_ref().and_then(sent::entries);
        entries.ok_or_else(|| failed(FailureClass::Receiver, "bad_answer", &format!("no list: {said}")))
    }

    async fn confirm(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        word: Confirmation,
        at: Timestamp,
    ) -> Result<(), DeliveryFailure> {
        let axis = self.lines.of(axis)?;
        let parameters = [("docId", id.as_str()), ("status", word.as_str())];
        let mut answer = axis.ask("updateStatus", &parameters, NOTHING, ANSWER_BYTES_MAX as u64, at).await?;
        spoken::<Value>(&mut answer, ANSWER_BYTES_MAX, at).await.map(drop)
    }
}

impl Axis {
    /// Asks for an operation with these parameters beside those of every one.
    pub(super) async fn ask(
        &self,
        operation: &str,
        parameters: &[(&str, &str)],
        body: &'static str,
        answer_bytes: u64,
        at: Timestamp,
    ) -> Result<Paced, DeliveryFailure> {
        let headers = wire::request(&self.account, parameters, at)?;
        self.line.ask(self.operation(operation), headers, body, answer_bytes).await
    }
}

/// An answer that says OK, and its words.
pub(super) async fn spoken<D: DeserializeOwned>(
    paced: &mut Paced,
    bytes_max: usize,
    now: Timestamp,
) -> Result<(Answered<D>, String), DeliveryFailure> {
    let mut bytes = Vec::new();
    let end = loop {
        match paced.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > bytes_max => {
                let more = format!("more than {bytes_max} bytes");
                break Some(failed(FailureClass::Receiver, "bad_answer", &more));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(cause) => break Some(cause),
        }
    };
    let answer = &paced.answer;
    let said = answer.said(&String::from_utf8_lossy(&bytes[..bytes.len().min(NOTED_BYTES)]));
    match end {
        None => judged(answer, &bytes, &said, now).map(|answered| (answered, said)),
        Some(_) if !answer.status().is_success() => Err(answer.refusal(&said, now)),
        Some(cause) => Err(cause),
    }
}

/// What a whole answer says: only OK is none of the failures that it can be.
fn judged<D: DeserializeOwned>(
    answer: &Answer,
    body: &[u8],
    said: &str,
    now: Timestamp,
) -> Result<Answered<D>, DeliveryFailure> {
    let status = answer.status();
    let answered = Answered::read(body);
    match answered.as_ref().and_then(Answered::said) {
        Some(Said::Fail { code, description }) if !status.is_redirection() => {
            let cause = if description.trim().is_empty() {
                said.to_owned()
            } else {
                format!("{description}; {said}")
            };
            Err(answer.put_off(reply::failure(&code, false, &cause), now))
        }
        Some(Said::Ok) if status.is_success() => {
            answered.ok_or_else(|| failed(FailureClass::Receiver, "bad_answer", said))
        }
        _ if !status.is_success() => Err(answer.refusal(said, now)),
        _ => Err(failed(FailureClass::Receiver, "bad_answer", said)),
    }
}

/// An answer that comes whole and holds no packet: others may all the same.
fn no_packet(answer: &Answer, Odd(why): Odd, rest: &[u8]) -> DeliveryFailure {
    let words = String::from_utf8_lossy(&rest[..rest.len().min(NOTED_BYTES)]);
    failed(FailureClass::Document, "bad_answer", &format!("{why}: {}", answer.said(&words)))
}

/// A packet that is being written down.
struct Packet {
    sink: Box<dyn IncomingWriter>,
    held: Vec<u8>,
    bytes: u64,
    bytes_max: u64,
}

impl Packet {
    /// Writes what is held if it is more than so many bytes.
    async fn write(&mut self, held_max: usize) -> Result<(), FetchFailure> {
        if self.bytes + self.held.len() as u64 > self.bytes_max {
            return Err(FetchFailure::TooLarge { bytes_max: self.bytes_max });
        }
        if self.held.len() > held_max {
            self.bytes += self.held.len() as u64;
            self.sink.write(Bytes::from(std::mem::take(&mut self.held))).await?;
        }
        Ok(())
    }
}
