//! What becomes of hosts for which there is no memory: they wait, and no promise is broken.

use std::collections::HashMap;
use std::time::Duration;

use super::{Allowance, Gates, Politeness, Rules, Table};
use crate::engine::config::Config;
use crate::engine::{Discard, Engine, Output, Request};
use crate::time::Time;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const INTERVAL: Duration = Duration::from_millis(100);
const MOST: usize = 8;
const HOSTS: usize = 100;
const EACH: usize = 3;

/// Many more hosts than can be remembered, each to be asked three times.
#[test]
fn at_the_bound_new_hosts_wait_and_nothing_is_forgotten() {
    let per_host = Allowance { interval: Some(INTERVAL), concurrency: None };
    let politeness = Politeness { per_host, ..Politeness::default() };
    let config = Config { politeness, max_connections: 50, ..Config::default() };
    let mut engine = Engine::new(config);
    let rules = Rules { politeness, ..Rules::default() };
    engine.net.gates = Gates(Some(Box::new(Table::with_most(rules, MOST))));
    for n in 0..HOSTS * EACH {
        let url = format!("http://10.0.{}.1/", n % HOSTS);
        engine.add(Request::get(&url).unwrap(), Box::new(Discard)).unwrap();
    }
    let mut began: HashMap<_, Vec<Time>> = HashMap::new();
    let (mut now, mut most, mut done) = (Time::ZERO, 0, 0);
    while done < HOSTS * EACH {
        now = now + Duration::from_millis(1);
        assert!(now < Time::ZERO + Duration::from_secs(120), "{done} are done");
        engine.advance(now);
        engine.expire();
        while let Some(output) = engine.poll_output() {
            let Output::Connect { connection, dial } = output else { continue };
            engine.handle_connected(connection);
            let mut buffer = [0; 1024];
            let length = engine.fill(connection, &mut buffer);
            assert!(length > 0, "it was let through");
            engine.handle_sent(connection, length);
            began.entry(dial.remote.ip()).or_default().push(now);
            engine.handle_received(connection, OK);
        }
        most = most.max(engine.net.gates.0.as_ref().unwrap().times_kept());
        while let Some(message) = engine.poll_message() {
            message.outcome.result.expect("nobody fails for that");
            done += 1;
        }
    }
    assert_eq!(most, MOST, "no more, and all of them used");
    assert_eq!(began.len(), HOSTS);
    for times in began.values() {
        assert_eq!(times.len(), EACH);
        assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= INTERVAL), "{times:?}");
    }
    // as many at a time as are remembered, looked after four times a second
    let rounds = (HOSTS * EACH / MOST) as u32;
    assert!(now < Time::ZERO + rounds * Duration::from_millis(400), "{now:?}");
}
