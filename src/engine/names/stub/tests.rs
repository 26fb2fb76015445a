//! The machine in a world of scripted servers, a virtual clock and seeded chance.

mod world;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::*;
use world::{Asked, Reply, World, a, aaaa, cname, nothing, soa};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Answers with the addresses that the name says: `n7.example` has 10.0.0.7 and 2a00::7.
fn honest(asked: &Asked) -> Vec<Reply> {
    let number = asked.number();
    vec![Reply::after(
        MILLI,
        asked.answer(&[a(&asked.name, 60, number), aaaa(&asked.name, 60, number)]),
    )]
}

fn expected(number: u32) -> Vec<IpAddr> {
    vec![world::six(number), world::four(number)]
}

fn addresses(result: &Result<Found, NameError>) -> Vec<IpAddr> {
    result.as_ref().unwrap_or_else(|error| panic!("{error}")).addresses.clone()
}

fn error(result: &Result<Found, NameError>) -> NameErrorKind {
    result.as_ref().unwrap_err().kind.clone()
}

/// The addresses of each family, and which comes first, are in the order of RFC 6724.
#[test]
fn better_addresses_come_first() {
    let table = [
        ("2002:a00::1 2a00::1", "10.0.0.1 10.0.0.2", "2a00::1 10.0.0.1 2002:a00::1 10.0.0.2"),
        ("fd00::1 2002:a00::1", "10.0.0.1", "10.0.0.1 2002:a00::1 fd00::1"),
        ("fd00::1", "", "fd00::1"),
    ];
    for (six, four, order) in table {
        let mut world = World::new(43);
        world.serve(move |asked| {
            let list = if asked.kind == RecordType::A { four } else { six };
            let record = |ip: &str| world::address(&asked.name, 60, ip.parse().unwrap());
            let records: Vec<_> = list.split_whitespace().map(record).collect();
            let answer = if records.is_empty() { nothing(asked) } else { asked.answer(&records) };
            vec![Reply::after(MILLI, answer)]
        });
        world.start("n1.example");
        let order: Vec<IpAddr> = order.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        assert_eq!(addresses(&world.run()[0].result), order);
    }
}

#[test]
fn both_families_are_asked_side_by_side() {
    let mut world = World::new(1);
    world.serve(honest);
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert_eq!(done[0].result.as_ref().unwrap().ttl, Some(60 * SECOND));
    assert_eq!(world.packets(), 2);
    assert!(done[0].at.since(World::START) < 5 * MILLI);
    world.is_clean();
}

#[test]
fn one_query_for_each_name_and_family() {
    let mut world = World::new(2);
    world.serve(honest);
    for n in 0..20_000 {
        world.start(&format!("n{n}.example"));
    }
    let done = world.run();
    assert_eq!(done.len(), 20_000);
    for one in &done {
        assert_eq!(addresses(&one.result), expected(one.number));
    }
    assert_eq!(world.packets(), 40_000);
    assert!(world.asked.values().all(|&count| count == 1));
    assert!(world.most_in_flight <= limits::NAME_QUERIES);
    assert!(world.sockets() <= limits::NAME_CHANNELS + limits::RETIRED_CHANNELS);
    world.is_clean();
}

#[test]
fn files_and_special_names_need_no_server() {
    let mut world = World::new(3);
    world.config.hosts =
        Arc::new(Hosts::parse(b"192.0.2.1 fixed.example\n::1 fixed.example x.invalid"));
    world.reconfigure();
    for (name, found) in [
        ("localhost", Ok("127.0.0.1 ::1")),
        ("a.b.localhost", Ok("127.0.0.1 ::1")),
        ("fixed.example", Ok("192.0.2.1 ::1")),
        ("x.invalid", Ok("::1")),
        ("y.invalid", Err(NameErrorKind::Special)),
        ("abc.onion", Err(NameErrorKind::Special)),
    ] {
        world.start(name);
        let done = world.run();
        let text = |found: Found| {
            found.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        let result = done[0].result.clone().map(text).map_err(|error| error.kind);
        assert_eq!(result, found.map(str::to_owned), "{name}");
    }
    assert_eq!(world.packets(), 0);
}

#[test]
fn a_fifth_of_all_packets_is_lost() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.serve(honest);
        world.loss = 5;
        for n in 0..200 {
            world.start(&format!("n{n}.example"));
        }
        for one in world.run() {
            let found = addresses(&one.result);
            // a family that is late does not hold up the other
            assert!(found == expected(one.number) || expected(one.number).contains(&found[0]));
            assert!(one.at.since(World::START) <= 12 * SECOND);
        }
        assert!(world.packets() <= 2 * 200 * 6);
        world.is_clean();
    }
}

