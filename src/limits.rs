//! Every bound on what a peer or a caller can make this library hold or do, named, with its reason.
//!
//! Knows numbers. A loop, queue or buffer elsewhere that a peer can make longer names its limit
//! from here, and `docs/limits.md` says what ten thousand transfers make of it.

use std::time::Duration;

/// Bounds on one HTTP/1 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a response head, status line and field lines together, and of all informational responses
    /// before it. Servers in the wild stay below 16 KiB but for cookies and policies; curl allows 300 KiB.
    pub head_bytes: usize,
    /// Informational (1xx) responses before the final one. Servers that are slow send one each few seconds
    /// (102, 103), so that others do not give up.
    pub informational: u32,
    /// Bytes of chunk extensions of one body, beyond as many as it has data before them: they carry nothing that we
    /// use, but some storages sign each chunk.
    pub chunk_extension_bytes: usize,
    /// Bytes of a trailer section.
    pub trailer_bytes: usize,
    /// Whether a response may be a body alone, up to the end of the connection (HTTP/0.9), where its first bytes are of no
    /// head. Such a transfer has no status, and ends as [`Cause::Closed`](crate::error::Cause::Closed).
    pub headless: bool,
    /// Whether a head that the connection's end cuts after a whole line is taken for whole.
    pub cut_heads: bool,
}

impl HttpLimits {
    /// The limits in force unless the caller sets others.
    pub const DEFAULT: HttpLimits = HttpLimits {
        head_bytes: 300 * 1024,
        informational: 128,
        chunk_extension_bytes: 16 * 1024,
        trailer_bytes: 16 * 1024,
        headless: false,
        cut_heads: false,
    };
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bounds on one HTTP/2 connection (RFC 9113). Those on its messages are [`HttpLimits`]: a block, encoded or decoded, has at
/// most [`head_bytes`](HttpLimits::head_bytes), and a field counts 32 bytes beyond its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct H2Limits {
    /// Streams open at a time, however many the peer allows.
    pub streams: u32,
    /// CONTINUATION frames of one block: nobody has heads of 144 KiB, and who sends empty ones sends them for ever.
    pub continuations: u32,
    /// Bytes of a body that may come before any of it is consumed: what each stream begins with. No less than the 65,535 that
    /// hold before the peer knows.
    pub initial_window: u32,
    /// Bytes that the window of a stream grows to while its body is consumed as fast as it comes: six gigabits over 40 ms, as
    /// Linux's largest receive buffer by default (tcp_rmem) would have it by HTTP/1.1.
    pub stream_window: u32,
    /// Bytes that the windows of all streams, on all connections of an engine, grow by together, or that came on them and wait
    /// to be delivered; no more than [`Config::memory`](crate::Config::memory).
    pub windows: u64,
    /// Bytes of all bodies that may be on their way: they are granted again as they come.
    pub connection_window: u32,
    /// Frames that bring nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, those that are not known or too late)
    /// with little else between them.
    pub barren_frames: u32,
    /// Frames that wait for an acknowledgement which could not be sent yet.
    pub answers: u32,
}

impl H2Limits {
    /// The limits in force unless the caller sets others.
    pub const DEFAULT: H2Limits = H2Limits {
        streams: 1000,
        continuations: 8,
        initial_window: 65_535,
        stream_window: 32 * 1024 * 1024,
        windows: 128 * 1024 * 1024,
        connection_window: 64 * 1024 * 1024,
        barren_frames: 1000,
        answers: 64,
    };
}

impl Default for H2Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Times as wide as it was the window of a body becomes, each time that it is granted again to who keeps up. TCP's doubles in each
/// round trip: this one has to be as wide before that, or it is what a large body waits for.
pub(crate) const H2_WIDENING: u32 = 4;

/// The windows of one origin's streams have grown by no more than such a part of what those of others leave, and that of one stream by no
/// more than such a part of what is left of that: a lone one has a quarter of all, ten of one origin a twentieth each.
pub(crate) const H2_WIDEST: u64 = 2;

/// Bytes of a body that are granted again at once, where its window is wide: the larger, the less of the window is used on a
/// long way, and the smaller, the more frames say so.
pub(crate) const H2_GRANT: u32 = 1024 * 1024;

