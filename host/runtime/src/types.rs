//! The records of the contract (`wit/`), by name.
//!
//! They are plain data and (de)serialise with `serde`: records as objects with `snake_case` keys,
//! variants and results as `{"Case": value}`. The engine journals host calls in this form.

pub use crate::bindings::handler::gencode::plugin::{
    agent_types::{
        AgentAnswer, AgentDescription, AgentRequest, Answer, Authored, Correction, Diagnosis,
        Verdict,
    },
    agents::AgentCall,
    ask_user::Question,
    handler_types::{HandlerDescription, Outcome, StepReport, StepRequest},
    llm::{Completion, CompletionRequest, Message, Part},
    sandbox::{
        AcceptanceReport, AcceptanceRequest, CheckResult, Command, ExecResult, HttpCheck,
        InstallRequest,
    },
    types::{
        Document, Entity, EntityField, Fault, File, Finding, HostError, Intent, Relation, Route,
        RunContext, TestReport, Usage,
    },
    validator_types::{CheckReport, CheckRequest, ValidatorDescription},
    workspace_read::FileInfo,
};
