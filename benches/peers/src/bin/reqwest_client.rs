//! reqwest: one `Client` with its pool, a task for each request in flight, on one thread of tokio.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HeaderValue};
use reqwest::Client;
use ringdove_peers::{Failure, Meter, Plan, Target, tls};
use tokio::task::JoinSet;

fn main() -> ExitCode {
    ringdove_peers::run("reqwest_client", env!("PEER_REQWEST_VERSION"), |plan, meter| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = build(&plan)?;
        let limit = plan.time_limit;
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..plan.connections {
                tasks.spawn(make_requests(client.clone(), plan.clone(), meter.clone()));
            }
            // When the time is up, the record says so.
            let _ = tokio::time::timeout(limit, tasks.join_all()).await;
        });
        Ok(())
    })
}

fn build(plan: &Plan) -> Result<Client, Failure> {
    let idle = if plan.keepalive { plan.pooled_connections() } else { 0 };
    let mut builder = Client::builder()
        .http1_only()
        .no_proxy()
        .hickory_dns(true)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(None);
    if let Some(trust) = &plan.trust {
        builder = builder.use_preconfigured_tls(tls::client_config(trust, tls::HTTP1)?);
    }
    Ok(builder.build()?)
}

async fn make_requests(client: Client, plan: Arc<Plan>, meter: Arc<Meter>) {
    while let Some(request) = meter.claim() {
        let target = plan.target(request);
        let started = Instant::now();
        match fetch(&client, target, plan.keepalive).await {
            Ok((status, length)) => meter.response(target.url_index, status, length, started),
            Err(error) => meter.failure(format_args!("{error:?}")),
        }
    }
}

async fn fetch(client: &Client, target: &Target, keepalive: bool) -> reqwest::Result<(u16, u64)> {
    let mut request = client.get(target.url.clone());
    if !keepalive {
        request = request.header(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = request.send().await?;
    let mut length = 0;
    while let Some(chunk) = response.chunk().await? {
        length += chunk.len() as u64;
    }
    Ok((response.status().as_u16(), length))
}
