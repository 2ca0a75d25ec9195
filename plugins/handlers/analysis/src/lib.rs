//! First step: what does the request ask for?

use gencode_plugin_sdk::{
    export_handler,
    handler::{Answer, Description, Handler, Outcome, StepRequest},
    supervise::{
        Host, MARCUS, Question, Wit, ask,
        project::{Card, report},
    },
    types::{Document, Fault, Finding, Intent},
};

const CARD: Card = Card {
    id: "analysis",
    title: "Analysis",
    performer: "Marcus",
    needs: &[],
    produces: &["intent"],
    writes: &[],
    leaves: &[],
};

fn run(host: &impl Host, step: &StepRequest) -> Result<Outcome, Fault> {
    let request = Document::text("request", "text/plain", step.context.request.clone());
    let question = Question {
        worker: MARCUS,
        mode: "analysis",
        instructions: "",
        documents: &[request],
        files: &[],
        findings: &[],
    };
    let (_, intent) = ask(host, step, &question, |answer| match answer {
        Answer::Understood(intent) => Some(intent),
        _ => None,
    })?;
    host.put(&Document::json("intent", &intent)?)?;
    let summary = summary(&intent);
    host.say(MARCUS.persona, &summary);
    let notes = intent
        .notes
        .iter()
        .map(|note| Finding::info("intent.note", "", 0, 0, note.clone()))
        .collect();
    Ok(Outcome::Completed(report(summary, notes, None)))
}

fn summary(intent: &Intent) -> String {
    let entities: Vec<&str> =
        intent.entities.iter().map(|entity| entity.label_plural.as_str()).collect();
    let mut sentences = vec![format!("{}: {}.", intent.title, entities.join(", "))];
    if !intent.features.is_empty() {
        sentences.push(format!("Features: {}.", intent.features.join(", ")));
    }
    sentences.extend(intent.notes.iter().map(|note| note.trim().to_owned()));
    sentences.join(" ")
}

struct Analysis;

impl Handler for Analysis {
    fn describe() -> Description {
        CARD.describe()
    }

    fn run(request: StepRequest) -> Result<Outcome, Fault> {
        run(&Wit, &request)
    }
}

export_handler!(Analysis);

#[cfg(test)]
mod tests;
