//! Which packets belong together: those that have or name the same `DocumentId` keep their order at a receiver.

use super::content::Content;
use crate::ids::CorrelationKey;

/// Most keys of one packet; a packet that names more documents is ordered by the first of them.
pub const CORRELATIONS_MAX: usize = 16;

/// The keys of a packet: its own `DocumentId`, then those in `ResponseFor`, `Bussiness` and `ReplacementInfo`, each once
/// and at most [`CORRELATIONS_MAX`].
///
/// Where a `DocumentId` is missing, the one that the standard would compose stands for it: OrganId, date, number and
/// notation with commas between. It is made for this purpose only.
pub fn correlations(content: &Content) -> Vec<CorrelationKey> {
    let own = match &content.document_id {
        Some(id) => id.clone(),
        None => composed(
            content.from.organ_id.as_str(),
            &content.promulgation_date.text,
            &[&content.code_number, &content.code_notation],
        ),
    };
    let answered = content.response_for.iter().map(|r| match r.document_id.as_str() {
        "" => {
            let organ = r.organ_id.as_ref().map_or("", |id| id.as_str());
            composed(organ, &r.promulgation_date.text, &[&r.code])
        }
        id => id.to_owned(),
    });
    let business = content.business.iter();
    let changed = business.clone().filter_map(|b| b.document_id.clone());
    let replaced = business.flat_map(|b| b.replaced.iter().map(|r| r.document_id.clone()));

    let mut keys = Vec::new();
    for id in std::iter::once(own).chain(answered).chain(changed).chain(replaced) {
        let key = CorrelationKey::of(&id);
        if !id.is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
        if keys.len() == CORRELATIONS_MAX {
            break;
        }
    }
    keys
}

/// Empty when a part is: half an id would tie strangers together.
fn composed(organ: &str, date: &str, code: &[&str]) -> String {
    if organ.is_empty() || date.is_empty() || code.iter().any(|part| part.is_empty()) {
        return String::new();
    }
    format!("{organ},{date},{}", code.join("/"))
}
