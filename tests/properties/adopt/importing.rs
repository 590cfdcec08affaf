//! A CA that others have made goes on with its key: whichever program made it, however the key is written; and
//! it is refused where its peers would not accept what it issues.

use kitcert::pki::{Certificate, TrustBundle};
use serde_json::Value;

use super::makers::{Maker, Pki, close, sh};
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::workspace::{Said, Workspace};

fn import(workspace: &Workspace, authority: &str, key: &str, more: &[&str]) -> Said {
    let words =
        ["init", "--host", "builder.example.com", "--client", "ana", "--ca", authority, "--ca-key", key];
    workspace.run(words.iter().chain(more))
}

/// What openssl makes of the chains of a state, with the CAs of the other side's bundle.
fn assert_openssl_accepts(workspace: &Workspace) {
    for (own, others) in [("daemons/builder", "clients/ana"), ("clients/ana", "daemons/builder")] {
        let [trust, chain] = [format!("{others}/current/ca.pem"), format!("{own}/current/cert.pem")];
        sh(&workspace.path("state"), &format!("openssl verify -CAfile {trust} -untrusted {chain} {chain}"));
    }
}

#[test]
fn a_ca_of_every_maker_goes_on_with_its_key_and_openssl_takes_what_it_issues() {
    const TEST: &str = "a_ca_of_every_maker_goes_on_with_its_key_and_openssl_takes_what_it_issues";
    if !is_turn(TEST) {
        return;
    }
    for maker in Maker::ALL {
        let Some(pki) = Pki::new(maker, 365, TEST) else { continue };
        let workspace = Workspace::new();
        let authority = pki.authority.display().to_string();
        let said = import(&workspace, &authority, &pki.key(), &[]).succeeded();
        assert!(said.out.contains("stays where it is"), "{maker:?}: {said:?}");
        assert!(pki.key.exists());
        let record = workspace.files_named("ca.json").remove(0);
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        assert_eq!((&record["origin"], &record["open_until"]), (&"imported".into(), &"always".into()));
        assert_openssl_accepts(&workspace);
        assert_eq!(
            import(&workspace, &authority, &pki.key(), &[]).succeeded().out.matches("nothing to do").count(),
            1
        );
        // A kit is signed by it, and taken.
        let kit = workspace.text("ana.kit");
        let endpoint = "tcp://builder.example.com:8372";
        let said = workspace.run(["invite", "ana", "-o", &kit, "--endpoint", endpoint]).succeeded();
        let inspected = workspace.run(["inspect", &kit]);
        assert_eq!(inspected.code, 0, "{maker:?}: {said:?} {inspected:?}");
    }
}

/// A CA of openssl's with these extensions; the paths of its certificate and key.
fn authority(folder: &std::path::Path, key: &str, extensions: &str, days: &str) -> [String; 2] {
    sh(
        folder,
        &format!(
            "umask 077; printf '[req]\\ndistinguished_name=dn\\nprompt=no\\n[dn]\\nCN=Acme\\n[v3]\\n{extensions}\\n' > c
             {key}
             openssl req -x509 -new -key ca.key -config c -extensions v3 {days} -out ca.crt"
        ),
    );
    ["ca.crt", "ca.key"].map(|name| folder.join(name).display().to_string())
}

const EC: &str = "openssl ecparam -name prime256v1 -genkey -noout -out ca.key";
const CA: &str = "basicConstraints=critical,CA:TRUE\\nsubjectKeyIdentifier=hash";

