//! README.md and the manual pages as text: headings, items, displays.

use std::collections::BTreeSet;

const README: &str = include_str!("../../README.md");
pub(crate) const SBX_1: &str = include_str!("../../man/sbx.1");
pub(crate) const PROFILE_5: &str = include_str!("../../man/sbx-profile.5");

/// Returns the lines of the part that a heading begins, up to the next heading of its kind.
pub(crate) fn part<'t>(text: &'t str, heading: &str) -> &'t str {
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the manual has no `{heading}`"));
    let body = text.split_at(start + heading.len() + 2).1;
    let ends: &[&str] =
        if heading.starts_with(".Sh") { &["\n.Sh "] } else { &["\n.Sh ", "\n.Ss "] };
    let next = ends.iter().filter_map(|end| body.find(end)).min();
    body.split_at(next.unwrap_or(body.len())).0
}

/// Returns the items of a list: what stands behind `.It MACRO`, and the text below it.
pub(crate) fn items<'t>(text: &'t str, macro_name: &str) -> Vec<(&'t str, &'t str)> {
    text.split("\n.It ")
        .skip(1)
        .chain(text.strip_prefix(".It "))
        .filter_map(|item| {
            let (head, body) = item.split_once('\n').unwrap_or((item, ""));
            let name = head.strip_prefix(macro_name)?.trim();
            Some((name, body.split("\n.El").next().unwrap_or(body)))
        })
        .collect()
}

/// Returns the item that begins with a word, of whatever macro.
pub(crate) fn item<'t>(text: &'t str, head: &str) -> &'t str {
    let all = items(text, "");
    let found = all.into_iter().find(|(name, _)| *name == head);
    found.unwrap_or_else(|| panic!("the manual has no item `{head}`")).1
}

/// Returns a text's words, without punctuation around them.
pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    let edge = |c: char| !(c.is_alphanumeric() || "/@_-~$".contains(c));
    text.split_whitespace()
        .map(|word| word.trim_matches(edge))
        .filter(|word| !word.is_empty())
        .collect()
}

/// A quote on a line of macros begins an argument, and is not printed itself (mdoc(7)).
#[test]
fn no_macro_swallows_a_quote() {
    for line in [SBX_1, PROFILE_5].into_iter().flat_map(str::lines) {
        assert!(!line.starts_with('.') || !line.contains('"'), "write \\(dq in: {line}");
    }
}

/// What stands in quotes is one thing: `.Ql a , b` puts both and the comma into one pair.
#[test]
fn no_macro_quotes_two_things_as_one() {
    for line in [SBX_1, PROFILE_5].into_iter().flat_map(str::lines) {
        assert!(!line.starts_with(".Ql ") || !line.contains(" , "), "two lines for: {line}");
    }
}

/// Returns the displays of a page: each its lines, as they are printed.
pub(crate) fn displays(page: &str) -> Vec<String> {
    page.split("\n.Bd -literal -offset indent\n")
        .skip(1)
        .map(|rest| rest.split("\n.Ed").next().unwrap_or(rest).replace("\\e", "\\"))
        .collect()
}

/// Returns the fenced blocks of a language in README.md.
pub(crate) fn fenced(language: &str) -> Vec<String> {
    README
        .split(&format!("\n```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or(rest).to_owned())
        .collect()
}
