//! The command line: what can be asked, and how it is explained.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use gencode_api::RateLimit;
use gencode_core::{
    access::Role,
    id::{ProjectId, RunId, TokenId},
};

use crate::checkpoints::{Checkpoints, Compare, Fork};

/// One sentence in, a working application out.
#[derive(Debug, Parser)]
#[command(
    name = "gencode",
    version,
    about = "Turns a sentence into a tested, running full-stack application",
    long_about = "Turns a sentence into a tested, running full-stack application.\n\n\
        A crew of sandboxed WebAssembly plugins analyses the request, designs, writes, reviews,\n\
        tests and starts the application. Everything is kept in one data folder (SQLite and\n\
        files); without a provider key it works offline, with the built-in model.",
    after_help = "Examples:\n  \
        gencode new \"a task manager with projects and tags\"\n  \
        gencode new \"orders of customers with line items, with log-in\" --out ./shop --json\n  \
        gencode serve --frontend-dist ../frontend/dist\n  \
        gencode token create ci --role editor --days 90\n  \
        gencode plugin build my-validator/\n\n\
        Settings may also be in ~/.config/gencode/gencode.toml, or in the file that GENCODE_CONFIG\n\
        names; the environment counts more, and the command line most.\n\
        `gencode config show` lists them all.\n\n\
        Model providers are set up by environment variables: OPENAI_API_KEY, ANTHROPIC_API_KEY,\n\
        GEMINI_API_KEY, OLLAMA_BASE_URL, OPENAI_COMPATIBLE_BASE_URL (each provider also takes\n\
        <NAME>_BASE_URL), DEFAULT_LLM_PROVIDER, DEFAULT_LLM_MODEL, and GENCODE_PRICES (a TOML file\n\
        with prices of models this version does not know).\n\n\
        DATABASE_URL=postgres://user:password@server/database keeps everything but files in\n\
        PostgreSQL 15 or newer, which several hosts may share; without it, it is an SQLite file\n\
        in the data folder.\n\n\
        GENCODE_BLOBS=s3://bucket/prefix keeps the files of all projects in a store like Amazon S3\n\
        as well, so that another host with the same database can take up any run; the usual\n\
        AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ALLOW_HTTP\n\
        say where it is and who asks. GENCODE_BLOBS=file:///shared/folder does the same in a folder.\n\n\
        Storage: GENCODE_MIN_FREE (512MiB, 5%) and GENCODE_MAX_DATA (20GiB) say below how much\n\
        free space, or above which size of the data folder, nothing new is begun;\n\
        GENCODE_KEEP_DAYS and GENCODE_KEEP_CHECKPOINTS how long history is kept,\n\
        GENCODE_KEEP_CACHES how long unused caches are, GENCODE_GC_GRACE the age below which\n\
        nothing is removed, and GENCODE_GC_EVERY how often a serving host cleans up\n\
        (24h; `never` for not at all)."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Folder of the database, projects, components and caches
    /// [default: `$XDG_DATA_HOME/gencode` or `~/.local/share/gencode`]
    #[arg(long, global = true, env = "GENCODE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of the components (`*.wasm`) [default: `plugins` beside the folder of this program]
    #[arg(long, global = true, env = "GENCODE_PLUGINS_DIR", value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// How much the host says about its own work on standard error
    /// (error, warn, info, debug, or a filter such as `gencode_engine=debug`)
    #[arg(long, global = true, env = "GENCODE_LOG", default_value = "warn", value_name = "LEVEL")]
    pub(crate) log: String,
    /// Run generated applications without isolation. Only where user namespaces and Landlock are
    /// forbidden and you trust every request.
    #[arg(long, global = true, env = "GENCODE_NO_ISOLATION")]
    pub(crate) no_isolation: bool,
    /// How long the runs of a host that died or lost its database stay its own, in milliseconds.
    /// Other hosts on the same database take them over after that
    #[arg(long, global = true, env = "GENCODE_LEASE_MS", default_value_t = 15_000, hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(300..=3_600_000), value_name = "MS")]
    pub(crate) lease_ms: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an application from a sentence, here and now
    New(New),
    /// Serve the HTTP and WebSocket API, and continue unfinished runs
    Serve(Serve),
    /// Build and inspect plugins
    Plugin {
        #[command(subcommand)]
        command: Plugin,
    },
    /// List and stop running previews
    Preview {
        #[command(subcommand)]
        command: Preview,
    },
    /// Show runs and steer them, beside a host that is running or without one
    Runs {
        #[command(subcommand)]
        command: Runs,
    },
    /// Make, list and revoke the tokens that the API wants
    ///
    /// Without any token, whoever is on this machine may do all, and nobody else can. With one,
    /// nobody comes in without: in `Authorization: Bearer …`, or by the page /login.
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Show and check the settings, and where each comes from
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Print the description of the HTTP API (OpenAPI 3.1)
    Openapi,
    /// Run the plugins of a run again against its journal, and compare byte for byte
    ///
    /// Nothing is called, started or written: every recorded host call is answered from the
    /// journal. Ends with 0 when all is identical, 1 when something diverged, and 2 when the run
    /// could not be replayed.
    Replay(Replay),
    /// List projects and their state
    Projects {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the places at which a test can end this program (test builds only)
    #[command(hide = true)]
    CrashPoints,
    /// Remove what is no longer needed: history beyond retention, unreferenced blobs, leftovers
    ///
    /// Safe while hosts are serving. What was paid stays known: no ledger entry is removed.
    Gc(Gc),
    /// Show or set how long the history of a project is kept
    Retention(RetentionArgs),
    /// Write everything the host keeps into one file, while hosts may be serving
    ///
    /// The file is the same for SQLite and PostgreSQL. Provider keys and the data of running
    /// previews are not in it.
    Backup(Backup),
    /// Put a backup back into an empty data folder (and the empty database of `DATABASE_URL`)
    Restore(Restore),
    /// Examine database, files, leftovers, space, sandbox, toolchains, providers and plugins
    Doctor(Doctor),
    /// See, compare, restore and export the states a project's files had
    Checkpoints {
        #[command(subcommand)]
        command: Checkpoints,
    },
    /// Try another model or another request from a step on, in a new project
    Fork(Fork),
    /// Put two projects side by side: status, steps, costs, files
    Compare(Compare),
    /// Start a command inside the sandbox (used by the host itself)
    #[command(name = "__sandbox", hide = true, disable_help_flag = true)]
    Sandbox {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What the application should do, in a sentence or two; `-` reads standard input
    pub(crate) request: OsString,
    /// Also write the application into this folder. Files in it that differ are never overwritten
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Model provider: offline, openai, anthropic, gemini, ollama
    /// [default: `$DEFAULT_LLM_PROVIDER` or offline]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Model of the provider [default: `$DEFAULT_LLM_MODEL` or the provider's usual one]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Do not leave the application running afterwards
    #[arg(long)]
    pub(crate) no_preview: bool,
    /// Minutes without a request after which the preview stops by itself
    #[arg(long, default_value_t = 60, value_name = "MINUTES")]
    pub(crate) preview_minutes: u32,
    /// End with one JSON object on standard output; progress goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Most a run may spend on model calls, in US dollars [default: what is set, else 0.3333]
    #[arg(long, value_name = "USD")]
    pub(crate) max_usd: Option<rust_decimal::Decimal>,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write; must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file that `gencode backup` wrote
    pub(crate) file: PathBuf,
    /// Print the examination that ends it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Remove what crashes left: locks of dead hosts, trees of ended runs, previews of nobody
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    pub(crate) project: String,
    /// Days for which everything is kept
    #[arg(long, value_name = "DAYS")]
    pub(crate) keep_days: Option<u32>,
    /// Newest checkpoints that are kept however old they are
    #[arg(long, value_name = "COUNT")]
    pub(crate) keep_checkpoints: Option<u32>,
    /// Follow the host's rule again
    #[arg(long)]
    pub(crate) default: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A run, or a project for its newest run
    pub(crate) run: String,
    /// Only this step
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Only this try of each step, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Play this component instead of the run's one of the same id (may be given several times)
    #[arg(long, value_name = "FILE.wasm")]
    pub(crate) plugin: Vec<PathBuf>,
    /// Play the components this host would use now instead of those the run began with
    #[arg(long)]
    pub(crate) current: bool,
    /// End with one JSON object on standard output; progress goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on. Beyond this machine only with tokens (`gencode token create`), and
    /// behind a proxy that speaks TLS
    #[arg(long, env = "GENCODE_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Port on 127.0.0.1, where no address is given
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Runs that are worked on at the same time
    #[arg(long, env = "GENCODE_MAX_RUNS", default_value_t = 4, value_name = "COUNT")]
    pub(crate) max_runs: usize,
    /// Runs that may wait for a place; more are refused with 503 until there is one
    #[arg(long, env = "GENCODE_MAX_QUEUED", default_value_t = 1000, value_name = "COUNT")]
    pub(crate) max_queued: u64,
    /// Built front end to serve at `/`
    #[arg(long, env = "FRONTEND_DIST_PATH", value_name = "DIR")]
    pub(crate) frontend_dist: Option<PathBuf>,
    /// Origins that may call from a browser, separated by commas
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_delimiter = ',',
        default_value = "http://localhost:5173,http://127.0.0.1:5173,http://localhost:8000,http://127.0.0.1:8000",
        value_name = "ORIGINS"
    )]
    pub(crate) cors_origins: Vec<String>,
    /// Further names by which this host is called, separated by commas, for example behind a proxy.
    /// Requests for other names are refused (DNS rebinding). Only with tokens: who asks for such a
    /// name is not on this machine
    #[arg(long, env = "GENCODE_ALLOWED_HOSTS", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) allow_host: Vec<String>,
    /// Addresses of proxies before this host, separated by commas: what they say in
    /// `X-Forwarded-For` counts as the sender of a request. Only with tokens
    #[arg(long, env = "GENCODE_TRUSTED_PROXIES", value_delimiter = ',', value_name = "ADDRESSES")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Most changes, and most starts of work, of one caller: a token, or an address without one.
    /// Twenty times as many may be looked at. `off` for no limit
    #[arg(long, env = "RATE_LIMIT", default_value = "100/minute", value_name = "COUNT/UNIT")]
    pub(crate) rate_limit: RateLimit,
    /// Form of log lines
    #[arg(long, env = "GENCODE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Build plugin crates to single-file components: manifest embedded, contract checked
    Build {
        /// Plugin folders, or folders of plugin folders [default: plugins]
        #[arg(value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Where the components go [default: the folder this host takes its plugins from]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Accept components that import WASI (everything in it is denied at run time)
        #[arg(long)]
        allow_wasi: bool,
    },
    /// Show the manifest, imports and digest of a component
    Inspect {
        /// A component built by `gencode plugin build`
        file: PathBuf,
    },
    /// List the components this host would use
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List the runs that are not final, or all runs of a project
    List {
        /// Only this project's, the final ones too
        project: Option<ProjectId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a run: its steps, why it waits, what it asks
    Show {
        run: RunId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a run to sleep at its next host call; nothing is lost
    Pause { run: RunId },
    /// Let a paused run go on
    Resume { run: RunId },
    /// Answer the question a run waits with
    Answer { run: RunId, text: String },
    /// Stop a run and its programs. What its steps committed stays
    Stop { run: RunId },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show every setting with its value and where it comes from; secrets are only said to be set
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether a host could start with these settings; ends with 1 if not
    Check,
    /// Print the table of host/docs/configuration.md
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it, this once
    Create {
        /// What it is for
        name: String,
        /// What it may do: viewer (see), editor (make and change projects), operator (all)
        #[arg(long, default_value = "editor")]
        role: Role,
        /// Days after which it is good no more [default: until it is revoked]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all tokens, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token good for nothing, for ever
    Revoke { id: TokenId },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Preview {
    /// Show running previews
    List,
    /// Stop the preview of a project
    Stop { project: String },
    /// Run a preview in this process (used by `gencode new`)
    #[command(hide = true)]
    Run {
        project: String,
        /// Minutes without a request after which it ends
        #[arg(long)]
        minutes: u32,
    },
}