/// Bytes of the table of header fields that each side of an HTTP/2 connection keeps, at most: what RFC 9113, 6.5.2 begins with.
pub(crate) const H2_HEADER_TABLE: usize = 4096;

/// Bytes of a request's field lines that are kept as they were encoded, for the requests after it on the same connection.
pub(crate) const H2_SHARED_FIELDS: usize = 4096;

/// Frames that bring nothing which a response's head makes up for.
pub(crate) const H2_BARREN_FOR_HEAD: u32 = 16;

/// Frames that bring nothing which one of data makes up for, in either direction: servers send two WINDOW_UPDATEs for each
/// that they get, or a PING with each that they send.
pub(crate) const H2_BARREN_FOR_DATA: u32 = 4;

/// Streams that the peer has ended of which that is remembered, to tell frames that are late from those that cannot be.
pub(crate) const H2_ENDED: usize = 64;

/// Bytes of what a peer that goes away says in words.
pub(crate) const H2_DEBUG: usize = 256;
/// For how long requests wait to see whether the connection that is being made takes them all, before others are made; and for how
/// long a request waits for each step of its connection before it goes on any other that is free.
pub(crate) const DIAL_PATIENCE: Duration = Duration::from_millis(500);

/// For how long a connection that requests are waiting on may be silent before its peer is asked whether it is there.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(30);

/// For how long after an answer it may be silent before it is asked again: less than the 350 s after which gateways forget
/// connections, and more than the five minutes that servers of gRPC want between two (they close the connection of who asks
/// more often).
pub(crate) const PING_AGAIN: Duration = Duration::from_secs(310);

/// For how long the answer is waited for.
pub(crate) const PING_PATIENCE: Duration = Duration::from_secs(15);

/// Requests of one HTTP/2 connection that are given up, of which its server is told by RST_STREAM, before others are sent on
/// another: servers take some 200 in half a minute for an attack (CVE-2023-44487).
pub(crate) const H2_RESETS: u32 = 100;

/// For so long they are counted.
pub(crate) const H2_RESETS_WITHIN: Duration = Duration::from_secs(30);

/// Origins of which it is remembered what they speak after nothing else is known of them.
pub(crate) const SPOKEN: usize = 4096;

/// For how long an HTTP/2 connection that has just become idle keeps what only a busy one needs.
pub(crate) const WIDE: Duration = Duration::from_secs(1);

/// Bytes of a response head that answers CONNECT: nearly all have less.
pub(crate) const CONNECT_HEAD: usize = 64 * 1024;

/// Lines of one response head after its status line: the number that curl takes.
pub(crate) const HEAD_FIELDS: usize = 5000;

/// Bytes of memory that peers can make all transfers of an engine hold, unless the caller says otherwise: the windows of some
/// dozen bodies with the largest there are, or of 2,500 with gzip's.
pub const MEMORY: usize = 128 * 1024 * 1024;

/// Bytes of a head that has not come whole for which no memory is asked: heads are smaller, but for those of few servers.
pub(crate) const HEAD_UNASKED: usize = 4 * 1024;

/// Bytes that the transfers of one owner are not made to give up: gzip's window, and what else is held of any coded body.
pub(crate) const MEMORY_UNASKED: usize = 128 * 1024;

/// How often the limit of memory may be held, what those who wait have yet to take included, before some of them fail
/// instead of waiting.
pub(crate) const MEMORY_IN_LINE: usize = 2;

/// The share of the limit of memory that messages of TLS and blocks of HTTP/2 which have not come whole have at any time.
pub(crate) const UNFINISHED_SHARE: usize = 8;

/// How long memory is waited for before it is looked at who makes little use of it, and then again each time.
pub(crate) const MEMORY_PATIENCE: Duration = Duration::from_secs(5);

/// Parts of the limit of memory of which whoever has most gives up one at a time: it costs a look at all connections.
pub(crate) const MEMORY_PORTIONS: usize = 8;

/// How long a body takes at most to have as many bytes decoded as its decoder holds, while others wait for memory.
pub(crate) const MEMORY_USE: Duration = Duration::from_secs(64);

