//! What is said of a daemon that cannot be taken over as it is, and what it takes to take it over.

use super::makers::{Maker, sh};
use super::taking_over::Site;
use crate::support::peers;
use crate::support::workspace::Workspace;

#[test]
fn a_secret_of_kubernetes_is_taken_over_from_a_file_and_from_standard_input() {
    const TEST: &str = "a_secret_of_kubernetes_is_taken_over_from_a_file_and_from_standard_input";
    let Some(base64) = peers::program("base64", TEST) else { return };
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let encoded = |name: &str| {
        let mut command = std::process::Command::new(&base64);
        command.arg("-w0").arg(site.admin.path(&format!("certs/{name}.pem")));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    for names in [["ca.pem", "cert.pem", "key.pem"], ["ca.crt", "tls.crt", "tls.key"]] {
        let [ca, cert, key] = names;
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata:\n  {ca}: {}\n  {cert}: {}\n  {key}: {}\n",
            encoded("ca"),
            encoded("cert"),
            encoded("key")
        );
        let path = site.pki.path("secret.yaml");
        std::fs::write(&path, &secret).unwrap();
        let path = path.display().to_string();
        for (given, input) in [(path.as_str(), ""), ("-", secret.as_str())] {
            let workspace = Workspace::new();
            let words = ["init", "--adopt", given, "--endpoint", &endpoint];
            let said = workspace.run_with_input(words, input).succeeded();
            assert!(said.out.contains("it serves this certificate"), "{said:?}");
            assert_eq!(
                workspace.read("state/daemons/builder/current/ca.pem"),
                site.admin.read("certs/ca.pem")
            );
            assert!(!workspace.read("state/kitcert.yaml").contains("install:"));
        }
    }
    let said = Workspace::new().run_with_input(["init", "--adopt", "-"], "a: b\n").ended_with(2);
    assert!(said.err.contains("YAML without all three"), "{said:?}");
}

/// Of what stands in a Secret twice the plain text is mounted; of several Secrets the daemon's is meant, if there is one.
#[test]
fn of_secrets_what_is_mounted_is_taken_over_and_of_the_right_one() {
    const TEST: &str = "of_secrets_what_is_mounted_is_taken_over_and_of_the_right_one";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    let file = |name: &str| site.admin.read(&format!("certs/{name}.pem")).trim_end().replace('\n', "\n    ");
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    let secret = |files: &[(&str, &str)], more: &str| {
        let files = files.iter().map(|(name, text)| format!("  {name}: |\n    {text}\n"));
        let files: String = files.collect();
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n{more}stringData:\n{files}---\n")
    };
    let client = |name: &str| {
        let text = std::fs::read_to_string(site.admin.path(&format!("client-1/{name}.pem"))).unwrap();
        text.trim_end().replace('\n', "\n    ")
    };
    let own = [("ca.crt", ca.as_str()), ("tls.crt", &cert), ("tls.key", &key)];
    let (of_cert, of_key) = (client("cert"), client("key"));
    let of_client = [("ca.crt", ca.as_str()), ("tls.crt", &of_cert), ("tls.key", &of_key)];
    let overridden = secret(&own, "data: {ca.crt: QUJD}\n");
    let behind = secret(&of_client, "") + &secret(&own, "");
    for taken in [overridden, behind] {
        let workspace = Workspace::new();
        let words = ["init", "--adopt", "-", "--endpoint", &endpoint];
        let said = workspace.run_with_input(words, &taken).succeeded();
        assert!(said.out.contains("it serves this certificate"), "{said:?}");
        let placed = workspace.read("state/daemons/builder/current/ca.pem");
        assert_eq!(placed.trim_end(), site.admin.read("certs/ca.pem").trim_end());
    }
    for (refused, why) in [
        (secret(&own, "") + &secret(&own, ""), "2 Secrets of daemons"),
        (secret(&own, "data: {certs: {a: QUJD}}\n"), "certs in data, which is no text"),
        (secret(&own[..2], "type: kubernetes.io/tls\n"), "YAML without all three"),
    ] {
        let said = Workspace::new().run_with_input(["init", "--adopt", "-"], &refused).ended_with(2);
        assert!(said.err.contains(why), "{said:?}");
    }
}

