//! kitcert.yaml, edited in place: lines are put in, and every byte of a person's stays.

use std::ops::Range;
use std::path::Path;

use super::inventory::{
    ClientEntry, DaemonEntry, InstallEntry, Inventory, client_line, daemon_lines, install_line,
};
use crate::model::{Failure, IdentityName};

/// A change of kitcert.yaml.
#[derive(Clone, Debug)]
pub enum InventoryChange {
    /// One more daemon.
    AddDaemon(IdentityName, DaemonEntry),
    /// More clients, however many, in one edit.
    AddClients(Vec<(IdentityName, ClientEntry)>),
    /// Where a daemon is installed.
    SetInstall(IdentityName, InstallEntry),
}

/// Edits kitcert.yaml and reads the result again: it must say exactly what it said before and
/// the changes. `path` is for messages.
///
/// # Errors
/// A file that cannot be read, or that is written in a way that the edit does not understand: the
/// failure has the lines to add by hand.
pub fn edit_inventory(text: &[u8], path: &Path, changes: &[InventoryChange]) -> Result<Vec<u8>, Failure> {
    let mut expected = Inventory::parse(text, path)?;
    let mut edited = String::from_utf8_lossy(text).into_owned();
    for change in changes {
        let lines = Layout::of(&edited).lines_of(change);
        let by_hand = || {
            Failure::new("editing", path.display())
                .expected(format!("a block that these lines can be added to:\n{}", lines.trim_end()))
                .found("one that is written in another way")
                .hint(format!("edit {}, then the same command again", path.display()))
        };
        edited = apply(&edited, change, &lines).ok_or_else(by_hand)?;
        expect(&mut expected, change);
        if Inventory::parse(edited.as_bytes(), path).ok().as_ref() != Some(&expected) {
            return Err(by_hand());
        }
    }
    Ok(edited.into_bytes())
}

fn expect(inventory: &mut Inventory, change: &InventoryChange) {
    match change {
        InventoryChange::AddDaemon(name, daemon) => {
            inventory.daemons.insert(name.clone(), daemon.clone());
        }
        InventoryChange::AddClients(clients) => inventory.clients.extend(clients.iter().cloned()),
        InventoryChange::SetInstall(name, install) => {
            if let Some(daemon) = inventory.daemons.get_mut(name) {
                daemon.install = Some(install.clone());
            }
        }
    }
}

/// How the file at hand is written.
struct Layout {
    line_end: &'static str,
}

impl Layout {
    fn of(text: &str) -> Layout {
        let crlf = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
        Layout { line_end: if crlf { "\r\n" } else { "\n" } }
    }

    fn lines_of(&self, change: &InventoryChange) -> String {
        match change {
            InventoryChange::AddDaemon(name, daemon) => daemon_lines(name, daemon, self.line_end, INDENT),
            InventoryChange::AddClients(clients) => clients
                .iter()
                .map(|(name, client)| client_line(name, client, self.line_end, INDENT))
                .collect(),
            InventoryChange::SetInstall(_, install) => {
                install_line(install, &INDENT.repeat(2)) + self.line_end
            }
        }
    }
}

fn apply(text: &str, change: &InventoryChange, lines: &str) -> Option<String> {
    match change {
        InventoryChange::AddDaemon(..) => add_to_section(text, "daemons", lines),
        InventoryChange::AddClients(_) => add_to_section(text, "clients", lines),
        InventoryChange::SetInstall(name, _) => set_install(text, name, lines),
    }
}

/// Puts lines at the end of a section, which is begun at the end of the file where it is missing.
fn add_to_section(text: &str, section: &str, lines: &str) -> Option<String> {
    let line_end = Layout::of(text).line_end;
    let Some(block) = block(text, 0..text.len(), section, "") else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { line_end };
        return Some(format!("{text}{gap}{section}:{line_end}{lines}"));
    };
    let head = &text[block.head.clone()];
    let value = head.split_once(':')?.1;
    let without_comment = value.split(" #").next().unwrap_or_default().trim();
    let head = match without_comment {
        "" => head.to_owned(),
        "{}" | "null" | "~" => head.replacen(&format!(" {without_comment}"), "", 1),
        _ => return None,
    };
    let indented = reindent(lines, &block.indent);
    let body = &text[block.body.clone()];
    let gap = if body.ends_with('\n') || (body.is_empty() && head.ends_with('\n')) { "" } else { line_end };
    Some(format!("{}{head}{body}{gap}{indented}{}", &text[..block.head.start], &text[block.body.end..]))
}

/// Replaces a daemon's `install:` line, or puts one behind its others.
fn set_install(text: &str, name: &IdentityName, line: &str) -> Option<String> {
    let daemons = block(text, 0..text.len(), "daemons", "")?;
    let daemon = block(text, daemons.body.clone(), name.as_str(), &daemons.indent)?;
    if !text[daemon.head.clone()].trim_end().ends_with(':') {
        return None;
    }
    let line = reindent_to(line, &daemon.indent);
    match block(text, daemon.body.clone(), "install", &daemon.indent) {
        Some(install) if install.body.is_empty() => {
            Some(format!("{}{line}{}", &text[..install.head.start], &text[install.head.end..]))
        }
        Some(_) => None,
        None => {
            let gap = if text[..daemon.body.end].ends_with('\n') { "" } else { Layout::of(text).line_end };
            Some(format!("{}{gap}{line}{}", &text[..daemon.body.end], &text[daemon.body.end..]))
        }
    }
}

/// A key of a block mapping, and the lines below it.
#[derive(Clone)]
struct Block {
    /// The line of the key.
    head: Range<usize>,
    /// The lines that are indented more than the key, without blank lines and comments that
    /// follow the last of them.
    body: Range<usize>,
    /// The indentation of the first of those lines; two blanks more than the key's where there
    /// is none.
    indent: String,
}

