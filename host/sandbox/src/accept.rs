//! Looking at a whole application.

use std::path::Path;

use crate::{AcceptanceReport, AcceptanceRequest, CheckResult, Sandbox, SandboxError};

impl Sandbox {
    /// Starts the application, waits for its health path, calls it and opens its pages.
    pub async fn accept(
        &self,
        _tree: &Path,
        _request: AcceptanceRequest,
    ) -> Result<AcceptanceReport, SandboxError> {
        Err(SandboxError::NoIsolation)
    }

    /// Opens pages of a built front end (the folder `dir` inside the tree) in a browser.
    pub async fn browse(
        &self,
        _tree: &Path,
        _dir: &str,
        _pages: &[String],
    ) -> Result<Vec<CheckResult>, SandboxError> {
        Err(SandboxError::NoIsolation)
    }
}
