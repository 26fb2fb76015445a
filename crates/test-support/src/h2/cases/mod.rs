//! What a client has to do about servers that try it: one row for each case, by section of RFC 9113, and how it is judged.
//!
//! In each, a client asks for two things on one connection. Once both requests have come, the server says what the row has, about
//! the first of them, and then a PING. Whoever goes on answers that, and gets the answers to what it asked; whoever does not
//! says why. The second request keeps the client there until that is settled.
//!
//! Rows are data: [`Case::plan`] is what the server does, and [`Case::verdict`] judges what was seen, over sockets
//! ([`Case::run`]) or without.

mod definitions;
mod floods;
mod frames;
mod messages;

use std::sync::Arc;

use rustls::ServerConfig;

use super::peer::Setup;
use super::plan::{Order, Plan};
use super::raw::{code, flag, headers};
use super::record::Seen;
use super::script::Script;
use crate::PATIENCE;

/// The paths that are asked for, in this order.
pub const PATHS: [&str; 2] = ["/case", "/witness"];

/// The body of whatever is answered.
pub const BODY: &[u8] = b"ok";

/// One thing that a server does.
#[derive(Debug)]
pub struct Case {
    /// Of RFC 9113.
    pub section: &'static str,
    /// In words.
    pub what: &'static str,
    /// What the client may do; one of these.
    pub allowed: &'static [Reaction],
    /// What the server says, by the stream of the first request.
    says: fn(u32) -> Vec<u8>,
    /// It says so first of all, and has no settings.
    at_once: bool,
    /// The first request is answered, if the client goes on.
    answered: bool,
}

/// What a client does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing, or what the frames ask for.
    GoesOn,
    /// It resets the stream, with this code.
    Stream(u32),
    /// It ends the connection by a GOAWAY with this code.
    Connection(u32),
    /// It closes the connection and does not say why.
    Closes,
}

use Reaction::{Connection, GoesOn, Stream};

const GOES_ON: &[Reaction] = &[GoesOn];
const PROTOCOL: &[Reaction] = &[Connection(code::PROTOCOL_ERROR)];
const FRAME_SIZE: &[Reaction] = &[Connection(code::FRAME_SIZE_ERROR)];
const FLOW_CONTROL: &[Reaction] = &[Connection(code::FLOW_CONTROL_ERROR)];
const COMPRESSION: &[Reaction] = &[Connection(code::COMPRESSION_ERROR)];
// errors of a stream may be made those of the connection (5.4.1)
const STREAM_PROTOCOL: &[Reaction] =
    &[Stream(code::PROTOCOL_ERROR), Connection(code::PROTOCOL_ERROR)];
const STREAM_FRAME_SIZE: &[Reaction] =
    &[Stream(code::FRAME_SIZE_ERROR), Connection(code::FRAME_SIZE_ERROR)];
const STREAM_FLOW_CONTROL: &[Reaction] =
    &[Stream(code::FLOW_CONTROL_ERROR), Connection(code::FLOW_CONTROL_ERROR)];
/// On a stream that the server has closed itself: it may be an error (5.1).
const CLOSED: &[Reaction] = &[Connection(code::STREAM_CLOSED), Stream(code::STREAM_CLOSED), GoesOn];

/// All cases.
pub fn all() -> impl Iterator<Item = &'static Case> {
    frames::CASES.iter().chain(definitions::CASES).chain(messages::CASES)
}

/// Cases in which nothing is wrong with any frame, but with their number. RFC 9113, 10.5 leaves it to each side how much it
/// bears; here it is too much.
pub fn floods() -> impl Iterator<Item = &'static Case> {
    floods::CASES.iter()
}

impl Case {
    /// What a server does on the connection on which it is tried.
    pub fn plan(&self) -> Plan {
        let says = self.says;
        let tried = |script: Script| match self.at_once {
            true => script,
            false => script.raw(says).ping().await_acks(),
        };
        let answer = |script: Script| script.head(200, &[]).bytes(BODY);
        let plan = Plan::new()
            .order(Order::OldestFirst)
            .path(PATHS[0], answer(tried(Script::new().await_body().await_requests(2))))
            .path(PATHS[1], answer(Script::new().await_body().await_pongs(1)));
        match self.at_once {
            true => plan.without_settings().opening(Script::new().raw(says).ping()),
            false => plan,
        }
    }

