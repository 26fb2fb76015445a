//! Why a name has no address to connect to.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Why a name has no address to connect to, in one line: reads as a `str`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    why: Arc<str>,
    lasts: bool,
}

impl Unresolved {
    /// It was said with authority, so that asking again soon brings the same.
    pub(crate) fn lasting(why: &str) -> Unresolved {
        Unresolved { why: why.into(), lasts: true }
    }

    /// Whether the name does not exist, or has no address, as far as those know who answer for it; otherwise they could not
    /// be asked, or could not find out.
    pub fn is_answer(&self) -> bool {
        self.lasts
    }
}

impl Deref for Unresolved {
    type Target = str;

    fn deref(&self) -> &str {
        &self.why
    }
}

impl From<&str> for Unresolved {
    /// Of what may pass.
    fn from(why: &str) -> Unresolved {
        Unresolved { why: why.into(), lasts: false }
    }
}

impl From<String> for Unresolved {
    /// Of what may pass.
    fn from(why: String) -> Unresolved {
        Unresolved::from(&*why)
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
