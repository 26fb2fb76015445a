//! What requests carry: the options that give them a body or a query, and what they make together.
//!
//! Knows curl's words for it: `-d` and its like, `--json`, `-F`, `-T`, `-G`, `--url-query`. Must not
//! know how a body is framed or sent. Invariants: whatever can be read only once (standard input, a
//! pipe) is read once, and told apart from what every request can have again; files are opened when
//! they are sent, and never read whole but for `-d` and its like.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use clap::Args as Group;
use ringdove::protocol::BodyLength;
use ringdove::{Body, Bytes, Files};
use url::Url;

use super::form::Form;
use super::ordered::{Repeatable, ordered};
use super::values::{Field, Seconds};
use crate::files::rest::Offset;
use crate::files::source::{Piece, Pieces, Pipe};
use crate::text::percent::{as_query, form_encoded, percent_encoded};

/// Of a body that is longer, or whose length is not known, the server is asked first (as curl has
/// it): sending it in vain would cost more than asking.
const ASK_ABOVE: u64 = 1 << 20;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Bodies and queries")]
pub(crate) struct BodyArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) form: FormArgs,

    /// Write a backslash before quotation marks and backslashes in names of -F and its files, and not %22: for servers
    /// that do not know what browsers do
    #[arg(long)]
    pub(crate) form_escape: bool,

    /// Send FILE as it is by PUT (- for standard input, which is sent chunked): one for all URLs, or given once for
    /// each. Where a URL's path ends in a slash, the file's name is added to it
    #[arg(short = 'T', long, value_name = "FILE")]
    pub(crate) upload_file: Vec<String>,

    /// Make the values of -d and its like the URLs' query, and send no body
    #[arg(short = 'G', long)]
    pub(crate) get: bool,

    /// Add to the query of each URL; takes what --data-urlencode takes, and +QUERY as it is
    #[arg(long, value_name = "DATA")]
    pub(crate) url_query: Vec<String>,

    /// How long to wait for leave to send a body of more than 1 MiB, or of unknown length
    /// (Expect: 100-continue); then it is sent without
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    pub(crate) expect100_timeout: Seconds,
}

/// `-d` and its like, in the order in which they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataArgs(Vec<(DataKind, String)>);

/// The same without `--json`, for a command to which that is something else.
#[derive(Debug, Default)]
pub(crate) struct PlainDataArgs(Vec<(DataKind, String)>);

/// `-F` and `--form-string`, in the order in which they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormArgs(Vec<(FormKind, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataKind {
    Data,
    Raw,
    Binary,
    UrlEncode,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormKind {
    Part,
    Text,
}

/// What requests carry: all of a set, or those of one URL of the command line.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) payload: Payload,
    /// What is added to the query of each URL.
    query: Option<String>,
    /// What is added to a path that ends in a slash.
    file_name: Option<String>,
    /// The method that this asks for.
    pub(crate) method: Option<http::Method>,
    /// Defaults, which fields that are given stand in for.
    pub(crate) fields: Vec<Field>,
}

/// A body, once for each request.
#[derive(Clone)]
pub(crate) enum Payload {
    None,
    Memory(Bytes),
    Pieces(Arc<[Piece]>),
    /// Can be had once.
    Pipe(Pipe),
}

/// Standard input, which can be one thing.
#[derive(Debug, Default)]
pub(crate) struct StandardInput {
    pub(crate) taken: Option<&'static str>,
}

impl StandardInput {
    pub(crate) fn take(&mut self, option: &'static str) -> Result<(), String> {
        match self.taken.replace(option) {
            None => Ok(()),
            Some(other) => Err(format!("standard input cannot be both {other} and {option}")),
        }
    }
}

impl DataArgs {
    /// The files whose bytes are sent.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(kind, value)| match kind {
            DataKind::Raw => None,
            DataKind::UrlEncode if value.contains('=') => None,
            DataKind::UrlEncode => value.split_once('@').map(|(_, path)| path),
            DataKind::Data | DataKind::Binary | DataKind::Json => value.strip_prefix('@'),
        })
    }
}

