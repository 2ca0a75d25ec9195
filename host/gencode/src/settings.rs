//! Every setting of the host, once: its key in `gencode.toml`, its variables, its default.
//!
//! A setting is taken from the command line, else from the environment, else from the file, else it
//! has its default.
#![expect(clippy::disallowed_methods, reason = "the other door to the environment is config.rs")]

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, bail};
use clap::CommandFactory as _;

use crate::cli::Cli;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// In the file: table and name.
    pub(crate) key: &'static str,
    /// In the environment; the first one that is set counts.
    pub(crate) variables: &'static [&'static str],
    /// Its argument on the command line, with the command it belongs to (`""` for all).
    argument: Option<(&'static str, &'static str)>,
    /// As it would be written; empty where nothing is set.
    pub(crate) default: &'static str,
    /// Whether its value is shown to nobody.
    pub(crate) is_secret: bool,
    pub(crate) about: &'static str,
}

const fn setting(
    key: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { key, variables, argument: None, default, is_secret: false, about }
}

impl Setting {
    const fn argument(self, command: &'static str, name: &'static str) -> Self {
        Self { argument: Some((command, name)), ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

/// All settings.
pub(crate) const SETTINGS: [Setting; 48] = [
    setting("server.listen", &["GENCODE_LISTEN"], "", "Address to listen on, `127.0.0.1` and the port where it is not set. Beyond this machine only with tokens").argument("serve", "listen"),
    setting("server.port", &["PORT"], "8000", "Port on 127.0.0.1").argument("serve", "port"),
    setting("server.frontend-dist", &["FRONTEND_DIST_PATH"], "", "Folder of a built front end to serve at `/`").argument("serve", "frontend_dist"),
    setting("server.cors-origins", &["CORS_ORIGINS"], "http://localhost:5173,http://127.0.0.1:5173,http://localhost:8000,http://127.0.0.1:8000", "Origins that may call from a browser; never `*`").argument("serve", "cors_origins"),
    setting("server.allowed-hosts", &["GENCODE_ALLOWED_HOSTS"], "", "Further names by which the host may be called. Only with tokens").argument("serve", "allow_host"),
    setting("server.trusted-proxies", &["GENCODE_TRUSTED_PROXIES"], "", "Addresses of proxies before the host, whose `X-Forwarded-For` counts. Only with tokens").argument("serve", "trusted_proxies"),
    setting("server.rate-limit", &["RATE_LIMIT"], "100/minute", "Most changes, and most starts of work, of one caller; `off` for no limit").argument("serve", "rate_limit"),
    setting("log.level", &["GENCODE_LOG"], "warn", "How much the host says of its own work; `debug` where `DEBUG` is true").argument("", "log"),
    setting("log.format", &["GENCODE_LOG_FORMAT"], "text", "Form of the log of `gencode serve`: `text` or `json`").argument("serve", "log_format"),
    setting("trace.otlp-endpoint", &["OTEL_EXPORTER_OTLP_ENDPOINT"], "", "Collector that gets a span of each run, step, plugin call and model call, by OTLP over HTTP; `/v1/traces` is added"),
    setting("trace.otlp-traces-endpoint", &["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], "", "The same as a whole address"),
    setting("trace.otlp-headers", &["OTEL_EXPORTER_OTLP_HEADERS"], "", "What it is sent with: `name=value,name=value`").secret(),
    setting("trace.service-name", &["OTEL_SERVICE_NAME"], "gencode", "Name of this host among others"),
    setting("engine.max-runs", &["GENCODE_MAX_RUNS"], "4", "Runs that are worked on at the same time").argument("serve", "max_runs"),
    setting("engine.max-queued", &["GENCODE_MAX_QUEUED"], "1000", "Runs that may wait for a place").argument("serve", "max_queued"),
    setting("engine.max-usd", &["GENCODE_MAX_USD"], "", "Most a run may spend on model calls, in US dollars; 0.3333 (30 INR) where it is not set"),
    setting("engine.lease-ms", &["GENCODE_LEASE_MS"], "15000", "How long the runs of a host that died stay its own, in milliseconds").argument("", "lease_ms"),
    setting("plugins.folder", &["GENCODE_PLUGINS_DIR"], "", "Folder of the components; `plugins` beside the folder of the program where it is not set").argument("", "plugins"),
    setting("data.folder", &["GENCODE_DATA_DIR"], "", "Folder of all that is kept; `$XDG_DATA_HOME/gencode` or `~/.local/share/gencode` where it is not set").argument("", "data_dir"),
    setting("data.workspaces", &["WORKSPACES_DIR", "WORKSPACES_PATH"], "", "Folder of the projects' working copies, below the data folder where it is not set"),
    setting("data.database", &["DATABASE_URL"], "", "Address of a PostgreSQL database; an SQLite file in the data folder where it is not set").secret(),
    setting("data.blobs", &["GENCODE_BLOBS"], "", "Store of files that several hosts share: `s3://bucket/prefix` or `file:///folder`"),
    setting("storage.min-free", &["GENCODE_MIN_FREE"], "", "What stays free on the disks, for example `1GiB` or `5%`; 512 MiB or 2 % where it is not set, the smaller"),
    setting("storage.max-data", &["GENCODE_MAX_DATA"], "", "Most the data folder may take; no limit where it is not set"),
    setting("storage.keep-days", &["GENCODE_KEEP_DAYS"], "30", "Days of history that are kept"),
    setting("storage.keep-checkpoints", &["GENCODE_KEEP_CHECKPOINTS"], "50", "Newest checkpoints that are always kept"),
    setting("storage.keep-caches", &["GENCODE_KEEP_CACHES"], "30d", "How long unused caches are kept"),
    setting("storage.gc-every", &["GENCODE_GC_EVERY"], "24h", "How often a serving host cleans up; `never` for not at all"),
    setting("storage.gc-grace", &["GENCODE_GC_GRACE"], "1h", "Age below which nothing is removed"),
    setting("models.provider", &["DEFAULT_LLM_PROVIDER"], "offline", "Provider of projects that choose none"),
    setting("models.model", &["DEFAULT_LLM_MODEL"], "", "Model of projects that choose none; the provider's usual one where it is not set"),
    setting("models.prices", &["GENCODE_PRICES"], "", "File with prices of models this version does not know"),
    setting("models.gemini-api-key", &["GEMINI_API_KEY"], "", "Key of Google Gemini").secret(),
    setting("models.gemini-base-url", &["GEMINI_BASE_URL"], "", "Another address of it"),
    setting("models.openai-api-key", &["OPENAI_API_KEY"], "", "Key of OpenAI").secret(),
    setting("models.openai-base-url", &["OPENAI_BASE_URL"], "", "Another address of it"),
    setting("models.anthropic-api-key", &["ANTHROPIC_API_KEY"], "", "Key of Anthropic").secret(),
    setting("models.anthropic-base-url", &["ANTHROPIC_BASE_URL"], "", "Another address of it"),
    setting("models.ollama-base-url", &["OLLAMA_BASE_URL"], "", "Address of an Ollama server; `http://localhost:11434` where it is not set"),
    setting("models.ollama-api-key", &["OLLAMA_API_KEY"], "", "Key of it, if it wants one").secret(),
    setting("models.openai-compatible-base-url", &["OPENAI_COMPATIBLE_BASE_URL"], "", "Address of a server that speaks OpenAI's protocol"),
    setting("models.openai-compatible-api-key", &["OPENAI_COMPATIBLE_API_KEY"], "", "Key of it, if it wants one").secret(),
    setting("sandbox.no-isolation", &["GENCODE_NO_ISOLATION"], "", "`true`: run generated applications without isolation").argument("", "no_isolation"),
    setting("sandbox.browser", &["CHROME"], "", "The Chromium that looks at pages; found by itself where it is not set"),
    setting("blobs.endpoint", &["AWS_ENDPOINT_URL"], "", "Address of the store of files"),
    setting("blobs.region", &["AWS_REGION"], "", "Region of the store of files"),
    setting("blobs.access-key-id", &["AWS_ACCESS_KEY_ID"], "", "Who asks the store of files").secret(),
    setting("blobs.secret-access-key", &["AWS_SECRET_ACCESS_KEY"], "", "And with which secret").secret(),
];

/// What the file says, by key.
static FILE: OnceLock<File> = OnceLock::new();

/// The file of settings.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// None where there is none.
    path: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Variable(&'static str),
    File,
    Default,
}

impl File {
    /// Reads the file that `GENCODE_CONFIG` names, else the one in the user's folder of settings.
    /// That none is there is no mistake, but for one that is named.
    ///
    /// Never one of the folder it is started in: that may be a generated application's, which could
    /// have its keys sent elsewhere.
    pub(crate) fn load() -> anyhow::Result<Self> {
        if let Some(named) = env::var_os("GENCODE_CONFIG").filter(|name| !name.is_empty()) {
            let path = PathBuf::from(named);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("GENCODE_CONFIG: cannot read `{}`", path.display()))?;
            return Self::parse(path, &text);
        }
        // A relative one would be below the folder it is started in, and counts for nothing (XDG).
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let of_user = match absolute("XDG_CONFIG_HOME") {
            Some(dir) => dir,
            None => match absolute("HOME") {
                Some(home) => home.join(".config"),
                None => return Ok(Self::default()),
            },
        };
        let path = of_user.join("gencode/gencode.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    fn parse(path: PathBuf, text: &str) -> anyhow::Result<Self> {
        let about = || format!("the settings in `{}`", path.display());
        let tables: toml::Table = text.parse().with_context(about)?;
        let mut values = BTreeMap::new();
        for (table, names) in &tables {
            let Some(names) = names.as_table() else {
                bail!("{}: `{table}` is no table; write for example [server]", about());
            };
            for (name, value) in names {
                let key = format!("{table}.{name}");
                let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
                    bail!("{}: there is no setting `{key}`{}", about(), similar(&key));
                };
                values.insert(
                    setting.key,
                    written(value).with_context(|| format!("{}: `{key}`", about()))?,
                );
            }
        }
        let holds_secrets =
            |setting: &Setting| setting.is_secret && values.contains_key(setting.key);
        if SETTINGS.iter().any(holds_secrets) {
            others_cannot_read(&path)?;
        }
        Ok(Self { path: Some(path), values })
    }

    /// Makes its values the defaults of the arguments.
    pub(crate) fn defaults_of(&self, mut command: clap::Command) -> clap::Command {
        for setting in &SETTINGS {
            let Some((of, name)) = setting.argument else { continue };
            let Some(value) = self.values.get(setting.key) else { continue };
            // Lives as long as the program: clap keeps defaults by reference.
            let value: &'static str = Box::leak(value.clone().into_boxed_str());
            let with = |argument: clap::Arg| argument.default_value(value);
            command = if of.is_empty() {
                command.mut_arg(name, with)
            } else {
                command.mut_subcommand(of, |command| command.mut_arg(name, with))
            };
        }
        command
    }

    /// Makes it the file of this program.
    pub(crate) fn install(self) {
        // A second file would be a bug of this program; the first one counts.
        let _ = FILE.set(self);
    }
}

/// A file with secrets is its owner's alone.
fn others_cannot_read(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let shown = path.display();
        bail!("`{shown}` holds secrets and can be read by others: run `chmod 600 {shown}`");
    }
    Ok(())
}

/// A value as it would stand in the environment.
fn written(value: &toml::Value) -> anyhow::Result<String> {
    Ok(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Array(items) => {
            let items = items.iter().map(written).collect::<anyhow::Result<Vec<_>>>()?;
            items.join(",")
        }
        _ => bail!("expected a text, a whole number, true or false, or a list of texts"),
    })
}

fn similar(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let close =
        SETTINGS.iter().find(|setting| setting.key.ends_with(name) || setting.key.contains(name));
    close.map_or_else(
        || "; `gencode config show` lists them".to_owned(),
        |setting| format!("; did you mean `{}`?", setting.key),
    )
}

/// Whether `gencode serve` would understand what its arguments are set to.
pub(crate) fn understood_by_serve() -> Result<(), clap::Error> {
    let command = Cli::command();
    let command = match FILE.get() {
        Some(file) => file.defaults_of(command),
        None => command,
    };
    command.try_get_matches_from(["gencode", "serve"]).map(drop)
}

/// What a setting is set to, and where; none where it has only its default.
pub(crate) fn set(setting: &Setting) -> Option<(String, Source)> {
    for variable in setting.variables {
        if let Some(value) = of_environment(variable) {
            return Some((value, Source::Variable(variable)));
        }
    }
    let file = FILE.get()?;
    file.values.get(setting.key).map(|value| (value.clone(), Source::File))
}

/// The file of this program, if there is one.
pub(crate) fn file() -> Option<&'static Path> {
    FILE.get()?.path.as_deref()
}

/// The value of the setting that has this variable, if it is set.
pub(crate) fn text(variable: &str) -> Option<String> {
    let setting = SETTINGS.iter().find(|setting| setting.variables.contains(&variable));
    match setting {
        Some(setting) => set(setting).map(|(value, _)| value),
        None => of_environment(variable),
    }
}

/// A variable that is set to something.
fn of_environment(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The settings as a table for `host/docs/configuration.md`.
pub(crate) fn reference() -> String {
    let mut table = "| In `gencode.toml` | Variable | Argument | Default | |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let command = Cli::command();
    for setting in &SETTINGS {
        let argument = setting.argument.and_then(|(of, name)| {
            let of = if of.is_empty() { Some(&command) } else { command.find_subcommand(of) };
            let long =
                of?.get_arguments().find(|argument| argument.get_id() == name)?.get_long()?;
            Some(format!("`--{long}`"))
        });
        let variables: Vec<String> =
            setting.variables.iter().map(|variable| format!("`{variable}`")).collect();
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{}`", default.replace(',', "`, `")),
        };
        table.push_str(&format!(
            "| `{}` | {} | {} | {default} | {} |\n",
            setting.key,
            variables.join(", "),
            argument.unwrap_or_default(),
            setting.about
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_variables_are_there_once() {
        let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        let mut variables: Vec<_> = SETTINGS.iter().flat_map(|setting| setting.variables).collect();
        let counts = (keys.len(), variables.len());
        keys.sort_unstable();
        keys.dedup();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!((keys.len(), variables.len()), counts);
    }

    #[test]
    fn audit_config_001_every_default_is_stated_once() {
        let command = Cli::command();
        for setting in &SETTINGS {
            let Some((of, name)) = setting.argument else { continue };
            let of = if of.is_empty() { &command } else { command.find_subcommand(of).unwrap() };
            let argument = of.get_arguments().find(|argument| argument.get_id() == name);
            let argument = argument.unwrap_or_else(|| panic!("there is no argument {name}"));
            let defaults: Vec<_> =
                argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            assert_eq!(defaults.join(","), setting.default, "{}", setting.key);
            let variable = argument.get_env().unwrap().to_string_lossy();
            assert_eq!([&*variable], setting.variables, "{}", setting.key);
        }
    }

    #[test]
    fn a_file_is_read_and_its_mistakes_are_named() {
        let parse = |text: &str| File::parse(PathBuf::from("x.toml"), text);
        let file =
            parse("[server]\nport = 9000\ncors-origins = [\"http://a\", \"http://b\"]").unwrap();
        assert_eq!(file.values["server.port"], "9000");
        assert_eq!(file.values["server.cors-origins"], "http://a,http://b");
        let said = |text| format!("{:#}", parse(text).unwrap_err());
        assert!(said("[server]\nporte = 1").contains("there is no setting `server.porte`"));
        assert!(said("[servers]\nport = 1").contains("did you mean `server.port`"));
        assert!(said("port = 1").contains("[server]"));
        assert!(said("[server]\nport = 1.5").contains("server.port"));
        assert!(said("[").contains("x.toml"));
    }

    #[test]
    fn a_file_with_secrets_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gencode.toml");
        let text = "[models]\nopenai-api-key = \"sk-1\"";
        std::fs::write(&path, text).unwrap();
        let permit = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        permit(0o644).unwrap();
        let said = format!("{:#}", File::parse(path.clone(), text).unwrap_err());
        assert!(said.contains("chmod 600") && !said.contains("sk-1"), "{said}");
        permit(0o600).unwrap();
        assert!(File::parse(path, text).is_ok());
    }
}
