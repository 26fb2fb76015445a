//! nsswitch.conf(5): whether a name has to be looked up by the system, since DNS does not have it.
//!
//! Knows the file's `hosts` line and which kinds of names its services have. Must not know how the system looks
//! names up. Invariant: a name that DNS alone can answer is never the system's, as long as the line has DNS.

use super::{fields, is_within};
use crate::limits;

/// What the `hosts` line of an nsswitch.conf(5) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// DNS is asked.
    dns: bool,
    /// Something has names of this machine, this link or this site, such as `myhostname`, `mymachines`, `wins`.
    others: bool,
    /// Something knows `.local` (RFC 6762), such as `mdns4_minimal`.
    mdns: bool,
}

impl Default for Switch {
    /// What holds where there is no such file or line: `files dns`.
    fn default() -> Switch {
        Switch { dns: true, others: false, mdns: false }
    }
}

impl Switch {
    /// Reads a file.
    pub fn parse(text: &[u8]) -> Switch {
        let lines = text[..text.len().min(limits::NAME_FILE)].split(|&byte| byte == b'\n');
        for line in lines {
            let line: Vec<_> = fields(line).collect();
            let line = line.join(" ");
            if let Some((database, services)) = line.split_once(':')
                && database.trim() == "hosts"
            {
                return Switch::of(services);
            }
        }
        Switch::default()
    }

    /// Whether the system has to be asked for a name (lower case, without the last dot):
    ///
    /// * any name, where the line has neither `dns` nor `resolve`;
    /// * a name below `.local`, where it has an mDNS service or `resolve`;
    /// * a name of one label, where it has anything beside `files` and `dns`.
    pub fn asks_system(&self, name: &str) -> bool {
        if !self.dns {
            return true;
        }
        let single = !name.contains('.');
        (self.mdns && is_within(name, "local")) || (single && (self.mdns || self.others))
    }

    fn of(services: &str) -> Switch {
        let mut switch = Switch { dns: false, others: false, mdns: false };
        let mut in_brackets = false;
        for service in services.replace('[', " [ ").replace(']', " ] ").split_ascii_whitespace() {
            match service {
                "[" => in_brackets = true,
                "]" => in_brackets = false,
                _ if in_brackets => {}
                "files" | "db" | "compat" => {}
                "dns" => switch.dns = true,
                // systemd-resolved: DNS, and LLMNR and mDNS
                "resolve" => (switch.dns, switch.mdns) = (true, true),
                _ if service.starts_with("mdns") => switch.mdns = true,
                _ => switch.others = true,
            }
        }
        switch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_the_systems() {
        let names = ["example.com", "printer.local", "local", "host", "a.notlocal"];
        let table = [
            ("", [false; 5]),
            ("passwd: files\nhosts: files dns", [false; 5]),
            ("hosts: files dns # mdns4", [false; 5]),
            ("#hosts: files mdns4", [false; 5]),
            ("hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns", [false, true, true, true, false]),
            ("hosts: files [!UNAVAIL=return mdns] dns", [false; 5]),
            (
                "hosts : files resolve [!UNAVAIL=return] dns myhostname",
                [false, true, true, true, false],
            ),
            ("hosts: files dns myhostname", [false, false, true, true, false]),
            ("hosts: files dns wins", [false, false, true, true, false]),
            ("hosts: files ldap", [true; 5]),
            ("hosts: files", [true; 5]),
            ("hosts: files dns\nhosts: files", [false; 5]),
            ("hosts:", [true; 5]),
        ];
        for (text, expected) in table {
            let switch = Switch::parse(text.as_bytes());
            assert_eq!(names.map(|name| switch.asks_system(name)), expected, "{text:?}");
        }
    }
}
