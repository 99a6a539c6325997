//! registerAgency and deleteAgency: what a system asks for of its own organisations. Off unless the settings give it groups
//! of codes, within them only, and an operator decides; until then nothing changes.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use lienthong_pipeline::directory::{Request, Wish};
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use lienthong_schemas::safe_text::SafeText;
use serde::Deserialize;

use super::answer::Answer;
use super::operation::Operation;
use super::{Asked, Sdk};
use crate::http::problem::rejection_of;
use crate::rolls::NotAsked;

/// Longest name, mail and code above, in bytes after escaping.
const TEXT_BYTES_MAX: usize = 400;

/// The body of registerAgency. Other members, such as `id`, `mobile` and `fax`, are not read. It is not signed.
#[derive(Deserialize)]
struct Data {
    code: Option<String>,
    name: Option<String>,
    mail: Option<String>,
    /// The code above it.
    pcode: Option<String>,
    /// The same, as an older program writes it.
    pid: Option<String>,
}

impl Sdk {
    /// One of the two.
    pub(super) async fn register(
        &self,
        operation: Operation,
        asked: &Asked,
        body: Bytes,
    ) -> Result<Response, Rejection> {
        let account = &asked.account;
        if account.register.is_empty() {
            return Err(Rejection::new(RejectionCode::OperationOff));
        }
        if !self.is_guarded {
            return Err(Rejection::new(RejectionCode::TlsRequired));
        }
        let _look = self.public.guests.load().look(&account.system)?;
        let (code, wish) = match operation {
            Operation::DeleteAgency => (deleted(asked)?, Wish::Delete),
            _ => registered(&body)?,
        };
        let request = Request { code, wish, at: self.public.ports.clock.now() };
        let (rolls, system, scope) = (self.rolls.clone(), account.system.clone(), account.register.clone());
        let work = tokio::task::spawn_blocking(move || rolls.ask(&system, &scope, &request));
        let done = work.await.map_err(|panic| rejection_of(Fault::new("rolls", panic).into()))?;
        done.map_err(|not| match not {
            NotAsked::Rejected(rejection) => rejection,
            NotAsked::Trouble(cause) => rejection_of(Fault::new("rolls", cause).into()),
        })?;
        Ok(Answer::ok().into_response())
    }
}

fn deleted(asked: &Asked) -> Result<OrganId, Rejection> {
    let field = "XroadVnpt-AgencyCode";
    let code = asked.get("AgencyCode")?;
    code_of(code.ok_or_else(|| Rejection::new(RejectionCode::FieldMissing).at(field))?, field)
}

fn registered(body: &[u8]) -> Result<(OrganId, Wish), Rejection> {
    let data: Data = serde_json::from_slice(body)
        .map_err(|cause| Rejection::new(RejectionCode::BodyNotJson).because(cause.to_string()))?;
    let text = |text: Option<String>| {
        let line: Vec<&str> = text.iter().flat_map(|text| text.split_whitespace()).collect();
        SafeText::new(&line.join(" ")).cut(TEXT_BYTES_MAX).into_string()
    };
    let missing = |field| Rejection::new(RejectionCode::FieldMissing).at(field);
    let code = data.code.filter(|code| !code.trim().is_empty()).ok_or_else(|| missing("code"))?;
    let name = text(data.name);
    if name.is_empty() {
        return Err(missing("name"));
    }
    let wish = Wish::Register { name, contact: text(data.mail), parent: text(data.pcode.or(data.pid)) };
    Ok((code_of(&code, "code")?, wish))
}

fn code_of(text: &str, field: &str) -> Result<OrganId, Rejection> {
    OrganId::parse(text)
        .map_err(|cause| Rejection::new(RejectionCode::FieldInvalid).at(field).because(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_object_of_texts() {
        let read = |body: &str| registered(body.as_bytes());
        let whole = r#"{"id":7,"pcode":"H55","code":" h55.15 ","name":" Sở\u0007  Y tế","mail":"a@b.vn","mobile":null,"fax":[]}"#;
        let (code, wish) = read(whole).expect("reads");
        let Wish::Register { name, contact, parent } = wish else { panic!("a registration") };
        assert_eq!((code.as_str(), contact.as_str(), parent.as_str()), ("H55.15", "a@b.vn", "H55"));
        assert!(name.starts_with("Sở") && name.ends_with("Y tế") && !name.chars().any(char::is_control));
        let (_, wish) = read(r#"{"pid":"H55","code":"H55.1","name":"a"}"#).expect("the other program's");
        assert!(matches!(wish, Wish::Register { parent, .. } if parent == "H55"));
        let long = format!(r#"{{"code":"H55.1","name":"{}"}}"#, "ệ".repeat(10_000));
        assert!(matches!(read(&long), Ok((_, Wish::Register { name, .. })) if name.len() <= TEXT_BYTES_MAX));
        use RejectionCode::{BodyNotJson, FieldInvalid, FieldMissing};
        for (body, code) in [
            ("", BodyNotJson),
            ("[]", BodyNotJson),
            ("{\"code\":\"H55.1\",\"name\":\"a\"", BodyNotJson),
            ("{'code':'H55.1','name':'a'}", BodyNotJson),
            ("{\"code\":\"H55.1\",\"name\":\"a\"}x", BodyNotJson),
            ("{\"code\":\"H55.1\",\"code\":\"H55.2\",\"name\":\"a\"}", BodyNotJson),
            ("{\"code\":551,\"name\":\"a\"}", BodyNotJson),
            ("{}", FieldMissing),
            ("{\"code\":\" \",\"name\":\"a\"}", FieldMissing),
            ("{\"code\":\"H55.1\",\"name\":\" \"}", FieldMissing),
            ("{\"code\":\"H55.1\"}", FieldMissing),
            ("{\"code\":\"H55 1\",\"name\":\"a\"}", FieldInvalid),
        ] {
            assert_eq!(read(body).map_err(|rejection| rejection.code).map(drop), Err(code), "{body}");
        }
    }
}
