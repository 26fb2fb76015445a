//! What a transfer's requests say of who asks: credentials, cookies, and answers to challenges.
//!
//! Knows a transfer, and what it keeps of who it is. Must not know how credentials are made.

use std::borrow::Cow;

use ::http::Method;

use crate::engine::dials::route::Via;
use crate::engine::transfers::hops::FollowUp;
use crate::engine::transfers::identity::{CommonKnowledge, Identity, Shown};
use crate::engine::transfers::transfer::Transfer;
use crate::error::Cause;
use crate::protocol::{
    AuthScheme, Date, Initiator, Origin, RequestHead, ResponseHead, Role, Secret, is_same_site,
};
use crate::time::Time;
use crate::tls::TlsPolicy;

impl Transfer {
    /// Gives the request what it is sent with this time, to the proxy that forwards it, if one does.
    pub(in crate::engine) fn write_identity(
        &mut self,
        forwarder: Option<&Via>,
        knowledge: &mut CommonKnowledge,
        now: Time,
    ) {
        if self.request.options.cookies.is_some() {
            let cookies = self.cookies_for(&self.request.head, knowledge.date(now));
            self.request.head.set_cookies(cookies);
        }
        let Some(identity) = self.identity.as_deref_mut() else { return };
        identity.meet_proxy(forwarder);
        let Identity { server, proxy, told_proxy } = identity;
        let head = &mut self.request.head;
        *told_proxy = proxy.as_mut().and_then(|proxy| {
            // the digest is of the target in the request line
            proxy.value_beside(head, &head.forwarded_target(), knowledge)
        });
        let value = server.as_mut().and_then(|server| {
            let target = head.target();
            server.value_beside(head, target, knowledge)
        });
        head.set_authorization(value);
    }

    /// What the proxy that forwards this request is told because it has asked.
    pub(in crate::engine) fn told_proxy(&self) -> Option<&[u8]> {
        self.identity.as_deref()?.told_proxy.as_deref()
    }

    /// What a proxy is told that is asked for a tunnel to `target`, because it has asked.
    pub(in crate::engine) fn introduce(
        &mut self,
        via: &Via,
        target: &Origin,
        knowledge: &mut CommonKnowledge,
    ) -> Option<Vec<u8>> {
        let identity = self.identity.as_deref_mut()?;
        identity.meet_proxy(Some(via));
        let target = target.authority_with_port().to_string();
        identity.proxy.as_mut()?.value(&Method::CONNECT, &target, knowledge)
    }

    /// Whether a proxy's answer to CONNECT asks for it once more. Otherwise it is learned from.
    pub(in crate::engine) fn is_challenged_by_proxy(
        &mut self,
        answer: &ResponseHead<'_>,
        knowledge: &mut CommonKnowledge,
    ) -> bool {
        let proxy = self.identity.as_deref_mut().and_then(|identity| identity.proxy.as_mut());
        proxy.is_some_and(|proxy| proxy.is_challenged(answer, knowledge))
    }

    /// The cookies that go along with a request of this transfer.
    pub(super) fn cookies_for(&self, head: &RequestHead, date: Date) -> Option<Vec<u8>> {
        let jar = self.request.options.cookies.as_ref()?;
        let (origin, here) = (self.cookie_origin(head), self.cookie_origin(&self.request.head));
        let is_cross_site = !is_same_site(here.host(), origin.host())
            || self.history().is_some_and(|history| history.leads_elsewhere(&here));
        let initiator = Initiator::of(head.method(), is_cross_site);
        jar.field(&origin, head.target(), initiator, date)
    }

    /// Whose cookies go with this head.
    fn cookie_origin<'a>(&self, head: &'a RequestHead) -> Cow<'a, Origin> {
        let named = self.request.options.cookies_by_host_field.then(|| head.named_origin());
        named.flatten().map_or(Cow::Borrowed(head.origin()), Cow::Owned)
    }

    /// Takes from a response what outlives it: cookies, and whether its host wants TLS, which is believed
    /// of who was verified alone (RFC 6797, 8.1).
    pub(super) fn learn(
        &self,
        response: &ResponseHead<'_>,
        default_tls: Option<&TlsPolicy>,
        date: Date,
    ) {
        let (head, options) = (&self.request.head, &self.request.options);
        if let Some(jar) = &options.cookies {
            jar.store(&self.cookie_origin(head), head.target(), response, date);
        }
        let policy = options.tls.as_ref().or(default_tls);
        if let Some(hsts) = &options.hsts
            && policy.is_some_and(TlsPolicy::verifies)
        {
            hsts.note(head.origin(), response, date);
        }
    }

    /// Whether a response challenges, and is answered with the same request once more. Otherwise it is
    /// learned from.
    pub(super) fn answer(
        &mut self,
        head: &ResponseHead<'_>,
        untouched: bool,
        knowledge: &mut CommonKnowledge,
    ) -> Result<Option<FollowUp>, Cause> {
        let Some(identity) = self.identity.as_deref_mut() else { return Ok(None) };
        let mut again = false;
        for shown in [&mut identity.server, &mut identity.proxy].into_iter().flatten() {
            again |=
                !shown.stands_aside(&self.request.head) && shown.is_challenged(head, knowledge);
        }
        match again {
            false => Ok(None),
            true if untouched || self.request.body.rewind() => Ok(Some(FollowUp::Again)),
            true => Err(Cause::BodyNotRepeatable),
        }
    }

    /// The request under way is one that a redirect `from` another origin, or the same, led to.
    pub(super) fn change_scope(&mut self, from: &Origin, strips_credentials: bool) {
        let Some(identity) = self.identity.as_deref_mut() else { return };
        let origin = self.request.head.origin();
        let policy = self.request.options.auth.as_ref();
        let shown = identity.server.take().map(|shown| shown.credentials);
        let credentials = match shown {
            _ if strips_credentials => policy.and_then(|policy| policy.for_elsewhere(origin, from)),
            Some(known) if origin != from => Some(known.entrusted_to(origin.clone())),
            known => known,
        };
        let scheme = policy.map_or(AuthScheme::default(), |policy| policy.scheme);
        identity.server = credentials.map(|credentials| Shown::new(credentials, scheme));
        identity.proxy = None;
    }
}

impl Transfer {
    /// Shows this login to the origin of the request under way, unless there is another for it.
    pub(super) fn log_in(&mut self, login: Secret) {
        let origin = self.request.head.origin().clone();
        let scheme = self.request.options.auth.as_ref().map(|policy| policy.scheme);
        let identity = self.identity.get_or_insert_default();
        identity.server.get_or_insert_with(|| {
            Shown::new(login.scoped(origin, Role::Server), scheme.unwrap_or_default())
        });
    }
}
