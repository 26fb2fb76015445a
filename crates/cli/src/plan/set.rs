//! What a set of options means: the plan of its transfers, checked before any of them begins.
//!
//! Knows how options bear on each other. Must not know the other sets of the run, nor the run.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use ringdove::protocol::{BodyLength, Scheme};
use ringdove::{
    Files, KeepPost, Options, RedirectPolicy, Request, RequestError, Timeouts, TlsPolicy,
};
use url::Url;

use super::input::{Opened, globs};
use super::purposes::files_of_set;
use super::whole::Room;
use crate::files::names::file_name;
use crate::files::output::Output;
use crate::files::remote::name_in_url;
use crate::files::reserved::Reserved;
use crate::files::rest::{Offset, Resume};
use crate::files::source::Pipe;
use crate::files::stream::{SharedStream, Stream};
use crate::options::body::{BodyArgs, Content};
use crate::options::coding;
use crate::options::condition::{ConditionArgs, TimeCondition};
use crate::options::connect::TlsArgs;
use crate::options::cookies::{Kept, Shared};
use crate::options::existing::ExistingArgs;
use crate::options::fetch::{FetchArgs, OutputArgs, RedirectArgs, RequestArgs};
use crate::options::field_lines::lines;
use crate::options::proxy::Unusable;
use crate::options::ranges::RangeArgs;
use crate::options::resolve::Addresses;
use crate::options::target::{Schemes, TargetArgs};
use crate::options::values::Field;
use crate::report::write_out;
use crate::text::glob::Glob;

/// All that the transfers of a set need to know.
pub(crate) struct Plan {
    pub(crate) urls: Vec<Glob>,
    pub(crate) input: Option<Opened>,
    pub(crate) template: Template,
    /// Cookies and the like, to be written at the end.
    pub(crate) kept: Kept,
    pub(crate) output: Output,
    /// Where the JSON lines go.
    pub(crate) records: Option<SharedStream>,
    pub(crate) resolve: Vec<Addresses>,
    /// Transfers in the engine at once.
    pub(crate) window: usize,
    /// Write heads where the bodies go.
    pub(crate) heads: bool,
    /// Write no bodies, whatever comes.
    pub(crate) no_bodies: bool,
    /// Where bodies are gone on with.
    pub(crate) resume: Option<Resume>,
    /// What is written after each transfer.
    pub(crate) write_out: Option<String>,
    /// Where the ETag goes.
    pub(crate) etag_save: Option<PathBuf>,
    /// Of which dates bodies are wanted.
    pub(crate) condition: Option<TimeCondition>,
    /// Files that options of this set, or of one before, have named for something else than bodies.
    pub(crate) reserved: Reserved,
    /// Where heads go by themselves.
    pub(crate) dump: Option<SharedStream>,
    pub(crate) fail: Fail,
    /// What becomes of files that are there.
    pub(crate) existing: ExistingArgs,
    /// One body on standard output: neither progress nor a summary beside it.
    pub(crate) plain: bool,
    pub(crate) warnings: Vec<String>,
}

/// What becomes of a response with a status from 400 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fail {
    /// Nothing else than of others.
    Never,
    /// It is a failure, of which no body is written.
    WithoutBody,
    /// It is a failure, and its body is written.
    WithBody,
}

/// What all requests have in common.
pub(crate) struct Template {
    pub(crate) method: http::Method,
    /// One for all URLs, or one for each.
    sent: Vec<Sent>,
    /// What is read while it is sent.
    pipe: Option<Pipe>,
    target: TargetArgs,
    /// `-H Authorization:` keeps logins from being sent.
    anonymous: bool,
    unusable: Rc<Unusable>,
    options: Arc<Options>,
}

/// What a request carries, and the fields that it has with it.
struct Sent {
    content: Content,
    length: BodyLength,
    fields: Vec<(String, String)>,
}