impl FormArgs {
    /// The files whose bytes are sent.
    pub(crate) fn files(&self) -> impl Iterator<Item = String> {
        let parts = self.0.iter().filter(|(kind, _)| *kind == FormKind::Part);
        parts.flat_map(|(_, text)| Form::files(text))
    }
}

impl Payload {
    /// The body of one request, whose files are of these.
    pub(crate) fn body(&self, files: impl FnOnce() -> Files) -> Body {
        match self {
            Payload::None => Body::Empty,
            Payload::Memory(bytes) => Body::Memory(bytes.clone()),
            Payload::Pieces(pieces) => {
                let source = Box::new(Pieces::new(Arc::clone(pieces), &files()));
                Body::Stream { length: Some(Pieces::length(pieces)), source }
            }
            Payload::Pipe(pipe) => Body::Stream { length: None, source: Box::new(pipe.clone()) },
        }
    }

    pub(crate) fn length(&self) -> BodyLength {
        match self {
            Payload::None => BodyLength::None,
            Payload::Memory(bytes) => BodyLength::Known(bytes.len() as u64),
            Payload::Pieces(pieces) => BodyLength::Known(Pieces::length(pieces)),
            Payload::Pipe(_) => BodyLength::Unknown,
        }
    }

    /// Whether the server is to be asked before this is sent.
    pub(crate) fn asks_first(&self) -> bool {
        match self.length() {
            BodyLength::None | BodyLength::Raw => false,
            BodyLength::Known(length) => length > ASK_ABOVE,
            BodyLength::Unknown => true,
        }
    }
}

