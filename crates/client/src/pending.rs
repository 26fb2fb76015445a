//! A call under way: the future of its response, and the body that follows.
//!
//! Knows the caller's end of a call. Must not know drivers. Invariants: nothing is asked of the engine before the first poll;
//! the request's body is polled by whoever polls the call; dropping either the future or the body ends the transfer.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use ringdove::Url;
use ringdove::protocol::HeadStart;

use crate::call::{Call, End, UploadEnd};
use crate::error::Error;
use crate::inbox::{Command, Inbox};
use crate::outgoing::{Outgoing, Rest, end_with};
use crate::response::{Response, ResponseBody};
use crate::shared::Shared;
use crate::telemetry::Told;

/// The future of a response: ready when its head has come. It does nothing until it is polled, and dropping it ends the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct Pending(State);

enum State {
    /// It cannot be made.
    Bad(Option<Error>),
    New(Option<(Arc<Shared>, Box<Outgoing>)>),
    Running(Option<Running>),
}

/// What the caller has of a call that the engine knows.
pub(crate) struct Running {
    pub(crate) call: Arc<Call>,
    /// What was asked for, by which errors are told.
    pub(crate) url: Url,
    /// Where redirects have led, if there were any.
    led: Option<Box<Url>>,
    inbox: Arc<Inbox>,
    /// Keeps the engine alive.
    pub(crate) shared: Arc<Shared>,
    /// Whoever has it alone asks it for more; a lock lets it be where several look.
    upload: Mutex<Rest>,
    /// What the request's body failed with.
    broken: Option<Error>,
}

impl Pending {
    pub(crate) fn new(shared: Arc<Shared>, outgoing: Result<Box<Outgoing>, Error>) -> Pending {
        Pending(match outgoing {
            Ok(outgoing) => State::New(Some((shared, outgoing))),
            Err(error) => State::Bad(Some(error)),
        })
    }
}

impl Future for Pending {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(new) = &mut self.0
            && let Some((shared, outgoing)) = new.take()
        {
            self.0 = match Running::start(shared, outgoing, cx) {
                Ok(running) => State::Running(Some(running)),
                Err(error) => State::Bad(Some(error)),
            };
        }
        match &mut self.0 {
            State::Bad(error) => {
                Poll::Ready(Err(error.take().expect("a call is not polled after its end")))
            }
            State::New(_) => unreachable!("it was begun just now"),
            State::Running(running) => {
                let call = running.as_mut().expect("a call is not polled after its end");
                let Poll::Ready(head) = call.poll_head(cx) else { return Poll::Pending };
                let running = running.take().expect("it was there just now");
                Poll::Ready(head.map(|head| Response::new(head, ResponseBody::new(running))))
            }
        }
    }
}

/// A response's head, with its bytes.
type Head = (HeadStart, Bytes);

impl Running {
    fn start(
        shared: Arc<Shared>,
        outgoing: Box<Outgoing>,
        cx: &mut Context<'_>,
    ) -> Result<Running, Error> {
        let told = Told::begin(&outgoing.method, &outgoing.url);
        let call = Arc::new(Call::new(shared.window(), told));
        let begun = outgoing.begin(&call, cx);
        let (upload, url) = begun.inspect_err(|error| call.told.end_without(error.word()))?;
        let (inbox, seat) = shared.inbox_for(&url);
        let inbox = inbox.clone();
        let post = inbox.post(Command::Start(call.clone(), seat));
        post.map_err(|gone| Error::gone(gone).with_url(&url))?;
        let upload = Mutex::new(upload);
        Ok(Running { call, url, inbox, shared, upload, led: None, broken: None })
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        self.inbox.pump.run();
        self.poll_upload(cx);
        let mut state = self.call.lock();
        if let Some(head) = state.give_head_out() {
            self.led = state.url.take();
            return Poll::Ready(Ok(head));
        }
        match std::mem::replace(&mut state.end, End::Told) {
            End::Running => {
                state.end = End::Running;
                state.task = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Failed(error) => {
                drop(state);
                Poll::Ready(Err(self.told(error)))
            }
            End::Whole | End::Told => unreachable!("what has ended well has a head"),
        }
    }

    /// What was asked for in the end.
    pub(crate) fn url(&self) -> &Url {
        self.led.as_deref().unwrap_or(&self.url)
    }

    /// The error that the caller is told: of a request whose body failed, that.
    fn told(&mut self, error: Error) -> Error {
        self.broken.take().unwrap_or(error).with_url(&self.url)
    }

    /// The next part of the response's body.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.inbox.pump.run();
        self.poll_upload(cx);
        let mut state = self.call.lock();
        if let Some((chunk, goes_on)) = self.call.give_out(&mut state) {
            drop(state);
            if goes_on {
                self.go_on();
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match std::mem::replace(&mut state.end, End::Told) {
            End::Running => {
                state.end = End::Running;
                state.task = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Whole => {
                state.end = End::Whole;
                let trailers = state.trailers.take();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            End::Failed(error) => {
                drop(state);
                Poll::Ready(Some(Err(self.told(error))))
            }
            End::Told => Poll::Ready(None),
        }
    }

    /// Whether all has been given out.
    pub(crate) fn is_end(&self) -> bool {
        let state = self.call.lock();
        state.is_drained()
            && state.trailers.is_none()
            && matches!(state.end, End::Whole | End::Told)
    }

    /// Has the engine go on with what it had no room for, or nothing of. If it is gone, the call knows by itself.
    pub(crate) fn go_on(&self) {
        let _ = self.inbox.post(Command::GoOn(self.call.clone()));
    }

    /// Whether there is no more of the request's body to be taken.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_upload(cx);
        if self.upload().is_none() {
            return Poll::Ready(());
        }
        // it may end without the body
        self.call.lock().task = Some(cx.waker().clone());
        Poll::Pending
    }

    fn upload(&mut self) -> &mut Rest {
        self.upload.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes from the request's body what there is room for.
    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        while let Some(body) = self.upload.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let mut state = self.call.lock();
            if !matches!(state.end, End::Running) {
                // whoever has answered early wants no more
                drop(state);
                *self.upload() = None;
                return;
            }
            if !self.call.has_room(&mut state, cx.waker()) {
                return;
            }
            drop(state);
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { return };
            let end = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if !data.is_empty() && self.call.lock().upload.put(data) {
                            self.go_on();
                        }
                        continue;
                    }
                    Err(frame) => end_with(frame),
                },
                Some(Err(error)) => {
                    let why = error.to_string();
                    self.broken = Some(Error::body(error));
                    UploadEnd::Failed(why)
                }
                None => UploadEnd::Whole(None),
            };
            *self.upload() = None;
            if self.call.lock().upload.finish(end) {
                self.go_on();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inbox.pump.run();
        if matches!(self.call.lock().end, End::Running) {
            self.call.told.end_without("cancelled");
            let _ = self.inbox.post(Command::Cancel(self.call.clone()));
        }
    }
}
