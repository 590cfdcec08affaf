//! What other tools have made is taken in: their requests are signed, and a daemon and a client that
//! have their certificates are verified as ours are.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::figures::{Aim, publish};
use crate::pki::other_stacks::told;
use crate::support::peers;
use crate::support::servers::{Files, Server};
use crate::support::workspace::Workspace;

/// A request that another tool made, and the key that it is by.
struct Request {
    by: &'static str,
    csr: PathBuf,
    key: PathBuf,
}

/// The files of a daemon and of a client that another tool made.
struct Pki {
    by: &'static str,
    ca: PathBuf,
    daemon: (PathBuf, PathBuf),
    client: (PathBuf, PathBuf),
}

/// Runs a program in a folder, which must succeed; what it prints.
pub fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Vec<u8> {
    std::fs::create_dir_all(folder).unwrap();
    let mut command = Command::new(program);
    command.current_dir(folder).env("CAROOT", folder).args(arguments).stdin(Stdio::null());
    let said = command.output().unwrap();
    assert!(said.status.success(), "{command:?}: {}", told(&said));
    said.stdout
}

fn write(path: &Path, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

/// What cfssl prints, as files: `ana.pem` or `ana.csr`, and `ana-key.pem`.
fn cfssl(program: &Path, folder: &Path, name: &str, algorithm: (&str, u32), arguments: &[&str]) {
    let (algorithm, size) = algorithm;
    let request = serde_json::json!({
        "CN": name, "hosts": ["localhost", "127.0.0.1"], "key": {"algo": algorithm, "size": size},
    });
    let request = write(&folder.join(format!("{name}.json")), &request.to_string());
    let said = run(program, folder, &[arguments, &[request.to_str().unwrap()]].concat());
    let made: Value = serde_json::from_slice(&said).unwrap();
    for (member, file) in [("cert", "pem"), ("csr", "csr")] {
        if let Some(text) = made[member].as_str() {
            write(&folder.join(format!("{name}.{file}")), text);
        }
    }
    write(&folder.join(format!("{name}-key.pem")), made["key"].as_str().unwrap());
}

/// easy-rsa, with a folder of its own for each kind of key.
fn easy_rsa(program: &Path, folder: &Path, kind: &[&str], arguments: &[&str]) {
    let pki = format!("--pki-dir={}", folder.join("pki").display());
    run(program, folder, &[&["--batch", &pki], kind, arguments].concat());
}

fn requests(folder: &Path, test: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    if let Some(openssl) = peers::program("openssl", test) {
        for (by, key) in [
            ("openssl, P-256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
            ("openssl, P-384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
            ("openssl, Ed25519", &["ed25519"]),
            ("openssl, RSA-2048", &["rsa:2048"]),
            ("openssl, RSA-4096", &["rsa:4096"]),
        ] {
            let folder = folder.join(by);
            let subject = ["-subj", "/CN=ana", "-keyout", "ana-key.pem", "-out", "ana.csr"];
            let more = ["-addext", "subjectAltName=DNS:somebody.else.example.com"];
            run(&openssl, &folder, &[&["req", "-new", "-nodes", "-newkey"], key, &subject, &more].concat());
            requests.push(Request { by, csr: folder.join("ana.csr"), key: folder.join("ana-key.pem") });
        }
    }
    if let Some(program) = peers::program("cfssl", test) {
        for (by, algorithm) in [
            ("cfssl, P-256", ("ecdsa", 256)),
            ("cfssl, P-384", ("ecdsa", 384)),
            ("cfssl, RSA", ("rsa", 2048)),
        ] {
            let folder = folder.join(by);
            cfssl(&program, &folder, "ana", algorithm, &["genkey"]);
            requests.push(Request { by, csr: folder.join("ana.csr"), key: folder.join("ana-key.pem") });
        }
    }
    if let Some(program) = easy_rsas_program(test) {
        for (by, kind) in [
            ("easy-rsa, P-256", &["--use-algo=ec", "--curve=prime256v1"][..]),
            ("easy-rsa, RSA", &["--use-algo=rsa"]),
        ] {
            let folder = folder.join(by);
            easy_rsa(&program, &folder, kind, &["init-pki"]);
            easy_rsa(&program, &folder, kind, &["gen-req", "ana", "nopass"]);
            let [csr, key] = ["pki/reqs/ana.req", "pki/private/ana.key"].map(|file| folder.join(file));
            requests.push(Request { by, csr, key });
        }
    }
    requests
}

/// Each in a folder of its own.
fn pkis(folder: &Path, test: &str) -> Vec<Pki> {
    let mut pkis = Vec::new();
    if let Some(program) = peers::program("mkcert", test) {
        let folder = folder.join("mkcert");
        for (more, cert, key) in [
            (&["localhost", "127.0.0.1"][..], "daemon.pem", "daemon-key.pem"),
            (&["-client", "ana.client.kitcert.internal"], "ana.pem", "ana-key.pem"),
        ] {
            run(&program, &folder, &[&["-ecdsa", "-cert-file", cert, "-key-file", key], more].concat());
        }
        let file = |name: &str| folder.join(name);
        pkis.push(Pki {
            by: "mkcert",
            ca: file("rootCA.pem"),
            daemon: (file("daemon.pem"), file("daemon-key.pem")),
            client: (file("ana.pem"), file("ana-key.pem")),
        });
    }
    if let Some(program) = peers::program("cfssl", test) {
        let folder = folder.join("cfssl");
        let profile =
            |usage: &str| serde_json::json!({"expiry": "2160h", "usages": ["digital signature", usage]});
        let profiles = serde_json::json!({"signing": {"default": profile("client auth"), "profiles": {
            "daemon": profile("server auth"), "client": profile("client auth"),
        }}});
        write(&folder.join("profiles.json"), &profiles.to_string());
        cfssl(&program, &folder, "ca", ("ecdsa", 256), &["gencert", "-initca"]);
        let signed = ["gencert", "-ca", "ca.pem", "-ca-key", "ca-key.pem", "-config", "profiles.json"];
        for (name, profile) in [("daemon", "-profile=daemon"), ("ana", "-profile=client")] {
            cfssl(&program, &folder, name, ("ecdsa", 256), &[&signed[..], &[profile]].concat());
        }
        let file = |name: &str| folder.join(name);
        pkis.push(Pki {
            by: "cfssl",
            ca: file("ca.pem"),
            daemon: (file("daemon.pem"), file("daemon-key.pem")),
            client: (file("ana.pem"), file("ana-key.pem")),
        });
    }
    if let Some(program) = easy_rsas_program(test) {
        for (by, kind) in [
            ("easy-rsa, P-256", &["--use-algo=ec", "--curve=prime256v1"][..]),
            ("easy-rsa, RSA", &["--use-algo=rsa"]),
        ] {
            let folder = folder.join("pki").join(by);
            let names = "--subject-alt-name=DNS:localhost,IP:127.0.0.1";
            for arguments in [
                &["init-pki"][..],
                &["build-ca", "nopass"],
                &[names, "build-server-full", "daemon", "nopass"],
                &["build-client-full", "ana", "nopass"],
            ] {
                easy_rsa(&program, &folder, kind, arguments);
            }
            let pair = |name: &str| {
                let file = |path: String| folder.join(path);
                (file(format!("pki/issued/{name}.crt")), file(format!("pki/private/{name}.key")))
            };
            pkis.push(Pki { by, ca: folder.join("pki/ca.crt"), daemon: pair("daemon"), client: pair("ana") });
        }
    }
    pkis
}

fn easy_rsas_program(test: &str) -> Option<PathBuf> {
    let program = PathBuf::from("/usr/share/easy-rsa/easyrsa");
    if program.is_file() {
        return Some(program);
    }
    peers::program("easyrsa", test)
}

#[test]
fn a_request_of_another_tool_is_signed_for_its_key_and_nothing_else_of_it() {
    const TEST: &str = "a_request_of_another_tool_is_signed_for_its_key_and_nothing_else_of_it";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let workspace = Workspace::with_state();
    let requests = requests(&workspace.path("requests"), TEST);
    for (number, Request { by, csr, key }) in requests.iter().enumerate() {
        let name = format!("guest-{number}");
        let (csr, key) = (csr.to_str().unwrap(), key.to_str().unwrap());
        let der = ["pkey", "-in", key, "-pubout", "-outform", "DER"];
        let digest = ring::digest::digest(&ring::digest::SHA256, &run(&openssl, &workspace.path("."), &der));
        let fingerprint: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let issue = ["issue", "client", &name, "--csr", csr, "--fingerprint", &fingerprint];
        workspace.run(issue).succeeded();
        let public = run(&openssl, &workspace.path("."), &["pkey", "-in", key, "-pubout"]);
        let cert = workspace.text(&format!("state/clients/{name}/current/cert.pem"));
        let certified = run(&openssl, &workspace.path("."), &["x509", "-in", &cert, "-noout", "-pubkey"]);
        assert_eq!(certified, public, "{by}");
        let text = run(&openssl, &workspace.path("."), &["x509", "-in", &cert, "-noout", "-text"]);
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains(&format!("DNS:{name}.client.kitcert.internal")), "{by}: {text}");
        assert!(!text.contains("somebody.else"), "{by}: {text}");
    }
    publish(
        "interoperability",
        "requests of openssl, cfssl and easy-rsa that are signed",
        requests.len(),
        None,
    );
}

#[test]
fn a_daemon_and_a_client_of_another_tools_ca_are_verified_as_ours_are() {
    const TEST: &str = "a_daemon_and_a_client_of_another_tools_ca_are_verified_as_ours_are";
    let workspace = Workspace::new();
    let pkis = pkis(&workspace.path("others"), TEST);
    for Pki { by, ca, daemon, client } in &pkis {
        // Not every tool keeps a key to its owner, and verify minds.
        std::fs::set_permissions(&client.1, Permissions::from_mode(0o600)).unwrap();
        let files = Files { ca: ca.clone(), cert: daemon.0.clone(), key: daemon.1.clone() };
        let Some(server) = Server::go(&files, &[], TEST) else { return };
        let target = format!("tcp://127.0.0.1:{}", server.port);
        let mut verify = workspace.command(["verify", &target, "--format", "json"]);
        verify.arg("--ca").arg(ca).arg("--cert").arg(&client.0).arg("--key").arg(&client.1);
        let said = workspace.finish(verify, "");
        let report = said.json();
        assert!(report["verdict"].as_str().unwrap().starts_with("verified"), "{by}: {report:#}");
        for dial in report["daemon"]["dials"].as_array().unwrap() {
            let outcome = dial["outcome"].as_str().unwrap();
            let is_clients = dial["dial"].as_str().unwrap().starts_with('O');
            let is_fine = if is_clients { outcome == "accepted" } else { outcome.starts_with("refused") };
            assert!(is_fine, "{by}: {dial:#}");
        }
    }
    let aim = Aim { words: "every one", is_met: true };
    let figure = "PKIs of mkcert, cfssl and easy-rsa that verify tells to be sound";
    publish("interoperability", figure, pkis.len(), Some(aim));
}
