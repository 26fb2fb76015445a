//! multipart/form-data (RFC 7578) from curl's `-F` and `--form-string`.
//!
//! Knows the syntax of a part and its bytes on the wire. Must not know who sends them. Invariants:
//! no name, file name, type or field can begin a line of its own; files are named here and opened
//! when they are sent.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::values::Field;
use crate::files::source::Piece;
use crate::text::file;

/// A form in the making.
pub struct Form {
    boundary: String,
    /// Names have backslashes before what would end them, and not percent signs (curl's `--form-escape`).
    backslashes: bool,
    pieces: Vec<Piece>,
}

/// What stands behind a part's content.
#[derive(Debug, Default, PartialEq, Eq)]
struct Attributes {
    content_type: Option<String>,
    file_name: Option<String>,
    fields: Vec<Field>,
}

impl Form {
    /// An empty form, with a boundary that nobody can foresee and put into a part.
    pub fn new(backslashes: bool) -> Form {
        let (one, other) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        Form {
            boundary: format!("------------------------{one:016x}{other:016x}"),
            backslashes,
            pieces: Vec::new(),
        }
    }

    /// The media type, with the boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Adds what -F says. `take_stdin` is called where that is standard input.
    pub fn add(
        &mut self,
        text: &str,
        mut take_stdin: impl FnMut() -> Result<(), String>,
    ) -> Result<(), String> {
        let (name, rest) = split_name(text)?;
        match rest.chars().next() {
            Some('@') => {
                let mut rest = rest;
                while !rest.is_empty() {
                    // past the @ or the comma
                    let (path, attributes, after) = part(&rest[1..], Some(','))?;
                    let base = Path::new(&path).file_name().unwrap_or_default();
                    let base = base.to_string_lossy().into_owned();
                    let file_name = attributes.file_name.clone().unwrap_or(base);
                    let guessed = guess(&file_name).or_else(|| guess(&path));
                    let guessed = guessed.unwrap_or("application/octet-stream");
                    let file = open(&path, &mut take_stdin)?;
                    self.push(name, Some(&file_name), Some(guessed), &attributes, file);
                    rest = after;
                }
            }
            Some('<') => {
                let (path, attributes, _) = part(&rest[1..], None)?;
                let file = open(&path, &mut take_stdin)?;
                let file_name = attributes.file_name.as_deref();
                self.push(name, file_name, None, &attributes, file);
            }
            Some('(') => return Err("parts within parts are not supported".to_owned()),
            _ => {
                let (content, attributes, _) = part(rest, None)?;
                let file_name = attributes.file_name.as_deref();
                self.push(name, file_name, None, &attributes, Piece::Memory(content.into_bytes()));
            }
        }
        Ok(())
    }

    /// The files whose bytes -F has sent, as far as it can be read.
    pub(crate) fn files(text: &str) -> Vec<String> {
        let Ok((_, mut rest)) = split_name(text) else { return Vec::new() };
        let end = match rest.chars().next() {
            Some('@') => Some(','),
            Some('<') => None,
            Some(_) | None => return Vec::new(),
        };
        let mut files = Vec::new();
        while let Some(more) = rest.get(1..)
            && let Ok((path, _, after)) = part(more, end)
        {
            files.push(path);
            rest = after;
        }
        files
    }

    /// Adds what --form-string says.
    pub(crate) fn add_text(&mut self, text: &str) -> Result<(), String> {
        let (name, text) = split_name(text)?;
        self.push(name, None, None, &Attributes::default(), Piece::Memory(text.into()));
        Ok(())
    }

    /// All of it, on the wire.
    pub fn into_pieces(mut self) -> Arc<[Piece]> {
        self.write(&format!("--{}--\r\n", self.boundary));
        self.pieces.into()
    }

