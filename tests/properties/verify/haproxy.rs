//! A stock haproxy in front of a daemon: configurations in which somebody without a certificate
//! reaches it, and their sound counterparts.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::numbers::some_of;
use crate::support::scenario::{authority, issued};
use crate::support::servers::{Files, Server};
use crate::support::verdict_subject::{OTHER_NAME, Subject, Tally};

const NO_CERTIFICATE: &[&str] = &["no-certificate-accepted"];
const UNKNOWN_CA: &[&str] = &["unknown-ca-accepted"];
/// Of a server that is open and answers some connections only.
const OPEN_OR_UNJUDGED: &[&str] = &["no-certificate-accepted", "asks-nobody", "inconclusive"];

/// A haproxy, and the daemon behind it that trusts it.
struct Front {
    haproxy: Server,
    _daemon: Server,
}

/// What is written after `bind fd@0 ssl`, what the frontend has besides, and its list of certificates.
struct Configuration {
    bind: &'static str,
    rules: &'static str,
    certificates: &'static [&'static str],
}

/// In all of them, `PAIR` is the daemon's certificate and key, `OTHER` another server's, `CA` the
/// daemon's ca.pem, `OTHER_CA` another, and `LIST` the list of certificates.
const fn configuration(bind: &'static str, rules: &'static str) -> Configuration {
    Configuration { bind, rules, certificates: &[] }
}

/// The same, where each name has a certificate and a policy of its own.
const fn listed(certificates: &'static [&'static str]) -> Configuration {
    Configuration { bind: "crt-list LIST alpn h2", rules: "", certificates }
}

/// Another name, where everybody is told that status at the moment.
fn elsewhere(status: &str) -> Configuration {
    let rules = format!(" http-request return status {status} unless {{ ssl_fc_sni localhost }}");
    Configuration {
        bind: "crt-list LIST alpn h2",
        rules: rules.leak(),
        certificates: &["OTHER [verify none] website.example", "PAIR [verify required ca-file CA] localhost"],
    }
}

impl Front {
    fn start(files: &Files, configuration: &Configuration, test: &str) -> Option<Front> {
        let daemon = Server::go(files, &["--plaintext"], test)?;
        let folder = tempfile::tempdir().unwrap();
        let filled = |template: &str| filled(template, files, folder.path());
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let pair = format!("{}{}", read(&files.cert), read(&files.key));
        std::fs::write(folder.path().join("pair.pem"), pair).unwrap();
        write_other(&folder);
        std::fs::write(folder.path().join("list"), filled(&configuration.certificates.join("\n")) + "\n")
            .unwrap();
        let (mode, protocol, website) = match configuration.rules {
            TCP => ("tcp", "", ""),
            _ => ("http", " proto h2", "backend website\n http-request return status 200\n"),
        };
        let text = format!(
            "defaults\n mode {mode}\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
             backend buildkit\n server daemon 127.0.0.1:{}{protocol}\n{website}\
             frontend builder\n default_backend buildkit\n bind fd@0 ssl {}\n{}\n",
            daemon.port,
            filled(configuration.bind),
            filled(configuration.rules),
        );
        Some(Front { haproxy: Server::haproxy(folder, &text, test)?, _daemon: daemon })
    }
}

