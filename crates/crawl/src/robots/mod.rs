//! What a robots.txt says to one crawler (RFC 9309), read off its bytes.
//!
//! Knows groups, rules, their precedence, and the two records beside them that are in use everywhere: Crawl-delay and
//! Sitemap. Must not know who fetches the file, nor when. Invariants: any bytes are a robots.txt; of two rules that
//! match the longer one decides, and of two as long the one that allows; a rule is looked at once for each URL.

mod lines;
mod pattern;
mod standing;

use std::collections::HashSet;
use std::time::Duration;

use url::{Position, Url};

use crate::limits;
use lines::{Kind, lines};
use pattern::{Rules, Steps, octets};

pub use standing::{Answer, Standing};

/// What a robots.txt says to one crawler.
///
/// ```
/// use ringdove_crawl::robots::Robots;
///
/// let robots = Robots::parse(b"User-agent: *\nDisallow: /private/\nCrawl-delay: 2\n", "ourbot");
/// assert!(robots.allows(&"http://a.example/public".parse()?));
/// assert!(!robots.allows(&"http://a.example/private/x".parse()?));
/// assert_eq!(robots.crawl_delay().unwrap().as_secs(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Robots {
    rules: Rules,
    crawl_delay: Option<Duration>,
    sitemaps: Vec<String>,
}

/// What groups say to some crawlers: to the one by its name, or to all (`*`).
#[derive(Debug, Default)]
struct Said {
    rules: Rules,
    crawl_delay: Option<Duration>,
    /// Some group names them.
    named: bool,
    /// The group that is being read does: its rules are theirs.
    in_group: bool,
    /// A Crawl-delay that comes now is theirs.
    in_delay: bool,
}

impl Robots {
    /// Reads `text`, of which no more than [`limits::ROBOTS_BYTES`] count, for the crawler whose product token is
    /// `agent` (RFC 9309, 2.2.1; see [`product_token`]).
    ///
    /// A group is its user-agent lines and the rules up to the next user-agent line; no other record ends it. Groups that name
    /// the crawler count together, and those of `*` only where there is none. A Crawl-delay holds for the names that
    /// stand right before it or before the rules that it follows. Text in UTF-16 is read if its byte order mark says so.
    pub fn parse(text: &[u8], agent: &str) -> Robots {
        let text = &text[..text.len().min(limits::ROBOTS_BYTES)];
        match encoding_rs::Encoding::for_bom(text) {
            Some((encoding, _)) if encoding != encoding_rs::UTF_8 => {
                Robots::read(encoding.decode(text).0.as_bytes(), agent)
            }
            _ => Robots::read(text, agent),
        }
    }

    fn read(text: &[u8], agent: &str) -> Robots {
        let (mut own, mut all) = (Said::default(), Said::default());
        let mut sitemaps = Sitemaps::default();
        let (mut rules_begun, mut delay_begun) = (false, false);
        for line in lines(text) {
            match line.kind {
                Kind::UserAgent => {
                    for (said, is_named) in
                        [(&mut own, names(line.value, agent)), (&mut all, names_all(line.value))]
                    {
                        said.in_group = is_named || said.in_group && !rules_begun;
                        said.in_delay = is_named || said.in_delay && !delay_begun;
                        said.named |= is_named;
                    }
                    (rules_begun, delay_begun) = (false, false);
                }
                Kind::Allow | Kind::Disallow => {
                    (rules_begun, delay_begun) = (true, true);
                    for said in [&mut own, &mut all].into_iter().filter(|said| said.in_group) {
                        push_rules(&mut said.rules, line.value, line.kind == Kind::Allow);
                    }
                }
                Kind::CrawlDelay => {
                    delay_begun = true;
                    for said in [&mut own, &mut all].into_iter().filter(|said| said.in_delay) {
                        said.crawl_delay = said.crawl_delay.max(seconds(line.value));
                    }
                }
                Kind::Sitemap => sitemaps.add(line.value),
                Kind::Unknown => {}
            }
        }
        let mut said = if own.named { own } else { all };
        said.rules.shrink();
        Robots { rules: said.rules, crawl_delay: said.crawl_delay, sitemaps: sitemaps.in_order }
    }

    /// Whether the crawler may fetch this URL. `/robots.txt` itself it always may.
    pub fn allows(&self, url: &Url) -> bool {
        self.allows_target(url[Position::BeforePath..Position::AfterQuery].as_bytes())
    }

    /// The same of a path with its query, in whatever bytes. Where more than [`limits::ROBOTS_STEPS`] would have to be compared, it may not.
    pub fn allows_target(&self, target: &[u8]) -> bool {
        if target == b"/robots.txt" {
            return true;
        }
        self.decide(&octets(target), &mut Steps::default())
    }

    /// Of the rules that match the longest one holds, and of two alike the one that allows.
    fn decide(&self, target: &[u8], steps: &mut Steps) -> bool {
        let mut longest = None;
        for rule in self.rules.iter() {
            // by a shorter one nothing would be another way
            let rank = Some((rule.len(), rule.allows));
            if rank > longest && rule.matches(target, steps) {
                longest = rank;
            }
            if steps.count() > limits::ROBOTS_STEPS {
                return false;
            }
        }
        longest.is_none_or(|(_, allows)| allows)
    }

