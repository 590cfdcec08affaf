//! `inspect` reads what a machine has, one by one and together, and calls what is wrong by its name.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};

use serde_json::Value;

use crate::support::workspace::{Said, Workspace};

/// The rules that are told with that severity, each once.
fn rules(said: &Said, severity: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err));
    let findings = json["findings"].as_array().unwrap().iter();
    let mut rules: Vec<_> = findings
        .filter(|finding| finding["severity"] == severity)
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

fn inspect<'a>(workspace: &Workspace, paths: impl IntoIterator<Item = &'a str>) -> Said {
    let paths = paths.into_iter().map(|path| workspace.text(path));
    workspace.run(["--format".to_owned(), "json".to_owned(), "inspect".to_owned()].into_iter().chain(paths))
}

#[test]
fn a_folder_is_read_file_by_file_and_a_sound_set_has_no_fault() {
    let workspace = Workspace::with_state();
    let said = inspect(&workspace, ["state/clients/ana/gen-0001"]).succeeded();
    assert_eq!((rules(&said, "error"), rules(&said, "warning")), (vec![], vec![]), "{}", said.out);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["inspected"].as_array().unwrap().len(), 3);
    std::fs::create_dir(workspace.path("empty")).unwrap();
    workspace.run(["inspect".to_owned(), workspace.text("empty")]).ended_with(1);
    for number in 0..65 {
        workspace.write(&format!("many/{number}"), "x");
    }
    let said = workspace.run(["inspect".to_owned(), workspace.text("many")]).ended_with(1);
    assert!(said.err.contains("at most 64 files"), "{}", said.err);
}

/// The files of one client with one of another state's among them.
fn with_another_ca() -> Workspace {
    let workspace = Workspace::with_state();
    let other = workspace.text("other");
    workspace.run(["--state", &other, "init", "--host", "localhost", "--client", "ana"]).succeeded();
    let own = "state/clients/ana/gen-0001";
    for (file, from) in [("ca.pem", "other/clients/ana/gen-0001"), ("cert.pem", own), ("key.pem", own)] {
        let text = workspace.read(&format!("{from}/{file}"));
        workspace.write_private(&format!("mixed/{file}"), text);
    }
    workspace
}

