//! Sockets that the application opens and closes: CURLOPT_OPENSOCKETFUNCTION, SOCKOPTFUNCTION, CLOSESOCKETFUNCTION.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use ringdove::dial::{Dial, Remote};
use ringdove::error::{Cause, Operation};
use ringdove::sys::{Errno, Socket};
use ringdove::{
    Action, CallbackError, Collect, Config, Multi, OwnSocket, Request, SocketChange, TransferId,
    Watch,
};

use ringdove_test_support::hostile::{Plan, Script};

/// What an opening is answered with.
#[derive(Clone, Copy)]
enum Gives {
    Nothing,
    Socket,
    /// One that goes to this address.
    Elsewhere(SocketAddr),
    /// One that is connected to this address.
    Connected(SocketAddr),
    Refusal(i32),
}

#[derive(Default)]
struct Record {
    opened: Vec<(Option<TransferId>, Option<SocketAddr>)>,
    own: Vec<RawFd>,
    /// What was told of these, removals and closes alone.
    ends: Vec<(&'static str, RawFd)>,
}

struct Opening(Gives, Rc<RefCell<Record>>);

impl Watch for Opening {
    const OPENS_SOCKETS: bool = true;

    fn socket(&mut self, change: &SocketChange, _: &mut Option<u64>) -> Result<(), CallbackError> {
        let mut record = self.1.borrow_mut();
        if change.action == Action::Remove && record.own.contains(&change.fd) {
            record.ends.push(("removed", change.fd));
        }
        Ok(())
    }

    fn open(
        &mut self,
        transfer: Option<TransferId>,
        dial: &mut Dial,
    ) -> Result<Option<OwnSocket>, Errno> {
        let mut record = self.1.borrow_mut();
        record.opened.push((transfer, dial.remote.ip()));
        let open = |dial: &Dial| Socket::open(dial).expect("a socket").into_fd();
        let (fd, is_connected) = match self.0 {
            Gives::Nothing => return Ok(None),
            Gives::Refusal(errno) => return Err(Errno(errno)),
            Gives::Socket => (open(dial), false),
            Gives::Elsewhere(address) => {
                dial.remote = Remote::Ip(address);
                (open(dial), false)
            }
            Gives::Connected(address) => {
                (TcpStream::connect(address).expect("a server").into(), true)
            }
        };
        record.own.push(fd.as_raw_fd());
        Ok(Some(OwnSocket { fd, is_connected }))
    }

    fn close(&mut self, socket: OwnedFd) {
        self.1.borrow_mut().ends.push(("closed", socket.as_raw_fd()));
    }
}

/// Asks for this URL, twice, with such sockets. Says how it went, and what was told.
fn ask(url: &str, gives: Gives) -> (Vec<Result<u16, Cause>>, Record) {
    let record = Rc::new(RefCell::new(Record::default()));
    let mut multi = Multi::new(Config::default(), Opening(gives, record.clone()));
    let mut results = Vec::new();
    for _ in 0..2 {
        let request = Request::get(url).expect("a good URL");
        let id = multi.add(request, Box::new(Collect::default())).expect("it can be added");
        while multi.perform().expect("it works") > 0 {
            multi.wait(Duration::from_secs(1)).expect("poll(2) works");
        }
        let (message, _) = multi.info_read().expect("it is over");
        assert_eq!(message.transfer, id);
        let status = message.outcome.report.status.unwrap_or_default();
        results.push(message.outcome.result.map(|_| status).map_err(|error| error.cause));
        if let Some((transfer, _)) = record.borrow().opened.last() {
            assert!(transfer.is_some());
        }
    }
    drop(multi);
    (results, Rc::try_unwrap(record).ok().expect("nobody else has it").into_inner())
}

/// A port where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

#[test]
fn a_socket_of_the_applications_is_closed_by_it_after_it_was_removed() {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let (results, record) = ask(&server.url("/"), Gives::Socket);
    assert_eq!(results, [Ok(200), Ok(200)]);
    let [(_, Some(address))] = record.opened[..] else { panic!("{:?}", record.opened) };
    assert_eq!(address, server.addr());
    let [("removed", fd), ("closed", same)] = record.ends[..] else { panic!("{:?}", record.ends) };
    assert_eq!(fd, same);
    let (results, record) = ask(&server.url("/"), Gives::Nothing);
    assert_eq!((results, record.opened.len()), (vec![Ok(200), Ok(200)], 1));
    assert!(record.ends.is_empty());
}

#[test]
fn it_may_go_elsewhere_or_be_connected_already() {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let url = format!("http://{}/", nobody());
    for gives in [Gives::Elsewhere(server.addr()), Gives::Connected(server.addr())] {
        let (results, record) = ask(&url, gives);
        assert_eq!((results, record.opened.len()), (vec![Ok(200), Ok(200)], 1));
        assert_eq!(record.ends.len(), 2);
    }
}

#[test]
fn one_that_cannot_connect_is_closed_and_none_at_all_is_told_as_such() {
    let url = format!("http://{}/", nobody());
    let (results, record) = ask(&url, Gives::Socket);
    for result in &results {
        assert!(matches!(result, Err(Cause::Os { operation: Operation::Connect, .. })));
    }
    let closed = record.ends.iter().filter(|(what, _)| *what == "closed").count();
    assert_eq!((record.opened.len(), closed), (2, 2));
    let (results, record) = ask(&url, Gives::Refusal(libc::EACCES));
    for result in &results {
        let Err(Cause::Os { operation, errno }) = result else { panic!("{result:?}") };
        assert_eq!((*operation, *errno), (Operation::Socket, libc::EACCES));
    }
    assert_eq!((record.opened.len(), record.ends.len()), (2, 0));
}