#[test]
fn a_ca_whose_certificates_a_peer_would_refuse_is_refused_with_the_reason() {
    const TEST: &str = "a_ca_whose_certificates_a_peer_would_refuse_is_refused_with_the_reason";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    let year = "-days 365";
    for (key, extensions, days, reason) in [
        (EC, "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,cRLSign", year, "keyCertSign"),
        (EC, "basicConstraints=critical,CA:FALSE", year, "an end-entity certificate"),
        (EC, &format!("{CA}\\nextendedKeyUsage=serverAuth"), year, "clients' certificates"),
        (EC, &format!("{CA}\\nextendedKeyUsage=clientAuth"), year, "daemons' certificates"),
        (
            EC,
            &format!("{CA}\\nnameConstraints=critical,permitted;DNS:example.com"),
            year,
            "client.kitcert.internal",
        ),
        (
            EC,
            &format!("{CA}\\nnameConstraints=critical,excluded;DNS:builder.example.com"),
            year,
            "builder.example.com",
        ),
        (EC, CA, "-days 1 -set_serial 7", ""),
        ("openssl genrsa -out ca.key 1024", CA, year, "2048"),
        ("openssl ecparam -name secp521r1 -genkey -noout -out ca.key", CA, year, "p521"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = authority(folder.path(), key, extensions, days);
        let workspace = Workspace::new();
        let said = import(&workspace, &certificate, &key, &[]);
        match reason {
            "" => drop(said.succeeded()),
            reason => {
                assert_eq!(said.code, 1, "{reason}: {said:?}");
                assert!(said.err.contains(reason), "{reason}: {said:?}");
                assert!(!workspace.path("state").exists(), "{reason}");
            }
        }
    }
}

#[test]
fn a_key_is_taken_as_it_is_written_and_under_its_passphrase_alone() {
    const TEST: &str = "a_key_is_taken_as_it_is_written_and_under_its_passphrase_alone";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    for (make, form, is_taken) in [
        (EC, "openssl pkcs8 -topk8 -nocrypt -in ca.key", true),
        (EC, "openssl ec -in ca.key", true),
        (EC, "openssl pkcs8 -topk8 -v2 aes-256-cbc -in ca.key -passout pass:'Two  Words'", true),
        (EC, "openssl pkcs8 -topk8 -scrypt -in ca.key -passout pass:'Two  Words'", true),
        (EC, "openssl ec -in ca.key -aes256 -passout pass:'Two  Words'", false),
        ("openssl genrsa -traditional -out ca.key 3072", "cat ca.key", true),
        ("openssl genrsa -out ca.key 2048", "cat ca.key", true),
        (
            "openssl genrsa -out ca.key 4096",
            "openssl pkcs8 -topk8 -in ca.key -passout pass:'Two  Words'",
            true,
        ),
        ("openssl genpkey -algorithm ed25519 -out ca.key", "cat ca.key", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, _] = authority(folder.path(), make, CA, "-days 365");
        sh(
            folder.path(),
            &format!(
                "umask 077; {form} > given.key; printf 'Two  Words\\n' > pass; printf 'two words\\n' > wrong"
            ),
        );
        let path = |name: &str| folder.path().join(name).display().to_string();
        let workspace = Workspace::new();
        let with = |file: &str| {
            import(&workspace, &certificate, &path("given.key"), &["--ca-passphrase-file", &path(file)])
        };
        if form.contains("passout") && is_taken {
            let said = import(&workspace, &certificate, &path("given.key"), &[]).ended_with(2);
            assert!(said.err.contains("--ca-passphrase-file"), "{form}: {said:?}");
            assert!(with("wrong").ended_with(1).err.contains("expected its passphrase"), "{form}");
        }
        match is_taken {
            true => {
                with("pass").succeeded();
                assert_openssl_accepts(&workspace);
            }
            false => assert!(with("pass").ended_with(1).err.contains("openssl pkcs8 -topk8"), "{form}"),
        }
    }
}

#[test]
fn a_key_that_others_may_know_is_taken_only_if_a_person_insists() {
    const TEST: &str = "a_key_that_others_may_know_is_taken_only_if_a_person_insists";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = authority(folder.path(), EC, CA, "-days 365");
    for mode in ["0644", "0640", "0604"] {
        sh(folder.path(), &format!("chmod {mode} ca.key"));
        let workspace = Workspace::new();
        let said = import(&workspace, &certificate, &key, &[]).ended_with(1);
        assert!(said.err.contains(mode) && said.err.contains("--keep-ca"), "{said:?}");
        import(&workspace, &certificate, &key, &["--keep-ca"]).succeeded();
    }
    close(&folder.path().join("ca.key"));
    import(&Workspace::new(), &certificate, &key, &[]).succeeded();
    let other = tempfile::tempdir().unwrap();
    let [other, _] = authority(other.path(), EC, CA, "-days 365");
    let said = import(&Workspace::new(), &other, &key, &[]).ended_with(1);
    assert!(said.err.contains("another key"), "{said:?}");
}

#[test]
fn a_ca_that_another_has_certified_is_anchored_itself_and_daemons_send_what_leads_to_the_root() {
    const TEST: &str =
        "a_ca_that_another_has_certified_is_anchored_itself_and_daemons_send_what_leads_to_the_root";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [root, _] = authority(folder.path(), EC, CA, "-days 3650");
    sh(
        folder.path(),
        "umask 077; openssl ecparam -name prime256v1 -genkey -noout -out sub.key
         openssl req -new -key sub.key -subj /O=Acme/CN=builders -out sub.csr
         printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\nsubjectKeyIdentifier=hash\\n' > e
         openssl x509 -req -in sub.csr -CA ca.crt -CAkey ca.key -set_serial 77 -days 1000 -extfile e -out sub.crt",
    );
    let path = |name: &str| folder.path().join(name).display().to_string();
    let workspace = Workspace::new();
    import(&workspace, &path("sub.crt"), &path("sub.key"), &["--chain", &root]).succeeded();
    assert_openssl_accepts(&workspace);
    let read = |name: &str| workspace.read(&format!("state/{name}"));
    let anchors = TrustBundle::from_pem(read("clients/ana/current/ca.pem").as_bytes(), "ca.pem").unwrap();
    let sub =
        Certificate::chain_from_pem(&std::fs::read(path("sub.crt")).unwrap(), "sub.crt").unwrap().remove(0);
    let [anchor] = anchors.certificates() else { panic!() };
    assert!(anchor.is_of_same_authority(&sub) && anchor.is_signed_by(sub.public_key()));
    assert_eq!((anchor.serial(), anchor.validity()), (sub.serial(), sub.validity()));
    let sent =
        Certificate::chain_from_pem(read("daemons/builder/current/cert.pem").as_bytes(), "cert.pem").unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1], sub);
    // Whoever trusts the root takes the daemon, today and after a renewal.
    let chain = "daemons/builder/current/cert.pem";
    for _ in 0..2 {
        sh(&workspace.path("state"), &format!("openssl verify -CAfile {root} -untrusted {chain} {chain}"));
        workspace.run(["rotate", "--force", "builder"]);
    }
    assert_eq!(
        Certificate::chain_from_pem(read("clients/ana/current/cert.pem").as_bytes(), "c").unwrap().len(),
        1
    );
}

