//! `gencode config`: the settings as they are, where each comes from, and whether a host can start.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    cli::{Config, Global},
    config::{self, Folders},
    settings::{self, SETTINGS, Setting, Source},
    telemetry,
};

pub(crate) async fn run(global: &Global, command: Config) -> anyhow::Result<ExitCode> {
    match command {
        Config::Show { json } => show(json)?,
        Config::Check => check(global).await?,
        Config::Reference => write!(std::io::stdout(), "{}", settings::reference())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of a value.
fn shown(setting: &Setting, value: &str) -> String {
    if setting.is_secret && !value.is_empty() { "(set)".to_owned() } else { value.to_owned() }
}

fn show(as_json: bool) -> anyhow::Result<()> {
    let all = SETTINGS.iter().map(|setting| {
        let (value, source) =
            settings::set(setting).unwrap_or((setting.default.to_owned(), Source::Default));
        let source = match source {
            Source::Variable(name) => name.to_owned(),
            Source::File => {
                settings::file().map_or_else(String::new, |file| file.display().to_string())
            }
            Source::Default => "default".to_owned(),
        };
        (setting, shown(setting, &value), source)
    });
    let mut out = std::io::stdout();
    if as_json {
        let all: Vec<_> = all
            .map(|(setting, value, source)| {
                json!({ "key": setting.key, "value": value, "source": source, "variables": setting.variables })
            })
            .collect();
        return Ok(writeln!(out, "{}", serde_json::to_string(&all)?)?);
    }
    for (setting, value, source) in all {
        writeln!(out, "{:<34} {value:<40} {source}", setting.key)?;
    }
    Ok(())
}

/// Everything that a start reads before it opens anything.
async fn check(global: &Global) -> anyhow::Result<()> {
    settings::understood_by_serve()?;
    let folders = Folders::of(global)?;
    config::space(&folders)?;
    config::policy()?;
    config::duty()?;
    config::max_usd()?;
    telemetry::collector()?;
    gencode_llm::Gateway::new(config::providers()?)
        .context("the model providers are not set up right")?;
    let _readable = tokio::fs::read_dir(&folders.plugins)
        .await
        .with_context(|| format!("plugins.folder: cannot read `{}`", folders.plugins.display()))?;
    writeln!(std::io::stdout(), "The settings are valid.")?;
    Ok(())
}