impl Plan {
    /// Makes a plan, or says in one line what stands against it.
    pub(crate) fn new(
        mut args: FetchArgs,
        shared: &mut Shared,
        room: &Room,
    ) -> Result<Plan, String> {
        let urls = globs(&args.urls, args.target.globoff)?;
        let named = [shared.lasting.clone(), files_of_set(&args)].concat();
        let one_url = args.input.is_none() && total(&urls) == 1;
        let heads = args.request.head || args.heads.include;
        let fail = Fail::of(&args.request);
        if args.input.as_deref() == Some(Path::new("-")) {
            shared.stdin.take("-i")?;
        }
        args.request.fields = lines(&args.request.field_lines, "-H", &mut shared.stdin)?;
        args.proxy.fields = lines(&args.proxy.proxy_header, "--proxy-header", &mut shared.stdin)?;
        let (mut options, unusable) = transfer_options(&args)?;
        args.ways.apply(&mut options)?;
        let offset = args.range.offset_of_upload(&args.body);
        if args.range.range.is_some() && !args.body.upload_file.is_empty() {
            return Err("-T sends a file whole: -r is about what is to come".to_owned());
        }
        let contents = contents(args.body, offset, args.input.is_none().then_some(&urls), shared)?;
        let mut warnings = Vec::new();
        options.auth = args.credentials.policy(&mut warnings)?;
        let write_out = args.write_out.format()?;
        let tells_hops = write_out.as_deref().is_some_and(write_out::tells_hops);
        options.record_hops = args.output.jsonl || tells_hops;
        leave_out(&args.request.fields, &mut options);
        args.request.fields.extend(args.cookies.field(&args.request.fields));
        let resume = ask_for_part(&mut args.request, &args.range, &args.condition, one_url)?;
        let kept = args.cookies.read(shared)?;
        kept.apply(&mut options);
        let no_bodies = args.request.head;
        let template = Template::new(args.request, contents, args.target, options, unusable)?;
        let input = args.input.as_deref().map(Opened::open).transpose()?;
        let dump = args.heads.dump(args.output.create_dirs)?;
        let records = match args.output.jsonl {
            true => Some(Stream::create(Path::new("-"), false)?),
            false => None,
        };
        let existing = args.output.existing;
        let named = named.iter().map(|(option, path)| (*option, &**path));
        let reserved = Reserved::new(named);
        let output = place(args.output, args.input.is_none().then_some(&urls))?;
        let one_at_a_time = matches!(output, Output::Stream(_));
        warnings.extend(args.condition.warning());
        Ok(Plan {
            urls,
            input,
            template,
            kept,
            records,
            window: match one_at_a_time {
                true => 1,
                false => room.window(&args.connection),
            },
            resolve: args.connection.resolve,
            heads,
            no_bodies,
            resume,
            condition: args.condition.time(),
            warnings,
            etag_save: args.condition.etag_save,
            write_out,
            reserved,
            dump,
            fail,
            existing,
            plain: one_at_a_time && one_url,
            output,
        })
    }

    /// How many URLs there are, if that can be told.
    pub(crate) fn total(&self) -> Option<u64> {
        self.input.is_none().then(|| total(&self.urls))
    }
}

impl Fail {
    fn of(request: &RequestArgs) -> Fail {
        match (request.fail, request.fail_with_body) {
            (false, false) => Fail::Never,
            (true, _) => Fail::WithoutBody,
            (false, true) => Fail::WithBody,
        }
    }
}

fn total(urls: &[Glob]) -> u64 {
    urls.iter().fold(0, |sum, glob| sum.saturating_add(glob.count()))
}

/// What is sent, for all URLs or for each; `urls` are all there are, if that can be told.
fn contents(
    args: BodyArgs,
    offset: Option<Offset>,
    urls: Option<&Vec<Glob>>,
    shared: &mut Shared,
) -> Result<Vec<Content>, String> {
    let files = args.upload_file.len();
    if files > 1 && urls.is_none_or(|urls| urls.len() != files) {
        return Err(format!("-T is given {files} times, and not once for each URL"));
    }
    let contents = Content::each(args, offset, &mut shared.stdin)?;
    let mut pipes = contents.iter().enumerate().filter(|(_, content)| content.pipe().is_some());
    let Some((place, _)) = pipes.next() else { return Ok(contents) };
    if pipes.next().is_some() {
        return Err("-T has one pipe, beside files: --next is between several".to_owned());
    }
    let goes_to = match files {
        1 => urls.map(|urls| total(urls)),
        _ => urls.map(|urls| urls[place].count()),
    };
    match goes_to {
        Some(1) => Ok(contents),
        Some(_) | None => Err("-T of a pipe can be sent once, to one URL".to_owned()),
    }
}

