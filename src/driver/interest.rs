//! From levels to curl's actions: what an application is told about a socket.
//!
//! Knows what is wanted of a socket and what was last told. Must not know sockets or loops.
//! Invariant: whatever the sequence of levels, the application is told differences only, and what
//! it was told last is what is wanted.

use crate::sys::Interest;
use crate::time::Time;

/// What to do about a socket: the actions of CURLMOPT_SOCKETFUNCTION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Watch for nothing, but keep the socket in mind (CURL_POLL_NONE).
    None,
    /// Watch for readability (CURL_POLL_IN).
    In,
    /// Watch for writability (CURL_POLL_OUT).
    Out,
    /// Watch for both (CURL_POLL_INOUT).
    InOut,
    /// The socket is about to be closed: forget it (CURL_POLL_REMOVE).
    Remove,
}

impl Action {
    /// What is to be watched for.
    pub fn interest(self) -> Interest {
        Interest {
            recv: matches!(self, Action::In | Action::InOut),
            send: matches!(self, Action::Out | Action::InOut),
        }
    }
}

impl From<Interest> for Action {
    fn from(interest: Interest) -> Self {
        match (interest.recv, interest.send) {
            (false, false) => Action::None,
            (true, false) => Action::In,
            (false, true) => Action::Out,
            (true, true) => Action::InOut,
        }
    }
}

/// What the application was last told of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) action: Action,
    /// [`Time::NEVER`] for none.
    pub(super) deadline: Time,
}

/// What has to be told so that the application knows what is wanted; `None` if it does.
///
/// A deadline that moves later is not told: the application reports the earlier one when it has
/// passed, and is told the later one then. (Every byte moves the idle deadline.)
pub(super) fn difference(
    told: Option<Told>,
    wanted: Interest,
    deadline: Time,
    now: Time,
) -> Option<Told> {
    let wanted = Told { action: wanted.into(), deadline };
    match told {
        None if wanted.action == Action::None => None,
        None => Some(wanted),
        Some(told) if told.action != wanted.action => Some(wanted),
        Some(told) if deadline < told.deadline => Some(wanted),
        Some(told) if told.deadline <= now && deadline != told.deadline => Some(wanted),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERESTS: [Interest; 4] = [
        Interest { recv: false, send: false },
        Interest { recv: true, send: false },
        Interest { recv: false, send: true },
        Interest { recv: true, send: true },
    ];

    #[test]
    fn an_action_is_its_interest() {
        for interest in INTERESTS {
            assert_eq!(Action::from(interest).interest(), interest);
        }
        assert_eq!(Action::Remove.interest(), Action::None.interest());
    }

    /// Every pair of levels and every order of deadlines and now.
    #[test]
    fn tells_differences_and_only_those() {
        let times = [Time::from_nanos(10), Time::from_nanos(20), Time::from_nanos(30), Time::NEVER];
        for before in INTERESTS {
            for after in INTERESTS {
                for old in times {
                    for new in times {
                        for now in times {
                            let told = Told { action: before.into(), deadline: old };
                            let tell = difference(Some(told), after, new, now);
                            let due = new < old || (old <= now && new != old);
                            assert_eq!(tell.is_some(), before != after || due);
                            if let Some(tell) = tell {
                                assert_eq!(tell, Told { action: after.into(), deadline: new });
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_unknown_socket_without_interest_is_not_told() {
        let nothing = INTERESTS[0];
        assert_eq!(difference(None, nothing, Time::NEVER, Time::ZERO), None);
        let tell = difference(None, INTERESTS[1], Time::NEVER, Time::ZERO);
        assert_eq!(tell, Some(Told { action: Action::In, deadline: Time::NEVER }));
    }
}
