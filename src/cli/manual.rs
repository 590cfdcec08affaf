//! The manual pages, made of the same definitions as `--help`.

use std::collections::BTreeMap;

use clap::CommandFactory;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::arguments::Arguments;
use crate::model::Rule;

/// Every page, by its file name: `kitcert.1`, `kitcert-init.1`, ….
///
/// # Errors
/// None that a page could have; the type is that of writing to memory.
pub fn pages() -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    add(&command, "kitcert", &mut pages)?;
    pages.insert("kitcert-rules.7".to_owned(), rules().into_bytes());
    Ok(pages)
}

/// `kitcert-rules(7)`: what every finding may be about.
fn rules() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert-rules", "7"]).control("SH", ["NAME"]);
    page.text([roman("kitcert-rules - what kitcert verify, inspect and status look at")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(
        "Each finding names its rule by one of these words, which are stable: monitoring may match on them. \
         A finding knows its own cause and cure; what stands here is what holds in general.",
    )]);
    page.control("SH", ["RULES"]);
    for rule in Rule::ALL {
        page.control("TP", []).text([bold(rule.as_str())]).text([roman(rule.meaning())]);
        page.control("br", []).text([italic("cause: "), roman(rule.cause())]);
        page.control("br", []).text([italic("fix: "), roman(rule.fix())]);
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert-verify"),
        roman("(1), "),
        bold("kitcert-inspect"),
        roman("(1)"),
    ]);
    page.render()
}

fn add(command: &clap::Command, name: &str, pages: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned())).title(name).render(&mut page)?;
    pages.insert(format!("{name}.1"), page);
    command
        .get_subcommands()
        .try_for_each(|subcommand| add(subcommand, &format!("{name}-{}", subcommand.get_name()), pages))
}