#[test]
fn late_answers_are_answers() {
    let mut world = World::new(4);
    world.serve(|asked| {
        vec![Reply::after(
            3500 * MILLI,
            asked.answer(&[a(&asked.name, 60, 1), aaaa(&asked.name, 60, 1)]),
        )]
    });
    world.start("n1.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(1));
    assert_eq!(done[0].at.since(World::START).as_millis(), 3500);
    // at 0 s, 1 s and 2 s
    assert_eq!(world.packets(), 6);
    world.is_clean();
}

/// What is no answer to the question is dropped, and the answer behind it is taken.
#[test]
fn answers_to_other_questions_are_dropped() {
    let wrong: [fn(&Asked) -> Vec<u8>; 6] = [
        |asked| asked.about("other.example").answer(&[a("other.example", 60, 66)]),
        |asked| asked.with_id(asked.id ^ 1).answer(&[a(&asked.name, 60, 66)]),
        |asked| asked.message.clone(),
        |asked| asked.answer(&[a(&asked.name, 60, 66)])[..20].to_vec(),
        |_| Vec::new(),
        |_| vec![0; 512],
    ];
    for (at, wrong) in wrong.into_iter().enumerate() {
        let mut world = World::new(5);
        world.serve(move |asked| {
            let mut replies = honest(asked);
            replies.insert(0, Reply::after(Duration::ZERO, wrong(asked)));
            replies
        });
        world.start("n7.example");
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(7), "{at}");
        assert_eq!(world.packets(), 2, "{at}");
        assert_eq!(world.stats().strays + world.stats().bad, 2, "{at}");
        world.is_clean();
    }
}

/// Somebody guesses ids. The socket on which that is seen takes no answer any more, and what was asked on it is asked
/// on others, at once.
#[test]
fn guessed_ids_close_their_socket() {
    let mut world = World::new(33);
    let mut attacked = Vec::new();
    world.serve(move |asked| {
        if attacked.contains(&asked.kind) {
            return honest(asked);
        }
        attacked.push(asked.kind);
        let forged =
            |id| asked.with_id(id).answer(&[a(&asked.name, 60, 66), aaaa(&asked.name, 60, 66)]);
        let ids = (1..=600).map(|n| asked.id ^ n).chain([asked.id]);
        ids.map(|id| Reply::after(MILLI, forged(id))).collect()
    });
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert!(done[0].at.since(World::START) < 10 * MILLI);
    let stats = world.stats();
    assert_eq!((stats.timeouts, stats.sent), (0, 4), "no try is lost");
    assert!(stats.strays <= 2 * u64::from(limits::CHANNEL_GUESSES), "{}", stats.strays);
    world.is_clean();
}

/// On every socket, whatever the port: the name is not found, but no guess is taken, and few packets are sent.
#[test]
fn a_flood_of_guessed_ids_is_no_flood_of_queries() {
    let mut world = World::new(38);
    world.serve(|asked| {
        let forged = |id| asked.with_id(id).answer(&[a(&asked.name, 60, 66)]);
        let ids = (1..=600).map(|n| asked.id ^ n).chain([asked.id]);
        ids.map(|id| Reply::after(MILLI, forged(id))).collect()
    });
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::Timeout);
    assert!(world.packets() <= 12 * (1 + usize::from(limits::ESCAPES)), "{}", world.packets());
    world.is_clean();
}

