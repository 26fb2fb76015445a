//! The aliases of an answer, from the name that was asked for to its addresses.
//!
//! Knows names on the wire and their order in an answer. Must not know where records stand. Invariant: no more
//! aliases are followed than `limits::ALIASES`.

use std::net::IpAddr;

use hickory_proto::rr::Name;

use super::{Code, Data, Kind, NAME_BYTES};
use crate::limits;

/// Follows the aliases of an answer from the name that was asked for.
pub(super) struct Chain<'a> {
    asked: &'a str,
    pub(super) kind: Kind,
    /// The name that the last alias led to.
    current: Option<Name>,
    pub(super) steps: usize,
    ttl: u32,
    pub(super) addresses: Vec<IpAddr>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(asked: &'a str, kind: Kind) -> Chain<'a> {
        Chain { asked, kind, current: None, steps: 0, ttl: u32::MAX, addresses: Vec::new() }
    }

    pub(super) fn is_at(&self, owner: &Name) -> bool {
        match &self.current {
            None => same(owner, self.asked),
            Some(current) => owner == current,
        }
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.steps > limits::ALIASES
    }

    pub(super) fn follow(&mut self, target: Name, ttl: u32) {
        self.current = Some(target);
        self.steps += 1;
        self.ttl = self.ttl.min(ttl);
    }

    pub(super) fn add(&mut self, address: IpAddr, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        if self.addresses.len() < limits::ADDRESSES && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    pub(super) fn end(self, code: Code, negative_ttl: Option<u32>) -> Data {
        if self.is_too_long() {
            return Data::Loop;
        }
        if !self.addresses.is_empty() {
            return Data::Addresses { addresses: self.addresses, ttl: self.ttl };
        }
        match self.current {
            // a server that says why there is nothing has followed the aliases
            Some(name) if code == Code::NoError && negative_ttl.is_none() => {
                if same(&name, self.asked) {
                    return Data::Loop;
                }
                match text(&name) {
                    Some(name) => Data::Alias { name, steps: self.steps, ttl: self.ttl },
                    None => Data::Nothing { ttl: None },
                }
            }
            Some(_) => Data::Nothing { ttl: negative_ttl.map(|ttl| ttl.min(self.ttl)) },
            None => Data::Nothing { ttl: negative_ttl },
        }
    }
}

/// Whether a name on the wire is this one, in any case.
pub(super) fn same(name: &Name, text: &str) -> bool {
    let mut labels = text.split('.');
    name.iter().all(|label| {
        labels.next().is_some_and(|other| label.eq_ignore_ascii_case(other.as_bytes()))
    }) && labels.next().is_none()
}

/// A name as text in lower case, if it has labels and they have characters alone that need no escape.
fn text(name: &Name) -> Option<String> {
    let mut text = String::with_capacity(NAME_BYTES);
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            if !byte.is_ascii_graphic() || byte == b'.' || byte == b'\\' {
                return None;
            }
            text.push(byte.to_ascii_lowercase().into());
        }
    }
    (!text.is_empty()).then_some(text)
}
