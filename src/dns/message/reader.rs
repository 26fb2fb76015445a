//! The sections of a message, one after another, each record once.
//!
//! Knows where records stand and what is in those that matter. Must not know what they mean together. Invariants: a
//! record that cannot be read is as if it were not there, but it is remembered that there was one; each is looked at
//! once, and no more than `limits::DNS_STEPS` labels and pointers of one message are.

use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::BinDecoder;

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
    /// Something could not be read: a record, or all from some place on.
    pub(super) broken: bool,
    /// Where nothing behind can be read.
    ended: bool,
    /// Labels and pointers that were followed.
    pub(super) steps: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Reader<'a> {
        let decoder = BinDecoder::new(message);
        Reader { message, decoder, broken: false, ended: false, steps: 0 }
    }

    /// Reads the question, which stands right behind the header, and so cannot be compressed. `name` is on the wire.
    pub(super) fn question(&mut self, name: &[u8], kind: Kind) -> Result<(), Fault> {
        let start = self.decoder.index();
        let end = self.name(start)?.1;
        self.decoder = self.at(end)?;
        let (record_type, class) = (self.u16()?, self.u16()?);
        let ours = self.message[start..end].eq_ignore_ascii_case(name)
            && record_type == u16::from(kind.record_type())
            && class == u16::from(DNSClass::IN);
        if ours { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// Gives the chain all aliases and addresses.
    pub(super) fn answers(&mut self, count: u16, chain: &mut Chain) {
        for _ in 0..count {
            let Some(record) = self.record() else { return };
            let read = self.answer(&record, chain);
            self.broken |= read.is_err();
        }
    }

    fn answer(&mut self, record: &Record, chain: &mut Chain) -> Result<(), Fault> {
        if !record.is_in() {
            return Ok(());
        }
        if record.kind == RecordType::CNAME {
            let (target, end) = self.name(record.data.start)?;
            if end != record.data.end {
                return Err(Fault::Malformed);
            }
            chain.alias(&self.name(record.owner)?.0, target, record.ttl);
        } else if record.kind == chain.kind.record_type() {
            let address = chain.kind.address(&self.message[record.data.clone()])?;
            chain.address(&self.name(record.owner)?.0, address, record.ttl);
        }
        Ok(())
    }

    pub(super) fn authority(&mut self, count: u16) -> Authority {
        let mut authority = Authority::default();
        for _ in 0..count {
            let Some(record) = self.record() else { break };
            match record.kind {
                RecordType::SOA if record.is_in() => match self.soa_minimum(&record) {
                    Ok(minimum) => {
                        authority.negative_ttl = Some(lifetime(minimum).min(record.ttl));
                    }
                    Err(_) => self.broken = true,
                },
                RecordType::NS => authority.servers = true,
                _ => {}
            }
        }
        authority
    }

    /// The last field of a SOA record (RFC 1035, 3.3.13; RFC 2308, 4).
    fn soa_minimum(&mut self, record: &Record) -> Result<u32, Fault> {
        let second = self.end_of_name(record.data.start)?;
        let numbers = self.end_of_name(second)?;
        if numbers + 5 * 4 != record.data.end {
            return Err(Fault::Malformed);
        }
        let mut decoder = self.at(numbers + 4 * 4)?;
        Ok(decoder.read_u32().map_err(|_| Fault::Malformed)?.unverified())
    }

    /// The upper bits of the response code, where there is an OPT record (RFC 6891, 6.1.3).
    pub(super) fn extended_code(&mut self, count: u16) -> Option<u8> {
        for _ in 0..count {
            let record = self.record()?;
            if record.kind == RecordType::OPT {
                return Some(self.message[record.data.start - RECORD_FIXED + 4]);
            }
        }
        None
    }

    /// The next record. None where it cannot be found, and then none behind it can.
    fn record(&mut self) -> Option<Record> {
        let record = if self.ended { None } else { self.next_record().ok() };
        self.ended = record.is_none();
        self.broken |= self.ended;
        record
    }

    fn next_record(&mut self) -> Result<Record, Fault> {
        let owner = self.decoder.index();
        let end = self.end_of_name(owner)?;
        self.decoder = self.at(end)?;
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

    fn at(&self, at: usize) -> Result<BinDecoder<'a>, Fault> {
        let at = u16::try_from(at).ok().filter(|&at| usize::from(at) <= self.message.len());
        Ok(self.decoder.clone(at.ok_or(Fault::Malformed)?))
    }

    /// Where the bytes of a name end, wherever its pointer leads.
    fn end_of_name(&mut self, start: usize) -> Result<usize, Fault> {
        let mut at = start;
        loop {
            self.step()?;
            match usize::from(*self.message.get(at).ok_or(Fault::Malformed)?) {
                0 => return Ok(at + 1),
                label @ 1..=63 if at - start < NAME_BYTES => at += 1 + label,
                0xc0..=0xff => return Ok(at + 2),
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn step(&mut self) -> Result<(), Fault> {
        if self.steps == limits::DNS_STEPS {
            return Err(Fault::Malformed);
        }
        self.steps += 1;
        Ok(())
    }

    /// The name at a place as it is on the wire without compression, in lower case, and where its bytes end. It has labels
    /// of at most 63 bytes and 255 in all, over no more pointers than `limits::DNS_POINTERS`, each to a place before the
    /// part of the name that it stands in (RFC 1035, 4.1.4).
    pub(super) fn name(&mut self, start: usize) -> Result<(Vec<u8>, usize), Fault> {
        let (mut at, mut part, mut end) = (start, start, None);
        let (mut pointers, mut name) = (0, Vec::with_capacity(64));
        loop {
            self.step()?;
            let byte = usize::from(*self.message.get(at).ok_or(Fault::Malformed)?);
            match byte {
                0 => {
                    name.push(0);
                    return Ok((name, end.unwrap_or(at + 1)));
                }
                1..=63 => {
                    let label = self.message.get(at..=at + byte).ok_or(Fault::Malformed)?;
                    // lengths are no letters
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    at += 1 + byte;
                }
                0xc0..=0xff => {
                    let low = usize::from(*self.message.get(at + 1).ok_or(Fault::Malformed)?);
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
            if pointers > limits::DNS_POINTERS || name.len() >= NAME_BYTES {
                return Err(Fault::Malformed);
            }
        }
    }
}

/// Bytes of a record between its owner's name and its data.
const RECORD_FIXED: usize = 10;

/// A TTL; those with the first bit set are zero (RFC 2181, 8).
fn lifetime(ttl: u32) -> u32 {
    if ttl >> 31 == 0 { ttl } else { 0 }
}
