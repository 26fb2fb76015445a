//! Queries and answers on the wire, good ones and others.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};
use hickory_proto::rr::{RData, Record};

use super::*;

const ID: u16 = 0x1234;
const NAME: &str = "www.example.com";

fn name(text: &str) -> Name {
    Name::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
}

fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}

fn a(owner: &str, ttl: u32, last: u8) -> Record {
    record(owner, ttl, RData::A(A::new(192, 0, 2, last)))
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    record(owner, ttl, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let soa = SOA::new(name("ns.example.com"), name("admin.example.com"), 1, 2, 3, 4, minimum);
    record("example.com", ttl, RData::SOA(soa))
}

/// An answer to the question for `NAME`'s IPv4 addresses.
fn reply(answers: Vec<Record>, authorities: Vec<Record>) -> Message {
    let mut message = Message::new(ID, MessageType::Response, OpCode::Query);
    message.metadata.recursion_available = true;
    message.add_query(Query::query(name(NAME), RecordType::A));
    message.add_answers(answers);
    message.authorities = authorities;
    message
}

fn read(message: &Message) -> Result<Answer, Fault> {
    decode(&message.to_vec().unwrap(), ID, NAME, Kind::A)
}

fn data(answers: Vec<Record>, authorities: Vec<Record>) -> Data {
    read(&reply(answers, authorities)).unwrap().data
}

fn addresses(last: &[u8], ttl: u32) -> Data {
    let addresses = last.iter().map(|&last| Ipv4Addr::new(192, 0, 2, last).into()).collect();
    Data::Addresses { addresses, ttl }
}

#[test]
fn a_query_reads_as_what_was_asked() {
    for (kind, record_type) in [(Kind::A, RecordType::A), (Kind::Aaaa, RecordType::AAAA)] {
        for edns in [true, false] {
            let mut out = vec![1, 2, 3];
            assert!(encode(ID, "a_b.Example.com", kind, edns, &mut out));
            let message = Message::from_vec(&out).unwrap();
            assert_eq!((message.id, message.message_type), (ID, MessageType::Query));
            assert!(message.recursion_desired);
            let query = &message.queries[0];
            assert_eq!(query.name(), &name("a_b.example.com"));
            assert_eq!((query.query_type(), query.query_class()), (record_type, DNSClass::IN));
            assert_eq!(message.edns.map(|edns| edns.max_payload()), edns.then_some(1232));
        }
    }
}

#[test]
fn names_that_have_no_encoding() {
    let long = format!("{}{}", "a.".repeat(126), "a");
    let label = "a".repeat(63);
    assert!(encode(ID, &long, Kind::A, true, &mut Vec::new()));
    assert!(encode(ID, &label, Kind::A, true, &mut Vec::new()));
    let table =
        ["", "a..b", ".a", "a.", &format!("{label}a"), &format!("{long}.a"), &"a".repeat(300)];
    for name in table {
        assert!(!encode(ID, name, Kind::A, true, &mut Vec::new()), "{name}");
    }
}

#[test]
fn addresses_and_how_long_they_hold() {
    assert_eq!(data(vec![a(NAME, 60, 1), a(NAME, 30, 2)], vec![]), addresses(&[1, 2], 30));
    assert_eq!(data(vec![a("WWW.example.COM", 60, 1)], vec![]), addresses(&[1], 60));
    assert_eq!(data(vec![a(NAME, 60, 1), a(NAME, 60, 1)], vec![]), addresses(&[1], 60));
    assert_eq!(data(vec![a(NAME, 1 << 31, 1)], vec![]), addresses(&[1], 0), "RFC 2181, 8");
    let six = record(NAME, 60, RData::AAAA(AAAA::new(1, 2, 3, 4, 5, 6, 7, 8)));
    assert_eq!(
        data(vec![six, a("other.example", 9, 9), a(NAME, 60, 1)], vec![]),
        addresses(&[1], 60)
    );
    let many: Vec<_> = (0..100).map(|last| a(NAME, 60, last)).collect();
    let Data::Addresses { addresses, .. } = data(many, vec![]) else { panic!() };
    assert_eq!(addresses.len(), limits::ADDRESSES);
}

#[test]
fn ipv6_addresses() {
    let mut message = reply(vec![], vec![]);
    message.queries = vec![Query::query(name(NAME), RecordType::AAAA)];
    message.add_answer(record(NAME, 60, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))));
    let answer = decode(&message.to_vec().unwrap(), ID, NAME, Kind::Aaaa).unwrap();
    let addresses = vec!["2001:db8::1".parse().unwrap()];
    assert_eq!(answer.data, Data::Addresses { addresses, ttl: 60 });
}

#[test]
fn aliases_are_followed_in_whatever_order() {
    let chain =
        [cname(NAME, 50, "b.example"), cname("b.example", 40, "C.example"), a("c.example", 60, 3)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let records = order.map(|at: usize| chain[at].clone()).to_vec();
        assert_eq!(data(records, vec![]), addresses(&[3], 40), "{order:?}");
    }
}

