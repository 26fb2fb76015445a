//! What the command line means: the plan of a fetch, checked before anything begins.
//!
//! Knows how options bear on each other, and the limits of the process. Must not know the run.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use ringdove::driver::Kind;
use ringdove::http::BodyLength;
use ringdove::sys::{ring, rlimit};
use ringdove::{
    Config, KeepPost, Options, RedirectPolicy, Request, RequestError, Timeouts, TlsPolicy,
};
use url::Url;

use super::args::{ConnectionArgs, FetchArgs, OutputArgs, RedirectArgs, RequestArgs};
use super::body::{Content, Payload, StandardInput};
use super::coding;
use super::condition::TimeCondition;
use super::connect::TlsArgs;
use super::cookies::Kept;
use super::input::Opened;
use super::names::file_name;
use super::output::{Output, SharedStream, Stream};
use super::partial::Resume;
use super::proxy::Unusable;
use super::remote::name_in_url;
use super::resolve::Addresses;
use super::ring::RingArgs;
use super::source::Pipe;
use super::target::{Schemes, TargetArgs};
use super::values::{CountOrJar, DriverChoice, Field};

/// Transfers in the engine for each connection, so that one that becomes free finds its next there.
const AHEAD: usize = 2;

/// The same where hosts have a limit of their own: the URLs of one host in a row are to leave work
/// for the others.
const AHEAD_OF_HOSTS: usize = 8;

/// Transfers in the engine, at least, where hosts hold up their own requests by themselves.
const AHEAD_OF_DELAYS: usize = 16 * 1024;

/// Descriptors that are no connections and no files: the input, the driver's own, the resolver's.
const SPARE_DESCRIPTORS: usize = 128;

/// All that a fetch needs to know.
pub(crate) struct Plan {
    pub(crate) urls: Vec<String>,
    pub(crate) input: Option<Opened>,
    pub(crate) template: Template,
    /// Cookies and the like, to be written at the end.
    pub(crate) kept: Kept,
    pub(crate) output: Output,
    /// Where the JSON lines go.
    pub(crate) records: Option<SharedStream>,
    pub(crate) config: Config,
    pub(crate) driver: DriverChoice,
    pub(crate) ring: ring::Options,
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
    /// Where heads go by themselves.
    pub(crate) dump: Option<SharedStream>,
    pub(crate) fail: Fail,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
    /// Failures are not named.
    pub(crate) mute: bool,
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
    fields: Vec<(String, String)>,
    content: Content,
    target: TargetArgs,
    /// `-H Authorization:` keeps logins from being sent.
    anonymous: bool,
    unusable: Rc<Unusable>,
    options: Arc<Options>,
}