    /// The least time between two requests that it asks for, as far as [`limits::CRAWL_DELAY`].
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// Where it says that sitemaps are, each once, as written: to be resolved against its own URL.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// Forgets them, for whoever has taken what they lead to and keeps the rules.
    pub fn forget_sitemaps(&mut self) {
        self.sitemaps = Vec::new();
    }

    /// Bytes that it takes: of rules their octets, some of which are written as three, and three for each.
    pub fn memory(&self) -> usize {
        let sitemaps: usize = self.sitemaps.iter().map(String::capacity).sum();
        size_of::<Robots>()
            + self.rules.memory()
            + self.sitemaps.capacity() * size_of::<String>()
            + sitemaps
    }
}

/// The first product token of a User-Agent: what stands before the first `/`, blank or other character that none has. This is the name
/// by which a robots.txt may speak of the crawler. RFC 9309 has letters, `-` and `_`; digits are in use.
///
/// ```
/// use ringdove_crawl::robots::product_token;
///
/// assert_eq!(product_token("OurBot/1.2 (+https://our.example/bot)"), Some("OurBot"));
/// assert_eq!(product_token("(none)"), None);
/// ```
pub fn product_token(user_agent: &str) -> Option<&str> {
    let end = user_agent.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(user_agent.len());
    (end > 0).then(|| &user_agent[..end])
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Whether a user-agent line speaks of this crawler: of what it names, the first token counts.
fn names(value: &[u8], agent: &str) -> bool {
    let end = value.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(value.len());
    end > 0 && value[..end].eq_ignore_ascii_case(agent.as_bytes())
}

fn names_all(value: &[u8]) -> bool {
    matches!(value, [b'*'] | [b'*', b' ' | b'\t', ..])
}

/// The rules of one line. An empty one says nothing; a directory's index, if it is allowed, allows the directory, too.
fn push_rules(rules: &mut Rules, value: &[u8], allows: bool) {
    if value.is_empty() {
        return;
    }
    rules.push(value, allows);
    let slash = value.iter().rposition(|byte| *byte == b'/');
    if let Some(slash) = slash.filter(|slash| allows && value[*slash..].starts_with(b"/index.htm"))
    {
        rules.push(&[&value[..=slash], b"$"].concat(), allows);
    }
}

/// A number that a Crawl-delay begins with, as seconds.
fn seconds(value: &[u8]) -> Option<Duration> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = value.iter().position(|byte| !is_part(byte)).unwrap_or(value.len());
    let number: f64 = std::str::from_utf8(&value[..end]).ok()?.parse().ok()?;
    Some(
        Duration::try_from_secs_f64(number)
            .map_or(limits::CRAWL_DELAY, |delay| delay.min(limits::CRAWL_DELAY)),
    )
}

/// Where sitemaps are, each once, however many lines say so.
#[derive(Default)]
struct Sitemaps<'a> {
    in_order: Vec<String>,
    known: HashSet<&'a [u8]>,
}

impl<'a> Sitemaps<'a> {
    fn add(&mut self, value: &'a [u8]) {
        if self.in_order.len() < limits::ROBOTS_SITEMAPS
            && let Ok(text) = str::from_utf8(value)
            && !text.is_empty()
            && self.known.insert(value)
        {
            self.in_order.push(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sitemaps_are_named_once_and_in_order() {
        let lines: String = (0..limits::ROBOTS_SITEMAPS + 10)
            .flat_map(|at| [at, at / 2])
            .map(|at| format!("Sitemap: /{at}\n"))
            .collect();
        let text = format!("Sitemap:\nSitemap: /\u{e9}\n{lines}");
        let mut robots = Robots::parse(text.as_bytes(), "bot");
        let expected: Vec<_> = std::iter::once("/\u{e9}".to_owned())
            .chain((0..limits::ROBOTS_SITEMAPS - 1).map(|at| format!("/{at}")))
            .collect();
        assert_eq!(robots.sitemaps(), expected);
        let before = robots.memory();
        robots.forget_sitemaps();
        assert!(robots.sitemaps().is_empty() && robots.memory() + 1_000 < before);
    }

    /// As many rules as a robots.txt has room for, each of which comes to nothing only at the end of a long path.
    #[test]
    fn a_url_takes_a_bounded_number_of_steps_whatever_the_rules() {
        let rules = "Disallow: /*b\n".repeat(limits::ROBOTS_BYTES / 14 - 1);
        let robots = Robots::parse(format!("User-agent: *\n{rules}").as_bytes(), "bot");
        let path = [b"/", &[b'a'; 8_000][..]].concat();
        let mut steps = Steps::default();
        // that it may be fetched is not known
        assert!(!robots.decide(&path, &mut steps));
        let bound = limits::ROBOTS_STEPS + path.len() + 1;
        assert!((limits::ROBOTS_STEPS..=bound).contains(&steps.count()), "{}", steps.count());
        // and a path as they usually are is judged by all of them
        assert!(robots.allows_target(b"/page/of/some/host"));
        assert!(!robots.allows_target(b"/page/about"));
    }
}
