//! `gencode serve`: the API on this machine, and a loop that continues unfinished runs.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use gencode_api::ApiConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::{Global, Serve},
    compose::{self, Purpose},
    config::Folders,
    settings, telemetry, token,
};

pub(crate) async fn run(global: &Global, serve: Serve) -> anyhow::Result<ExitCode> {
    let listen = serve.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], serve.port)));
    if serve.cors_origins.iter().any(|origin| origin.trim() == "*") {
        bail!(
            "refusing CORS_ORIGINS=*: name the origins that may use this host, separated by commas"
        );
    }
    if let Some(dist) = &serve.frontend_dist
        && !dist.join("index.html").is_file()
    {
        bail!("`{}` holds no index.html: build the front end first", dist.display());
    }
    if settings::text("MONGODB_URL").is_some() {
        tracing::warn!("MONGODB_URL is set, and nothing here uses MongoDB; see DATABASE_URL");
    }
    // A collector that is set wrongly would be missed only when it is needed.
    telemetry::collector()?;
    let folders = Folders::of(global)?;
    let config = ApiConfig {
        frontend_dist: serve.frontend_dist,
        allowed_origins: items(&serve.cors_origins).map(str::to_owned).collect(),
        allowed_hosts: items(&serve.allow_host).map(str::to_owned).collect(),
        trusted_proxies: proxies(&serve.trusted_proxies)?,
        beyond_loopback: !listen.ip().is_loopback(),
        rate_limit: serve.rate_limit,
    };
    if config.is_for_others() && !token::are_there(&folders).await? {
        bail!(
            "refusing to serve others on {listen}: anyone who can reach it could run code here, and \
             there are no tokens. Make one first: gencode token create NAME --role operator"
        );
    }
    // Before anything is taken over: a second host on the same port must change nothing.
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is another host running? Use --port")
    })?;
    let address = listener.local_addr()?;
    let purpose = Purpose::Serve { max_runs: serve.max_runs, max_queued: serve.max_queued };
    let host = compose::open(global, &folders, purpose).await?;
    // Before anyone can know that it serves: an early wish to stop is heard.
    let stop = stop_signal();
    let router = gencode_api::router(host.engine.clone(), config);
    // In one piece: whoever starts hosts reads this line, and others write here too.
    let said = format!("gencode serves http://{address} (data in {})\n", folders.data.display());
    std::io::stderr().write_all(said.as_bytes()).context("cannot write to standard error")?;
    let engine = host.engine.clone();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            stop.await;
            // Ends the sockets, which would otherwise hold the shutdown for ever.
            engine.close();
        })
        .await;
    host.shut_down().await;
    served.context("the server ended")?;
    Ok(ExitCode::SUCCESS)
}

/// Items of a list as it is written: an empty variable is a list without any.
fn items(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|item| item.trim()).filter(|item| !item.is_empty())
}

/// Reads addresses.
pub(crate) fn proxies(list: &[String]) -> anyhow::Result<Vec<IpAddr>> {
    items(list)
        .map(|item| match item.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_canonical()),
            Err(_) => bail!("trusted proxies: `{item}` is not an IP address"),
        })
        .collect()
}

/// Resolves on Ctrl-C or SIGTERM. Listens from the call on, not only when it is waited for.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    let listen = |kind| match signal(kind) {
        Ok(listening) => Some(listening),
        Err(error) => {
            tracing::warn!(%error, ?kind, "cannot listen for a signal");
            None
        }
    };
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(listen);
    async move {
        let [mut interrupt, mut terminate] = signals;
        tokio::select! {
            Some(()) = one(&mut interrupt) => {}
            Some(()) = one(&mut terminate) => {}
            else => std::future::pending().await,
        }
    }
}

async fn one(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}
