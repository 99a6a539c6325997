//! How far `EVENTS` was read: in a file below the data folder, or in memory.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use lienthong_pipeline::follow::Bookmark;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::EventsPlace;

use crate::kept::KeptFile;

/// Its file below the data folder.
pub const BOOKMARK_FILE: &str = "followed";

/// A bookmark in a file; a damaged one is none.
#[derive(Clone, Debug)]
pub struct FileBookmark(KeptFile);

impl FileBookmark {
    /// The one of a data folder.
    pub fn below(data_dir: &Path) -> Self {
        Self(KeptFile::below(data_dir, BOOKMARK_FILE))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&KeptFile) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let kept = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&kept)).await;
        done.map_err(|panic| Fault::new("bookmark", panic))?.map_err(|cause| Fault::new("bookmark", cause))
    }
}

#[async_trait]
impl Bookmark for FileBookmark {
    async fn place(&self) -> Result<Option<EventsPlace>, Fault> {
        Ok(self.blocking(KeptFile::read::<Option<EventsPlace>>).await?.flatten())
    }

    async fn put(&self, place: &EventsPlace) -> Result<(), Fault> {
        let place = place.clone();
        self.blocking(move |kept| kept.write(&Some(place))).await
    }

    async fn forget(&self) -> Result<(), Fault> {
        self.blocking(|kept| kept.write(&None::<EventsPlace>)).await
    }
}

/// A bookmark that lasts as long as it.
#[derive(Debug, Default)]
pub struct MemoryBookmark(Mutex<Option<EventsPlace>>);

#[async_trait]
impl Bookmark for MemoryBookmark {
    async fn place(&self) -> Result<Option<EventsPlace>, Fault> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn put(&self, place: &EventsPlace) -> Result<(), Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
        Ok(())
    }

    async fn forget(&self) -> Result<(), Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn contract(bookmark: &dyn Bookmark) {
        assert_eq!(bookmark.place().await.expect("read"), None);
        for sequence in [7, 9] {
            let place = EventsPlace { stream: "a".to_owned(), sequence };
            bookmark.put(&place).await.expect("put");
            assert_eq!(bookmark.place().await.expect("read"), Some(place));
        }
        bookmark.forget().await.expect("forgotten");
        assert_eq!(bookmark.place().await.expect("read"), None);
    }

    #[tokio::test]
    async fn both_bookmarks_stay_where_they_were_put() {
        let data = tempfile::tempdir().expect("a folder");
        contract(&FileBookmark::below(data.path())).await;
        contract(&MemoryBookmark::default()).await;
    }
}
