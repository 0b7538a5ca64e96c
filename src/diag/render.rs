//! The one text form of a diagnostic, and its JSON form.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, Source, SourceKind, SourceMap, printable};

/// Returns a diagnostic as text: message, place with caret, notes, help.
pub fn text(diagnostic: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code.name());
    let mut group = Group::with_title(title);
    for part in snippets(diagnostic, sources) {
        group = group.element(part);
    }
    for label in &diagnostic.labels {
        if let Some(rule) = label.origin.via {
            group = group.element(Level::NOTE.message(format!("implied by {rule}")));
        }
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(printable(note)));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// Returns one snippet for each text that a label lies in, the first label's first.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut seen = Vec::new();
    for label in &diagnostic.labels {
        let id = label.origin.source;
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    let of = |id| diagnostic.labels.iter().filter(move |l| l.origin.source == id);
    seen.into_iter()
        .filter_map(|id| Some((id, sources.get(id)?)))
        .filter(|(_, source)| source.kind != SourceKind::Default)
        .map(|(id, source)| {
            let (text, offsets) = visible(source);
            let mut snippet = Snippet::source(text);
            snippet = match source.kind {
                SourceKind::Flag => snippet.path("command line"),
                _ => snippet.path(printable(&source.name)),
            };
            for (at, label) in of(id).enumerate() {
                let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                snippet = snippet.annotation(annotation(kind, label, &offsets));
            }
            snippet
        })
        .collect()
}

fn annotation<'a>(
    kind: AnnotationKind,
    label: &Label,
    offsets: &[usize],
) -> annotate_snippets::Annotation<'a> {
    let place = |n: u32| {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        offsets.get(n).or(offsets.last()).copied().unwrap_or_default()
    };
    let annotation = kind.span(place(label.origin.span.start)..place(label.origin.span.end));
    if label.text.is_empty() { annotation } else { annotation.label(printable(&label.text)) }
}

/// Returns the text with control characters replaced, and where each byte of it went to.
fn visible(source: &Source) -> (String, Vec<usize>) {
    let mut out = String::with_capacity(source.text.len());
    let mut offsets = Vec::with_capacity(source.text.len() + 1);
    for c in source.text.chars() {
        offsets.extend(std::iter::repeat_n(out.len(), c.len_utf8()));
        if c == '\n' || c == '\t' {
            out.push(c);
        } else {
            out.push_str(&printable(c.encode_utf8(&mut [0; 4])));
        }
    }
    offsets.push(out.len());
    (out, offsets)
}

/// Returns a diagnostic as one line of JSON.
///
/// # Errors
/// Those of the serializer, which has none for this form.
pub fn json_line(diagnostic: &Diagnostic, sources: &SourceMap) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct Place {
        origin: String,
        line: Option<usize>,
        column: Option<usize>,
        #[serde(skip_serializing_if = "String::is_empty")]
        text: String,
    }
    #[derive(serde::Serialize)]
    struct Line<'a> {
        severity: Severity,
        code: &'static str,
        message: &'a str,
        places: Vec<Place>,
        notes: &'a [String],
        help: &'a [String],
    }
    let place = |label: &Label| {
        let at = sources.line_column(label.origin).filter(|_| !label.origin.is_default());
        Place {
            origin: sources.describe(label.origin),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            text: label.text.clone(),
        }
    };
    serde_json::to_string(&Line {
        severity: diagnostic.severity,
        code: diagnostic.code.name(),
        message: &diagnostic.message,
        places: diagnostic.labels.iter().map(place).collect(),
        notes: &diagnostic.notes,
        help: &diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Origin};

    #[test]
    fn the_place_is_shown_with_a_caret() {
        let mut sources = SourceMap::default();
        let id = sources.add(SourceKind::File, "web.toml", "[files]\nraed = []\n");
        let diagnostic = Diagnostic::error(Code::UnknownKey, "unknown key `raed` in [files]")
            .at(Origin::new(id, 8..12))
            .help("write `read`");
        let shown = text(&diagnostic, &sources, false);
        assert!(shown.starts_with("error[unknown-key]: unknown key `raed` in [files]"), "{shown}");
        assert!(shown.contains("web.toml:2:1"), "{shown}");
        assert!(shown.contains("^^^^"), "{shown}");
        assert!(shown.contains("help: write `read`"), "{shown}");
    }

    #[test]
    fn a_control_character_in_a_profile_is_not_printed() {
        let mut sources = SourceMap::default();
        let bad = "\u{1b}[2J \u{202e}";
        let escaped = r"\u{1b}[2J \u{202e}";
        let id =
            sources.add(SourceKind::File, format!("{bad} name"), format!("a = \"{bad} line\""));
        let (first, second) = (Origin::new(id, 0..1), Origin::new(id, 4..14));
        let shown = text(
            &Diagnostic::warning(Code::BadValue, format!("{bad} message"))
                .at(first)
                .label(second, format!("{bad} label"))
                .help(format!("{bad} help")),
            &sources,
            false,
        );
        for part in ["name", "line", "message", "label", "help"] {
            assert!(shown.contains(&format!("{escaped} {part}")), "{part}: {shown}");
        }
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}
