//! What it means when an attempt ends without an answer: the errors of the HTTP client, sorted into design.md B6.

use std::error::Error;
use std::io;

use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};

use crate::failure::failed;
use crate::tls;

/// The failure that an error of the client stands for. The URL is left out of the note: its query may be confidential.
/// `whole`: the last byte of the packet was given to the connection, so nobody knows whether the receiver has it.
pub(super) fn sort(error: reqwest::Error, whole: bool) -> DeliveryFailure {
    let error = error.without_url();
    let (class, code) = classify(&error);
    DeliveryFailure { may_have_arrived: whole, ..failed(class, code, &innermost(&error)) }
}

fn classify(error: &reqwest::Error) -> (FailureClass, &'static str) {
    if let Some(error) = all::<rustls::Error>(error).next() {
        return tls::classify(error);
    }
    if error.is_dns() {
        return (FailureClass::Receiver, "dns");
    }
    if error.is_connect() {
        let cut = all::<io::Error>(error).any(|e| e.kind() == io::ErrorKind::UnexpectedEof);
        return (FailureClass::Receiver, if cut { "tls" } else { "connect" });
    }
    if error.is_timeout() {
        return (FailureClass::Receiver, "timeout");
    }
    if all::<hyper::Error>(error).any(hyper::Error::is_parse) {
        return (FailureClass::Receiver, "bad_answer");
    }
    // A body in chunks whose frame is no frame.
    let garbled = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    if all::<io::Error>(error).any(|e| garbled.contains(&e.kind())) {
        return (FailureClass::Receiver, "bad_answer");
    }
    // Connected, and then no answer or half of one: reset, closed, or the write failed.
    (FailureClass::Document, "cut_body")
}

/// The errors of this type in the chain, outermost first.
fn all<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e T> {
    std::iter::successors(Some(error), |error| beneath(*error)).filter_map(|error| error.downcast_ref())
}

/// `io::Error::source` passes over the error that it wraps, so that one is looked at by itself.
fn beneath<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The text of the last error in the chain: what happened, without the layers that passed it on.
fn innermost(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| beneath(*error)).last().unwrap_or(error).to_string()
}