/// How long a head takes at most for as many bytes to come as are held of it, while others wait for memory. Of one that
/// comes no faster 300 KiB are there after half a minute.
pub(crate) const HEAD_USE: Duration = Duration::from_secs(8);

/// Answers of name look-ups kept by default: some 200 bytes each.
pub(crate) const LOOKUP_CACHE: usize = 16 * 1024;

/// Look-ups in flight that the engine does itself, where servers may be asked as much at a time. Of one owner there are no
/// more than there are places left: names that are never answered must not keep the others waiting. Each is some 500 bytes.
pub(crate) const LOOKUPS: usize = 16 * 1024;

/// Bytes of all answers of name look-ups that are kept by default, however many may be.
pub(crate) const LOOKUP_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Requests that a connection serves in a row for its own origin while other origins wait for a
/// connection slot; then its slot goes to the next of them.
pub(crate) const REQUESTS_PER_TURN: u32 = 64;

/// How often one request is sent again because the kept connection that it was sent on had gone
/// stale. Each time costs a connection, of which a peer may have closed any number.
pub(crate) const STALE_RETRIES: u8 = 3;

/// How often a request is sent again that peers say they have not processed: one that goes away says so of all that it has
/// not begun.
pub(crate) const REFUSALS: u8 = 10;

/// Transfers admitted in one batch: a million added at once must not keep sockets waiting.
pub(crate) const ADMITTED_PER_BATCH: usize = 4096;

/// Plaintext handed to TLS at a time: one record.
pub(crate) const TLS_PLAINTEXT: usize = 16 * 1024;

/// TLS sessions that a policy remembers unless told otherwise: of a crawl's working set, one or more for each host. Each has
/// a copy of its host's certificates, of which rustls takes 64 KiB, and a ticket, which has 64 KiB at most; what it really is
/// rustls does not say.
pub(crate) const SESSIONS: usize = 4096;

/// TLS sessions that a policy remembers at most. With certificates as servers have them this is a quarter of a gigabyte.
pub(crate) const MOST_SESSIONS: usize = 65_536;

/// TLS 1.3 tickets of one host that are kept, the newest. Each is used once, and a server sends two or so with each
/// handshake.
pub(crate) const SESSION_TICKETS: usize = 4;

/// Parts of all TLS sessions of which an owner has one at most.
pub(crate) const SESSION_SHARES: usize = 8;

/// Bytes of the TLS alert that a connection sends as it is closed.
pub(crate) const LAST_WORDS: usize = 256;

/// Addresses of one name that are tried.
pub(crate) const ADDRESSES: usize = 16;

/// Addresses that are tried for one connection, late ones and those of overrides included.
pub(crate) const ATTEMPTS: usize = 64;

/// How long an address that has not answered is waited for before the next one is tried beside it, unless
/// said (RFC 8305, 8).
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The least that may be said: less would flood a network with SYNs (RFC 8305, 5).
pub(crate) const LEAST_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// The most that may be said (RFC 8305, 5); and how often whoever has no address or no room for one more attempt
/// looks again.
pub(crate) const MOST_ATTEMPT_DELAY: Duration = Duration::from_secs(2);

/// How long the family of addresses comes first that won where another was tried before: networks change, and
/// RFC 6555, 4.2 has such findings forgotten after some ten minutes.
pub(crate) const FAMILY_PREFERENCE: Duration = Duration::from_secs(600);

/// Receives from one socket before others get their turn.
pub(crate) const RECEIVES_PER_TURN: u32 = 8;

/// Sends to one socket before others get their turn.
pub(crate) const SENDS_PER_TURN: u32 = 8;

/// Bytes that are taken of a connection that is overdue before it fails, about: all that its socket can hold (tcp_rmem:
/// 6 MiB), but not what an endless body brings meanwhile.
pub(crate) const LATE_BYTES: usize = 8 * 1024 * 1024;

/// How long after its deadline a connection that is being set up has to be heard of for it to be plain that nobody has looked:
/// more than it takes to wake up.
pub(crate) const OVERSLEPT: Duration = Duration::from_millis(10);

