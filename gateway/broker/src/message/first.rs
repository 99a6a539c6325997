//! Messages of the first version, a header a field: read for as long as streams may hold some.

use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Delivery;
use lienthong_schemas::edxml::CORRELATIONS_MAX;
use lienthong_schemas::ids::CorrelationKey;

use super::{Fields, Told, adapter_of, fresh, kind, lane_of, system};

/// The delivery, and whether its packet rides along.
pub(super) fn read(fields: &Fields<'_>) -> Result<(Delivery, bool), Fault> {
    let organ = |name| fields.read(name, |text| text.to_owned().try_into().ok());
    let delivery = fresh(Told {
        id: fields.parse("Lt-Delivery-Id")?,
        document: fields.parse("Lt-Document-Id")?,
        sender: organ("Lt-Sender")?,
        receiver: organ("Lt-Receiver")?,
        system: fields.read("Lt-System", system)?,
        adapter: fields.read("Lt-Adapter", adapter_of)?,
        lane: fields.read("Lt-Lane", lane_of)?,
        kind: fields.read("Lt-Kind", kind)?,
        digest: fields.parse("Lt-Sha256")?,
        bytes: fields.parse("Lt-Bytes")?,
        accepted_at: fields.parse("Lt-Accepted-At")?,
        since: fields.optional("Lt-Since")?,
        correlations: fields.read("Lt-Correlations", correlations)?,
        reportable: fields.parse("Lt-Reportable")?,
        generation: fields.parse("Lt-Generation")?,
    });
    Ok((delivery, fields.parse("Lt-Inline")?))
}

fn correlations(text: &str) -> Option<Vec<CorrelationKey>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let keys: Vec<CorrelationKey> =
        text.split(',').take(CORRELATIONS_MAX + 1).map(|key| key.parse().ok()).collect::<Option<_>>()?;
    (keys.len() <= CORRELATIONS_MAX).then_some(keys)
}
