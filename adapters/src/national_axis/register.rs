//! `getAgenciesList` and `getAgenciesListQD20`: who is registered at an axis, by old and new codes.

use jiff::Timestamp;
use lienthong_pipeline::directory::{Agency, LIST_LINES_MAX};
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::organ::OrganId;
use serde_json::Value;

use super::NationalAxis;
use super::inlet::spoken;
use crate::failure::{failed, note};

/// Longest list, in bytes: some ten thousand agencies.
const REGISTER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// `getAgenciesList`: codes as they are used, and old ones.
    Current,
    /// `getAgenciesListQD20`, of newer axes: codes by QĐ 20/2020, and those of QCVN 102.
    Qd20,
}

/// The agencies of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agencies {
    /// In the order of the axis.
    pub agencies: Vec<Agency>,
    /// Lines without a code, or with one that is none.
    pub broken: usize,
}

impl NationalAxis {
    /// Who is registered at an axis, by one of its lists.
    ///
    /// # Errors
    /// As [`lienthong_pipeline::ports::AxisInbox::waiting`].
    pub async fn agencies(
        &self,
        axis: &SystemId,
        register: Register,
        at: Timestamp,
    ) -> Result<Agencies, DeliveryFailure> {
        let axis = self.lines.of(axis)?;
        let (operation, parameters): (_, &[_]) = match register {
            Register::Current => ("getAgenciesList", &[]),
            Register::Qd20 => ("getAgenciesListQD20", &[("level", "1")]),
        };
        let mut paced = axis.ask(operation, parameters, "", REGISTER_BYTES_MAX as u64, at).await?;
        let (answered, said) = spoken::<Value>(&mut paced, REGISTER_BYTES_MAX, at).await?;
        let Some(Value::Array(lines)) = answered.data else {
            return Err(failed(FailureClass::Receiver, "bad_answer", &format!("no list: {said}")));
        };
        if lines.len() > LIST_LINES_MAX {
            let cause = format!("{} lines, and {LIST_LINES_MAX} are taken at most", lines.len());
            return Err(failed(FailureClass::Receiver, "list_too_long", &cause));
        }
        let mut all = Agencies::default();
        for line in &lines {
            match agency(line) {
                Some(agency) => all.agencies.push(agency),
                None => all.broken += 1,
            }
        }
        Ok(all)
    }
}

fn agency(line: &Value) -> Option<Agency> {
    let text = |member: &str| line.get(member).and_then(Value::as_str).unwrap_or_default().trim();
    let code = OrganId::parse(text("code")).ok()?;
    let others = ["oldCode", "code102"].into_iter().filter_map(|member| OrganId::parse(text(member)).ok());
    let mut other: Vec<OrganId> = Vec::new();
    for one in others.filter(|one| *one != code) {
        if !other.contains(&one) {
            other.push(one);
        }
    }
    Some(Agency { code, other, name: note(text("name")) })
}
