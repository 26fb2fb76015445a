//! What the library exports: curl's 100 names, each with the version that programs of Debian's ask for.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::library;

/// The dynamic symbols that a library defines, with their versions.
fn symbols(library: &Path) -> BTreeSet<String> {
    let listed = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output();
    let listed = listed.expect("nm runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout).expect("names");
    let names = text.lines().filter_map(|line| line.split_whitespace().nth(2));
    names.filter(|name| name.starts_with("curl_")).map(str::to_owned).collect()
}

fn listed() -> BTreeSet<String> {
    include_str!("../../exports").lines().map(str::to_owned).collect()
}

#[test]
fn each_name_has_the_version_of_debian() {
    let ours = symbols(&library::folder().join("libcurl.so.4"));
    let want: BTreeSet<_> = listed().iter().map(|name| format!("{name}@@CURL_OPENSSL_4")).collect();
    assert_eq!(ours, want);
    assert_eq!(ours.len(), 100);
}

#[test]
fn the_library_of_gnutls_has_its_own_version() {
    let folder = tempfile::tempdir().expect("a folder");
    library::link(&["--gnutls"], folder.path());
    let ours = symbols(&folder.path().join("libcurl-gnutls.so.4"));
    let want: BTreeSet<_> = listed().iter().map(|name| format!("{name}@@CURL_GNUTLS_3")).collect();
    assert_eq!(ours, want);
}

#[test]
fn whatever_debians_libcurl_exports_is_there() {
    let Some(theirs) = debians() else {
        eprintln!("skipped: no libcurl.so.4 is installed");
        return;
    };
    let ours = symbols(&library::folder().join("libcurl.so.4"));
    let missing: Vec<_> = symbols(&theirs).difference(&ours).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The system's own library.
fn debians() -> Option<std::path::PathBuf> {
    let machine = if cfg!(target_arch = "x86_64") { "x86_64" } else { "aarch64" };
    let path = format!("/usr/lib/{machine}-linux-gnu/libcurl.so.4");
    Some(path.into()).filter(|path: &std::path::PathBuf| path.exists())
}
