//! sendEdoc: a packet into the one intake, with what the signed headers say of it.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use lienthong_config::HashFile;
use lienthong_monitoring::Step;
use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::intake::{Accepted, Beside, Origin};
use lienthong_pipeline::ports::Incoming;
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::answer::Answer;
use super::file::{FileSink, Sent};
use super::sent::message_type;
use super::{Asked, Sdk};
use crate::http::body::{discard, receive_into, too_large};
use crate::http::problem::{rejection_of, try_again};
use crate::http::public::{Counted, announced};

const FROM: &str = "XroadVnpt-from";
const TO: &str = "XroadVnpt-to";
const HASH_FILE: &str = "XroadVnpt-hash-file";

/// What the parameters of a submission say.
struct Order {
    beside: Beside,
    hash_file: Option<String>,
    message_type: Option<String>,
}

impl Sdk {
    pub(super) async fn submit(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Rejection> {
        let public = &self.public;
        let system = asked.account.system.clone();
        let place = public.guests.load().upload(&system)?;
        let of_all = public.uploads_in_all.clone().try_acquire_owned().map_err(|_| try_again())?;
        let announced = announced(headers).unwrap_or(0).max(1);
        if announced > public.limits.bytes_max {
            return Err(too_large(&public.limits).at("Content-Length"));
        }
        let order = match order(asked).and_then(|order| self.has_room(announced).map(|()| order)) {
            Ok(order) => order,
            Err(rejection) => {
                // The SDK sends all of it before it listens: it would hear of a broken connection, and not why.
                discard(body, &public.limits).await;
                return Err(rejection);
            }
        };
        let counted = Counted::new(&public.metrics);
        let timer = public.metrics.timer(Step::Receive);
        let packet = self.receive(body, &order).await.map_err(rejection_of)?;
        drop(timer);

        // As at the other door: the work goes to its end even when the sender goes away, and keeps its place.
        let (intake, Order { beside, message_type: said, .. }) = (public.intake.clone(), order);
        let work = async move {
            let outcome = intake.admit(packet, &Origin::Sdk { system, beside }, None).await;
            drop((counted, place, of_all));
            outcome
        };
        let accepted = public.tasks.complete(work).await.map_err(|_| try_again())?.map_err(rejection_of)?;
        note_type(&accepted, said.as_deref());
        Ok(Answer::ok().with("DocId", accepted.receipt.document_id.to_string()).into_response())
    }

    /// What is announced and cannot fit is refused before it is taken in.
    fn has_room(&self, announced: u64) -> Result<(), Rejection> {
        self.public.ports.spool.room_for(announced).map_err(|fault| rejection_of(fault.into()))
    }

    async fn receive(&self, body: Body, order: &Order) -> Result<Box<dyn Incoming>, Refused> {
        let sent = Sent::default();
        let sink = FileSink::new(self.public.ports.spool.receive().await?, sent.clone());
        let packet = receive_into(body, &self.public.limits, Box::new(sink)).await?;
        if order.hash_file.as_deref().is_some_and(|hash_file| !sent.is_digested_as(hash_file)) {
            return Err(Rejection::new(RejectionCode::HashMismatch).at(HASH_FILE).into());
        }
        if sent.is_unreadable() {
            return Err(Rejection::new(RejectionCode::XmlMalformed)
                .because("neither XML nor base64 of it")
                .into());
        }
        if packet.bytes() == 0 {
            return Err(Rejection::new(RejectionCode::BodyEmpty).into());
        }
        Ok(packet)
    }
}

fn order(asked: &Asked) -> Result<Order, Rejection> {
    let hash_file = asked.get("hash-file")?.map(str::to_owned);
    if hash_file.is_none() && asked.account.hash_file == HashFile::Required {
        return Err(Rejection::new(RejectionCode::HashMismatch).at(HASH_FILE).because("missing"));
    }
    let from = asked.get("from")?.ok_or_else(|| Rejection::new(RejectionCode::FieldMissing).at(FROM))?;
    let from = OrganId::parse(from);
    let from = from
        .map_err(|fault| Rejection::new(RejectionCode::SenderUnknown).at(FROM).because(fault.to_string()))?;
    let to = asked.get("to")?.map(receivers).transpose()?;
    let message_type = asked.get("messagetype")?.map(str::to_owned);
    Ok(Order { beside: Beside { from, to }, hash_file, message_type })
}

/// A JSON array of codes.
fn receivers(text: &str) -> Result<Vec<OrganId>, Rejection> {
    let odd = |cause: &str| Rejection::new(RejectionCode::FieldInvalid).at(TO).because(cause);
    let codes: Vec<String> = serde_json::from_str(text).map_err(|_| odd("not a JSON array of texts"))?;
    let unknown = |code: &str| Rejection::new(RejectionCode::ReceiverUnknown).at(TO).because(code);
    codes.iter().map(|code| OrganId::parse(code).map_err(|_| unknown(code))).collect()
}

/// The packet says what it is; what is said of it beside is for the log.
fn note_type(accepted: &Accepted, said: Option<&str>) {
    let is = message_type(&accepted.receipt.kind);
    if said.is_some_and(|said| !said.eq_ignore_ascii_case(is)) {
        let document_id = accepted.receipt.document_id;
        tracing::info!(%document_id, is, "accepted, and messagetype said something else");
    }
}
