//! hosts(5): names with fixed addresses.
//!
//! Knows the file's text. Must not know where it stands or when it changes. Invariants: names are lower case;
//! all lines of a name count; there are no more names than [`limits::HOSTS_NAMES`], and no more addresses of
//! one than [`limits::ADDRESSES`].

use std::collections::HashMap;
use std::net::IpAddr;

use super::fields;
use crate::limits;

/// What a hosts(5) says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    by_name: HashMap<Box<str>, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads a file. Lines that cannot be read, or whose address has a scope, are passed over.
    pub fn parse(text: &[u8]) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text[..text.len().min(limits::HOSTS_FILE)].split(|&byte| byte == b'\n') {
            let mut words = fields(line);
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
            for name in words {
                hosts.add(name, address);
            }
        }
        hosts
    }

    /// The addresses of a name (lower case, without the last dot), in the order of the file.
    pub fn get(&self, name: &str) -> Option<&[IpAddr]> {
        self.by_name.get(name).map(Vec::as_slice)
    }

    fn add(&mut self, name: &str, address: IpAddr) {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.is_empty() || name.len() > NAME_BYTES {
            return;
        }
        let full = self.by_name.len() >= limits::HOSTS_NAMES;
        if full && !self.by_name.contains_key(name.as_str()) {
            return;
        }
        let addresses = self.by_name.entry(name.into()).or_default();
        if addresses.len() < limits::ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
}

/// Characters of a name (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_addresses() {
        let hosts = Hosts::parse(
            b"127.0.0.1\tlocalhost\n\
              192.0.2.1 One.Example one  # a comment two\n\
              #192.0.2.9 one\n\
              2001:db8::1 one.example.\n\
              192.0.2.1 one\n\
              fe80::1%eth0 scoped\n\
              300.0.0.1 bad\n\
              192.0.2.3\n\
              \xff\xfe\n\
              192.0.2.4 crlf\r\n\
              ::1 localhost",
        );
        let table: [(&str, &[&str]); 9] = [
            ("localhost", &["127.0.0.1", "::1"]),
            ("one.example", &["192.0.2.1", "2001:db8::1"]),
            ("one", &["192.0.2.1"]),
            ("two", &[]),
            ("scoped", &[]),
            ("bad", &[]),
            ("crlf", &["192.0.2.4"]),
            ("", &[]),
            ("One", &[]),
        ];
        for (name, expected) in table {
            let found: Vec<_> =
                hosts.get(name).unwrap_or_default().iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn addresses_of_one_name_are_bounded() {
        let text: String = (0..100).map(|n| format!("192.0.2.{n} many\n")).collect();
        let hosts = Hosts::parse(text.as_bytes());
        assert_eq!(hosts.get("many").unwrap().len(), limits::ADDRESSES);
    }
}
