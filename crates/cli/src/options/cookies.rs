//! What is kept from one run to the next: cookies (`-b`, `-c`, `-j`) and hosts that want TLS (`--hsts`).
//!
//! Knows the options and their files. Must not know which cookies go where. Invariant: a file is
//! replaced whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args as Group;
use ringdove::Options;
use ringdove::protocol::{CookieJar, Date, Hsts};
use ringdove::sys::clock;

use super::body::StandardInput;
use super::values::Field;
use crate::files::aside::{try_replace, without_file_aside};
use crate::text::file;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Cookies")]
pub(crate) struct CookieArgs {
    /// Send these cookies (`name=value; …`), or, without a `=` in it, take those of a file in the
    /// Netscape format, or of Set-Cookie lines that say for which domain (- for standard input), and go on with
    /// what servers set
    #[arg(short = 'b', long = "cookie", value_name = "DATA|FILE", allow_hyphen_values = true)]
    cookie: Vec<String>,

    /// Keep the cookies that servers set, and write all to FILE at the end (- for standard output)
    #[arg(long, value_name = "FILE")]
    cookie_jar: Option<PathBuf>,

    /// Throw away cookies of -b's files that would end with their session
    #[arg(short, long)]
    junk_session_cookies: bool,

    /// Ask the hosts in FILE over TLS only, add those that say so, and write FILE at the end; with '' as
    /// FILE there is none
    #[arg(long, value_name = "FILE")]
    hsts: Option<OsString>,
}

/// What all sets of options have together.
pub(crate) struct Shared {
    cookies: CookieJar,
    hsts: Hsts,
    pub(crate) stdin: StandardInput,
    /// What options have written as long as any set has transfers, or at the end.
    pub(crate) lasting: Vec<(&'static str, PathBuf)>,
}

impl Shared {
    /// Nothing yet, but what standard input and these files are for already.
    pub(crate) fn new(stdin: StandardInput, lasting: Vec<(&'static str, PathBuf)>) -> Shared {
        Shared { cookies: CookieJar::new(), hsts: Hsts::new(), stdin, lasting }
    }
}

/// What a run begins with, and where it goes at the end.
pub(crate) struct Kept {
    cookies: Option<CookieJar>,
    hsts: Option<Hsts>,
    cookie_file: Option<PathBuf>,
    hsts_file: Option<PathBuf>,
}

impl CookieArgs {
    /// -c with the name of a file.
    pub(crate) fn set_jar(&mut self, file: PathBuf) {
        self.cookie_jar = Some(file);
    }

    /// The files that are written at the end, with their options.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let hsts = self.hsts.as_deref().filter(|path| !path.is_empty()).map(Path::new);
        let files = [("-c", self.cookie_jar.as_deref()), ("--hsts", hsts)];
        files.into_iter().filter_map(|(option, path)| Some((option, path?)))
    }

    /// Whether what servers say is kept.
    pub(crate) fn is_kept(&self) -> bool {
        let written = self.written().next().is_some();
        written || self.hsts.is_some() || self.files().next().is_some()
    }

    /// The files of `-b`.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.cookie.iter().filter(|text| !text.contains('=')).map(String::as_str)
    }

    /// The Cookie field that was given in words, unless it was given by `-H`.
    pub(crate) fn field(&self, others: &[Field]) -> Option<Field> {
        if others.iter().any(|field| field.name.eq_ignore_ascii_case("cookie")) {
            return None;
        }
        let given: Vec<_> = self.cookie.iter().filter(|text| text.contains('=')).cloned().collect();
        (!given.is_empty()).then(|| Field::new("Cookie", &given.join("; ")))
    }

    /// Reads the files.
    pub(crate) fn read(self, shared: &mut Shared) -> Result<Kept, String> {
        let now = today();
        self.written().try_for_each(|(option, path)| try_replace(option, path))?;
        let keeps = self.cookie_jar.is_some() || self.files().next().is_some();
        let cookies = keeps.then(|| shared.cookies.clone());
        for name in self.files() {
            if name == "-" {
                shared.stdin.take("-b")?;
            }
            let text = read(name).map_err(|error| format!("cannot read -b {name}: {error}"))?;
            if let Some(jar) = &cookies {
                jar.read_netscape(&text, now);
            }
        }
        if let (Some(jar), true) = (&cookies, self.junk_session_cookies) {
            jar.end_session();
        }
        let hsts_file = self.hsts.map(PathBuf::from);
        let hsts = hsts_file.as_deref().map(|path| hsts(path, &shared.hsts, now)).transpose()?;
        let hsts_file = hsts_file.filter(|path| !path.as_os_str().is_empty());
        Ok(Kept { cookies, hsts, cookie_file: self.cookie_jar, hsts_file })
    }
}

impl Kept {
    pub(crate) fn apply(&self, options: &mut Options) {
        (options.cookies, options.hsts) = (self.cookies.clone(), self.hsts.clone());
    }

    /// Writes the files, and says what could not be written.
    pub(crate) fn write(&self) -> Vec<String> {
        let now = today();
        let mut failures = Vec::new();
        let mut note = |option: &str, path: &Path, result: io::Result<()>| {
            if let Err(error) = result {
                failures.push(format!("cannot write {option} {}: {error}", path.display()));
            }
        };
        if let (Some(jar), Some(path)) = (&self.cookies, &self.cookie_file) {
            note("-c", path, replace(path, &jar.to_netscape(now)));
        }
        if let (Some(hsts), Some(path)) = (&self.hsts, &self.hsts_file) {
            note("--hsts", path, replace(path, hsts.to_file(now).as_bytes()));
        }
        failures
    }
}

fn today() -> Date {
    Date::from_unix(clock::unix())
}

/// The cookies of a file that is not there are none, as curl has it.
fn read(name: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match name {
        "" => {}
        "-" => _ = io::stdin().read_to_end(&mut text)?,
        name => match file::read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => text = read?,
        },
    }
    Ok(text)
}

fn hsts(path: &Path, hsts: &Hsts, now: Date) -> Result<Hsts, String> {
    match file::read_to_string(path) {
        _ if path.as_os_str().is_empty() => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot read --hsts {}: {error}", path.display())),
        Ok(text) => _ = hsts.read_file(&text, now),
    }
    Ok(hsts.clone())
}

/// Into a file aside, for its owner alone, that then takes the place of the one before.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        return io::stdout().write_all(text);
    }
    // a pipe or a device cannot be replaced
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, text);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut aside = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .map_err(without_file_aside)?;
    aside.write_all(text)?;
    aside.persist(path).map(drop).map_err(|error| error.error)
}