    fn push(
        &mut self,
        name: &str,
        file_name: Option<&str>,
        guessed: Option<&str>,
        attributes: &Attributes,
        content: Piece,
    ) {
        let name = self.escaped(name);
        let mut head =
            format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"", self.boundary);
        if let Some(file_name) = file_name {
            head += &format!("; filename=\"{}\"", self.escaped(file_name));
        }
        head += "\r\n";
        let fields = &attributes.fields;
        let given = fields.iter().any(|field| field.name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = attributes.content_type.as_deref().or(guessed)
            && !given
        {
            head += &format!("Content-Type: {content_type}\r\n");
        }
        for field in fields {
            let value = field.value.as_deref().unwrap_or_default();
            head += &format!("{}: {value}\r\n", field.name);
        }
        self.write(&(head + "\r\n"));
        match content {
            Piece::Memory(bytes) => self.last().extend(bytes),
            file => self.pieces.push(file),
        }
        self.write("\r\n");
    }

    /// A name in quotation marks, as browsers have it (RFC 7578, 5.1; the HTML standard, 4.10.22.8), or by backslashes.
    /// What would begin a line is percent-encoded either way.
    fn escaped(&self, name: &str) -> String {
        let mut escaped = String::with_capacity(name.len());
        for char in name.chars() {
            match char {
                '"' | '\\' if self.backslashes => escaped.extend(['\\', char]),
                '"' | '\0'..='\x1f' | '\x7f' => escaped += &format!("%{:02X}", char as u32),
                char => escaped.push(char),
            }
        }
        escaped
    }

    fn write(&mut self, text: &str) {
        self.last().extend_from_slice(text.as_bytes());
    }

    /// What is in memory and comes last.
    fn last(&mut self) -> &mut Vec<u8> {
        if !matches!(self.pieces.last(), Some(Piece::Memory(_))) {
            self.pieces.push(Piece::Memory(Vec::new()));
        }
        match self.pieces.last_mut() {
            Some(Piece::Memory(bytes)) => bytes,
            _ => unreachable!("it was pushed"),
        }
    }
}

fn split_name(text: &str) -> Result<(&str, &str), String> {
    text.split_once('=').ok_or_else(|| "not of the form NAME=CONTENT".to_owned())
}

/// A file's bytes. What is no regular file can be read once, and so is read now.
fn open(path: &str, take_stdin: &mut impl FnMut() -> Result<(), String>) -> Result<Piece, String> {
    let unreadable = |error: io::Error| format!("cannot read {path}: {error}");
    let mut bytes = Vec::new();
    if path == "-" {
        take_stdin()?;
        io::stdin().read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok(Piece::Memory(bytes));
    }
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() {
        return Ok(Piece::file(path, metadata.len()));
    }
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Piece::Memory(bytes))
}

/// Content, what stands behind it, and the rest, which begins with the character that ended it.
fn part(text: &str, end: Option<char>) -> Result<(String, Attributes, &str), String> {
    let (content, mut rest) = word(text, end);
    let mut attributes = Attributes::default();
    while let Some(attribute) = rest.strip_prefix(';') {
        let attribute = attribute.trim_start();
        let value = |key: &str| attribute.strip_prefix(key);
        if let Some(text) = value("type=") {
            let (content_type, after) = type_of(text, end);
            check("Content-Type", &content_type)?;
            (attributes.content_type, rest) = (Some(content_type), after);
        } else if let Some(text) = value("filename=") {
            let (name, after) = word(text, end);
            (attributes.file_name, rest) = (Some(name), after);
        } else if let Some(text) = value("headers=") {
            let (field, after) = word(text, end);
            attributes.fields.extend(part_fields(&field)?);
            rest = after;
        } else {
            let (unknown, _) = word(attribute, end);
            return Err(format!(
                "{unknown:?} after a semicolon is none of type=, filename= and headers= (a text \
                 with semicolons is for --form-string, or stands in quotation marks)"
            ));
        }
    }
    Ok((content, attributes, rest))
}