impl Plan {
    /// Makes a plan, or says in one line what stands against it.
    pub(crate) fn new(args: FetchArgs) -> Result<Plan, String> {
        let FetchArgs { urls, input, config, mut request, redirects, output, .. } = args;
        let FetchArgs { body, target, speed, retry, credentials, verbose, quiet, .. } = args;
        let FetchArgs { silent, show_error, .. } = args;
        let FetchArgs { count_or_jar, mut connection, mut cookies, politeness, .. } = args;
        for given in count_or_jar {
            match given {
                CountOrJar::Count(count) => connection.connections = count,
                CountOrJar::Jar(file) => cookies.set_jar(file),
            }
        }
        let FetchArgs {
            coding,
            ways,
            addresses,
            proxy,
            lookup,
            resolver,
            tls: tls_args,
            heads: head_args,
            range,
            condition,
            write_out,
            ..
        } = args;
        if urls.is_empty() && input.is_none() {
            return Err("nothing to fetch: give URLs, or a file of them by -i".to_owned());
        }
        let one_url = input.is_none() && urls.len() == 1;
        let from_stdin = input.as_deref() == Some(Path::new("-"));
        let mut warnings = Vec::new();
        let heads = request.head || head_args.include;
        let fail = match (request.fail, request.fail_with_body) {
            (false, false) => Fail::Never,
            (true, _) => Fail::WithoutBody,
            (false, true) => Fail::WithBody,
        };
        if request.referer.as_deref().is_some_and(|referer| referer.ends_with(";auto")) {
            return Err(
                "-e: \";auto\" is not there: Referer is the same after redirects".to_owned()
            );
        }
        let mut options = options(&request, &redirects, &connection);
        let unusable = proxy.apply(&mut options, |name| std::env::var(name).ok())?;
        let lookup_family = ways.family();
        ways.apply(&mut options)?;
        addresses.apply(&mut options);
        speed.apply(&mut options);
        retry.apply(&mut options);
        coding.apply(&mut options);
        options.timeouts.expect = Some(body.expect100_timeout.0);
        let mut stdin = StandardInput { taken: from_stdin.then_some("-i") };
        if config.iter().any(|file| file == Path::new("-")) {
            stdin.taken = Some("-K");
        }
        let content = Content::new(body, &mut stdin)?;
        if content.is_for_one() && !one_url {
            return Err("-T of a pipe can be sent once, to one URL".to_owned());
        }
        options.auth = credentials.policy()?;
        if leaves_out(&request.fields, "authorization") {
            options.auth = None;
        }
        if let Some(decode) = &mut options.decode {
            decode.ask = !leaves_out(&request.fields, "accept-encoding");
        }
        request.fields.extend(cookies.field(&request.fields));
        if range.range.is_some() && content.method == Some(http::Method::PUT) {
            return Err("-T sends a file whole: -r is about what is to come".to_owned());
        }
        request.fields.extend(range.field(&request.fields));
        condition.check(one_url)?;
        warnings.extend(condition.warning());
        request.fields.extend(condition.field()?);
        request.fields.extend(condition.date_field(&request.fields));
        let etag = condition.validator()?;
        let own_range = request.fields.iter().any(|field| field.is("range"));
        let resume = range.continue_at.map(|offset| Resume { offset, etag, own_range });
        let kept = cookies.read(&mut stdin)?;
        kept.apply(&mut options);
        let no_bodies = request.head;
        let template = Template::new(request, content, target, options, unusable)?;
        let input = input.as_deref().map(Opened::open).transpose()?;
        let dump = head_args.dump(output.create_dirs)?;
        let records = match output.jsonl {
            true => Some(Stream::standard_output().map_err(|error| error.to_string())?),
            false => None,
        };
        let output = place(output, input.is_none().then_some(urls.len()))?;
        let connections = fit(connection.connections, output.writes_files(), &mut warnings)?;
        let one_at_a_time = output.is_stream();
        let per_host = connection.per_host.unwrap_or(connections).min(connections);
        let window = match connection.timeout.and_then(|limit| limit.0) {
            _ if one_at_a_time => 1,
            // a transfer's time runs from when it is added: none is to wait here
            Some(_) => connections,
            None if politeness.holds_up() => {
                connections.saturating_mul(AHEAD_OF_HOSTS).max(AHEAD_OF_DELAYS)
            }
            None if per_host < connections => connections.saturating_mul(AHEAD_OF_HOSTS),
            None => connections.saturating_mul(AHEAD),
        };
        Ok(Plan {
            config: politeness.apply(resolver.apply(Config {
                max_connections: connections,
                max_per_origin: per_host,
                lookup_family,
                retry_budget: retry.budget(),
                names: lookup.service(),
                address_policy: addresses.policy(),
                tls: tls(connection.cacert.as_deref(), connection.insecure, &tls_args)?,
                ..Config::default()
            })),
            urls,
            input,
            template,
            kept,
            records,
            driver: driver(connection.driver, &connection.ring)?,
            ring: connection.ring.options(),
            resolve: connection.resolve,
            window,
            heads,
            no_bodies,
            resume,
            condition: condition.time(),
            etag_save: condition.etag_save,
            write_out: write_out.format()?,
            dump,
            fail,
            verbose,
            quiet: quiet || silent,
            mute: silent && !show_error,
            plain: one_at_a_time && one_url,
            output,
            warnings,
        })
    }

