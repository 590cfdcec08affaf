//! Pages that are written as text: `pages/*.md`, in the little of Markdown that a manual page can show.
//! Their transcripts are tests (`tests/properties/words/transcripts.rs`).

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Each by its file name.
pub(super) const WRITTEN: [(&str, &str); 5] = [
    ("kitcert-earthly.7", include_str!("pages/kitcert-earthly.7.md")),
    ("kitcert-files.5", include_str!("pages/kitcert-files.5.md")),
    ("kitcert-kit.5", include_str!("pages/kitcert-kit.5.md")),
    ("kitcert-monitoring.7", include_str!("pages/kitcert-monitoring.7.md")),
    ("kitcert-rollover.7", include_str!("pages/kitcert-rollover.7.md")),
];

/// A page from its text. Its first line is `# NAME - what it is about`. `## ` begins a section, `- **term**:`
/// an entry, three backquotes a transcript, and `<!--` a line for the tests alone; any other line is prose.
pub(super) fn rendered(file: &str, text: &str) -> String {
    let (name, number) = file.rsplit_once('.').unwrap_or((file, "7"));
    let mut page = Roff::new();
    page.control("TH", [name, number]).control("SH", ["NAME"]);
    let (mut is_literal, mut is_gap, mut has_text) = (false, false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            let (begin, end) = (&["PP", "RS", "nf"][..], &["fi", "RE"][..]);
            for control in if is_literal { end } else { begin } {
                page.control(*control, []);
            }
            is_literal = !is_literal;
            has_text = true;
        } else if is_literal {
            // An exit code is the tests' alone.
            if !line.starts_with("? ") {
                page.text([roman(line)]);
            }
        } else if let Some(title) = line.strip_prefix("# ") {
            page.text([roman(title)]);
        } else if let Some(title) = line.strip_prefix("## ") {
            page.control("SH", [title.to_uppercase().as_str()]);
            has_text = false;
        } else if line.is_empty() {
            is_gap = true;
            continue;
        } else if let Some((term, text)) = line.strip_prefix("- **").and_then(|rest| rest.split_once("**: "))
        {
            page.control("TP", []).text([bold(term)]).text(inlines(text));
            has_text = true;
        } else if !line.starts_with("<!-- ") {
            if is_gap && has_text {
                page.control("PP", []);
            }
            page.text(inlines(line.trim_start()));
            has_text = true;
        }
        is_gap = false;
    }
    page.render()
}

/// The section that shows a transcript: `examples/*`, which are tests too.
pub(super) fn example(page: &mut Roff, transcript: &str) {
    page.control("SH", ["EXAMPLE"]).control("nf", []);
    // What is run unseen, and an exit code, is the tests' alone.
    for line in transcript.lines().filter(|line| !line.starts_with("<!-- ") && !line.starts_with("? ")) {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

/// What stands between backquotes or double asterisks is bold.
fn inlines(text: &str) -> Vec<Inline> {
    let text = text.replace("**", "`");
    let part = |(number, part): (usize, &str)| if number % 2 == 0 { roman(part) } else { bold(part) };
    text.split('`').enumerate().map(part).collect()
}