fn filled(template: &str, files: &Files, folder: &Path) -> String {
    let paths = [
        ("OTHER_CA", folder.join("other-ca.pem")),
        ("PAIR", folder.join("pair.pem")),
        ("OTHER", folder.join("other.pem")),
        ("LIST", folder.join("list")),
        ("CA", files.ca.clone()),
    ];
    let line = |line: &str| {
        let parts = line.split(' ').map(|part| replaced(part, &paths));
        parts.collect::<Vec<_>>().join(" ")
    };
    template.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The path, where a word stands for one.
fn replaced(part: &str, paths: &[(&str, PathBuf)]) -> String {
    let word = part.trim_end_matches(']');
    match paths.iter().find(|(one, _)| *one == word) {
        Some((_, path)) => format!("{}{}", path.display(), &part[word.len()..]),
        None => part.to_owned(),
    }
}

/// A certificate of another service, and the CA that issued it.
fn write_other(folder: &TempDir) {
    let now = kitcert::env::Environment::of_process().now();
    let other = authority(now);
    let served = issued(&other, kitcert::model::Role::Daemon, "website.example", now);
    let pair = served.chain[0].to_pem() + &String::from_utf8_lossy(served.key.expose_pem().as_bytes());
    std::fs::write(folder.path().join("other.pem"), pair).unwrap();
    std::fs::write(folder.path().join("other-ca.pem"), other.made.certificate().to_pem()).unwrap();
}

const LIMIT: &str = " stick-table type ip size 1k expire 10s store conn_cur\n \
    tcp-request connection track-sc0 src\n tcp-request connection reject if { sc0_conn_cur gt 1 }";
/// Without a word of HTTP from haproxy itself.
const TCP: &str = " mode tcp";
const RATE: &str = " stick-table type ip size 1k expire 10s store conn_rate(1s)\n \
    tcp-request connection track-sc0 src\n tcp-request connection reject if { sc0_conn_rate gt 2 }";
const SESSION_LIMIT: &str = " stick-table type ip size 1k expire 10s store conn_cur\n \
    tcp-request connection track-sc0 src\n tcp-request session reject if { sc0_conn_cur gt 1 }";

#[test]
fn a_front_that_lets_others_in_is_never_verified() {
    let info = "path /moby.buildkit.v1.Control/Info";
    let dropped = format!(" http-request silent-drop if {{ {info} }} !{{ ssl_c_used }}");
    let rejected = format!(" http-request reject if {{ {info} }} !{{ ssl_c_used }}");
    let (dropped, rejected): (&'static str, &'static str) = (dropped.leak(), rejected.leak());
    let optional = "crt PAIR ca-file CA verify optional alpn h2";
    let cases = [
        ("asks nobody, connection limit", configuration("crt PAIR alpn h2", LIMIT), OPEN_OR_UNJUDGED),
        ("optional, session limit", configuration(optional, SESSION_LIMIT), OPEN_OR_UNJUDGED),
        (
            "optional, session limit, no tickets",
            configuration("crt PAIR ca-file CA verify optional no-tls-tickets alpn h2", SESSION_LIMIT),
            OPEN_OR_UNJUDGED,
        ),
        (
            "another CA by another name",
            listed(&[
                "PAIR [verify required ca-file OTHER_CA] default.example",
                "PAIR [verify required ca-file CA] localhost",
            ]),
            &["other-ca-trusted", "several-daemons"],
        ),
        ("passed on as TCP, optional", configuration(optional, TCP), NO_CERTIFICATE),
        ("optional, connection limit", configuration(optional, LIMIT), OPEN_OR_UNJUDGED),
        (
            "another name is asked nothing, and is the default",
            listed(&["PAIR [verify none] default.example", "PAIR [verify required ca-file CA] localhost"]),
            NO_CERTIFICATE,
        ),
        (
            "a foreign name is asked nothing",
            listed(&["PAIR [verify required ca-file CA] localhost", "PAIR [verify none] *.invalid"]),
            NO_CERTIFICATE,
        ),
        (
            "another host of the daemon is asked nothing",
            listed(&["PAIR [verify required ca-file CA] localhost", "PAIR [verify none] second.example"]),
            NO_CERTIFICATE,
        ),
        ("optional, Info dropped", configuration(optional, dropped), OPEN_OR_UNJUDGED),
        ("optional, Info rejected", configuration(optional, rejected), OPEN_OR_UNJUDGED),
        ("optional", configuration(optional, ""), NO_CERTIFICATE),
        (
            "optional, without CA names",
            configuration("crt PAIR ca-file CA verify optional no-ca-names alpn h2", ""),
            NO_CERTIFICATE,
        ),
        (
            "TLS 1.2 without a certificate by another name",
            listed(&[
                "PAIR [verify none ssl-max-ver TLSv1.2] default.example",
                "PAIR [verify required ca-file CA] localhost",
            ]),
            NO_CERTIFICATE,
        ),
        (
            "TLS 1.2 without a certificate, by a rule of HTTP",
            configuration(optional, " http-request deny if !{ ssl_c_used } { ssl_fc_protocol TLSv1.3 }"),
            OPEN_OR_UNJUDGED,
        ),
        (
            "any certificate",
            configuration(
                "crt PAIR ca-file CA verify required ca-ignore-err all crt-ignore-err all alpn h2",
                "",
            ),
            UNKNOWN_CA,
        ),
        (
            "the daemon by its authority, under a website's name",
            Configuration {
                bind: "crt-list LIST alpn h2",
                rules: " use_backend buildkit if { hdr(host) -m beg localhost }\n use_backend website unless { ssl_fc_sni localhost }",
                certificates: &[
                    "OTHER [verify none] website.example",
                    "PAIR [verify required ca-file CA] localhost",
                ],
            },
            NO_CERTIFICATE,
        ),
        (
            "shared with a website, whose sessions lead to the daemon",
            Configuration {
                bind: "crt-list LIST alpn h2",
                rules: " use_backend website unless { ssl_fc_sni localhost }",
                certificates: &[
                    "OTHER [verify none] website.example",
                    "PAIR [verify required ca-file CA] localhost",
                ],
            },
            NO_CERTIFICATE,
        ),
        (
            "by HTTP/1.1 under another name",
            Configuration {
                bind: "crt-list LIST",
                rules: " option disable-h2-upgrade",
                certificates: &[
                    "OTHER [alpn http/1.1 verify none] website.example",
                    "PAIR [alpn h2 verify required ca-file CA] localhost",
                ],
            },
            NO_CERTIFICATE,
        ),
        ("another name is not available at the moment", elsewhere("503"), &["inconclusive"]),
        ("another name has no time at the moment", elsewhere("408"), &["inconclusive"]),
        ("another name comes too early", elsewhere("425"), &["inconclusive"]),
        ("another name fails at the moment", elsewhere("500"), &["inconclusive"]),
        (
            "the daemon by another of its hosts, under a website's certificate",
            Configuration {
                bind: "crt-list LIST alpn h2",
                rules: " http-request return status 404 unless { ssl_c_used } or { hdr(host) -m beg second.example }",
                certificates: &[
                    "OTHER [verify none] second.example",
                    "PAIR [verify required ca-file CA] localhost",
                ],
            },
            NO_CERTIFICATE,
        ),
        (
            "any certificate that is signed by itself",
            configuration("crt PAIR ca-file CA verify required crt-ignore-err 18 alpn h2", ""),
            UNKNOWN_CA,
        ),
        (
            "any certificate of a CA with another name, which is not sent",
            configuration(
                "crt PAIR ca-file CA verify required ca-ignore-err 20,21 crt-ignore-err 20,21 alpn h2",
                "",
            ),
            UNKNOWN_CA,
        ),
        (
            "any certificate of a CA with another name",
            configuration(
                "crt PAIR ca-file CA verify required ca-ignore-err 19,20,21 crt-ignore-err 19,20,21 alpn h2",
                "",
            ),
            UNKNOWN_CA,
        ),
        (
            "another CA alone, unnamed",
            configuration("crt PAIR ca-file OTHER_CA verify required no-ca-names alpn h2", ""),
            &["client-refused"],
        ),
    ];
    let mut tally = Tally::default();
    for (case, configuration, rules) in &cases {
        let subject = Subject::of(&["localhost", OTHER_NAME]);
        let Some(front) = Front::start(&subject.files(), configuration, case) else { return };
        tally.expect_refuted(case, subject.at(front.haproxy.port), rules);
    }
    tally.settle(&format!("haproxy, {} unsafe configurations", cases.len()));
}

#[test]
fn a_front_that_lets_nobody_else_in_is_verified_each_time() {
    let required = "crt PAIR ca-file CA verify required alpn h2";
    let cases = [
        ("required", configuration(required, "")),
        ("TLS 1.2", configuration("crt PAIR ca-file CA verify required ssl-max-ver TLSv1.2 alpn h2", "")),
        (
            "strict-sni, TLS 1.3 only",
            configuration("crt PAIR ca-file CA verify required strict-sni ssl-min-ver TLSv1.3 alpn h2", ""),
        ),
        ("connection limit", configuration(required, LIMIT)),
        ("session limit", configuration(required, SESSION_LIMIT)),
        ("without CA names", configuration("crt PAIR ca-file CA verify required no-ca-names alpn h2", "")),
        (
            "every name locked",
            listed(&[
                "PAIR [verify required ca-file CA] default.example",
                "PAIR [verify required ca-file CA] localhost",
            ]),
        ),
        (
            "shared with a website",
            Configuration {
                bind: "crt-list LIST alpn h2",
                rules: " use_backend website unless { ssl_fc_sni localhost } { ssl_c_used }",
                certificates: &[
                    "OTHER [verify none] website.example",
                    "PAIR [verify required ca-file CA] localhost",
                ],
            },
        ),
    ];
    let mut tally = Tally::default();
    for (case, configuration) in &cases {
        let subject = Subject::of(&["localhost", OTHER_NAME]);
        let Some(front) = Front::start(&subject.files(), configuration, case) else { return };
        tally.expect_verified(case, subject.at(front.haproxy.port));
    }
    tally.settle(&format!("sound: haproxy, {} configurations", cases.len()));
}

/// What passes TLS on by the name that the client asks for, and knows no certificate.
fn passthrough(files: &Files, default: &str, test: &str) -> Option<(Server, Vec<Server>)> {
    let daemons = [&[][..], &["--no-ca"]].map(|options| Server::go(files, options, test));
    let daemons: Vec<_> = daemons.into_iter().collect::<Option<_>>()?;
    let text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         backend locked\n server daemon 127.0.0.1:{}\nbackend open\n server daemon 127.0.0.1:{}\n\
         frontend builder\n bind fd@0\n tcp-request inspect-delay 500ms\n\
         tcp-request content accept if {{ req_ssl_hello_type 1 }}\n\
         {default}\n use_backend locked if {{ req_ssl_sni localhost }}\n",
        daemons[0].port, daemons[1].port,
    );
    Some((Server::haproxy(tempfile::tempdir().unwrap(), &text, test)?, daemons))
}

