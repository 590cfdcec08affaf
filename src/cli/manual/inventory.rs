//! `kitcert.yaml(5)`: what a person writes, and what kitcert writes for itself beside it.

use clap_mangen::roff::{Roff, bold, italic, roman};

/// The page.
pub(super) fn page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert.yaml", "5"]).control("SH", ["NAME"]);
    page.text([roman("kitcert.yaml - the CA, the daemons and the clients that should exist")]);
    page.control("SH", ["DESCRIPTION"]);
    for (number, paragraph) in DESCRIPTION.iter().enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
    for (title, section) in SECTIONS {
        page.control("SH", [*title]);
        for key in KEYS.iter().filter(|key| key.section() == *section) {
            add(&mut page, key);
        }
    }
    page.control("SH", ["EXAMPLE"]).control("nf", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.control("SH", ["FILES"]).text([roman(FILES_INTRODUCTION)]);
    for (path, text) in FILES {
        page.control("TP", []).text([bold(*path)]).text([roman(*text)]);
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert"),
        roman("(1), "),
        bold("kitcert-rotate"),
        roman("(1), "),
        bold("kitcert-recover"),
        roman("(1), "),
        bold("kitcert-json"),
        roman("(7)"),
    ]);
    page.render()
}

fn add(page: &mut Roff, key: &Key) {
    page.control("TP", []).text([bold(key.path), roman("  "), italic(key.kind)]);
    page.text([roman(key.meaning)]);
    let default = match key.otherwise {
        Otherwise::Required => "required".to_owned(),
        Otherwise::Value(value) => format!("default: {value}"),
        Otherwise::Nothing(words) => format!("if it is left out: {words}"),
    };
    page.control("br", []).text([roman(default)]);
    page.control("br", []).text([roman("example: "), bold(format!("{}: {}", key.name(), key.example))]);
}

/// A key of kitcert.yaml.
struct Key {
    /// Where it stands: `daemons.NAME.hosts`.
    path: &'static str,
    /// Its type, with the unit.
    kind: &'static str,
    /// What holds without it.
    otherwise: Otherwise,
    /// What it says.
    meaning: &'static str,
    /// A value, in YAML.
    example: &'static str,
}

