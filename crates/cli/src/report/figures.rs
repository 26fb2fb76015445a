//! Times and error numbers, as people read them.

use ringdove::sys::Errno;

/// Three digits or so, with a unit.
pub(crate) fn time_text(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        1..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

/// As in errno(3).
pub(crate) fn errno_name(errno: i32) -> String {
    Errno(errno).name().map_or_else(|| errno.to_string(), str::to_owned)
}