impl Content {
    /// What all requests carry, or of several -T what those of each URL do. `offset` says from which byte on files are
    /// sent, if not whole.
    pub(crate) fn each(
        args: BodyArgs,
        offset: Option<Offset>,
        stdin: &mut StandardInput,
    ) -> Result<Vec<Content>, String> {
        let BodyArgs { data, form, form_escape, upload_file, get, url_query, .. } = args;
        let bodies = [
            (!data.0.is_empty(), "-d"),
            (!form.0.is_empty(), "-F"),
            (!upload_file.is_empty(), "-T"),
        ];
        let mut given = bodies.into_iter().filter_map(|(given, name)| given.then_some(name));
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(format!("a request has one body: {one} and {other} exclude each other"));
        }
        let mut content = Content {
            payload: Payload::None,
            query: query(&url_query, stdin)?,
            file_name: None,
            method: None,
            fields: Vec::new(),
        };
        if !data.0.is_empty() {
            content.take_data(&data.0, get, stdin)?;
        }
        if !form.0.is_empty() {
            content.take_form(&form.0, form_escape, stdin)?;
        }
        if upload_file.is_empty() {
            return Ok(vec![content]);
        }
        let uploads = upload_file.iter().map(|file| {
            let mut content = content.clone();
            content.take_upload(file, offset, stdin)?;
            Ok(content)
        });
        uploads.collect()
    }

    /// What -d and its like alone give.
    pub(crate) fn of_data(
        data: &PlainDataArgs,
        stdin: &mut StandardInput,
    ) -> Result<Content, String> {
        let mut content = Content {
            payload: Payload::None,
            query: None,
            file_name: None,
            method: None,
            fields: Vec::new(),
        };
        if !data.0.is_empty() {
            content.take_data(&data.0, false, stdin)?;
        }
        Ok(content)
    }

    /// What can be had once, for one request.
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        match &self.payload {
            Payload::Pipe(pipe) => Some(pipe),
            Payload::None | Payload::Memory(_) | Payload::Pieces(_) => None,
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        self.payload.length() != BodyLength::None
    }

    /// The URL with what belongs to it.
    pub(crate) fn url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if let Some(query) = &self.query {
            let before = url.query().filter(|query| !query.is_empty());
            let query = before.map_or(query.clone(), |before| format!("{before}&{query}"));
            url.set_query(Some(&query));
        }
        if let Some(name) = &self.file_name
            && url.path().ends_with('/')
        {
            url.set_path(&format!("{}{name}", url.path()));
        }
        url
    }

    /// Gives the Content-Type of a form that is the caller's own the boundary that it needs.
    pub(crate) fn complete(&self, field: &mut Field) {
        let names_type = |field: &Field| field.name.eq_ignore_ascii_case("content-type");
        let own = self.fields.iter().find(|own| names_type(own)).and_then(|own| own.value.as_ref());
        let boundary = own.and_then(|own| own.find("; boundary=").map(|at| &own[at..]));
        if let (true, Some(boundary), Some(value)) = (names_type(field), boundary, &mut field.value)
            && value.to_ascii_lowercase().starts_with("multipart/")
            && !value.to_ascii_lowercase().contains("boundary=")
        {
            value.push_str(boundary);
        }
    }

    fn take_data(
        &mut self,
        data: &[(DataKind, String)],
        get: bool,
        stdin: &mut StandardInput,
    ) -> Result<(), String> {
        let json = data.iter().any(|(kind, _)| *kind == DataKind::Json);
        let bytes = join(data, stdin)?;
        if json {
            self.fields.push(Field::new("Accept", "application/json"));
            self.fields.push(Field::new("Content-Type", "application/json"));
        } else if !get {
            self.fields.push(Field::new("Content-Type", "application/x-www-form-urlencoded"));
        }
        if get {
            let query = as_query(&bytes);
            self.query = Some(self.query.take().map_or(query.clone(), |q| format!("{q}&{query}")));
            self.method = Some(http::Method::GET);
        } else {
            self.payload = Payload::Memory(bytes.into());
            self.method = Some(http::Method::POST);
        }
        Ok(())
    }

    fn take_form(
        &mut self,
        parts: &[(FormKind, String)],
        backslashes: bool,
        stdin: &mut StandardInput,
    ) -> Result<(), String> {
        let mut form = Form::new(backslashes);
        for (kind, text) in parts {
            match kind {
                FormKind::Part => form.add(text, || stdin.take("-F")),
                FormKind::Text => form.add_text(text),
            }
            .map_err(|why| format!("-F {text:?}: {why}"))?;
        }
        self.fields.push(Field::new("Content-Type", &form.content_type()));
        self.payload = Payload::Pieces(form.into_pieces());
        self.method = Some(http::Method::POST);
        Ok(())
    }

    /// Says which part of a file is sent, as curl does, and from which byte on.
    fn part_of_upload(
        &mut self,
        file: &str,
        length: u64,
        offset: Option<Offset>,
    ) -> Result<u64, String> {
        let from = match offset {
            // nobody says how much the server has: all of it is sent, as the part that it is
            Some(Offset::End) => 0,
            Some(Offset::At(at @ 1..)) => at,
            Some(Offset::At(0)) | None => return Ok(0),
        };
        match length.checked_sub(1) {
            Some(last) if from <= last => {
                let range = format!("bytes {from}-{last}/{length}");
                self.fields.push(Field::new("Content-Range", &range));
                Ok(from)
            }
            None if from == 0 => Ok(0),
            Some(_) | None => {
                Err(format!("-C {from}: -T {file} has {length} bytes: no more is to be sent"))
            }
        }
    }

    fn take_upload(
        &mut self,
        file: &str,
        offset: Option<Offset>,
        stdin: &mut StandardInput,
    ) -> Result<(), String> {
        self.method = Some(http::Method::PUT);
        let endless =
            "-C: a file can be gone on with, and no pipe, of which nobody knows the length";
        if file == "-" || file == "." {
            stdin.take("-T")?;
            offset.map_or(Ok(()), |_| Err(endless.to_owned()))?;
            self.payload = Payload::Pipe(Pipe::new(Box::new(io::stdin())));
            return Ok(());
        }
        let unreadable = |error: io::Error| format!("cannot read -T {file}: {error}");
        let opened = fs::File::open(file).map_err(unreadable)?;
        let metadata = opened.metadata().map_err(unreadable)?;
        self.payload = match metadata.is_file() {
            true => {
                let from = self.part_of_upload(file, metadata.len(), offset)?;
                Payload::Pieces([Piece::rest_of_file(file, from, metadata.len())].into())
            }
            false if metadata.is_dir() => {
                return Err(unreadable(io::ErrorKind::IsADirectory.into()));
            }
            false if offset.is_some() => return Err(endless.to_owned()),
            false => Payload::Pipe(Pipe::new(Box::new(opened))),
        };
        let name = Path::new(file).file_name().map(|name| name.as_encoded_bytes());
        self.file_name = name.map(percent_encoded);
        Ok(())
    }
}

