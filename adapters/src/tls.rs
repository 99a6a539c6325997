//! What errors of a TLS connection mean (design.md B6).

use std::io;

use lienthong_pipeline::ports::FailureClass;
use rustls::CertificateError;

/// The TLS error inside an error of a stream, if it is one.
pub(crate) fn within(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|wrapped| wrapped.downcast_ref())
}

/// A certificate that does not fit is a matter of names and trust settings, not of waiting (B6: "TLS name errors").
pub(crate) fn classify(error: &rustls::Error) -> (FailureClass, &'static str) {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    match error {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            (FailureClass::OursToFix, "tls_name")
        }
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            (FailureClass::OursToFix, "tls_certificate")
        }
        _ => (FailureClass::Receiver, "tls"),
    }
}
