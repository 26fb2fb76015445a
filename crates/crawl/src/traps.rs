//! URLs that look as if a program made them without end.
//!
//! Knows URLs as text. What is refused here may be a page after all: each bound can be set.

use url::Url;

/// Bounds beyond which a URL is taken for a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrapBounds {
    /// Bytes of the URL.
    pub length: usize,
    /// Segments of its path.
    pub segments: usize,
    /// How often one segment may stand in a path.
    pub repetitions: usize,
    /// Parameters of its query.
    pub parameters: usize,
}

impl Default for TrapBounds {
    fn default() -> TrapBounds {
        TrapBounds { length: 2_083, segments: 32, repetitions: 3, parameters: 32 }
    }
}

impl TrapBounds {
    /// Whether a URL is within all of them.
    ///
    /// # Errors
    ///
    /// Which one it is beyond, in a few words.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        let beyond = |what: &str, most: usize| Err(format!("a trap: more than {most} {what}"));
        if url.as_str().len() > self.length {
            return beyond("bytes", self.length);
        }
        let segments: Vec<_> =
            url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.len() > self.segments {
            return beyond("segments", self.segments);
        }
        let mut sorted = segments;
        sorted.sort_unstable();
        if sorted.chunk_by(|one, other| one == other).any(|alike| alike.len() > self.repetitions) {
            return beyond("times the same segment", self.repetitions);
        }
        let parameters = url.query().map_or(0, |query| query.split('&').count());
        if parameters > self.parameters {
            return beyond("parameters", self.parameters);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps() {
        let bounds = TrapBounds { length: 60, segments: 6, repetitions: 2, parameters: 3 };
        let table = [
            ("http://a/b/c/b/d", true),
            ("http://a/b/c/b/c/b", false),
            ("http://a/1/2/3/4/5/6", true),
            ("http://a/1/2/3/4/5/6/7", false),
            ("http://a//////////////////", true),
            ("http://a/?1&2&3", true),
            ("http://a/?1&2&3&4", false),
            ("http://a/0123456789012345678901234567890123456789012345678901234567", false),
        ];
        for (url, expected) in table {
            assert_eq!(bounds.check(&url.parse().unwrap()).is_ok(), expected, "{url}");
        }
    }
}
