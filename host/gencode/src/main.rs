//! `gencode`: the one binary. Names the concrete parts, reads the environment, talks to a person.

mod backup;
mod checkpoints;
mod cli;
mod compose;
mod config;
mod crash;
mod doctor;
mod gc;
mod new;
mod plugin;
mod preview;
mod progress;
mod replay;
mod runs;
mod serve;
mod settings;
mod shown_settings;
mod telemetry;
mod token;

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    // The sandbox helper has no settings: what it does is all in its arguments.
    let is_helper = std::env::args_os().nth(1).is_some_and(|first| first == "__sandbox");
    let file = match if is_helper { Ok(settings::File::default()) } else { settings::File::load() }
    {
        Ok(file) => file,
        Err(error) => return failed(&error),
    };
    let cli = match parse(&file) {
        Ok(cli) => cli,
        // Also --help and --version, which end well.
        Err(error) => error.exit(),
    };
    file.install();
    // The sandbox helper changes namespaces, which only a single-threaded process may.
    if let Command::Sandbox { args } = cli.command {
        return gencode_sandbox::helper_main(args.into_iter());
    }
    let format = match &cli.command {
        Command::Serve(serve) => serve.log_format,
        _ => cli::LogFormat::Text,
    };
    let telemetry = telemetry::start(&cli.global.log, format);
    if let Err(error) = crash::arm() {
        return failed(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error).context("cannot start")),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::New(new) => new::run(&cli.global, new).await,
            Command::Serve(serve) => serve::run(&cli.global, serve).await,
            Command::Plugin { command } => plugin::run(&cli.global, command).await,
            Command::Preview { command } => preview::run(&cli.global, command).await,
            Command::Runs { command } => runs::run(&cli.global, command).await,
            Command::Token { command } => token::run(&cli.global, command).await,
            Command::Config { command } => shown_settings::run(&cli.global, command).await,
            Command::Openapi => openapi(),
            Command::Replay(replay) => replay::run(&cli.global, replay).await,
            Command::Projects { json } => new::list(&cli.global, json).await,
            Command::CrashPoints => crash::list(),
            Command::Gc(gc) => gc::run(&cli.global, gc).await,
            Command::Backup(args) => backup::back_up(&cli.global, args).await,
            Command::Restore(args) => backup::put_back(&cli.global, args).await,
            Command::Doctor(args) => doctor::run(&cli.global, args).await,
            Command::Retention(args) => gc::retention(&cli.global, args).await,
            Command::Checkpoints { command } => checkpoints::run(&cli.global, command).await,
            Command::Fork(fork) => checkpoints::fork(&cli.global, fork).await,
            Command::Compare(compare) => checkpoints::compare(&cli.global, compare).await,
            Command::Sandbox { .. } => Ok(ExitCode::SUCCESS),
        }
    });
    // Blocking work that does not listen (a compilation) must not hold the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    drop(telemetry);
    result.unwrap_or_else(|error| failed(&error))
}

/// Reads the command line, with what the file says as defaults.
fn parse(file: &settings::File) -> Result<Cli, clap::Error> {
    let matches = file.defaults_of(Cli::command()).try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// Prints the description of the API.
fn openapi() -> anyhow::Result<ExitCode> {
    let description = serde_json::to_string_pretty(&gencode_api::description())?;
    writeln!(std::io::stdout(), "{description}")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints why, and ends with 1.
fn failed(error: &anyhow::Error) -> ExitCode {
    explain(error);
    ExitCode::FAILURE
}

/// Prints the chain of an error, one cause a line.
fn explain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because: {cause}\n"));
    }
    // Nowhere left to report that standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
