//! Has the committer begin the next generation, and remove the oldest, in steps between other changes.

use std::path::PathBuf;

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;

use super::generations::{Cursor, Left, Step, size_on_disk};
use super::writer::Writer;
use super::{FileStore, keys, locked};
use crate::change::PLACE;

/// What is known of the generations of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generational {
    /// How many there are.
    pub(crate) count: usize,
    /// When the newest began.
    pub(crate) begun: Timestamp,
    folder: PathBuf,
}

impl Writer {
    fn generational(&self) -> Result<Generational, Fault> {
        let begun = self.read(|view| view.value(keys::BEGUN))?.unwrap_or_else(|| self.clock.now());
        let (count, folder) = (self.generations.count(), self.generations.folder().to_owned());
        Ok(Generational { count, begun, folder })
    }

    pub(super) fn begin_next(&mut self) -> Result<(), Fault> {
        let begun = self.generations.begin_next(self.keeper, self.clock.now());
        begun.map_err(|cause| Fault::new(PLACE, format!("the next generation cannot be made: {cause}")))
    }

    /// One step forward; whether there are more.
    pub(super) fn forward(&mut self) -> Result<bool, Fault> {
        self.progress.show();
        let step = self.generations.forward(self.clock.now());
        match step.map_err(|fault| self.progress.read_fault(fault))? {
            Step::More => Ok(true),
            Step::Done => {
                *locked(&self.readers) = Some(self.generations.reader());
                self.progress.moved_to(self.generations.folder().to_owned());
                Ok(false)
            }
            Step::Failed(cause) => {
                Err(Fault::new(PLACE, format!("the next generation is given up: {cause}")))
            }
            Step::Broken(cause) => Err(self.fail(&cause)),
        }
    }

    /// Moves some of what only the oldest generation has; when nothing is left, it is removed. Whether there is more.
    fn drop_oldest(&mut self, cursor: &mut Cursor) -> Result<bool, Fault> {
        self.progress.show();
        let step = self.generations.move_up(cursor);
        match step.map_err(|fault| self.progress.read_fault(fault))? {
            Step::More => return Ok(true),
            Step::Done => {}
            Step::Failed(cause) | Step::Broken(cause) => return Err(self.fail(&cause)),
        }
        let oldest = self.generations.leave_oldest().map_err(|cause| self.fail(&cause))?;
        // From now on nobody begins to read there.
        *locked(&self.readers) = Some(self.generations.reader());
        oldest.into_iter().for_each(Left::remove);
        Ok(false)
    }
}

impl FileStore {
    /// Begins the next generation: what is alive moves forward, some at a time, and then that one is written. Calls go on
    /// meanwhile.
    ///
    /// # Errors
    /// It cannot be made or filled; the one before goes on as it was. The store has ended.
    pub async fn rotate(&self) -> Result<(), Fault> {
        self.change(Writer::begin_next).await?;
        while self.change(Writer::forward).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// What is known of the generations.
    pub(crate) async fn generational(&self) -> Result<Generational, Fault> {
        self.change(|writer| writer.generational()).await
    }

    /// Bytes that the newest generation takes of its disk.
    pub(crate) async fn size_on_disk(&self, generational: &Generational) -> Result<u64, Fault> {
        let folder = generational.folder.clone();
        let size = tokio::task::spawn_blocking(move || size_on_disk(&folder)).await;
        size.map_err(|panic| Fault::new(PLACE, panic))?.map_err(|cause| Fault::new(PLACE, cause))
    }

    /// Bytes of what stands in the newest generation. All of it is read.
    pub(crate) async fn live_bytes(&self) -> Result<u64, Fault> {
        let reader = self.reader()?;
        let bytes = tokio::task::spawn_blocking(move || reader.bytes()).await;
        bytes.map_err(|panic| Fault::new(PLACE, panic))?.map_err(|cause| Fault::new(PLACE, cause))
    }

    /// Removes the oldest generation if another one followed it before a time; what only it has moves into the newest
    /// first. `false`: there is none so old.
    ///
    /// # Errors
    /// The store has ended.
    pub async fn drop_oldest(&self, before: Timestamp) -> Result<bool, Fault> {
        let is_due = move |writer: &mut Writer| {
            let left = writer.generations.oldest_left().map_err(|fault| writer.progress.read_fault(fault))?;
            Ok(left.is_some_and(|left| left < before))
        };
        if !self.change(is_due).await? {
            return Ok(false);
        }
        let mut cursor = Cursor::default();
        loop {
            let step = move |writer: &mut Writer| {
                let more = writer.drop_oldest(&mut cursor)?;
                Ok((more, cursor))
            };
            let (more, reached) = self.change(step).await?;
            if !more {
                return Ok(true);
            }
            cursor = reached;
        }
    }
}
