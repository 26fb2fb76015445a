//! What each request of a bench has beside its URL: `-X`, `-H`, `-d` and its like, `--compressed`, as
//! `fetch` takes them.
//!
//! Knows how they go from the command to the processes that make rounds. Must not know what they mean:
//! that is fetch's. Invariant: without any of them a request is a bare GET, so that figures of before
//! and after compare.

use std::path::Path;

use clap::Args;
use http::Method;
use ringdove::protocol::BodyLength;
use ringdove::{Body, Bytes, DecodePolicy, Request, RequestError};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::options::body::{Content, Payload, PlainDataArgs, StandardInput};
use crate::options::coding;
use crate::options::field_lines::{FieldLines, lines};
use crate::options::values::Method as Named;
use crate::plan::set::{in_place, leaves_out, sent};

type Failure = Box<dyn std::error::Error>;

/// The options, each with fetch's meaning.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(super) struct AskedArgs {
    /// The method (default: GET; POST with -d)
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Named>,

    /// A field for each request, as `Name: value`; `Name;` is one without a value; or the lines of a file
    #[arg(short = 'H', long = "header", value_name = "FIELD|@FILE", allow_hyphen_values = true)]
    field_lines: Vec<FieldLines>,

    #[command(flatten)]
    data: PlainDataArgs,

    /// Ask for a body coded by gzip, deflate, br or zstd, and decode it
    #[arg(long)]
    compressed: bool,
}

/// What they come to, on its way to a round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Empty: GET.
    method: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bodies are decoded, and whether that is asked for.
    decode: Option<bool>,
}

/// The same, for a thread that makes requests.
pub(super) struct Requests {
    method: Method,
    fields: Vec<(String, String)>,
    body: Option<Bytes>,
}

impl AskedArgs {
    /// Reads files of -d, and checks that it all goes together. `input` has the URLs.
    pub(super) fn read(&self, input: Option<&Path>) -> Result<Asked, Failure> {
        let urls = input.filter(|input| input.to_str() == Some("-")).map(|_| "-i");
        let mut stdin = StandardInput { taken: urls };
        let given = lines(&self.field_lines, "-H", &mut stdin)?;
        let content = Content::of_data(&self.data, &mut stdin)?;
        let mut fields = content.fields;
        if self.compressed {
            fields.push(coding::accept(&given));
        }
        let method = self.method.as_ref().map(|method| method.0.clone());
        let asked = Asked {
            method: method.or(content.method).unwrap_or(Method::GET).to_string(),
            decode: self.compressed.then(|| !leaves_out(&given, "accept-encoding")),
            fields: sent(in_place(fields, given)),
            body: match content.payload {
                Payload::Memory(bytes) => bytes.to_vec(),
                Payload::None | Payload::Pieces(_) | Payload::Pipe(_) => Vec::new(),
            },
        };
        let url = Url::parse("http://localhost/").expect("a URL");
        let length = match asked.body_bytes() {
            0 => BodyLength::None,
            bytes => BodyLength::Known(bytes as u64),
        };
        asked.requests()?.request(&url)?.head().check(length)?;
        Ok(asked)
    }
}

impl Asked {
    pub(super) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether answers have no bodies.
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD.as_str()
    }

    pub(super) fn decode(&self) -> Option<DecodePolicy> {
        self.decode.map(|ask| DecodePolicy { ask, ..DecodePolicy::default() })
    }

    pub(super) fn requests(&self) -> Result<Requests, http::method::InvalidMethod> {
        let method = match self.method.as_str() {
            "" => Method::GET,
            method => method.parse()?,
        };
        let body = (!self.body.is_empty()).then(|| self.body.clone().into());
        Ok(Requests { method, fields: self.fields.clone(), body })
    }
}

impl Requests {
    /// One more.
    pub(super) fn request(&self, url: &Url) -> Result<Request, RequestError> {
        let mut request = Request::for_url(self.method.clone(), url)?;
        for (name, value) in &self.fields {
            request = request.field(name, value)?;
        }
        Ok(match &self.body {
            Some(bytes) => request.body(Body::Memory(bytes.clone())),
            None => request,
        })
    }
}
