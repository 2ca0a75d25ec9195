//! JavaScript, TypeScript and JSX that parse, with relative imports that exist.

mod module;
mod resolve;

use gencode_plugin_sdk::{
    export_validator,
    types::Fault,
    validator::{CheckReport, CheckRequest, Description, Validator},
};

use module::Module;
use resolve::Project;

struct JavaScript;

impl Validator for JavaScript {
    fn describe() -> Description {
        Description::whole_project(
            "javascript",
            "JavaScript, TypeScript and JSX that parse, with relative imports that exist.",
            // Style sheets, data and pictures are wanted because code imports them.
            &["**/*.{js,jsx,mjs,cjs,ts,tsx,mts,cts}", "**/*.{css,json,svg}"],
        )
    }

    fn check(request: CheckRequest) -> Result<CheckReport, Fault> {
        let mut findings = Vec::new();
        let mut modules = Vec::new();
        for file in &request.files {
            if let Some(module) = Module::read(file, &mut findings) {
                modules.push(module);
            }
        }
        let project = Project::of(&request.files, &modules);
        for module in &modules {
            project.check(module, &mut findings);
        }
        Ok(findings.into())
    }
}

export_validator!(JavaScript);

#[cfg(test)]
mod tests;
