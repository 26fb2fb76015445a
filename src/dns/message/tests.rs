//! Queries and answers on the wire, good ones and others.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};
use hickory_proto::rr::{Name, RData, Record};

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

/// Where an answer is cut, the addresses before the cut are good; without one it is none.
#[test]
fn every_prefix_is_malformed_or_has_addresses() {
    let bytes = rich();
    assert!(decode(&bytes, ID, NAME, Kind::A).is_ok());
    let mut most = 0;
    for length in 0..bytes.len() {
        let found = match decode(&bytes[..length], ID, NAME, Kind::A) {
            Ok(answer) if answer.data == addresses(&[1], 50) => 1,
            Ok(answer) if answer.data == addresses(&[1, 2], 50) => 2,
            Err(Fault::Malformed) => 0,
            other => panic!("{length}: {other:?}"),
        };
        assert!(found >= most, "{length}");
        most = found;
    }
    assert_eq!(most, 2);
}

/// Records as bytes: the owner, the type, and the data.
fn raw(records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    bytes.extend_from_slice(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
    for (owner, kind, data) in records {
        bytes.extend_from_slice(owner);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 9, 0, data.len() as u8]);
        bytes.extend_from_slice(data);
    }
    bytes
}

const QUESTION: &[u8] = &[0xc0, 12];

#[test]
fn a_record_that_cannot_be_read_takes_nothing_from_the_others() {
    let good: (&[u8], u16, &[u8]) = (QUESTION, 1, &[192, 0, 2, 1]);
    let bad: [(&[u8], u16, &[u8]); 6] = [
        (QUESTION, 1, &[192, 0, 2]),
        (QUESTION, 1, &[]),
        (&[0xc0, 0xff], 1, &[192, 0, 2, 9]),
        (b"\x01b\x00", 5, &[0xc0, 12, 0]),
        (b"\x01b\x00", 5, &[0x40]),
        (QUESTION, 5, &[0xff, 0xff]),
    ];
    for bad in bad {
        for records in [[good, bad], [bad, good]] {
            let answer = decode(&raw(&records), ID, NAME, Kind::A);
            assert_eq!(answer.map(|answer| answer.data), Ok(addresses(&[1], 9)), "{records:x?}");
        }
        assert_eq!(decode(&raw(&[bad]), ID, NAME, Kind::A), Err(Fault::Malformed), "{bad:x?}");
    }
    // neither a name that ends nowhere nor one beside it hides an address before it
    let records: [(&[u8], u16, &[u8]); 2] = [good, (&[0x80], 1, &[192, 0, 2, 2])];
    assert_eq!(decode(&raw(&records), ID, NAME, Kind::A).unwrap().data, addresses(&[1], 9));
}

#[test]
fn other_sections_take_nothing_from_an_answer() {
    for (section, text) in [(8, "authority"), (10, "additional")] {
        let mut bytes = reply(vec![a(NAME, 60, 1)], vec![]).to_vec().unwrap();
        bytes[section + 1] = 3;
        bytes.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 9, 0, 1, 0, 0x80]);
        assert_eq!(decode(&bytes, ID, NAME, Kind::A).unwrap().data, addresses(&[1], 60), "{text}");
        // that there is no such name is no less true
        bytes[3] |= 3;
        bytes[7] = 0;
        assert_eq!(decode(&bytes, ID, NAME, Kind::A).unwrap().code, Code::NoName, "{text}");
        bytes[3] &= !3;
        assert_eq!(decode(&bytes, ID, NAME, Kind::A), Err(Fault::Malformed), "{text}");
    }
}

