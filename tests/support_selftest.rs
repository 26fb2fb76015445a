//! The test support held to its word, with `std::net` and curl in place of ringdove: a yardstick
//! that is off would make every other test say something else than it seems to.

#![allow(clippy::disallowed_methods, reason = "tests time what the support claims")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ringdove_test_support::certs::Authority;
use ringdove_test_support::corpus::Corpus;
use ringdove_test_support::dead_end::{Blackhole, Refusing};
use ringdove_test_support::hostile::{End, Framing, Hostile, Plan, Script};
use ringdove_test_support::leak::Census;
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};
use ringdove_test_support::ports::Port;
use ringdove_test_support::{PATIENCE, eventually, isolated};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

mod nginx {
    use super::*;

    /// Also where the kernel is asked for one meanwhile.
    #[test]
    fn a_port_that_is_held_is_nobody_elses() {
        let local = Ipv4Addr::LOCALHOST;
        let held: Vec<_> = (0..100).map(|_| Port::free(local.into()).unwrap()).collect();
        let numbers: HashSet<_> = held.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), held.len());
        let given = TcpListener::bind((local, 0)).unwrap().local_addr().unwrap().port();
        assert!(numbers.iter().all(|&number| number < given), "{given} is the kernel's");
        let listening: Vec<_> =
            numbers.iter().map(|&number| TcpListener::bind((local, number)).unwrap()).collect();
        assert_eq!(listening.len(), held.len());
    }

    #[test]
    fn serves_ok_many_times_over_one_connection() {
        let nginx = Nginx::plain();
        let mut stream = connect(nginx.addr());
        for _ in 0..500 {
            stream.write_all(b"GET /ok HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            let response = read_until(&mut stream, OK_BODY);
            assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"));
            assert!(response.windows(18).any(|bytes| bytes == b"Content-Length: 12"));
        }
    }

    #[test]
    fn serves_its_docroot_with_ranges_and_without_compression() {
        let nginx = Nginx::plain();
        fs::write(nginx.docroot().join("digits.txt"), "0123456789").unwrap();
        let url = nginx.url("/digits.txt");
        assert_eq!(curl(&["--compressed", &url]).unwrap(), b"0123456789");
        assert_eq!(curl(&["--range", "3-5", &url]).unwrap(), b"345");
    }

    #[test]
    fn serves_a_corpus_plain_and_over_tls() {
        let authority = Authority::new();
        let nginx = Nginx::start(NginxConfig {
            tls: Some(NginxTls::new(&authority.server())),
            ..NginxConfig::default()
        });
        let corpus = Corpus::new(7, 40);
        corpus.write_to(nginx.docroot()).unwrap();
        corpus.check_dir(nginx.docroot()).unwrap();
        let ca = authority.ca_file().display().to_string();
        for base in [nginx.url("/"), nginx.tls_url("/")] {
            let fetched = tempfile::tempdir().unwrap();
            let mut args = vec!["--cacert".to_owned(), ca.clone(), "--create-dirs".to_owned()];
            for file in corpus.files() {
                let target = fetched.path().join(&file.path).display().to_string();
                args.extend([format!("{base}{}", file.path), "-o".to_owned(), target]);
            }
            curl(&args).unwrap();
            corpus.check_dir(fetched.path()).unwrap();
        }
    }

    #[test]
    fn listens_on_every_address_that_it_is_given() {
        let addresses = ["127.0.0.1", "127.0.0.2", "127.3.2.1"].map(|ip| ip.parse().unwrap());
        let nginx =
            Nginx::start(NginxConfig { addresses: addresses.to_vec(), ..NginxConfig::default() });
        for ip in addresses {
            let url = format!("http://{}/ok", SocketAddr::new(ip, nginx.addr().port()));
            assert_eq!(curl(&[&url]).unwrap(), OK_BODY);
        }
    }

    #[test]
    fn listens_on_ipv6() {
        let address: IpAddr = "::1".parse().unwrap();
        if std::net::TcpListener::bind((address, 0)).is_err() {
            eprintln!("skipped: this machine has no ::1");
            return;
        }
        let nginx =
            Nginx::start(NginxConfig { addresses: vec![address], ..NginxConfig::default() });
        assert_eq!(curl(&[&nginx.url("/ok")]).unwrap(), OK_BODY);
    }

    #[test]
    fn demands_client_certificates_when_told() {
        let authority = Authority::new();
        let tls =
            NginxTls { client_ca: Some(authority.ca_file()), ..NginxTls::new(&authority.server()) };
        let nginx = Nginx::start(NginxConfig { tls: Some(tls), ..NginxConfig::default() });
        let client = authority.client("somebody");
        let args = |more: &[&Path]| {
            let ca = authority.ca_file().display().to_string();
            let mut args = vec!["--fail".to_owned(), "--cacert".to_owned(), ca];
            for (flag, path) in ["--cert", "--key"].iter().zip(more) {
                args.extend([flag.to_string(), path.display().to_string()]);
            }
            args.push(nginx.tls_url("/ok"));
            args
        };
        assert_eq!(curl(&args(&[&client.cert_file, &client.key_file])).unwrap(), OK_BODY);
        assert!(curl(&args(&[])).is_err());
    }

    #[test]
    fn runs_what_the_test_adds_and_logs_on_demand() {
        let nginx = Nginx::start(NginxConfig {
            access_log: true,
            server_directives: "location = /teapot { return 418; }".to_owned(),
            ..NginxConfig::default()
        });
        curl(&[&nginx.url("/teapot")]).unwrap();
        let logged = eventually(PATIENCE, || nginx.access_log().contains("GET /teapot"));
        assert!(logged, "{}", nginx.error_log());
    }

    #[test]
    fn runs_on_the_cpu_that_it_is_given() {
        let nginx = Nginx::start(NginxConfig { cpu: Some(0), ..NginxConfig::default() });
        let status = fs::read_to_string(format!("/proc/{}/status", nginx.pid())).unwrap();
        let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
        assert!(allowed.ends_with("\t0"), "{allowed}");
        assert!(status.starts_with("Name:\tnginx\n"), "{status}");
    }

    #[test]
    fn may_have_as_many_files_open_as_the_hard_limit_allows() {
        let nginx = Nginx::plain();
        let limits = fs::read_to_string(format!("/proc/{}/limits", nginx.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "{line}");
        assert!(!nginx.error_log().contains("worker_connections"), "{}", nginx.error_log());
    }

    #[test]
    fn leaves_no_process_and_no_file_when_dropped_or_when_the_test_panics() {
        for panics in [false, true] {
            let mut left = None;
            let ended = catch_unwind(AssertUnwindSafe(|| {
                let nginx = Nginx::plain();
                left = Some((nginx.pid(), nginx.docroot().to_owned()));
                // Quietly: resume_unwind does not call the panic hook.
                if panics {
                    std::panic::resume_unwind(Box::new("the test failed"));
                }
            }));
            assert_eq!(ended.is_err(), panics);
            let (pid, docroot) = left.unwrap();
            assert!(!runs(pid) && !docroot.exists());
        }
    }

    #[test]
    fn dies_with_the_test_process() {
        let test = "nginx::dies_with_the_test_process";
        let ended = isolated::output(test, &[], || {
            let nginx = Nginx::plain();
            println!("nginx runs as {}.", nginx.pid());
            // The directory goes too, which abort would leave behind.
            fs::remove_dir_all(nginx.docroot().parent().unwrap()).unwrap();
            std::process::abort();
        })
        .unwrap();
        let text = isolated::transcript(&ended);
        let pid = text.split("nginx runs as ").nth(1).and_then(|rest| rest.split('.').next());
        let pid = pid.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        assert!(!ended.status.success());
        assert!(eventually(PATIENCE, || !runs(pid)), "nginx {pid} outlived its test");
    }

    #[test]
    fn outlives_the_thread_that_started_it() {
        let nginx = thread::spawn(Nginx::plain).join().unwrap();
        assert_eq!(curl(&[&nginx.url("/ok")]).unwrap(), OK_BODY);
    }

    #[test]
    fn says_why_it_did_not_start() {
        let config = NginxConfig {
            server_directives: "no_such_directive;".to_owned(),
            ..NginxConfig::default()
        };
        let failure = catch_unwind(|| Nginx::start(config)).unwrap_err();
        let message = failure.downcast_ref::<String>().unwrap();
        assert!(message.contains("no_such_directive"), "{message}");
    }

    fn runs(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }
}

mod certs {
    use super::*;

    #[test]
    fn a_server_is_trusted_by_its_names_and_addresses() {
        let authority = Authority::new();
        for name in ["localhost", "any.ringdove.test", "127.0.0.1"] {
            assert_eq!(ask(&authority, &authority.server(), name), Ok(()), "{name}");
        }
    }

    #[test]
    fn bad_certificates_are_refused_for_what_is_wrong_with_them() {
        let authority = Authority::new();
        let stranger = Authority::new();
        for (identity, reason) in [
            (authority.expired(), "expired"),
            (authority.not_yet_valid(), "not yet valid"),
            (authority.wrong_name(), "no alternative certificate subject name matches"),
            (stranger.server(), "local issuer"),
        ] {
            let refusal = ask(&authority, &identity, "localhost").unwrap_err();
            assert!(refusal.contains(reason), "wanted {reason:?}: {refusal}");
        }
    }

    fn ask(
        trusted: &Authority,
        shown: &ringdove_test_support::certs::Identity,
        name: &str,
    ) -> Result<(), String> {
        let server =
            Plan::new().tls(shown.server_config()).path("/", Script::new().ok("hi")).start();
        let port = server.addr().port();
        let ca = trusted.ca_file().display().to_string();
        let resolve = format!("{name}:{port}:127.0.0.1");
        let url = format!("https://{name}:{port}/");
        let body = curl(&["--cacert", &ca, "--resolve", &resolve, &url])?;
        assert_eq!(body, b"hi");
        Ok(())
    }
}

mod corpus {
    use super::*;

    #[test]
    fn is_the_same_every_time_and_different_for_another_seed() {
        let contents = |seed| {
            let files = Corpus::new(seed, 60).files().to_vec();
            files.iter().map(|file| file.content()).collect::<Vec<_>>()
        };
        assert_eq!(contents(1), contents(1));
        let differing = contents(1).iter().zip(&contents(2)).filter(|(a, b)| a != b).count();
        assert!(differing > 50, "{differing} of 60 differ");
    }

    #[test]
    fn has_the_awkward_sizes_and_no_path_twice() {
        let corpus = Corpus::new(1, 2000);
        let sizes: Vec<_> = corpus.files().iter().map(|file| file.size).collect();
        for size in [0, 1, 4095, 4096, 4097, 16_383, 16_384, 16_385, 200_000] {
            assert!(sizes.contains(&size), "{size}");
        }
        let mut paths: Vec<_> = corpus.files().iter().map(|file| &file.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 2000);
        assert!(corpus.total_bytes() < 64 << 20);
    }

    #[test]
    fn notices_a_wrong_byte_a_short_and_a_long_file() {
        let corpus = Corpus::new(1, 20);
        let file = corpus.files().iter().find(|file| file.size == 4097).unwrap();
        let good = file.content();
        let mut flipped = good.clone();
        flipped[4000] ^= 1;
        let longer = [&good[..], b"x"].concat();
        assert_eq!(file.check(&good), Ok(()));
        assert!(file.check(&flipped).unwrap_err().contains("byte 4000 of 4097"));
        assert!(file.check(&good[..4096]).unwrap_err().contains("4096 bytes instead of 4097"));
        assert!(file.check(&longer).unwrap_err().contains("4098 bytes instead of 4097"));
    }

    #[test]
    fn notices_a_file_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let corpus = Corpus::new(1, 3);
        corpus.write_to(dir.path()).unwrap();
        fs::remove_file(dir.path().join(&corpus.files()[2].path)).unwrap();
        let error = corpus.check_dir(dir.path()).unwrap_err();
        assert!(error.contains(&corpus.files()[2].path), "{error}");
    }
}

