//! What the program runs with, from its [settings](crate::settings) and the environment.

use std::{
    env,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use gencode_engine::housekeeping::{Duty, MinFree, Places, Policy, SpaceConfig, parse_size};
use gencode_llm::{Endpoint, GatewayConfig, PriceTable, Provider, Secret};
use gencode_store::Location;
use gencode_workspace::RemoteConfig;
use rust_decimal::Decimal;

use crate::{
    cli::Global,
    settings::{self, SETTINGS, text},
};

/// Folders of this host. Everything it keeps is below `data`.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub(crate) data: PathBuf,
    pub(crate) plugins: PathBuf,
    /// Working copies of the projects (`WORKSPACES_DIR`, else below `data`).
    pub(crate) workspaces: PathBuf,
    /// The database (`DATABASE_URL`, else a file in `data`).
    pub(crate) database: Location,
    /// Where files are that several hosts share (`GENCODE_BLOBS`).
    pub(crate) blobs: Option<RemoteConfig>,
}

impl Folders {
    pub(crate) fn of(global: &Global) -> anyhow::Result<Self> {
        let data = match &global.data_dir {
            Some(dir) => dir.clone(),
            None => default_data_dir()?,
        };
        let data = std::path::absolute(&data)
            .with_context(|| format!("`{}` is not a usable path", data.display()))?;
        let plugins = match &global.plugins {
            Some(dir) => dir.clone(),
            None => default_plugins_dir()?,
        };
        let workspaces = match text("WORKSPACES_DIR").or_else(|| text("WORKSPACES_PATH")) {
            Some(dir) => std::path::absolute(dir)?,
            None => data.join("workspaces"),
        };
        let database = match text("DATABASE_URL") {
            Some(address) => address.parse().context("DATABASE_URL")?,
            None => Location::File(data.join("gencode.db")),
        };
        let blobs = match text("GENCODE_BLOBS") {
            Some(url) => Some(RemoteConfig::parse(&url, aws_settings()).context("GENCODE_BLOBS")?),
            None => None,
        };
        Ok(Self { data, plugins, workspaces, database, blobs })
    }
}

impl Folders {
    /// Where the host's things are.
    pub(crate) fn places(&self) -> Places {
        Places::below(&self.data, &self.workspaces)
    }
}

/// How much room there must be before something new is begun.
pub(crate) fn space(folders: &Folders) -> anyhow::Result<SpaceConfig> {
    let min_free = match text("GENCODE_MIN_FREE") {
        Some(size) => size.parse().context("GENCODE_MIN_FREE")?,
        None => MinFree::default(),
    };
    let max_data = text("GENCODE_MAX_DATA")
        .map(|size| parse_size(&size).context("GENCODE_MAX_DATA"))
        .transpose()?;
    Ok(SpaceConfig {
        folders: vec![folders.data.clone(), folders.workspaces.clone()],
        min_free,
        data: folders.data.clone(),
        max_data,
    })
}

/// What is cleaned away.
pub(crate) fn policy() -> anyhow::Result<Policy> {
    let mut policy = Policy::default();
    if let Some(days) = text("GENCODE_KEEP_DAYS") {
        policy.retention.keep_days = days.parse().context("GENCODE_KEEP_DAYS: not a number")?;
    }
    if let Some(newest) = text("GENCODE_KEEP_CHECKPOINTS") {
        let newest = newest.parse().context("GENCODE_KEEP_CHECKPOINTS: not a number")?;
        policy.retention.keep_checkpoints = newest;
    }
    if let Some(grace) = text("GENCODE_GC_GRACE") {
        policy.grace = duration(&grace).context("GENCODE_GC_GRACE")?;
    }
    if let Some(unused) = text("GENCODE_KEEP_CACHES") {
        policy.unused = duration(&unused).context("GENCODE_KEEP_CACHES")?;
    }
    Ok(policy)
}

/// When a serving host cleans up by itself.
pub(crate) fn duty() -> anyhow::Result<Duty> {
    match text("GENCODE_GC_EVERY") {
        Some(never) if never == "never" => Ok(Duty { every: None }),
        Some(every) => Ok(Duty { every: Some(duration(&every).context("GENCODE_GC_EVERY")?) }),
        None => Ok(Duty::default()),
    }
}

/// Most a run may spend, where one is set.
pub(crate) fn max_usd() -> anyhow::Result<Option<Decimal>> {
    let Some(written) = text("GENCODE_MAX_USD") else { return Ok(None) };
    let max: Decimal = written
        .parse()
        .with_context(|| format!("GENCODE_MAX_USD: `{written}` is no amount, such as `0.5`"))?;
    if max.is_sign_negative() {
        bail!("GENCODE_MAX_USD: `{written}` is less than nothing");
    }
    Ok(Some(max))
}

