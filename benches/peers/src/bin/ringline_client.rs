//! ringline-http: an HTTP client on an io_uring runtime, one worker, a task for each request in
//! flight.
//!
//! Bodies are collected, as its `send_request` does: its streaming response counts the first bytes twice
//! and loses the last of a body that came with the head.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Instant;

use ringdove_peers::{Failure, Meter, Plan, Target, tls};
use ringline::{
    AsyncEventHandler, Config, ConfigBuilder, ConnCtx, RinglineBuilder, TlsClientConfig,
};
use ringline_http::{H1Conn, HttpError};

const MAX_RESPONSE_BYTES: usize = 1 << 30;

/// ringline makes its handlers itself, so that they find their work here.
static JOB: OnceLock<Job> = OnceLock::new();

struct Job {
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    done: mpsc::SyncSender<()>,
}

fn main() -> ExitCode {
    ringdove_peers::run("ringline_client", env!("PEER_RINGLINE_HTTP_VERSION"), |plan, meter| {
        let config = configure(&plan)?;
        let limit = plan.time_limit;
        let (done, is_done) = mpsc::sync_channel(1);
        assert!(JOB.set(Job { plan, meter, done }).is_ok(), "set once");
        let (shutdown, _workers) = RinglineBuilder::new(config).launch::<Handler>()?;
        // When the time is up, the record says so.
        let _ = is_done.recv_timeout(limit);
        // Not joined: after a time-out they may never end.
        shutdown.shutdown();
        Ok(())
    })
}

/// Room for all connections at once, and no limit that would make a request wait.
fn configure(plan: &Plan) -> Result<Config, Failure> {
    let connections = plan.open_connections() as u32;
    let slots = u16::try_from(connections.next_power_of_two().clamp(1024, 1 << 15))?;
    let mut builder = ConfigBuilder::new()
        .workers(1)
        .pin_to_core(false)
        .no_fs()
        .sq_entries(4096)
        .max_connections(connections * 2 + 16)
        .standalone_task_capacity(plan.connections as u32 + 16)
        .recv_buffer(slots, 4096)
        .send_pool(slots, 512)
        .tick_timeout_us(0);
    if let Some(trust) = &plan.trust {
        builder = builder
            .tls_client(TlsClientConfig::new(Arc::new(tls::client_config(trust, tls::HTTP1)?)));
    }
    Ok(builder.build()?)
}

struct Handler;

impl AsyncEventHandler for Handler {
    fn create_for_worker(_: usize) -> Self {
        Self
    }

    fn on_start(&self) -> Option<Pin<Box<dyn Future<Output = ()> + 'static>>> {
        Some(Box::pin(async {
            let job = JOB.get().expect("set before the launch");
            let targets = job.plan.targets.len();
            let slots = 0..job.plan.open_connections();
            let idle = slots.map(|slot| Connection { target: slot % targets, client: None });
            let idle = Rc::new(RefCell::new(idle.collect()));
            for _ in 0..job.plan.connections {
                if let Err(error) = ringline::spawn(make_requests(job, Rc::clone(&idle))) {
                    job.meter.failure(error);
                }
            }
        }))
    }

    #[allow(clippy::manual_async_fn, reason = "the trait's future must not borrow the handler")]
    fn on_accept(&self, _: ConnCtx) -> impl Future<Output = ()> + 'static {
        async {}
    }
}

struct Connection {
    target: usize,
    client: Option<H1Conn>,
}

async fn make_requests(job: &'static Job, idle: Rc<RefCell<VecDeque<Connection>>>) {
    while job.meter.claim().is_some() {
        let next = idle.borrow_mut().pop_front();
        let mut connection = next.expect("as many connections as requests in flight");
        let target = &job.plan.targets[connection.target];
        let started = Instant::now();
        match fetch(&mut connection, target, job.plan.keepalive).await {
            Ok((status, length)) => job.meter.response(target.url_index, status, length, started),
            Err(error) => {
                job.meter.failure(error);
                disconnect(&mut connection);
            }
        }
        idle.borrow_mut().push_back(connection);
    }
    if job.meter.finished() {
        let _ = job.done.try_send(());
    }
}

async fn fetch(
    connection: &mut Connection,
    target: &Target,
    keepalive: bool,
) -> Result<(u16, u64), HttpError> {
    let client = match &mut connection.client {
        Some(client) => client,
        none => none.insert(connect(target).await?),
    };
    let path = &target.url[url::Position::BeforePath..url::Position::AfterQuery];
    let headers: &[_] = if keepalive { &[] } else { &[("connection", "close")] };
    let response = client.send_request("GET", path, headers, None).await?;
    let outcome = (response.status(), response.body().len() as u64);
    if !keepalive {
        disconnect(connection);
    }
    Ok(outcome)
}

async fn connect(target: &Target) -> Result<H1Conn, HttpError> {
    let mut client = if target.url.scheme() == "https" {
        // It takes one name for both, the TLS server name and the Host field: no port then.
        let host = target.url.host_str().unwrap_or_default();
        H1Conn::connect_tls(target.address, host).await?
    } else {
        let host = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
        H1Conn::connect_plain(target.address, host).await?
    };
    // Its limit on the head counts what has arrived of the body as well.
    client.set_max_header_section(MAX_RESPONSE_BYTES);
    client.set_max_body_size(MAX_RESPONSE_BYTES);
    Ok(client)
}

fn disconnect(connection: &mut Connection) {
    if let Some(client) = connection.client.take() {
        client.close();
    }
}
