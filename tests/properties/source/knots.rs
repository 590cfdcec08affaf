//! No knots: neither files nor the entries of a folder use each other in a circle, and no file uses
//! what a `mod.rs` above it defines. Read from the imports and paths of the source, re-exports
//! resolved. A circle through methods cannot be seen here.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::house::{Source, sources};

/// From whom to whom: the names of files, or of the entries of a folder.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The sources, and what each module passes on.
struct House {
    sources: Vec<Source>,
    /// By the path of a module, the place of its source.
    modules: BTreeMap<Vec<String>, usize>,
    /// By the path of a module, for each name that it passes on, the path behind it.
    passed_on: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl House {
    fn read() -> House {
        let sources = sources();
        let modules = sources.iter().enumerate().map(|(place, source)| (source.path.clone(), place));
        let modules: BTreeMap<_, _> = modules.collect();
        let mut passed_on = BTreeMap::new();
        for source in &sources {
            let mut names = BTreeMap::new();
            for (line, path) in imports(&source.text) {
                if let (true, Some(name)) = (line.starts_with("pub"), path.last()) {
                    names.insert(name.clone(), absolute(&source.path, &path));
                }
            }
            passed_on.insert(source.path.clone(), names);
        }
        House { sources, modules, passed_on }
    }

    /// The source that defines what that path leads to; None outside of the house.
    fn defines(&self, path: &[String]) -> Option<usize> {
        // The macro that puts messages together is the model's, wherever the compiler shows it.
        if path.first().is_some_and(|first| first == "message") {
            return self.modules.get(["model".to_owned(), "message".to_owned()].as_slice()).copied();
        }
        let length = (1..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        match rest.first().and_then(|name| self.passed_on.get(module)?.get(name)) {
            Some(behind) if behind != path => self.defines(&[behind.as_slice(), &rest[1..]].concat()),
            _ => self.modules.get(module).copied(),
        }
    }

    /// What each source uses of the others.
    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for source in &self.sources {
            let imports = imports(&source.text).into_iter().filter(|(line, _)| !line.starts_with("pub"));
            let paths = imports.map(|(_, path)| path).chain(inline(&source.text));
            for path in paths {
                let Some(used) = self.defines(&absolute(&source.path, &path)) else { continue };
                if self.sources[used].name != source.name {
                    let used = self.sources[used].name.clone();
                    arrows.entry(source.name.clone()).or_default().insert(used);
                }
            }
        }
        arrows
    }
}

/// Every path that is imported, and the beginning of its statement.
fn imports(text: &str) -> Vec<(&str, Vec<String>)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("use ") {
        let line = text[..start].rsplit('\n').next().unwrap();
        let is_statement = line.trim().is_empty() || line.trim_start().starts_with("pub");
        let Some(end) = text[start..].find(';').filter(|_| is_statement) else { continue };
        let tree: String = text[start + 4..start + end].split_whitespace().collect::<Vec<_>>().join(" ");
        let line = text[start - line.len()..].trim_start();
        found.extend(leaves(&tree).into_iter().map(|path| (line, path)));
    }
    found
}

/// The paths of one tree of imports. What is renamed keeps its own name, and `self` its folder's.
fn leaves(tree: &str) -> Vec<Vec<String>> {
    let Some((before, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        let path = path.split("::").filter(|part| !part.is_empty()).map(|part| part.trim().to_owned());
        return vec![path.collect()];
    };
    let inner = inner.rsplit_once('}').unwrap().0;
    let before: Vec<String> = before
        .split("::")
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.trim().to_owned())
        .collect();
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for one in inner.chars() {
        match one {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(one);
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    let paths = parts.flat_map(leaves).map(|path| match path.as_slice() {
        [only] if only == "self" => before.clone(),
        _ => [before.as_slice(), &path].concat(),
    });
    paths.collect()
}

/// The paths that stand in the code itself, from the root or from a neighbor.
fn inline(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for beginning in ["crate::", "super::", "self::"] {
        for (start, _) in text.match_indices(beginning) {
            let before = &text[..start];
            let goes_on = before.ends_with([':', '_']) || before.ends_with(char::is_alphanumeric);
            let is_part = |one: char| one.is_alphanumeric() || one == '_' || one == ':';
            let path: String = text[start..].chars().take_while(|one| is_part(*one)).collect();
            // The stem of a tree of imports, and whom something is shown to.
            let is_stem = path.ends_with("::");
            if goes_on || is_stem || before.ends_with("pub(in ") {
                continue;
            }
            found.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        }
    }
    found
}

/// A path as from the root of the house; a neighbor that is named by itself is a module's child.
fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    let mut here = module.to_vec();
    let mut parts = path.iter().peekable();
    match parts.peek().map(|part| part.as_str()) {
        Some("crate") => {
            parts.next();
            here.clear();
        }
        Some("self") => {
            parts.next();
        }
        Some("super") => {
            while parts.next_if(|part| *part == "super").is_some() {
                here.pop();
            }
        }
        // Another crate, or a child by its own name.
        _ => {}
    }
    here.extend(parts.cloned());
    here
}

/// Those that lie in a circle, each circle once.
fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&String> = arrows.get(from).into_iter().flatten().collect();
        while let Some(next) = left.pop() {
            if reached.insert(next.clone()) {
                left.extend(arrows.get(next).into_iter().flatten());
            }
        }
        reached
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = arrows.keys().map(|one| (one, reached(one))).collect();
    let mut found = BTreeSet::new();
    for (one, reached) in &reach {
        if reached.contains(*one) {
            let back = |other: &&String| reach.get(other).is_some_and(|reached| reached.contains(*one));
            found.insert(reached.iter().filter(back).cloned().collect::<Vec<_>>());
        }
    }
    found.into_iter().collect()
}

/// The arrows between the entries of each folder.
fn between_entries(arrows: &Arrows) -> BTreeMap<String, Arrows> {
    let mut folders: BTreeMap<String, Arrows> = BTreeMap::new();
    for (from, to) in arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
        let common = ours.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        let (Some(one), Some(other)) = (ours.get(common), theirs.get(common)) else { continue };
        // A face or a top is no entry beside its folder's others: the first test looks at it.
        if *one == "mod.rs" || *other == "mod.rs" {
            continue;
        }
        let name = |entry: &str| entry.trim_end_matches(".rs").to_owned();
        let folder = folders.entry(ours[..common].join("/")).or_default();
        if name(one) != name(other) {
            folder.entry(name(one)).or_default().insert(name(other));
        }
    }
    folders
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let found: Vec<String> = circles(&House::read().arrows()).iter().map(|one| one.join(" ")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_entries_of_a_folder_use_each_other_in_a_circle() {
    let folders = between_entries(&House::read().arrows());
    let found = folders.iter().flat_map(|(folder, arrows)| {
        circles(arrows).into_iter().map(move |circle| format!("{folder}: {}", circle.join(" ")))
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_uses_what_a_folder_above_it_defines() {
    let mut found = Vec::new();
    for (from, all) in House::read().arrows() {
        let above = |to: &&String| to.strip_suffix("mod.rs").is_some_and(|folder| from.starts_with(folder));
        found.extend(all.iter().filter(above).map(|to| format!("{from} uses {to}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}
