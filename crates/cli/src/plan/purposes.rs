//! What the files of a run are for: each for one thing, unless that is done before the other begins.
//!
//! Knows which options name files, and when these are read and written. Must not know bytes. Invariant: what one option
//! writes is not what another has written, or is yet to read; where both are one file nothing is begun, and nothing of it
//! is lost.

use std::path::{Path, PathBuf};

use crate::files::identity::Identity;
use crate::options::fetch::FetchArgs;

/// A file that an option has named.
#[derive(Debug)]
struct Purpose {
    option: &'static str,
    path: PathBuf,
    when: When,
}

/// When a file is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// It is read, before what is replaced is written, and maybe meanwhile.
    Read,
    /// It is emptied at the beginning.
    Emptied,
    /// It gets its bytes at the end, or under another name until then.
    Replaced,
}

/// Says which file is named for two things, in one of these sets or beside what lasts as long as all of them.
pub(crate) fn check(sets: &[FetchArgs]) -> Result<(), String> {
    let lasting: Vec<_> = sets.iter().flat_map(lasting).collect();
    for set in sets {
        let purposes = of_set(set);
        let all: Vec<_> = lasting.iter().chain(&purposes).collect();
        let identities: Vec<_> = all.iter().map(|one| Identity::all(&one.path)).collect();
        for (at, (one, names)) in all.iter().zip(&identities).enumerate() {
            let same = |at: &usize| names.iter().any(|name| identities[*at].contains(name));
            let mut others = (0..at).filter(|before| one.excludes(all[*before])).filter(same);
            if let Some(other) = others.next() {
                let path = one.path.display();
                let (first, second) = (all[other].option, one.option);
                return Err(format!(
                    "{path} is for two things, {first} and {second}: one of them would be lost"
                ));
            }
        }
    }
    Ok(())
}

/// The files that are written as long as any of these sets has transfers, or at the end.
pub(crate) fn lasting_files(sets: &[FetchArgs]) -> Vec<(&'static str, PathBuf)> {
    sets.iter().flat_map(lasting).map(|one| (one.option, one.path)).collect()
}

/// The files that a set's other options have written, but for bodies.
pub(crate) fn files_of_set(set: &FetchArgs) -> Vec<(&'static str, PathBuf)> {
    let written =
        of_set(set).into_iter().filter(|one| one.when != When::Read && one.option != "-o");
    written.map(|one| (one.option, one.path)).collect()
}

impl Purpose {
    /// Whether both cannot be one file.
    fn excludes(&self, other: &Purpose) -> bool {
        match (self.when, other.when) {
            _ if self.option == other.option => false,
            (When::Read, When::Read | When::Replaced) | (When::Replaced, When::Read) => false,
            (When::Read, When::Emptied) | (When::Emptied | When::Replaced, _) => true,
        }
    }
}

/// What is written by the whole run, or at its end.
fn lasting(set: &FetchArgs) -> Vec<Purpose> {
    let emptied = [
        ("--stderr", &set.stderr),
        ("--trace", &set.trace.trace),
        ("--trace-ascii", &set.trace.trace_ascii),
    ];
    let emptied = emptied.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)));
    let emptied = emptied.filter(|(_, path)| *path != Path::new("%"));
    purposes(When::Emptied, emptied)
        .chain(purposes(When::Replaced, set.cookies.written()))
        .collect()
}

/// What is read and written while this set's transfers run.
fn of_set(set: &FetchArgs) -> Vec<Purpose> {
    let output = &set.output;
    let bodies = output.output.iter().map(|path| match &output.output_dir {
        Some(directory) if path != Path::new("-") => ("-o", directory.join(path)),
        Some(_) | None => ("-o", path.clone()),
    });
    let tag = set.condition.etag_save.iter().map(|path| ("--etag-save", path.clone()));
    let heads = set.heads.dump_header.iter().map(|path| ("-D", path.clone()));
    let written = purposes(When::Replaced, bodies.chain(tag));
    let emptied = purposes(When::Emptied, heads);
    let lists = set.input.iter().map(|path| ("-i", path.clone()));
    let configs = set.config.iter().map(|path| ("-K", path.clone()));
    let tags = set.condition.etag_compare.iter().map(|path| ("--etag-compare", path.clone()));
    let sent = [
        named("-b", set.cookies.files()),
        named("-d", set.body.data.files()),
        named("-F", set.body.form.files()),
        named("-T", set.body.upload_file.iter()),
    ];
    let read =
        purposes(When::Read, lists.chain(configs).chain(tags).chain(sent.into_iter().flatten()));
    written.chain(emptied).chain(read).collect()
}

fn named(
    option: &'static str,
    files: impl Iterator<Item = impl Into<PathBuf>>,
) -> Vec<(&'static str, PathBuf)> {
    files.map(|file| (option, file.into())).collect()
}

/// Files that are no standard stream, with when they are touched.
fn purposes(
    when: When,
    files: impl Iterator<Item = (&'static str, impl Into<PathBuf>)>,
) -> impl Iterator<Item = Purpose> {
    let files = files.map(move |(option, path)| Purpose { option, path: path.into(), when });
    files.filter(|one| one.path != Path::new("-") && one.path != Path::new(""))
}