mod hostile {
    use super::*;

    #[test]
    fn answers_paths_over_one_connection_and_records_the_requests() {
        let server = Plan::new()
            .path("/length", Script::new().ok("one"))
            .path("/chunks", Script::new().respond("200 OK", Framing::Chunked(2), "three"))
            .start();
        let bodies = curl(&[&server.url("/length?q=1"), &server.url("/chunks")]).unwrap();
        assert_eq!(bodies, b"onethree");
        let requests = server.requests();
        let targets: Vec<_> = requests.iter().map(|request| request.target()).collect();
        assert_eq!(targets, ["/length?q=1", "/chunks"]);
        assert_eq!(requests[0].method(), "GET");
        assert_eq!(requests[0].field("HOST"), Some(server.addr().to_string()));
        assert_eq!(server.connections(), 1);
        assert!(server.dump().contains(r"| GET /chunks HTTP/1.1\r\n"), "{}", server.dump());
    }

    #[test]
    fn counts_what_it_forgets() {
        let server = Plan::new()
            .forget()
            .path("/ok", Script::new().ok("fine"))
            .path("/reset", Script::new().reset())
            .start();
        assert_eq!(curl(&[&server.url("/ok"), &server.url("/ok")]).unwrap(), b"finefine");
        curl(&[&server.url("/reset")]).unwrap_err();
        assert!(eventually(PATIENCE, || server.tally().resets == 1));
        let tally = server.tally();
        assert_eq!((tally.connections, tally.requests, tally.resets), (2, 3, 1));
        assert_eq!(server.seen().len(), 0);
    }