/// Fields of a part: one, or the lines of @FILE.
fn part_fields(text: &str) -> Result<Vec<Field>, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(vec![part_field(text)?]) };
    let lines =
        file::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    // some editors begin a file with a byte order mark
    let lines = lines.strip_prefix('\u{feff}').unwrap_or(&lines);
    let lines = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(part_field).collect()
}

fn part_field(text: &str) -> Result<Field, String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is no field"))?;
    let value = value.trim();
    check(name, value)?;
    Ok(Field::new(name, value))
}

/// Whether a field can have this name and value. A part's Content-Length and its like bear on
/// nothing, so that no name is reserved.
fn check(name: &str, value: &str) -> Result<(), String> {
    http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name:?}: {error}"))?;
    http::HeaderValue::from_str(value)
        .or_else(|_| http::HeaderValue::from_bytes(value.as_bytes()))
        .map(drop)
        .map_err(|_| format!("{name}: {value:?} has a control character"))
}

/// A media type, whose own parameters begin with semicolons, too.
fn type_of(text: &str, end: Option<char>) -> (String, &str) {
    let (mut content_type, mut rest) = word(text, end);
    while let Some(parameter) = rest.strip_prefix(';') {
        let ours = ["type=", "filename=", "headers=", "encoder="];
        if ours.iter().any(|key| parameter.trim_start().starts_with(key)) {
            break;
        }
        let (parameter, after) = word(parameter, end);
        content_type = format!("{content_type};{parameter}");
        rest = after;
    }
    (content_type, rest)
}

/// What comes before a semicolon or the end, or stands in quotation marks, where a backslash stands
/// before a quotation mark or another backslash.
fn word(text: &str, end: Option<char>) -> (String, &str) {
    let is_end = |char: char| char == ';' || Some(char) == end;
    if let Some(quoted) = text.strip_prefix('"') {
        let mut word = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    let after = &quoted[at + 1..];
                    let next = after.find(is_end).unwrap_or(after.len());
                    return (word, &after[next..]);
                }
                '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                    word.extend(chars.next().map(|(_, char)| char));
                }
                char => word.push(char),
            }
        }
    }
    let at = text.find(is_end).unwrap_or(text.len());
    (text[..at].to_owned(), &text[at..])
}

