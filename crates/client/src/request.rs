//! A request that is put together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use ringdove::{HttpVersions, Options, Timeouts};

use crate::body::Body;
use crate::clock;
use crate::error::Error;
use crate::multipart::Form;
use crate::outgoing::{Outgoing, parse};
use crate::pending::Pending;
use crate::shared::Shared;

/// A request that is put together, and then [sent](RequestBuilder::send). What is wrong with it is told there.
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    shared: Arc<Shared>,
    outgoing: Result<Box<Outgoing>, Error>,
    deadline: Option<Instant>,
}

impl RequestBuilder {
    pub(crate) fn new(shared: Arc<Shared>, method: Method, url: &str) -> RequestBuilder {
        let settings = shared.settings();
        let outgoing = parse(url).map(|url| {
            Box::new(Outgoing {
                method,
                url,
                fields: settings.fields.clone(),
                body: Body::empty(),
                options: settings.options.clone(),
                version: Version::HTTP_11,
                upgrade: None,
            })
        });
        RequestBuilder { shared, outgoing, deadline: None }
    }

    fn with(mut self, change: impl FnOnce(&mut Outgoing) -> Result<(), Error>) -> RequestBuilder {
        if let Ok(outgoing) = &mut self.outgoing
            && let Err(error) = change(outgoing)
        {
            self.outgoing = Err(error);
        }
        self
    }

    /// Adds pairs to the URL's query, percent-encoded.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> RequestBuilder {
        self.with(|outgoing| {
            if !pairs.is_empty() {
                outgoing.url.query_pairs_mut().extend_pairs(pairs);
            }
            Ok(())
        })
    }

    /// Adds a field. Those that describe the framing or the connection (Content-Length, Transfer-Encoding, Connection and their
    /// like) are the engine's to say, and are left out.
    pub fn header<N, V>(self, name: N, value: V) -> RequestBuilder
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.with(|outgoing| {
            let name = name.try_into().map_err(|_| Error::field("a field's name is no token"))?;
            let bad_value = |_| Error::field("a field's value has a byte that cannot stand in it");
            let value = value.try_into().map_err(bad_value)?;
            outgoing.fields.append(name, value);
            Ok(())
        })
    }

    /// Sets fields, in the place of those of the same names.
    pub fn headers(self, fields: HeaderMap) -> RequestBuilder {
        self.with(|outgoing| {
            let mut name = None;
            for (next, value) in fields {
                match next {
                    Some(next) => {
                        outgoing.fields.insert(next.clone(), value);
                        name = Some(next);
                    }
                    // more of the same
                    None => {
                        if let Some(name) = &name {
                            outgoing.fields.append(name.clone(), value);
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Says who asks, by a token (RFC 6750).
    pub fn bearer_auth(self, token: impl std::fmt::Display) -> RequestBuilder {
        let value = HeaderValue::try_from(format!("Bearer {token}")).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        match value {
            Ok(value) => self.header(header::AUTHORIZATION, value),
            Err(_) => self.header(header::AUTHORIZATION, "\n"),
        }
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> RequestBuilder {
        self.with(|outgoing| {
            outgoing.body = body.into();
            Ok(())
        })
    }

    /// Sets the body to pairs as forms send them, and Content-Type to say so.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> RequestBuilder {
        self.with(|outgoing| {
            let mut text = form_urlencoded::Serializer::new(String::new());
            text.extend_pairs(pairs);
            let content = HeaderValue::from_static("application/x-www-form-urlencoded");
            outgoing.fields.insert(header::CONTENT_TYPE, content);
            outgoing.body = text.finish().into();
            Ok(())
        })
    }

    /// Sets the body to a form with parts, and Content-Type to say so.
    pub fn multipart(self, form: Form) -> RequestBuilder {
        self.with(|outgoing| {
            outgoing.fields.insert(header::CONTENT_TYPE, form.content_type());
            outgoing.body = form.into_body();
            Ok(())
        })
    }

    /// Sets the body to this, as JSON, and Content-Type to say so unless it is set.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> RequestBuilder {
        self.with(|outgoing| {
            let body = serde_json::to_vec(value).map_err(|error| Error::body(error.into()))?;
            let content = HeaderValue::from_static("application/json");
            outgoing.fields.entry(header::CONTENT_TYPE).or_insert(content);
            outgoing.body = body.into();
            Ok(())
        })
    }

    /// Sets the deadline of each wait.
    pub fn timeouts(self, timeouts: Timeouts) -> RequestBuilder {
        self.options(|options| options.timeouts = timeouts)
    }

    /// How long the whole call may take, its body included.
    pub fn timeout(self, total: Duration) -> RequestBuilder {
        self.options(|options| options.timeouts.total = Some(total))
    }

    /// By when the whole call must be over, its body included.
    pub fn deadline(mut self, deadline: Instant) -> RequestBuilder {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the versions of HTTP that it may be sent by.
    pub fn versions(self, versions: HttpVersions) -> RequestBuilder {
        self.options(|options| options.versions = versions)
    }

    /// Sets the version that it is sent by: HTTP/1.0, HTTP/1.1 (or HTTP/2, where the server agrees to that), or HTTP/2, of which an
    /// `http` server is taken to know without being asked.
    pub fn version(self, version: Version) -> RequestBuilder {
        self.with(|outgoing| {
            outgoing.version = version;
            Ok(())
        })
    }

    /// Changes any of the engine's options for this request: TLS, proxies, limits, redirects, retries, cookies, decoding.
    pub fn options(self, change: impl FnOnce(&mut Options)) -> RequestBuilder {
        self.with(|outgoing| {
            change(Arc::make_mut(&mut outgoing.options));
            Ok(())
        })
    }

    /// Offers to change the connection's protocol to this one (RFC 9110, 7.8), such as `websocket`. It is sent over HTTP/1.1,
    /// without a body, and [`Response::upgrade`](crate::Response::upgrade) has the connection if the server agrees.
    pub fn upgrade(self, protocol: &str) -> RequestBuilder {
        self.with(|outgoing| {
            outgoing.upgrade = Some(protocol.to_owned());
            Ok(())
        })
    }

    /// The same request again, unless its body is none that is in memory.
    pub fn try_clone(&self) -> Option<RequestBuilder> {
        let outgoing = self.outgoing.as_ref().ok()?;
        let body = outgoing.body.try_clone()?;
        let outgoing = Outgoing {
            method: outgoing.method.clone(),
            url: outgoing.url.clone(),
            fields: outgoing.fields.clone(),
            body,
            options: outgoing.options.clone(),
            version: outgoing.version,
            upgrade: outgoing.upgrade.clone(),
        };
        let shared = self.shared.clone();
        Some(RequestBuilder { shared, outgoing: Ok(Box::new(outgoing)), deadline: self.deadline })
    }

    /// Sends it, when what this gives is awaited; that is ready when the response's head has come.
    ///
    /// # Errors
    ///
    /// See [`Error`]. A response of whatever status is none: see
    /// [`Response::error_for_status`](crate::Response::error_for_status).
    pub fn send(self) -> Pending {
        let deadline = self.deadline;
        let RequestBuilder { shared, outgoing, .. } = match deadline {
            None => self,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(clock::now());
                self.timeout(left)
            }
        };
        Pending::new(shared, outgoing)
    }
}

impl std::fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RequestBuilder");
        match &self.outgoing {
            Ok(outgoing) => {
                shown.field("method", &outgoing.method).field("url", &outgoing.url.as_str())
            }
            Err(error) => shown.field("error", error),
        };
        shown.finish()
    }
}
