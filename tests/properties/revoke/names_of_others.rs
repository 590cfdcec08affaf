//! Certificates that kitcert did not issue, with names of every kind: one that is said to be refused is refused, and
//! who has nothing to do with it gets in again once nobody is revoked.

use std::process::Command;

use kitcert::pki::{Exclusions, TrustBundle};

use crate::rollover::rolling_over::Fleet;
use crate::support::peers;

/// A certificate with those names, of the state's CA, by openssl; the folder with it and its key.
fn made(fleet: &Fleet, openssl: &std::path::Path, name: &str, names: &str) -> String {
    let folder = fleet.admin.path(name);
    std::fs::create_dir(&folder).unwrap();
    let authority = std::fs::read_dir(fleet.admin.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(authority.join("ca.pem"), folder.join("ca.pem")).unwrap();
    let written = format!("extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\nsubjectAltName={names}\n");
    std::fs::write(folder.join("extensions"), written).unwrap();
    let run = |arguments: &[&str]| {
        let out = Command::new(openssl).current_dir(&folder).args(arguments).output().unwrap();
        assert!(out.status.success(), "{names}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run(&["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", "key.pem"]);
    run(&["req", "-new", "-key", "key.pem", "-subj", "/CN=somebody", "-out", "csr.pem"]);
    let key = authority.join("key.pem");
    let by = ["-CA", "ca.pem", "-CAkey", key.to_str().unwrap(), "-set_serial"];
    let number = format!("0x{}", name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    let sign =
        ["x509", "-req", "-in", "csr.pem", "-days", "30", "-extfile", "extensions", "-out", "cert.pem"];
    run(&[&sign[..], &by, &[&number]].concat());
    folder.to_str().unwrap().to_owned()
}

#[test]
fn what_is_said_to_be_refused_is_refused_whatever_its_names_are() {
    const TEST: &str = "what_is_said_to_be_refused_is_refused_whatever_its_names_are";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(fleet) = Fleet::new(TEST, 1, &["eva"]) else { return };
    let mut refused = Vec::new();
    for (number, names) in [
        "DNS:laptop.example.net",
        "DNS:*.example.org",
        "DNS:*.client.kitcert.internal",
        "DNS:foo.example.net.",
        "DNS:x y",
        "DNS:a_b.example.net",
        "URI:spiffe://a.example/x",
        "URI:https://h.example:99/x",
        "URI:https://u:p@h2.example/x",
        "URI:https://u@h3.example/x",
        "URI:spiffe://a_b/x",
        "URI:urn:uuid:1",
        "URI:https://10.0.0.1/x",
        "email:ana",
        "email:ana@h4.example",
        "IP:10.1.2.3",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("some{number}");
        let folder = made(&fleet, &openssl, &name, names);
        let said = fleet.admin.run(["revoke", &name, "--cert", &format!("{folder}/cert.pem")]);
        // Once one gets in whom no name stops, that is told with every other.
        let told = ["every daemon refuses client", "client"].map(|begin| format!("{begin} {name}"));
        if said.code == 0 || said.out.contains(&format!("{} is refused", told[1])) {
            fleet.assert_dials(&folder, "refused");
            refused.push(names);
        } else {
            assert!(!said.out.contains(&told[0]), "{names}: {said:?}");
            assert!(
                said.code != 6 || said.out.contains(&format!("STILL LETS IN {name}")),
                "{names}: {said:?}"
            );
        }
        // Whatever came of it, the next one can be revoked.
        fleet.admin.run(["status"]).succeeded();
        fleet.assert_dials(&fleet.folder("ana"), "accepted");
    }
    let plain = ["DNS:laptop.example.net", "URI:spiffe://a.example/x", "URI:https://h.example:99/x"];
    for names in plain.into_iter().chain(["email:ana@h4.example", "IP:10.1.2.3"]) {
        assert!(refused.contains(&names), "{names}");
    }
}

#[test]
fn once_nobody_is_revoked_whoever_has_a_name_that_cannot_be_compared_gets_in_again() {
    const TEST: &str = "once_nobody_is_revoked_whoever_has_a_name_that_cannot_be_compared_gets_in_again";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "eva"]) else { return };
    let other = made(&fleet, &openssl, "other", "DNS:ana laptop");
    let of_dan = fleet.copy("dan");
    fleet.assert_dials(&other, "accepted");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.assert_dials(&other, "refused");
    // The daemons do it by their next bundle, and kitcert sees that dan gets in.
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    for folder in [&other, &of_dan] {
        fleet.assert_dials(folder, "accepted");
    }
    for machine in &fleet.daemons {
        let path = machine.path("root/etc/ca.pem");
        let trust = TrustBundle::from_pem(&std::fs::read(&path).unwrap(), path.display()).unwrap();
        assert!(trust.certificates().iter().all(|anchor| Exclusions::of(anchor).is_none()));
    }
    fleet.admin.run(["status", "--check"]).succeeded();
    // A revocation that is noted, and that no bundle has yet: nobody calls that verified.
    let record = fleet.admin.read("state/revocations.json");
    let at = record.find("\"undone\": \"").unwrap();
    let end = at + record[at..].find('\n').unwrap();
    let noted = format!("{}\"undone\": null{}", &record[..at], &record[end..]);
    fleet.admin.write_private("state/revocations.json", noted);
    for daemon in ["builder", "spare"] {
        let said = fleet.admin.run(["verify", daemon]);
        assert!(said.code != 0 && said.out.contains("dan is let in, who is revoked"), "{said:?}");
    }
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&of_dan, "refused");
}

#[test]
fn who_shares_a_name_with_somebody_revoked_is_not_said_to_get_in_again() {
    const TEST: &str = "who_shares_a_name_with_somebody_revoked_is_not_said_to_get_in_again";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "eva"]) else { return };
    let folders = ["first", "second"].map(|name| made(&fleet, &openssl, name, "DNS:laptop.example.net"));
    let certs = folders.clone().map(|folder| format!("{folder}/cert.pem"));
    let keys = folders.clone().map(|folder| {
        crate::rotate::rotating::leaf(&fleet.admin, &folder).public_key().fingerprint().to_string()
    });
    for number in 0..2 {
        let of_key = ["revoke", "dan", "--only-key", &keys[number], "--cert", &certs[number]];
        fleet.admin.run(of_key).succeeded();
    }
    let undo = ["revoke", "--undo", "dan", "--only-key", &keys[0]];
    let said = fleet.admin.run(undo).succeeded().out;
    let way = format!("kitcert revoke --undo dan --only-key {}", keys[1]);
    assert!(said.contains("refused still") && said.contains(&way), "{said}");
    fleet.assert_dials(&folders[0], "refused");
    fleet.admin.run(&way.split(' ').collect::<Vec<_>>()[1..]).succeeded();
    fleet.assert_dials(&folders[0], "accepted");

    fleet.admin.run(["revoke", "dan", "--cert", &certs[0]]).succeeded();
    fleet.admin.run(["revoke", "eva", "--cert", &certs[1]]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "eva"]).succeeded().out;
    assert!(said.contains("refused still") && said.contains("kitcert revoke --undo dan"), "{said}");
    fleet.assert_dials(&folders[1], "refused");
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    assert!(said.contains("client dan gets in again"), "{said}");
    fleet.assert_dials(&folders[1], "accepted");
}

#[test]
fn two_clients_never_have_one_key() {
    const TEST: &str = "two_clients_never_have_one_key";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let csr = fleet.admin.write("again.csr", fleet.developer("dan").machine.read("dan.csr"));
    let key = crate::rotate::rotating::leaf(&fleet.admin, "state/clients/dan/current");
    let key = key.public_key().fingerprint().to_string();
    let said =
        fleet.admin.run(["issue", "client", "fay", "--csr", &csr, "--fingerprint", &key]).ended_with(1);
    assert!(said.err.contains("client dan") && said.err.contains("kitcert request fay"), "{}", said.err);
}
