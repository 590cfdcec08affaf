//! Somebody's access is taken away at a daemon that was taken over: by certificates that others have issued.

use super::makers::{Maker, sh};
use super::taking_over::{Site, pin_client};
use crate::rotate::rotating::leaf;
use crate::support::supervised::WorkingClients;

/// How often whoever has the files of that folder was let in.
fn accepted(test: &'static str, site: &Site, folder: &str) -> u64 {
    let folder = [site.admin.text(folder)];
    let mut clients = WorkingClients::start(test, &site.admin, site.port, &folder, &[]).unwrap();
    clients.settle()["accepted"].as_u64().unwrap()
}

/// A certificate of the CA for a new key, with that extension and no other.
fn certificate(site: &Site, folder: &str, subject: &str, extension: &str) -> String {
    let place = site.pki.path(folder);
    std::fs::create_dir(&place).unwrap();
    let script = format!(
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem
         openssl req -new -key key.pem -subj '{subject}' -out new.csr; echo '{extension}' > new.ext
         openssl x509 -req -in new.csr -CA {} -CAkey {} -set_serial 0x$(openssl rand -hex 8) -days 90 \
           -extfile new.ext -out cert.pem",
        site.pki.authority.display(),
        site.pki.key()
    );
    sh(&place, &script);
    site.admin.write(&format!("{folder}/ca.pem"), std::fs::read(&site.pki.authority).unwrap());
    for file in ["cert.pem", "key.pem"] {
        site.admin.write(&format!("{folder}/{file}"), std::fs::read(place.join(file)).unwrap());
    }
    site.admin.text(&format!("{folder}/cert.pem"))
}

/// That the daemon refuses a client of the new CA says nothing of one of the CA without its key, whom it may let in
/// by another file.
#[test]
fn of_a_client_of_a_ca_without_its_key_it_is_said_that_nobody_can_try_him() {
    const TEST: &str = "of_a_client_of_a_ca_without_its_key_it_is_said_that_nobody_can_try_him";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    site.adopt(&["--client", "zoe"]).succeeded();
    site.rotate().succeeded();
    let cert = site.admin.text("client-1/cert.pem");
    let revoke = ["revoke", "bob", "--cert", &cert];
    let said = site.admin.run(revoke).ended_with(6);
    assert!(said.out.contains("not tried: whether builder refuses bob"), "{}", said.out);
    assert!(!said.out.contains("every daemon refuses"), "{}", said.out);
    // Whose it is, if somebody has named another's file.
    let whose = said.out.lines().find(|line| line.contains("; it is revoked as client bob"));
    assert!(whose.is_some_and(|line| line.contains("CN=ben")), "{}", said.out);
    let status = site.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.lines().last().unwrap().contains("kitcert revoke --seen bob"), "{status}");
    assert_eq!(accepted(TEST, &site, "client-1"), 0);
    site.assert_lets_in("zoe");
    site.admin.run(["revoke", "--seen", "bob"]).succeeded();
    site.admin.run(["status", "--check"]).succeeded();
    assert!(site.admin.run(revoke).succeeded().out.contains("it was said of builder on"));
    // Of two whom nothing can try the one is named that is open.
    let other = certificate(&site, "gil", "/CN=gil", "subjectAltName=DNS:gil.example");
    site.admin.run(["revoke", "gil", "--cert", &other]).ended_with(6);
    site.admin.run(["revoke", "--undo", "bob"]);
    let said = site.admin.run(["revoke", "--seen", "bob"]).out;
    assert!(said.lines().last().unwrap().ends_with("next: kitcert revoke --seen gil"), "{said}");
    site.admin.run(["revoke", "--seen", "gil"]).succeeded();
    site.admin.run(["revoke", "--undo", "gil"]).succeeded();
    site.admin.run(["revoke", "bob", "--cert", &cert]);
    // That nothing is excluded any more is seen as a client of the new CA.
    site.admin.run(["revoke", "--undo", "bob"]).succeeded();
    assert!(accepted(TEST, &site, "client-1") > 0);
    site.admin.run(["status", "--check"]).succeeded();
}