/// How long a look at all sockets for those that hold none, and whose time is over, is good for: it costs what there are
/// sockets, about 0.1 µs each, and queues of many transfers may end in each millisecond.
pub(crate) const LOOK_AROUND: Duration = Duration::from_millis(20);

/// Bytes that one receive takes at most.
pub(crate) const RECEIVE_BUFFER: usize = 64 * 1024;

/// Bytes that one send gives at most.
pub(crate) const SEND_BUFFER: usize = 16 * 1024;

/// Completions handled before what they led to is submitted: enough to make the system call cheap, few
/// enough that the first answer does not wait for the last.
pub(crate) const COMPLETIONS_PER_TURN: u32 = 1024;

/// Entries of a submission queue at least: the longest chain of operations, which is submitted as a whole.
pub(crate) const LEAST_SUBMISSIONS: u32 = 8;

/// How long a wait lasts while there is something to be submitted that the kernel had no memory for.
pub(crate) const SUBMIT_AGAIN: Duration = Duration::from_millis(1);

/// How long the kernel may have no memory for any submission, and complete nothing, before the ring is given up: no request
/// could end, and none would be told.
pub(crate) const CROWDED: Duration = Duration::from_secs(5);

/// System calls in which the kernel finishes no stream that was closed, before whoever has no transfer left
/// leaves that to the next turn. It works off some twenty completions in one.
pub(crate) const FLUSHES: u32 = 4;

/// Places in the ring's table of direct descriptors, if RLIMIT_NOFILE allows so many: as many as one
/// address has ports.
pub(crate) const DIRECT_DESCRIPTORS: u32 = 64 * 1024;

/// Provided buffers of the ring, a power of two: so many receives can complete between two turns before
/// some have to be armed again. The kernel has two for each stream of them, which few large bodies fill
/// again and again while the caches hold them.
pub(crate) const PROVIDED_BUFFERS: u16 = 1024;

/// Provided buffers that the kernel has however few the streams.
pub(crate) const LEAST_BUFFERS: u16 = 64;

/// Bytes of a provided buffer. Large bodies cost a little less the larger it is, small ones touch its first
/// page alone.
pub(crate) const PROVIDED_BUFFER: u32 = 32 * 1024;

/// Of all provided buffers this part at most is kept by handlers: the others go on receiving, whoever keeps what for how
/// long.
pub(crate) const KEPT_PART: u16 = 2;

/// Bytes that the ring receives at a time of what may have to wait for memory, so that a crowd that waits has as many each.
pub(crate) const PIECE: u32 = 16 * 1024;

/// Provided buffers that one connection may fill between two turns; then it gets one at a time, until it
/// leaves one unfilled.
pub(crate) const BUFFERS_PER_TURN: u32 = 32;

/// Bytes of a send from which on the ring may send without a copy. Measured where pages really leave: below,
/// what the kernel does to hold the pages costs what the copy costs.
pub(crate) const ZERO_COPY_BYTES: u32 = 60_000;

/// Slots of sends, of 64 KiB each, that the kernel may hold at a time beyond a send's result: until a peer, who takes
/// its time, has acknowledged them. Sends beyond are copied.
pub(crate) const ZERO_COPY_LOANS: usize = 512;

/// How long a connection that was closed lasts while the kernel holds slots of it: a peer that reads acknowledges them
/// sooner. Then it is reset, and the slots come back.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// Closes that a kernel may hold back which is late with them (before Linux 6.13), if there are fewer streams: then receives are begun anew,
/// which takes two operations for each stream.
pub(crate) const HELD_CLOSES: usize = 64;

/// Bytes of a URL that a Location leads to, and of the Location itself. RFC 9110, 4.1 asks for 8,000 at
/// least; each that was followed is kept until the transfer ends.
pub(crate) const LOCATION: usize = 16 * 1024;

/// Redirects that one transfer may ask to have followed, at most: what was followed is kept and looked
/// through for loops.
pub const REDIRECTS: u32 = 1000;

/// Bytes of the targets in the record of one transfer's hops, where one is asked for: fifty redirects of 2.5 KiB.
pub const HOP_URLS: usize = 128 * 1024;

/// Bytes of a URL that are shown in messages, and kept of each that redirected.
pub(crate) const SHOWN_URL: usize = 120;