/// A network that doubles packets is no attack.
#[test]
fn answers_that_come_twice_close_no_socket() {
    let mut world = World::new(34);
    world.serve(|asked| [honest(asked), honest(asked)].concat());
    for n in 0..2_000 {
        world.start(&format!("n{n}.example"));
    }
    world.run();
    assert_eq!(world.packets(), 4_000);
    assert!(world.stats().strays > 1_000);
    world.is_clean();
}

/// Only such answers: the look-up ends, having asked a bounded number of times.
#[test]
fn nothing_but_wrong_answers() {
    let wrong: [fn(&Asked) -> Vec<u8>; 3] = [
        |asked| asked.about("other.example").answer(&[a("other.example", 60, 66)]),
        |asked| asked.with_id(asked.id ^ 1).answer(&[a(&asked.name, 60, 66)]),
        |asked| asked.answer(&[a(&asked.name, 60, 66)])[..20].to_vec(),
    ];
    for wrong in wrong {
        let mut world = World::new(6);
        world.serve(move |asked| vec![Reply::after(MILLI, wrong(asked)); 50]);
        world.start("n7.example");
        let done = world.run();
        assert!(matches!(
            error(&done[0].result),
            NameErrorKind::Timeout | NameErrorKind::BadAnswer
        ));
        assert!(done[0].at.since(World::START) <= 12 * SECOND + 20 * MILLI);
        // ids that look guessed have a query asked on another socket
        let guesses = world.stats().strays as usize / limits::CHANNEL_GUESSES as usize;
        assert!(world.packets() <= 12 + 2 * guesses, "{}", world.packets());
        world.is_clean();
    }
}

#[test]
fn what_is_cut_short_is_asked_over_tcp_on_one_connection() {
    let mut world = World::new(7);
    world.serve(|asked| match asked.tcp {
        true => honest(asked),
        false => vec![Reply::after(MILLI, asked.truncated())],
    });
    for n in 0..100 {
        world.start(&format!("n{n}.example"));
    }
    for one in world.run() {
        assert_eq!(addresses(&one.result), expected(one.number));
    }
    assert_eq!((world.packets(), world.tcp_opened), (400, 1));
    world.is_clean();
}

#[test]
fn a_tcp_server_that_closes_after_some_answers_is_asked_again() {
    let mut world = World::new(8);
    world.config.conf.tcp = true;
    world.reconfigure();
    let mut count = 0;
    world.serve(move |asked| {
        count += 1;
        let mut replies = honest(asked);
        if count % 30 == 0 {
            replies.push(Reply::Close(2 * MILLI));
        }
        replies
    });
    for n in 0..100 {
        world.start(&format!("n{n}.example"));
    }
    for one in world.run() {
        assert_eq!(addresses(&one.result), expected(one.number));
    }
    world.is_clean();
}

/// A middlebox has forgotten the connection, so that nothing comes on it, not even its end.
#[test]
fn a_tcp_connection_that_went_silent_is_replaced() {
    let mut world = World::new(31);
    world.config.conf.tcp = true;
    world.reconfigure();
    let mut first = None;
    world.serve(move |asked| match asked.number() {
        n if *first.get_or_insert(asked.socket) == asked.socket && n > 0 => Vec::new(),
        _ => honest(asked),
    });
    for n in 0..20 {
        world.start(&format!("n{n}.example"));
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(n));
    }
    assert_eq!((world.tcp_opened, world.stats().timeouts), (2, 2));
    world.is_clean();
}

/// What a slow server says on a connection shows that the connection is good.
#[test]
fn a_slow_tcp_connection_is_kept() {
    let mut world = World::new(32);
    world.config.conf.tcp = true;
    world.reconfigure();
    world.serve(|asked| {
        let mut replies = honest(asked);
        if let Reply::Message(after, _) = &mut replies[0]
            && asked.number() == 0
        {
            *after = 1500 * MILLI;
        }
        replies
    });
    for n in 0..2 {
        world.start(&format!("n{n}.example"));
        world.run_for(500 * MILLI);
    }
    for one in world.run() {
        assert_eq!(addresses(&one.result), expected(one.number));
    }
    assert_eq!((world.tcp_opened, world.stats().timeouts), (1, 2));
    world.is_clean();
}

