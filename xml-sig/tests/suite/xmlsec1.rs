//! Against an independent engine: the `xmlsec1` program verifies what we sign, and we verify what it signs.

use std::path::Path;
use std::process::{Command, Output};

use xml_sig::{Limits, ReadOptions, sign};

use crate::support::*;

const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?p before?><r xmlns:q='u:q' xml:lang='vi' z='1' q:a='&#9;&lt;'>\r\n\
    <h xmlns='' xmlns:q='u:q2'><q:b c=\"&quot;'>\">Ủy ban &amp; ]] > <![CDATA[<&>]]>&#13;</q:b><!-- x --><?p in?></h>\n</r>\n<?p after?>";

fn run(arguments: &[&str], file: &Path) -> Option<Output> {
    match Command::new("xmlsec1").args(arguments).arg(file).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: xmlsec1 absent");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn xmlsec1_verifies_what_we_sign() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    for identity in [rsa(), ec()] {
        let mut output = Vec::new();
        let mut input = || -> std::io::Result<Box<dyn std::io::BufRead>> { Ok(Box::new(BODY.as_bytes())) };
        sign(&mut input, &[("", "r"), ("", "h")], &identity.signing_key(), &options, &mut output).unwrap();
        assert_eq!(judge(std::str::from_utf8(&output).unwrap(), &pinned(&[identity])), "valid");
        let certificate = folder.path().join("certificate.pem");
        std::fs::write(&certificate, identity.certificate_pem()).unwrap();
        let signed = folder.path().join("signed.xml");
        std::fs::write(&signed, &output).unwrap();
        let arguments = [
            "--verify",
            "--enabled-key-data",
            "key-name",
            "--pubkey-cert-pem",
            certificate.to_str().unwrap(),
        ];
        let Some(good) = run(&arguments, &signed) else { return };
        assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
        let changed = String::from_utf8(output).unwrap().replace("ban", "bam");
        std::fs::write(&signed, changed).unwrap();
        assert!(!run(&arguments, &signed).unwrap().status.success(), "xmlsec1 checks nothing");
    }
}

#[test]
fn we_verify_what_xmlsec1_signs() {
    let folder = tempfile::tempdir().unwrap();
    for (identity, method) in [(rsa(), RSA_SHA256), (ec(), ECDSA_SHA256)] {
        for (of_info, of_reference) in [(C14N, ""), (C14N, C14N), (EXC, EXC), (EXC, ""), (C14N, EXC)] {
            let transform =
                if of_reference.is_empty() { String::new() } else { element("Transform", of_reference) };
            let template = format!(
                "<ds:Signature xmlns:ds=\"{DS}\">\n<ds:SignedInfo>\n  {}\n{}<ds:Reference URI=\"\"><ds:Transforms>{}{transform}\
                 </ds:Transforms>{}<ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
                 <ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>",
                element("CanonicalizationMethod", of_info),
                element("SignatureMethod", method),
                element("Transform", ENVELOPED),
                element("DigestMethod", SHA256),
            );
            let key = folder.path().join("key.pem");
            std::fs::write(&key, identity.key_pem()).unwrap();
            let certificate = folder.path().join("certificate.pem");
            std::fs::write(&certificate, identity.certificate_pem()).unwrap();
            let unsigned = folder.path().join("unsigned.xml");
            std::fs::write(&unsigned, BODY.replace("</h>", &format!("</h>{template}"))).unwrap();
            let pair = format!("{},{}", key.display(), certificate.display());
            let Some(signed) = run(&["--sign", "--privkey-pem", &pair], &unsigned) else { return };
            assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
            let signed = String::from_utf8(signed.stdout).unwrap();
            assert!(signed.contains("X509Certificate>"), "{signed}");
            assert_eq!(judge(&signed, &pinned(&[identity])), "valid", "{method} {of_info} {of_reference}");
            assert_eq!(judge(&signed.replace("ban", "bam"), &pinned(&[identity])), "invalid digest");
        }
    }
}
