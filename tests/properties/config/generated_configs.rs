//! Configs of every shape that was seen, and of many that were not, mixed by what is drawn.
//!
//! A config is made of pieces, so that a test knows without reading it which bytes an edit may
//! touch: the values of the five keys in the real `global`, a null that becomes a mapping, and
//! the place within braces where keys are added. Everything else must be kept.

use crate::support::drawn::Row;

/// A part of a config.
#[derive(Clone, Debug)]
pub enum Piece {
    /// What no edit may touch.
    Kept(String),
    /// The value of one of the five keys, as it is written.
    Value(&'static str, String),
    /// A null or `{}` with the blanks before it, which becomes a mapping.
    Emptied(String),
    /// Where keys are added within braces.
    InBraces,
}

impl Piece {
    /// Its bytes in the config.
    pub fn text(&self) -> &str {
        match self {
            Piece::Kept(text) | Piece::Value(_, text) | Piece::Emptied(text) => text,
            Piece::InBraces => "",
        }
    }
}

/// The keys that an edit sets.
pub const KEYS: [&str; 7] =
    ["buildkit_host", "tls_enabled", "tlsca", "tlscert", "tlskey", "buildkitd_tlscert", "buildkitd_tlskey"];

/// A config; `is_damaged` tells whether its pieces were shaken afterwards, so that
/// they no longer tell which bytes may be touched.
pub struct GeneratedConfig {
    pub pieces: Vec<Piece>,
    pub is_damaged: bool,
}

impl GeneratedConfig {
    pub fn of(draw: Draw) -> GeneratedConfig {
        let mut writer = Writer { is_tame: false, is_unclear: false, draw, pieces: Vec::new() };
        writer.document();
        let Writer { mut draw, mut pieces, is_unclear, .. } = writer;
        if draw.chance(3) {
            pieces.insert(0, Piece::Kept("\u{feff}".to_owned()));
        }
        finish_lines(&mut draw, &mut pieces);
        let is_shaken = draw.chance(15);
        let is_damaged = is_shaken || is_unclear;
        if is_shaken {
            let text: String = pieces.iter().map(Piece::text).collect();
            pieces = vec![Piece::Kept(damaged(&mut draw, text))];
        }
        GeneratedConfig { pieces, is_damaged }
    }

    pub fn text(&self) -> String {
        self.pieces.iter().map(Piece::text).collect()
    }
}

/// Random numbers from a seed, the same ones on every machine (SplitMix64).
pub struct Draw(Row);

impl Draw {
    pub fn of(row: &[u32]) -> Draw {
        Draw(Row::new(row))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0.below(limit)
    }

    /// True in that many of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// What stands in a mapping.
#[derive(Clone, Copy)]
enum Child {
    Ours(&'static str),
    Foreign,
    Merge,
    Trivia,
}

struct Writer {
    draw: Draw,
    /// Nothing that yaml.v3 refuses.
    is_tame: bool,
    /// Which document is the first is not known.
    is_unclear: bool,
    pieces: Vec<Piece>,
}

impl Writer {
    fn kept(&mut self, text: &str) {
        if let Some(Piece::Kept(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Kept(text.to_owned()));
        }
    }

    fn any(&mut self, choices: &[&str]) {
        let chosen = self.draw.pick(choices);
        self.kept(chosen);
    }

