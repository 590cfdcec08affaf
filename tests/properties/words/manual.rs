//! Man pages, help and completions come from one definition, and what is in the repository is
//! what that definition makes today.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kitcert::cli::{command_line, manual};

use crate::support::workspace::Workspace;

/// `KITCERT_UPDATE=1` writes the pages instead of comparing them.
#[test]
fn the_man_pages_are_those_that_the_definitions_make() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let pages = manual::pages().unwrap();
    if std::env::var_os("KITCERT_UPDATE").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            std::fs::write(folder.join(name), page).unwrap();
        }
    }
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, pages.keys().cloned().collect(), "KITCERT_UPDATE=1 writes them anew");
    for (name, page) in &pages {
        let written = std::fs::read_to_string(folder.join(name)).unwrap();
        let made = String::from_utf8_lossy(page);
        let other = made.lines().zip(written.lines()).find(|(made, written)| made != written);
        assert!(made == written, "{name}: KITCERT_UPDATE=1 writes it again: {other:?}");
    }
}

#[test]
fn every_command_and_every_option_says_what_it_does() {
    fn visit(command: &clap::Command, path: &str) {
        assert!(command.get_about().is_some(), "{path} has no help");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
        }
        for subcommand in command.get_subcommands() {
            visit(subcommand, &format!("{path} {}", subcommand.get_name()));
        }
    }
    visit(&command_line(), "kitcert");
}

#[test]
fn every_command_explains_itself_without_a_state() {
    let workspace = Workspace::new();
    let before = workspace.snapshot();
    for command in ["init", "issue daemon", "issue client", "install client", "verify", "status", "demo"] {
        let words = command.split(' ').chain(["--help"]);
        let said = workspace.run(words).succeeded();
        assert!(said.out.contains("Usage:") && said.err.is_empty(), "{command}: {said:?}");
    }
    let said = workspace.run(["--help"]).succeeded();
    assert!(said.out.contains("Exit codes:"));
    let version = workspace.run(["--version"]).succeeded();
    assert_eq!(version.out, format!("kitcert {}\n", env!("CARGO_PKG_VERSION")));
    before.assert_is(&workspace.snapshot(), "help");
}

/// A person who knows nothing yet is told what there is; a command that lacks a word is a usage error.
#[test]
fn kitcert_alone_prints_help() {
    let workspace = Workspace::new();
    let said = workspace.run::<&str>([]).succeeded();
    assert_eq!((said.out, said.err.as_str()), (workspace.run(["-h"]).succeeded().out, ""));
    let said = workspace.run(["issue"]).ended_with(2);
    assert!(said.out.is_empty() && said.err.contains("issue <COMMAND>"), "{said:?}");
}

#[test]
fn an_option_means_the_same_in_every_command() {
    type Form = (Option<char>, Option<Vec<String>>);
    fn visit(command: &clap::Command, forms: &mut BTreeMap<String, BTreeSet<Form>>) {
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            let words = argument.get_value_names();
            let words = words.map(|words| words.iter().map(ToString::to_string).collect());
            forms.entry(long.to_owned()).or_default().insert((argument.get_short(), words));
        }
        command.get_subcommands().for_each(|command| visit(command, forms));
    }
    let mut forms = BTreeMap::new();
    visit(&command_line(), &mut forms);
    let several: Vec<_> = forms.iter().filter(|(_, forms)| forms.len() > 1).collect();
    assert!(several.is_empty(), "{several:?}");
    let form = |short, word: &str| BTreeSet::from([(short, Some(vec![word.to_owned()]))]);
    for (long, short, word) in [
        ("key", None, "FILE"),
        ("key-type", None, "TYPE"),
        ("tool", None, "TOOL"),
        ("output", Some('o'), "FILE"),
    ] {
        assert_eq!(forms[long], form(short, word), "{long}");
    }
}

#[test]
fn closed_sets_of_words_are_completed() {
    let script = Workspace::new().run(["completions", "bash"]).succeeded().out;
    for words in [
        "text json",
        "text json nagios prometheus",
        "text json sarif",
        "auto always never",
        "ecdsa-p256 ecdsa-p384 ed25519",
        "earthly earthbuild buildkit files files-crt files-tlsca files-earth",
        "earthly earthbuild buildctl buildx",
        "warning",
        "bash elvish fish powershell zsh",
    ] {
        assert!(
            script.contains(&format!("compgen -W \"{words}\"")) || script.contains(&format!(" {words}\"")),
            "{words}"
        );
    }
}

#[test]
fn completions_come_for_every_shell() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = workspace.run(["completions", shell]).succeeded();
        assert!(said.out.contains("kitcert") && said.out.contains("verify"), "{shell}: {}", said.out);
    }
    workspace.run(["completions", "dos"]).ended_with(2);
}
