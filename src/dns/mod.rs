//! What a stub resolver reads and writes: DNS messages, and the files that configure name look-ups.
//!
//! Knows the wire format of RFC 1035 and RFC 6891, the text of resolv.conf(5), hosts(5) and
//! nsswitch.conf(5), and which addresses are better than others. Must not know sockets, time, or who looks a name up. Invariants: any bytes are
//! read without a panic, in time linear in their number, and leave no more behind than a bound of
//! [`crate::limits`] says.

pub mod conf;
pub mod hosts;
pub mod message;
pub(crate) mod order;
pub mod switch;

pub use conf::Conf;
pub use hosts::Hosts;
pub use message::{Answer, Code, Data, Fault, Kind};
pub use switch::Switch;

/// Whether a name is `zone` or ends with it, label by label. Both are lower case.
pub(crate) fn is_within(name: &str, zone: &str) -> bool {
    let Some(rest) = name.strip_suffix(zone) else { return false };
    rest.is_empty() || rest.ends_with('.')
}

/// The fields of a line of a configuration file, without its comment.
fn fields(line: &[u8]) -> impl Iterator<Item = &str> {
    let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
    std::str::from_utf8(line).unwrap_or_default().split_ascii_whitespace()
}