/// Has requests ask for what is wanted of a body: a range, the rest, or what has changed. Says where bodies are gone on
/// with.
fn ask_for_part(
    request: &mut RequestArgs,
    range: &RangeArgs,
    condition: &ConditionArgs,
    one_url: bool,
) -> Result<Option<Resume>, String> {
    request.fields.extend(range.field(&request.fields));
    condition.check(one_url)?;
    request.fields.extend(condition.field()?);
    request.fields.extend(condition.date_field(&request.fields));
    let etag = condition.validator()?;
    let own_range = request.fields.iter().any(|field| field.is("range"));
    Ok(range.continue_at.map(|offset| Resume { offset, etag, own_range }))
}

/// Has what an option would send not be sent where -H leaves its field out.
fn leave_out(fields: &[Field], options: &mut Options) {
    if leaves_out(fields, "authorization") {
        options.auth = None;
    }
    if let Some(decode) = &mut options.decode {
        decode.ask = !leaves_out(fields, "accept-encoding");
    }
}

/// Whether a field is not to be sent.
pub(crate) fn leaves_out(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|field| field.is(name) && field.value.is_none())
}

impl Template {
    fn new(
        request: RequestArgs,
        contents: Vec<Content>,
        target: TargetArgs,
        mut options: Options,
        unusable: Unusable,
    ) -> Result<Template, String> {
        options.versions = target.versions();
        let method = match request.method {
            Some(ref method) => method.0.clone(),
            None if request.head && contents.iter().any(Content::has_body) => {
                return Err("-I asks for a head (HEAD), and -d, -F and -T send a body: -X says \
                            which method it is to be"
                    .to_owned());
            }
            None if request.head => http::Method::HEAD,
            // the same of all: several are uploads
            None => contents[0].method.clone().unwrap_or(http::Method::GET),
        };
        let pipe = contents.iter().find_map(Content::pipe).cloned();
        let sent = contents.into_iter().map(|content| {
            let fields = fields(&request, &content, target.http1_0, options.decode.is_some());
            Sent { length: content.payload.length(), content, fields }
        });
        let sent = sent.collect();
        let anonymous = leaves_out(&request.fields, "authorization");
        let (options, unusable) = (Arc::new(options), Rc::new(unusable));
        let template = Template { method, sent, pipe, target, anonymous, unusable, options };
        for sent in &template.sent {
            template.check(sent).map_err(|error| error.to_string())?;
        }
        Ok(template)
    }

    /// The request for `url`, which was given as `text` or belongs to what was given in this `place`. What it sends of files is
    /// read by a driver's.
    pub(crate) fn request(
        &self,
        url: &Url,
        text: &str,
        place: usize,
        files: impl FnOnce() -> Files,
    ) -> Result<Request, String> {
        let sent = self.sent(place);
        let request = self.make(url, text, sent).map_err(|error| error.to_string())?;
        let request = request.body(sent.content.payload.body(files));
        let origin = request.head().origin();
        let refusal = self.schemes().refuse(origin.scheme());
        match refusal.or_else(|| self.unusable.refuse(origin)) {
            Some(refusal) => Err(refusal),
            None => Ok(request),
        }
    }

    /// Of URLs that have no scheme, if that is not to be guessed.
    pub(crate) fn default_scheme(&self) -> Option<Scheme> {
        self.target.proto_default
    }

    pub(crate) fn schemes(&self) -> Schemes {
        self.target.proto
    }

