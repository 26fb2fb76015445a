//! The sections of a message, one after another.
//!
//! Knows where records stand and what is in those that matter. Must not know what they mean together. Invariants: no
//! name is read that was not walked before, within bounds; work is linear in the size of the message.

use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::chain::Chain;
use super::{Fault, Kind, NAME_BYTES};
use crate::limits;

/// What the authority section says.
#[derive(Default)]
pub(super) struct Authority {
    /// It names servers.
    pub(super) servers: bool,
    pub(super) negative_ttl: Option<u32>,
}

/// The fixed part of a record.
struct Record {
    /// Where its owner's name begins.
    owner: usize,
    kind: RecordType,
    class: u16,
    ttl: u32,
    data: std::ops::Range<usize>,
}

impl Record {
    fn is_in(&self) -> bool {
        self.class == u16::from(DNSClass::IN)
    }
}

pub(super) struct Reader<'a> {
    message: &'a [u8],
    pub(super) decoder: BinDecoder<'a>,
    /// The question that was asked stands behind the header.
    repeated: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader { message, decoder: BinDecoder::new(message), repeated: false }
    }

    /// Reads the question, which stands right behind the header, and so cannot be compressed.
    pub(super) fn question(&mut self, name: &str, kind: Kind) -> Result<(), Fault> {
        let start = self.decoder.index();
        self.decoder = self.at(end_of_name(self.message, start)?)?;
        let (record_type, class) = (self.u16()?, self.u16()?);
        let ours = is_name_at(&self.message[start..], name)
            && record_type == u16::from(kind.record_type())
            && class == u16::from(DNSClass::IN);
        self.repeated = ours;
        if ours { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// Follows the aliases among the records, which mostly stand in their order, and collects the addresses
    /// of the last. Each further pass has followed one alias more, so that there are few.
    pub(super) fn answers(&mut self, count: u16, chain: &mut Chain<'_>) -> Result<(), Fault> {
        let start = self.decoder.index();
        loop {
            let steps = chain.steps;
            self.decoder = self.at(start)?;
            for _ in 0..count {
                let record = self.record()?;
                self.answer(&record, chain)?;
            }
            if chain.steps == steps || !chain.addresses.is_empty() || chain.is_too_long() {
                return Ok(());
            }
        }
    }

    fn answer(&self, record: &Record, chain: &mut Chain<'_>) -> Result<(), Fault> {
        let alias = record.kind == RecordType::CNAME;
        if !record.is_in() || !(alias || record.kind == chain.kind.record_type()) {
            return Ok(());
        }
        if alias {
            let target = self.name_at(record.data.start)?;
            if end_of_name(self.message, record.data.start)? != record.data.end {
                return Err(Fault::Malformed);
            }
            if !chain.is_too_long() && self.is_owner(record, chain)? {
                chain.follow(target, record.ttl);
            }
        } else {
            let address = chain.kind.address(&self.message[record.data.clone()])?;
            if self.is_owner(record, chain)? {
                chain.add(address, record.ttl);
            }
        }
        Ok(())
    }

    /// Whether a record is of the name that the chain has come to. Most point to the question.
    fn is_owner(&self, record: &Record, chain: &Chain<'_>) -> Result<bool, Fault> {
        if self.message[record.owner..].starts_with(&TO_QUESTION) && chain.steps == 0 {
            return Ok(self.repeated);
        }
        Ok(chain.is_at(&self.name_at(record.owner)?))
    }

    pub(super) fn authority(&mut self, count: u16) -> Result<Authority, Fault> {
        let mut authority = Authority::default();
        for _ in 0..count {
            let record = self.record()?;
            match record.kind {
                RecordType::SOA if record.is_in() => {
                    let minimum = self.soa_minimum(&record)?;
                    authority.negative_ttl = Some(lifetime(minimum).min(record.ttl));
                }
                RecordType::NS => authority.servers = true,
                _ => {}
            }
        }
        Ok(authority)
    }

    /// The last field of a SOA record (RFC 1035, 3.3.13; RFC 2308, 4).
    fn soa_minimum(&self, record: &Record) -> Result<u32, Fault> {
        let second = end_of_name(self.message, record.data.start)?;
        let numbers = end_of_name(self.message, second)?;
        if numbers + 5 * 4 != record.data.end {
            return Err(Fault::Malformed);
        }
        let mut decoder = self.at(numbers + 4 * 4)?;
        Ok(decoder.read_u32().map_err(|_| Fault::Malformed)?.unverified())
    }

    /// The upper bits of the response code, where there is an OPT record (RFC 6891, 6.1.3).
    pub(super) fn extended_code(&mut self, count: u16) -> Result<Option<u8>, Fault> {
        let mut high = None;
        for _ in 0..count {
            let record = self.record()?;
            if record.kind == RecordType::OPT {
                let first = self.message[record.data.start - RECORD_FIXED + 4];
                if high.replace(first).is_some() {
                    return Err(Fault::Malformed);
                }
            }
        }
        Ok(high)
    }

    fn record(&mut self) -> Result<Record, Fault> {
        let owner = self.decoder.index();
        self.decoder = self.at(end_of_name(self.message, owner)?)?;
        let (kind, class) = (RecordType::from(self.u16()?), self.u16()?);
        let ttl = self.decoder.read_u32().map_err(|_| Fault::Malformed)?.unverified();
        let length = usize::from(self.u16()?);
        let start = self.decoder.index();
        self.decoder.read_slice(length).map_err(|_| Fault::Malformed)?;
        Ok(Record { owner, kind, class, ttl: lifetime(ttl), data: start..start + length })
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        Ok(self.decoder.read_u16().map_err(|_| Fault::Malformed)?.unverified())
    }

    /// A name that may be compressed. That it is not so without end has been seen before it is read.
    fn name_at(&self, at: usize) -> Result<Name, Fault> {
        end_of_name(self.message, at)?;
        Name::read(&mut self.at(at)?).map_err(|_| Fault::Malformed)
    }

    fn at(&self, at: usize) -> Result<BinDecoder<'a>, Fault> {
        Ok(self.decoder.clone(u16::try_from(at).map_err(|_| Fault::Malformed)?))
    }
}

