//! `[spool]`: how much of the disk packets may take. Beyond it nothing is taken in; what is there goes on.

use crate::reading::Section;
use crate::values::byte_size::ByteSize;

/// How much of the disk packets may take.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// Bytes of `blobs/` and `incoming/` together above which intake is refused; `None`: as much as the disk has.
    pub quota: Option<u64>,
    /// Free bytes of the disk below which intake is refused.
    pub disk_free_min: u64,
}

impl SpoolSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        // Larger than any disk, so that a test can have one that is always too full.
        let most = ByteSize::new(1_000_000_000_000_000_000);
        let quota = section.ranged_if_set("quota", ByteSize::new(1_000), most);
        let free = section.ranged("disk_free_min", ByteSize::new(2_000_000_000), ByteSize::new(0), most);
        Self { quota: quota.map(ByteSize::bytes), disk_free_min: free.bytes() }
    }
}