#[test]
fn what_passes_tls_on_by_name_is_judged_by_every_name() {
    const TEST: &str = "what_passes_tls_on_by_name_is_judged_by_every_name";
    let mut tally = Tally::default();
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let Some(closed) = passthrough(&subject.files(), "", TEST) else { return };
    tally.expect_verified("other names are closed", subject.at(closed.0.port));
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let Some(open) = passthrough(&subject.files(), " default_backend open", TEST) else { return };
    tally.expect_refuted("other names are open", subject.at(open.0.port), NO_CERTIFICATE);
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let browsers = " use_backend open if { req.ssl_alpn -m sub http/1.1 }";
    let Some(open) = passthrough(&subject.files(), browsers, TEST) else { return };
    tally.expect_refuted("browsers are let in", subject.at(open.0.port), NO_CERTIFICATE);
    tally.settle("haproxy passes TLS on by name");
}

#[test]
fn a_door_of_http_1_beside_tls_is_never_verified() {
    const TEST: &str = "a_door_of_http_1_beside_tls_is_never_verified";
    let mut tally = Tally::default();
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let daemons = [&[][..], &["--plaintext"]].map(|options| Server::go(&subject.files(), options, TEST));
    let [Some(locked), Some(plain)] = &daemons else { return };
    let inner = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         backend buildkit\n server daemon 127.0.0.1:{} proto h2\n\
         frontend plain\n bind fd@0\n option disable-h2-upgrade\n default_backend buildkit\n",
        plain.port,
    );
    let Some(inner) = Server::haproxy(tempfile::tempdir().unwrap(), &inner, TEST) else { return };
    let outer = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         backend locked\n server daemon 127.0.0.1:{}\nbackend plain\n server daemon 127.0.0.1:{}\n\
         frontend builder\n bind fd@0\n tcp-request inspect-delay 500ms\n\
         tcp-request content accept if {{ req_ssl_hello_type 1 }} or {{ req.len gt 0 }}\n\
         use_backend locked if {{ req_ssl_hello_type 1 }}\n default_backend plain\n",
        locked.port, inner.port,
    );
    let Some(outer) = Server::haproxy(tempfile::tempdir().unwrap(), &outer, TEST) else { return };
    tally.expect_refuted("plaintext by HTTP/1.1", subject.at(outer.port), &["plaintext-accepted"]);
    tally.settle("haproxy, HTTP/1.1 beside TLS");
}

