//! Who asks, and who is registered: `getSynchronizeUnit`, `registerAgency`, `deleteAgency`. Within what a system speaks for.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, ok};
use super::plan::{Agency, AgencyState, owner};
use super::{Axis, Failed};

/// Most agencies that can be registered.
const AGENCIES_MAX: usize = 100_000;

/// What `registerAgency` sends; other members do not matter.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Registration {
    code: String,
    pcode: String,
    name: String,
    mail: String,
}

impl Axis {
    /// `getSynchronizeUnit`: the first organisation of the system.
    pub(super) fn unit(&self, system: usize) -> Result<Answer, Failed> {
        let post = self.post();
        let first = self.systems.get(system).and_then(|system| system.organisations.first());
        let code = first.map(|code| code.as_str().to_owned()).or_else(|| post.habits.ours.first().cloned());
        let code = code.ok_or_else(|| ("19", "no organisation".to_owned()))?;
        let place = post.habits.agencies.iter().position(|agency| agency.has(&code));
        let agency = place.map_or_else(|| Agency::named(&code, ""), |n| post.habits.agencies[n].clone());
        let id = place.map_or(0, |n| n + 1).to_string();
        Ok(Answer::Json(ok(json!({ "data": {
            "id": id,
            "pid": "",
            "code": agency.code,
            "name": agency.name,
            "mail": agency.mail,
            "centerCode": super::rewrite::CENTRE,
            "version": 1,
            "deleted": agency.state == AgencyState::Deleted,
            "modifyDate": "",
            "isAgency": true,
        }}))))
    }

    /// `registerAgency`: a new one, or other words about one that is there.
    pub(super) fn register(&self, system: usize, body: &[u8]) -> Result<Answer, Failed> {
        let new: Registration = serde_json::from_slice(body).map_err(|cause| ("10", cause.to_string()))?;
        let code = new.code.trim().to_owned();
        let mut post = self.post();
        if code.is_empty() || post.habits.agencies.len() >= AGENCIES_MAX {
            return Err(("10", "code".to_owned()));
        }
        if owner(&self.systems, &post.habits, &code) != Some(system) {
            return Err(("19", code));
        }
        let agency = Agency { parent: new.pcode, mail: new.mail, ..Agency::named(&code, &new.name) };
        match post.habits.agencies.iter_mut().find(|agency| agency.has(&code)) {
            Some(old) => *old = Agency { code: old.code.clone(), old_code: old.old_code.clone(), ..agency },
            None => post.habits.agencies.push(agency),
        }
        Ok(Answer::Json(ok(json!({}))))
    }

    /// `deleteAgency`; a second time it is no error.
    pub(super) fn unregister(&self, system: usize, code: &str) -> Result<Answer, Failed> {
        let mut post = self.post();
        if owner(&self.systems, &post.habits, code) != Some(system) {
            return Err(("19", code.to_owned()));
        }
        let found = post.habits.agencies.iter_mut().find(|agency| agency.has(code));
        found.ok_or_else(|| ("18", code.to_owned()))?.state = AgencyState::Deleted;
        Ok(Answer::Json(ok(json!({}))))
    }
}
