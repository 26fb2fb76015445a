//! Conditions (RFC 9110, 13): bodies that are wanted only if they have changed.
//!
//! Knows the options and the files that keep entity tags. Must not know responses but for their
//! ETag and date. Invariant: a tag is saved only with its body: a file of `-C`, which is written in place,
//! has it from the beginning, any other when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::Args as Group;
use ringdove::protocol::{Date, ResponseHead};

use super::cookies::replace;
use super::values::Field;
use crate::files::aside::try_replace;
use crate::text::date;
use crate::text::file;

/// Bytes of a file that has an entity tag.
const LARGEST: u64 = 16 * 1024;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct ConditionArgs {
    /// Write the response's ETag to FILE; of one URL only
    #[arg(long, value_name = "FILE")]
    pub(crate) etag_save: Option<PathBuf>,

    /// Ask for the body only if it has another ETag than FILE says; of one URL only
    #[arg(long, value_name = "FILE", conflicts_with = "continue_at")]
    pub(crate) etag_compare: Option<PathBuf>,

    /// Ask for the body only if it has changed since DATE, or since the file of that name has; with a -
    /// before it, only if it has not
    #[arg(
        short = 'z',
        long,
        value_name = "DATE|FILE",
        allow_hyphen_values = true,
        conflicts_with = "continue_at"
    )]
    time_cond: Option<GivenTime>,
}

/// What -z was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum GivenTime {
    Condition(TimeCondition),
    /// Neither a date nor a file that is there: for curl no reason not to ask.
    Nothing(String),
}

/// Of which dates a body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeCondition {
    /// Later than this.
    ModifiedSince(Date),
    /// Not later.
    UnmodifiedSince(Date),
}

impl FromStr for GivenTime {
    type Err = String;

    fn from_str(text: &str) -> Result<GivenTime, String> {
        let given = text;
        let (condition, text): (fn(Date) -> TimeCondition, &str) = match text.split_at_checked(1) {
            Some(("-", rest)) => (TimeCondition::UnmodifiedSince, rest),
            Some(("+", rest)) => (TimeCondition::ModifiedSince, rest),
            _ => (TimeCondition::ModifiedSince, text),
        };
        let Some(date) = date::parse(text).or_else(|| modified(Path::new(text)).ok()) else {
            return Ok(GivenTime::Nothing(given.to_owned()));
        };
        match (0..=Date::LAST.unix()).contains(&date.unix()) {
            true => Ok(GivenTime::Condition(condition(date))),
            false => Err("a date before 1970 or after 9999".to_owned()),
        }
    }
}

impl TimeCondition {
    fn field(self) -> Field {
        let (name, date) = match self {
            TimeCondition::ModifiedSince(date) => ("If-Modified-Since", date),
            TimeCondition::UnmodifiedSince(date) => ("If-Unmodified-Since", date),
        };
        let since_1970 = Duration::from_secs(date.unix().unsigned_abs());
        Field::new(name, &httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_1970))
    }

    /// Whether the whole that a response brings is wanted, as far as it says: not all servers heed the
    /// field.
    pub(crate) fn is_met(self, head: &ResponseHead<'_>) -> bool {
        if head.status() != 200 {
            return true;
        }
        let modified = head.field("last-modified").and_then(|value| Date::parse(&value));
        match (self, modified) {
            (_, None) => true,
            (TimeCondition::ModifiedSince(date), Some(modified)) => modified > date,
            (TimeCondition::UnmodifiedSince(date), Some(modified)) => modified <= date,
        }
    }
}

/// When a file was changed last.
fn modified(path: &Path) -> io::Result<Date> {
    let time = fs::metadata(path)?.modified()?;
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(_) => -1,
    };
    Ok(Date::from_unix(seconds))
}

impl ConditionArgs {
    /// The field that says the condition.
    pub(crate) fn field(&self) -> Result<Option<Field>, String> {
        let Some(path) = &self.etag_compare else { return Ok(None) };
        // as curl has it: a tag that nothing has, where none was saved
        let tag = saved(path)?.unwrap_or_else(|| "\"\"".to_owned());
        let field = Field::new("If-None-Match", &tag);
        match field.check() {
            Ok(()) => Ok(Some(field)),
            Err(error) => Err(format!("--etag-compare {}: {error}", path.display())),
        }
    }