    #[test]
    fn answers_404_to_what_is_in_no_plan() {
        let server = Plan::new().start();
        assert!(curl(&["--fail", &server.url("/")]).unwrap_err().contains("404"));
    }

    #[test]
    fn records_bodies_without_their_framing() {
        let server = Plan::new().path("/", Script::new().ok("")).start();
        let url = server.url("/");
        curl(&["-d", "with a length", &url]).unwrap();
        curl(&["-d", "in chunks", "-H", "Transfer-Encoding: chunked", &url]).unwrap();
        let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
        assert_eq!(bodies, [&b"with a length"[..], b"in chunks"]);
    }

    #[test]
    fn connections_follow_the_script_of_their_number() {
        let server = Plan::new()
            .connection(Script::new().send("first"))
            .connection(Script::new().send("later"))
            .start();
        let said: Vec<_> = (0..3).map(|_| rest(connect(server.addr())).unwrap()).collect();
        assert_eq!(said, [b"first", b"later", b"later"]);
    }

    #[test]
    fn a_stale_keep_alive_connection_closes_after_its_answer() {
        let server = Plan::new()
            .connection(Script::new().serve_once().wait(Duration::from_millis(50)))
            .path("/", Script::new().ok("x"))
            .start();
        let mut stream = connect(server.addr());
        stream.write_all(GET).unwrap();
        assert!(rest(stream).unwrap().ends_with(b"\r\n\r\nx"));
        assert!(ended(&server, End::Closed));
    }

