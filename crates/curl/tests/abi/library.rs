//! The shared library, linked once per process from the static one that cargo has built beside this test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The folder that has `libcurl.so.4`: what LD_LIBRARY_PATH says.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libcurl");
        link(&[], &folder);
        folder
    })
}

/// Links the library as `scripts/libcurl` does.
pub(crate) fn link(options: &[&str], folder: &Path) {
    let script = root().join("scripts/libcurl");
    let linked = Command::new(script)
        .args(options)
        .arg("--archive")
        .arg(archive())
        .arg(folder)
        .output()
        .expect("bash runs");
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
}

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).expect("two folders up")
}

/// The static library that this test was built with: the newest of its name.
fn archive() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let beside = fs::read_dir(own.parent().expect("a folder")).expect("readable");
    let is_archive = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libringdove_curl") && name.ends_with(".a")
    };
    let written = |path: &PathBuf| {
        let written = fs::metadata(path).and_then(|file| file.modified());
        written.unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let archives = beside.filter_map(|entry| Some(entry.ok()?.path())).filter(is_archive);
    archives.max_by_key(written).expect("cargo builds the archive with the library")
}
