//! Figures that are published: whoever measures one says it here, and `tests/proof/run` gathers
//! them into a table.

use std::fmt::Display;
use std::io::Write as _;

/// What a figure ought to be, and whether it is.
#[derive(Clone, Copy)]
pub struct Aim<'a> {
    /// What it ought to be, in words.
    pub words: &'a str,
    /// Whether it is.
    pub is_met: bool,
}

/// Adds a figure to the file that `KITCERT_FIGURES` names, a JSON object a line; does nothing where
/// it names none.
pub fn publish(section: &str, figure: &str, value: impl Display, aim: Option<Aim<'_>>) {
    let Some(path) = std::env::var_os("KITCERT_FIGURES") else { return };
    let line = serde_json::json!({
        "section": section,
        "figure": figure,
        "value": value.to_string(),
        "aim": aim.map(|aim| aim.words),
        "is_met": aim.map(|aim| aim.is_met),
    });
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let mut file = file.expect("the file for figures");
    // One write a line: tests run side by side.
    file.write_all(format!("{line}\n").as_bytes()).expect("room for a figure");
}
