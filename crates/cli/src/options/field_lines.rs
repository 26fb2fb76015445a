//! `-H` and `--proxy-header`: a field, or the lines of a file.
//!
//! Knows lines, and that standard input can be one thing. Must not know whose the fields are. Invariant: a line that is
//! no field is an error that names it.

use std::io::{self, Read as _};
use std::str::FromStr;

use super::body::StandardInput;
use super::values::Field;

use crate::text::file;

/// What was typed.
#[derive(Debug, Clone)]
pub(crate) enum FieldLines {
    One(Field),
    /// Each line of this file, but empty ones.
    Of(String),
}

impl FromStr for FieldLines {
    type Err = String;

    fn from_str(text: &str) -> Result<FieldLines, String> {
        match text.strip_prefix('@') {
            Some(path) => Ok(FieldLines::Of(path.to_owned())),
            None => text.parse().map(FieldLines::One),
        }
    }
}

/// All of them, in order.
pub(crate) fn lines(
    given: &[FieldLines],
    option: &'static str,
    stdin: &mut StandardInput,
) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    for lines in given {
        match lines {
            FieldLines::One(field) => fields.push(field.clone()),
            FieldLines::Of(path) => {
                if path == "-" {
                    stdin.take(option)?;
                }
                let text =
                    read(path).map_err(|why| format!("cannot read {option} @{path}: {why}"))?;
                fields.extend(parse(&text).map_err(|why| format!("{option} @{path}: {why}"))?);
            }
        }
    }
    Ok(fields)
}

fn read(path: &str) -> io::Result<String> {
    if path != "-" {
        return file::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> Result<Vec<Field>, String> {
    // some editors begin a file with a byte order mark
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let field = |(number, line): (usize, &str)| {
        line.parse().map_err(|why: String| format!("line {number}: {why}"))
    };
    lines.map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_field() {
        let text = "\u{feff}A: b\r\n\r\nC;\nHost:\n\n";
        let want =
            [Field::new("A", "b"), Field::new("C", ""), Field { name: "Host".into(), value: None }];
        assert_eq!(parse(text).unwrap(), want);
        assert!(parse("A: b\n\nnone\n").unwrap_err().starts_with("line 3: "));
        assert!(parse("A: b\n# C: d\n").unwrap_err().starts_with("line 2: "));
    }
}
