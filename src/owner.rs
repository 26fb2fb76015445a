//! Whose a host is; and who goes, where a store that many peers share is full.
//!
//! Knows names and addresses, in which order entries came and were used. Must not know what is stored. The rule, for all
//! stores: the entries that have been known for longest are settled, and stay; of the rest each owner's are
//! numbered from the one that is worth most to it, and those with the highest numbers go, so that whoever has most
//! gives first. Of equal numbers the one goes that was not used for longest.
//!
//! Invariants: what a peer can choose (names, numbers, lifetimes) decides about entries of its own alone, as long as
//! it has more than others; an owner is who had to pay for a name or an address, since names and networks below it cost
//! nothing.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// An entry, as far as the choice needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat<'a> {
    pub(crate) owner: Owner<'a>,
    /// Rises from entry to entry as they come: no two have the same.
    pub(crate) since: u64,
    /// Rises with each use of any.
    pub(crate) used: u64,
    /// It goes after all others of its owner.
    pub(crate) is_dear: bool,
}

/// Who made an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Owner<'a> {
    Name(&'a str),
    /// An address of version 4, or a network of 48 bits of version 6: a site has as much for nothing (RFC 6177).
    Network(u128),
}

/// What goes of a store's entries, as their `since`: so many, of those that have come after the `settled` oldest.
pub(crate) fn who_goes(seats: &[Seat<'_>], settled: usize, surplus: usize) -> HashSet<u64> {
    let mut open: Vec<&Seat<'_>> = seats.iter().collect();
    open.sort_unstable_by_key(|seat| seat.since);
    open.drain(..settled.min(seats.len()));
    open.sort_unstable_by_key(|seat| Reverse((seat.is_dear, seat.used)));
    let mut of_owner: HashMap<Owner<'_>, usize> = HashMap::new();
    let numbered = open.into_iter().map(|seat| {
        let number = of_owner.entry(seat.owner).or_default();
        *number += 1;
        (Reverse(*number), seat.used, seat.since)
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_unstable();
    numbered.into_iter().take(surplus).map(|(.., since)| since).collect()
}

impl<'a> Owner<'a> {
    pub(crate) fn of_name(name: &'a str) -> Owner<'a> {
        Owner::Name(paid_for(name))
    }

    /// Of a canonical host, as text.
    pub(crate) fn of_text(host: &'a str) -> Owner<'a> {
        match host.parse() {
            Ok(address) => Owner::of_address(address),
            Err(_) => Owner::of_name(host),
        }
    }

    /// As text, to be kept.
    pub(crate) fn to_text(self) -> Arc<str> {
        match self {
            Owner::Name(name) => name.into(),
            Owner::Network(network) => format!("[{network:x}]").into(),
        }
    }

    pub(crate) fn of_address(address: IpAddr) -> Owner<'static> {
        Owner::Network(match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 80 << 80,
        })
    }
}

/// What of a name somebody registered with a registry: one label more than the suffix that is ICANN's. The private
/// suffixes of the list (`github.io`) give names away.
fn paid_for(name: &str) -> &str {
    let mut of = name;
    while let Some(suffix) = psl::suffix(of.as_bytes()) {
        let suffix_of = &of[of.len() - suffix.as_bytes().len()..];
        match (suffix.typ(), suffix_of.split_once('.')) {
            (Some(psl::Type::Private), Some((_, above))) => of = above,
            _ => {
                let below = &name[..name.len() - suffix_of.len()];
                let label = below.trim_end_matches('.').rfind('.').map_or(0, |at| at + 1);
                return &name[label..];
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store: owners in the order in which their entries came, all used once, then.
    fn store<'a>(owners: impl IntoIterator<Item = &'a str>) -> Vec<Seat<'a>> {
        let seat = |(at, owner)| {
            let at = at as u64;
            Seat { owner: Owner::Name(owner), since: at, used: at, is_dear: false }
        };
        owners.into_iter().enumerate().map(seat).collect()
    }

    fn go(seats: &[Seat<'_>], settled: usize, surplus: usize) -> Vec<u64> {
        let mut goes: Vec<_> = who_goes(seats, settled, surplus).into_iter().collect();
        goes.sort_unstable();
        goes
    }

    #[test]
    fn who_has_most_gives() {
        let seats = store(["a", "b", "b", "b", "c", "c"]);
        assert_eq!(go(&seats, 0, 1), [1]);
        assert_eq!(go(&seats, 0, 2), [1, 2], "one more than c has, and then as many");
        assert_eq!(go(&seats, 0, 3), [1, 2, 4]);
        assert_eq!(go(&seats, 0, 4), [0, 1, 2, 4], "of one each the longest unused");
        assert_eq!(go(&seats, 0, 9).len(), 6);
    }

    #[test]
    fn what_is_settled_stays() {
        let seats = store(["a", "a", "a", "b", "c"]);
        assert_eq!(go(&seats, 3, 1), [3]);
        assert_eq!(go(&seats, 3, 9), [3, 4]);
        assert!(go(&seats, 9, 9).is_empty());
    }

    #[test]
    fn what_was_used_and_what_is_dear_goes_last_of_an_owners() {
        let mut seats = store(["a", "a", "a", "a"]);
        (seats[0].used, seats[1].is_dear) = (9, true);
        assert_eq!(go(&seats, 0, 1), [2]);
        assert_eq!(go(&seats, 0, 2), [2, 3]);
        assert_eq!(go(&seats, 0, 3), [0, 2, 3]);
        // nothing that an owner says of its own counts against others
        let mut seats = store(["a", "b", "b"]);
        (seats[1].is_dear, seats[2].is_dear) = (true, true);
        assert_eq!(go(&seats, 0, 1), [1]);
    }

    #[test]
    fn owners() {
        let table = [
            ("a.com", "a.com"),
            ("x.y.a.com", "a.com"),
            ("x.a.co.uk", "a.co.uk"),
            ("co.uk", "co.uk"),
            ("com", "com"),
            ("h1.evil.example", "evil.example"),
            ("localhost", "localhost"),
            // anybody has names below these for nothing
            ("mine.github.io", "github.io"),
            ("github.io", "github.io"),
            ("a.b.us-east-1.compute.amazonaws.com", "amazonaws.com"),
        ];
        for (name, owner) in table {
            assert_eq!(Owner::of_text(name), Owner::Name(owner), "{name}");
        }
        let same = |one, other| Owner::of_text(one) == Owner::of_text(other);
        assert!(same("2001:db8::1", "2001:db8:0:ffff::1") && !same("2001:db8::1", "2001:db8:1::1"));
        assert!(!same("192.0.2.1", "192.0.2.2") && !same("192.0.2.1", "::c000:201"));
    }

    /// A store under floods of many shapes: what was settled stays, and so does whoever has less than the flood.
    #[test]
    fn floods_do_not_choose() {
        const MOST: usize = 100;
        for seed in 0..12u64 {
            let mut state = seed;
            let mut chance = |below: usize| {
                state =
                    state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (state >> 33) as usize % below
            };
            // some hosts of before, and some that come amid the flood
            let (early, late, domains) = (1 + chance(MOST / 2), 1 + chance(15), 1 + chance(20));
            let flood = (0..800).map(|n| format!("flood{}", n % domains));
            let mut owners: Vec<_> = (0..early).map(|n| format!("early{n}")).chain(flood).collect();
            for n in 0..late {
                owners.insert(early + chance(800), format!("late{n}"));
            }
            let mut kept = Vec::<Seat<'_>>::new();
            for (at, owner) in owners.iter().enumerate() {
                // the flood says that it is dear, and uses what it has again and again
                let is_dear = owner.starts_with("flood");
                let at = at as u64;
                kept.push(Seat { owner: Owner::Name(owner), since: at, used: at, is_dear });
                let again = chance(kept.len());
                if kept[again].is_dear {
                    kept[again].used = at;
                }
                if kept.len() > MOST {
                    let goes = who_goes(&kept, MOST / 2, 1);
                    kept.retain(|seat| !goes.contains(&seat.since));
                }
            }
            let left = kept.iter().filter(|seat| !seat.is_dear).count();
            assert_eq!((left, kept.len()), (early + late, MOST), "seed {seed}");
        }
    }
}