/// Content codings of one body, one over the other: curl's number. More than two are not met.
pub(crate) const CODINGS: usize = 5;

/// Decoded bytes handed on at a time, and so the most work between two looks at the caps.
pub(crate) const DECODE_BUFFER: usize = 64 * 1024;

/// Bytes between two codings of one body.
pub(crate) const CODING_BUFFER: usize = 16 * 1024;

/// Decoded bytes that no ratio is asked of: so few do no harm, however little they came from.
pub const DECODED_FREELY: u64 = 1024 * 1024;

/// Decoded bytes that come of one received at most, beyond these, unless the caller says otherwise. deflate reaches 1,032, of
/// one byte again and again; texts stay below 100.
pub const DECODED_RATIO: u32 = 1000;

/// Bytes between two codings of a body of which no ratio is asked.
pub(crate) const CODED_FREELY: u64 = 16 * 1024;

/// Bytes between two codings that come of one received at most, beyond these: coded bytes shrink hardly when they are coded
/// again, and each costs up to 3 µs (a block of deflate with nothing in it has 10 bits), whatever comes of it.
pub(crate) const CODED_RATIO: u32 = 16;

/// Decoded bytes that count as much as one that a coding is given, whatever comes of it: more than honest ones cost, so that a
/// turn has 16 KiB at most of those that cost a hundred times as much.
pub(crate) const CODED_BYTE: u64 = 32;

/// Decoded bytes, of all codings of a body, and what else costs as much, after which others get their turn.
pub(crate) const DECODED_PER_TURN: u64 = 512 * 1024;

/// Decoded bytes of all bodies that wait for their turn, after which sockets and deadlines are looked at.
pub(crate) const DECODED_PER_BATCH: u64 = 16 * 1024 * 1024;

/// Bytes of a request's body that a proxy which asks who makes it is trusted to have read: what squid 5 buffers.
pub(crate) const UNREAD_UPLOAD: u64 = 60_000;

/// Bytes of a zstd frame's window: what RFC 9659 allows.
pub(crate) const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

/// Bytes of memory for the windows and tables of one body's codings: the largest of each of two. Codings over codings would
/// take more.
pub(crate) const DECODER: usize = 32 * 1024 * 1024;

/// Bytes of a gzip member's header, which may have an extra field of 64 KiB, and a name and a comment of any length.
pub(crate) const GZIP_HEADER: usize = 128 * 1024;

/// Decoded bytes that cost as much as a gzip member or a zstd frame does beside what is in it: some microseconds. So much
/// work it is, and so much of what was decoded excuses one more.
pub(crate) const CODING_MEMBER: u64 = 4096;

/// Received bytes for each member or frame whatever it has: as many as the shortest has, so that only where one coding is
/// over another there can be too many.
pub(crate) const CODING_MEMBER_RECEIVED: u64 = 8;

/// Members or frames beyond all these.
pub(crate) const CODING_MEMBERS: u64 = 64;

/// Bytes of the body of a response on which another request follows (a redirect, a challenge) which
/// are read, and thrown away, to keep the connection: more costs more than a connection does.
pub(crate) const SUPERSEDED_BODY: u64 = 64 * 1024;

/// How long the rest of a response that goes nowhere is waited for, to keep the connection: a round trip over the longest
/// of ways, most often.
pub(crate) const UNWANTED_REST: Duration = Duration::from_millis(500);

/// Challenges of one response that are looked at. Servers send one or two, in all their field lines.
pub(crate) const CHALLENGES: usize = 16;

/// Parameters of one challenge; Digest has ten.
pub(crate) const CHALLENGE_PARAMETERS: usize = 32;

/// How often one request is sent again because it was challenged: once to learn what is asked, and
/// again as often as its nonce has gone stale on the way.
pub(crate) const AUTH_ROUNDS: u32 = 4;

/// Bytes of a Digest challenge's realm, nonce and opaque together: they are kept, and sent back. curl has 1,024 for each.
pub(crate) const DIGEST_TEXTS: usize = 4096;

/// Realms of one origin of which the nonces are kept.
pub(crate) const REALMS: usize = 8;