#[test]
fn an_alias_without_addresses_is_to_be_asked_for() {
    let alias = |name: &str, steps, ttl| Data::Alias { name: name.to_owned(), steps, ttl };
    assert_eq!(data(vec![cname(NAME, 50, "B.example")], vec![]), alias("b.example", 1, 50));
    let two = vec![cname(NAME, 50, "b.example"), cname("b.example", 40, "c.example")];
    assert_eq!(data(two.clone(), vec![]), alias("c.example", 2, 40));
    // the server that says why there is nothing has looked
    assert_eq!(data(two, vec![soa(900, 30)]), Data::Nothing { ttl: Some(30) });
}

#[test]
fn aliases_in_a_circle() {
    let table = [
        vec![cname(NAME, 9, NAME)],
        vec![cname(NAME, 9, "b.example"), cname("b.example", 9, NAME)],
        vec![
            cname(NAME, 9, "b.example"),
            cname("b.example", 9, "c.example"),
            cname("c.example", 9, "b.example"),
        ],
    ];
    for records in table {
        assert_eq!(data(records, vec![]), Data::Loop);
    }
    let long = |steps: usize| -> Vec<_> {
        let owner = |n| if n == 0 { NAME.to_owned() } else { format!("n{n}.example") };
        let mut chain: Vec<_> = (0..steps).map(|n| cname(&owner(n), 9, &owner(n + 1))).collect();
        chain.push(a(&owner(steps), 9, 1));
        chain
    };
    assert_eq!(data(long(limits::ALIASES), vec![]), addresses(&[1], 9));
    assert_eq!(data(long(limits::ALIASES + 1), vec![]), Data::Loop);
    let mut backwards = long(limits::ALIASES);
    backwards.reverse();
    assert_eq!(data(backwards, vec![]), addresses(&[1], 9));
}

#[test]
fn how_long_nothing_holds() {
    assert_eq!(data(vec![], vec![]), Data::Nothing { ttl: None });
    assert_eq!(data(vec![], vec![soa(900, 30)]), Data::Nothing { ttl: Some(30) });
    assert_eq!(data(vec![], vec![soa(20, 30)]), Data::Nothing { ttl: Some(20) });
    let mut message = reply(vec![], vec![soa(900, 30)]);
    message.metadata.response_code = ResponseCode::NXDomain;
    let expected =
        Answer { code: Code::NoName, truncated: false, data: Data::Nothing { ttl: Some(30) } };
    assert_eq!(read(&message), Ok(expected));
}

#[test]
fn a_referral_is_no_answer() {
    let ns = || vec![record("example.com", 60, RData::NS(NS(name("ns.example.com"))))];
    let mut message = reply(vec![], ns());
    assert_eq!(read(&message).unwrap().code, Code::Refused);
    message.metadata.authoritative = true;
    assert_eq!(read(&message).unwrap().code, Code::NoError);
    assert_eq!(read(&reply(vec![a(NAME, 9, 1)], ns())).unwrap().code, Code::NoError);
}

#[test]
fn codes() {
    let table = [
        (ResponseCode::FormErr, Code::NotUnderstood),
        (ResponseCode::NotImp, Code::NotUnderstood),
        (ResponseCode::ServFail, Code::ServerFailure),
        (ResponseCode::Refused, Code::Refused),
        (ResponseCode::YXDomain, Code::Other(6)),
    ];
    for (code, expected) in table {
        let mut message = reply(vec![], vec![]);
        message.metadata.response_code = code;
        assert_eq!(read(&message).unwrap().code, expected);
        message.queries.clear();
        assert_eq!(read(&message).unwrap().code, expected, "without the question");
    }
    // BADVERS needs the upper bits
    let mut message = reply(vec![], vec![]);
    message.metadata.response_code = ResponseCode::BADVERS;
    message.set_edns(Edns::new());
    assert_eq!(read(&message).unwrap().code, Code::NotUnderstood);
}

#[test]
fn answers_to_other_questions() {
    let good = reply(vec![a(NAME, 60, 1)], vec![]);
    let bytes = good.to_vec().unwrap();
    assert!(decode(&bytes, ID, "WWW.EXAMPLE.COM", Kind::A).is_ok());
    assert_eq!(decode(&bytes, ID ^ 1, NAME, Kind::A), Err(Fault::Mismatch));
    assert_eq!(decode(&bytes, ID, NAME, Kind::Aaaa), Err(Fault::Mismatch));
    for other in ["example.com", "xwww.example.com", "www.example.co", "www.example.com.x", ""] {
        assert_eq!(decode(&bytes, ID, other, Kind::A), Err(Fault::Mismatch), "{other}");
    }
    let changes: [fn(&mut Message); 5] = [
        |message| message.metadata.message_type = MessageType::Query,
        |message| message.metadata.op_code = OpCode::Status,
        |message| message.queries.clear(),
        |message| message.queries.push(message.queries[0].clone()),
        |message| message.queries[0].query_class = DNSClass::CH,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut message = good.clone();
        change(&mut message);
        assert_eq!(read(&message), Err(Fault::Mismatch), "{at}");
    }
}

