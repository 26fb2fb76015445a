//! Which addresses may be connected to, and how several of one name are tried.
//!
//! Knows the words, and what they come to in the engine's policy.

use std::cmp::Reverse;
use std::time::Duration;

use clap::Args as Group;
use ringdove::engine::AddressRange;
use ringdove::{AddressPolicy, Options};

#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Addresses")]
pub(crate) struct AddressArgs {
    /// Connect to no address that is not for the public internet: loopback, private, link-local, cloud
    /// metadata and the like, whatever name or redirect leads there
    #[arg(long)]
    pub(crate) deny_private: bool,

    /// Connect to no address of these ranges. Where several of --deny and --allow have an address the
    /// narrowest decides
    #[arg(long, value_name = "CIDR[,CIDR]…", value_delimiter = ',')]
    pub(crate) deny: Vec<AddressRange>,

    /// Connect to addresses of these ranges, in spite of --deny-private or a wider --deny
    #[arg(long, value_name = "CIDR[,CIDR]…", value_delimiter = ',')]
    pub(crate) allow: Vec<AddressRange>,

    /// With one of the three above, also let proxies look names up, which these then do not reach;
    /// otherwise requests for names by such proxies are refused
    #[arg(long)]
    pub(crate) let_proxies_resolve: bool,

    /// Try a name's next address when one has not answered for this long, 10 to 2000 (default: 250)
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u16).range(10..=2000))]
    pub(crate) happy_eyeballs_timeout_ms: Option<u16>,
}

impl AddressArgs {
    pub(crate) fn apply(&self, options: &mut Options) {
        let delay = self.happy_eyeballs_timeout_ms;
        options.attempt_delay = delay.map(|delay| Duration::from_millis(delay.into()));
    }

    pub(crate) fn policy(&self) -> Option<AddressPolicy> {
        if !self.deny_private && self.deny.is_empty() && self.allow.is_empty() {
            return None;
        }
        let rule = |allows: bool| move |range: &AddressRange| (*range, allows);
        let mut rules: Vec<_> = self.deny.iter().map(rule(false)).collect();
        rules.extend(self.allow.iter().map(rule(true)));
        rules.sort_by_key(|(range, _)| Reverse(range.prefix_length()));
        let policy = match self.deny_private {
            true => AddressPolicy::deny_private(),
            false => AddressPolicy::new(),
        };
        let policy = rules.into_iter().fold(policy, |policy, (range, allows)| match allows {
            true => policy.allow(range),
            false => policy.deny(range),
        });
        Some(policy.let_proxies_resolve(self.let_proxies_resolve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(words: &[&str]) -> Option<AddressPolicy> {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            args: AddressArgs,
        }
        let words = ["ringdove"].iter().chain(words);
        <Only as clap::Parser>::parse_from(words).args.policy()
    }

    #[test]
    fn the_narrowest_range_decides() {
        assert!(policy(&[]).is_none());
        let lists = ["--deny", "10.0.0.0/8,::/0", "--allow", "10.1.0.0/16", "--deny", "10.1.1.1"];
        let all = ["--allow", "10.2.0.0/16", "--deny-private", "--deny", "10.2.0.0/16"];
        let words = [&lists[..], &all].concat();
        let policy = policy(&words).expect("a policy");
        let table = [
            ("10.1.0.1", true),
            ("10.1.1.1", false),
            ("10.2.0.1", false),
            ("10.3.0.1", false),
            ("127.0.0.1", false),
            ("8.8.8.8", true),
            ("2001:4860::1", false),
        ];
        for (address, allowed) in table {
            let got = policy.check(address.parse().unwrap());
            assert_eq!(got.is_ok(), allowed, "{address}: {got:?}");
        }
    }
}