#[test]
fn a_stolen_pair_of_a_daemon_that_is_for_clients_too_is_said_to_get_in_until_it_does_not() {
    const TEST: &str =
        "a_stolen_pair_of_a_daemon_that_is_for_clients_too_is_said_to_get_in_until_it_does_not";
    for with_key in [true, false] {
        let Some(site) = Site::new(Maker::Earthly, 365, TEST) else { return };
        site.pki.place_daemon(&site.admin, "stolen");
        let key = site.pki.key();
        let with = ["--client", "zoe", "--ca-key", &key, "--keep-ca"];
        site.adopt(if with_key { &with } else { &with[..2] }).succeeded();
        site.rotate().succeeded();
        let before = site.daemon.serial();
        for _ in 0..2 {
            let said = site.admin.run(["revoke", "daemon/builder"]).ended_with(6).out;
            assert!(
                said.contains("STILL LETS IN whoever has the previous key of builder on builder"),
                "{said}"
            );
            let last = said.lines().last().unwrap();
            let helps = if with_key { "ca rollover start" } else { "ca rollover finish" };
            assert!(last.starts_with("not done: ") && last.contains(helps), "{last}");
            assert_eq!(last.contains("keeps its key"), !with_key, "{last}");
            assert_eq!(site.daemon.serial() == before, !with_key);
            let status = site.admin.run(["status", "--check"]).ended_with(4).out;
            assert!(status.contains("LETS IN a revoked client"), "{status}");
            assert!(status.lines().last().unwrap().contains(helps), "{status}");
            assert!(accepted(TEST, &site, "stolen") > 0, "as it is said");
        }
        let said = site.rotate().ended_with(6).out;
        assert!(said.contains("STILL LETS IN whoever has the previous key of builder"), "{said}");
        if with_key {
            site.admin.run(["ca", "rollover", "start"]);
            site.rotate();
        }
        site.admin.run(["confirm", "zoe"]).succeeded();
        site.admin.run(["ca", "rollover", "finish", &site.previous()]).succeeded();
        site.rotate().succeeded();
        assert_eq!(accepted(TEST, &site, "stolen"), 0);
        site.admin.run(["status", "--check"]).succeeded();
        site.assert_lets_in("zoe");
    }
}

#[test]
fn what_no_daemon_can_refuse_is_remembered_until_its_ca_is_not_trusted() {
    const TEST: &str = "what_no_daemon_can_refuse_is_remembered_until_its_ca_is_not_trusted";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let named = certificate(&site, "named", "/CN=dan", "subjectAltName=DNS:dan.example,DNS:dan");
    let nameless = certificate(&site, "nameless", "/CN=dan", "keyUsage=critical,digitalSignature");
    let of_daemon = certificate(&site, "server", "/CN=web", "extendedKeyUsage=serverAuth");
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    let said = site.admin.run(["revoke", "dan", "--cert", &of_daemon]).ended_with(2);
    assert!(said.err.contains("for daemons alone"), "{}", said.err);
    let revoke = ["revoke", "dan", "--cert", &named, "--cert", &nameless];
    for _ in 0..2 {
        let said = site.admin.run(revoke).ended_with(6).out;
        assert!(said.contains("STILL LETS IN dan on builder, until"), "{said}");
        assert!(!said.contains("every daemon refuses"), "{said}");
        let status = site.admin.run(["status", "--check"]).ended_with(4).out;
        assert!(status.contains("LETS IN a revoked client"), "{status}");
        assert!(status.lines().last().unwrap().contains("ca rollover start"), "{status}");
        assert_eq!(accepted(TEST, &site, "named"), 0);
        assert!(accepted(TEST, &site, "nameless") > 0, "as it is said");
    }
    assert!(site.rotate().ended_with(6).out.contains("STILL LETS IN dan until"));
    site.admin.run(["ca", "rollover", "start"]);
    site.rotate();
    site.admin.run(["confirm", "zoe"]).succeeded();
    site.admin.run(["ca", "rollover", "finish", &site.previous()]).succeeded();
    site.rotate().succeeded();
    assert_eq!(accepted(TEST, &site, "nameless"), 0);
    site.admin.run(["status", "--check"]).succeeded();
}