#[test]
fn a_message_that_was_cut_short() {
    let mut message = reply(vec![a(NAME, 60, 1)], vec![]);
    message.metadata.truncation = true;
    let answer = read(&message).unwrap();
    assert!(answer.truncated);
    let bytes = message.to_vec().unwrap();
    // some servers cut where the space ends
    assert!(decode(&bytes[..bytes.len() - 3], ID, NAME, Kind::A).unwrap().truncated);
}

/// An answer with everything in it.
fn rich() -> Vec<u8> {
    let answers = vec![
        cname(NAME, 50, "b.example.com"),
        a("b.example.com", 60, 1),
        a("b.example.com", 60, 2),
    ];
    let mut message = reply(answers, vec![soa(900, 30)]);
    message.set_edns(Edns::new());
    message.to_vec().unwrap()
}

#[test]
fn every_prefix_is_malformed() {
    let bytes = rich();
    assert!(decode(&bytes, ID, NAME, Kind::A).is_ok());
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length], ID, NAME, Kind::A), Err(Fault::Malformed), "{length}");
    }
}

#[test]
fn every_flipped_bit_and_byte_is_read_or_refused() {
    let bytes = rich();
    let mut outcomes = [0; 2];
    for at in 0..bytes.len() {
        for value in (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 0xc0, 0xff]) {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let read = decode(&bytes, ID, NAME, Kind::A);
            outcomes[usize::from(read.is_ok())] += 1;
        }
    }
    assert!(outcomes.iter().all(|&count| count > 100), "{outcomes:?}");
}

#[test]
fn names_that_lead_nowhere() {
    let question = |name: &[u8]| {
        let mut bytes = vec![0x12, 0x34, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0, 1, 0, 1]);
        decode(&bytes, ID, NAME, Kind::A)
    };
    let long: Vec<u8> = [[1, b'a']; 128].concat();
    let table: [&[u8]; 6] = [
        &[0xc0, 12],
        &[0xc0, 14],
        &[0xff, 0xff],
        &[0x40, 0],
        &[0x80, 0],
        &[&long[..], &[0]].concat(),
    ];
    for name in table {
        assert_eq!(question(name), Err(Fault::Malformed), "{name:x?}");
    }
    assert_eq!(question(&[0]), Err(Fault::Mismatch));
}

/// Pointers to pointers, as far back as they go, in as many records as there is room for: each name is given up
/// after a few.
#[test]
fn work_is_linear_in_size() {
    let mut bytes = vec![0x12, 0x34, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
    let ladder = bytes.len();
    bytes.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0x20, 0]);
    let mut target = ladder;
    for _ in 0..0x2000 / 2 {
        let at = bytes.len();
        bytes.extend_from_slice(&[0xc0 | (target >> 8) as u8, target as u8]);
        target = at;
    }
    let mut count = 1_u16;
    while bytes.len() < 65_000 {
        bytes.extend_from_slice(&[0xc0 | (target >> 8) as u8, target as u8]);
        bytes.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
        count += 1;
    }
    bytes[6..8].copy_from_slice(&count.to_be_bytes());
    assert_eq!(decode(&bytes, ID, NAME, Kind::A), Err(Fault::Malformed));
    // within the bound of pointers, all is read
    let mut hops = 0;
    let mut at = ladder + 12;
    while end_of_name(&bytes, at).is_ok() {
        (hops, at) = (hops + 1, at + 2);
    }
    assert!(hops <= limits::DNS_POINTERS + 1, "{hops}");
}

#[test]
fn records_of_the_wrong_size() {
    for (kind, length) in [(1_u16, 3_u8), (1, 5), (5, 3), (5, 1)] {
        let mut bytes = vec![0x12, 0x34, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend_from_slice(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
        bytes.extend_from_slice(&[0xc0, 12]);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 9, 0, length]);
        bytes.extend_from_slice(&[0xc0, 12, 0, 0, 0][..length.into()]);
        assert_eq!(decode(&bytes, ID, NAME, Kind::A), Err(Fault::Malformed), "{kind} {length}");
    }
}

#[test]
fn aliases_that_are_no_text_are_not_asked_for() {
    for label in [&b"a.b"[..], b"a\\b", b"a b", b"\x00", b"\xff"] {
        let target = Name::from_labels([label, b"example"]).unwrap();
        let alias = record(NAME, 9, RData::CNAME(CNAME(target)));
        assert_eq!(data(vec![alias], vec![]), Data::Nothing { ttl: None }, "{label:?}");
    }
    let root = record(NAME, 9, RData::CNAME(CNAME(Name::root())));
    assert_eq!(data(vec![root], vec![]), Data::Nothing { ttl: None });
}
