//! Every bound on what servers, pages and archives can make a crawl do, named, with its reason.

use std::time::Duration;

/// Bytes of a robots.txt that are read; the rest is as if it were not there (RFC 9309, 2.5: at least 500 KiB).
pub const ROBOTS_BYTES: usize = 500 * 1024;
/// Bytes of one line of it, the rest of which is left out: as many as Google keeps, which makes eight times the longest
/// URL that browsers were known to take.
pub const ROBOTS_LINE: usize = 2083 * 8 - 1;
/// How long a robots.txt is believed (RFC 9309, 2.4: no longer than a day).
pub const ROBOTS_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Redirects that are followed on the way to one (RFC 9309, 2.3.1.2: at least five).
pub const ROBOTS_REDIRECTS: usize = 5;
/// The longest Crawl-delay that is kept as it says; a longer one is taken for this.
pub const CRAWL_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the rules that were had last are kept to while a robots.txt cannot be had (RFC 9309, 2.3.1.4, whose example this is); none that are older
/// are known, and nothing may be fetched.
pub const ROBOTS_STALE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How soon it is asked for again where they are.
pub const ROBOTS_AGAIN: Duration = Duration::from_secs(60 * 60);
/// Octets of one URL's path and of patterns that are compared for one URL, about; where that is not enough to know that it is allowed, it is not.
/// (A thousand rules with a `*`, and a path of a thousand octets.)
pub const ROBOTS_STEPS: usize = 1 << 20;
/// Sitemaps that one robots.txt can name.
pub const ROBOTS_SITEMAPS: usize = 1000;

/// Links of one response, after which no more are looked at: as many as a sitemap may have.
pub const LINKS: usize = 50_000;
/// Bytes of these links together: three hundred of each, if there are as many.
pub const LINKS_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one link as it is written.
pub const LINK_BYTES: usize = 8 * 1024;
/// Bytes that reading a page may take, for its longest tag and for what it leaves open; what comes behind is not looked at.
pub const HTML_MEMORY: usize = 8 * 1024 * 1024;

/// Bytes of a word that count in a simhash.
pub const SIMHASH_WORD: usize = 64;
/// Words that a text has to have for one: short ones are nearly all alike.
pub const SIMHASH_LEAST: usize = 32;
/// In how many bits of 64 two pages differ at most that are nearly the same (as Manku, Jain and Das Sarma found for eight billion pages, WWW 2007).
pub const SIMHASH_NEAR: u32 = 3;
/// Of the pages that have a quarter of a simhash in common, those that are looked at for one that is near.
pub const SIMILAR_ROWS: usize = 1024;

/// Bytes of the head of a record that is read.
pub const WARC_HEAD: u64 = 1024 * 1024;
/// Bytes of a record's block in which the end of a head of HTTP is looked for.
pub const WARC_HTTP_HEAD: u64 = 1024 * 1024;
/// Bytes of an index's lines that are in memory while it is made.
pub const INDEX_MEMORY: usize = 64 * 1024 * 1024;
/// Octets of a session's parameter, of no fixed length, that is left out of the key of a URL.
pub const SURT_SESSION: usize = 256;
/// Faults of one record that are told.
pub const WARC_FAULTS: usize = 8;

/// Octets of an ETag or a Last-Modified by which a page is asked for again; a longer one is as if it were not there.
pub const VALIDATOR: usize = 1024;

/// URLs that are settled without a request in one turn, since a robots.txt refuses them or could not be had: whoever has more of them goes on
/// in the next, after what has come for others.
pub const SETTLED: usize = 256;

/// Redirects, one after the other, after which a URL is not followed any further.
pub const REDIRECTS: u8 = 10;
/// How often in a row a robots.txt may be put off (429) before its origin is left for another run.
pub const ROBOTS_DEFERRED: u32 = 3;
/// How often in a row an origin may not answer before it is left for another run. (Not a host: a page of anybody can lead to each of its ports.)
pub const ORIGIN_FAILURES: u32 = 5;
/// An answer that took longer is one of a slow host, which is left alone for as long as it took.
pub const SLOW: Duration = Duration::from_secs(1);
/// How long that is at most.
pub const SLOW_WAIT: Duration = Duration::from_secs(60);
/// How long a host is left alone at most, whatever it says, and whatever an earlier run with another clock has noted down.
pub const BUSY_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Requests that wait because of others of their domain or address, for each that can be under way.
pub const HELD_UP: usize = 3;
/// How long one waits so, unless something else is set; then its host sleeps, so that hosts of other domains have its place.
pub const HELD_UP_TIME: Duration = Duration::from_secs(10);
/// For how long it sleeps at most: when those that held it up are done, it may be all that is left, and nobody wakes it before.
pub const HELD_UP_LONGEST: Duration = Duration::from_secs(60);
/// Bytes that read robots.txts take in memory, about; the store has them all, and whatever has left the memory is read there again.
pub const ROBOTS_CACHE: usize = 64 * 1024 * 1024;
/// Origins that gave no answer, of which is remembered how often in a row: each costs its host a wait.
pub const ORIGINS_SILENT: usize = 1 << 14;
/// How long a host may have to wait and be kept in memory; one that waits longer sleeps in the store.
pub const AWAKE_WAIT: Duration = Duration::from_secs(10);
/// Hosts that are kept in memory for each that can be asked at once.
pub const AWAKE_HOSTS: usize = 8;
/// Bytes of the store that are kept in memory to be read again.
pub const STORE_CACHE: u64 = 64 * 1024 * 1024;
/// URLs that were met lately and are known without the store: of sixteen bytes each.
pub const SEEN_CACHE: usize = 1 << 16;
/// Bytes of each of its nine key spaces that are in memory before they are sorted into a file.
pub const STORE_UNSORTED: u64 = 16 * 1024 * 1024;
/// Bytes of what was done, about, after which there is a commit. (The links of one page come together, whatever they take.)
pub const COMMIT_BYTES: usize = 16 * 1024 * 1024;
/// How long what was done waits for a commit at most.
pub const COMMIT_AGE: Duration = Duration::from_millis(250);
/// Responses after which there is one.
pub const COMMIT_PAGES: usize = 500;
