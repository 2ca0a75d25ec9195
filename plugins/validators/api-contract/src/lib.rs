//! Back-end routes and client calls that agree with the contract.
//!
//! Only what is there is judged: a project without contract, without routers or with a client that
//! still works on mock data has nothing to answer for in that part.

mod backend;
mod client;
mod contract;
mod path;
mod python;

use gencode_plugin_sdk::{
    document, export_validator,
    types::{Fault, File, Finding},
    validator::{CheckReport, CheckRequest, Description, Validator},
};

use contract::Contract;

/// Where the contract is written in the generated application.
const CONTRACT_FILE: &str = "contract/openapi.json";

struct ApiContract;

impl Validator for ApiContract {
    fn describe() -> Description {
        Description::whole_project(
            "api-contract",
            "Back-end routes and client calls that agree with the contract.",
            &[CONTRACT_FILE, "backend/app/**/*.py", "frontend/src/api/**/*.{ts,tsx,js,jsx}"],
        )
        .with_documents(&["contract"])
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        let mut findings = Vec::new();
        // The file is what this step is about to write; the document is from an earlier step.
        let file = request.files.iter().find(|file| file.path == CONTRACT_FILE);
        let text = file
            .map(|file| file.content.as_str())
            .or_else(|| document::find(&request.documents, "contract").map(|d| d.content.as_str()));
        let Some(contract) = text.and_then(|text| Contract::read(text, &mut findings)) else {
            return Ok(findings.into());
        };
        backend::check(&request.files, &contract, &mut findings);
        client::check(&request.files, &contract, &mut findings);
        Ok(findings.into())
    }
}

/// An error at a byte offset.
fn at(file: &File, offset: usize, code: &str, message: String) -> Finding {
    let (line, column) = gencode_plugin_sdk::finding::position(&file.content, offset);
    Finding::error(code, &file.path, line, column, message)
}

export_validator!(ApiContract);

#[cfg(test)]
mod tests;
