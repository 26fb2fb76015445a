//! Files of awkward sizes whose every byte follows from a seed, and the check that they arrived.
//!
//! Content is made when asked for, never kept: a corpus of thousands of files is a seed and a list
//! of sizes.

use std::fs;
use std::io;
use std::path::Path;

/// Around nothing, the page, the two-page buffer, the TLS record and the 16-bit count.
const SIZES: [usize; 15] =
    [0, 1, 2, 100, 4095, 4096, 4097, 8191, 8192, 8193, 16_383, 16_384, 16_385, 65_535, 65_537];

/// Every twentieth file is this big: larger than a socket buffer takes at once.
const LARGE: usize = 200_000;

/// A list of files, the same on every machine for the same seed and count.
#[derive(Clone, Debug)]
pub struct Corpus {
    files: Vec<File>,
}

/// One file of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is, relative to the docroot, as a path of a URL: no leading slash, nothing to escape.
    pub path: String,
    /// Its length in bytes.
    pub size: usize,
    seed: u64,
}

impl Corpus {
    /// `count` files; all awkward sizes are there from twenty on.
    pub fn new(seed: u64, count: usize) -> Corpus {
        let file = |index: usize| {
            let size = if index % 20 == 19 { LARGE } else { SIZES[index % 20 % SIZES.len()] };
            File {
                path: format!("d{}/{index:05}-{size}.bin", index % 10),
                size,
                seed: SplitMix64(seed ^ index as u64).next(),
            }
        };
        Corpus { files: (0..count).map(file).collect() }
    }

    /// The files, in order.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The length of all files together, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size as u64).sum()
    }

    /// Writes all files below `docroot`.
    pub fn write_to(&self, docroot: &Path) -> io::Result<()> {
        for file in &self.files {
            let target = docroot.join(&file.path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(target, file.content())?;
        }
        Ok(())
    }

    /// Reads every file back from below `dir`; the first that is missing or wrong is the error.
    pub fn check_dir(&self, dir: &Path) -> Result<(), String> {
        for file in &self.files {
            let path = dir.join(&file.path);
            let got = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            file.check(&got)?;
        }
        Ok(())
    }
}

impl File {
    /// The bytes that the file has.
    pub fn content(&self) -> Vec<u8> {
        let mut generator = SplitMix64(self.seed);
        let mut bytes = Vec::with_capacity(self.size + 8);
        while bytes.len() < self.size {
            bytes.extend_from_slice(&generator.next().to_le_bytes());
        }
        bytes.truncate(self.size);
        bytes
    }

    /// Compares what arrived with what the file has; the error says where they part.
    pub fn check(&self, got: &[u8]) -> Result<(), String> {
        let want = self.content();
        let differs = want.iter().zip(got).position(|(want, got)| want != got);
        match differs {
            Some(at) => Err(format!(
                "{}: byte {at} of {} is {:#04x}, not {:#04x}",
                self.path, self.size, got[at], want[at]
            )),
            None if got.len() != want.len() => {
                Err(format!("{}: {} bytes instead of {}", self.path, got.len(), self.size))
            }
            None => Ok(()),
        }
    }
}

/// The splitmix64 generator: eight bytes for each state, and any seed, zero among them, is good.
#[derive(Clone, Debug)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "endless, so no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
