//! Steps parse and verify: two reads of one packet. The first, as far as the Signature, finds that and who claims to be the
//! sender; the second digests, and what business code reads comes from those digested events.

use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lienthong_schemas::edxml::{
    EdxmlLimits, Envelope, EnvelopeReader, PLACES, REPAIR_NAMESPACES, ReadMode, SignaturePolicy,
    VerifiedEnvelope, vouch,
};
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use xml_sig::{
    Limits, Located, Observer, Reach, ReadError, ReadOptions, Trust, Unwatched, Verdict, XmlFault,
};

use crate::ports::{Fault, Incoming};

/// Where an examination that could not be done says it was.
pub(crate) const EXAMINATION: &str = "examination";

/// Packets up to this size are examined where they came in, most of them within 0.2 ms. Larger ones would hold up the
/// other work of that thread.
const AT_ONCE_BYTES_MAX: u64 = 16 * 1024;

/// A packet was not taken: either its sender must change something, or it is our trouble.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Final; told to the sender.
    #[error("{0}")]
    Rejected(Box<Rejection>),
    /// Ours; the sender hears "try again later".
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

/// Sizes that a packet may have.
#[derive(Clone, Debug, Default)]
pub struct PacketLimits {
    /// Of the XML.
    pub xml: Limits,
    /// Of the edXML in it.
    pub edxml: EdxmlLimits,
}

/// What is known of a claimed sender: what its signature is checked against, and what is asked of it.
pub struct SenderTrust {
    /// Keys, anchors, time.
    pub trust: Trust,
    /// Required, or checked if present, or recorded.
    pub policy: SignaturePolicy,
}

/// Reads and verifies a packet; blocking and CPU-heavy, memory constant in the packet's size.
///
/// `trust_of` is asked once, after the first read, with what the packet claims.
///
/// # Errors
/// The first rule that the packet breaks, or a [`Fault`] when our file cannot be read.
pub fn examine(
    packet: &dyn Incoming,
    limits: &PacketLimits,
    trust_of: &dyn Fn(&Envelope) -> Result<SenderTrust, Rejection>,
) -> Result<VerifiedEnvelope, Refused> {
    match attempt(packet, limits, &[], trust_of) {
        Err(Attempt::UnboundPrefix) => {
            // Packets with prefixes that nobody declared are in use (spec edxml section 2): the reader is given the
            // bindings, the bytes stay as they are, and such a packet can never count as signed.
            attempt(packet, limits, REPAIR_NAMESPACES, trust_of).map_err(|attempt| match attempt {
                Attempt::Refused(refused) => refused,
                Attempt::UnboundPrefix => {
                    Rejection::new(RejectionCode::XmlMalformed).because("unbound prefix").into()
                }
            })
        }
        Err(Attempt::Refused(refused)) => Err(refused),
        Ok(verified) => Ok(verified),
    }
}

/// Runs the examination of a packet of so many bytes: where this is called when that takes less time than to hand it to
/// another thread and back, and else on the blocking pool. A panic in it is a [`Fault`] either way.
pub(crate) async fn in_its_place<T: Send + 'static>(
    bytes: u64,
    examination: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    if bytes <= AT_ONCE_BYTES_MAX {
        let done = catch_unwind(AssertUnwindSafe(examination));
        return done.map_err(|_| Fault::new(EXAMINATION, "it panicked"))?;
    }
    tokio::task::spawn_blocking(examination).await.map_err(|panic| Fault::new(EXAMINATION, panic))?
}

enum Attempt {
    UnboundPrefix,
    Refused(Refused),
}

impl<E: Into<Refused>> From<E> for Attempt {
    fn from(cause: E) -> Self {
        Self::Refused(cause.into())
    }
}

fn attempt(
    packet: &dyn Incoming,
    limits: &PacketLimits,
    namespaces: &[(&str, &str)],
    trust_of: &dyn Fn(&Envelope) -> Result<SenderTrust, Rejection>,
) -> Result<VerifiedEnvelope, Attempt> {
    let options = ReadOptions { limits: &limits.xml, initial_namespaces: namespaces };
    let (located, claims) = first_read(packet, limits, &options)?;
    let sender = trust_of(&claims)?;

    let known = |certificate: &[u8]| sender.trust.known(certificate).is_some();
    let mut reader = EnvelopeReader::new(ReadMode::Full, &limits.edxml).knowing(&known);
    let verdict = second_read(located, &mut *packet.open()?, &sender.trust, &mut reader)?;
    if matches!(verdict, Verdict::Invalid { .. }) {
        // The second read stops where a signature fails. The rest may still show that the packet needs repair, and so
        // counts as unsigned; its content is needed only where such a packet is taken.
        if sender.policy != SignaturePolicy::RecordOnly {
            xml_sig::read(&mut *packet.open()?, &options, &mut Unwatched).map_err(told)?;
            return Err(vouch(claims, verdict, sender.policy, !namespaces.is_empty()).err().map_or_else(
                || Fault::new("verify", "an invalid signature was vouched for").into(),
                Attempt::from,
            ));
        }
        reader = EnvelopeReader::new(ReadMode::Full, &limits.edxml);
        xml_sig::read(&mut *packet.open()?, &options, &mut reader).map_err(told)?;
    }
    let whole = reader.finish()?;
    // The keys and the policy were chosen for what the first read saw.
    if (whole.claimed_sender(), whole.claimed_kind()) != (claims.claimed_sender(), claims.claimed_kind()) {
        return Err(Fault::new("incoming", "the packet changed between two reads").into());
    }
    Ok(vouch(whole, verdict, sender.policy, !namespaces.is_empty())?)
}