#[test]
fn files_given_together_are_judged_together_and_have_one_last_line() {
    let workspace = with_another_ca();
    let said = inspect(&workspace, ["mixed"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["chain-untrusted"], "{}", said.out);
    let said = workspace.run(["inspect", &workspace.text("mixed")]).ended_with(3);
    assert!(said.out.ends_with("3 files together: 1 finding\n"), "{}", said.out);
    assert!(!said.out.contains("nothing wrong"), "{}", said.out);
    // So they are where a command line names each.
    let files = ["mixed/ca.pem", "state/clients/ana/gen-0001/cert.pem"];
    workspace.write("alone/cert.pem", workspace.read(files[1]));
    let said = inspect(&workspace, [files[0], "alone/cert.pem"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["chain-untrusted"], "{}", said.out);
    let said = workspace.run(["inspect", &workspace.text("state/clients/ana/gen-0001")]).succeeded();
    assert!(said.out.ends_with("3 files together: nothing wrong\n"), "{}", said.out);
}

/// Two sets in one folder, each as another program calls its files: what they are called says which bundle is whose.
#[test]
fn a_set_is_judged_by_the_bundle_that_its_names_go_with() {
    let workspace = with_another_ca();
    let own =
        ["ca.pem", "cert.pem", "key.pem"].map(|name| (name, format!("state/clients/ana/current/{name}")));
    for (name, from) in own {
        let file = std::fs::read(workspace.path(&from)).unwrap();
        let kubernetes = match name {
            "ca.pem" => "ca.crt",
            "cert.pem" => "tls.crt",
            _ => "tls.key",
        };
        std::fs::create_dir_all(workspace.path("both")).unwrap();
        for name in [name, kubernetes] {
            workspace.write_private(&format!("both/{name}"), &file);
        }
    }
    inspect(&workspace, ["both"]).succeeded();
    let other = std::fs::read(workspace.path("mixed/ca.pem")).unwrap();
    std::fs::write(workspace.path("both/ca.crt"), other).unwrap();
    let said = inspect(&workspace, ["both"]).ended_with(3);
    assert!(rules(&said, "error").contains(&"chain-untrusted".to_owned()), "{said:?}");
    for name in ["key.pem", "tls.key"] {
        std::fs::remove_file(workspace.path(&format!("both/{name}"))).unwrap();
    }
}

#[test]
fn the_host_of_a_config_is_looked_for_among_the_names_of_the_daemon() {
    let workspace = Workspace::with_state();
    let daemon = "state/daemons/builder/gen-0001/cert.pem";
    for (host, found) in [("localhost", None), ("builder.example.com", Some("server-name-mismatch"))] {
        workspace.write("config.yml", format!("global:\n  buildkit_host: tcp://{host}:8372\n"));
        let said = inspect(&workspace, ["config.yml", daemon, "state/daemons/builder/gen-0001/ca.pem"]);
        assert_eq!(rules(&said, "error"), found.into_iter().collect::<Vec<_>>(), "{}", said.out);
    }
}

#[test]
fn mobys_folder_of_folders_is_opened() {
    let workspace = Workspace::with_state();
    for (role, from) in [("client", "state/clients/ana"), ("daemon", "state/daemons/builder")] {
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let text = workspace.read(&format!("{from}/gen-0001/{file}"));
            workspace.write_private(&format!(".certs/{role}/{file}"), text);
        }
    }
    let said = inspect(&workspace, [".certs"]).succeeded();
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["inspected"].as_array().unwrap().len(), 6);
    assert_eq!((rules(&said, "error"), rules(&said, "warning")), (vec![], vec![]), "{}", said.out);
}

/// A Kubernetes Secret of those files.
fn secret(ca: &str, cert: &str, key: &str) -> String {
    let base64 = |text: &str| {
        let pem = pem::encode(&pem::Pem::new("X", text.as_bytes()));
        pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()
    };
    let block = key.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: buildkit-daemon-certs}}\ndata:\n  ca.crt: {}\n  tls.crt: {}\n\
         stringData:\n  tls.key: |\n    {}\n",
        base64(ca),
        base64(cert),
        block.trim_end()
    )
}

