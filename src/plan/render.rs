//! A plan as text and as JSON: the same steps, the same bytes every time.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Action, Note, Phase, Plan, VERSION};
use crate::diag::{Origin, SourceMap, printable};

/// Returns a plan as text: a line for each step, under its phase, with its origin.
pub fn text(plan: &Plan, sources: &SourceMap) -> String {
    let mut out = String::new();
    let mut phase = None;
    for (number, step) in plan.steps.iter().enumerate() {
        if phase != Some(step.action.phase()) {
            let new = step.action.phase();
            phase = Some(new);
            let _written = writeln!(out, "{}: {}", new.name(), new.purpose());
        }
        let _written = writeln!(out, "{}", line(number, &step.action, step.origin, sources));
    }
    for note in &plan.notes {
        let _written = writeln!(out, "{}", note_line(note, sources));
    }
    out
}

/// Returns one step as the line that `plan` and `run -v` print.
pub fn line(number: usize, action: &Action, origin: Origin, sources: &SourceMap) -> String {
    let words = action.to_string();
    let actor = action.actor().name();
    format!("{:4} {actor:<10} {words}  [{}]", number + 1, sources.describe(origin))
}

/// Returns a note as the line that `plan` and `run -v` print.
pub fn note_line(note: &Note, sources: &SourceMap) -> String {
    format!("note: {} ({})", printable(&note.text), sources.describe(note.origin))
}

/// Returns a plan as JSON.
///
/// # Errors
/// Those of the serializer, which has none for this form.
pub fn json(plan: &Plan, sources: &SourceMap) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Place {
        origin: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        column: Option<usize>,
    }
    #[derive(Serialize)]
    struct OneStep<'a> {
        number: usize,
        phase: &'static str,
        actor: &'static str,
        words: String,
        #[serde(flatten)]
        action: &'a Action,
        #[serde(flatten)]
        place: Place,
    }
    #[derive(Serialize)]
    struct OneNote<'a> {
        text: &'a str,
        #[serde(flatten)]
        place: Place,
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        version: u32,
        phases: Vec<&'static str>,
        steps: Vec<OneStep<'a>>,
        notes: Vec<OneNote<'a>>,
    }
    let place = |origin: Origin| {
        let at = sources.line_column(origin).filter(|_| !origin.is_default());
        Place {
            origin: sources.describe(origin),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
        }
    };
    let steps = plan.steps.iter().enumerate().map(|(number, step)| OneStep {
        number: number + 1,
        phase: step.action.phase().name(),
        actor: step.action.actor().name(),
        words: step.action.to_string(),
        action: &step.action,
        place: place(step.origin),
    });
    let notes =
        plan.notes.iter().map(|note| OneNote { text: &note.text, place: place(note.origin) });
    let mut text = serde_json::to_string_pretty(&Whole {
        version: VERSION,
        phases: Phase::ALL.iter().map(|phase| phase.name()).collect(),
        steps: steps.collect(),
        notes: notes.collect(),
    })?;
    text.push('\n');
    Ok(text)
}