#[test]
fn what_cannot_be_taken_over_as_it_is_is_refused_before_anything_is_written() {
    const TEST: &str = "what_cannot_be_taken_over_as_it_is_is_refused_before_anything_is_written";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let key = site.pki.key();
    let refused = |spoil: &str, more: &[&str], reason: &str| {
        let folder = site.pki.path("spoiled");
        std::fs::create_dir(&folder).unwrap();
        for name in ["ca", "cert", "key"] {
            let from = site.admin.path(&format!("certs/{name}.pem"));
            std::fs::copy(from, folder.join(format!("{name}.pem"))).unwrap();
        }
        sh(&folder, &format!("chmod 0600 key.pem; {spoil}"));
        let before = std::fs::read_dir(&folder).unwrap().count();
        let (workspace, folder_text) = (Workspace::new(), folder.display().to_string());
        let endpoint = format!("tcp://127.0.0.1:{}", site.port);
        let words = ["init", "--adopt", &folder_text, "--endpoint", &endpoint];
        let said = workspace.run(words.iter().chain(more));
        assert!([1, 2].contains(&said.code) && said.err.contains(reason), "{reason}: {said:?}");
        assert!(!workspace.path("state").exists(), "{reason}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), before, "{reason}");
        std::fs::remove_dir_all(&folder).unwrap();
    };
    let own = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=x";
    let names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    refused("rm cert.pem", &[], "not all three");
    refused(&format!("{own} -keyout key.pem -out /dev/null"), &[], "another key");
    refused(&format!("{own} {names} -keyout key.pem -out cert.pem"), &[], "whose CA is in ca.pem");
    refused(
        &format!("{own} {names} -keyout key.pem -out cert.pem; cp cert.pem ca.pem"),
        &[],
        "which it serves",
    );
    refused("chmod 0444 key.pem", &[], "chmod 0400");
    let others = site.pki.path("ana.key").display().to_string();
    refused("", &["--ca-key", &others], "no CA in the daemon's ca.pem with that key");
    let said = Workspace::new().run(["init", "--host", "b", "--ca-key", &key]).ended_with(2);
    assert!(said.err.contains("--ca with the certificate"), "{said:?}");
}

#[test]
fn a_daemon_without_a_name_that_clients_take_gets_a_certificate_with_names() {
    const TEST: &str = "a_daemon_without_a_name_that_clients_take_gets_a_certificate_with_names";
    for with_key in [true, false] {
        let Some(site) = Site::new(Maker::OpensslRsa, 365, TEST) else { return };
        // As old instructions have it: a CA of version 1, and a name in the subject alone.
        sh(
            site.pki.authority.parent().unwrap(),
            "openssl req -new -key ca.key -subj /CN=old -out ca.csr
             openssl x509 -req -in ca.csr -signkey ca.key -set_serial 1 -days 900 -out ca.crt
             openssl req -new -key daemon.key -subj /CN=localhost -out d.csr
             openssl x509 -req -in d.csr -CA ca.crt -CAkey ca.key -set_serial 1 -days 900 -out daemon.crt",
        );
        site.pki.place_daemon(&site.admin, "certs");
        site.daemon.ask("restart");
        let key = site.pki.key();
        let more = if with_key { &["--ca-key", &key][..] } else { &[] };
        let said = site.adopt(more).ended_with(2);
        assert!(said.err.contains("--host"), "{said:?}");
        let hosts = ["--host", "127.0.0.1", "--client", "zoe"];
        site.adopt(&[&hosts[..], more].concat()).succeeded();
        site.rotate().succeeded();
        site.assert_lets_in("zoe");
        assert_eq!(site.rollover().is_some(), !with_key);
    }
}

#[test]
fn the_same_request_again_changes_nothing_and_another_daemon_is_another_matter() {
    const TEST: &str = "the_same_request_again_changes_nothing_and_another_daemon_is_another_matter";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    let words = ["init", "--adopt", "certs", "--endpoint", &endpoint];
    let said = site.admin.run(words.iter().chain(&["--dry-run"])).succeeded();
    assert!(said.out.contains("would take over  daemon builder"), "{said:?}");
    assert!(!site.admin.path("state").exists());
    site.adopt(&[]).succeeded();
    let before = site.admin.snapshot();
    let said = site.admin.run(words).succeeded();
    assert!(said.out.contains("nothing to do"), "{said:?}");
    before.assert_is(&site.admin.snapshot(), "the same again");
    let Some(other) = Site::new(Maker::OpensslRsa, 365, TEST) else { return };
    let folder = other.admin.text("certs");
    let endpoint = format!("tcp://127.0.0.1:{}", other.port);
    let said = site.admin.run(["init", "--adopt", &folder, "--endpoint", &endpoint]).ended_with(1);
    assert!(said.err.contains("the CA that it was made with"), "{said:?}");
}

/// Earthly's own generator gives both usages to both sides: that such a daemon lets its own certificate in as a client's
/// says nothing of what it looks at.
#[test]
fn of_a_daemon_whose_certificate_is_for_clients_too_it_is_not_said_that_it_checks_no_usage() {
    const TEST: &str =
        "of_a_daemon_whose_certificate_is_for_clients_too_it_is_not_said_that_it_checks_no_usage";
    let Some(site) = Site::new(Maker::Earthly, 365, TEST) else { return };
    let folder = site.admin.text("certs");
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    let workspace = Workspace::new();
    workspace.run(["init", "--adopt", &folder, "--endpoint", &endpoint]).succeeded();
    let said = workspace.run(["verify", "builder", "--format", "json"]);
    assert!(!said.out.contains("usage-unchecked"), "{}", said.out);
    assert!(said.out.contains("no certificate that is for daemons alone"), "{}", said.out);
}

#[test]
fn where_an_adopted_daemon_does_not_answer_the_endpoint_is_named() {
    const TEST: &str = "where_an_adopted_daemon_does_not_answer_the_endpoint_is_named";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let elsewhere = format!("tcp://127.0.0.1:{}", crate::support::daemon::Daemon::free_port());
    let said = site.admin.run(["init", "--adopt", "certs", "--endpoint", &elsewhere]).succeeded().out;
    let last = said.lines().last().unwrap();
    assert!(last.contains("it does not answer: start it, or correct its endpoint in"), "{said}");
}
