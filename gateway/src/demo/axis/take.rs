//! `sendEdoc`: a packet is taken onto the disk, checked as far as the axis is to check, and put where its receivers find it.

use std::path::{Path, PathBuf};

use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use lienthong_schemas::edxml::{EdxmlLimits, read_envelope};
use serde_json::json;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use super::answer::{Answer, ok};
use super::plan::{AgencyState, Habits, owner};
use super::post::{Consigned, KEPT_MAX, Post};
use super::rewrite::rewrite;
use super::signed::{Signed, unpadded};
use super::{Axis, CUT, Failed};
use crate::demo::sockets::Sum;

/// Largest packet, in bytes.
const PACKET_BYTES_MAX: u64 = 2_000_000_000;

/// What a packet says of its way.
#[derive(Clone, Default)]
struct Names {
    from: String,
    to: Vec<String>,
    title: String,
}

/// A packet that came whole.
struct Kept {
    digest: [u8; 32],
    bytes: u64,
    draft: TempPath,
}

fn ours(cause: impl std::fmt::Display) -> Failed {
    ("20", cause.to_string())
}

impl Axis {
    /// Takes a consignment of a system: the id given to it.
    pub(super) async fn take(
        &self,
        signed: &Signed,
        system: usize,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Answer, Failed> {
        let content = |why: String| ("22", why);
        let get = |name: &str| signed.get(name).map(str::to_owned).map_err(content);
        for (name, wanted) in [("servicetype", "eDoc"), ("Content-Type", "application/octet-stream")] {
            if get(name)? != wanted {
                return Err(content(format!("{name} is not {wanted}")));
            }
        }
        let message_type = get("messagetype")?;
        if !matches!(message_type.as_str(), "edoc" | "status") {
            return Err(content(format!("messagetype {message_type}")));
        }
        let to = signed.receivers().map_err(content)?.unwrap_or_default();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let length: u64 = length.ok_or_else(|| content("no Content-Length".to_owned()))?;
        let (exact, hash) = (self.post().habits.exact, get("hash-file")?);
        let is_hash = |digest: &[u8; 32]| {
            hash == unpadded(digest) || (!exact && hash.eq_ignore_ascii_case(&hex::encode(digest)))
        };
        let kept = self.keep(body, length, exact, is_hash).await.map_err(|why| ("21", why))?;
        let new = Consigned {
            doc_id: String::new(),
            system: self.systems.get(system).map(|system| system.id.clone()).unwrap_or_default(),
            message_type,
            from: get("from")?,
            to,
            receivers: Vec::new(),
            title: String::new(),
            sha256: hex::encode(kept.digest),
            bytes: kept.bytes,
            times: 1,
            at: SystemClock.now(),
            file: PathBuf::new(),
        };
        let doc_id = self.enter(new, system, kept.draft).await?;
        Ok(Answer::Json(ok(json!({ "DocId": doc_id }))))
    }

    /// The id of a consignment that is new, or of the one that it repeats.
    async fn enter(&self, mut new: Consigned, system: usize, draft: TempPath) -> Result<String, Failed> {
        let habits = {
            let mut post = self.post();
            if let Some(doc_id) = post.repeated(&new) {
                return Ok(doc_id);
            }
            post.habits.clone()
        };
        let told = habits.honours_to && !new.to.is_empty();
        let has_mail = !habits.ours.is_empty() || self.systems.iter().any(|s| !s.organisations.is_empty());
        let path = draft.to_path_buf();
        let names = match habits.checks || (has_mail && !told) {
            true => aside(move || names_of(&path)).await?.map_err(|why| ("22", why))?,
            false => Names::default(),
        };
        new.receivers = if told { new.to.clone() } else { names.to.clone() };
        new.title = names.title.clone();
        if habits.checks {
            self.check(&habits, system, &new, &names)?;
        }
        let owners: Vec<(String, usize)> = new
            .receivers
            .iter()
            .filter_map(|code| Some((code.clone(), owner(&self.systems, &habits, code)?)))
            .collect();
        let (path, folder) = (draft.to_path_buf(), self.folder.clone());
        let rewritten = match habits.rewrites && !owners.is_empty() {
            true => Some(aside(move || rewrite(&path, &folder)).await?.map_err(ours)?),
            false => None,
        };
        self.record(new, owners, draft, rewritten).map_err(ours)
    }

    fn record(
        &self,
        mut new: Consigned,
        owners: Vec<(String, usize)>,
        draft: TempPath,
        rewritten: Option<TempPath>,
    ) -> std::io::Result<String> {
        let mut post = self.post();
        if let Some(doc_id) = post.repeated(&new) {
            return Ok(doc_id);
        }
        if post.taken.len().max(post.mail.len()) >= KEPT_MAX {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        // 24 hexadecimal digits, as the real axis gives them.
        new.doc_id = format!("{:016x}{:08x}", self.seed, post.taken.len());
        new.file = self.folder.join(format!("taken-{}.edxml", new.doc_id));
        draft.persist(&new.file).map_err(|cause| cause.error)?;
        let out = match rewritten {
            Some(rewritten) => {
                let out = self.folder.join(format!("rewritten-{}.edxml", new.doc_id));
                rewritten.persist(&out).map_err(|cause| cause.error)?;
                out
            }
            None => new.file.clone(),
        };
        let about = (new.message_type.as_str(), new.from.as_str(), new.doc_id.as_str());
        for (to, system) in owners {
            self.put(&mut post, system, about, &to, &out);
        }
        let doc_id = new.doc_id.clone();
        post.taken.push(new);
        Ok(doc_id)
    }

    /// Whether the sender may send this, and each receiver can have it.
    fn check(&self, habits: &Habits, system: usize, new: &Consigned, names: &Names) -> Result<(), Failed> {
        let in_use = |code: &str| {
            habits.agency(code).map_or_else(|| code.trim().to_uppercase(), |agency| agency.code.clone())
        };
        if in_use(&new.from) != in_use(&names.from) {
            return Err(("19", format!("from is {}, and the packet says {}", new.from, names.from)));
        }
        if owner(&self.systems, habits, &new.from) != Some(system) {
            return Err(("19", new.from.clone()));
        }
        let named: Vec<String> = names.to.iter().map(|code| in_use(code)).collect();
        if let Some(strange) = new.to.iter().find(|code| !named.contains(&in_use(code))) {
            return Err(("18", format!("{strange} is not in the packet")));
        }
        if new.receivers.is_empty() {
            return Err(("18", "nobody".to_owned()));
        }
        let state = |code: &String| match habits.agency(code) {
            Some(agency) => Some(agency.state),
            None => owner(&self.systems, habits, code).map(|_| AgencyState::Open),
        };
        for code in &new.receivers {
            match state(code) {
                Some(AgencyState::Open) => {}
                Some(AgencyState::Locked) => return Err(("23", code.clone())),
                Some(AgencyState::Closed | AgencyState::Deleted) | None => return Err(("18", code.clone())),
            }
        }
        Ok(())
    }

    /// Keeps the body less its last CR LF, which must be there if it has to be just as the SDK sends it; else the whole body
    /// counts too, if that is what has the hash.
    async fn keep(
        &self,
        mut body: Incoming,
        length: u64,
        exact: bool,
        is_hash: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<Kept, String> {
        let text = |cause: &dyn std::fmt::Display| cause.to_string();
        let draft = tempfile::NamedTempFile::new_in(&self.folder).map_err(|cause| text(&cause))?;
        let (file, draft) = draft.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut sum = Sum::begin().map_err(|cause| text(&cause))?;
        let (mut held, mut came) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|cause| format!("{CUT}: {cause}"))?.into_data() else { continue };
            came += piece.len() as u64;
            if came > PACKET_BYTES_MAX {
                return Err(format!("more than {PACKET_BYTES_MAX} bytes"));
            }
            held.extend_from_slice(&piece);
            let ready = held.len().saturating_sub(2);
            sum.add(&held[..ready]).map_err(|cause| text(&cause))?;
            file.write_all(&held[..ready]).await.map_err(|cause| text(&cause))?;
            held.drain(..ready);
        }
        if came != length || (exact && held != b"\r\n") {
            return Err(format!("{came} bytes of {length} that do not end in CR LF"));
        }
        let (mut digest, mut bytes) = sum.clone().end().map_err(|cause| text(&cause))?;
        if held != b"\r\n" || !(exact || is_hash(&digest)) {
            sum.add(&held).map_err(|cause| text(&cause))?;
            file.write_all(&held).await.map_err(|cause| text(&cause))?;
            (digest, bytes) = sum.end().map_err(|cause| text(&cause))?;
        }
        if !is_hash(&digest) {
            return Err("hash-file is not that of the packet".to_owned());
        }
        file.flush().await.map_err(|cause| text(&cause))?;
        Ok(Kept { digest, bytes, draft })
    }
}

impl Post {
    /// The id that such a consignment has already; it was taken once more.
    fn repeated(&mut self, new: &Consigned) -> Option<String> {
        let same = |old: &&mut Consigned| {
            old.sha256 == new.sha256 && old.to == new.to && old.from == new.from && old.system == new.system
        };
        let old = self.taken.iter_mut().find(same)?;
        old.times += 1;
        Some(old.doc_id.clone())
    }
}

/// Does what takes time in a thread for that.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failed> {
    tokio::task::spawn_blocking(work).await.map_err(ours)
}

/// Whom a packet is from and for: `To`, or `ResponseFor` of a status packet.
fn names_of(packet: &Path) -> Result<Names, String> {
    let mut open = || -> std::io::Result<Box<dyn std::io::BufRead>> {
        Ok(Box::new(std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(packet)?)))
    };
    let (envelope, _) =
        read_envelope(&mut open, &EdxmlLimits::default()).map_err(|cause| cause.to_string())?;
    let content = envelope.claimed_content();
    let to = match content.status.is_some() {
        true => content.response_for.iter().map(|subject| subject.organ_text.clone()).collect(),
        false => content.to.iter().map(|to| to.organ_text.clone()).collect(),
    };
    Ok(Names { from: content.from.organ_text.clone(), to, title: content.subject.clone() })
}