enum Otherwise {
    /// It must be there.
    Required,
    /// The same as with that value.
    Value(&'static str),
    /// Something that no value says.
    Nothing(&'static str),
}

impl Key {
    /// Its last word.
    fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The mapping that it is part of; empty for the whole file.
    fn section(&self) -> &'static str {
        let end = self.path.len() - self.name().len();
        self.path[..end].trim_end_matches('.')
    }
}

const fn key(
    path: &'static str,
    kind: &'static str,
    otherwise: Otherwise,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key { path, kind, otherwise, meaning, example }
}

const SECTIONS: &[(&str, &str)] = &[
    ("THE WHOLE FILE", ""),
    ("CA", "ca"),
    ("DAEMONS", "daemons.NAME"),
    ("WHERE A DAEMON IS INSTALLED", "daemons.NAME.install"),
    ("CLIENTS", "clients.NAME"),
];

const KEYS: &[Key] = &[
    key("version", "number", Otherwise::Required, "1", "The version of this schema: 1."),
    key(
        "contact",
        "text",
        Otherwise::Nothing("the user who makes the kit"),
        "jo@example.com",
        "Whom a developer asks. Kits name this contact.",
    ),
    key(
        "renew_before",
        "share or duration",
        Otherwise::Nothing("a third of the lifetime"),
        "25%",
        "When a certificate is renewed: when this share of its lifetime (1% to 90%) or this time is left. Up to a \
         twentieth of the lifetime is added, by the serial number. The key of a daemon or a client overrides it.",
    ),
    key(
        "verify_every",
        "duration",
        Otherwise::Value("30d"),
        "7d",
        "How long a verification of a daemon counts. Then rotate verifies the daemon again. The key of a daemon \
         overrides it.",
    ),
    key(
        "ca",
        "mapping",
        Otherwise::Value("{}"),
        "{name: Acme builders, lifetime: 10y}",
        "What the next CA is like. The present CA stays as it was made.",
    ),
    key(
        "daemons",
        "mapping by name",
        Otherwise::Value("{}"),
        "{builder: {hosts: [builder.example.com]}}",
        "The daemons. A name has up to 63 of a-z, 0-9, '.' and '-'.",
    ),
    key(
        "clients",
        "mapping by name",
        Otherwise::Value("{}"),
        "{ana: {}, ci: {lifetime: 7d}}",
        "The clients. A client whose entry is removed is reported until its certificate ends, and never deleted.",
    ),
    key(
        "ca.name",
        "text, 1 to 55 characters",
        Otherwise::Value("buildkit CA"),
        "Acme builders",
        "The first part of the common name. Eight digits of the key identifier follow it.",
    ),
    key("ca.lifetime", "duration", Otherwise::Value("3650d"), "10y", "How long the CA is valid."),
    key(
        "ca.key",
        "ecdsa-p256, ecdsa-p384 or ed25519",
        Otherwise::Value("ecdsa-p256"),
        "ecdsa-p384",
        "The type of each new key, of the CA and of certificates.",
    ),
    key(
        "daemons.NAME.hosts",
        "list of names and addresses, 1 to 100",
        Otherwise::Required,
        "[builder.example.com, 10.0.0.5]",
        "The names and addresses in the certificate. A client refuses a daemon that it dials by another. If the list \
         changes, the next rotate issues a new certificate.",
    ),
    key(
        "daemons.NAME.endpoint",
        "tcp://HOST:PORT",
        Otherwise::Nothing("the first host that is no wildcard, on port 8372"),
        "tcp://builder.example.com:8372",
        "Where the daemon is dialled.",
    ),
    key(
        "daemons.NAME.addresses",
        "list of IP addresses",
        Otherwise::Nothing("every address of the name"),
        "[192.0.2.7]",
        "The addresses of the endpoint that count for a verification.",
    ),
    key(
        "daemons.NAME.lifetime",
        "duration, at most half of ca.lifetime",
        Otherwise::Value("397d"),
        "180d",
        "How long a certificate of the daemon is valid. Each renewal takes a restart.",
    ),
    key(
        "daemons.NAME.install",
        "mapping",
        Otherwise::Nothing("it is not installed on this machine"),
        "{layout: earthly, root: /srv/builder}",
        "Where the daemon's files are installed on this machine. install daemon writes it.",
    ),
    key(
        "daemons.NAME.restart",
        "list: a program and its arguments",
        Otherwise::Nothing("rotate prints what to do and ends with exit code 6"),
        "[docker, restart, earthly-buildkitd]",
        "The command that restarts the daemon. It is run without a shell.",
    ),
    key(
        "daemons.NAME.restart_when",
        "now or idle",
        Otherwise::Value("now"),
        "idle",
        "When the daemon may be restarted: at once, or when no build is running. BuildKit tells its running builds \
         since v0.11. An older daemon of Earthly's tells its open sessions, and is waited for until there are none. \
         Any other is restarted at once, and its builds are cut. With idle, nothing holds new builds back: one that \
         begins in the moment of the restart is cut. Emergencies do not wait.",
    ),
    key(
        "daemons.NAME.restart_timeout",
        "duration",
        Otherwise::Value("60s"),
        "2m",
        "How long the restart command may run, and then how long the daemon may take until it serves. A command \
         that takes longer is killed with everything that it started. What a command leaves running when it \
         succeeds is not touched. Its standard error is a temporary file without a name, which grows for as long as \
         such a program writes to it: a program that logs much should be started with its log elsewhere.",
    ),
    key(
        "daemons.NAME.idle_limit",
        "duration",
        Otherwise::Value("30m"),
        "2h",
        "How long a restart waits for an idle daemon. Then the new files stay in place, and the exit code is 6.",
    ),
    key(
        "daemons.NAME.renew_before",
        "share or duration",
        Otherwise::Nothing("renew_before of the whole file"),
        "60d",
        "When the certificate of this daemon is renewed.",
    ),
    key(
        "daemons.NAME.verify_every",
        "duration",
        Otherwise::Nothing("verify_every of the whole file"),
        "1d",
        "How long a verification of this daemon counts.",
    ),
    key(
        "daemons.NAME.installed",
        "list of absolute paths",
        Otherwise::Nothing("no folder"),
        "[/home/ana/.earthly/certs]",
        "The folders that have the files of a daemon that a client's tool starts. A renewal replaces them too. \
         install client writes it.",
    ),
    key(
        "daemons.NAME.install.layout",
        "earthly, earthbuild or buildkit",
        Otherwise::Required,
        "buildkit",
        "Which daemon it is, and so which paths it reads.",
    ),
    key(
        "daemons.NAME.install.root",
        "absolute path",
        Otherwise::Value("/"),
        "/srv/builder",
        "The folder that is / for the daemon.",
    ),
    key(
        "daemons.NAME.install.owner",
        "USER:GROUP, names or numbers",
        Otherwise::Nothing("the user who installs the files"),
        "1000:1000",
        "Who owns the installed files.",
    ),
    key(
        "clients.NAME.lifetime",
        "duration, at most half of ca.lifetime",
        Otherwise::Value("90d"),
        "7d",
        "How long a certificate of the client is valid.",
    ),
    key(
        "clients.NAME.renew",
        "manual or auto",
        Otherwise::Value("manual"),
        "auto",
        "Who renews a client that has its key on its own machine: a person, or rotate, which puts a kit into kits/.",
    ),
    key(
        "clients.NAME.endpoint",
        "tcp://HOST:PORT",
        Otherwise::Nothing("that of the only daemon"),
        "tcp://builder.example.com:8372",
        "The daemon that the client uses. Kits name it.",
    ),
    key(
        "clients.NAME.renew_before",
        "share or duration",
        Otherwise::Nothing("renew_before of the whole file"),
        "2d",
        "When the certificate of this client is renewed.",
    ),
    key(
        "clients.NAME.installed",
        "list of absolute paths",
        Otherwise::Nothing("no folder"),
        "[/home/ana/.earthly/certs]",
        "The folders on this machine that have the client's files. A renewal replaces them too. install client \
         writes it.",
    ),
];

const DESCRIPTION: &[&str] = &[
    "kitcert.yaml is in the state directory (see --state in kitcert(1)). It says what should exist. init writes it, \
     issue and install add to it, and a person edits it; comments stay. rotate brings the certificates to what it \
     says.",
    "A duration is a number with a unit, or several: 10y, 397d, 1h30m. Units are y (365 days), w, d, h, m and s. A \
     name or text that YAML takes for something else stands in quotes.",
    "A key that is not known, a key that stands twice, and a value that does not fit are refused, with the line. If \
     the file is lost, kitcert recover writes it again.",
];

const EXAMPLE: &str = "\
version: 1
contact: jo@example.com
ca: {name: Acme builders, lifetime: 10y, key: ecdsa-p256}
daemons:
  builder:
    hosts: [builder.example.com, 10.0.0.5]
    endpoint: tcp://builder.example.com:8372
    lifetime: 397d
    install: {layout: earthly, root: /srv/builder}
    restart: [docker, restart, earthly-buildkitd]
    restart_when: idle
clients:
  ana: {lifetime: 90d}
  ci: {lifetime: 7d, renew: auto}
";

const FILES_INTRODUCTION: &str = "Only kitcert.yaml is a person's. kitcert writes the other files of the state directory for itself; nobody edits \
     them.";

const FILES: &[(&str, &str)] = &[
    ("ca/KEYID/ca.pem, ca/KEYID/key.pem", "A CA and its key."),
    (
        "ca/KEYID/ca.json",
        "Until when there may be certificates that this state does not know, and since when the CA is compromised or \
         retired.",
    ),
    (
        "rollover.json",
        "The CA rollover in progress: from which CAs, to which, and for whom it does not wait.",
    ),
    (
        "daemons/NAME/current, clients/NAME/current",
        "A link to the generation that counts: gen-0007 with ca.pem, cert.pem and key.pem.",
    ),
    ("daemons/NAME/identity.json", "Which generations have worked, and which were the cause of a failure."),
    (
        "daemons/NAME/verified.json",
        "The last verification: what was dialled, from where and when. Without it the daemon is not verified.",
    ),
    (
        "clients/NAME/identity.json",
        "Which daemons the client uses, and which certificates it is known to have.",
    ),
    ("issued/SERIAL.pem", "Every certificate until it has expired, without keys."),
    ("kits/NAME.kit", "Renewals that wait to be handed over, without keys."),
    ("log.jsonl", "What happened, when and by whom: one JSON object a line."),
];

#[cfg(test)]
mod tests;