/// Reads `90s`, `10m`, `24h` or `30d`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds: u64 = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => bail!("`{text}` is not a time such as 90s, 10m, 24h or 30d"),
    };
    let number: u64 =
        number.parse().with_context(|| format!("`{text}` does not begin with a number"))?;
    number.checked_mul(seconds).map(Duration::from_secs).context("the time is too long")
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir).join("gencode"));
    }
    let Some(home) = env::var_os("HOME").filter(|home| !home.is_empty()) else {
        bail!("neither --data-dir nor HOME is set: say where to keep data with --data-dir DIR");
    };
    Ok(PathBuf::from(home).join(".local/share/gencode"))
}

/// `plugins` beside the folder of the program: `target/release/gencode` finds `target/plugins`,
/// `/usr/local/bin/gencode` finds `/usr/local/plugins`.
fn default_plugins_dir() -> anyhow::Result<PathBuf> {
    let exe = env::current_exe().context("cannot tell where this program is")?;
    let beside = exe.parent().and_then(Path::parent).map(|dir| dir.join("plugins"));
    beside.context("cannot tell where the plugins are: use --plugins DIR")
}

/// What is set about S3, by the names that all its clients know. The environment may say more than
/// the settings name.
fn aws_settings() -> impl Iterator<Item = (String, String)> {
    let of_file = SETTINGS.iter().filter_map(|setting| {
        let variable = setting.variables.first().filter(|name| name.starts_with("AWS_"))?;
        let (value, _) = settings::set(setting)?;
        Some(((*variable).to_owned(), value))
    });
    let of_environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty());
    of_file.chain(of_environment)
}

/// Keys, addresses and defaults of the providers (http-ws-contract §1.1).
pub(crate) fn providers() -> anyhow::Result<GatewayConfig> {
    let default_provider: Provider = match text("DEFAULT_LLM_PROVIDER") {
        Some(name) => name.parse().context("DEFAULT_LLM_PROVIDER")?,
        None => Provider::Offline,
    };
    let default_model = text("DEFAULT_LLM_MODEL");
    let endpoint = |provider: Provider, prefix: &str| Endpoint {
        base_url: text(&format!("{prefix}_BASE_URL")),
        api_key: text(&format!("{prefix}_API_KEY")).map(|key| Secret::new(&key)),
        default_model: default_model.clone().filter(|_| provider == default_provider),
        models: Vec::new(),
    };
    let prices = match text("GENCODE_PRICES") {
        Some(file) => {
            let content = std::fs::read_to_string(&file)
                .with_context(|| format!("GENCODE_PRICES: cannot read `{file}`"))?;
            PriceTable::parse(&content).with_context(|| format!("GENCODE_PRICES: `{file}`"))?
        }
        None => Vec::new(),
    };
    Ok(GatewayConfig {
        prices,
        gemini: endpoint(Provider::Gemini, "GEMINI"),
        openai: endpoint(Provider::OpenAi, "OPENAI"),
        anthropic: endpoint(Provider::Anthropic, "ANTHROPIC"),
        ollama: endpoint(Provider::Ollama, "OLLAMA"),
        openai_compatible: endpoint(Provider::OpenAiCompatible, "OPENAI_COMPATIBLE"),
        default_provider,
        ..GatewayConfig::default()
    })
}

/// Where sockets go: a short path, because a socket's has at most 107 bytes.
pub(crate) fn runtime_dir() -> anyhow::Result<PathBuf> {
    let base = env::var_os("XDG_RUNTIME_DIR")
        .filter(|dir| !dir.is_empty() && Path::new(dir).is_dir())
        .map_or_else(env::temp_dir, PathBuf::from);
    let user = nix::unistd::getuid();
    let dir = base.join(format!("gencode-{user}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make `{}`", dir.display()));
        }
        _ => {}
    }
    // In a folder that others may write to, someone else may have made it first.
    let found = std::fs::symlink_metadata(&dir)?;
    if !found.is_dir() || found.uid() != user.as_raw() {
        bail!("`{}` is not a folder of this user; remove it", dir.display());
    }
    Ok(dir)
}

/// Settings of package managers that an install in the sandbox needs to reach its registry.
pub(crate) fn package_manager_env() -> Vec<(String, String)> {
    const NAMES: [&str; 14] = [
        "HOME",
        "PATH",
        "LANG",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "CHROME",
    ];
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            NAMES.contains(&name.as_str())
                || name.starts_with("PIP_")
                || name.to_ascii_lowercase().starts_with("npm_config_")
        })
        .collect()
}