/// A constraint has the host of a URI alone, and moby calls every client the same: neither stops anybody, and that is
/// remembered, not refused and forgotten.
#[test]
fn what_would_stop_others_too_stops_nobody_and_is_told_until_its_ca_is_not_trusted() {
    const TEST: &str = "what_would_stop_others_too_stops_nobody_and_is_told_until_its_ca_is_not_trusted";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let uri = certificate(&site, "ivy", "/CN=ivy", "subjectAltName=URI:spiffe://td/ivy");
    certificate(&site, "gus", "/CN=gus", "subjectAltName=URI:spiffe://td/gus");
    let of_many = certificate(&site, "dee", "/CN=dee", "subjectAltName=DNS:client");
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    let restarts = site.daemon.count("restarts");
    for (name, cert) in [("ivy", &uri), ("dee", &of_many)] {
        for _ in 0..2 {
            let said = site.admin.run(["revoke", name, "--cert", cert]).ended_with(6).out;
            assert!(said.contains(&format!("STILL LETS IN {name} on builder, until")), "{said}");
            let status = site.admin.run(["status", "--check"]).ended_with(4).out;
            assert!(status.contains("LETS IN a revoked client"), "{status}");
        }
        assert!(accepted(TEST, &site, name) > 0, "as it is said");
    }
    assert!(accepted(TEST, &site, "gus") > 0);
    assert_eq!(site.daemon.count("restarts"), restarts);
    for name in ["ivy", "dee"] {
        site.admin.run(["revoke", "--undo", name]);
    }
    site.admin.run(["status", "--check"]).succeeded();
}

/// A bundle that names a client's own certificate trusts that for itself: no name stops it, and it is taken out.
#[test]
fn a_client_that_the_bundle_names_is_thrown_out_by_its_certificate_and_gets_in_again() {
    const TEST: &str = "a_client_that_the_bundle_names_is_thrown_out_by_its_certificate_and_gets_in_again";
    for with_key in [true, false] {
        let Some(mut site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
        let folders = ["fay", "gus"].map(|name| pin_client(&site, name));
        let issued = certificate(&site, "ida", "/CN=ida", "subjectAltName=DNS:ida");
        let bundle = site.admin.read("certs/ca.pem");
        site.admin.write("certs/ca.pem", format!("{bundle}{}", site.admin.read("ida/cert.pem")));
        site.daemon.ask("restart");
        let key = site.pki.key();
        let with = ["--client", "zoe", "--ca-key", &key];
        site.adopt(if with_key { &with } else { &with[..2] }).succeeded();
        site.rotate();
        let before = site.trust().len();
        let mut stays = WorkingClients::start(TEST, &site.admin, site.port, &folders[1..], &[]).unwrap();
        let said = site.admin.run(["revoke", "fay"]).ended_with(2);
        let hint = said.err.lines().find_map(|line| line.strip_prefix("try: kitcert ")).unwrap().to_owned();
        let said = site.admin.run(hint.split(' '));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("every daemon refuses client fay"), "{}", said.out);
        assert_eq!((accepted(TEST, &site, "fay"), site.trust().len()), (0, before - 1));
        site.admin.run(["status", "--check"]).succeeded();
        // One that the CA has issued gets in by neither.
        let said = site.admin.run(["revoke", "ida", "--cert", &issued]);
        assert_eq!(said.code, if with_key { 0 } else { 6 }, "{said:?}");
        site.admin.run(["revoke", "--seen", "ida"]).succeeded();
        assert_eq!((accepted(TEST, &site, "ida"), site.trust().len()), (0, before - 2));
        site.admin.run(["status", "--check"]).succeeded();
        site.rotate().succeeded();
        assert_eq!(accepted(TEST, &site, "fay"), 0);
        site.admin.run(["revoke", "--undo", "fay"]).succeeded();
        assert!(accepted(TEST, &site, "fay") > 0, "{with_key}");
        assert_eq!(site.admin.read("state/log.jsonl").matches("trusted-again").count(), 1);
        assert_eq!((accepted(TEST, &site, "ida"), site.trust().len()), (0, before - 1));
        site.admin.run(["status", "--check"]).succeeded();
        assert_eq!(stays.settle()["refused"], 0);
        site.assert_nobody_was_refused();
    }
}