    /// Proxies that no request can go by.
    pub(crate) fn unusable(&self) -> &Rc<Unusable> {
        &self.unusable
    }

    /// What Referer says.
    pub(crate) fn referer(&self) -> Option<&str> {
        let mut fields = self.sent[0].fields.iter();
        fields.find(|(name, _)| name.eq_ignore_ascii_case("referer")).map(|(_, value)| &**value)
    }

    /// What is read while it is sent.
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        self.pipe.as_ref()
    }

    /// How long the bodies are that belong to this place.
    pub(crate) fn body_length(&self, place: usize) -> BodyLength {
        self.sent(place).length
    }

    fn sent(&self, place: usize) -> &Sent {
        self.sent.get(place).unwrap_or(&self.sent[0])
    }

    /// All of a request but its body.
    fn make(&self, url: &Url, text: &str, sent: &Sent) -> Result<Request, RequestError> {
        let Sent { content, fields, .. } = sent;
        let mut url = content.url(url);
        if self.anonymous {
            // fails where there is no host, and then there is none of these
            let _ = url.set_username("").and_then(|()| url.set_password(None));
        }
        let mut request = Request::for_url(self.method.clone(), &url)?;
        for (name, value) in fields {
            request = request.field(name, value)?;
        }
        Ok(self.target.apply(request, text)?.options(Arc::clone(&self.options)))
    }

    /// Whether the parts go together.
    fn check(&self, sent: &Sent) -> Result<(), RequestError> {
        let url = Url::parse("http://localhost/").expect("a URL");
        self.make(&url, url.as_str(), sent)?.head().check(sent.length)
    }
}

/// The fields of each request: defaults, those that stand in their place, and the rest.
fn fields(
    request: &RequestArgs,
    content: &Content,
    http1_0: bool,
    accepts_codings: bool,
) -> Vec<(String, String)> {
    let mut fields = vec![
        Field::new("User-Agent", concat!("ringdove/", env!("CARGO_PKG_VERSION"))),
        Field::new("Accept", "*/*"),
    ];
    fields = in_place(fields, content.fields.clone());
    if content.payload.asks_first() && !http1_0 {
        fields.push(Field::new("Expect", "100-continue"));
    }
    let mut given = request.fields.clone();
    given.iter_mut().for_each(|field| content.complete(field));
    if accepts_codings {
        fields.push(coding::accept(&given));
    }
    // one line each: what -H says stands before what an option of its own does
    for (name, value) in [("User-Agent", &request.user_agent), ("Referer", &request.referer)] {
        let is_given = given.iter().any(|field| field.is(name));
        let field = value.as_deref().map(|value| Field::unless_empty(name, value));
        given.extend(field.filter(|_| !is_given));
    }
    sent(in_place(fields, given))
}

/// The defaults that none of those that were given stands in for, and these.
pub(crate) fn in_place(mut defaults: Vec<Field>, given: Vec<Field>) -> Vec<Field> {
    defaults.retain(|default| !given.iter().any(|field| field.is(&default.name)));
    defaults.extend(given);
    defaults
}

/// The lines of these fields, without those that are to be left out.
pub(crate) fn sent(fields: Vec<Field>) -> Vec<(String, String)> {
    fields.into_iter().filter_map(|field| Some((field.name, field.value?))).collect()
}

/// The options of all transfers, as far as they are one argument's alone, and the proxies of the environment that
/// none of them can go by.
fn transfer_options(args: &FetchArgs) -> Result<(Options, Unusable), String> {
    let FetchArgs { request, redirects, connection, .. } = args;
    let mut timeouts = Timeouts::default();
    if let Some(limit) = connection.connect_timeout.and_then(|limit| limit.0) {
        (timeouts.resolve, timeouts.connect, timeouts.tls) =
            (Some(limit), Some(limit), Some(limit));
    }
    if let Some(limit) = connection.idle_timeout {
        (timeouts.first_byte, timeouts.idle) = (Some(limit.0), Some(limit.0));
    }
    timeouts.total = connection.timeout.and_then(|limit| limit.0);
    timeouts.expect = Some(args.body.expect100_timeout.0);
    let mut options = Options {
        timeouts,
        max_body: request.max_body.map(|size| size.0),
        redirects: redirect_policy(redirects),
        ..Options::default()
    };
    let unusable = args.proxy.apply(&mut options, |name| std::env::var(name).ok())?;
    args.addresses.apply(&mut options);
    args.speed.apply(&mut options);
    args.http2.apply(&mut options);
    args.retry.apply(&mut options, Fail::of(&args.request) != Fail::Never);
    args.coding.apply(&mut options);
    options.tls = tls(connection.cacert.as_deref(), connection.insecure, &args.tls)?;
    Ok((options, unusable))
}

