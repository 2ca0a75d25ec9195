//! `gencode serve`: the API on this machine, and a loop that continues unfinished runs.

use std::{io::Write as _, net::SocketAddr, process::ExitCode};

use anyhow::{Context as _, bail};
use gencode_api::ApiConfig;

use crate::{
    cli::{Global, Serve},
    compose::{self, Purpose},
    config::Folders,
};

pub(crate) async fn run(global: &Global, serve: Serve) -> anyhow::Result<ExitCode> {
    let listen = serve.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], serve.port)));
    if !listen.ip().is_loopback() {
        bail!(
            "refusing to listen on {listen}: anyone who can reach it could run code here, and there \
             are no tokens yet. Use 127.0.0.1, or a proxy on this machine that authenticates"
        );
    }
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
    let folders = Folders::of(global)?;
    // Before anything is taken over: a second host on the same port must change nothing.
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is another host running? Use --port")
    })?;
    let address = listener.local_addr()?;
    let purpose = Purpose::Serve { max_runs: serve.max_runs, max_queued: serve.max_queued };
    let host = compose::open(global, &folders, purpose).await?;
    let config = ApiConfig {
        frontend_dist: serve.frontend_dist,
        allowed_origins: serve.cors_origins.iter().map(|origin| origin.trim().to_owned()).collect(),
    };
    let router = gencode_api::router(host.engine.clone(), config);
    writeln!(
        std::io::stderr(),
        "gencode serves http://{address} (data in {})",
        folders.data.display()
    )
    .context("cannot write to standard error")?;
    let engine = host.engine.clone();
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            stop_signal().await;
            // Ends the sockets, which would otherwise hold the shutdown for ever.
            engine.close();
        })
        .await;
    host.shut_down().await;
    served.context("the server ended")?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves on Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                let _ = tokio::signal::ctrl_c().await;
                return;
            }
        };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