#[test]
fn a_secret_of_kubernetes_is_opened_and_judged() {
    let workspace = with_another_ca();
    let read = |folder: &str, file: &str| workspace.read(&format!("{folder}/{file}"));
    let own = "state/clients/ana/gen-0001";
    let sound = secret(&read(own, "ca.pem"), &read(own, "cert.pem"), &read(own, "key.pem"));
    workspace.write_private("secret.yaml", &sound);
    let said = inspect(&workspace, ["secret.yaml"]).succeeded();
    assert_eq!((rules(&said, "error"), rules(&said, "warning")), (vec![], vec![]), "{}", said.out);
    assert!(said.out.contains("Kubernetes Secret") && said.out.contains("ecdsa-p256"), "{}", said.out);
    let torn = secret(&read("mixed", "ca.pem"), &read(own, "cert.pem"), &read(own, "key.pem"));
    workspace.write_private("secret.yaml", torn);
    let said = inspect(&workspace, ["secret.yaml"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["chain-untrusted"], "{}", said.out);
    // A leaf in place of the bundle, alone and before its CA.
    let other = read("other/clients/ana/gen-0001", "cert.pem");
    for ca in [other.clone(), format!("{other}{}", read("mixed", "ca.pem"))] {
        workspace.write_private("secret.yaml", secret(&ca, &read(own, "cert.pem"), &read(own, "key.pem")));
        let said = inspect(&workspace, ["secret.yaml"]).ended_with(3);
        assert!(rules(&said, "error").contains(&"chain-untrusted".to_owned()), "{}", said.out);
    }
    workspace.write("readable.yaml", sound);
    std::fs::set_permissions(workspace.path("readable.yaml"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(rules(&inspect(&workspace, ["readable.yaml"]).ended_with(3), "critical"), ["key-mode"]);
}

#[test]
fn a_key_in_a_compose_file_or_in_anything_else_is_seen() {
    let workspace = Workspace::with_state();
    let key = workspace.read("state/clients/ana/gen-0001/key.pem");
    let block = key.trim_end().replace('\n', "\n      ");
    let line = key.trim_end().replace('\n', "\\n");
    for (name, text) in [
        (
            "compose.yml",
            format!("services:\n  builder: {{}}\nconfigs:\n  key:\n    content: |\n      {block}\n"),
        ),
        ("variables.yml", format!("services:\n  b:\n    environment:\n      - \"KEY={line}\"\n")),
        ("config.yml", format!("global:\n  tlskey: |\n      {block}\n")),
        ("secrets.json", format!("{{\"tls\": {{\"key\": \"{line}\"}}}}\n")),
    ] {
        workspace.write_private(name, &text);
        let said = inspect(&workspace, [name]);
        assert_eq!(rules(&said, "warning"), ["key-in-config"], "{name}: {}", said.out);
        std::fs::set_permissions(workspace.path(name), Permissions::from_mode(0o644)).unwrap();
        let said = inspect(&workspace, [name]).ended_with(3);
        assert_eq!(rules(&said, "critical"), ["key-mode"], "{name}: {}", said.out);
    }
    workspace.write_private("notes.txt", format!("the key is KEY={line} and no more\n"));
    let said = inspect(&workspace, ["notes.txt"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["key-in-config"], "{}", said.out);
    workspace.write("compose.yml", "services:\n  builder: {image: moby/buildkit}\n");
    assert_eq!(rules(&inspect(&workspace, ["compose.yml"]).ended_with(3), "error"), ["unreadable-file"]);
}

#[test]
fn a_registrys_ca_is_not_the_cas_of_the_clients() {
    let workspace = Workspace::new();
    workspace.write("buildkitd.toml", "[registry.\"r.example\"]\nca = [\"/etc/r.pem\"]\n");
    let said = inspect(&workspace, ["buildkitd.toml"]).succeeded();
    assert_eq!(rules(&said, "info"), ["registry-ca"], "{}", said.out);
}

#[test]
fn a_key_that_is_nobodys_is_an_error() {
    let workspace = Workspace::with_state();
    workspace.run(["issue", "client", "bob"]).succeeded();
    let (ana, bob) = ("state/clients/ana/gen-0001", "state/clients/bob/gen-0001");
    let files = [format!("{ana}/cert.pem"), format!("{bob}/key.pem")];
    let said = inspect(&workspace, files.iter().map(String::as_str)).ended_with(3);
    assert_eq!(rules(&said, "error"), ["key-mismatch"]);
    // A key by itself says nothing of whose it is.
    inspect(&workspace, [files[1].as_str()]).succeeded();
}

#[test]
fn an_identity_that_two_users_have_is_a_warning() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let workspace = Workspace::with_state();
    let own = "state/clients/ana/gen-0001/cert.pem";
    workspace.write("copy/cert.pem", workspace.read(own));
    let said = inspect(&workspace, [own, "copy"]).succeeded();
    assert_eq!(
        (rules(&said, "info"), rules(&said, "warning")),
        (vec!["certificate-shared".to_owned()], vec![])
    );
    chown(workspace.path("copy/cert.pem"), Some(65534), None).unwrap();
    let said = inspect(&workspace, [own, "copy"]).succeeded();
    assert_eq!(rules(&said, "warning"), ["certificate-shared"]);
}

#[test]
fn a_ca_key_beside_its_certificate_and_a_key_of_another_user_are_named() {
    let workspace = Workspace::with_state();
    let folder = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap().unwrap().file_name();
    let folder = format!("state/ca/{}", folder.to_str().unwrap());
    let said = inspect(&workspace, [folder.as_str()]).succeeded();
    assert_eq!(rules(&said, "info"), ["authority-key-at-client"]);
    if rustix::process::geteuid().is_root() {
        let key = "state/clients/ana/gen-0001/key.pem";
        chown(workspace.path(key), Some(65534), None).unwrap();
        assert_eq!(rules(&inspect(&workspace, [key]).succeeded(), "warning"), ["key-owner"]);
        std::fs::set_permissions(workspace.path(key), Permissions::from_mode(0o644)).unwrap();
        assert_eq!(rules(&inspect(&workspace, [key]).ended_with(3), "critical"), ["key-mode"]);
    }
}

#[test]
fn a_buildkitd_toml_that_lets_anyone_in_is_critical() {
    let workspace = Workspace::with_state();
    let folder = workspace.text("state/daemons/builder/gen-0001");
    let tls = |more: &str| {
        format!(
            "[grpc]\naddress = [\"tcp://0.0.0.0:8372\"]\n[grpc.tls]\ncert = \"{folder}/cert.pem\"\n\
             key = \"{folder}/key.pem\"\n{more}\n"
        )
    };
    workspace.write("sound/buildkitd.toml", tls(&format!("ca = \"{folder}/ca.pem\"")));
    let said = inspect(&workspace, ["sound/buildkitd.toml"]).succeeded();
    assert_eq!(rules(&said, "warning"), [""; 0]);
    workspace.write("open/buildkitd.toml", tls(""));
    let said = inspect(&workspace, ["open/buildkitd.toml"]).ended_with(3);
    assert_eq!(rules(&said, "critical"), ["no-client-ca"]);
    workspace.write("plain.toml", "[grpc]\naddress = \"tcp://0.0.0.0:8372\"\n");
    assert_eq!(rules(&inspect(&workspace, ["plain.toml"]).ended_with(3), "critical"), ["daemon-without-tls"]);
    // Docker makes a folder of a file that is not there when it mounts it.
    std::fs::create_dir(workspace.path("ca.pem")).unwrap();
    workspace.write("folder.toml", tls(&format!("ca = \"{}\"", workspace.text("ca.pem"))));
    assert_eq!(rules(&inspect(&workspace, ["folder.toml"]).ended_with(3), "error"), ["config-path"]);
    workspace.write("missing.toml", tls("ca = \"/nowhere/ca.pem\""));
    assert_eq!(rules(&inspect(&workspace, ["missing.toml"]).succeeded(), "warning"), ["config-path"]);
    workspace.write("broken.toml", "[grpc\npassword = \"secret\"\n");
    let said = inspect(&workspace, ["broken.toml"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["config-broken"]);
    assert!(!said.out.contains("secret"));
}

#[test]
fn what_earthly_generates_is_called_what_it_is() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pki/legacy/earthly");
    let workspace = Workspace::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("certs/{}", entry.file_name().to_str().unwrap());
        workspace.write(&name, std::fs::read(entry.path()).unwrap());
        std::fs::set_permissions(workspace.path(&name), Permissions::from_mode(0o444)).unwrap();
    }
    let said = inspect(&workspace, ["certs"]).ended_with(3);
    for (severity, rule) in [
        ("critical", "key-mode"),
        ("error", "authority-key-identifier"),
        ("error", "extended-key-usage"),
        ("error", "ip-as-dns-name"),
        ("warning", "serial-number"),
        ("warning", "path-length"),
        ("warning", "legacy-generator"),
        ("warning", "subject-key-identifier"),
        ("info", "legacy-generator"),
        ("info", "key-usage"),
        ("info", "authority-key-at-client"),
    ] {
        assert!(rules(&said, severity).iter().any(|told| told == rule), "{severity} {rule}: {}", said.out);
    }
}

#[test]
fn a_file_of_a_set_that_holds_what_another_should_is_named() {
    let workspace = Workspace::with_state();
    let [ca, cert, key] =
        ["ca", "cert", "key"].map(|file| workspace.read(&format!("state/clients/ana/gen-0001/{file}.pem")));
    for (place, files, rule) in [
        ("key-as-ca", [&key, &cert, &key], "bundle-holds-leaf"),
        ("swapped-ca", [&cert, &ca, &key], "chain-order"),
        ("swapped-key", [&ca, &key, &cert], "key-format"),
        ("cert-as-key", [&ca, &cert, &cert], "key-format"),
    ] {
        for (file, text) in ["ca", "cert", "key"].iter().zip(files) {
            workspace.write_private(&format!("{place}/{file}.pem"), text);
        }
        let said = inspect(&workspace, [place]).ended_with(3);
        assert!(rules(&said, "error").iter().any(|told| told == rule), "{place}: {}", said.out);
    }
    for (file, text) in [("ca", &ca), ("cert", &cert)] {
        workspace.write_private(&format!("folder/{file}.pem"), text);
    }
    std::fs::create_dir(workspace.path("folder/key.pem")).unwrap();
    let said = inspect(&workspace, ["folder"]).ended_with(3);
    assert_eq!(rules(&said, "error"), ["unreadable-file"], "{}", said.out);
    // The key of a CA in what is handed to everybody.
    let own = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    let both = format!("{ca}{}", std::fs::read_to_string(own.join("key.pem")).unwrap());
    workspace.write_private("known/ca.pem", both);
    let said = inspect(&workspace, ["known/ca.pem"]).ended_with(3);
    assert_eq!(rules(&said, "critical"), ["key-in-bundle"], "{}", said.out);
}

#[test]
fn a_config_with_a_key_in_it_is_judged_as_a_config_and_the_key_is_told() {
    let workspace = Workspace::with_state();
    let key = workspace.read("state/clients/ana/gen-0001/key.pem");
    let indented: String = key.lines().map(|line| format!("# {line}\n")).collect();
    for (name, text) in [
        (
            "grpc.toml",
            format!("[grpc]\naddress = [\"tcp://0.0.0.0:8372\"]\n[grpc.tls]\nkey = \"\"\"\n{key}\"\"\"\n"),
        ),
        ("registry.toml", format!("[registry.\"docker.io\"]\nkeypair = [{{key = '''\n{key}'''}}]\n")),
        ("comment.toml", format!("{indented}[grpc]\naddress = [\"tcp://0.0.0.0:8372\"]\n")),
        ("comment.yml", format!("{indented}global:\n  tls_enabled: true\n")),
    ] {
        workspace.write_private(name, text);
        let said = inspect(&workspace, [name]);
        assert!(rules(&said, "error").iter().any(|rule| rule == "key-in-config"), "{name}: {}", said.out);
        assert!(!said.out.contains("private key\"") && said.out.contains("config"), "{name}: {}", said.out);
    }
}

/// A request beside a key, a PKCS#12 file, a config that cannot be read: whoever reads the file has the key.
#[test]
fn a_key_that_others_can_read_is_told_whatever_is_around_it() {
    let workspace = Workspace::with_state();
    workspace.run(["request", "ben"]).succeeded();
    let pair =
        ["cert.pem", "key.pem"].map(|file| workspace.read(&format!("state/clients/ana/current/{file}")));
    let request = workspace.read("ben.csr");
    let files = [
        ("beside.pem", format!("{request}{}{}", pair[0], pair[1])),
        ("key.pem", format!("{}{request}", pair[1])),
        ("broken.toml", format!("[grpc\n{}", pair[1])),
    ];
    let modes = |name: &str| std::fs::set_permissions(workspace.path(name), Permissions::from_mode(0o644));
    for (name, text) in files {
        workspace.write_private(name, text.as_bytes());
        modes(name).unwrap();
        let said = inspect(&workspace, [name]).ended_with(3);
        let all = [rules(&said, "critical"), rules(&said, "error")].concat();
        assert!(all.contains(&"key-mode".to_owned()), "{name}: {}", said.out);
    }
    const TEST: &str = "a_key_that_others_can_read_is_told_whatever_is_around_it";
    let Some(openssl) = crate::support::peers::program("openssl", TEST) else { return };
    let [cert, key] =
        ["cert.pem", "key.pem"].map(|file| workspace.text(&format!("state/clients/ana/current/{file}")));
    let mut made = std::process::Command::new(openssl);
    made.args(["pkcs12", "-export", "-passout", "pass:", "-in", &cert, "-inkey", &key]);
    assert!(made.arg("-out").arg(workspace.path("ana.pfx")).status().unwrap().success());
    modes("ana.pfx").unwrap();
    let said = inspect(&workspace, ["ana.pfx"]).ended_with(3);
    let all = [rules(&said, "critical"), rules(&said, "error")].concat();
    assert!(all.contains(&"key-mode".to_owned()), "{}", said.out);
}

/// openssl takes a block under a label of its own for the certificate itself, and Go the one behind it.
#[test]
fn a_block_that_openssl_alone_reads_as_a_certificate_is_named() {
    const TEST: &str = "a_block_that_openssl_alone_reads_as_a_certificate_is_named";
    let Some(openssl) = crate::support::peers::program("openssl", TEST) else { return };
    let workspace = Workspace::with_state();
    let [own, other] = ["clients/ana", "daemons/builder"]
        .map(|whose| workspace.read(&format!("state/{whose}/current/cert.pem")));
    let subject = |file: &str| {
        let mut asked = std::process::Command::new(&openssl);
        asked.args(["x509", "-noout", "-subject", "-in", &workspace.text(file)]);
        asked.output().unwrap().stdout
    };
    workspace.write("own.pem", &own);
    for label in ["TRUSTED CERTIFICATE", "X509 CERTIFICATE"] {
        workspace.write("cert.pem", format!("{}{own}", other.replace("CERTIFICATE", label)));
        assert_ne!(subject("cert.pem"), subject("own.pem"), "{label}: openssl reads another one");
        let said = inspect(&workspace, ["cert.pem"]);
        assert!(rules(&said, "warning").contains(&"wrong-form".to_owned()), "{label}: {}", said.out);
    }
    let said = inspect(&workspace, ["own.pem"]);
    assert!(!rules(&said, "warning").contains(&"wrong-form".to_owned()), "{}", said.out);
}

#[test]
fn what_is_not_looked_at_in_a_folder_is_named() {
    let workspace = Workspace::with_state();
    let (certificate, folder) = ("state/daemons/builder/current/cert.pem", workspace.path("given"));
    workspace.write("given/cert.pem", workspace.read(certificate));
    workspace.write("given/.certs/cert.pem", "-----BEGIN CERTIFICATE-----\n");
    workspace.write("given/below/cert.pem", "");
    std::os::unix::fs::symlink("nowhere", folder.join("gone.pem")).unwrap();
    let said = workspace.run(["inspect", "given"]).succeeded();
    let line = "not looked at (hidden, a folder, a pipe or a link to nothing): .certs, below, gone.pem\n";
    assert!(said.out.contains(line), "{said:?}");
    let json = workspace.run(["inspect", "given", "--format", "json"]).succeeded().json();
    let names: Vec<_> = json["left_out"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, [".certs", "below", "gone.pem"], "{json:#}");
    let said = workspace.run(["inspect", "given/cert.pem"]).succeeded();
    assert!(!said.out.contains("not looked at"), "{said:?}");
}
