//! The program `xmlsec1` as an engine: it signs templates and verifies documents, many to a process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::document::Part;

/// The program, with a folder for its files.
#[derive(Debug)]
pub(crate) struct Xmlsec1 {
    folder: PathBuf,
}

impl Xmlsec1 {
    /// `None` when the program is not installed.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        Command::new("xmlsec1").arg("--version").output().ok()?;
        Some(Self { folder: folder.to_owned() })
    }

    /// Fills templates in with a private key (PEM); `None` for those that it refuses. What comes back is written anew by
    /// libxml2: the same document in other octets.
    pub(crate) fn sign(
        &self,
        key: &[u8],
        parts: &[Part],
        templates: &[&str],
    ) -> io::Result<Vec<Option<String>>> {
        const DECLARATION: &str = "<?xml version=\"1.0\"";
        let key_file = self.folder.join("key.pem");
        fs::write(&key_file, key)?;
        let mut all = Vec::new();
        while all.len() < templates.len() {
            let rest: Vec<&[u8]> =
                templates[all.len()..].iter().map(|template| template.as_bytes()).collect();
            let output = self.run("--sign", "--privkey-pem", &key_file, parts, &rest)?;
            let written = String::from_utf8_lossy(&output.stdout).into_owned();
            let signed: Vec<&str> = written.split(DECLARATION).skip(1).collect();
            let mut next = signed.iter();
            for good in outcomes(&output, rest.len(), signed.len())? {
                let text = if good { next.next() } else { None };
                all.push(text.map(|text| format!("{DECLARATION}{text}")));
            }
        }
        fs::remove_file(key_file)?;
        Ok(all)
    }

    /// Whether each document is valid with the key of a certificate (PEM) and with nothing else.
    pub(crate) fn verify(
        &self,
        certificate: &[u8],
        parts: &[Part],
        documents: &[&[u8]],
    ) -> io::Result<Vec<bool>> {
        let file = self.folder.join("certificate.pem");
        fs::write(&file, certificate)?;
        let mut all = Vec::new();
        while all.len() < documents.len() {
            let rest = &documents[all.len()..];
            let output = self.run("--verify", "--pubkey-cert-pem", &file, parts, rest)?;
            let said = String::from_utf8_lossy(&output.stderr);
            let good = said.lines().filter(|line| *line == "OK").count();
            all.extend(outcomes(&output, rest.len(), good)?);
        }
        Ok(all)
    }

    fn run(
        &self,
        command: &str,
        key_option: &str,
        key: &Path,
        parts: &[Part],
        documents: &[&[u8]],
    ) -> io::Result<Output> {
        let mut names: Vec<String> = parts
            .iter()
            .map(|part| match part.namespace.as_str() {
                "" => part.local.clone(),
                namespace => format!("{namespace}:{}", part.local),
            })
            .collect();
        names.sort();
        names.dedup();
        let mut xmlsec1 = Command::new("xmlsec1");
        xmlsec1.current_dir(&self.folder).arg(command).args(["--enabled-key-data", "key-name"]);
        xmlsec1.arg(key_option).arg(key);
        for name in names {
            xmlsec1.args(["--id-attr:Id", &name]);
        }
        for (number, document) in documents.iter().enumerate() {
            let name = file_name(number);
            fs::write(self.folder.join(&name), document)?;
            xmlsec1.arg(name);
        }
        xmlsec1.output()
    }
}

fn file_name(number: usize) -> String {
    format!("{number}.xml")
}

/// Whether it was content with each of its files, as far as it came: some errors end it at once. `good` counts its signs
/// of contentment.
fn outcomes(output: &Output, files: usize, good: usize) -> io::Result<Vec<bool>> {
    let said = String::from_utf8_lossy(&output.stderr);
    let named: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("Error: failed to ")).collect();
    let refused = |number| named.iter().any(|line| line.ends_with(&format!(" \"{}\"", file_name(number))));
    let mut outcomes: Vec<bool> = (0..files).map(|number| !refused(number)).collect();
    let crashed = output.status.code().is_none();
    if crashed {
        // At the one behind the last that it spoke of.
        let bad = outcomes.iter().filter(|good| !**good).count();
        outcomes.truncate(good + bad + 1);
        outcomes[good + bad] = false;
    } else if outcomes.iter().filter(|good| **good).count() > good {
        // It gave up at the last one that it refused.
        outcomes.truncate(outcomes.iter().rposition(|good| !good).map_or(0, |last| last + 1));
    }
    if outcomes.is_empty() || outcomes.iter().filter(|good| **good).count() != good {
        return Err(io::Error::other(format!("{good} of {files} files are good, it seems, but: {said}")));
    }
    Ok(outcomes)
}
