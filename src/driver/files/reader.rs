//! A body's source that is a file, or a part of one.
//!
//! Knows its place among the sources of a driver. Must not know what is read when.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::sources::{Source, SourceId, Sources};
use crate::engine::{BodySource, TransferId};
use crate::protocol::SourceRead;

/// A part of a file that is sent as a request's body, or as a piece of one: exactly the bytes that were announced, of a file that is
/// opened when they are asked for. The transfer is one of the driver's whose [`Files`](super::Files) it is of.
///
/// It fails, with words that name the file, where that cannot be read or has fewer bytes by then. Sent again
/// it begins anew, with the file that has the name then.
pub struct FileReader {
    id: SourceId,
    source: Arc<Source>,
}

impl FileReader {
    pub(super) fn new(sources: &mut Sources, path: PathBuf, from: u64, length: u64) -> FileReader {
        let (id, source) = sources.insert(path, from, length);
        FileReader { id, source }
    }
}

impl BodySource for FileReader {
    fn of(&mut self, transfer: TransferId) {
        self.source.bind(transfer);
    }

    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        self.source.give(self.id, out)
    }

    fn rewind(&mut self) -> bool {
        self.source.rewind(self.id);
        true
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.source.drop_it(self.id);
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").finish_non_exhaustive()
    }
}
