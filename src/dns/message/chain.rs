//! The aliases of an answer, from the name that was asked for to its addresses.
//!
//! Knows names on the wire, in lower case, and their order in an answer. Must not know where records stand. Invariants:
//! records are given once, whatever their order; no more aliases are followed than `limits::ALIASES`, and none to where
//! they have been; records of no more than `limits::DNS_OWNERS` other names are remembered.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Code, Data, Kind, NAME_BYTES};
use crate::limits;

/// Follows the aliases of an answer from the name that was asked for.
pub(super) struct Chain {
    pub(super) kind: Kind,
    /// The names on the way: the one that was asked for, and what each alias led to.
    path: Vec<Vec<u8>>,
    /// The aliases lead in a circle, or over too many names.
    lost: bool,
    /// What there is about the last name.
    set: Set,
    /// The least TTL of the aliases.
    ttl: u32,
    /// Records of names that no alias has led to so far.
    aside: HashMap<Vec<u8>, Set>,
}

/// The records of one name.
struct Set {
    addresses: Vec<IpAddr>,
    alias: Option<Vec<u8>>,
    /// The least TTL of theirs.
    ttl: u32,
}

impl Set {
    const EMPTY: Set = Set { addresses: Vec::new(), alias: None, ttl: u32::MAX };

    fn add(&mut self, address: IpAddr, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        if self.addresses.len() < limits::ADDRESSES && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }
}

impl Chain {
    /// From a name on the wire.
    pub(super) fn new(asked: Vec<u8>, kind: Kind) -> Chain {
        let path = vec![asked];
        Chain { kind, path, lost: false, set: Set::EMPTY, ttl: u32::MAX, aside: HashMap::new() }
    }

    /// `owner` is an alias of `target`. Records mostly stand in the order of the chain, and are followed at once.
    pub(super) fn alias(&mut self, owner: &[u8], target: Vec<u8>, ttl: u32) {
        if self.is_at(owner) && self.set.addresses.is_empty() {
            return self.follow(target, ttl);
        }
        let Some(set) = self.set_of(owner) else { return };
        if set.alias.is_none() {
            set.alias = Some(target);
            set.ttl = set.ttl.min(ttl);
        }
    }

    /// `owner` has an address.
    pub(super) fn address(&mut self, owner: &[u8], address: IpAddr, ttl: u32) {
        if let Some(set) = self.set_of(owner) {
            set.add(address, ttl);
        }
    }

    /// The name that was asked for.
    pub(super) fn asked(&self) -> &[u8] {
        self.path.first().map_or(&[], Vec::as_slice)
    }

    fn is_at(&self, owner: &[u8]) -> bool {
        self.path.last().is_some_and(|name| name == owner)
    }

    /// Where the records of a name belong. Nowhere, where there are too many names.
    fn set_of(&mut self, owner: &[u8]) -> Option<&mut Set> {
        if self.is_at(owner) {
            return Some(&mut self.set);
        }
        if self.aside.len() < limits::DNS_OWNERS || self.aside.contains_key(owner) {
            return Some(self.aside.entry(owner.to_vec()).or_insert(Set::EMPTY));
        }
        None
    }

    /// Goes to the name that an alias leads to, and takes what was said about it before.
    fn follow(&mut self, target: Vec<u8>, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        if self.lost || self.path.len() > limits::ALIASES || self.path.contains(&target) {
            self.lost = true;
            return;
        }
        self.set = self.aside.remove(&target).unwrap_or(Set::EMPTY);
        self.path.push(target);
        if self.set.addresses.is_empty()
            && let Some(next) = self.set.alias.take()
        {
            self.follow(next, self.set.ttl);
        }
    }

    pub(super) fn has_addresses(&self) -> bool {
        !self.set.addresses.is_empty() && !self.lost
    }

    pub(super) fn end(mut self, code: Code, negative_ttl: Option<u32>) -> Data {
        if self.lost {
            return Data::Loop;
        }
        if self.has_addresses() {
            let ttl = self.ttl.min(self.set.ttl);
            return Data::Addresses { addresses: self.set.addresses, ttl };
        }
        let steps = self.path.len() - 1;
        match self.path.pop().filter(|_| steps > 0) {
            // a server that says why there is nothing has followed the aliases
            Some(name) if code == Code::NoError && negative_ttl.is_none() => match text(&name) {
                Some(name) => Data::Alias { name, steps, ttl: self.ttl },
                None => Data::Nothing { ttl: None },
            },
            Some(_) => Data::Nothing { ttl: negative_ttl.map(|ttl| ttl.min(self.ttl)) },
            None => Data::Nothing { ttl: negative_ttl },
        }
    }
}

/// A name as it is on the wire, in lower case.
pub(super) fn wire(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        name.push(label.len() as u8);
        name.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    name.push(0);
    name
}

/// A name on the wire as text, if it has labels and they have characters alone that need no escape.
fn text(mut name: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(NAME_BYTES);
    while let Some((&length, rest)) = name.split_first()
        && length > 0
    {
        let (label, rest) = rest.split_at_checked(length.into())?;
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            if !byte.is_ascii_graphic() || byte == b'.' || byte == b'\\' {
                return None;
            }
            text.push(byte.into());
        }
        name = rest;
    }
    (!text.is_empty()).then_some(text)
}
