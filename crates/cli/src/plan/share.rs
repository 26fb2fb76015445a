//! What a thread has of a run on several (`--threads`): the URLs of some hosts, and a part of what all have together.
//!
//! Knows which options go together with that. Must not know threads. Invariants: each URL is of one share, and all of a host
//! are of the same; what needs all transfers in one place is refused before anything begins.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use ringdove::protocol::Scheme;
use url::Url;

use crate::options::fetch::FetchArgs;
use crate::options::field_lines::FieldLines;
use crate::text::guess::with_scheme;

/// One of several parts of a run, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    number: usize,
    of: usize,
}

impl Share {
    pub(crate) const WHOLE: Share = Share { number: 0, of: 1 };

    pub(crate) fn all(of: usize) -> impl Iterator<Item = Share> {
        (0..of).map(move |number| Share { number, of })
    }

    pub(crate) fn is_whole(self) -> bool {
        self.of == 1
    }

    /// What is to be said once is said by this one.
    pub(crate) fn is_first(self) -> bool {
        self.number == 0
    }

    /// Its part of what all have together, which is at least one.
    pub(crate) fn part(self, all: usize) -> usize {
        (all / self.of + usize::from(self.number < all % self.of)).max(1)
    }

    /// Whether a URL is of this share, by its host. What is none has no host, and is of the first.
    pub(crate) fn has(self, text: &str, default: Option<Scheme>) -> bool {
        if self.is_whole() {
            return true;
        }
        let url = with_scheme(text, default).ok().and_then(|text| Url::parse(&text).ok());
        match url.as_ref().and_then(Url::host_str) {
            Some(host) => {
                let mut hasher = DefaultHasher::new();
                host.trim_end_matches('.').hash(&mut hasher);
                hasher.finish() % self.of as u64 == self.number as u64
            }
            None => self.is_first(),
        }
    }
}

/// Says in one line what stands against several threads, if they are asked for.
pub(crate) fn check(sets: &[FetchArgs]) -> Result<(), String> {
    let set = &sets[0];
    let threads = set.connection.threads;
    if threads == 1 {
        return Ok(());
    }
    if set.connection.connections < threads {
        return Err(format!("--threads {threads}: each needs a connection (--connections)"));
    }
    let politeness = &set.politeness;
    let in_one_place = [
        ("--next", sets.len() > 1),
        ("--fail-early", set.fail_early),
        ("-b, -c and --hsts", set.cookies.is_kept()),
        ("-C", set.range.continue_at.is_some()),
        ("-D", set.heads.dump_header.is_some()),
        ("--trace", set.trace.trace.is_some() || set.trace.trace_ascii.is_some()),
        ("--max-address-connections", politeness.max_address_connections.is_some()),
        ("--delay-per-address", politeness.delay_per_address.is_some()),
        ("--concurrency-per-address", politeness.concurrency_per_address.is_some()),
        ("--delay-per-domain", politeness.delay_per_domain.is_some()),
        ("--concurrency-per-domain", politeness.concurrency_per_domain.is_some()),
    ];
    if let Some((option, _)) = in_one_place.into_iter().find(|(_, is_given)| *is_given) {
        return Err(format!("--threads and {option} exclude each other"));
    }
    match read_by_each(set).into_iter().find(|path| !is_plain(path)) {
        Some(path) if path == Path::new("-") => {
            Err("--threads: standard input is read once, and not by each thread".to_owned())
        }
        Some(path) => Err(format!(
            "--threads: {} is read by each thread, and is no plain file",
            path.display()
        )),
        None => Ok(()),
    }
}

/// The files that options name to be read.
fn read_by_each(set: &FetchArgs) -> Vec<PathBuf> {
    let body = &set.body;
    let lines = [&set.request.field_lines, &set.proxy.proxy_header].into_iter().flatten();
    let lines = lines.filter_map(|lines| match lines {
        FieldLines::Of(path) => Some(path.into()),
        FieldLines::One(_) => None,
    });
    let query = body.url_query.iter().filter(|text| !text.contains('='));
    let query = query.filter_map(|text| Some(text.split_once('@')?.1.into()));
    let input = set.input.iter().cloned();
    let uploads = body.upload_file.iter().map(|file| match &**file {
        "." => "-".into(),
        file => file.into(),
    });
    let data = body.data.files().map(PathBuf::from);
    let forms = body.form.files().map(PathBuf::from);
    let format = set.write_out.write_out.iter().filter_map(|text| text.strip_prefix('@'));
    let named = [
        &set.credentials.netrc_file,
        &set.tls.cert,
        &set.tls.key,
        &set.connection.cacert,
        &set.proxy.proxy_cacert,
        &set.condition.etag_compare,
    ];
    let named = named.into_iter().flatten().cloned().chain(format.map(PathBuf::from));
    input.chain(lines).chain(query).chain(uploads).chain(data).chain(forms).chain(named).collect()
}

/// Whether it can be read again and again. What is not there is told of by who reads it.
fn is_plain(path: &Path) -> bool {
    path != Path::new("-") && fs::metadata(path).map_or(true, |there| there.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(text: &str, of: usize) -> usize {
        let mut shares = Share::all(of).filter(|share| share.has(text, None));
        let share = shares.next().expect("each URL is of one");
        assert_eq!(shares.next(), None, "{text}");
        share.number
    }

    #[test]
    fn all_urls_of_a_host_are_of_one_share() {
        let texts = ["http://a.test/", "https://A.test:8443/x?y", "a.test", "u:p@a.test./z"];
        let shares = texts.map(|text| share_of(text, 7));
        assert_eq!(shares, [shares[0]; 4]);
        let mut taken: Vec<_> =
            (0..100).map(|host| share_of(&format!("http://h{host}.test/"), 4)).collect();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken, [0, 1, 2, 3]);
        for none in ["", "http://", "http://[::1", "ftp.x.test", "/path", "http://a b/"] {
            assert_eq!(share_of(none, 3), 0, "{none}");
        }
        assert!(Share::WHOLE.has("", None));
    }

    #[test]
    fn parts_come_to_the_whole() {
        for all in [4, 5, 7, 64] {
            assert_eq!(Share::all(4).map(|share| share.part(all)).sum::<usize>(), all);
        }
        assert_eq!(Share::WHOLE.part(64), 64);
    }
}
