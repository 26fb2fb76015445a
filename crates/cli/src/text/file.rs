//! Files that are read whole: logins, cookies, keys, formats. One that has no end is told of.
//!
//! Must not know what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes: more than any of these has that people or programs write.
const LARGEST: u64 = 64 * 1024 * 1024;

pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    whole(File::open(path)?)
}

pub(crate) fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read(path)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no UTF-8"))
}

fn whole(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("it has more than {LARGEST} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_an_error() {
        assert_eq!(whole(io::repeat(0).take(LARGEST)).unwrap().len() as u64, LARGEST);
        let error = whole(io::repeat(0)).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 67108864 bytes");
    }
}