    #[test]
    fn a_close_is_a_fin_even_with_unread_bytes() {
        let server = Plan::new().connection(Script::new().wait(Duration::from_millis(50))).start();
        let mut stream = connect(server.addr());
        stream.write_all(&[b'x'; 100_000]).unwrap();
        assert_eq!(rest(stream).unwrap(), b"");
    }

    #[test]
    fn a_reset_is_a_rst() {
        let server = Plan::new().connection(Script::new().read_head().reset()).start();
        let mut stream = connect(server.addr());
        stream.write_all(GET).unwrap();
        assert_eq!(rest(stream).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(ended(&server, End::Reset));
    }

    #[test]
    fn a_half_closed_connection_still_reads() {
        let server = Plan::new().connection(Script::new().half_close().read_head().stall()).start();
        let mut stream = connect(server.addr());
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        stream.write_all(GET).unwrap();
        assert!(server.wait_for(PATIENCE, |seen| !seen[0].requests.is_empty()));
        drop(stream);
        assert!(ended(&server, End::PeerClosed));
    }

    #[test]
    fn trickles_at_the_pace_that_it_is_told() {
        let pace = Duration::from_millis(20);
        let server = Plan::new().connection(Script::new().trickle("abcdef", 2, pace)).start();
        let start = Instant::now();
        assert_eq!(rest(connect(server.addr())).unwrap(), b"abcdef");
        assert!(start.elapsed() >= 2 * pace);
    }

    #[test]
    fn stalls_silently_and_notices_that_the_peer_left() {
        let server = Plan::new().connection(Script::new().read_head().send("HT").stall()).start();
        let mut stream = connect(server.addr());
        stream.write_all(GET).unwrap();
        assert_eq!(read_until(&mut stream, b"HT"), b"HT");
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(server.seen()[0].end, None);
        drop(stream);
        assert!(ended(&server, End::PeerClosed));
    }

    #[test]
    fn never_reads_so_that_writes_block() {
        let server = Plan::new().recv_buffer(4096).connection(Script::new().never_read()).start();
        let mut stream = connect(server.addr());
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let blocked = (0..1000).find_map(|_| stream.write_all(&[0; 64 * 1024]).err());
        assert_eq!(blocked.map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        assert_eq!(server.seen()[0].received_len, 0);
    }

    #[test]
    fn floods_more_than_a_socket_buffer_holds() {
        let server = Plan::new().connection(Script::new().flood([b'x'; 64 * 1024], 200)).start();
        assert_eq!(rest(connect(server.addr())).unwrap().len(), 200 * 64 * 1024);
    }

    #[test]
    fn lies_about_lengths_and_curl_notices() {
        let lie = Script::new().respond("200 OK", Framing::Declared(10), "short").close();
        let server = Plan::new().path("/", lie).start();
        assert!(curl(&[&server.url("/")]).unwrap_err().contains("(18)"), "a partial file");
    }

    #[test]
    fn delimits_a_body_by_the_close() {
        let script = Script::new().respond("200 OK", Framing::UntilClose, "till the end").close();
        let server = Plan::new().path("/", script).start();
        assert_eq!(curl(&[&server.url("/")]).unwrap(), b"till the end");
    }

    #[test]
    fn says_garbage_instead_of_a_server_hello() {
        let server =
            Plan::new().connection(Script::new().read_at_least(1).send("no TLS here\r\n")).start();
        let url = format!("https://{}/", server.addr());
        assert!(curl(&["--insecure", &url]).unwrap_err().contains("(35)"), "a TLS connect error");
        assert_eq!(server.seen()[0].received[0], 0x16, "a handshake record");
    }

    #[test]
    fn stalls_before_and_within_a_tls_handshake() {
        let authority = Authority::new();
        for script in [Script::new().stall(), Script::new().partial_handshake(60).stall()] {
            let server =
                Plan::new().tls(authority.server().server_config()).connection(script).start();
            let refusal = curl(&["--insecure", "--max-time", "0.3", &server.url("/")]).unwrap_err();
            assert!(refusal.contains("(28)"), "a timeout, not {refusal}");
            assert!(server.requests().is_empty() && server.connections() == 1);
        }
    }

    #[test]
    fn ends_tls_with_and_without_close_notify() {
        let authority = Authority::new();
        let respond = || Script::new().respond("200 OK", Framing::UntilClose, "all of it");
        let server = Plan::new()
            .tls(authority.server().server_config())
            .path("/whole", respond().close())
            .path("/cut", respond().truncate())
            .start();
        // Not with curl, which overlooks a missing close_notify, depending on its TLS library.
        let fetch = |path: &str| {
            let name = "localhost".try_into().unwrap();
            let client = rustls::ClientConnection::new(authority.client_config(), name).unwrap();
            let mut stream = rustls::StreamOwned::new(client, connect(server.addr()));
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut response = Vec::new();
            let ended = stream.read_to_end(&mut response).map_err(|error| error.kind());
            assert!(response.ends_with(b"\r\n\r\nall of it"));
            ended.map(|_| ())
        };
        assert_eq!(fetch("/whole"), Ok(()));
        assert_eq!(fetch("/cut"), Err(ErrorKind::UnexpectedEof));
    }

    #[test]
    fn serves_no_more_connections_at_once_than_its_bound() {
        let server =
            Plan::new().max_connections(2).connection(Script::new().send("hi").stall()).start();
        let mut streams: Vec<_> = (0..3).map(|_| connect(server.addr())).collect();
        assert!(server.wait_for(PATIENCE, |seen| seen.len() == 2));
        thread::sleep(Duration::from_millis(50));
        assert_eq!(server.connections(), 2);
        streams.remove(0).shutdown(Shutdown::Both).unwrap();
        assert!(server.wait_for(PATIENCE, |seen| seen.len() == 3), "{}", server.dump());
    }

    #[test]
    fn stops_at_once_whatever_its_connections_do() {
        let hour = Duration::from_secs(3600);
        let server = Plan::new()
            .connection(Script::new().stall())
            .connection(Script::new().wait(hour))
            .connection(Script::new().never_read())
            .connection(Script::new().flood([0; 64 * 1024], usize::MAX))
            .connection(Script::new().trickle("ab", 1, hour))
            .start();
        let _streams: Vec<_> = (0..5).map(|_| connect(server.addr())).collect();
        assert!(server.wait_for(PATIENCE, |seen| seen.len() == 5));
        let start = Instant::now();
        drop(server);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    fn ended(server: &Hostile, how: End) -> bool {
        server.wait_for(PATIENCE, |seen| seen.first().is_some_and(|c| c.end == Some(how.clone())))
    }
}

mod dead_end {
    use super::*;

    #[test]
    fn a_blackhole_answers_no_connect() {
        let blackhole = Blackhole::start().unwrap();
        // Longer than the first SYN is repeated after, which must not get through either.
        for millis in [100, 1500] {
            let connect =
                TcpStream::connect_timeout(&blackhole.addr(), Duration::from_millis(millis));
            assert_eq!(connect.unwrap_err().kind(), ErrorKind::TimedOut);
        }
    }

    #[test]
    fn a_refusing_address_refuses_at_once_and_stays_reserved() {
        let refusing = Refusing::start().unwrap();
        let connect = TcpStream::connect(refusing.addr());
        assert_eq!(connect.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let bind = std::net::TcpListener::bind(refusing.addr());
        assert_eq!(bind.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}

mod leak {
    use super::*;

    #[test]
    fn a_census_finds_an_open_file_and_a_running_thread() {
        isolated::run("leak::a_census_finds_an_open_file_and_a_running_thread", &[], || {
            let before = Census::take();
            assert_eq!(before.added_since(), Vec::<String>::new());
            let file = File::open("/dev/null").unwrap();
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let thread = thread::Builder::new()
                .name("leaked".to_owned())
                .spawn(move || wait.recv())
                .unwrap();
            let found = || before.added_since().join(", ");
            assert!(eventually(PATIENCE, || found().contains(": leaked")), "{}", found());
            assert!(found().contains("/dev/null"), "{}", found());
            let brief = Duration::from_millis(10);
            assert!(catch_unwind(|| before.assert_restored(brief)).is_err());
            drop((file, go));
            _ = thread.join().unwrap();
            before.assert_restored(PATIENCE);
        });
    }

    #[test]
    fn the_servers_give_back_every_file_and_thread() {
        isolated::run("leak::the_servers_give_back_every_file_and_thread", &[], || {
            let before = Census::take();
            let authority = Authority::new();
            let nginx = Nginx::start(NginxConfig {
                tls: Some(NginxTls::new(&authority.server())),
                ..NginxConfig::default()
            });
            let hostile = Plan::new().connection(Script::new().stall()).start();
            let dead_ends = (Blackhole::start().unwrap(), Refusing::start().unwrap());
            let streams = [connect(nginx.addr()), connect(hostile.addr())];
            assert!(hostile.wait_for(PATIENCE, |seen| seen.len() == 1));
            drop((streams, nginx, hostile, dead_ends, authority));
            before.assert_restored(PATIENCE);
        });
    }
}

mod isolation {
    use super::*;

    #[test]
    fn a_wrapper_sets_the_limits_of_the_isolated_process() {
        let test = "isolation::a_wrapper_sets_the_limits_of_the_isolated_process";
        isolated::run(test, &["prlimit", "--nofile=32:32"], || {
            let opened: Vec<_> = (0..64).map_while(|_| File::open("/dev/null").ok()).collect();
            assert!(opened.len() < 32, "{}", opened.len());
        });
    }

    #[test]
    fn a_failure_and_a_name_that_selects_nothing_are_failures() {
        let test = "isolation::a_failure_and_a_name_that_selects_nothing_are_failures";
        let failed = catch_unwind(|| isolated::run(test, &[], || panic!("on purpose")));
        if std::env::var_os("RINGDOVE_ISOLATED_TEST").is_some() {
            std::panic::resume_unwind(failed.unwrap_err());
        }
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("on purpose"), "{message}");
        assert!(catch_unwind(|| isolated::run("no::such_test", &[], || ())).is_err());
    }
}

mod digest {
    use super::*;
    use ringdove_test_support::digest::Guard;

    #[test]
    fn a_guard_admits_who_knows_the_password() {
        for algorithm in ["MD5", "SHA-256"] {
            let guard = Guard { field: "authorization", ..Guard::of_proxy(algorithm) };
            let head = format!("401 Who\r\nWWW-Authenticate: {}", guard.challenge());
            let refusal = Script::new().respond(&head, Framing::ContentLength, "who?");
            let script = Script::new().guard(move |request| guard.admits(request), refusal);
            let server = Plan::new().path("/a", script.ok("in")).start();
            let url = &server.url("/a?b=c")[..];
            assert_eq!(curl(&["--digest", "-u", "user:pass", url]).unwrap(), b"in");
            assert_eq!(curl(&["--digest", "-u", "user:other", url]).unwrap(), b"who?");
            assert_eq!(curl(&["--digest", "-u", "other:pass", url]).unwrap(), b"who?");
            assert_eq!(curl(&["-u", "user:pass", url]).unwrap(), b"who?");
        }
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything until the peer's FIN.
fn rest(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Everything until and with `end`.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.ends_with(end) {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the peer closed after {:?}", bytes.escape_ascii().to_string());
        bytes.extend_from_slice(&buffer[..read]);
    }
    bytes
}

/// What curl printed, or what it complained about.
fn curl(args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Vec<u8>, String> {
    let output = Command::new("curl")
        // No configuration file, no proxy, and an end to every wait.
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(args)
        .output()
        .expect("curl runs (`scripts/test deps` installs it)");
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
