//! Parts of bodies: ranges (`-r`), and what is gone on with (`-C`).
//!
//! Knows the options. Must not know what a response means, nor files.

use std::str::FromStr;

use clap::Args as Group;

use super::body::BodyArgs;
use super::values::Field;
use crate::files::rest::Offset;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Parts of bodies")]
pub(crate) struct RangeArgs {
    /// Ask for these bytes: FIRST-LAST, FIRST- or -COUNT, and more after commas, which come as
    /// multipart/byteranges
    #[arg(short, long, value_name = "RANGE", allow_hyphen_values = true)]
    pub(crate) range: Option<Ranges>,

    /// Go on with a file from byte OFFSET on; - for as many bytes as it has. With -T it is what is sent
    #[arg(
        short = 'C',
        long,
        value_name = "OFFSET",
        allow_hyphen_values = true,
        conflicts_with_all = ["range", "head", "include", "compressed", "raw"],
    )]
    pub(crate) continue_at: Option<Offset>,
}

/// What Range says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranges(String);

impl RangeArgs {
    /// Where an upload is gone on with; what is received is not, then.
    pub(crate) fn offset_of_upload(&mut self, body: &BodyArgs) -> Option<Offset> {
        match body.upload_file.is_empty() {
            true => None,
            false => self.continue_at.take(),
        }
    }

    /// The field that asks for ranges, unless it was given by `-H`.
    pub(crate) fn field(&self, given: &[Field]) -> Option<Field> {
        let has_range = given.iter().any(|field| field.name.eq_ignore_ascii_case("range"));
        let Ranges(ranges) = self.range.as_ref().filter(|_| !has_range)?;
        Some(Field::new("Range", &format!("bytes={ranges}")))
    }
}

impl FromStr for Ranges {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges: Vec<_> = text.split(',').map(|range| one_range(range.trim())).collect();
        let malformed = "not of the form FIRST-LAST, FIRST- or -COUNT";
        let ranges = ranges.into_iter().collect::<Option<Vec<_>>>().ok_or(malformed)?;
        Ok(Ranges(ranges.join(",")))
    }
}

fn one_range(text: &str) -> Option<String> {
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    match text.split_once('-') {
        // as curl has it
        None => number(text).map(|first| format!("{first}-")),
        Some(("", count)) => number(count).map(|count| format!("-{count}")),
        Some((first, "")) => number(first).map(|first| format!("{first}-")),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| format!("{first}-{last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let good = [("0-9", "0-9"), ("5-", "5-"), ("-5", "-5"), ("5", "5-"), ("0-1, -2", "0-1,-2")];
        for (text, want) in good {
            assert_eq!(text.parse(), Ok(Ranges(want.to_owned())), "{text}");
        }
        for text in ["", "-", "x", "9-5", "0-1,", "1-2-3", "+1-2", "bytes=0-1", "0-1\r\nA: b"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}
