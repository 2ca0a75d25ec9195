//! Why a plugin is not loaded, and how a call ends badly.

use std::{path::PathBuf, time::Duration};

use gencode_core::{
    digest::Digest,
    plugin::{ManifestError, PluginKind},
};

use crate::host::BoxError;

/// Why the runtime does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the directory of compiled plugins, `{path}`, cannot be used")]
    Cache {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the key file `{0}` does not hold 32 bytes; delete it, and plugins are compiled again")]
    Key(PathBuf),
    #[error("no random bytes can be had for the key of the compile cache")]
    Random(#[source] BoxError),
    #[error("Wasmtime does not start on this machine")]
    Engine(#[source] BoxError),
    #[error("the thread that keeps time for the plugins does not start")]
    Ticker(#[source] std::io::Error),
}

/// Why a plugin is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the plugin has {size} bytes; the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("this is a core module, not a component; build it with `gencode plugin build`")]
    CoreModule,
    #[error("this is not a WebAssembly component")]
    NotWasm(#[source] BoxError),
    #[error(
        "the component has no section `gencode:manifest`; build it with `gencode plugin build`"
    )]
    NoManifest,
    #[error("the section `gencode:manifest` is not text")]
    ManifestText,
    #[error("the manifest is refused")]
    Manifest(#[from] ManifestError),
    #[error("the component has more than {limit} {what}")]
    TooComplex { what: &'static str, limit: usize },
    #[error("the component imports `{import}`, which {reason}")]
    Import { import: String, reason: String },
    #[error("a plugin of kind `{kind}` must export `{export}`; this component does not")]
    MissingExport { kind: PluginKind, export: String },
    #[error(
        "`{item}` differs from the contract: {difference}; rebuild the plugin with the current SDK"
    )]
    Contract { item: String, difference: String },
    #[error("the component does not compile")]
    Compile(#[source] BoxError),
    #[error("the component does not fit the host")]
    Link(#[source] BoxError),
}

impl LoadError {
    /// Stable word for the API and for tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::CoreModule => "core-module",
            Self::NotWasm(_) => "not-wasm",
            Self::NoManifest | Self::ManifestText => "no-manifest",
            Self::Manifest(_) => "manifest",
            Self::TooComplex { .. } => "too-complex",
            Self::Import { .. } => "import",
            Self::MissingExport { .. } => "missing-export",
            Self::Contract { .. } => "contract",
            Self::Compile(_) => "compile",
            Self::Link(_) => "link",
        }
    }
}

/// How a call ends badly. A limit that strikes names itself.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("time limit {limit:?} reached")]
    Deadline { limit: Duration },
    #[error("computing time limit {limit:?} reached")]
    Cpu { limit: Duration },
    #[error("memory limit {} reached", bytes(*.limit))]
    Memory { limit: u64 },
    #[error("limit of {limit} table elements reached")]
    Table { limit: usize },
    #[error("stack limit {} reached (recursion too deep)", bytes(*.limit))]
    Stack { limit: u64 },
    #[error("limit of {limit} host calls reached")]
    HostCalls { limit: u32 },
    #[error("one host call passed more than the limit of {}", bytes(*.limit))]
    ValueTooLarge { limit: u64 },
    #[error("limit of {} over the boundary of the plugin reached", bytes(*.limit))]
    Boundary { limit: u64 },
    #[error("the result is larger than the limit of {}", bytes(*.limit))]
    ResultTooLarge { limit: u64 },
    #[error("fuel limit {limit} reached")]
    Fuel { limit: u64 },
    /// Rust's `panic!`, or any other `unreachable`.
    #[error("the plugin panicked: {message}")]
    Panic { message: String },
    #[error("the plugin trapped: {message}")]
    Trap { message: String },
    /// Invalid UTF-8, a pointer out of bounds, an unknown variant, and the like.
    #[error("the plugin returned garbage: {message}")]
    Garbage { message: String },
    #[error("the plugin ended itself with exit status {0}")]
    Exit(i32),
    #[error("the plugin is of kind `{found}`, not `{expected}`")]
    WrongKind { expected: PluginKind, found: PluginKind },
    #[error("the plugin {0} belongs to another runtime")]
    Foreign(Digest),
    /// The pool has no room for a component of this shape now. Worth another try.
    #[error("no room for another plugin call")]
    Busy,
    /// [`crate::HostFailure::Suspend`]: not a fault.
    #[error("the step pauses: {0}")]
    Suspended(String),
    /// [`crate::HostFailure::Fatal`], or a broken runtime: not the plugin's fault.
    #[error("the host failed during the call")]
    Host(#[source] BoxError),
}

impl CallError {
    /// Stable word for the API, the metrics and the fault budget.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "deadline",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::Table { .. } => "table",
            Self::Stack { .. } => "stack",
            Self::HostCalls { .. } => "host-calls",
            Self::ValueTooLarge { .. } => "value-too-large",
            Self::Boundary { .. } => "boundary",
            Self::ResultTooLarge { .. } => "result-too-large",
            Self::Fuel { .. } => "fuel",
            Self::Panic { .. } => "panic",
            Self::Trap { .. } => "trap",
            Self::Garbage { .. } => "garbage",
            Self::Exit(_) => "exit",
            Self::WrongKind { .. } => "wrong-kind",
            Self::Foreign(_) => "foreign",
            Self::Busy => "busy",
            Self::Suspended(_) => "suspended",
            Self::Host(_) => "host",
        }
    }

    /// Whether the plugin is to blame, so that it counts towards its fault budget (design.md §5).
    pub const fn is_plugin_fault(&self) -> bool {
        !matches!(
            self,
            Self::WrongKind { .. }
                | Self::Foreign(_)
                | Self::Busy
                | Self::Suspended(_)
                | Self::Host(_)
        )
    }
}

/// `64 MiB` rather than `67108864`.
fn bytes(count: u64) -> String {
    match count {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_itself() {
        let says = |error: CallError| error.to_string();
        assert_eq!(says(CallError::Memory { limit: 64 << 20 }), "memory limit 64 MiB reached");
        assert_eq!(says(CallError::Memory { limit: 1000 }), "memory limit 1000 bytes reached");
        assert_eq!(
            says(CallError::Deadline { limit: Duration::from_millis(50) }),
            "time limit 50ms reached"
        );
    }
}
