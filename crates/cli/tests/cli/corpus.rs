//! Thousands of files of awkward sizes, every byte right.

use std::fs;
use std::path::Path;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::corpus::Corpus;
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};

const FILES: usize = 2000;

/// Fetches the corpus below `base` and compares; `prefix` is what its files' names begin with.
#[track_caller]
fn fetch_and_compare(corpus: &Corpus, base: &str, prefix: &str, driver: &str, ca: &Path) {
    let directory = tempfile::tempdir().expect("a directory");
    let urls: String = corpus.files().iter().map(|file| format!("{base}{}\n", file.path)).collect();
    let list = directory.path().join("urls");
    fs::write(&list, urls).expect("a list of URLs");
    let bodies = directory.path().join("bodies");
    Ringdove::fetch(["--connections", "64", "--driver", driver])
        .path("-i", &list)
        .path("--output-dir", &bodies)
        .path("--cacert", ca)
        .run()
        .exits(0)
        .says(&["done", &format!("{FILES} (2xx {FILES})")])
        .says(&["driver", driver]);
    for file in corpus.files() {
        let name = format!("{prefix},{}", file.path.replace('/', ","));
        let body = fs::read(bodies.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        file.check(&body).expect("every byte");
    }
    assert_eq!(fs::read_dir(&bodies).expect("a directory").count(), FILES, "and nothing else");
}

#[test]
fn plain_and_over_tls_on_every_driver() {
    let authority = Authority::new();
    let tls = Some(NginxTls::new(&authority.server()));
    let nginx = Nginx::start(NginxConfig { tls, ..NginxConfig::default() });
    let corpus = Corpus::new(11, FILES);
    corpus.write_to(nginx.docroot()).expect("a corpus");
    let ca = authority.ca_file();
    for driver in drivers() {
        let prefix = format!("http,127.0.0.1+{}", nginx.addr().port());
        fetch_and_compare(&corpus, &nginx.url("/"), &prefix, driver, &ca);
        let prefix = format!("https,localhost+{}", nginx.tls_addr().port());
        fetch_and_compare(&corpus, &nginx.tls_url("/"), &prefix, driver, &ca);
    }
}

#[test]
fn one_after_the_other_to_standard_output() {
    let nginx = Nginx::plain();
    let corpus = Corpus::new(12, 40);
    corpus.write_to(nginx.docroot()).expect("a corpus");
    let urls = corpus.files().iter().map(|file| nginx.url(&format!("/{}", file.path)));
    let ended = Ringdove::fetch(urls).run().exits(0);
    let want: Vec<u8> = corpus.files().iter().flat_map(|file| file.content()).collect();
    assert!(ended.stdout == want, "{} bytes, not {}", ended.stdout.len(), want.len());
}
