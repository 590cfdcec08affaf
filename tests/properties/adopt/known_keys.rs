//! A CA key that others know, or may know, is not taken over with a daemon, unless a person insists.

use super::makers::{Maker, close};
use super::taking_over::Site;
use crate::support::workspace::Workspace;

/// Earthly's six files in one folder, as each of its clients has them.
fn six(site: &Site) -> String {
    let bytes = |path: &std::path::Path| std::fs::read(path).unwrap();
    let [certificate, key] = &site.pki.daemon;
    let [own, own_key] = &site.pki.clients[0];
    let folder = site.pki.path("earthly");
    std::fs::create_dir(&folder).unwrap();
    for (name, from) in [
        ("ca_cert.pem", &site.pki.authority),
        ("ca_key.pem", &site.pki.key),
        ("buildkit_cert.pem", certificate),
        ("buildkit_key.pem", key),
        ("earthly_cert.pem", own),
        ("earthly_key.pem", own_key),
    ] {
        std::fs::write(folder.join(name), bytes(from)).unwrap();
        super::makers::sh(&folder, &format!("chmod 0444 {name}"));
    }
    folder.display().to_string()
}

#[test]
fn earthlys_ca_key_lies_with_every_client_and_is_not_taken() {
    const TEST: &str = "earthlys_ca_key_lies_with_every_client_and_is_not_taken";
    let Some(mut site) = Site::new(Maker::Earthly, 3650, TEST) else { return };
    let folder = six(&site);
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    let words = ["init", "--adopt", &folder, "--endpoint", &endpoint];
    let before: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for closed in [false, true] {
        let workspace = Workspace::new();
        if closed {
            close(&std::path::Path::new(&folder).join("ca_key.pem"));
        }
        let said = workspace.run(words).succeeded();
        let why = if closed { "beside the files of a client" } else { "mode 0444" };
        assert!(said.out.contains("is known to others") && said.out.contains(why), "{said:?}");
        // The client's files are there to dial with.
        assert!(said.out.contains("it serves this certificate; verified: "), "{said:?}");
        assert!(said.out.contains("stays as it is"), "{said:?}");
        assert!(workspace.path("state/rollover.json").exists());
        let after: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(after, before, "Earthly's files stay where they are");
    }
    let workspace = Workspace::new();
    workspace.run(words.iter().chain(&["--keep-ca"])).succeeded();
    assert!(!workspace.path("state/rollover.json").exists());
    site.assert_nobody_was_refused();
}

#[test]
fn a_key_beside_a_daemons_files_is_found_and_one_that_others_read_is_not_taken() {
    const TEST: &str = "a_key_beside_a_daemons_files_is_found_and_one_that_others_read_is_not_taken";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let folder = site.pki.path("daemon");
    std::fs::create_dir(&folder).unwrap();
    for name in ["ca", "cert", "key"] {
        std::fs::copy(site.admin.path(&format!("certs/{name}.pem")), folder.join(format!("{name}.pem")))
            .unwrap();
    }
    close(&folder.join("key.pem"));
    let text = folder.display().to_string();
    let endpoint = format!("tcp://127.0.0.1:{}", site.port);
    std::fs::copy(&site.pki.key, folder.join("root-key.pem")).unwrap();
    for (mode, rolls) in [("0600", false), ("0640", true)] {
        super::makers::sh(&folder, &format!("rm -rf kitcert; chmod {mode} root-key.pem"));
        let workspace = Workspace::new();
        workspace.run(["init", "--adopt", &text, "--endpoint", &endpoint]).succeeded();
        assert_eq!(workspace.path("state/rollover.json").exists(), rolls, "{mode}");
    }
}