    /// The choices, without those that yaml.v3 refuses if this is to be a file that it reads.
    fn readable(&mut self, choices: &[&'static str]) -> Vec<&'static str> {
        let is_readable = |choice: &&&'static str| !(self.is_tame && UNREADABLE.contains(*choice));
        choices.iter().filter(is_readable).copied().collect()
    }

    /// The choices in another order; if yaml.v3 is to read the file, each key once.
    fn shuffled(&mut self, choices: &[&'static str]) -> Vec<&'static str> {
        let mut shuffled = self.readable(choices);
        self.draw.shuffle(&mut shuffled);
        if self.is_tame {
            let mut seen = std::collections::BTreeSet::new();
            shuffled.retain(|lines| lines.starts_with('#') || seen.insert(lines.split(':').next()));
        }
        shuffled
    }

    fn document(&mut self) {
        self.is_tame = self.draw.chance(75);
        if self.draw.chance(4) {
            let beginnings =
                self.readable(&["%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "# c\n%YAML 1.1\n# d\n--- # e\n"]);
            self.any(&beginnings);
        } else if self.draw.chance(12) {
            let beginnings = self.readable(&[
                "---\n",
                "--- # global: {}\n",
                "\n# a\n---\n",
                "--- \n",
                "---\t\n",
                "...\n---\n",
            ]);
            self.any(&beginnings);
        }
        match self.draw.below(20) {
            0 => {
                self.is_unclear = true;
                let empty = self.readable(EMPTY);
                self.any(&empty);
            }
            1 | 2 => self.root_in_braces(),
            _ => self.root_of_lines(),
        }
        if self.draw.chance(10) {
            let text: String = self.pieces.iter().map(Piece::text).collect();
            let is_content =
                |line: &str| !line.trim_start().is_empty() && !line.trim_start().starts_with(['#', '-', '%']);
            self.is_unclear |= !text.lines().any(is_content);
            let behind = self.readable(BEHIND);
            self.any(&behind);
        }
    }

    fn root_of_lines(&mut self) {
        let margin = if self.draw.chance(3) { self.draw.pick(&["  ", " ", "    "]) } else { "" };
        let has_anchors = self.draw.chance(25);
        if has_anchors {
            let anchors = ANCHORS.replace('\n', &format!("\n{margin}"));
            self.kept(&format!("{margin}{}", anchors.trim_end_matches(' ')));
        }
        let mut sections = self.shuffled(SECTIONS);
        sections.truncate(self.draw.below(4));
        let place = self.draw.below(sections.len() + 1);
        let has_global = self.draw.chance(88);
        for (number, section) in sections.iter().enumerate() {
            if has_global && number == place {
                self.global(margin, has_anchors);
            }
            self.trivia(margin);
            let lines =
                if self.draw.chance(30) { section.replace("  ", "    ") } else { (*section).to_owned() };
            for line in lines.split_inclusive('\n') {
                self.kept(&if line == "\n" { line.to_owned() } else { format!("{margin}{line}") });
            }
        }
        if has_global && place == sections.len() {
            self.global(margin, has_anchors);
        }
        if has_anchors && self.draw.chance(2) {
            self.kept(&format!("{margin}<<: *root\n"));
        }
        self.trivia(margin);
    }

    fn global(&mut self, margin: &str, has_anchors: bool) {
        self.trivia(margin);
        self.kept(margin);
        if self.draw.chance(1) {
            self.kept("? global\n");
            self.kept(margin);
        } else {
            self.any(&[
                "global",
                "global",
                "global",
                "global",
                "global",
                "\"global\"",
                "'global'",
                "global ",
            ]);
        }
        self.kept(":");
        let form = self.draw.below(40);
        match form {
            0..=2 => {
                let emptied =
                    self.draw.pick(&[" ~", " null", " Null", " NULL", "   ~", "\t~", " {}", " { }", " {  }"]);
                self.pieces.push(Piece::Emptied(emptied.to_owned()));
                self.end_of_line();
            }
            3..=5 => {
                self.end_of_line();
                if self.draw.chance(60) {
                    let indent = self.draw.pick(&["  ", "    ", ""]);
                    self.kept(&format!("{margin}{indent}# tlsca: x\n{margin}{indent}# cache_size_mb: 5\n"));
                }
            }
            6 | 7 if has_anchors => {
                self.any(&[" *tls", " *tls # shared", " *none"]);
                self.kept("\n");
            }
            8..=11 => {
                self.kept(" ");
                self.braces(margin, has_anchors);
                self.end_of_line();
            }
            _ => {
                if self.draw.chance(2) {
                    self.any(&[" &shared", " !!map", " &g !!map", " !!map &g"]);
                }
                self.end_of_line();
                let indent = self.draw.pick(&[" ", "  ", "  ", "   ", "    ", "    ", "     ", "        "]);
                self.children(&format!("{margin}{indent}"), has_anchors);
            }
        }
    }

    /// Ours, others and trivia, in any order.
    fn mixed(&mut self, has_anchors: bool) -> Vec<Child> {
        let mut children: Vec<Child> = Vec::new();
        for key in KEYS {
            if self.draw.chance(45) {
                children.push(Child::Ours(key));
            }
        }
        children.extend((0..self.draw.below(4)).map(|_| Child::Foreign));
        if has_anchors && self.draw.chance(35) {
            children.push(Child::Merge);
        }
        if children.is_empty() {
            children.push(Child::Foreign);
        }
        children.extend((0..self.draw.below(3)).map(|_| Child::Trivia));
        self.draw.shuffle(&mut children);
        children
    }

    fn children(&mut self, indent: &str, has_anchors: bool) {
        let mut foreign = self.shuffled(FOREIGN);
        for child in self.mixed(has_anchors) {
            match child {
                Child::Trivia => self.trivia(indent),
                Child::Merge => {
                    self.kept(indent);
                    self.any(&[
                        "<<: *tls\n",
                        "<<: *off\n",
                        "<<: [*tls, *more] # both\n",
                        "\"<<\": *tls\n",
                        "<<: {cache_size_mb: 4}\n",
                    ]);
                }
                Child::Foreign => {
                    let lines = foreign.pop().unwrap_or("zz: 1\n");
                    for line in lines.split_inclusive('\n') {
                        self.kept(&if line == "\n" { line.to_owned() } else { format!("{indent}{line}") });
                    }
                }
                Child::Ours(key) => self.line_of_ours(indent, key, has_anchors),
            }
        }
    }

    fn line_of_ours(&mut self, indent: &str, key: &'static str, has_anchors: bool) {
        self.kept(indent);
        match self.draw.below(60) {
            0..=2 => self.kept(&format!("\"{key}\"")),
            3..=5 => self.kept(&format!("'{key}'")),
            6 => self.kept(&format!("{key} ")),
            7 if self.draw.chance(30) => self.kept(&format!("!!str {key}")),
            8 if self.draw.chance(30) => self.kept(&format!("? {key}\n{indent}")),
            9 if self.draw.chance(30) => self.kept(&format!("\"\\x{:02x}{}\"", key.as_bytes()[0], &key[1..])),
            _ => self.kept(key),
        }
        self.kept(":");
        let value = self.value_of_ours(indent, key, has_anchors);
        if !value.is_empty() {
            self.any(&[" ", " ", " ", " ", " ", " ", "  ", "\t", "    "]);
        }
        let is_block = value.starts_with(['|', '>']);
        let behind_property = match value.starts_with(['!', '&']) {
            true => value.find(' ').map_or(value.len(), |blank| blank + 1),
            false => 0,
        };
        self.kept(&value[..behind_property]);
        let value = value[behind_property..].to_owned();
        self.pieces.push(Piece::Value(key, value));
        if is_block { self.kept("\n") } else { self.end_of_line() }
    }

    fn value_of_ours(&mut self, indent: &str, key: &str, has_anchors: bool) -> String {
        if key == "tls_enabled" && self.draw.chance(96) {
            let switches = self.readable(SWITCHES);
            return self.draw.pick(&switches).to_owned();
        }
        let chosen = match self.draw.below(50) {
            0 if has_anchors => self.draw.pick(&["*path", "*path", "*none"]),
            1 => self.draw.pick(&["&own a.pem", "&own 'b c.pem'"]),
            2 => self.draw.pick(&[
                "!!str a.pem",
                "!!str 'x'",
                "! a.pem",
                "!local a.pem",
                "!!str",
                "!!binary YS5wZW0=",
            ]),
            3 => self.draw.pick(&["|\nI  a.pem", ">-\nI  a\nI  b.pem", "|-\n\nI a.pem\n", "|2\nI  a.pem"]),
            4 => self.draw.pick(&[
                "a\nI  b.pem",
                "'a\nI  b.pem'",
                "\"a\\\nI  b.pem\"",
                "\nI  a.pem",
                "\nI  'a.pem'",
                "'a\n\nb'",
                "# x\nI  a.pem",
            ]),
            5 if !self.is_tame => self.draw.pick(&[
                "[a]",
                "{a: b}",
                "[]",
                "{}",
                "@x",
                "`x`",
                "%x",
                "{{ host }}",
                "${HOST}",
                "a: b",
                "'a' b",
                "\"a",
            ]),
            _ => {
                let paths = self.readable(PATHS);
                self.draw.pick(&paths)
            }
        };
        chosen.replace('I', indent)
    }

    fn root_in_braces(&mut self) {
        let is_spread = self.draw.chance(50);
        let gap = |draw: &mut Draw| {
            if is_spread { draw.pick(&["\n  ", "\n    ", " # c, }\n  ", " "]) } else { draw.pick(&["", " "]) }
        };
        self.kept("{");
        let mut entries: Vec<usize> =
            (0..self.draw.below(3)).map(|_| self.draw.below(IN_ROOT_BRACES.len())).collect();
        entries.dedup();
        let has_global = self.draw.chance(80);
        if has_global {
            entries.insert(self.draw.below(entries.len() + 1), usize::MAX);
        }
        if entries.is_empty() {
            self.pieces.push(Piece::InBraces);
        }
        for (number, entry) in entries.iter().enumerate() {
            let space = gap(&mut self.draw);
            self.kept(space);
            if *entry == usize::MAX {
                self.any(&["global:", "\"global\":", "'global':", "global :"]);
                if self.draw.chance(20) {
                    let emptied = self.draw.pick(&["", " ~", " null", " {}", " { }"]);
                    self.pieces.push(Piece::Emptied(emptied.to_owned()));
                } else {
                    self.kept(" ");
                    self.braces("  ", false);
                }
            } else {
                self.kept(IN_ROOT_BRACES[*entry]);
            }
            if number + 1 < entries.len() {
                self.any(&[",", ", ", " ,"]);
            } else {
                self.pieces.push(Piece::InBraces);
                self.any(&["", "", "", ",", " , "]);
            }
        }
        let space = if is_spread { "\n" } else { "" };
        self.kept(space);
        self.kept("}");
        self.end_of_line();
    }

    fn braces(&mut self, indent: &str, has_anchors: bool) {
        let is_spread = self.draw.chance(35);
        let children = self.mixed(has_anchors);
        let children: Vec<Child> =
            children.into_iter().filter(|child| !matches!(child, Child::Trivia)).collect();
        let mut foreign = self.shuffled(IN_BRACES);
        self.kept("{");
        for (number, child) in children.iter().enumerate() {
            if is_spread {
                self.any(&["\n", " # c\n", " # tlsca: {x},\n"]);
                self.kept(indent);
                self.kept("  ");
            } else {
                self.any(&["", " "]);
            }
            match child {
                Child::Ours(key) => {
                    let form = self.draw.below(10);
                    match form {
                        0 => self.kept(&format!("\"{key}\":")),
                        1 => self.kept(&format!("'{key}':")),
                        2 if *key == "tlsca" => self.kept("\"tlsca\":"),
                        _ => self.kept(&format!("{key}:")),
                    }
                    let values = if *key == "tls_enabled" { SWITCHES } else { PATHS_IN_BRACES };
                    let values = self.readable(values);
                    let value = self.draw.pick(&values);
                    if !value.is_empty() && form != 0 {
                        self.kept(" ");
                    }
                    self.pieces.push(Piece::Value(key, value.to_owned()));
                }
                Child::Merge => self.kept("<<: *tls"),
                _ => {
                    let entry = foreign.pop().unwrap_or("zz: 1");
                    self.kept(entry);
                }
            }
            if number + 1 < children.len() {
                self.any(&[",", ",", ", ", " ,"]);
            }
        }
        self.pieces.push(Piece::InBraces);
        if is_spread {
            self.any(&["\n", ",\n", " # end\n", ", # end }\n"]);
            self.kept(indent);
        } else {
            self.any(&["", " ", ",", " , "]);
        }
        self.kept("}");
    }

    fn end_of_line(&mut self) {
        let end = self.draw.below(20);
        match end {
            0 => self.kept("  \n"),
            1 => self.kept("\t\n"),
            2..=4 => self.any(TRAILING),
            _ => self.kept("\n"),
        }
    }

    fn trivia(&mut self, indent: &str) {
        let trivia = self.draw.below(12);
        match trivia {
            0 => self.kept("\n"),
            1 => self.kept("   \n"),
            2 => self.kept("# global:\n"),
            3 => self.kept(&format!("{indent}# tlsca: old.pem\n")),
            4 => self.kept("            # ключ: ä \u{a0} \u{1f511}\n\n"),
            5 => self.any(&["#\n", "\t\n", "#\ttlskey: x\n", "# {\n", "# 'unclosed \"quote\n"]),
            _ => {}
        }
    }
}

/// Line ends of one kind or mixed, and sometimes none at the end.
fn finish_lines(draw: &mut Draw, pieces: &mut [Piece]) {
    let windows = match draw.below(20) {
        0..=3 => 100,
        4 => 50,
        _ => 0,
    };
    if windows > 0 {
        for piece in pieces.iter_mut() {
            if let Piece::Kept(text) | Piece::Value(_, text) | Piece::Emptied(text) = piece {
                let lines = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
                    Some(line) if draw.chance(windows) => format!("{line}\r\n"),
                    _ => line.to_owned(),
                });
                *text = lines.collect();
            }
        }
    }
    if draw.chance(12)
        && let Some(Piece::Kept(text)) = pieces.last_mut()
    {
        let bare = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(bare);
    }
}

/// A few bytes or lines removed, doubled, moved or put in.
fn damaged(draw: &mut Draw, mut text: String) -> String {
    for _ in 0..=draw.below(3) {
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        if lines.is_empty() {
            return draw.pick(ODD).to_owned();
        }
        let line = draw.below(lines.len());
        match draw.below(8) {
            0 => drop(lines.remove(line)),
            1 => lines.insert(line, lines[line].clone()),
            2 => {
                let other = draw.below(lines.len());
                lines.swap(line, other);
            }
            3 => lines[line].insert_str(0, draw.pick(&[" ", "  ", "\t", "- ", "    "])),
            4 => lines[line] = lines[line].trim_start().to_owned(),
            5 => {
                let places: Vec<usize> = lines[line].char_indices().map(|(at, _)| at).collect();
                let at = places[draw.below(places.len())];
                lines[line].remove(at);
            }
            _ => {
                let places: Vec<usize> = lines[line].char_indices().map(|(at, _)| at).collect();
                lines[line].insert_str(places[draw.below(places.len())], draw.pick(ODD));
            }
        }
        text = lines.concat();
    }
    text
}

const ODD: &[&str] = &[
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ": ",
    "#",
    " #",
    "&a ",
    "*a",
    "!",
    "!!str ",
    "|",
    ">",
    "-",
    "- ",
    "?",
    "? ",
    "\t",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\u{a0}",
    "\u{feff}",
    "\0",
    "\u{7f}",
    "@",
    "%",
    "`",
    "~",
    "\\",
    "---\n",
    "...\n",
    "\n",
    "\n\n",
    "<<: *tls\n",
    "é",
    "\u{1f511}",
    "global:",
    "tlsca: x",
];

const EMPTY: &[&str] = &[
    "",
    "\n",
    "\n\n\n",
    "# only a comment\n",
    "  # indented\n\n# global:\n",
    "~\n",
    "null\n",
    "{}\n",
    "{ } # none\n",
    "   \n",
    "[]\n",
    "[a, b]\n",
    "- a\n- b\n",
    "word\n",
    "'quoted'\n",
    "12\n",
    "!!null\n",
    "&a\n",
    "!!map {}\n",
    "!!null ''\n",
];

const BEHIND: &[&str] = &[
    "...\n",
    "---\n",
    "---\nglobal:\n  tlsca: other\n",
    "...\n# end\n",
    "--- {global: {tlsca: x}}\n",
    "---\n\tbroken: [\n",
    "... # c\n---\nglobal: ~\n",
    "---\n---\n",
    "...\nglobal:\n  tlsca: behind\n",
    "--- |\n  global:\n",
    "---\n%x\n",
];

const ANCHORS: &str = "x-tls: &tls\n  tlsca: shared.pem\n  tls_enabled: true\nx-off: &off {tls_enabled: no}\nx-more: &more\n  tlskey: k.pem\n  cache_size_mb: 9\nx-path: &path /shared/path.pem\nx-root: &root\n  git: {}\n  global: {cache_size_mb: 11, tlsca: r.pem}\n";

const TRAILING: &[&str] = &[
    " # rotated 2024-01\n",
    "   # tlsca: x\n",
    "\t# tab\n",
    " #\n",
    " # it's \"quoted\" {x\n",
    " # ключ\u{a0}\n",
    " # a # b  \n",
];

const SWITCHES: &[&str] = &[
    "true",
    "true",
    "true",
    "True",
    "TRUE",
    "yes",
    "Yes",
    "y",
    "Y",
    "on",
    "ON",
    "false",
    "False",
    "no",
    "off",
    "N",
    "n",
    "",
    "~",
    "null",
    "'yes'",
    "\"on\"",
    "'no'",
    "\"true\"",
    "'false'",
    "1",
    "0",
    "!!bool true",
    "!!bool yes",
    "!!bool \"true\"",
    "!!str true",
    "maybe",
    "tRue",
    "&e true",
    "''",
    "yEs",
];

const PATHS: &[&str] = &[
    "certs/a.pem",
    "./certs/ca.pem",
    "./certs/cert.pem",
    "'./certs/key.pem'",
    "\"./certs/ca.pem\"",
    "/abs/b.pem",
    "~/c.pem",
    "$HOME/d.pem",
    "'single'",
    "'it''s'",
    "\"double\"",
    "\"esc\\\\aped\\t\\x41\\u00e4\"",
    "\"a # b\"",
    "'a # b'",
    "a#b",
    "a:b",
    "''",
    "\"\"",
    "",
    "",
    "~",
    "null",
    "C:\\x\\y.pem",
    "'C:\\x'",
    "a b c",
    "12",
    "0x1F",
    "1e3",
    "1_000",
    "12.50",
    "true",
    "yes",
    "2024-01-01",
    ".inf",
    ".NaN",
    "äö.pem",
    "a\u{a0}b",
    "-x",
    "- ",
    "?x",
    "a, b",
    "a]",
    "a}",
    "a{b",
    "x\\",
    "tcp://old:8372",
    "docker-container://earthly-buildkitd",
    "tcp://builder.example.com:8372",
    "<<",
    "=",
    "0o17",
    "-0",
    "+12",
    "NULL",
    "\u{1f511}",
];

const PATHS_IN_BRACES: &[&str] = &[
    "a.pem",
    "./certs/ca.pem",
    "'b, c}.pem'",
    "\"d]{.pem\"",
    "''",
    "~",
    "null",
    "'it''s'",
    "\"q\\\"q\"",
    "a b",
    "/x/y",
    "\"tcp://h:8372\"",
    "'tcp://h:8372'",
    "tcp://h:8372",
    "12",
    "true",
    "\"e # f\"",
    "a#b",
    "a'b",
    "a\"b",
    "",
];

const IN_BRACES: &[&str] = &[
    "cache_size_mb: 5",
    "buildkit_additional_args: [a, \"b, c\", 'd]']",
    "zz: {tlsca: x, global: {}}",
    "\"yy\":'v'",
    "buildkit_image: 'a:b'",
    "xx: a#b",
    "ww: \"}\"",
    "vv",
    "uu: [",
    "tt: ]",
    "ss: it's",
    "rr: [[], {}]",
    "qq: # c\n      1",
    "git_image: \"a\\\"b\"",
    "cni_mtu: 1500",
];

const IN_ROOT_BRACES: &[&str] = &[
    "git: {}",
    "git: {github.com: {auth: https, user: u}}",
    "x: [1, {global: 2}]",
    "\"y\": 'global: {}'",
    "z",
    "git: {global: {url_instead_of: a, pattern: b}}",
];

/// Sections besides `global`; two blanks are one level.
const SECTIONS: &[&str] = &[
    "git:\n  global:\n    url_instead_of: git@example.com:=https://localhost/\n  github.com:\n    auth: https\n    user: ana\n    password: hunter2 # secret\n",
    "git: {}\n",
    "git:\n",
    "git:\n  global:\n    tlsca: not-ours\n    buildkit_host: no\n  \"gitlab.com\":\n    strict_host_key_checking: no\n    port: 22\n",
    "git:\n  h:\n    port: 2_2\n    strict_host_key_checking: 'off'\n    serverkey: |\n      ssh-rsa AAAA\n      global:\n    suffix: .git\n",
    "git:\n  h:\n    port: abc\n",
    "git:\n  h: ~\n  i:\n    port: 22.0\n    prefix: 12\n    strict_host_key_checking: ~\n",
    "git:\n- a\n",
    "git: word\n",
    "git:\n  1: {auth: ssh}\n  true: {auth: ssh}\n  ~: {auth: ssh}\n",
    "satellite:\n  name: s\n  org: o\n",
    "Global:\n  tlsca: capital\n",
    "GLOBAL: {tls_enabled: false}\n",
    "globals:\n  tlsca: plural\n",
    "tlsca: misplaced.pem\nbuildkit_host: tcp://misplaced:1\n",
    "x-list:\n- global:\n    tlsca: x\n- tlskey: y\n",
    "x-list:\n  - global: 1\n  -\n    tlsca: x\n  - - a\n    - b\n",
    "x-text: |\n  global:\n    tlsca: x\n\n  # not a comment\n",
    "x-text: |+\n  global:\n\n\n",
    "x-text: >-\n  folded\n    global:\n  text\n",
    "x-text: |1\n   deeper\n  global: x\n",
    "x-text: |-2 # c\n    two\n  global:\n",
    "x-plain: one\n  two\n  three # c\n",
    "x-quoted: 'one\n  two\n\n  tlsca: x'\n",
    "x-quoted: \"one\\\n  global: \\\n  two\"\n",
    "x-far: 'one\nglobal:\n  tlsca: x'\n",
    "x-far: \"one\ntlsca: x\"\n",
    "x-far-list: [a,\nglobal, b]\n",
    "x-far-map: {a: b,\nglobal: {tlsca: x}\n}\n",
    "? complex\n: value\n",
    "? [a, b]\n: value\n",
    "{{ template }}: x\n",
    "x-template: {{ value }}\n",
    "\"x\\u0041\": 1\n",
    "x y: 1\nx-12: 12\n12: x\n~: y\n",
    "x-nbsp:\u{a0}1\n",
    "&k x-key: v\n!!str x-tag: w\n",
    "x-tab:\t1\nx-tabs:\n  a:\t\tb\n",
    "x-map:\n  a:\n    b:\n      global:\n        tlsca: deep\n",
    "x-url: http://a/b#c\nx-colon: 'a: b'\n",
    "x-empty-key:\n  '': 1\n",
    "x-dup: 1\nx-dup: 2\n",
    "'x-q''uote': 1\n",
    "-x: 1\n?y: 2\n:z: 3\n",
    "x-long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\n",
    "x-date: 2024-01-01\nx-nan: .nan\nx-bin: !!binary aGVsbG8=\nx-set: !!set {a, b}\n",
    "x-marks: a\n  --- b\n  ... c\n",
];

/// Keys of `global` besides ours.
const FOREIGN: &[&str] = &[
    "cache_size_mb: 5\n",
    "cache_size_mb: 1_000\n",
    "cache_size_mb: 010\n",
    "cache_size_mb: 0x1F\n",
    "cache_size_pct: 5.5\n",
    "cache_size_pct: 5.0\n",
    "cache_size_pct: 1e2\n",
    "cache_size_mb: \"5\"\n",
    "cache_size_mb: many\n",
    "cache_size_mb: 99999999999999999999\n",
    "cache_size_mb: .inf\n",
    "cache_size_mb: !!int \"5\"\n",
    "cache_size_mb: 0b11\n",
    "cache_size_mb: 0o17\n",
    "cache_size_mb: -5\n",
    "cache_size_mb: 1_000_\n",
    "cache_size_mb: +7\n",
    "conversion_parallelism: ~\n",
    "conversion_parallelism: true\n",
    "cni_mtu: 1500\n",
    "cni_mtu: 70000\n",
    "cni_mtu: -1\n",
    "cni_mtu: 1500.7\n",
    "darwin_proxy_wait: 10s\n",
    "darwin_proxy_wait: '1h5m'\n",
    "darwin_proxy_wait: 10\n",
    "darwin_proxy_wait: soon\n",
    "darwin_proxy_wait: ~\n",
    "darwin_proxy_wait: 0\n",
    "buildkit_additional_args: ['-v', \"a: b\", c]\n",
    "buildkit_additional_args:\n- a\n- b # c\n",
    "buildkit_additional_args:\n  - tlsca: x\n",
    "buildkit_additional_args:\n  - a\n\n  - 'b'\n  # c\n",
    "buildkit_additional_args: [a,\n  b, # c\n  c]\n",
    "buildkit_additional_args: word\n",
    "buildkit_additional_args: [~, 1, true]\n",
    "buildkit_additional_args: !!seq [a]\n",
    "buildkit_additional_args:\n",
    "buildkit_additional_config: |\n  [registry.\"x\"]\n    ca=[\"tlsca: x\"]\n  tlscert: x\n\n  global:\n",
    "buildkit_additional_config: |-\n    deep\n  # not deep\n",
    "buildkit_additional_config: |+\n  keep\n\n\n",
    "buildkit_additional_config: >\n  folded\n\n  tlskey: y\n",
    "buildkit_additional_config: |2\n    tlsca: two\n",
    "buildkit_additional_config: 'first\n\n  tlsca: x'\n",
    "buildkit_additional_config: \"first\\n\\\n  tlsca: x\"\n",
    "buildkit_additional_config: first\n  second: third\n",
    "buildkit_additional_config: first\n  second # c\n",
    "buildkit_additional_config: [a]\n",
    "buildkit_image: earthly/buildkitd:v0.8\n",
    "buildkit_image: ''\n",
    "buildkit_image: {a: b}\n",
    "tlsca_key: certs/key.pem # ca\n",
    "tls_ca: misspelt\n",
    "TLSCA: capital\n",
    "\u{a0}tlsca: nbsp\n",
    "disable_analytics: true\ndebugger_port: 8373\n",
    "org: o\ncache_path: /x\n",
    "x:\n  tlsca: nested\n  tlskey: |\n    y\n",
    "x-deep: {tlsca: a, b: [c, {tlskey: d}]}\n",
    "# tlskey: commented\n",
    "secret_provider: \"a \\\"b\\\" # c\"\n",
    "container_frontend: auto   # or podman\n",
    "ip_tables: *path\n",
    "local_registry_host: &reg tcp://127.0.0.1:8371\n",
    "git_image: 12\n",
    "darwin_proxy_image: 1_0\n",
    "buildkit_transport: tcp\n",
    "dup: 1\ndup: 2\n",
    "? complex\n: value\n",
    "'quoted key': 1\n",
    "\"a\\x42\": 1\n",
    "key with blanks: 1\n",
    "url: http://x:1/#y\n",
    "far: 'a\nb'\n",
];

/// What yaml.v3 refuses, of all that is chosen from.
const UNREADABLE: &[&str] = &[
    "%YAML 1.2\n---\n",
    "...\n---\n",
    "[]\n",
    "[a, b]\n",
    "- a\n- b\n",
    "word\n",
    "'quoted'\n",
    "12\n",
    "---\n\tbroken: [\n",
    "---\n%x\n",
    "\"true\"",
    "'false'",
    "1",
    "0",
    "maybe",
    "tRue",
    "yEs",
    "''",
    "!!str true",
    "- ",
    "?x",
    "[a]",
    "git:\n  h:\n    port: abc\n",
    "git:\n- a\n",
    "git: word\n",
    "{{ template }}: x\n",
    "x-template: {{ value }}\n",
    "x-dup: 1\nx-dup: 2\n",
    "? [a, b]\n: value\n",
    "dup: 1\ndup: 2\n",
    "cache_size_mb: \"5\"\n",
    "cache_size_mb: many\n",
    "cache_size_mb: 99999999999999999999\n",
    "cache_size_mb: .inf\n",
    "conversion_parallelism: true\n",
    "cni_mtu: 70000\n",
    "cni_mtu: -1\n",
    "darwin_proxy_wait: 10\n",
    "darwin_proxy_wait: soon\n",
    "darwin_proxy_wait: 0\n",
    "buildkit_additional_args:\n  - tlsca: x\n",
    "buildkit_additional_args: word\n",
    "buildkit_additional_config: [a]\n",
    "buildkit_image: {a: b}\n",
    "ip_tables: *path\n",
    "uu: [",
    "tt: ]",
];