fn block(text: &str, within: Range<usize>, key: &str, indent: &str) -> Option<Block> {
    let mut at = within.start;
    let mut found: Option<Block> = None;
    for line in text[within].split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        let content = line.trim_start_matches(' ');
        let own_indent = &line[..line.len() - content.len()];
        let blank = content.trim().is_empty() || content.starts_with('#');
        match &mut found {
            None if !blank && own_indent == indent && key_of(content) == Some(key) => {
                let body = range.end..range.end;
                found = Some(Block { head: range, body, indent: format!("{indent}{INDENT}") });
            }
            Some(block) if !blank && own_indent.len() <= indent.len() => return Some(block.clone()),
            Some(block) if !blank => {
                if block.body.is_empty() {
                    block.indent = own_indent.to_owned();
                }
                block.body.end = range.end;
            }
            _ => {}
        }
    }
    found
}

/// The key of a line such as `ana: {…}` or `"on": {…}`.
fn key_of(content: &str) -> Option<&str> {
    let key = content.split_once(':')?.0.trim_end();
    Some(key.trim_matches(|quote| quote == '"' || quote == '\''))
}

/// The lines of a change, which are written with two blanks a level, in the indentation of the
/// block that they join.
fn reindent(lines: &str, indent: &str) -> String {
    if indent == INDENT {
        return lines.to_owned();
    }
    lines
        .split_inclusive('\n')
        .map(|line| format!("{indent}{}", line.strip_prefix(INDENT).unwrap_or(line)))
        .collect()
}

fn reindent_to(line: &str, indent: &str) -> String {
    format!("{indent}{}", line.trim_start_matches(' '))
}

const INDENT: &str = "  ";

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, changes: &[InventoryChange]) -> Result<String, Failure> {
        edit_inventory(text.as_bytes(), Path::new("kitcert.yaml"), changes)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn client(name: &str) -> InventoryChange {
        InventoryChange::AddClients(vec![(name.parse().unwrap(), ClientEntry::default())])
    }

    fn install() -> InstallEntry {
        InstallEntry { layout: Default::default(), root: "/srv/b".into(), owner: None }
    }

    #[test]
    fn a_client_is_added_wherever_the_section_stands_and_however_it_is_empty() {
        for (text, expected) in [
            ("version: 1\n", "version: 1\nclients:\n  bob: {lifetime: 90d}\n"),
            ("version: 1", "version: 1\nclients:\n  bob: {lifetime: 90d}\n"),
            ("version: 1\nclients:\n", "version: 1\nclients:\n  bob: {lifetime: 90d}\n"),
            ("version: 1\nclients: {} # nobody\n", "version: 1\nclients: # nobody\n  bob: {lifetime: 90d}\n"),
            (
                "version: 1\nclients: # people\n    ana: {lifetime: 90d} # ana\n\n# end\ndaemons:\n",
                "version: 1\nclients: # people\n    ana: {lifetime: 90d} # ana\n    bob: {lifetime: 90d}\n\n# end\ndaemons:\n",
            ),
            (
                "version: 1\r\nclients:\r\n  ana:\r\n",
                "version: 1\r\nclients:\r\n  ana:\r\n  bob: {lifetime: 90d}\r\n",
            ),
            ("version: 1\nclients:\n  ana:", "version: 1\nclients:\n  ana:\n  bob: {lifetime: 90d}\n"),
        ] {
            assert_eq!(edit(text, &[client("bob")]).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_refused_with_the_lines_to_add() {
        let failure = edit("version: 1\nclients: {ana: {lifetime: 90d}}\n", &[client("bob")]).unwrap_err();
        assert!(failure.what_was_expected().contains("bob: {lifetime: 90d}"), "{failure}");
    }

    #[test]
    fn a_daemon_learns_where_it_is_installed_and_forgets_where_it_was() {
        let text = "version: 1\ndaemons:\n  b: # main\n    hosts: [b.example] # name\n  c:\n    hosts: [c.example]\n";
        let once = edit(text, &[InventoryChange::SetInstall("b".parse().unwrap(), install())]).unwrap_err();
        assert!(once.what_was_expected().contains("install:"));
        let text = text.replace(" # main", "");
        let once = edit(&text, &[InventoryChange::SetInstall("b".parse().unwrap(), install())]).unwrap();
        assert!(once.contains("# name\n    install: {layout: earthly, root: /srv/b}\n  c:"), "{once}");
        let again = edit(&once, &[InventoryChange::SetInstall("b".parse().unwrap(), install())]).unwrap();
        assert_eq!(once, again);
    }

    #[test]
    fn what_is_rendered_is_read_again() {
        let text = "version: 1\nca: {name: 'Acme, \"builders\"', lifetime: 5y, key: ed25519}\ndaemons:\n  on:\n    hosts: ['::1', '*.b.example', 10.0.0.5, 1e3.example]\n    endpoint: tcp://[::1]:8372\nclients:\n  \"7\": {renew: auto}\n  \"null\":\n  1e3:\n  0x1f:\n  1.5:\n";
        let inventory = Inventory::parse(text.as_bytes(), Path::new("k")).unwrap();
        let rendered = inventory.render();
        assert_eq!(Inventory::parse(rendered.as_bytes(), Path::new("k")).unwrap(), inventory, "{rendered}");
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        for text in [
            "version: 2\n",
            "version: 1\nclinets: {}\n",
            "version: 1\nclients:\n  ana: {lifetme: 1d}\n",
            "",
            "- a\n",
        ] {
            assert!(Inventory::parse(text.as_bytes(), Path::new("k")).is_err(), "{text}");
        }
    }
}
