//! Showing a finished application.

use gencode_core::{event::EventBody, id::ProjectId};
use gencode_sandbox::{Preview, PreviewState, ServeSpec};

use crate::{Engine, EngineError};

impl Engine {
    /// How the project's preview is started; none before an application was accepted.
    pub async fn preview_spec(&self, id: &ProjectId) -> Result<Option<ServeSpec>, EngineError> {
        self.0.store.project(id).await?;
        let Some(record) = self.0.store.preview(id).await? else { return Ok(None) };
        serde_json::from_value(record.spec)
            .map(Some)
            .map_err(|error| EngineError::internal("the preview's record cannot be read", error))
    }

    /// Address of the running application; starts it if need be and waits until it answers
    /// (http-ws-contract §0.7).
    pub async fn preview(&self, id: &ProjectId) -> Result<String, EngineError> {
        let spec = self.preview_spec(id).await?;
        if let Some(preview) = self.0.previews.get(id.as_str())
            && preview.state == PreviewState::Running
        {
            return Ok(preview.url);
        }
        let Some(spec) = spec else {
            return Err(EngineError::NoPreview(format!(
                "project `{id}` has no application that passed its acceptance step yet"
            )));
        };
        Ok(self.0.previews.start(id.as_str(), spec).await?.url)
    }

    /// The preview as it is on this host; none where it was never started.
    pub async fn preview_state(&self, id: &ProjectId) -> Result<Option<Preview>, EngineError> {
        self.0.store.project(id).await?;
        Ok(self.0.previews.get(id.as_str()))
    }

    /// Stops the preview on this host. Returns whether it ran.
    pub async fn stop_preview(&self, id: &ProjectId) -> Result<bool, EngineError> {
        self.0.store.project(id).await?;
        Ok(self.0.previews.stop(id.as_str()).await)
    }

    /// Serves the application and tells everyone who watches the project, also if it cannot be.
    pub async fn publish(&self, id: &ProjectId) -> Result<String, EngineError> {
        self.project(id).await?;
        let url = self.preview(id).await;
        let outcome = match &url {
            Ok(url) => EventBody::PreviewReady { url: url.clone() },
            Err(error) => EventBody::DeploymentFailed { reason: error.to_string() },
        };
        self.0.store.append_events(id, None, vec![outcome]).await?;
        url
    }
}