/// The media type that a file's name says it has.
fn guess(name: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 10] = [
        (".gif", "image/gif"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".svg", "image/svg+xml"),
        (".txt", "text/plain"),
        (".htm", "text/html"),
        (".html", "text/html"),
        (".pdf", "application/pdf"),
        (".xml", "application/xml"),
    ];
    let name = name.to_ascii_lowercase();
    TYPES.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[&str]) -> Result<String, String> {
        escaped_form(parts, false)
    }

    fn escaped_form(parts: &[&str], backslashes: bool) -> Result<String, String> {
        let mut form = Form { boundary: "B".to_owned(), backslashes, pieces: Vec::new() };
        for part in parts {
            form.add(part, || Ok(()))?;
        }
        let mut text = String::new();
        for piece in form.into_pieces().iter() {
            match piece {
                Piece::Memory(bytes) => text += std::str::from_utf8(bytes).unwrap(),
                Piece::File { length, .. } => text += &format!("({length} bytes)"),
            }
        }
        Ok(text)
    }

    fn only(part: &str) -> String {
        let text = form(&[part]).expect(part);
        let inner = text.strip_prefix("--B\r\nContent-Disposition: form-data; ").expect(&text);
        inner.strip_suffix("\r\n--B--\r\n").expect(&text).to_owned()
    }

    #[test]
    fn parts_have_what_they_say() {
        let table = [
            ("a=b", "name=\"a\"\r\n\r\nb"),
            ("a=", "name=\"a\"\r\n\r\n"),
            ("=b=c", "name=\"\"\r\n\r\nb=c"),
            ("a=b;type=text/x", "name=\"a\"\r\nContent-Type: text/x\r\n\r\nb"),
            (
                "a=b;type=text/x;charset=utf-8;filename=f",
                "name=\"a\"; filename=\"f\"\r\nContent-Type: text/x;charset=utf-8\r\n\r\nb",
            ),
            ("a=\"b;c\";headers=\"X: y;z\"", "name=\"a\"\r\nX: y;z\r\n\r\nb;c"),
            (r#"a="q\"\\p";filename="f\"g""#, "name=\"a\"; filename=\"f%22g\"\r\n\r\nq\"\\p"),
            ("a=\"open;type=x/y", "name=\"a\"\r\nContent-Type: x/y\r\n\r\n\"open"),
        ];
        for (part, want) in table {
            assert_eq!(only(part), want, "{part}");
        }
        let two = form(&["a=1", "b=2"]).unwrap();
        assert_eq!(two.matches("--B\r\n").count(), 2);
        assert!(two.ends_with("\r\n\r\n2\r\n--B--\r\n"));
    }

    #[test]
    fn files_are_named_and_left_where_they_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a,b.TXT");
        fs::write(&path, "seven b").expect("a file");
        let path = path.display().to_string();
        let want = "name=\"f\"; filename=\"a,b.TXT\"\r\nContent-Type: text/plain\r\n\r\n(7 bytes)";
        assert_eq!(only(&format!("f=@\"{path}\"")), want);
        let want = "name=\"f\"; filename=\"n.bin\"\r\nContent-Type: text/plain\r\n\r\n(7 bytes)";
        assert_eq!(only(&format!("f=@\"{path}\";filename=n.bin")), want);
        let want = "name=\"f\"\r\n\r\n(7 bytes)";
        assert_eq!(only(&format!("f=<\"{path}\"")), want);
        let two = form(&[&format!("f=@\"{path}\";type=x/y,\"{path}\"")]).unwrap();
        assert_eq!(two.matches("name=\"f\"; filename=\"a,b.TXT\"").count(), 2);
        assert_eq!((two.matches("x/y").count(), two.matches("text/plain").count()), (1, 1));
        let want =
            "name=\"f\"; filename=\"null\"\r\nContent-Type: application/octet-stream\r\n\r\n";
        assert_eq!(only("f=@/dev/null"), want);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for part in ["a", "a=b;c", "a=b;encoder=base64", "a=(b", "a=@/no/such", "a=<", "a=@"] {
            assert!(form(&[part]).is_err(), "{part}");
        }
    }

    #[test]
    fn names_with_backslashes_if_that_is_wanted() {
        let part = r#"a"b\c=x;filename="d\"e\\f""#;
        for (backslashes, want) in [
            (false, r#"name="a%22b\c"; filename="d%22e\f""#),
            (true, r#"name="a\"b\\c"; filename="d\"e\\f""#),
        ] {
            let text = escaped_form(&[part], backslashes).unwrap();
            assert!(text.contains(want), "{text}");
        }
        let text = escaped_form(&["a\r\nX: y=x"], true).unwrap();
        assert!(text.contains("name=\"a%0D%0AX: y\""), "{text}");
    }

    /// No name, type or field begins a line of its own.
    #[test]
    fn nothing_can_be_injected() {
        let names = ["a\r\nX: y", "a\"; file\"evil", "a\n\n--B--", "\0\t\x7f"];
        for name in names {
            for part in
                [format!("{name}=x"), format!("n=x;filename=\"{}\"", name.replace('"', "\\\""))]
            {
                let text = form(&[&part]).unwrap();
                assert_eq!(text.lines().count(), 5, "{text}");
                assert!(!text.contains("\"evil"), "{text}");
            }
        }
        for part in
            ["a=b;type=x\r\nY: z", "a=b;headers=\"X: y\r\nZ: z\"", "a=b;headers=\"X\nY: z\""]
        {
            assert!(form(&[part]).is_err(), "{part}");
        }
    }
}
