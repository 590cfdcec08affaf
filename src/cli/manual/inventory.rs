//! `kitcert.yaml(5)`: what a person writes. What kitcert writes beside it is in kitcert-files(5).

use clap_mangen::roff::{Roff, bold, italic, roman};

use self::keys::{KEYS, Key, Otherwise, SECTIONS};

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
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert"),
        roman("(1), "),
        bold("kitcert-rotate"),
        roman("(1), "),
        bold("kitcert-recover"),
        roman("(1), "),
        bold("kitcert-files"),
        roman("(5), "),
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

const DESCRIPTION: &[&str] = &[
    "kitcert.yaml is in the state directory (see --state in kitcert(1)). It says what should exist. init writes it, \
     issue and install add to it, and you edit it. Comments survive. rotate changes the certificates to match.",
    "A duration is a number with a unit, or several: 10y, 397d, 1h30m. Units are y (365 days), w, d, h, m and s. Put \
     a name or text that YAML takes for something else into quotes.",
    "An unknown key, a duplicate key and a wrong value are refused, with the line number. If the file is lost, \
     kitcert recover writes it again.",
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

mod keys;
#[cfg(test)]
mod tests;
