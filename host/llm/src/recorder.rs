//! Recording model calls into a folder, and playing them back.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    error::LlmError,
    gateway::LanguageModel,
    request::{Completion, CompletionRequest},
};

/// Where a recorder takes its answers from.
#[derive(Clone)]
pub enum RecorderMode {
    /// Every call goes to this model and its answer is written down.
    Record(Arc<dyn LanguageModel>),
    /// Only written answers; a call that was not recorded is [`LlmError::NotRecorded`].
    Replay,
}

/// One file per call, named by the digest of provider, model and request, in JSON.
///
/// Two calls that are equal in all of these share one answer: the one recorded last.
pub struct Recorder {
    dir: PathBuf,
    mode: RecorderMode,
    written: AtomicU64,
}

/// Content of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    provider: String,
    model: String,
    request: CompletionRequest,
    completion: Completion,
}

impl Recorder {
    /// A recorder on the folder `dir`, which is made at the first recorded call.
    pub fn new(dir: impl Into<PathBuf>, mode: RecorderMode) -> Self {
        Self { dir: dir.into(), mode, written: AtomicU64::new(0) }
    }

    fn path(&self, provider: &str, model: &str, request: &CompletionRequest) -> PathBuf {
        self.dir.join(format!("{}.json", request.digest(provider, model)))
    }

    /// Writes beside and renames, so that no reader sees half a record.
    async fn write(&self, path: &Path, record: &Record) -> Result<(), LlmError> {
        let failed =
            |detail: String| LlmError::Recording { path: path.display().to_string(), detail };
        let text = serde_json::to_vec_pretty(record).map_err(|error| failed(error.to_string()))?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        let done = async {
            tokio::fs::write(&draft, text).await?;
            tokio::fs::rename(&draft, path).await
        };
        done.await.map_err(|error| failed(error.to_string()))
    }
}

#[async_trait]
impl LanguageModel for Recorder {
    /// A replayed call costs nothing.
    fn estimate_max_cost(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Decimal, LlmError> {
        match &self.mode {
            RecorderMode::Record(inner) => inner.estimate_max_cost(provider, model, request),
            RecorderMode::Replay => Ok(Decimal::ZERO),
        }
    }

    /// A replayed answer has the recorded tokens and no cost: nothing was paid for it.
    async fn complete(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Completion, LlmError> {
        let path = self.path(provider, model, request);
        match &self.mode {
            RecorderMode::Record(inner) => {
                // A folder that cannot be written is known before anything is paid.
                tokio::fs::create_dir_all(&self.dir).await.map_err(|error| {
                    LlmError::Recording {
                        path: self.dir.display().to_string(),
                        detail: error.to_string(),
                    }
                })?;
                let completion = inner.complete(provider, model, request).await?;
                let record = Record {
                    provider: provider.to_owned(),
                    model: model.to_owned(),
                    request: request.clone(),
                    completion,
                };
                // The answer is paid: a record that is lost must not lose it as well.
                if let Err(error) = self.write(&path, &record).await {
                    tracing::warn!(%error, "a model call was not recorded");
                }
                Ok(record.completion)
            }
            RecorderMode::Replay => {
                let failed = |detail: String| LlmError::Recording {
                    path: path.display().to_string(),
                    detail,
                };
                let text = match tokio::fs::read(&path).await {
                    Ok(text) => text,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(LlmError::NotRecorded {
                            provider: provider.to_owned(),
                            model: model.to_owned(),
                            digest: request.digest(provider, model),
                        });
                    }
                    Err(error) => return Err(failed(error.to_string())),
                };
                let record: Record =
                    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
                let mut completion = record.completion;
                completion.usage.cost_usd = Decimal::ZERO;
                Ok(completion)
            }
        }
    }
}
