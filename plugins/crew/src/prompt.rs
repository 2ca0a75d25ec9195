//! How a prompt is put together.
//!
//! The system message says who is asked, for what stack, how to answer and what data may not do.
//! The user message holds the task in prose and everything else as data, so that no text of a
//! user, a tool or another model is ever mixed into the instructions.

use gencode_plugin_sdk::{
    agent::{
        AgentRequest,
        llm::{CompletionRequest, Message, Part},
    },
    types::{Document, Fault, File},
};

use crate::persona::{Mode, Persona};

const STACK: &str = include_str!("texts/stack.md");
const RULES: &str = include_str!("texts/rules.md");
const FORMAT: &str = include_str!("texts/format.md");

/// Characters of files that one prompt holds at most, about 150,000 tokens. Models that the
/// gateway offers read 200,000; the rest is for documents and the answer.
const MAX_FILES: usize = 600_000;

/// How much cooler a retry is asked for: less invention when something has to be repaired.
const RETRY_COOLING: f32 = 0.1;

/// The prompt for one request.
pub fn build(
    persona: &Persona,
    mode: &Mode,
    request: &AgentRequest,
) -> Result<CompletionRequest, Fault> {
    let system = [persona.character, STACK, RULES, FORMAT].map(str::trim).join("\n\n");
    let mut parts = vec![Part::Text(task(mode, request))];
    parts.extend(documents(request)?.into_iter().map(Part::Data));
    parts.push(Part::Text(closing(request).to_owned()));
    Ok(CompletionRequest {
        task: mode.name.to_owned(),
        messages: vec![
            Message { role: "system".to_owned(), parts: vec![Part::Text(system)] },
            Message { role: "user".to_owned(), parts },
        ],
        max_output_tokens: request.max_output_tokens,
        temperature: if request.findings.is_empty() {
            mode.temperature
        } else {
            (mode.temperature - RETRY_COOLING).max(0.05)
        },
    })
}

fn task(mode: &Mode, request: &AgentRequest) -> String {
    let mut text = format!("# Your task: {}\n\n{}", mode.name, mode.task.trim());
    if !request.instructions.trim().is_empty() {
        text.push_str("\n\n# This time\n\n");
        text.push_str(request.instructions.trim());
    }
    text
}

/// The structured part, in a fixed order: the request first, then what is known, then what to
/// work on.
fn documents(request: &AgentRequest) -> Result<Vec<Document>, Fault> {
    let mut documents = Vec::new();
    if !request.documents.iter().any(|document| document.name == "request") {
        documents.push(Document {
            name: "request".to_owned(),
            media_type: "text/plain".to_owned(),
            content: request.context.request.clone(),
        });
    }
    documents.extend(request.documents.iter().cloned());
    if !request.files.is_empty() {
        documents.push(Document::json("files", &fitting(&request.files))?);
    }
    if !request.findings.is_empty() {
        documents.push(Document::json("findings", &request.findings)?);
    }
    Ok(documents)
}

/// The files that fit; of the others the path and a remark, so that nobody takes them for absent.
fn fitting(files: &[File]) -> Vec<File> {
    let mut left = MAX_FILES;
    files
        .iter()
        .map(|file| match left.checked_sub(file.content.len()) {
            Some(rest) => {
                left = rest;
                file.clone()
            }
            None => File::new(
                file.path.clone(),
                format!("[exists with {} bytes; left out of this prompt]", file.content.len()),
            ),
        })
        .collect()
}

fn closing(request: &AgentRequest) -> &'static str {
    if request.findings.is_empty() {
        "Now answer in the format above. The last line is <<<END_ANSWER>>>."
    } else {
        "Repair what `findings` lists, one by one, and answer in the format above. Send every file that you \
         change complete; a file that you do not send stays as it is. The last line is <<<END_ANSWER>>>."
    }
}