/// Users of origins of whom it is kept what was learned from challenges: some 500 bytes each.
pub(crate) const AUTHENTICATORS: usize = 1024;

/// Owners of hosts of whom it is known that they have had a retry lately: some 100 bytes each.
pub(crate) const RETRY_DEBTORS: usize = 1024;

/// Bytes of a cookie's name and value together (RFC 6265bis, 5.6).
pub(crate) const COOKIE: usize = 4096;

/// Bytes of the value of a cookie's attribute (RFC 6265bis, 5.6).
pub(crate) const COOKIE_ATTRIBUTE: usize = 1024;

/// Bytes of a line of a cookie file: a cookie, its domain and its path.
pub(crate) const COOKIE_LINE: usize = 8 * 1024;

/// Seconds that a cookie is kept: 400 days (RFC 6265bis, 5.5).
pub(crate) const COOKIE_AGE: u64 = 400 * 24 * 60 * 60;

/// Cookies of one registrable domain, its subdomains included; RFC 6265bis, 6.1 asks for 50 at least.
pub(crate) const COOKIES_PER_SITE: usize = 180;

/// Cookies of one jar, unless files have more; RFC 6265bis, 6.1 asks for 3,000 at least. Each is 200 bytes, and its text.
pub const COOKIES: usize = 10_000;

/// Bytes of a Cookie field; servers commonly refuse heads of more. Cookies that do not fit are left out.
pub(crate) const COOKIE_FIELD: usize = 8 * 1024;

/// Hosts that are known to want TLS, unless a file has more. Each is 120 bytes, and its name.
pub(crate) const HSTS_HOSTS: usize = 10_000;

/// Bytes of a UDP answer that servers are told to keep to: what fits an unfragmented packet nearly everywhere
/// (DNS flag day 2020).
pub(crate) const DNS_PAYLOAD: u16 = 1232;

/// Names that an alias may lead over, in one answer or several. Operators keep to three or four.
pub(crate) const ALIASES: usize = 16;

/// Compression pointers that one name in a DNS message may lead over. Real ones have one or two.
pub(crate) const DNS_POINTERS: usize = 32;

/// Labels and pointers of names that are followed in one DNS message; what stands behind is left unread. The 4,000 addresses
/// that the longest message has room for are 24,000; a message of nothing but long names ends here after a millisecond.
pub(crate) const DNS_STEPS: usize = 32 * 1024;

/// Names of one answer, beside those that its aliases have led to so far, whose records are kept until an alias does.
pub(crate) const DNS_OWNERS: usize = 64;

/// Servers that are asked: resolv.conf(5) has three, a command line may have more.
pub(crate) const NAME_SERVERS: usize = 16;

/// Domains of a search list. Each may cost two queries for each name that does not exist.
pub(crate) const SEARCH_DOMAINS: usize = 32;

/// Bytes of resolv.conf(5) or nsswitch.conf(5) that are read.
pub const NAME_FILE: usize = 64 * 1024;

/// Bytes of a file of certificates or keys: all roots of the world are a few hundred KiB.
pub(crate) const PEM_FILE: u64 = 16 * 1024 * 1024;

/// Bytes of hosts(5) that are read: lists of hosts to block have some megabytes.
pub const HOSTS_FILE: usize = 32 * 1024 * 1024;

/// Names of hosts(5) that are kept, at some 100 bytes each.
pub(crate) const HOSTS_NAMES: usize = 1024 * 1024;

/// UDP sockets to one server that new queries are spread over, each with a source port of its own; opened as
/// they are needed.
pub(crate) const NAME_CHANNELS: usize = 16;

/// UDP sockets to one server that take no new queries and wait for the answers to their last. The oldest is
/// closed for one more, and what it waited for is asked again in its time.
pub(crate) const RETIRED_CHANNELS: usize = 16;

/// Queries of one socket, after which another takes its place, with another source port.
pub(crate) const QUERIES_PER_CHANNEL: u32 = 4096;

/// Messages on one socket with ids that no query of it has had, after which it is closed, and what was asked on it is
/// asked on others.
pub(crate) const CHANNEL_GUESSES: u32 = 256;