    /// The field that says by which date, unless it was given by `-H`.
    pub(crate) fn date_field(&self, given: &[Field]) -> Option<Field> {
        let field = self.time()?.field();
        let is_given = given.iter().any(|given| given.name.eq_ignore_ascii_case(&field.name));
        (!is_given).then_some(field)
    }

    pub(crate) fn time(&self) -> Option<TimeCondition> {
        match self.time_cond {
            Some(GivenTime::Condition(condition)) => Some(condition),
            Some(GivenTime::Nothing(_)) | None => None,
        }
    }

    /// Why nothing is asked of the date, though it was to be.
    pub(crate) fn warning(&self) -> Option<String> {
        match &self.time_cond {
            Some(GivenTime::Nothing(given)) => Some(format!(
                "-z {given}: neither a date nor a file that is there; the body is asked for whatever its date"
            )),
            Some(GivenTime::Condition(_)) | None => None,
        }
    }

    /// The strong validator of what an earlier run has begun, for `-C`.
    pub(crate) fn validator(&self) -> Result<Option<String>, String> {
        let saved = self.etag_save.as_deref().map(saved).transpose()?.flatten();
        Ok(saved.filter(|tag| tag.starts_with('"') && Field::new("If-Range", tag).check().is_ok()))
    }

    pub(crate) fn check(&self, one_url: bool) -> Result<(), String> {
        if let Some(path) = &self.etag_save {
            try_replace("--etag-save", path)?;
        }
        match self.etag_save.is_some() || self.etag_compare.is_some() {
            true if !one_url => Err("--etag-save and --etag-compare are for one URL".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The tag in a file; none if the file is not there or has none.
fn saved(path: &Path) -> Result<Option<String>, String> {
    let fail = |error: io::Error| format!("cannot read the ETag in {}: {error}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
        Ok(metadata) if metadata.len() > LARGEST => {
            return Err(fail(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => {}
    }
    let text = file::read_to_string(path).map_err(fail)?;
    let tag = text.lines().next().unwrap_or_default().trim();
    Ok((!tag.is_empty()).then(|| tag.to_owned()))
}

/// Writes a tag to its file, or that there is none.
pub(crate) fn save(path: &Path, tag: Option<&[u8]>) -> io::Result<()> {
    let mut line = tag.unwrap_or_default().to_vec();
    if !line.is_empty() {
        line.push(b'\n');
    }
    replace(path, &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were_saved() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tag");
        assert_eq!(saved(&path), Ok(None));
        for tag in ["\"a\"", "W/\"b\"", "\"\u{e4}\""] {
            save(&path, Some(tag.as_bytes())).expect("a file");
            assert_eq!(saved(&path), Ok(Some(tag.to_owned())));
            let etag_save = Some(path.clone());
            let args = ConditionArgs { etag_save, etag_compare: None, time_cond: None };
            let strong = (!tag.starts_with('W')).then(|| tag.to_owned());
            assert_eq!(args.validator(), Ok(strong));
        }
        save(&path, None).expect("a file");
        assert_eq!(saved(&path), Ok(None));
        fs::write(&path, vec![b'"'; LARGEST as usize + 1]).expect("a file");
        assert!(saved(&path).is_err());
    }

    #[test]
    fn dates_are_typed_or_those_of_files() {
        let at = |unix| Date::from_unix(unix);
        let since = |date| GivenTime::Condition(TimeCondition::ModifiedSince(date));
        let until = |date| GivenTime::Condition(TimeCondition::UnmodifiedSince(date));
        let nothing = |text: &str| GivenTime::Nothing(text.to_owned());
        let table = [
            ("6 Nov 1994", Ok(since(at(784_080_000)))),
            ("+6 Nov 1994", Ok(since(at(784_080_000)))),
            ("-6 Nov 1994", Ok(until(at(784_080_000)))),
            ("-19941106", Ok(until(at(784_080_000)))),
            ("", Ok(nothing(""))),
            ("-", Ok(nothing("-"))),
            ("-/no/such/file", Ok(nothing("-/no/such/file"))),
            ("31 Dec 1969", Err(())),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<GivenTime>().map_err(drop), want, "{text}");
        }
        let field = TimeCondition::ModifiedSince(at(784_111_777)).field();
        assert_eq!(field, Field::new("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        file.as_file().set_modified(time).expect("a date");
        let path = file.path().display().to_string();
        assert_eq!(path.parse(), Ok(since(at(784_111_777))));
        assert_eq!(format!("-{path}").parse(), Ok(until(at(784_111_777))));
    }
}
