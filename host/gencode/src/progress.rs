//! What a person sees while a run works: a bar, who is working on what, and how long.

use std::{collections::HashMap, io::IsTerminal as _, time::Duration};

use gencode_core::{
    event::{Event, EventBody},
    run::StepStatus,
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws events on standard error: bars on a terminal, plain lines elsewhere.
pub(crate) struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
    steps: HashMap<String, Step>,
    plain: bool,
}

struct Step {
    bar: ProgressBar,
    title: String,
    performer: String,
    since: jiff::Timestamp,
}

impl Progress {
    pub(crate) fn new(steps: usize) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::new(u64::try_from(steps).unwrap_or(0)));
        total.set_style(style("{bar:30.magenta/dim} {pos}/{len} steps  {elapsed}  {msg}"));
        total.enable_steady_tick(Duration::from_millis(200));
        Self { bars, total, steps: HashMap::new(), plain }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        match &event.body {
            EventBody::StepStarted { step, title, performer, attempt } => {
                let again =
                    if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                let bar = self.bars.insert_before(&self.total, ProgressBar::new_spinner());
                bar.set_style(style("{spinner:.magenta} {prefix:<9.bold} {msg}"));
                bar.set_prefix(performer.clone());
                bar.set_message(format!("{title}{again}"));
                bar.enable_steady_tick(Duration::from_millis(120));
                self.line_if_plain(&format!("▶ {title}{again} — {performer}"));
                let entry = Step {
                    bar,
                    title: format!("{title}{again}"),
                    performer: performer.clone(),
                    since: event.at,
                };
                self.steps.insert(step.clone(), entry);
            }
            EventBody::StepProgress { step, activity, .. } => {
                if let Some(entry) = self.steps.get(step) {
                    entry.bar.set_message(format!("{} · {activity}", entry.title));
                }
            }
            EventBody::AgentSaid { agent, message, .. } => {
                let said = first_sentence(message);
                self.line(&format!("    {agent}: {said}"));
            }
            EventBody::StepFinished { step, status, reason, summary } => {
                let Some(entry) = self.steps.remove(step) else { return };
                entry.bar.finish_and_clear();
                let seconds = event.at.duration_since(entry.since).as_secs_f64();
                let (mark, text) = match status {
                    StepStatus::Completed => ("✔", summary.as_str()),
                    StepStatus::Skipped => ("↷", reason.as_str()),
                    _ => ("✘", reason.as_str()),
                };
                let skipped = if *status == StepStatus::Skipped { "skipped: " } else { "" };
                self.line(&format!(
                    "{mark} {} — {} ({seconds:.1} s) {skipped}{}",
                    entry.title,
                    entry.performer,
                    first_sentence(text),
                ));
                if !matches!(status, StepStatus::Waiting) {
                    self.total.inc(1);
                }
            }
            EventBody::RunPaused { question, .. } => self.line(&format!("? {question}")),
            EventBody::RunRecovered => self.line("↻ continuing an interrupted run"),
            _ => {}
        }
    }

    /// Shows what was spent so far.
    pub(crate) fn spent(&self, cost_usd: &str, calls: u64) {
        self.total.set_message(format!("{calls} model calls, ${cost_usd}"));
    }

    /// Clears the bars.
    pub(crate) fn finish(&self) {
        self.total.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.plain {
            self.line_if_plain(text);
        } else {
            // A closed terminal is not worth ending the run for.
            let _ = self.bars.println(text);
        }
    }

    fn line_if_plain(&self, text: &str) {
        if self.plain {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Enough of a text for one line.
fn first_sentence(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let end = line.find(". ").map_or(line.len(), |dot| dot + 1);
    let sentence: String =
        line.chars().take(line.get(..end).map_or(160, |s| s.chars().count()).min(160)).collect();
    sentence
}

#[cfg(test)]
mod tests {
    use super::first_sentence;

    #[test]
    fn one_line_is_enough() {
        assert_eq!(first_sentence("\nFirst thing. Second thing."), "First thing.");
        assert_eq!(first_sentence("é".repeat(300).as_str()).chars().count(), 160);
        assert_eq!(first_sentence(""), "");
    }
}