#[test]
fn a_server_without_tcp_is_no_end() {
    let mut world = World::new(9);
    world.serve(|asked| match asked.tcp {
        true => vec![Reply::Close(MILLI)],
        false => vec![Reply::after(MILLI, asked.truncated())],
    });
    world.add_server(honest);
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    world.is_clean();
}

#[test]
fn aliases_over_several_answers() {
    let mut world = World::new(10);
    world.serve(|asked| {
        let number = asked.number();
        let answer = match number {
            7 => asked.answer(&[a(&asked.name, 60, 7), aaaa(&asked.name, 60, 7)]),
            n => asked.answer(&[cname(&asked.name, 40, &format!("n{}.example", n + 1))]),
        };
        vec![Reply::after(MILLI, answer)]
    });
    world.start("n4.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert_eq!(done[0].result.as_ref().unwrap().ttl, Some(40 * SECOND));
    assert_eq!(world.packets(), 8);
    world.is_clean();
}

#[test]
fn aliases_without_end() {
    let loops: [fn(u32) -> u32; 3] = [|n| n, |n| (n + 1) % 3, |n| n + 1];
    for next in loops {
        let mut world = World::new(11);
        world.serve(move |asked| {
            let target = format!("n{}.example", next(asked.number()));
            vec![Reply::after(MILLI, asked.answer(&[cname(&asked.name, 40, &target)]))]
        });
        world.start("n0.example");
        let done = world.run();
        assert_eq!(error(&done[0].result), NameErrorKind::Loop);
        assert!(world.packets() <= 2 * (limits::ALIASES + 2), "{}", world.packets());
        world.is_clean();
    }
}

#[test]
fn who_fails_is_followed_by_the_next() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::YXDomain] {
        let mut world = World::new(12);
        world.serve(move |asked| vec![Reply::after(MILLI, asked.code(code))]);
        world.add_server(honest);
        world.start("n7.example");
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(7), "{code}");
        assert_eq!(world.packets(), 4, "{code}");
        world.is_clean();
    }
}

#[test]
fn who_fails_alone_is_asked_once() {
    let mut world = World::new(13);
    world.serve(|asked| vec![Reply::after(MILLI, asked.code(ResponseCode::ServFail))]);
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::ServerFailure);
    assert_eq!((world.packets(), done[0].at.since(World::START).as_millis()), (2, 1));
    world.is_clean();
}

/// One that asks no others has nothing to say of names that are not its own.
#[test]
fn who_asks_no_others_is_followed_by_the_next() {
    let mut world = World::new(40);
    world.serve(|asked| vec![Reply::after(MILLI, asked.nothing_without_recursion())]);
    world.add_server(honest);
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert_eq!(world.packets(), 4);
    world.is_clean();
}

#[test]
fn servers_that_do_not_know_edns() {
    let mut world = World::new(14);
    world.serve(|asked| match asked.edns {
        true => vec![Reply::after(MILLI, asked.code(ResponseCode::FormErr))],
        false => honest(asked),
    });
    for n in 0..10 {
        world.start(&format!("n{n}.example"));
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(n));
    }
    assert_eq!(world.packets(), 4 + 9 * 2, "the server is known then");
    world.is_clean();
}

/// That one server understands no query says nothing of another.
#[test]
fn edns_is_left_out_for_those_alone_who_do_not_know_it() {
    let mut world = World::new(35);
    world.serve(|asked| vec![Reply::after(MILLI, asked.code(ResponseCode::FormErr))]);
    world.add_server(|asked| {
        assert!(asked.edns);
        honest(asked)
    });
    for n in 0..10 {
        world.start(&format!("n{n}.example"));
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(n));
    }
    world.is_clean();
}