/// A server that looks nothing up for others has not said that there is nothing.
#[test]
fn nothing_without_recursion_is_no_answer() {
    let answer = |change: fn(&mut Message)| {
        let mut message = reply(vec![], vec![]);
        message.metadata.recursion_available = false;
        change(&mut message);
        read(&message).unwrap().code
    };
    assert_eq!(answer(|_| ()), Code::Refused);
    assert_eq!(answer(|message| message.metadata.authoritative = true), Code::NoError);
    assert_eq!(answer(|message| message.metadata.recursion_available = true), Code::NoError);
    assert_eq!(answer(|message| message.authorities.push(soa(900, 30))), Code::NoError);
    assert_eq!(answer(|message| message.answers.push(a(NAME, 9, 1))), Code::NoError);
    assert_eq!(answer(|message| message.answers.push(a("b.example", 9, 1))), Code::Refused);
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

/// How many labels and pointers were followed, and what came of it.
fn work(bytes: &[u8]) -> (usize, Result<Answer, Fault>) {
    let mut reader = Reader::new(bytes);
    let answer = super::read(&mut reader, ID, NAME, Kind::A);
    (reader.steps, answer)
}

/// An answer of the longest size: the question, `first`, and as many records as `next` gives.
fn longest(first: &[u8], mut next: impl FnMut(u16) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = raw(&[]);
    bytes.extend_from_slice(first);
    let mut count = u16::from(!first.is_empty());
    loop {
        let record = next(bytes.len() as u16);
        if bytes.len() + record.len() > 65_535 {
            break;
        }
        bytes.extend_from_slice(&record);
        count += 1;
    }
    bytes[6..8].copy_from_slice(&count.to_be_bytes());
    bytes
}

fn record_bytes(owner: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let fixed = [0, kind, 0, 1, 0, 0, 0, 9, (data.len() >> 8) as u8, data.len() as u8];
    [owner, &fixed, data].concat()
}

/// Messages of the longest size that a server makes for what they cost: each of their records is looked at once, whatever
/// the order, and of the labels and pointers in them no more than a bound.
#[test]
fn work_is_linear_in_size_and_bounded() {
    let back = |at: usize| [0xc0 | (at >> 8) as u8, at as u8];
    // many addresses, all of them the name's: all are read
    let addresses = longest(&[], |at| record_bytes(QUESTION, 1, &[192, 0, 2, (at / 16) as u8]));
    let (steps, answer) = work(&addresses);
    assert!(matches!(answer.unwrap().data, Data::Addresses { .. }));
    assert!(steps <= 65_535 / 16 * 6 + 8, "{steps}");

    // a chain of aliases that stands in the wrong order, each link behind thousands of others
    let name = |n: usize| if n == 0 { chain::wire(NAME) } else { chain::wire(&format!("n{n}")) };
    let links = (0..limits::ALIASES).rev();
    let first: Vec<_> = links.map(|n| record_bytes(&name(n), 5, &name(n + 1))).collect();
    let mut first = first.into_iter();
    let reversed =
        longest(&[], |_| first.next().unwrap_or(record_bytes(b"\x01x\x00", 5, b"\x01y\x00")));
    let (steps, answer) = work(&reversed);
    let alias = format!("n{}", limits::ALIASES);
    assert!(matches!(answer.unwrap().data, Data::Alias { name, .. } if name == alias));
    assert!(steps <= 65_535 / 16 * 6 + 512, "{steps}");

    // names as long as they may be, each a pointer to the same: reading ends at the bound
    let long = [[1, b'a'].repeat(126), vec![0]].concat();
    let target = raw(&[]).len();
    let first = record_bytes(&long, 1, &[192, 0, 2, 1]);
    let pointers = longest(&first, |_| record_bytes(&back(target), 5, &back(target)));
    let (steps, answer) = work(&pointers);
    assert_eq!((steps, answer), (limits::DNS_STEPS, Err(Fault::Malformed)));

    // pointers to pointers, as far back as they go: no name leads over more than some
    let ladder_at = target + 12;
    let ladder = (0..0x1000).map(|n| back(if n == 0 { 12 } else { ladder_at + 2 * (n - 1) }));
    let first = record_bytes(QUESTION, 16, &ladder.flatten().collect::<Vec<_>>());
    let last = back(ladder_at + 2 * 0xfff);
    let ladders = longest(&first, |_| record_bytes(&last, 1, &[192, 0, 2, 1]));
    let (steps, answer) = work(&ladders);
    assert_eq!((steps, answer), (limits::DNS_STEPS, Err(Fault::Malformed)));
    let one = [&ladders[..ladder_at + 0x2000], &record_bytes(&last, 1, &[192, 0, 2, 1])].concat();
    let one = [&one[..6], &[0, 2], &one[8..]].concat();
    assert!(work(&one).0 < limits::DNS_POINTERS + 20, "{}", work(&one).0);

    // SOA records whose names go on over the whole message
    let mut soas = longest(&[], |_| record_bytes(&[1, 6, 0], 6, &[1, 1, 1, 1]));
    soas.swap(6, 8);
    soas.swap(7, 9);
    let (steps, answer) = work(&soas);
    assert_eq!(answer, Err(Fault::Malformed));
    assert!(steps <= limits::DNS_STEPS, "{steps}");
}

/// Records of more names than an answer has are not kept: the first some are, and those that the aliases lead to.
#[test]
fn names_that_nobody_asked_for_are_not_piled_up() {
    let mut records: Vec<_> =
        (0..4 * limits::DNS_OWNERS).map(|n| a(&format!("n{n}.example"), 9, 9)).collect();
    records.push(cname(NAME, 9, "b.example"));
    records.push(a("b.example", 9, 1));
    assert_eq!(data(records, vec![]), addresses(&[1], 9));
    let after_all = |n: usize| {
        let names = (0..2 * limits::DNS_OWNERS).map(|n| a(&format!("n{n}.example"), 9, 9));
        let alias = cname(NAME, 9, &format!("n{n}.example"));
        data(names.chain([alias]).collect(), vec![])
    };
    assert_eq!(after_all(limits::DNS_OWNERS - 1), addresses(&[9], 9));
    assert!(matches!(after_all(limits::DNS_OWNERS), Data::Alias { .. }), "nothing is known of it");
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
