//! The manual pages, made of the same definitions as `--help`.

use std::collections::BTreeMap;

use clap_mangen::roff::{Roff, bold, italic, roman};

mod inventory;
mod page;
mod verdict;

use super::arguments::command_line;
use super::schema;
use crate::model::{Cause, Rule};

/// Every page, by its file name: `kitcert.1`, `kitcert-init.1`, ….
///
/// # Errors
/// None that a page could have; the type is that of writing to memory.
pub fn pages() -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let command = command_line().mut_subcommand("help", |help| help.hide(true));
    let mut pages = BTreeMap::new();
    add(&command, "kitcert", &mut pages)?;
    pages.insert("kitcert-rules.7".to_owned(), rules().into_bytes());
    pages.insert("kitcert-causes.7".to_owned(), causes().into_bytes());
    pages.insert("kitcert-json.7".to_owned(), json().into_bytes());
    pages.insert("kitcert-verify.7".to_owned(), verdict::written().into_bytes());
    pages.insert("kitcert.yaml.5".to_owned(), inventory::page().into_bytes());
    for (name, text) in page::WRITTEN {
        pages.insert(name.to_owned(), page::rendered(name, text).into_bytes());
    }
    Ok(pages)
}

/// `kitcert-rules(7)`: what every finding may be about.
fn rules() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert-rules", "7"]).control("SH", ["NAME"]);
    page.text([roman("kitcert-rules - what kitcert verify, inspect and status look at")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(
        "Each finding names its rule by one of these words. They are stable, so monitoring may match on them. A \
         finding also names its own cause and fix; this page has the usual ones.",
    )]);
    page::example(&mut page, include_str!("manual/examples/rules"));
    page.control("SH", ["RULES"]);
    for rule in Rule::ALL {
        page.control("TP", []).text([bold(rule.as_str())]).text([roman(rule.meaning())]);
        page.control("br", []).text([italic("cause: "), roman(rule.cause())]);
        page.control("br", []).text([italic("fix: "), roman(rule.fix().in_one_line().as_str())]);
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert-verify"),
        roman("(1), "),
        bold("kitcert-verify"),
        roman("(7), "),
        bold("kitcert-inspect"),
        roman("(1), "),
        bold("kitcert-causes"),
        roman("(7)"),
    ]);
    page.render()
}

/// `kitcert-causes(7)`: why a client cannot connect to a daemon, or why others can.
fn causes() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert-causes", "7"]).control("SH", ["NAME"]);
    page.text([roman("kitcert-causes - why a client cannot connect to a daemon, or why others can")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(
        "kitcert verify names the cause of what it finds by one of these words. They are stable, and listed in the \
         order of a connection: the network, what listens, its certificate, the client's, what answers, and whom else \
         it lets in. If what was seen fits several causes, all of them are named.",
    )]);
    page::example(&mut page, include_str!("manual/examples/causes"));
    page.control("SH", ["CAUSES"]);
    for cause in Cause::ALL {
        page.control("TP", []).text([bold(cause.as_str())]).text([roman(cause.meaning())]);
        page.control("br", []).text([italic("seen as: "), roman(cause.told_by())]);
        page.control("br", []).text([italic("fix: "), roman(cause.fix().in_one_line().as_str())]);
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert-verify"),
        roman("(1), "),
        bold("kitcert-rules"),
        roman("(7)"),
    ]);
    page.render()
}

/// `kitcert-json(7)`: the members of what `--format json` prints.
fn json() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert-json", "7"]).control("SH", ["NAME"]);
    page.text([roman("kitcert-json - the JSON objects that kitcert prints")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(
        "With --format json every command prints one object on standard output, also if it fails, and also if its \
         command line is wrong. [] stands for each element of an array. Members are added without notice. If one \
         changes its meaning or is removed, schema is raised.",
    )]);
    page::example(&mut page, include_str!("manual/examples/json"));
    for group in schema::GROUPS {
        let commands = match group.commands {
            [] => "every command".to_owned(),
            commands => commands.join(", "),
        };
        page.control("SH", [commands.to_uppercase().as_str()]);
        for member in group.members() {
            page.control("TP", []).text([bold(member.path), roman("  "), italic(member.kind)]);
            page.text([roman(member.meaning)]);
        }
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert"),
        roman("(1), "),
        bold("kitcert-rules"),
        roman("(7), "),
        bold("kitcert-causes"),
        roman("(7)"),
    ]);
    page.render()
}

fn add(command: &clap::Command, name: &str, pages: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned())).title(name).render(&mut page)?;
    pages.insert(format!("{name}.1"), page);
    let mut commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    commands.try_for_each(|subcommand| add(subcommand, &format!("{name}-{}", subcommand.get_name()), pages))
}
