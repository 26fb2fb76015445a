//! What `ringdove fetch` can be told: every option with its help, of which most stand in groups of their own.
//!
//! Knows the words of the command line and which of them exclude each other. Must not know what they mean together: that
//! is [`crate::plan`]'s.

use std::path::PathBuf;

use clap::Args as Group;

use super::addresses::AddressArgs;
use super::body::BodyArgs;
use super::coding::CodingArgs;
use super::condition::ConditionArgs;
use super::connect::TlsArgs;
use super::cookies::CookieArgs;
use super::credentials::CredentialArgs;
use super::existing::ExistingArgs;
use super::field_lines::FieldLines;
use super::heads::HeadArgs;
use super::http2::Http2Args;
use super::lookup::{LookupArgs, ResolverArgs};
use super::politeness::PolitenessArgs;
use super::proxy::ProxyArgs;
use super::ranges::RangeArgs;
use super::resolve::Addresses;
use super::retry::RetryArgs;
use super::ring::RingArgs;
use super::speed::SpeedArgs;
use super::target::TargetArgs;
use super::trace::TraceArgs;
use super::values::{
    CountOrJar, DriverChoice, Field, Limit, MaxRedirects, Method, Seconds, Size, at_least_one,
};
use super::ways::WayArgs;
use super::write_out::WriteOutArgs;

/// Fetch URLs, many at once.
///
/// Without an output option, bodies go to standard output one at a time, in URL order.
///
/// Exit status: 0 all done, 1 some transfers failed, 2 nothing began (usage, or something that all
/// of it needs), 141 given up since standard output was closed by its reader, 128 and the number of a
/// signal ended by it (130 SIGINT, 143 SIGTERM).
#[derive(Debug, Clone, Group)]
#[command(args_override_self = true)]
pub(crate) struct FetchArgs {
    /// URLs to fetch, http or https (http where none is said), before those of -i; {a,b} and [1-9] stand for several
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,

    /// A URL, whatever it begins with
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub(crate) url: Vec<String>,

    /// Read URLs from FILE, one a line (- for standard input). Blank lines and lines that begin
    /// with # are passed over. Lines are read as they are needed, however many there are
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// Begin nothing more once a transfer has failed, and give up those that are under way
    #[arg(long)]
    pub(crate) fail_early: bool,

    /// Tell on stderr the heads of requests and responses, and what became of each transfer
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// No progress bar, no summary, no warnings; failures are still named
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Like -q, and failures are not named either, unless -S says so; the exit status tells of them
    #[arg(short, long)]
    pub(crate) silent: bool,

    /// With -s, name failures all the same
    #[arg(short = 'S', long)]
    pub(crate) show_error: bool,

    /// Write what is told on stderr to FILE instead (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub(crate) stderr: Option<PathBuf>,

    /// With a number as --connections, with anything else as --cookie-jar (./64 is a file)
    #[arg(short = 'c', value_name = "N|FILE")]
    pub(crate) count_or_jar: Vec<CountOrJar>,

    /// Begin another set of options, for the URLs that follow: they are fetched when those before are. What is
    /// about the whole run (-v, -q, -s, -S, --fail-early) holds for all; options of connections, names, gates
    /// and drivers stand before the first --next
    #[arg(long, visible_short_alias = ':')]
    pub(crate) next: bool,

    /// What comes after each --next.
    #[arg(skip)]
    pub(crate) later: Vec<FetchArgs>,

    /// Options from FILE, one a line as NAME = VALUE (- for standard input); docs/cli.md has the syntax
    #[arg(short = 'K', long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) trace: TraceArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) body: BodyArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) speed: SpeedArgs,
    #[command(flatten)]
    pub(crate) retry: RetryArgs,
    #[command(flatten)]
    pub(crate) coding: CodingArgs,
    #[command(flatten)]
    pub(crate) redirects: RedirectArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) cookies: CookieArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) heads: HeadArgs,
    #[command(flatten)]
    pub(crate) write_out: WriteOutArgs,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) http2: Http2Args,
    #[command(flatten)]
    pub(crate) lookup: LookupArgs,

    #[command(flatten)]
    pub(crate) resolver: ResolverArgs,
    #[command(flatten)]
    pub(crate) ways: WayArgs,
    #[command(flatten)]
    pub(crate) politeness: PolitenessArgs,
    #[command(flatten)]
    pub(crate) addresses: AddressArgs,
    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Requests")]
pub(crate) struct RequestArgs {
    /// The method (default: GET; POST with -d and -F, PUT with -T, HEAD with -I)
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<Method>,

    /// A field for each request, as `Name: value`; `Name;` is one without a value, and `Name:` leaves a default field
    /// out; or the lines of a file (- for standard input)
    #[arg(short = 'H', long = "header", value_name = "FIELD|@FILE", allow_hyphen_values = true)]
    pub(crate) field_lines: Vec<FieldLines>,

    /// Those that `field_lines` come to.
    #[arg(skip)]
    pub(crate) fields: Vec<Field>,