/// The values of -d and its like, one after the other.
fn join(data: &[(DataKind, String)], stdin: &mut StandardInput) -> Result<Vec<u8>, String> {
    let mut joined = Vec::new();
    for (at, (kind, value)) in data.iter().enumerate() {
        if at > 0 && *kind != DataKind::Json {
            joined.push(b'&');
        }
        match (kind, value.strip_prefix('@')) {
            (DataKind::UrlEncode, _) => {
                joined.extend(url_encoded(value, "--data-urlencode", stdin)?.bytes())
            }
            (DataKind::Raw, _) | (_, None) => joined.extend_from_slice(value.as_bytes()),
            (DataKind::Binary, Some(path)) => joined.extend(read(path, "--data-binary", stdin)?),
            (DataKind::Json, Some(path)) => joined.extend(read(path, "--json", stdin)?),
            (DataKind::Data, Some(path)) => {
                let read = read(path, "-d", stdin)?;
                joined.extend(read.into_iter().filter(|byte| !b"\r\n\0".contains(byte)));
            }
        }
    }
    Ok(joined)
}

/// What --url-query adds.
fn query(given: &[String], stdin: &mut StandardInput) -> Result<Option<String>, String> {
    let parts = given.iter().map(|value| match value.strip_prefix('+') {
        Some(raw) => Ok(as_query(raw.as_bytes())),
        None => url_encoded(value, "--url-query", stdin),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok((!parts.is_empty()).then(|| parts.join("&")))
}

/// `content`, `=content`, `name=content`, `@file` and `name@file`: the name as it is, the rest encoded.
fn url_encoded(
    text: &str,
    option: &'static str,
    stdin: &mut StandardInput,
) -> Result<String, String> {
    let mark = text.find('=').or_else(|| text.find('@'));
    let Some(mark) = mark else { return Ok(form_encoded(text.as_bytes())) };
    let (name, value) = (&text[..mark], &text[mark + 1..]);
    let encoded = match &text[mark..=mark] {
        "@" => form_encoded(&read(value, option, stdin)?),
        _ => form_encoded(value.as_bytes()),
    };
    Ok(if name.is_empty() { encoded } else { format!("{name}={encoded}") })
}

fn read(path: &str, option: &'static str, stdin: &mut StandardInput) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = match path {
        "-" => {
            stdin.take(option)?;
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        path => fs::read(path),
    };
    read.map_err(|error| format!("cannot read {option} @{path}: {error}"))
}

// what they are called

const PLAIN_DATA: [Repeatable<DataKind>; 5] = [
    (
        "data",
        Some('d'),
        "DATA",
        "The body of each request, or @FILE to read it from FILE (@- for standard input) without \
         its line ends. Several, of all options like this, are joined by &. Content-Type is \
         application/x-www-form-urlencoded by default",
        DataKind::Data,
    ),
    ("data-ascii", None, "DATA", "Like -d", DataKind::Data),
    ("data-raw", None, "DATA", "Like -d, but @ is not special", DataKind::Raw),
    ("data-binary", None, "DATA", "Like -d, but files are sent as they are", DataKind::Binary),
    (
        "data-urlencode",
        None,
        "DATA",
        "Like -d, percent-encoded: CONTENT, =CONTENT, NAME=CONTENT, @FILE, NAME@FILE",
        DataKind::UrlEncode,
    ),
];

const DATA: [Repeatable<DataKind>; 6] = {
    let [data, ascii, raw, binary, encoded] = PLAIN_DATA;
    let json = (
        "json",
        None,
        "DATA",
        "Like --data-binary, joined by nothing; Content-Type and Accept are application/json by \
         default",
        DataKind::Json,
    );
    [data, ascii, raw, binary, encoded, json]
};

const FORM: [Repeatable<FormKind>; 2] = [
    (
        "form",
        Some('F'),
        "NAME=CONTENT",
        "A part of a multipart/form-data body: CONTENT, @FILE[,FILE]… for files with their names, \
         or <FILE for a file's bytes only. Then may come ;type=TYPE, ;filename=NAME and \
         ;headers=FIELD",
        FormKind::Part,
    ),
    ("form-string", None, "NAME=TEXT", "Like -F, but @, < and ; are not special", FormKind::Text),
];

ordered!(DataArgs, DATA);
ordered!(PlainDataArgs, PLAIN_DATA);
ordered!(FormArgs, FORM);

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(data: &[(DataKind, &str)]) -> String {
        let data: Vec<_> = data.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        String::from_utf8(join(&data, &mut StandardInput::default()).expect("no files")).unwrap()
    }

    #[test]
    fn values_are_joined_in_their_order() {
        use DataKind::{Data, Json, Raw, UrlEncode};
        assert_eq!(joined(&[(Data, ""), (Data, "a")]), "&a");
        assert_eq!(joined(&[(Json, "{}"), (Json, "[]"), (Data, "x")]), "{}[]&x");
        let encoded = [(UrlEncode, "a b"), (UrlEncode, "n=x &é"), (UrlEncode, "=q+")];
        assert_eq!(joined(&encoded), "a+b&n=x+%26%C3%A9&q%2B");
        assert_eq!(joined(&[(Raw, "@x"), (UrlEncode, "a@b=c"), (UrlEncode, "")]), "@x&a@b=c&");
    }

    #[test]
    fn a_query_is_what_can_stand_in_one() {
        let content = |query: &str, file_name: Option<&str>| Content {
            payload: Payload::None,
            query: Some(as_query(query.as_bytes())),
            file_name: file_name.map(|name| percent_encoded(name.as_bytes())),
            method: None,
            fields: Vec::new(),
        };
        let table = [
            ("http://a/p", "x=1", "http://a/p?x=1"),
            ("http://a/p?", "x=1", "http://a/p?x=1"),
            ("http://a/p?y#f", "x=1", "http://a/p?y&x=1#f"),
            ("http://a/p", "a b#c\r\nX: y é", "http://a/p?a%20b%23c%0D%0AX:%20y%20%C3%A9"),
        ];
        for (url, query, want) in table {
            let url: Url = url.parse().unwrap();
            assert_eq!(content(query, Some("f")).url(&url).as_str(), want);
        }
        let url: Url = "http://a/p/?q".parse().unwrap();
        let got = content("x", Some("..%2f a?b#c/")).url(&url);
        assert_eq!(got.as_str(), "http://a/p/..%252f%20a%3Fb%23c%2F?q&x");
    }

    #[test]
    fn standard_input_is_one_thing() {
        let mut stdin = StandardInput { taken: Some("-i") };
        assert_eq!(stdin.take("-d").unwrap_err(), "standard input cannot be both -i and -d");
    }
}