#[test]
fn a_server_may_learn_edns() {
    let mut world = World::new(36);
    world.serve(|asked| match asked.edns && asked.number() == 0 {
        true => vec![Reply::after(MILLI, asked.code(ResponseCode::FormErr))],
        false => {
            assert_eq!(asked.edns, asked.number() == 2);
            honest(asked)
        }
    });
    for (n, after) in
        [(0, Duration::ZERO), (1, limits::SERVER_PLAIN / 2), (2, limits::SERVER_PLAIN)]
    {
        world.run_for(after);
        world.start(&format!("n{n}.example"));
        let done = world.run();
        assert_eq!(addresses(&done[0].result), expected(n));
    }
    assert_eq!(world.packets(), 4 + 2 + 2);
    world.is_clean();
}

#[test]
fn nothing_ever_comes() {
    let mut world = World::new(15);
    world.serve(|_| Vec::new());
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::Timeout);
    assert_eq!(done[0].at.since(World::START).as_millis(), 12_000);
    assert_eq!(world.packets(), 12);
    world.is_clean();
}

#[test]
fn timeout_and_attempts_are_the_files() {
    let mut world = World::new(16);
    world.config.conf.timeout = Some(2 * SECOND);
    world.config.conf.attempts = Some(2);
    world.serve(|_| Vec::new());
    world.add_server(|_| Vec::new());
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::Timeout);
    assert_eq!(done[0].at.since(World::START).as_millis(), 8_000);
    assert_eq!(world.packets(), 8);
    world.is_clean();
}

/// Who sets one of the two means the manual page's default of the other wait.
#[test]
fn attempts_alone_leave_each_its_five_seconds() {
    let mut world = World::new(37);
    world.config.conf.attempts = Some(1);
    world.serve(|_| Vec::new());
    world.add_server(|asked| {
        let mut replies = honest(asked);
        if let Reply::Message(after, _) = &mut replies[0] {
            *after = 4800 * MILLI;
        }
        replies
    });
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert_eq!(done[0].at.since(World::START).as_millis() / 100, 98);
    world.is_clean();
}

#[test]
fn a_closed_port_is_known_at_once() {
    let mut world = World::new(17);
    world.serve(|_| vec![Reply::Close(MILLI)]);
    world.add_server(honest);
    for n in 0..100 {
        world.start(&format!("n{n}.example"));
    }
    for one in world.run() {
        assert_eq!(addresses(&one.result), expected(one.number));
        assert!(one.at.since(World::START) < 10 * MILLI);
    }
    world.is_clean();

    let mut world = World::new(17);
    world.serve(|_| vec![Reply::Close(MILLI)]);
    world.start("n7.example");
    let done = world.run();
    assert!(matches!(error(&done[0].result), NameErrorKind::Unreachable(_)));
    assert!(done[0].at.since(World::START) < 10 * MILLI);
    world.is_clean();
}

#[test]
fn a_dead_server_is_asked_last() {
    let mut world = World::new(18);
    world.serve(|_| Vec::new());
    world.add_server(honest);
    for n in 0..1000 {
        world.start(&format!("n{n}.example"));
        world.run();
    }
    // three tries in a row are lost, and one each 30 s; the rest is answered at once
    assert!(world.packets() < 2010, "{}", world.packets());
    assert!(world.now.since(World::START) < 5 * SECOND);
    world.is_clean();
}

#[test]
fn names_that_never_resolve_do_not_slow_those_that_do() {
    let mut world = World::new(19);
    world.serve(|asked| if asked.name.starts_with("dead") { Vec::new() } else { honest(asked) });
    for n in 0..20_500 {
        let dead = n % 41 == 0;
        world.start(&if dead { format!("dead{n}.example") } else { format!("n{n}.example") });
    }
    let done = world.run();
    let (mut good, mut dead) = (0, 0);
    for one in done {
        if one.host.starts_with("dead") {
            assert_eq!(error(&one.result), NameErrorKind::Timeout);
            dead += 1;
        } else {
            assert_eq!(addresses(&one.result), expected(one.number));
            assert!(one.at.since(World::START) < 20 * MILLI, "{:?}", one.at.since(World::START));
            good += 1;
        }
    }
    assert_eq!((good, dead), (20_000, 500));
    world.is_clean();
}