/// Go drops such a CA without a word, and what it issued would be in the state all the same.
#[test]
fn a_ca_that_nobody_loads_is_refused_and_one_that_strict_peers_refuse_is_told() {
    const TEST: &str = "a_ca_that_nobody_loads_is_refused_and_one_that_strict_peers_refuse_is_told";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let make = |more: &str| {
        sh(
            folder.path(),
            &format!(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
                 -days 3650 -subj /CN=ours {more} 2>/dev/null && chmod 0600 ca.key"
            ),
        );
    };
    make("-set_serial -7");
    let workspace = Workspace::new();
    let said = import(&workspace, &path("ca.pem"), &path("ca.key"), &[]).ended_with(1);
    assert!(said.err.contains("negative"), "{}", said.err);
    assert!(!workspace.path("state").exists(), "nothing is made of it");
    make("");
    let said = import(&workspace, &path("ca.pem"), &path("ca.key"), &[]).succeeded();
    assert!(said.out.contains("strict peers") || said.err.contains("strict peers"), "{said:?}");
}

/// Neither of the two could be revoked without the other, and a CA's key is for nothing else.
#[test]
fn a_request_with_the_key_of_a_ca_or_of_a_daemon_is_refused() {
    const TEST: &str = "a_request_with_the_key_of_a_ca_or_of_a_daemon_is_refused";
    if peers::program("openssl", TEST).is_none() {
        return;
    }
    let workspace = Workspace::with_state();
    let ca = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    for key in [ca.join("key.pem"), workspace.path("state/daemons/builder/current/key.pem")] {
        sh(
            &workspace.path("state"),
            &format!("openssl req -new -key {} -subj /CN=x -out x.csr", key.display()),
        );
        let csr = workspace.text("state/x.csr");
        let hash = format!(
            "openssl pkey -in {} -pubout -outform DER | sha256sum | cut -c1-64 > hash",
            key.display()
        );
        sh(&workspace.path("state"), &hash);
        let print = workspace.read("state/hash").trim().to_owned();
        let said =
            workspace.run(["issue", "client", "xk", "--csr", &csr, "--fingerprint", &print]).ended_with(1);
        assert!(said.err.contains("a key that nobody else has"), "{}", said.err);
    }
}