    /// How many URLs there are, if that can be told.
    pub(crate) fn total(&self) -> Option<u64> {
        self.input.is_none().then_some(self.urls.len() as u64)
    }
}

/// Whoever says how a ring is to be set up wants one.
fn driver(choice: DriverChoice, ring: &RingArgs) -> Result<DriverChoice, String> {
    match (choice, ring.given()) {
        (choice, None) => Ok(choice),
        (DriverChoice::Auto, Some(_)) => Ok(DriverChoice::Only(Kind::Ring)),
        (DriverChoice::Only(Kind::Epoll), Some(option)) => {
            Err(format!("{option} is about a ring, and the driver epoll has none"))
        }
        (DriverChoice::Only(kind), Some(_)) => Ok(DriverChoice::Only(kind)),
    }
}

impl Template {
    fn new(
        request: RequestArgs,
        content: Content,
        target: TargetArgs,
        options: Options,
        unusable: Unusable,
    ) -> Result<Template, String> {
        let method = match request.method {
            Some(ref method) => method.0.clone(),
            None if request.head && content.payload.length() != BodyLength::None => {
                return Err("-I asks for a head (HEAD), and -d, -F and -T send a body: -X says \
                            which method it is to be"
                    .to_owned());
            }
            None if request.head => http::Method::HEAD,
            None => content.method.clone().unwrap_or(http::Method::GET),
        };
        let fields = fields(&request, &content, target.http1_0, options.decode.is_some());
        let anonymous = leaves_out(&request.fields, "authorization");
        let (options, unusable) = (Arc::new(options), Rc::new(unusable));
        let template = Template { method, fields, content, target, anonymous, unusable, options };
        template.check().map_err(|error| error.to_string())?;
        Ok(template)
    }

    /// The request for `url`, which was given as `text`.
    pub(crate) fn request(&self, url: &Url, text: &str) -> Result<Request, String> {
        let request = self.make(url, text).map_err(|error| error.to_string())?;
        let origin = request.head().origin();
        let refusal = self.schemes().refuse(origin.scheme());
        match refusal.or_else(|| self.unusable.refuse(origin)) {
            Some(refusal) => Err(refusal),
            None => Ok(request),
        }
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
        let mut fields = self.fields.iter();
        fields.find(|(name, _)| name.eq_ignore_ascii_case("referer")).map(|(_, value)| &**value)
    }

    /// What is read while it is sent.
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        match &self.content.payload {
            Payload::Pipe(pipe) => Some(pipe),
            Payload::None | Payload::Memory(_) | Payload::Pieces(_) => None,
        }
    }

    pub(crate) fn body_length(&self) -> BodyLength {
        self.content.payload.length()
    }

    fn make(&self, url: &Url, text: &str) -> Result<Request, RequestError> {
        let mut url = self.content.url(url);
        if self.anonymous {
            // fails where there is no host, and then there is none of these
            let _ = url.set_username("").and_then(|()| url.set_password(None));
        }
        let mut request = Request::for_url(self.method.clone(), &url)?;
        for (name, value) in &self.fields {
            request = request.field(name, value)?;
        }
        let request = self.target.apply(request, text)?;
        Ok(request.body(self.content.payload.body()).options(Arc::clone(&self.options)))
    }

    /// Whether the parts go together.
    fn check(&self) -> Result<(), RequestError> {
        let url = Url::parse("http://localhost/").expect("a URL");
        self.make(&url, url.as_str())?.head().check(self.body_length())
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
    for field in &content.fields {
        fields.retain(|default| !default.name.eq_ignore_ascii_case(&field.name));
        fields.push(field.clone());
    }
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
    fields.retain(|default| !given.iter().any(|f| f.name.eq_ignore_ascii_case(&default.name)));
    fields.extend(given);
    fields.into_iter().filter_map(|field| Some((field.name, field.value?))).collect()
}

