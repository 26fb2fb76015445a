//! Network interfaces by name.
//!
//! Knows if_nametoindex(3). Must not know what an interface is used for.

use std::ffi::CString;

/// The index of an interface, if there is one of this name.
pub fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` outlives the call, which reads it up to its NUL and keeps no pointer.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_an_index_and_nonsense_has_none() {
        assert!(index("lo").is_some());
        assert_eq!(index("no such interface"), None);
        assert_eq!(index("a\0b"), None);
    }
}