#[test]
fn what_is_given_up_leaves_nothing() {
    for seed in 0..50 {
        let mut world = World::new(100 + seed);
        world.serve(honest);
        world.config.max_queries = 10;
        world.reconfigure();
        world.loss = 3;
        let lookups: Vec<_> = (0..100).map(|n| world.start(&format!("n{n}.example"))).collect();
        world.run_for(Duration::from_millis(seed * 40));
        for lookup in lookups {
            world.names.abandon(lookup);
        }
        // those that are over may still ask for their second family
        let (before, over) = (world.packets(), world.over());
        assert!(world.stats().lookups <= over);
        world.run_for(20 * SECOND);
        assert!(world.packets() - before <= 6 * over, "seed {seed}");
        world.is_clean();
    }
}

#[test]
fn limits_in_flight_and_per_second_hold() {
    let mut world = World::new(20);
    world.serve(|asked| {
        vec![Reply::after(
            10 * MILLI,
            asked.answer(&[
                a(&asked.name, 60, asked.number()),
                aaaa(&asked.name, 60, asked.number()),
            ]),
        )]
    });
    world.config.max_queries = 20;
    world.reconfigure();
    for n in 0..200 {
        world.start(&format!("n{n}.example"));
    }
    assert_eq!(world.run().len(), 200);
    assert_eq!(world.most_in_flight, 20);
    assert_eq!(world.now.since(World::START).as_millis() / 10, 20);

    let mut world = World::new(21);
    world.serve(honest);
    world.config.queries_per_second = Some(100);
    world.reconfigure();
    for n in 0..200 {
        world.start(&format!("n{n}.example"));
    }
    let done = world.run();
    assert!(done.iter().all(|one| one.result.is_ok()));
    let seconds = world.now.since(World::START).as_secs_f64();
    assert!((3.8..4.2).contains(&seconds), "{seconds}");
    world.is_clean();
}

#[test]
fn search_lists_are_walked() {
    let mut world = World::new(22);
    world.config.conf.search = vec!["a.example".to_owned(), "b.example".to_owned()];
    world.reconfigure();
    world.serve(|asked| {
        let answer = match asked.name.as_str() {
            "host.b.example" | "www.test" => {
                asked.answer(&[a(&asked.name, 60, 7), aaaa(&asked.name, 60, 7)])
            }
            _ => asked.negative(ResponseCode::NXDomain, &[soa(60)]),
        };
        vec![Reply::after(MILLI, answer)]
    });
    for (host, packets, found) in
        [("host", 4, true), ("www.test", 2, true), ("other", 6, false), ("a.b", 6, false)]
    {
        let before = world.packets();
        world.start(host);
        let done = world.run();
        match found {
            true => assert_eq!(addresses(&done[0].result), expected(7), "{host}"),
            false => {
                assert_eq!(error(&done[0].result), NameErrorKind::NoName, "{host}");
                assert_eq!(done[0].result.as_ref().unwrap_err().ttl, Some(60 * SECOND));
            }
        }
        assert_eq!(world.packets() - before, packets, "{host}");
    }
    world.is_clean();
}

/// A name with a dot at its end is the one that is meant.
#[test]
fn an_absolute_name_is_asked_for_as_it_is() {
    let mut world = World::new(41);
    world.config.conf.search = vec!["a.example".to_owned()];
    world.config.conf.ndots = 5;
    world.reconfigure();
    world.serve(|asked| match asked.name.as_str() {
        "n7.a.example" | "n7.b" => honest(asked),
        _ => vec![Reply::after(MILLI, asked.code(ResponseCode::NXDomain))],
    });
    for (host, packets, found) in
        [("n7", 2, true), ("n7.", 2, false), ("n7.b.", 2, true), ("n7.b", 4, true)]
    {
        let before = world.packets();
        world.start(host);
        let done = world.run();
        assert_eq!(done[0].result.is_ok(), found, "{host}");
        assert_eq!(world.packets() - before, packets, "{host}");
    }
    world.is_clean();
}