    /// Ask for heads only (HEAD), and write them where the bodies would go
    #[arg(short = 'I', long)]
    pub(crate) head: bool,

    /// Count a response with status 400 or above as failed, and write no body
    #[arg(short, long)]
    pub(crate) fail: bool,

    /// Count a response with status 400 or above as failed, and write its body all the same
    #[arg(long, conflicts_with = "fail")]
    pub(crate) fail_with_body: bool,

    /// Fail a transfer whose body is larger: bytes, or with k, M, G for units of 1024
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_body: Option<Size>,

    /// What User-Agent says instead of ringdove's name and version; empty, it is left out
    #[arg(short = 'A', long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) user_agent: Option<String>,

    /// What Referer says
    #[arg(short = 'e', long, value_name = "URL", allow_hyphen_values = true)]
    pub(crate) referer: Option<String>,
}

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Redirects")]
pub(crate) struct RedirectArgs {
    /// Follow redirects: 301, 302, 303, 307 and 308, to http and https
    #[arg(short = 'L', long, visible_alias = "follow")]
    pub(crate) location: bool,

    /// Like -L, and send credentials (Authorization, Cookie, Proxy-*) wherever it leads; otherwise they
    /// are left out from the first change of scheme, host or port on
    #[arg(long)]
    pub(crate) location_trusted: bool,

    /// Maximum number of redirects; -1 means 1000
    #[arg(long, value_name = "N", default_value = "50", allow_negative_numbers = true)]
    pub(crate) max_redirs: MaxRedirects,

    /// Let a POST stay one after 301, and not become a GET
    #[arg(long)]
    pub(crate) post301: bool,

    /// Let a POST stay one after 302, and not become a GET
    #[arg(long)]
    pub(crate) post302: bool,

    /// Let a POST stay one after 303, and not become a GET
    #[arg(long)]
    pub(crate) post303: bool,
}

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write the body of the one URL to FILE (- for standard output); for each of several URLs there is one
    /// -o, in their order
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,

    /// Write each body to a file of its own in DIR, named after its URL, or as -o and -O say. Files are
    /// written aside and renamed when whole; the same URL again replaces its file
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,

    /// Write no bodies
    #[arg(long, conflicts_with_all = ["output", "output_dir", "remote_name"])]
    pub(crate) discard: bool,

    /// Write each body to a file named by the last segment of its URL's path, here or in --output-dir
    #[arg(short = 'O', long, alias = "remote-name-all", conflicts_with = "output")]
    pub(crate) remote_name: bool,

    /// With -O, take the name that the response proposes (Content-Disposition), if there is no such file
    #[arg(short = 'J', long, conflicts_with_all = ["include", "head", "continue_at"])]
    pub(crate) remote_header_name: bool,

    /// Write bodies as they arrive (the default)
    #[arg(short = 'N', long)]
    pub(crate) no_buffer: bool,

    /// Make the directories that the files of -o and -D are to stand in
    #[arg(long)]
    pub(crate) create_dirs: bool,

    /// Write one JSON object for each transfer to standard output, and bodies only where -o, -O
    /// or --output-dir says
    #[arg(long)]
    pub(crate) jsonl: bool,

    #[command(flatten)]
    pub(crate) existing: ExistingArgs,
}

impl OutputArgs {
    /// Whether bodies go to files.
    pub(crate) fn writes_files(&self) -> bool {
        self.remote_name || self.output_dir.is_some() || !self.output.is_empty()
    }
}

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// Connections at once, idle ones included
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connections: usize,

    /// Connections at once to one scheme, host and port (default: as many as --connections allows)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) per_host: Option<usize>,

    /// Threads, each with a driver of its own: URLs are shared out by host, and connections and memory with them. Bodies go to
    /// files then, or nowhere; what needs all transfers in one place (cookies, -C, --next and some more) is refused
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,

    /// How to wait for sockets: auto, or one of those that `ringdove doctor` lists
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) driver: DriverChoice,

    /// Maximum time for looking the name up, for connecting and for the TLS handshake, each (default, and
    /// with 0: 30)
    #[arg(long, value_name = "SECONDS")]
    pub(crate) connect_timeout: Option<Limit>,

    /// Maximum time for a whole transfer, its wait where --per-host is reached included (default, and
    /// with 0: no limit)
    #[arg(short = 'm', long, alias = "max-time", value_name = "SECONDS")]
    pub(crate) timeout: Option<Limit>,

    /// Maximum time without a byte in either direction, before the response and within (default: 120)
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout: Option<Seconds>,

    /// Trust the PEM certificates in FILE instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,

    /// Accept any certificate of any server. Anyone on the path can then read and change all
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Connect to these addresses for HOST (* for any) and PORT, without a look-up; with + for as long as the
    /// answer to one would hold; -HOST:PORT takes back what was said before
    #[arg(long, value_name = "[+]HOST:PORT:ADDR[,ADDR]…", allow_hyphen_values = true)]
    pub(crate) resolve: Vec<Addresses>,

    #[command(flatten)]
    pub(crate) ring: RingArgs,
}
