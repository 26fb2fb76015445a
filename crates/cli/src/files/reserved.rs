//! Files that options have named for something else than bodies: none of these is where a body goes.
//!
//! Knows names. Must not know what the options mean.

use std::io;
use std::path::Path;

use super::identity::Identity;

/// Files with the options that name them.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Vec<(&'static str, Vec<Identity>)>);

impl Reserved {
    pub(crate) fn new<'a>(files: impl Iterator<Item = (&'static str, &'a Path)>) -> Reserved {
        Reserved(files.map(|(option, path)| (option, Identity::all(path))).collect())
    }

    /// Fails for a path that names one of them.
    pub(crate) fn refuse(&self, path: &Path) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let named = Identity::all(path);
        let is_one = |(_, taken): &&(_, Vec<Identity>)| taken.iter().any(|one| named.contains(one));
        match self.0.iter().find(is_one) {
            Some((option, _)) => Err(io::Error::other(format!("{option} writes to it"))),
            None => Ok(()),
        }
    }
}