/// As far as the Signature, if the packet says by then who sends it; else to the end.
fn first_read(
    packet: &dyn Incoming,
    limits: &PacketLimits,
    options: &ReadOptions<'_>,
) -> Result<(Located, Envelope), Attempt> {
    let read = |reach| -> Result<(Located, EnvelopeReader<'static>), Attempt> {
        // What is odd about the packet is said by the second read.
        let mut claims = EnvelopeReader::new(ReadMode::Claims, &limits.edxml).knowing(&|_| true);
        let located =
            xml_sig::locate(&mut *packet.open()?, options, &PLACES, reach, &mut claims).map_err(told)?;
        Ok((located, claims))
    };
    let (mut located, mut claims) = read(Reach::Signature)?;
    if !claims.has_claims() {
        (located, claims) = read(Reach::End)?;
    }
    Ok((located, claims.finish()?))
}

fn second_read(
    located: Located,
    input: &mut dyn BufRead,
    trust: &Trust,
    reader: &mut dyn Observer,
) -> Result<Verdict, Attempt> {
    located.verify(input, trust, reader).map_err(told)
}

fn told(cause: ReadError) -> Attempt {
    match cause {
        ReadError::Xml(xml) if matches!(xml.fault, XmlFault::UnboundPrefix) => Attempt::UnboundPrefix,
        ReadError::Xml(xml) => lienthong_schemas::edxml::rejection_of(&xml).into(),
        ReadError::Io(cause) => Fault::new("incoming", cause).into(),
        ReadError::Stopped(stop) => match stop.0.downcast::<Rejection>() {
            Ok(rejection) => (*rejection).into(),
            Err(other) => Fault::new("reader", other).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use lienthong_schemas::edxml::{BusinessType, DocumentBuilder};
    use lienthong_schemas::ids::PacketDigest;
    use xml_sig::Signers;

    use super::*;

    /// Another packet at each opening, from the end.
    struct Changing(Mutex<Vec<Vec<u8>>>);

    impl Incoming for Changing {
        fn digest(&self) -> PacketDigest {
            PacketDigest::of(b"")
        }

        fn bytes(&self) -> u64 {
            0
        }

        fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
            let next = self.0.lock().expect("a lock").pop().expect("two reads");
            Ok(Box::new(Cursor::new(next)))
        }
    }

    fn examined(
        packets: Vec<Vec<u8>>,
        policy: SignaturePolicy,
        signers: &Signers,
    ) -> Result<VerifiedEnvelope, Refused> {
        let trust_of = |_: &Envelope| {
            let at = "2026-01-05T01:00:00Z".parse().expect("a time");
            let (signers, authorities) = (Arc::new(signers.clone()), Arc::default());
            Ok(SenderTrust { trust: Trust { signers, authorities, at, legacy_sha1: false }, policy })
        };
        let packets = packets.into_iter().rev().collect();
        examine(&Changing(Mutex::new(packets)), &PacketLimits::default(), &trust_of)
    }

    fn bytes(builder: DocumentBuilder) -> Vec<u8> {
        builder.to_bytes().expect("a packet")
    }

    /// The same packet, as often as it is asked for.
    fn examined_again(builder: DocumentBuilder, policy: SignaturePolicy) -> String {
        match examined(vec![bytes(builder); 8], policy, &Signers::default()) {
            Ok(envelope) => envelope.verdict_name().to_owned(),
            Err(Refused::Rejected(rejection)) => rejection.code.row().name.to_owned(),
            Err(Refused::Fault(fault)) => panic!("{fault}"),
        }
    }

    #[tokio::test]
    async fn an_examination_that_panics_is_a_fault_wherever_it_runs() {
        for bytes in [AT_ONCE_BYTES_MAX, AT_ONCE_BYTES_MAX + 1] {
            let here = std::thread::current().id();
            let ran = in_its_place(bytes, || Ok(std::thread::current().id())).await.expect("it ran");
            assert_eq!(ran == here, bytes == AT_ONCE_BYTES_MAX);
            let broken = in_its_place(bytes, || -> Result<(), Refused> { panic!("a mistake of ours") }).await;
            assert!(matches!(broken, Err(Refused::Fault(_))), "{broken:?}");
        }
    }

    #[test]
    fn sender_and_kind_are_those_that_the_policy_was_chosen_for() {
        let letter = |from: &str| DocumentBuilder::new(from, &["H55.16"]);
        let two = |first, second| {
            let packets = vec![bytes(first), bytes(second)];
            examined(packets, SignaturePolicy::VerifyIfPresent, &Signers::default())
        };
        assert!(two(letter("H55.15"), letter("H55.15")).is_ok());
        let revoking = letter("H55.15").business(BusinessType::Revoke, "x", "y");
        for other in [letter("H55.14"), revoking] {
            match two(letter("H55.15"), other) {
                Err(Refused::Fault(fault)) => assert_eq!(fault.cause, "the packet changed between two reads"),
                other => panic!("{other:?}"),
            }
        }
    }

    /// No keys are needed to see that this is none.
    const ILL_BUILT: &str =
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><x/></ds:Signature>";
    const HEADER_END: &str = "</edXML:edXMLHeader>";

    /// With a Signature behind all that says who sends it and what it is: the first read ends there.
    fn traced() -> DocumentBuilder {
        let ill_built = format!("{ILL_BUILT}{HEADER_END}");
        DocumentBuilder::new("H55.15", &["H55.16"])
            .trace("H55.15", "2026/01/02 03:04:05")
            .attach("cv.pdf", "application/pdf", &b"%PDF-1.4 x"[..])
            .with_raw(HEADER_END, &ill_built)
    }

    #[test]
    fn a_packet_that_needs_repair_behind_its_signature_counts_as_unsigned() {
        use SignaturePolicy::{RecordOnly, Required, VerifyIfPresent};
        let undeclared = |builder: DocumentBuilder| {
            builder.with_raw("<edXML:Reference>", "<edXML:Reference xlink:href=\"\">")
        };
        let outcomes = |builder: fn() -> DocumentBuilder| {
            [Required, VerifyIfPresent, RecordOnly].map(|policy| {
                (examined_again(builder(), policy), examined_again(undeclared(builder()), policy))
            })
        };
        let pair = |one: &str, two: &str| (one.to_owned(), two.to_owned());
        assert_eq!(
            outcomes(traced),
            [
                pair("SIGNATURE_INVALID", "SIGNATURE_UNUSABLE"),
                pair("SIGNATURE_INVALID", "unusable"),
                pair("invalid", "unusable"),
            ]
        );
        // A prefix that nobody knows cannot be repaired.
        let unknown = traced().with_raw("<edXML:Reference>", "<edXML:Reference><q:x/>");
        assert_eq!(examined_again(unknown, VerifyIfPresent), "XML_MALFORMED");
    }

    #[test]
    fn a_packet_that_stays_the_same_is_never_said_to_have_changed() {
        let revoking =
            || DocumentBuilder::new("H55.15", &["H55.16"]).business(BusinessType::Revoke, "x", "y");
        for (before, added) in [
            ("<edXML:TraceHeaderList>", ""),
            ("</edXML:MessageHeader>", "<edXML:StatusCode/>"),
            ("</edXML:MessageHeader>", "<edXML:StatusCode> </edXML:StatusCode>"),
        ] {
            let wrong_namespace = "<Signature xmlns=\"u:x\"/>";
            let builder = revoking()
                .with_raw(before, &format!("{added}{before}"))
                .with_raw("<edXML:TraceHeaderList>", &format!("{wrong_namespace}<edXML:TraceHeaderList>"));
            assert_eq!(examined_again(builder, SignaturePolicy::VerifyIfPresent), "unusable", "{added}");
            // Judged when its keys are known, which is when its kind is.
            let real = wrong_namespace.replace("u:x", "http://www.w3.org/2000/09/xmldsig#");
            let builder = revoking()
                .with_raw(before, &format!("{added}{before}"))
                .with_raw("<edXML:TraceHeaderList>", &format!("{real}<edXML:TraceHeaderList>"));
            assert_eq!(examined_again(builder, SignaturePolicy::RecordOnly), "invalid", "{added}");
        }
    }

    #[test]
    fn a_signature_is_judged_without_reading_the_rest_first() {
        // The first read ends with the Signature: what follows may then be anything.
        let first = bytes(traced());
        let from = first.windows(10).position(|window| window == b"<edXML:edX").expect("an envelope");
        let end =
            first.windows(15).position(|window| window == b"</ds:Signature>").expect("a Signature") + 15;
        assert!(from < end);
        let cut = [&first[..end], b"<"].concat();
        let refused = examined(vec![cut.clone(), cut, first], SignaturePolicy::Required, &Signers::default());
        let Err(Refused::Rejected(rejection)) = refused else { panic!("{refused:?}") };
        assert_eq!(rejection.code.row().name, "SIGNATURE_INVALID");
    }
}