fn redirect_policy(args: &RedirectArgs) -> Option<RedirectPolicy> {
    let &RedirectArgs { location, location_trusted, max_redirs, post301, post302, post303 } = args;
    (location || location_trusted).then_some(RedirectPolicy {
        max: max_redirs.0,
        keep_post: KeepPost { on_301: post301, on_302: post302, on_303: post303 },
        trust_all_origins: location_trusted,
        ..RedirectPolicy::default()
    })
}

/// The policy that was asked for; none where the library's own will do.
fn tls(cacert: Option<&Path>, insecure: bool, args: &TlsArgs) -> Result<Option<TlsPolicy>, String> {
    if cacert.is_none() && !insecure && !args.given() {
        return Ok(None);
    }
    let mut builder = TlsPolicy::builder();
    if let Some(path) = cacert {
        builder = builder.add_roots_file(path).only_these_roots();
    }
    for directory in args.capath.iter().flat_map(std::env::split_paths) {
        builder = builder.add_roots_directory(directory).only_these_roots();
    }
    if insecure {
        builder = builder.insecure();
    }
    let policy = args.demand(builder)?.build();
    let about = match (cacert, &args.capath) {
        (Some(_), _) => "--cacert",
        (None, Some(_)) => "--capath",
        (None, None) => "TLS",
    };
    policy.map(Some).map_err(|error| format!("{about}: {error}"))
}

/// Where bodies go; `urls` are all there are, if that can be told.
fn place(args: OutputArgs, urls: Option<&Vec<Glob>>) -> Result<Output, String> {
    let OutputArgs { output, output_dir, discard, jsonl, remote_name, .. } = args;
    let OutputArgs { remote_header_name, create_dirs, existing, .. } = args;
    match (output.len(), output_dir) {
        (1, _) if urls.is_none_or(|urls| urls.len() != 1) => {
            Err("-o takes the body of one URL; --output-dir and -O take many".to_owned())
        }
        (0, directory) if remote_name => {
            let output = Output::directory(&directory.unwrap_or_default(), name_in_url)?;
            Ok(if remote_header_name { output.named_by_responses() } else { output })
        }
        (0, Some(path)) => Output::directory(&path, |url| Ok(file_name(url))),
        (0, None) if discard || jsonl => Ok(Output::Discard),
        (0, None) => Output::standard_output(),
        (files, _) if urls.is_none_or(|urls| urls.len() != files) => {
            Err(format!("-o is given {files} times, and not once for each URL"))
        }
        (_, directory) => {
            let is_stream = |path: &PathBuf| path.to_str() == Some("-");
            if jsonl && output.iter().any(is_stream) {
                return Err("--jsonl and a body cannot both go to standard output".to_owned());
            }
            let create_dirs = create_dirs || directory.is_some();
            let paths: Vec<_> = output
                .into_iter()
                .map(|path| match &directory {
                    Some(directory) if !is_stream(&path) => directory.join(path),
                    Some(_) | None => path,
                })
                .collect();
            let clobber = existing.clobber();
            let places = paths.iter().map(|path| Output::named(path, create_dirs, clobber));
            let mut places = places.collect::<Result<Vec<_>, _>>()?;
            Ok(if places.len() == 1 { places.remove(0) } else { Output::each(places, &paths) })
        }
    }
}
