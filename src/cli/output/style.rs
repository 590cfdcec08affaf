//! How lines look on a terminal.

use anstyle::{AnsiColor, Style};

use crate::model::Severity;

/// How a line is colored on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// Green.
    Good,
    /// Yellow.
    Warning,
    /// Red and bold.
    Bad,
    /// Dim.
    Aside,
}

/// How text is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// With colors.
    Colored,
    /// Without.
    Plain,
}

/// The tone of a severity.
#[must_use]
pub(crate) fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Pass => Tone::Good,
        Severity::Info => Tone::Plain,
        Severity::Warning => Tone::Warning,
        Severity::Error | Severity::Critical => Tone::Bad,
    }
}

/// The text in its tone, where there are colors.
#[must_use]
pub(super) fn paint(ink: Ink, tone: Tone, text: &str) -> String {
    let style = match (ink, tone) {
        (Ink::Plain, _) | (_, Tone::Plain) => return text.to_owned(),
        (_, Tone::Good) => AnsiColor::Green.on_default(),
        (_, Tone::Warning) => AnsiColor::Yellow.on_default(),
        (_, Tone::Bad) => AnsiColor::Red.on_default().bold(),
        (_, Tone::Aside) => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}
