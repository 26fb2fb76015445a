//! Queries for addresses, and what their answers say.
//!
//! Knows DNS messages (RFC 1035, with EDNS of RFC 6891), aliases within one answer, and negative answers
//! (RFC 2308). Must not know who asks whom, or how often. Invariants: an answer is taken for one question
//! alone, which it must repeat; whatever is wrong with it is a [`Fault`]; the work is linear in its size.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use crate::limits;

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses (RFC 1035, 3.4.1).
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
}

/// A message that is no answer to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the wire format, or is no message at all.
    Malformed,
    /// It is a message, and not an answer to this question: another id, name, type or class, or a query.
    Mismatch,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the server did as it was asked.
    pub code: Code,
    /// The message was cut short (TC): `data` is empty, and the question is to be asked over TCP.
    pub truncated: bool,
    /// What there is about the name.
    pub data: Data,
}

/// The response code (RFC 1035, 4.1.1), as far as a stub resolver tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// NOERROR.
    NoError,
    /// NXDOMAIN: the name, or the name that it is an alias of, does not exist.
    NoName,
    /// FORMERR, NOTIMP or BADVERS: the server may not know EDNS.
    NotUnderstood,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED, or a referral instead of an answer.
    Refused,
    /// Any other.
    Other(u16),
}

/// What an answer says about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Its addresses, not more than [`limits::ADDRESSES`], and for how many seconds they hold.
    Addresses {
        /// The addresses, in the order of the answer.
        addresses: Vec<IpAddr>,
        /// The least TTL of theirs and of the aliases on the way.
        ttl: u32,
    },
    /// It is an alias of a name of which the answer says no more.
    Alias {
        /// The name to be asked for next: lower case, without the last dot.
        name: String,
        /// Aliases on the way.
        steps: usize,
        /// The least TTL of theirs.
        ttl: u32,
    },
    /// It has no such addresses.
    Nothing {
        /// For how many seconds that holds, if the answer says so (RFC 2308, 5).
        ttl: Option<u32>,
    },
    /// Its aliases lead in a circle, or over more than [`limits::ALIASES`] names.
    Loop,
}

/// Writes a query, with recursion desired, over what is in `out`. Without `edns` it is one of RFC 1035,
/// for servers that know no other. Gives false where there is no such name on the wire.
pub fn encode(id: u16, name: &str, kind: Kind, edns: bool, out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut metadata = Metadata::new(id, MessageType::Query, OpCode::Query);
    metadata.recursion_desired = true;
    let counts =
        HeaderCounts { queries: 1, answers: 0, authorities: 0, additionals: u16::from(edns) };
    let mut encoder = BinEncoder::new(out);
    let mut write = || {
        Header { metadata, counts }.emit(&mut encoder)?;
        for label in name.split('.') {
            encoder.emit_character_data(label)?;
        }
        encoder.emit(0)?;
        kind.record_type().emit(&mut encoder)?;
        DNSClass::IN.emit(&mut encoder)?;
        if edns {
            Edns::new().set_max_payload(limits::DNS_PAYLOAD).emit(&mut encoder)?;
        }
        Ok::<_, hickory_proto::ProtoError>(())
    };
    write().is_ok() && is_a_name(name)
}

/// The id of a message.
pub fn id(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|&id| u16::from_be_bytes(id))
}

/// Reads the answer to a question: `name` as it was asked for.
pub fn decode(message: &[u8], id: u16, name: &str, kind: Kind) -> Result<Answer, Fault> {
    let mut reader = Reader { message, decoder: BinDecoder::new(message) };
    let header = Header::read(&mut reader.decoder).map_err(|_| Fault::Malformed)?;
    let answers = header.message_type == MessageType::Response && header.op_code == OpCode::Query;
    if !answers || header.id != id {
        return Err(Fault::Mismatch);
    }
    let mut code = Code::of(header.response_code);
    // servers that do not understand a query may not repeat it
    let silent = header.counts.queries == 0 && !matches!(code, Code::NoError | Code::NoName);
    if !silent {
        if header.counts.queries != 1 {
            return Err(Fault::Mismatch);
        }
        reader.question(name, kind)?;
    }
    if header.truncation {
        return Ok(Answer { code, truncated: true, data: Data::Nothing { ttl: None } });
    }
    let mut chain = Chain::new(name, kind);
    reader.answers(header.counts.answers, &mut chain)?;
    let authority = reader.authority(header.counts.authorities)?;
    if let Some(high) = reader.extended_code(header.counts.additionals)? {
        code = Code::of(ResponseCode::from(high, header.response_code.low()));
    }
    let referral = authority.servers && authority.negative_ttl.is_none();
    let empty = header.counts.answers == 0;
    if code == Code::NoError && empty && referral && !header.authoritative {
        code = Code::Refused;
    }
    let data = chain.end(code, authority.negative_ttl);
    Ok(Answer { code, truncated: false, data })
}