/// How often one try of a query is made on another socket because ids were guessed on its own. Beyond, it waits until its
/// time is over, so that a flood costs time and no flood of ours.
pub(crate) const ESCAPES: u8 = 2;

/// How long a UDP socket takes new queries.
pub(crate) const CHANNEL_AGE: Duration = Duration::from_secs(60);

/// How long a socket to a DNS server is kept without a query on it.
pub(crate) const CHANNEL_IDLE: Duration = Duration::from_secs(10);

/// Queries on one socket that wait for their answers: a quarter of the ids, so that a free one is found at once.
pub(crate) const CHANNEL_QUERIES: usize = 16 * 1024;

/// Queries that one server is asked at a time, unless the caller says otherwise.
pub(crate) const NAME_QUERIES: usize = 8192;

/// Earlier tries of a query, answers to which are taken still.
pub(crate) const NAME_TRIES_AWAITED: usize = 4;

/// Answers with a query's id that are malformed or not for its question, after which the next server is asked.
pub(crate) const BAD_ANSWERS: u8 = 8;

/// How long one look-up takes at most, however many servers there are.
pub(crate) const NAME_DEADLINE: Duration = Duration::from_secs(30);

/// How long a look-up takes before addresses that have expired are given out, where there are such and that is wanted: the
/// client response timer of RFC 8767, 5.
pub(crate) const STALE_AFTER: Duration = Duration::from_millis(1800);

/// How long a server that does not answer is asked after the others, but for one query.
pub(crate) const SERVER_SHUNNED: Duration = Duration::from_secs(30);

/// Queries in a row that a server leaves without an answer before it is asked after the others.
pub(crate) const SERVER_SILENCE: u32 = 3;

/// How long a server that did not understand EDNS is asked without, as long as unbound remembers it: servers are
/// replaced.
pub(crate) const SERVER_PLAIN: Duration = Duration::from_secs(900);

/// How long no socket to DNS servers is opened after the system had none.
pub(crate) const NAME_PAUSE: Duration = Duration::from_millis(100);

/// Gates (of origins, hosts, domains, addresses) that have a time to be kept: some 40 bytes each. At the
/// bound new hosts wait until the time of others has come; none is forgotten before.
pub const GATES: usize = 2 * 1024 * 1024;

/// How often it is looked whose time has come while new hosts wait for that.
pub(crate) const GATES_SWEPT_EVERY: Duration = Duration::from_millis(250);

/// Bytes of a file that are gathered before they are written: a write each, of a size that file systems like.
pub const FILE_BLOCK: usize = 64 * 1024;

/// Bytes of one file that are not written yet, from which on its transfer is paused until half of them are: a few writes, so
/// that the disk has work while the network is asked for more.
pub const FILE_UNWRITTEN: usize = 256 * 1024;

/// The same of all files together: a disk that cannot keep up holds up those that write to it, and costs no more memory
/// than that.
pub const FILES_UNWRITTEN: usize = 64 * 1024 * 1024;

/// Bytes of one file that is sent which are read and not sent yet: two blocks, so that one is read while the other leaves.
pub const FILE_AHEAD: usize = 2 * FILE_BLOCK;

/// The same where all files together hold [`FILES_AHEAD`]: about what a connection has of a buffer for sending. Less would hold up
/// files of quick peers for those of slow ones.
pub const FILE_AHEAD_CROWDED: usize = 16 * 1024;

/// Bytes of all files that are sent, read and not sent yet, from which on each reads no more than [`FILE_AHEAD_CROWDED`] at a
/// time.
pub const FILES_AHEAD: usize = 32 * 1024 * 1024;

/// Bytes that a reader which may block is asked for at a time.
pub const READ_PIECE: usize = 64 * 1024;

/// What such a reader has read for one body and is not sent yet, in pieces: a few, so that it reads while others leave.
pub const READ_AHEAD: usize = 4;

/// Threads, or workers of the kernel, that wait for file systems at a time: as many as a disk has use for.
pub const FILE_THREADS: usize = 8;

/// How long the end of a driver waits for the files that it still has, without any of them getting further: to take away
/// what was written aside.
pub const FILE_PATIENCE: Duration = Duration::from_secs(5);
