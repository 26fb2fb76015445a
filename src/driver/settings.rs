//! What of a handle can be changed while it runs.
//!
//! Knows which of the engine's commands are safe in an application's hands: none of these takes from
//! the engine what a driver is owed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, Politeness};
use crate::protocol::Host;
use crate::time::Time;
use crate::tls::TlsPolicy;

/// The settings of a [`Driver`](super::Driver) or a [`Multi`](super::Multi), as they are now. What is changed
/// counts from the next turn on, or from the next call that handles events.
pub struct Settings<'a>(&'a mut Engine);

impl Settings<'_> {
    pub(super) fn of(engine: &mut Engine) -> Settings<'_> {
        Settings(engine)
    }

    /// Changes how many connections there may be: see [`Engine::set_limits`].
    pub fn set_limits(&mut self, max_connections: usize, max_per_origin: usize) {
        self.0.set_limits(max_connections, max_per_origin);
    }

    /// The same by host and by address: see [`Engine::set_host_limits`].
    pub fn set_host_limits(&mut self, max_per_host: Option<usize>, max_per_address: Option<usize>) {
        self.0.set_host_limits(max_per_host, max_per_address);
    }

    /// Changes how often requests begin: see [`Engine::set_politeness`].
    pub fn set_politeness(&mut self, politeness: Politeness) {
        self.0.set_politeness(politeness);
    }

    /// The same for one host: see [`Engine::set_interval`].
    pub fn set_interval(&mut self, host: &Host, interval: Option<Duration>) {
        self.0.set_interval(host, interval);
    }

    /// Fixes the addresses of a host and port, as curl's `--resolve` does. None at all undo it.
    pub fn set_override(&mut self, host: Host, port: u16, addresses: Arc<[IpAddr]>) {
        self.0.set_override(host, port, addresses);
    }

    /// As [`Settings::set_override`], for all hosts or until a time: see [`Engine::set_override_until`].
    pub fn set_override_until(
        &mut self,
        host: Option<Host>,
        port: u16,
        addresses: Arc<[IpAddr]>,
        until: Time,
    ) {
        self.0.set_override_until(host, port, addresses, until);
    }

    /// How `https` is verified from here on where a transfer's options do not say.
    pub fn set_tls(&mut self, policy: TlsPolicy) {
        self.0.set_tls(policy);
    }

    /// The policy for `https` where a transfer's options do not say.
    pub fn tls(&self) -> Option<&TlsPolicy> {
        self.0.tls()
    }
}
