//! Writing a validator: implement [`Validator`], end with [`export_validator!`](crate::export_validator).

use crate::types::{Fault, File, Finding};

pub use crate::bindings::gencode::plugin::validator_types::{
    CheckReport, CheckRequest, ValidatorDescription as Description,
};

#[doc(hidden)]
pub mod bindings {
    //! The world `validator`.
    #![expect(clippy::same_length_and_capacity, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "gencode:plugin/validator",
        pub_export_macro: true,
        default_bindings_module: "gencode_plugin_sdk::validator::bindings",
        with: {
            "gencode:plugin/types@0.1.0": crate::bindings::gencode::plugin::types,
            "gencode:plugin/log@0.1.0": crate::bindings::gencode::plugin::log,
            "gencode:plugin/validator-types@0.1.0": crate::bindings::gencode::plugin::validator_types,
        },
    });
}

/// A pure check of files.
pub trait Validator {
    /// Who it is and what it wants to see.
    fn describe() -> Description;
    /// Judges files. A finding of severity `error` keeps them from being written.
    fn check(request: CheckRequest) -> Result<CheckReport, Fault>;
}

impl Description {
    /// A validator that judges each file matching one of the globs on its own.
    pub fn per_file(id: &str, summary: &str, globs: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            summary: summary.to_owned(),
            files: globs.iter().map(|&glob| glob.to_owned()).collect(),
            documents: Vec::new(),
            whole_project: false,
        }
    }

    /// A validator that needs every file matching one of the globs, changed or not.
    pub fn whole_project(id: &str, summary: &str, globs: &[&str]) -> Self {
        Self { whole_project: true, ..Self::per_file(id, summary, globs) }
    }

    /// Asks for documents as well.
    #[must_use]
    pub fn with_documents(mut self, names: &[&str]) -> Self {
        self.documents = names.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

impl From<Vec<Finding>> for CheckReport {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, repaired: Vec::new() }
    }
}

impl CheckReport {
    /// Judges each file on its own and gathers what is found.
    pub fn per_file(files: &[File], mut check: impl FnMut(&File) -> Vec<Finding>) -> Self {
        files.iter().flat_map(&mut check).collect::<Vec<_>>().into()
    }
}

/// Makes a type that implements [`Validator`] the validator of this component.
#[macro_export]
macro_rules! export_validator {
    ($plugin:ty) => {
        const _: () = {
            struct Export;
            impl $crate::validator::bindings::Guest for Export {
                fn describe() -> $crate::validator::Description {
                    $crate::panics::report();
                    <$plugin as $crate::validator::Validator>::describe()
                }
                fn check(
                    request: $crate::validator::CheckRequest,
                ) -> ::core::result::Result<$crate::validator::CheckReport, $crate::types::Fault>
                {
                    $crate::panics::report();
                    <$plugin as $crate::validator::Validator>::check(request)
                }
            }
    $crate::validator::bindings::export!(Export with_types_in $crate::validator::bindings);
        };
    };
}