impl Kind {
    fn record_type(self) -> RecordType {
        match self {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
        }
    }

    /// The address of a record of this kind.
    fn address(self, data: &[u8]) -> Result<IpAddr, Fault> {
        match self {
            Kind::A => data.try_into().map(|octets: [u8; 4]| Ipv4Addr::from(octets).into()),
            Kind::Aaaa => data.try_into().map(|octets: [u8; 16]| Ipv6Addr::from(octets).into()),
        }
        .map_err(|_| Fault::Malformed)
    }
}

impl Code {
    fn of(code: ResponseCode) -> Code {
        match code {
            ResponseCode::NoError => Code::NoError,
            ResponseCode::NXDomain => Code::NoName,
            ResponseCode::FormErr | ResponseCode::NotImp => Code::NotUnderstood,
            ResponseCode::ServFail => Code::ServerFailure,
            ResponseCode::Refused => Code::Refused,
            other => match u16::from(other) {
                BADVERS => Code::NotUnderstood,
                other => Code::Other(other),
            },
        }
    }
}

/// BADVERS (RFC 6891, 9), which shares its number with another code.
const BADVERS: u16 = 16;

/// Follows the aliases of an answer from the name that was asked for.
struct Chain<'a> {
    asked: &'a str,
    kind: Kind,
    /// The name that the last alias led to.
    current: Option<Name>,
    steps: usize,
    ttl: u32,
    addresses: Vec<IpAddr>,
}

impl<'a> Chain<'a> {
    fn new(asked: &'a str, kind: Kind) -> Chain<'a> {
        Chain { asked, kind, current: None, steps: 0, ttl: u32::MAX, addresses: Vec::new() }
    }

    fn is_at(&self, owner: &Name) -> bool {
        match &self.current {
            None => same(owner, self.asked),
            Some(current) => owner == current,
        }
    }

    fn is_too_long(&self) -> bool {
        self.steps > limits::ALIASES
    }

    fn follow(&mut self, target: Name, ttl: u32) {
        self.current = Some(target);
        self.steps += 1;
        self.ttl = self.ttl.min(ttl);
    }

    fn add(&mut self, address: IpAddr, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        if self.addresses.len() < limits::ADDRESSES && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    fn end(self, code: Code, negative_ttl: Option<u32>) -> Data {
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

/// What the authority section says.
#[derive(Default)]
struct Authority {
    /// It names servers.
    servers: bool,
    negative_ttl: Option<u32>,
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

struct Reader<'a> {
    message: &'a [u8],
    decoder: BinDecoder<'a>,
}

impl<'a> Reader<'a> {
    fn question(&mut self, name: &str, kind: Kind) -> Result<(), Fault> {
        let asked = self.name_at(self.decoder.index())?;
        self.decoder = self.at(end_of_name(self.message, self.decoder.index())?)?;
        let (record_type, class) = (self.u16()?, self.u16()?);
        let ours = same(&asked, name)
            && record_type == u16::from(kind.record_type())
            && class == u16::from(DNSClass::IN);
        if ours { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// Follows the aliases among the records, which mostly stand in their order, and collects the addresses
    /// of the last. Each further pass has followed one alias more, so that there are few.
    fn answers(&mut self, count: u16, chain: &mut Chain<'_>) -> Result<(), Fault> {
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
            if !chain.is_too_long() && chain.is_at(&self.name_at(record.owner)?) {
                chain.follow(target, record.ttl);
            }
        } else {
            let address = chain.kind.address(&self.message[record.data.clone()])?;
            if chain.is_at(&self.name_at(record.owner)?) {
                chain.add(address, record.ttl);
            }
        }
        Ok(())
    }

    fn authority(&mut self, count: u16) -> Result<Authority, Fault> {
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
    fn extended_code(&mut self, count: u16) -> Result<Option<u8>, Fault> {
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

/// Bytes of a record between its owner's name and its data.
const RECORD_FIXED: usize = 10;

/// A TTL; those with the first bit set are zero (RFC 2181, 8).
fn lifetime(ttl: u32) -> u32 {
    if ttl >> 31 == 0 { ttl } else { 0 }
}

/// Where a name ends, if it is one: labels of at most 63 bytes and 255 in all, over no more pointers than
/// [`limits::DNS_POINTERS`], each to a place before the one that it leads from (RFC 1035, 4.1.4).
fn end_of_name(message: &[u8], start: usize) -> Result<usize, Fault> {
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

/// Bytes of a name on the wire (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 255;

/// Whether a name has an encoding.
pub(crate) fn is_a_name(name: &str) -> bool {
    name.len() + 2 <= NAME_BYTES && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Whether a name on the wire is this one, in any case.
fn same(name: &Name, text: &str) -> bool {
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

#[cfg(test)]
mod tests;