/// A certificate without a name, of an intermediate: whichever CA has certified that lets it in.
#[test]
fn a_nameless_certificate_of_an_intermediate_is_not_called_refused() {
    const TEST: &str = "a_nameless_certificate_of_an_intermediate_is_not_called_refused";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let named = certificate(&site, "named", "/CN=dan", "subjectAltName=DNS:dan.example,DNS:dan");
    certificate(&site, "between", "/CN=between", "basicConstraints=critical,CA:TRUE");
    let place = site.pki.path("below");
    std::fs::create_dir(&place).unwrap();
    sh(
        &place,
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem
         openssl req -new -key key.pem -subj /CN=dan -out new.csr
         openssl x509 -req -in new.csr -CA ../between/cert.pem -CAkey ../between/key.pem \
           -set_serial 0x$(openssl rand -hex 8) -days 90 -out leaf.pem; cat leaf.pem ../between/cert.pem > cert.pem",
    );
    site.admin.write("below/ca.pem", std::fs::read(&site.pki.authority).unwrap());
    for file in ["cert.pem", "key.pem"] {
        site.admin.write(&format!("below/{file}"), std::fs::read(place.join(file)).unwrap());
    }
    let leaf = site.admin.write("leaf.pem", std::fs::read(place.join("leaf.pem")).unwrap());
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    assert!(accepted(TEST, &site, "below") > 0);
    for _ in 0..2 {
        let said = site.admin.run(["revoke", "dan", "--cert", &named, "--cert", &leaf]).ended_with(6).out;
        assert!(said.contains("STILL LETS IN dan on builder, until"), "{said}");
        assert!(accepted(TEST, &site, "below") > 0, "as it is said");
        site.admin.run(["status", "--check"]).ended_with(4);
    }
}

