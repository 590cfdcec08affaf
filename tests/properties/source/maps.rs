//! The map at the top of each folder: what is in which file. It is no use once it is wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A folder with more files than this has a map.
const FILES_WITHOUT_A_MAP: usize = 3;

/// Each has one file for each command, or for each kind of page, and is no riddle.
const WITHOUT_A_MAP: [&str; 2] = ["cli/command", "cli/manual"];

fn folders(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "tests" {
            folders(&path, found);
            found.push(path);
        }
    }
}

/// What a folder consists of, but for what every layer has and what only tests see.
fn entries(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| !["mod", "printable"].contains(&name.as_str()) && !name.ends_with("tests")).collect()
}

/// The names in the first column of a map: `name, name   what is in them`.
fn names(header: &str) -> BTreeSet<String> {
    let map = header.split("//! ```").nth(1).unwrap_or_default();
    let lines = map.lines().filter_map(|line| line.strip_prefix("//! "));
    let columns = lines.map(|line| line.split("  ").next().unwrap());
    columns.flat_map(|column| column.split(", ")).map(str::to_owned).collect()
}

#[test]
fn the_map_of_a_folder_names_each_of_its_files_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    folders(&root, &mut all);
    let mut maps = 0;
    let mut wrong = Vec::new();
    for folder in all {
        let short = folder.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let Ok(text) = std::fs::read_to_string(folder.join("mod.rs")) else { continue };
        let header: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .fold(String::new(), |all, line| all + line + "\n");
        let entries = entries(&folder);
        if entries.len() <= FILES_WITHOUT_A_MAP || WITHOUT_A_MAP.iter().any(|one| short.starts_with(one)) {
            continue;
        }
        let named = names(&header);
        let differing = named.symmetric_difference(&entries).map(|name| format!("src/{short}: {name}"));
        wrong.extend(differing);
        maps += 1;
    }
    assert!(wrong.is_empty(), "in the map or in the folder, and not in both: {wrong:#?}");
    assert!(maps > 10, "{maps} maps");
}

/// Such a doc comment says nothing that the name does not say.
#[test]
fn no_doc_comment_is_a_bare_pronoun() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = vec![root.clone()];
    folders(&root, &mut all);
    let files =
        all.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let texts = files
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()));
    let found: Vec<String> = texts
        .flat_map(|(path, text)| {
            let is_word = |line: &&str| {
                ["It", "Which", "Whose", "Whom", "What", "The same"]
                    .iter()
                    .any(|word| line.trim() == format!("/// {word}."))
            };
            text.lines().filter(is_word).map(|line| format!("{}: {line}", path.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
