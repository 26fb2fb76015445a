//! Where connections come from, in a network of its own with two links to another: the interface that is asked
//! for, whatever the routes say, and all ports of an address for each peer.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringdove::dial::{Bind, Device};
use ringdove::driver::Kind;
use ringdove::engine::Sources;
use ringdove::{Config, Options, Stats, Ways};

use crate::run::{Run, on_every_driver};
use crate::scarcity::PORTS;
use ringdove_test_support::child::Guarded;
use ringdove_test_support::hostile::{Hostile, Plan, Script};
use ringdove_test_support::isolated;
use ringdove_test_support::{PATIENCE, eventually};

on_every_driver! {
    under crate::interfaces::two_links:
    the_interface_decides,
}

on_every_driver! {
    under crate::scarcity::network_with_few_ports:
    an_address_has_all_ports_for_each_peer,
}

/// Two links lead to the other network, which is that of the process in PEER; the route is by the first.
const TWO_LINKS: [&str; 7] = [
    "unshare",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    r#"
set -e
ip link set lo up
unshare --net sleep 300 & PEER=$!
trap 'kill $PEER' EXIT
until [ "$(readlink /proc/$PEER/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
for n in 1 2; do
    ip link add here$n type veth peer name there$n netns $PEER
    ip address add 10.7.$n.1/24 dev here$n
    ip link set here$n up
done
nsenter --target $PEER --net sh -ec '
    ip link set lo up
    ip address add 10.7.0.1/32 dev lo
    for n in 1 2; do
        ip address add 10.7.$n.2/24 dev there$n
        ip link set there$n up
    done
'
ip route add 10.7.0.1 via 10.7.1.2 dev here1
ip route add 10.7.0.1 via 10.7.2.2 dev here2 metric 100
export PEER
"$@"
"#,
    "sh",
];

pub(crate) fn two_links() -> Option<&'static [&'static str]> {
    isolated::possible(&TWO_LINKS, "no two networks can be made here (unshare, nsenter, ip, veth)")
}

/// A server in the other network which says where each request came from.
fn server_beyond() -> (Guarded, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().display();
    // nobody but root has a name in the wrapper's user namespace
    let conf = format!(
        "user root; daemon off; master_process off; pid {at}/pid; error_log stderr;\nevents {{}}\nhttp {{\n  \
         client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at};\n  \
         uwsgi_temp_path {at}; scgi_temp_path {at};\n  access_log off;\n  server {{ listen 10.7.0.1:8080; location / {{ return 200 $remote_addr; }} }}\n}}\n"
    );
    fs::write(directory.path().join("conf"), conf).expect("a file");
    let peer = std::env::var("PEER").expect("the wrapper says whose network it is");
    let argv =
        ["nsenter", "--target", &peer, "--net", "nginx", "-p", &at.to_string(), "-c", "conf"];
    let log = directory.path().join("log");
    let server = Guarded::spawn(&argv.map(str::to_owned), &log).expect("nginx starts");
    let up = || std::net::TcpStream::connect("10.7.0.1:8080").is_ok();
    let is_up = eventually(PATIENCE, up);
    assert!(is_up, "{}", fs::read_to_string(&log).unwrap_or_default());
    (server, directory)
}

fn by(binds: impl IntoIterator<Item = Bind>) -> Options {
    let ways = Ways { sources: Sources::new(binds), ..Ways::default() };
    Options { ways: Some(Arc::new(ways)), ..Options::default() }
}

fn device(name: &str) -> Bind {
    Bind { device: Some(Device::new(name).expect("a name")), ..Bind::default() }
}

fn the_interface_decides(kind: Kind) {
    let _server = server_beyond();
    let mut run = Run::new(kind);
    let url = "http://10.7.0.1:8080/";
    let table = [
        (Options::default(), "10.7.1.1"),
        (by([device("here1")]), "10.7.1.1"),
        (by([device("here2")]), "10.7.2.1"),
    ];
    let transfers = table.map(|(options, from)| (run.get_with(url, options), from));
    // there is no such way, though there is such a device
    let mut options = by([device("lo")]);
    options.timeouts.connect = Some(std::time::Duration::from_millis(300));
    let nowhere = run.get_with(url, options);
    run.finish();
    for (transfer, from) in &transfers {
        transfer.assert_response(200, from.as_bytes());
    }
    assert!(nowhere.outcome().result.is_err());
}

/// A port is chosen when a connection is made, not when its socket is bound (IP_BIND_ADDRESS_NO_PORT): otherwise all
/// connections from one address together would have as many as there are ports.
fn an_address_has_all_ports_for_each_peer(kind: Kind) {
    let servers = [1, 2, 3].map(|last| {
        let at = SocketAddr::from(([127, 0, 0, last], 8080));
        Plan::new().addr(at).path("/", Script::new().ok("served")).start()
    });
    let from = |last| Bind { address: Some(IpAddr::from([127, 0, 0, last])), ..Bind::default() };
    let one = held(kind, &servers, by([from(5)]), PORTS);
    assert_eq!((one.connections, one.exhausted), (3 * PORTS, 0), "{one:?}");
    let two = held(kind, &servers, by([from(6), from(7)]), 2 * PORTS);
    assert!(two.connections > 3 * PORTS, "{two:?}");
    eprintln!("measured: {} from one address, {} from two", one.connections, two.connections);
}

/// What there is after many transfers, all of which have ended well, with so many connections to each server.
fn held(kind: Kind, servers: &[Hostile], options: Options, each: usize) -> Stats {
    let config = Config { max_connections: 600, max_per_origin: each, ..Config::default() };
    let mut run = Run::with(kind, config);
    let get = |n: usize| run.get_with(&servers[n % servers.len()].url("/"), options.clone());
    let transfers: Vec<_> = (0..900).map(get).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"served"));
    run.driver.stats()
}
