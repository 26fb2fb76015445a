//! What this process holds open: files and threads, to show that a test gave all of it back.
//!
//! Both counts belong to the process, so a test that takes them runs in one of its own
//! ([`super::isolated`]).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::eventually;

/// Open files and running threads at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// What each open descriptor is (`socket:[123]`, a path, `anon_inode:[io_uring]`), by number.
    pub fds: BTreeMap<u32, String>,
    /// The name of each thread, by its id. Threads that io_uring started (`iou-wrk-…`, `iou-sqp-…`)
    /// are listed too.
    pub threads: BTreeMap<u32, String>,
}

impl Census {
    /// Counts now.
    pub fn take() -> Census {
        Census {
            fds: entries("/proc/self/fd", |path| {
                fs::read_link(path).ok().map(|target| target.to_string_lossy().into_owned())
            }),
            threads: entries("/proc/self/task", |path| {
                let name = fs::read_to_string(format!("{path}/comm")).ok()?;
                Some(name.trim_end().to_owned())
            }),
        }
    }

    /// Waits until nothing is open or running that this census does not have, and panics with a
    /// list of what is left when that has not come about `within` the given time.
    #[track_caller]
    pub fn assert_restored(&self, within: Duration) {
        self.assert_restored_but_for(&[], within);
    }

    /// As [`assert_restored`](Self::assert_restored), but for threads whose names begin in one of these ways.
    #[track_caller]
    pub fn assert_restored_but_for(&self, threads: &[&str], within: Duration) {
        let mut left = Vec::new();
        eventually(within, || {
            left = self.added_but_for(threads);
            left.is_empty()
        });
        assert!(left.is_empty(), "not given back:\n  {}", left.join("\n  "));
    }

    /// Everything that is there now and was not, or was something else, in this census.
    pub fn added_since(&self) -> Vec<String> {
        self.added_but_for(&[])
    }

    fn added_but_for(&self, threads: &[&str]) -> Vec<String> {
        let is_spared = |name: &str| threads.iter().any(|spared| name.starts_with(spared));
        let now = Census::take();
        let fds = now.fds.iter().filter(|(fd, target)| self.fds.get(fd) != Some(target));
        let is_new =
            |(id, name): &(&u32, &String)| !self.threads.contains_key(id) && !is_spared(name);
        let threads = now.threads.iter().filter(is_new);
        fds.map(|(fd, target)| format!("fd {fd}: {target}"))
            .chain(threads.map(|(id, name)| format!("thread {id}: {name}")))
            .collect()
    }
}

/// Reads a /proc directory of numbered entries. What vanishes meanwhile, the descriptor that
/// lists the directory among it, is passed over.
fn entries(dir: &str, read: impl Fn(&str) -> Option<String>) -> BTreeMap<u32, String> {
    let numbers: Vec<u32> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("cannot list {dir}: {error}"))
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.into_iter().filter_map(|n| Some((n, read(&format!("{dir}/{n}"))?))).collect()
}