/// What a server cannot say of one name of the search list says nothing of the next. Of silence it is not waited for
/// again.
#[test]
fn a_name_of_the_search_list_that_fails_is_followed_by_the_next() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::YXDomain] {
        let mut world = World::new(42);
        world.config.conf.search = ["a.example", "b.example"].map(str::to_owned).into();
        world.reconfigure();
        world.serve(move |asked| match asked.name.as_str() {
            "n7.b.example" => honest(asked),
            "n8.a.example" | "n7.a.example" => vec![Reply::after(MILLI, asked.code(code))],
            "n9.a.example" => Vec::new(),
            _ => vec![Reply::after(MILLI, asked.negative(ResponseCode::NXDomain, &[soa(60)]))],
        });
        world.start("n7");
        assert_eq!(addresses(&world.run()[0].result), expected(7), "{code}");
        assert_eq!(world.packets(), 4, "{code}");
        // nobody knows whether it is there
        world.start("n8");
        let done = world.run();
        assert!(!done[0].result.as_ref().unwrap_err().is_negative(), "{code}");
        assert_eq!(world.packets(), 4 + 6, "{code}");
        world.start("n9");
        assert_eq!(error(&world.run()[0].result), NameErrorKind::Timeout);
        assert!(!world.asked.keys().any(|(name, _)| name == "n9.b.example"));
        world.is_clean();
    }
}

#[test]
fn no_name_and_no_address_are_told_apart() {
    let mut world = World::new(23);
    world.serve(|asked| vec![Reply::after(MILLI, nothing(asked))]);
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::NoAddress);
    // a server that denies the name when it is asked for IPv6 addresses
    let mut world = World::new(24);
    world.serve(|asked| match asked.kind {
        RecordType::AAAA => vec![Reply::after(MILLI, asked.code(ResponseCode::NXDomain))],
        _ => vec![Reply::after(2 * MILLI, asked.answer(&[a(&asked.name, 60, 7)]))],
    });
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), [world::four(7)]);
    world.is_clean();
}

#[test]
fn one_family_waits_a_moment_for_the_other_and_the_rest_comes_later() {
    let mut world = World::new(25);
    world.serve(|asked| {
        let slow = asked.kind == RecordType::AAAA;
        let after = if slow { 300 * MILLI } else { MILLI };
        vec![Reply::after(after, asked.answer(&[a(&asked.name, 60, 7), aaaa(&asked.name, 60, 7)]))]
    });
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), [world::four(7)]);
    let after = done[0].at.since(World::START).as_millis();
    assert!((51..=53).contains(&after), "{after}");
    world.run_for(SECOND);
    let (host, found) = world.later.pop().expect("the other family");
    assert_eq!((host.to_string(), found.addresses), ("n7.example".to_owned(), expected(7)));
    world.is_clean();
}

/// The family that is tried first waits for nothing (RFC 8305, 3), whichever that is.
#[test]
fn the_family_that_is_tried_first_does_not_wait() {
    for (first, found) in [(Kind::Aaaa, world::six(7)), (Kind::A, world::four(7))] {
        let mut world = World::new(40);
        world.first = first;
        world.serve(move |asked| {
            let slow = (asked.kind == RecordType::A) == (first == Kind::Aaaa);
            let after = if slow { 20 * MILLI } else { MILLI };
            let both = [a(&asked.name, 60, 7), aaaa(&asked.name, 60, 7)];
            vec![Reply::after(after, asked.answer(&both))]
        });
        world.start("n7.example");
        let done = world.run();
        assert_eq!(addresses(&done[0].result), [found]);
        assert!(done[0].result.as_ref().unwrap().partial);
        assert_eq!(done[0].at.since(World::START), MILLI, "{first:?}");
        world.run_for(SECOND);
        let (_, found) = world.later.pop().expect("the other family");
        assert_eq!(found.addresses, expected(7));
        world.is_clean();
    }
}