    /// Whether the client did what it may. Gets what was seen of the connection on which it was tried, and the bodies of those
    /// requests that succeeded (also on another connection, if they were asked again).
    pub fn verdict(&self, seen: &Seen, bodies: &[Option<Vec<u8>>]) -> Result<(), String> {
        self.judge(seen, bodies, |reaction| self.allowed.contains(&reaction))
    }

    fn judge(
        &self,
        seen: &Seen,
        bodies: &[Option<Vec<u8>>],
        may: impl Fn(Reaction) -> bool,
    ) -> Result<(), String> {
        let reaction = Case::reaction(seen);
        if !reaction.is_some_and(may) {
            return Err(self.objection(&format!("{reaction:?}, not {:?}", self.allowed), seen));
        }
        if !seen.violations.is_empty() {
            return Err(self.objection("it broke the rules itself", seen));
        }
        let got = |index: usize| bodies.get(index).and_then(Option::as_deref) == Some(BODY);
        if reaction == Some(GoesOn) && (!got(1) || self.answered && !got(0)) {
            return Err(self.objection(&format!("it goes on, and has {bodies:?}"), seen));
        }
        Ok(())
    }

    /// Tries a client over sockets, by TLS if there is a configuration. It is given the URLs that it has to ask for at once and in
    /// this order, on one connection, and returns the bodies of those that succeeded. On connections after the first all is
    /// answered. What a client says at the end of a connection is lost where it has not read all that came: to see the end alone
    /// is enough.
    pub fn run(
        &self,
        tls: Option<Arc<ServerConfig>>,
        fetch: impl FnOnce(&[String]) -> Vec<Option<Vec<u8>>>,
    ) -> Result<(), String> {
        let harmless = Plan::new().each(|_| Script::new().await_body().head(200, &[]).bytes(BODY));
        let setup = Setup::new(self.plan()).then(harmless);
        let peer = match tls {
            Some(config) => setup.tls(config).start(),
            None => setup.start(),
        };
        let bodies = fetch(&PATHS.map(|path| peer.url(path)));
        // what was said last may still be under way
        peer.wait_for(PATIENCE, |seen| seen.first().is_none_or(|seen| self.settled(seen)));
        let may_close = self.allowed.iter().any(|it| matches!(it, Reaction::Connection(_)));
        self.judge(peer.seen().first().unwrap_or(&Seen::default()), &bodies, |reaction| {
            self.allowed.contains(&reaction) || reaction == Reaction::Closes && may_close
        })
    }

    fn settled(&self, seen: &Seen) -> bool {
        Case::reaction(seen).is_some_and(|reaction| self.allowed.contains(&reaction) || seen.ended)
    }

    /// What the client did, as far as that can be told.
    fn reaction(seen: &Seen) -> Option<Reaction> {
        let first = seen.requests.iter().find(|request| request.path() == PATHS[0]);
        let reset = first.and_then(|request| request.reset);
        let goaway = seen.goaways.iter().find(|(_, code)| *code != code::NO_ERROR);
        match (goaway, reset) {
            (Some(&(_, code)), _) => Some(Connection(code)),
            (None, Some(code)) => Some(Stream(code)),
            (None, None) if seen.pongs > 0 => Some(GoesOn),
            (None, None) => seen.ended.then_some(Reaction::Closes),
        }
    }

    fn objection(&self, what: &str, seen: &Seen) -> String {
        format!("{}, {}: {what}\n{}", self.section, self.what, seen.dump())
    }

    const fn first_of_all(mut self) -> Case {
        self.at_once = true;
        self
    }

    const fn unanswered(mut self) -> Case {
        self.answered = false;
        self
    }
}

const fn case(
    section: &'static str,
    what: &'static str,
    allowed: &'static [Reaction],
    says: fn(u32) -> Vec<u8>,
) -> Case {
    Case { section, what, allowed, says, at_once: false, answered: true }
}

/// The head of a response whose body is to come.
fn head(id: u32) -> Vec<u8> {
    headers(id, 0, &[(":status", "200")])
}

/// A response that is whole without a body.
fn bodiless(id: u32) -> Vec<u8> {
    headers(id, flag::END_STREAM, &[(":status", "200")])
}