#[test]
fn a_limit_of_a_rate_is_met_by_a_pace() {
    const TEST: &str = "a_limit_of_a_rate_is_met_by_a_pace";
    let pace = ["--pace", "1s", "--timeout", "90s"];
    let mut tally = Tally::default();
    // One of them in each run, since a pace takes its time.
    for verifies in some_of(["required", "optional"], ("KITCERT_PACED", 1), 0) {
        let bind = match verifies {
            "optional" => "crt PAIR ca-file CA verify optional alpn h2",
            _ => "crt PAIR ca-file CA verify required alpn h2",
        };
        let subject = Subject::of(&["localhost"]);
        let Some(front) = Front::start(&subject.files(), &configuration(bind, RATE), TEST) else { return };
        subject.at(front.haproxy.port);
        if verifies == "optional" {
            let verdict = subject.with(&pace).verdict();
            tally.count("open, with a pace", &verdict, verdict.why_not_refuted(NO_CERTIFICATE));
            continue;
        }
        tally.ask("without a pace", &subject, |verdict| match verdict.said.code {
            0 => None,
            _ => verdict.why_not_refuted(&["inconclusive", "not-up-yet", "unreachable"]),
        });
        let verdict = subject.with(&pace).verdict();
        tally.count("with a pace", &verdict, verdict.why_not_verified());
    }
    tally.settle("haproxy, a limit of a rate");
}

/// The new CA's clients shall be let in beside the previous one's, and the daemon does not know it.
#[test]
fn a_daemon_without_the_new_ca_is_not_verified_in_a_rollover() {
    const TEST: &str = "a_daemon_without_the_new_ca_is_not_verified_in_a_rollover";
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let previous = subject.workspace.path("previous-ca.pem");
    std::fs::copy(subject.files().ca, &previous).unwrap();
    subject.workspace.run(["ca", "rollover", "start", "--no-restart"]);
    let files = Files { ca: previous, ..subject.files() };
    let bundle = std::fs::read_to_string(subject.files().ca).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2, "a rollover has begun");
    let unnamed = configuration("crt PAIR ca-file CA verify required no-ca-names alpn h2", "");
    let Some(front) = Front::start(&files, &unnamed, TEST) else { return };
    let mut tally = Tally::default();
    let rules = ["trust-is-stale", "client-refused"];
    tally.expect_refuted("the new CA is not trusted", subject.at(front.haproxy.port), &rules);
    let Some(front) = Front::start(&subject.files(), &unnamed, TEST) else { return };
    tally.expect_verified("both are trusted", subject.at(front.haproxy.port));
    tally.settle("haproxy without CA names, in a rollover");
}
