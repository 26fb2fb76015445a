//! Randomness, for whoever is handed some.
//!
//! Knows getrandom(2). Must not know what it is for.

/// Random bytes, or `None` where the kernel gives none.
pub fn seed() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: `bytes` is ours and outlives the call, which writes at most so many and keeps no pointer.
    let given = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // so few come whole, whatever interrupts
    (usize::try_from(given) == Ok(bytes.len())).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_each_time() {
        let (first, second) = (seed().expect("a seed"), seed().expect("another"));
        assert_ne!(first, second);
    }
}