/// A pointer to the name behind the header.
const TO_QUESTION: [u8; 2] = [0xc0, 12];

/// Bytes of a record between its owner's name and its data.
const RECORD_FIXED: usize = 10;

/// A TTL; those with the first bit set are zero (RFC 2181, 8).
fn lifetime(ttl: u32) -> u32 {
    if ttl >> 31 == 0 { ttl } else { 0 }
}

/// Where a name ends, if it is one: labels of at most 63 bytes and 255 in all, over no more pointers than
/// `limits::DNS_POINTERS`, each to a place before the one that it leads from (RFC 1035, 4.1.4).
pub(super) fn end_of_name(message: &[u8], start: usize) -> Result<usize, Fault> {
    let (mut at, mut part, mut end) = (start, start, None);
    let (mut pointers, mut length) = (0, 1);
    loop {
        let byte = usize::from(*message.get(at).ok_or(Fault::Malformed)?);
        match byte {
            0 => return Ok(end.unwrap_or(at + 1)),
            1..=63 => {
                length += 1 + byte;
                at += 1 + byte;
            }
            0xc0..=0xff => {
                let low = usize::from(*message.get(at + 1).ok_or(Fault::Malformed)?);
                let target = (byte & 0x3f) << 8 | low;
                pointers += 1;
                if target >= part {
                    return Err(Fault::Malformed);
                }
                end.get_or_insert(at + 2);
                (at, part) = (target, target);
            }
            _ => return Err(Fault::Malformed),
        }
        if pointers > limits::DNS_POINTERS || length > NAME_BYTES {
            return Err(Fault::Malformed);
        }
    }
}

/// Whether bytes begin with this name, in any case and not compressed.
fn is_name_at(mut bytes: &[u8], name: &str) -> bool {
    for label in name.as_bytes().split(|&byte| byte == b'.') {
        let Some((&length, rest)) = bytes.split_first() else { return false };
        let Some((found, rest)) = rest.split_at_checked(label.len()) else { return false };
        if usize::from(length) != label.len() || !found.eq_ignore_ascii_case(label) {
            return false;
        }
        bytes = rest;
    }
    bytes.first() == Some(&0)
}