/// Whether a field is not to be sent.
fn leaves_out(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|field| field.is(name) && field.value.is_none())
}

fn options(
    request: &RequestArgs,
    redirects: &RedirectArgs,
    connection: &ConnectionArgs,
) -> Options {
    let mut timeouts = Timeouts::default();
    if let Some(limit) = connection.connect_timeout.and_then(|limit| limit.0) {
        (timeouts.resolve, timeouts.connect, timeouts.tls) =
            (Some(limit), Some(limit), Some(limit));
    }
    if let Some(limit) = connection.idle_timeout {
        (timeouts.first_byte, timeouts.idle) = (Some(limit.0), Some(limit.0));
    }
    timeouts.total = connection.timeout.and_then(|limit| limit.0);
    Options {
        timeouts,
        max_body: request.max_body.map(|size| size.0),
        redirects: redirect_policy(redirects),
        ..Options::default()
    }
}

fn redirect_policy(args: &RedirectArgs) -> Option<RedirectPolicy> {
    let &RedirectArgs { location, location_trusted, max_redirs, post301, post302, post303 } = args;
    (location || location_trusted).then_some(RedirectPolicy {
        max: max_redirs.0,
        keep_post: KeepPost { on_301: post301, on_302: post302, on_303: post303 },
        trust_all_origins: location_trusted,
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
    if insecure {
        builder = builder.insecure();
    }
    let policy = args.demand(builder)?.build();
    let about = if cacert.is_some() { "--cacert" } else { "TLS" };
    policy.map(Some).map_err(|error| format!("{about}: {error}"))
}

/// Where bodies go; `urls` is how many there are, if that can be told.
fn place(args: OutputArgs, urls: Option<usize>) -> Result<Output, String> {
    let OutputArgs { output, output_dir, discard, jsonl, remote_name, .. } = args;
    let OutputArgs { remote_header_name, create_dirs, .. } = args;
    match (output.len(), output_dir) {
        (1, _) if urls != Some(1) => {
            Err("-o takes the body of one URL; --output-dir and -O take many".to_owned())
        }
        (0, directory) if remote_name => {
            let output = Output::directory(&directory.unwrap_or_default(), name_in_url)?;
            Ok(if remote_header_name { output.named_by_responses() } else { output })
        }
        (0, Some(path)) => Output::directory(&path, |url| Ok(file_name(url))),
        (0, None) if discard || jsonl => Ok(Output::Discard),
        (0, None) => Output::standard_output(),
        (files, _) if urls != Some(files) => {
            Err(format!("-o is given {files} times, and not once for each URL"))
        }
        (_, directory) => {
            let places = output.iter().map(|path| match &directory {
                _ if path.to_str() == Some("-") && jsonl => {
                    Err("--jsonl and a body cannot both go to standard output".to_owned())
                }
                Some(directory) if path.to_str() != Some("-") => {
                    Output::file(&directory.join(path), true)
                }
                _ => Output::file(path, create_dirs),
            });
            let mut places = places.collect::<Result<Vec<_>, _>>()?;
            Ok(if places.len() == 1 { places.remove(0) } else { Output::Each(places) })
        }
    }
}

/// How many connections the process may have, of those asked for.
fn fit(wanted: usize, with_files: bool, warnings: &mut Vec<String>) -> Result<usize, String> {
    let limit = rlimit::raise_open_files().map_err(|errno| format!("RLIMIT_NOFILE: {errno}"))?;
    let descriptors = usize::try_from(limit.soft).unwrap_or(usize::MAX);
    // a body that is written has its file open beside its connection
    let each = if with_files { 2 } else { 1 };
    let most = (descriptors.saturating_sub(SPARE_DESCRIPTORS) / each).max(1);
    if wanted > most {
        warnings.push(format!(
            "--connections {wanted} is more than the limit of {} open files allows (RLIMIT_NOFILE): {most} \
             connections are used",
            limit.soft
        ));
    }
    Ok(wanted.min(most))
}