#[test]
fn sockets_are_renewed_and_closed_when_idle() {
    let mut world = World::new(26);
    world.serve(honest);
    for n in 0..10_000 {
        world.start(&format!("n{n}.example"));
        if n % 10 == 0 {
            world.run();
        }
    }
    world.run();
    let opened = world.udp_opened;
    assert!(opened >= 20_000 / limits::QUERIES_PER_CHANNEL as usize, "{opened}");
    world.run_for(30 * SECOND);
    assert_eq!(world.sockets(), 0);
    assert_eq!(world.names.next_time(), None);
}

#[test]
fn servers_change_under_way() {
    let mut world = World::new(27);
    world.serve(|_| Vec::new());
    world.config.max_queries = 10;
    world.reconfigure();
    for n in 0..100 {
        world.start(&format!("n{n}.example"));
    }
    world.run_for(100 * MILLI);
    world.add_server(honest);
    world.config.conf.servers.remove(0);
    world.reconfigure();
    for one in world.run() {
        assert_eq!(addresses(&one.result), expected(one.number));
        assert!(one.at.since(World::START) < 2 * SECOND);
    }
    world.is_clean();
}

#[test]
fn a_system_without_descriptors_is_waited_for() {
    let mut world = World::new(28);
    world.serve(honest);
    world.exhausted = 4;
    world.start("n7.example");
    let done = world.run();
    assert_eq!(addresses(&done[0].result), expected(7));
    assert_eq!(done[0].at.since(World::START).as_millis() / 100, 2);
    assert!(world.starved > 0);
    world.is_clean();
}

#[test]
fn a_look_up_that_fails_for_want_of_descriptors_says_so() {
    let mut world = World::new(39);
    world.serve(honest);
    world.exhausted = usize::MAX;
    world.start("n7.example");
    let done = world.run();
    assert_eq!(error(&done[0].result), NameErrorKind::Exhausted);
    assert_eq!(done[0].at.since(World::START).as_secs(), 12);
    world.is_clean();
}

#[test]
fn rotation_spreads_look_ups_over_servers() {
    let mut world = World::new(29);
    world.serve(honest);
    world.add_server(honest);
    world.config.conf.rotate = true;
    world.reconfigure();
    for n in 0..100 {
        world.start(&format!("n{n}.example"));
    }
    world.run();
    assert_eq!(world.per_server.values().copied().collect::<Vec<_>>(), [100, 100]);
}

/// Whatever servers do, look-ups end in time, with bounded work, and leave nothing.
#[test]
fn chaos() {
    for seed in 0..300 {
        let mut world = World::new(1000 + seed);
        world.serve(world::chaos(seed));
        world.add_server(world::chaos(seed + 1));
        world.loss = if seed % 3 == 0 { 5 } else { 0 };
        world.config.conf.search = vec!["a.example".to_owned(); (seed % 3) as usize];
        world.config.max_queries = if seed % 2 == 0 { 5 } else { 1000 };
        world.reconfigure();
        for n in 0..30 {
            world.start(&format!("n{n}.example"));
        }
        let done = world.run();
        assert_eq!(done.len(), 30, "seed {seed}");
        for one in done {
            assert!(one.at.since(World::START) <= 31 * SECOND, "seed {seed}");
            if let Ok(found) = &one.result {
                assert!(
                    found.addresses.iter().all(|ip| expected(one.number).contains(ip)),
                    "seed {seed}"
                );
            }
        }
        // 6 tries each over TCP and UDP, with EDNS and without, of 17 names, and three of the list
        assert!(world.packets() < 30 * 2 * 6 * 4 * 8, "seed {seed}: {}", world.packets());
        world.is_clean();
    }
}
