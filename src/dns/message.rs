//! Queries for addresses, and what their answers say.
//!
//! Knows DNS messages (RFC 1035, with EDNS of RFC 6891), aliases within one answer, and negative answers
//! (RFC 2308). Must not know who asks whom, or how often. Invariants: an answer is taken for one question
//! alone, which it must repeat; an answer that is wrong is a [`Fault`]; the work is linear in its size, and bounded.

mod chain;
mod reader;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable, BinEncoder};

use chain::Chain;
use reader::Reader;

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
    /// REFUSED; or neither addresses nor a word of why there are none, from a server that refers to others or does not ask
    /// them (RA is 0).
    Refused,
    /// Any other.
    Other(u16),
}

/// What an answer says about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Its addresses, not more than `limits::ADDRESSES`, and for how many seconds they hold.
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
    /// Its aliases lead in a circle, or over more than `limits::ALIASES` names.
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
///
/// A record that cannot be read takes nothing from addresses that others give, nor from the code of an error; that there
/// is nothing, or an alias alone, counts only if all was read.
pub fn decode(message: &[u8], id: u16, name: &str, kind: Kind) -> Result<Answer, Fault> {
    read(&mut Reader::new(message), id, name, kind)
}

fn read(reader: &mut Reader<'_>, id: u16, name: &str, kind: Kind) -> Result<Answer, Fault> {
    let header = Header::read(&mut reader.decoder).map_err(|_| Fault::Malformed)?;
    let answers = header.message_type == MessageType::Response && header.op_code == OpCode::Query;
    if !answers || header.id != id {
        return Err(Fault::Mismatch);
    }
    let mut code = Code::of(header.response_code);
    let mut chain = Chain::new(chain::wire(name), kind);
    // servers that do not understand a query may not repeat it
    let silent = header.counts.queries == 0 && !matches!(code, Code::NoError | Code::NoName);
    if !silent {
        if header.counts.queries != 1 {
            return Err(Fault::Mismatch);
        }
        reader.question(chain.asked(), kind)?;
    }
    if header.truncation {
        return Ok(Answer { code, truncated: true, data: Data::Nothing { ttl: None } });
    }
    reader.answers(header.counts.answers, &mut chain);
    let authority = reader.authority(header.counts.authorities);
    if let Some(high) = reader.extended_code(header.counts.additionals) {
        code = Code::of(ResponseCode::from(high, header.response_code.low()));
    }
    if reader.broken && code == Code::NoError && !chain.has_addresses() {
        return Err(Fault::Malformed);
    }
    let data = chain.end(code, authority.negative_ttl);
    // a server that has neither looked nor says what it knows leaves that to others
    let knows = header.authoritative || authority.negative_ttl.is_some();
    let refers = authority.servers || !header.recursion_available;
    if code == Code::NoError && matches!(data, Data::Nothing { .. }) && refers && !knows {
        code = Code::Refused;
    }
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

/// Bytes of a name on the wire (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 255;

/// Whether a name has an encoding.
pub(crate) fn is_a_name(name: &str) -> bool {
    name.len() + 2 <= NAME_BYTES && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

#[cfg(test)]
mod tests;
