//! Every key of kitcert.yaml: its type, its default, what it says, and an example.

/// A key of kitcert.yaml.
pub(super) struct Key {
    /// Where it stands: `daemons.NAME.hosts`.
    pub path: &'static str,
    /// Its type, with the unit.
    pub kind: &'static str,
    /// What holds without it.
    pub otherwise: Otherwise,
    /// What it says.
    pub meaning: &'static str,
    /// A value, in YAML.
    pub example: &'static str,
}

pub(super) enum Otherwise {
    /// It must be there.
    Required,
    /// The same as with that value.
    Value(&'static str),
    /// Something that no value says.
    Nothing(&'static str),
}

impl Key {
    /// Its last word.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The mapping that it is part of; empty for the whole file.
    pub(super) fn section(&self) -> &'static str {
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

pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("THE WHOLE FILE", ""),
    ("CA", "ca"),
    ("DEFAULTS", "defaults"),
    ("DAEMONS", "daemons.NAME"),
    ("WHERE A DAEMON IS INSTALLED", "daemons.NAME.install"),
    ("CLIENTS", "clients.NAME"),
    ("ACCEPTED FINDINGS", "accept[]"),
];

pub(super) const KEYS: &[Key] = &[
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
        "What the next CA is like. The current CA stays as it is.",
    ),
    key(
        "defaults",
        "mapping",
        Otherwise::Value("{}"),
        "{client_lifetime: 30d}",
        "What applies to each daemon and client that does not say otherwise, also to later ones. init writes what it \
         was given. contact, renew_before and verify_every of the whole file are defaults too.",
    ),
    key(
        "accept",
        "list of mappings",
        Otherwise::Value("[]"),
        "[{rule: loopback-host, subject: daemon/builder, found: localhost}]",
        "Findings that you have looked at and can live with. They are still shown, as information, and no longer decide \
         an exit code. If something else is found, it is reported again.",
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
        "The clients. A client whose entry is removed is reported until its certificate expires. Nothing is deleted.",
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
        "The type of the CA's key, and of each new key, unless defaults.key names another.",
    ),
    key(
        "ca.key_group",
        "group, a name or a number",
        Otherwise::Nothing("the owner of the state alone reads the keys of CAs"),
        "backup",
        "The group that may read the keys of CAs. Each member can issue certificates that every daemon accepts. The key \
         of the next CA is written with mode 0640 for this group, in a folder with mode 0750. Those of the current CA, \
         and the folders above it, stay as they are until you change them with chgrp and chmod. A key that another \
         group can read, or everybody, is refused.",
    ),
    key(
        "defaults.daemon_lifetime",
        "duration, at most half of ca.lifetime",
        Otherwise::Value("397d"),
        "180d",
        "How long a certificate of a daemon is valid.",
    ),
    key(
        "defaults.client_lifetime",
        "duration, at most half of ca.lifetime",
        Otherwise::Value("90d"),
        "30d",
        "How long a certificate of a client is valid.",
    ),
    key(
        "defaults.key",
        "ecdsa-p256, ecdsa-p384 or ed25519",
        Otherwise::Nothing("ca.key"),
        "ecdsa-p384",
        "The type of each new key of a daemon or a client.",
    ),
    key(
        "defaults.endpoint",
        "tcp://HOST:PORT",
        Otherwise::Nothing("the only daemon's endpoint"),
        "tcp://builder.example.com:8372",
        "The daemon that renewed kits of clients name that have no endpoint of their own. `issue daemon` writes the first \
         daemon's here when there is a second.",
    ),
    key(
        "daemons.NAME.hosts",
        "list of names and addresses, 1 to 100",
        Otherwise::Required,
        "[builder.example.com, 10.0.0.5]",
        "The names and addresses in the certificate. A client refuses a daemon that it dials by another name. If the \
         list changes, the next rotate issues a new certificate.",
    ),
    key(
        "daemons.NAME.endpoint",
        "tcp://HOST:PORT",
        Otherwise::Nothing("the first host that is no wildcard, on port 8372"),
        "tcp://builder.example.com:8372",
        "Where clients reach the daemon.",
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
        Otherwise::Nothing("defaults.daemon_lifetime"),
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
        "The command that restarts the daemon. It is run without a shell, in the state directory; the program is one of \
         PATH, or a path from / on. It has to end the daemon: a proxy that is only reloaded keeps open connections, of \
         whoever was revoked too.",
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
        "earthly, earthbuild, buildkit, files, files-crt, files-tlsca or files-earth",
        Otherwise::Required,
        "buildkit",
        "Which daemon it is, and so which paths it reads. With files it reads ca.pem, cert.pem and key.pem in the root \
         itself; with files-crt ca.crt, tls.crt and tls.key, with files-tlsca tlsca.crt, tls.crt and tls.key, with \
         files-earth ca_cert.pem, buildkit_cert.pem and buildkit_key.pem.",
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
        "daemons.NAME.install.key_group",
        "group, a name or a number",
        Otherwise::Nothing("the owner alone reads the key"),
        "buildkit",
        "The group that may read the installed key, for a daemon that runs as a member of it. The key is then written \
         with mode 0640. After a change here, install the daemon's files again.",
    ),
    key(
        "clients.NAME.lifetime",
        "duration, at most half of ca.lifetime",
        Otherwise::Nothing("defaults.client_lifetime"),
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
    key(
        "accept[].rule",
        "word of kitcert-rules(7)",
        Otherwise::Required,
        "loopback-host",
        "The rule of the finding. A lock-out, an open daemon, a daemon that is down, not verified or not restarted, and an \
         old copy of the state cannot be accepted.",
    ),
    key(
        "accept[].subject",
        "daemon/NAME or client/NAME",
        Otherwise::Required,
        "daemon/builder",
        "Of whom it is found.",
    ),
    key(
        "accept[].found",
        "text, as verify or status prints it",
        Otherwise::Required,
        "localhost",
        "What is found, word for word: the words behind \"found\", or the state that status shows.",
    ),
    key(
        "accept[].reason",
        "text",
        Otherwise::Nothing("no reason is shown"),
        "nobody else uses it",
        "Why it is accepted.",
    ),
    key(
        "accept[].until",
        "date or RFC 3339",
        Otherwise::Nothing("until something else is found"),
        "2027-03-01",
        "Until when it is accepted.",
    ),
];
