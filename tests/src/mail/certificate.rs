//! An authority and a server certificate of it, made by the `openssl` command for one test and never stored elsewhere.

use std::process::Command;

use super::{Paths, run};

/// The authority's certificate.
pub(super) const CA: &str = "ca.pem";
/// The server's certificate.
pub(super) const CERTIFICATE: &str = "server.pem";
/// Its key.
pub(super) const KEY: &str = "server-key.pem";

/// Makes both; the server's is for this name only.
pub(super) fn make(paths: &Paths, name: &str) {
    let ca_key = paths.at("ca-key.pem");
    let new = |key: &str| {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        command.args(["-days", "30", "-keyout"]).arg(paths.at(key));
        command
    };
    run(new("ca-key.pem")
        .args(["-subj", "/CN=lienthong test mail CA", "-addext", "keyUsage=critical,keyCertSign"])
        .arg("-out")
        .arg(paths.at(CA)));
    run(new(KEY)
        .args(["-subj", "/CN=mail", "-addext", &format!("subjectAltName=DNS:{name}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"])
        .arg("-CA")
        .arg(paths.at(CA))
        .arg("-CAkey")
        .arg(ca_key)
        .arg("-out")
        .arg(paths.at(CERTIFICATE)));
}
