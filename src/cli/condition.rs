//! Conditions (RFC 9110, 13): bodies that are wanted only if they have changed.
//!
//! Knows the options and the files that keep entity tags. Must not know responses but for their
//! ETag. Invariant: a tag is saved only with its body: a file of `-C`, which is written in place,
//! has it from the beginning, any other when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args as Group;

use super::cookies::replace;
use super::values::Field;

/// Bytes of a file that has an entity tag.
const LARGEST: u64 = 16 * 1024;

#[derive(Debug, Group)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct ConditionArgs {
    /// Write the response's ETag to FILE; of one URL only
    #[arg(long, value_name = "FILE")]
    pub(crate) etag_save: Option<PathBuf>,

    /// Ask for the body only if it has another ETag than FILE says; of one URL only
    #[arg(long, value_name = "FILE", conflicts_with = "continue_at")]
    pub(crate) etag_compare: Option<PathBuf>,
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

    /// The strong validator of what an earlier run has begun, for `-C`.
    pub(crate) fn validator(&self) -> Result<Option<String>, String> {
        let saved = self.etag_save.as_deref().map(saved).transpose()?.flatten();
        Ok(saved.filter(|tag| tag.starts_with('"') && Field::new("If-Range", tag).check().is_ok()))
    }

    pub(crate) fn check(&self, one_url: bool) -> Result<(), String> {
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
    let text = fs::read_to_string(path).map_err(fail)?;
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
            let args = ConditionArgs { etag_save: Some(path.clone()), etag_compare: None };
            let strong = (!tag.starts_with('W')).then(|| tag.to_owned());
            assert_eq!(args.validator(), Ok(strong));
        }
        save(&path, None).expect("a file");
        assert_eq!(saved(&path), Ok(None));
        fs::write(&path, vec![b'"'; LARGEST as usize + 1]).expect("a file");
        assert!(saved(&path).is_err());
    }
}