/// Whoever has stolen the key that a daemon was taken over with gets in, whichever key it has by now; and it does not
/// go back to a key that is revoked.
#[test]
fn what_a_daemon_was_taken_over_with_counts_as_stolen_too_and_does_not_come_back() {
    const TEST: &str = "what_a_daemon_was_taken_over_with_counts_as_stolen_too_and_does_not_come_back";
    let Some(site) = Site::new(Maker::Earthly, 365, TEST) else { return };
    site.pki.place_daemon(&site.admin, "stolen");
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key, "--keep-ca"]).succeeded();
    site.rotate().succeeded();
    site.admin.run(["rotate", "--force", "--new-key", "daemon/builder"]).succeeded();
    let said = site.admin.run(["revoke", "daemon/builder"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN whoever has the previous key of builder on builder"), "{said}");
    assert!(accepted(TEST, &site, "stolen") > 0, "as it is said");
    let key = |folder: &str| leaf(&site.admin, folder).public_key().clone();
    let stolen = key("stolen");
    for _ in 0..2 {
        site.admin.run(["rollback", "builder"]);
        assert_ne!(key("state/daemons/builder/current"), stolen);
    }
    site.admin.run(["revoke", "daemon/builder", "--undo"]).succeeded();
    site.rotate().succeeded();
    site.admin.run(["status", "--check"]).succeeded();
}

/// A backup from before a client was thrown out that the bundle named: the move to another CA goes on, and he gets in
/// again when that is said.
#[test]
fn a_restored_backup_keeps_out_whom_the_bundle_named_and_goes_on_with_the_move() {
    const TEST: &str = "a_restored_backup_keeps_out_whom_the_bundle_named_and_goes_on_with_the_move";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let folder = pin_client(&site, "fay");
    site.daemon.ask("restart");
    site.adopt(&["--client", "zoe"]).succeeded();
    site.rotate();
    let copied = |from: &str, to: &str| {
        let place = site.admin.path("");
        sh(&place, &format!("rm -rf {to}; cp -a {from} {to}"));
    };
    copied("state", "backup");
    let cert = format!("{folder}/cert.pem");
    site.admin.run(["revoke", "fay", "--cert", &cert]).succeeded();
    copied("backup", "state");
    site.admin.run(["recover"]).succeeded();
    assert!(site.rollover().is_some(), "the move goes on");
    site.rotate().succeeded();
    assert_eq!(accepted(TEST, &site, "fay"), 0);
    let said = site.admin.run(["revoke", "--undo", "fay"]).succeeded().out;
    assert!(said.contains("client fay gets in again"), "{said}");
    assert!(accepted(TEST, &site, "fay") > 0);
    site.assert_lets_in("zoe");
}

/// What stays revoked of a client that gets in with another key alone is its own, and can be taken back.
#[test]
fn a_key_of_elsewhere_that_stays_revoked_is_named_and_gets_in_again_when_it_is_named() {
    const TEST: &str = "a_key_of_elsewhere_that_stays_revoked_is_named_and_gets_in_again_when_it_is_named";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let named = certificate(&site, "dan", "/CN=dan", "subjectAltName=DNS:dan.example,DNS:dan");
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    site.admin.run(["revoke", "dan", "--cert", &named]).succeeded();
    assert_eq!(accepted(TEST, &site, "dan"), 0);
    site.admin.run(["revoke", "--undo", "dan", "--new-key"]).succeeded();
    assert_eq!(accepted(TEST, &site, "dan"), 0);
    let said = site.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    let key = said.trim_end().rsplit("but not with ").next().unwrap().to_owned();
    assert_eq!(key.len(), 64, "{said}");
    assert_eq!(accepted(TEST, &site, "dan"), 0, "as it is said");
    site.admin.run(["revoke", "--undo", "dan", "--only-key", &key]).succeeded();
    assert!(accepted(TEST, &site, "dan") > 0);
    site.admin.run(["status", "--check"]).succeeded();
}

/// What stands beside the daemon's CA, says nothing of what its key is for, and has issued somebody's certificate is a
/// CA: that client alone is refused.
#[test]
fn a_client_of_a_ca_that_does_not_say_what_it_is_is_refused_and_its_others_are_not() {
    const TEST: &str = "a_client_of_a_ca_that_does_not_say_what_it_is_is_refused_and_its_others_are_not";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let place = site.pki.path("team");
    std::fs::create_dir(&place).unwrap();
    sh(
        &place,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -days 900 \
           -subj '/CN=Team CA' -out ca.crt
         for name in kim lee; do
           openssl ecparam -name prime256v1 -genkey -noout -out $name.key
           openssl req -new -key $name.key -subj /CN=$name -out $name.csr
           echo subjectAltName=DNS:$name.example >$name.ext
           openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -set_serial 0x$(openssl rand -hex 8) -days 90 \
             -extfile $name.ext -out $name.crt
         done",
    );
    for name in ["kim", "lee"] {
        let file = |kind: &str| std::fs::read(place.join(format!("{name}.{kind}"))).unwrap();
        site.admin.write(&format!("{name}/ca.pem"), std::fs::read(&site.pki.authority).unwrap());
        site.admin.write(&format!("{name}/cert.pem"), file("crt"));
        site.admin.write(&format!("{name}/key.pem"), file("key"));
    }
    let team = std::fs::read_to_string(place.join("ca.crt")).unwrap();
    let bundle = site.admin.read("certs/ca.pem");
    site.admin.write("certs/ca.pem", format!("{bundle}{team}"));
    site.daemon.ask("restart");
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    assert!(accepted(TEST, &site, "kim") > 0 && accepted(TEST, &site, "lee") > 0);
    let cert = site.admin.text("kim/cert.pem");
    let said = site.admin.run(["revoke", "kim", "--cert", &cert]).ended_with(6).out;
    assert!(said.contains("revoke --seen kim") && !said.contains("STILL LETS IN"), "{said}");
    assert_eq!(accepted(TEST, &site, "kim"), 0);
    assert!(accepted(TEST, &site, "lee") > 0);
    site.admin.run(["revoke", "--seen", "kim"]).succeeded();
    site.admin.run(["status", "--check"]).succeeded();
}

/// Revoked twice, by another certificate each time: neither gets in with another key.
#[test]
fn whoever_gets_in_with_another_key_does_not_with_any_that_was_revoked_one_after_the_other() {
    const TEST: &str =
        "whoever_gets_in_with_another_key_does_not_with_any_that_was_revoked_one_after_the_other";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let names = |name: &str| format!("subjectAltName=DNS:{name}.example");
    let certs = ["one", "two"].map(|name| certificate(&site, name, "/CN=dan", &names(name)));
    let key = site.pki.key();
    site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
    site.rotate().succeeded();
    for cert in &certs {
        site.admin.run(["revoke", "dan", "--cert", cert]).succeeded();
    }
    site.admin.run(["revoke", "--undo", "dan", "--new-key"]).succeeded();
    for folder in ["one", "two"] {
        assert_eq!(accepted(TEST, &site, folder), 0, "{folder}");
    }
}

/// At an endpoint that its certificate does not name it would never be verified, and never get another.
#[test]
fn an_endpoint_that_the_certificate_does_not_name_is_refused_where_the_ca_key_is_elsewhere() {
    const TEST: &str =
        "an_endpoint_that_the_certificate_does_not_name_is_refused_where_the_ca_key_is_elsewhere";
    let Some(site) = Site::new(Maker::Earthly, 365, TEST) else { return };
    let hosts = ["--host", "builder.example.com", "--endpoint", "tcp://builder.example.com:8372"];
    let adopt = ["init", "--adopt", "certs"].into_iter().chain(hosts);
    let said = site.admin.run(adopt).ended_with(2);
    assert!(
        said.err.contains("localhost") && said.err.contains("--endpoint tcp://localhost:8372"),
        "{}",
        said.err
    );
    assert!(!site.admin.path("state/kitcert.yaml").exists());
}
