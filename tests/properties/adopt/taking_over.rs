//! A daemon that others have set up is taken over while its clients work: with the key of its CA and without,
//! and when its certificate ends within two days.

use kitcert::pki::{Certificate, TrustBundle};
use serde_json::{Value, json};

use super::makers::{Maker, Pki, sh};
use crate::support::daemon::Daemon;
use crate::support::supervised::{SupervisedDaemon, WorkingClients};
use crate::support::turns::is_turn;
use crate::support::workspace::{Said, Workspace};

/// A daemon that was set up by others, with its clients at work, and an admin who takes it over.
pub struct Site {
    pub pki: Pki,
    pub admin: Workspace,
    pub port: u16,
    pub daemon: SupervisedDaemon,
    pub clients: WorkingClients,
    test: &'static str,
}

impl Site {
    pub fn new(maker: Maker, days: u32, test: &'static str) -> Option<Site> {
        Site::with_daemon(maker, days, test, &[])
    }

    /// With a daemon that is started with those options.
    pub fn with_daemon(maker: Maker, days: u32, test: &'static str, options: &[&str]) -> Option<Site> {
        let (pki, admin, port) = (Pki::new(maker, days, test)?, Workspace::new(), Daemon::free_port());
        pki.place_daemon(&admin, "certs");
        let daemon = SupervisedDaemon::start(test, &admin, "certs", port, options)?;
        let folders: Vec<String> = (0..2).map(|number| pki.place_client(&admin, number)).collect();
        let clients = WorkingClients::start(test, &admin, port, &folders, &[])?;
        Some(Site { pki, admin, port, daemon, clients, test })
    }

    /// The command that takes it over.
    pub fn adopt(&self, more: &[&str]) -> Said {
        let endpoint = format!("tcp://127.0.0.1:{}", self.port);
        let said = self.admin.run(["init", "--adopt", "certs", "--endpoint", &endpoint].iter().chain(more));
        if said.code == 0 {
            let text = self.admin.read("state/kitcert.yaml");
            let described = format!("  builder:\n    restart: {}\n", json!(self.daemon.restart()));
            self.admin.write("state/kitcert.yaml", text.replacen("  builder:\n", &described, 1));
        }
        said
    }

    pub fn rotate(&self) -> Said {
        self.admin.run(["rotate"])
    }

    /// Every one of the daemon's own clients was let in each time.
    #[track_caller]
    pub fn assert_nobody_was_refused(&mut self) {
        assert_works(&mut self.clients);
    }

    /// A client of the state is let in.
    #[track_caller]
    pub fn assert_lets_in(&self, name: &str) {
        let folder = [self.admin.text(&format!("state/clients/{name}/current"))];
        assert_works(&mut WorkingClients::start(self.test, &self.admin, self.port, &folder, &[]).unwrap());
    }

    /// None of the daemon's own clients gets in any more.
    #[track_caller]
    pub fn assert_keeps_out(&self) {
        let folders = [0, 1].map(|number| self.admin.text(&format!("client-{number}")));
        let mut clients = WorkingClients::start(self.test, &self.admin, self.port, &folders, &[]).unwrap();
        let counted = clients.settle();
        assert_eq!(counted["accepted"], 0, "{counted:#}");
    }

    /// Whom the daemon trusts by its installed files.
    pub fn trust(&self) -> Vec<Certificate> {
        let bundle = TrustBundle::from_pem(self.admin.read("certs/ca.pem").as_bytes(), "ca.pem").unwrap();
        bundle.certificates().to_vec()
    }

    pub fn rollover(&self) -> Option<Value> {
        let text = std::fs::read(self.admin.path("state/rollover.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The CA that everything is moved away from.
    pub fn previous(&self) -> String {
        self.rollover().unwrap()["from"][0].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn assert_works(clients: &mut WorkingClients) {
    let counted = clients.settle();
    for count in ["refused", "untrusted", "late", "mismatched", "unreadable"] {
        assert_eq!(counted[count], 0, "{count}: {counted:#}");
    }
    assert!(counted["accepted"].as_u64().unwrap() > 0, "{counted:#}");
}

#[test]
fn without_its_key_a_ca_stays_until_a_person_says_so_and_nobody_is_refused() {
    const TEST: &str = "without_its_key_a_ca_stays_until_a_person_says_so_and_nobody_is_refused";
    if !is_turn(TEST) {
        return;
    }
    for maker in Maker::ALL {
        let Some(mut site) = Site::new(maker, 365, TEST) else { continue };
        let before = site.admin.read("certs/ca.pem");
        let served = site.daemon.serial();
        let said = site.adopt(&["--client", "zoe"]).succeeded();
        assert!(said.out.contains("it serves this certificate"), "{maker:?}: {said:?}");
        assert_eq!(site.admin.read("certs/ca.pem"), before, "{maker:?}: nothing changes at first");
        assert!(!site.admin.path("state/clients/zoe").exists(), "{maker:?}: zoe would get in nowhere");
        let worked = site.admin.read("state/daemons/builder/identity.json");
        let worked: Value = serde_json::from_str(&worked).unwrap();
        assert_eq!(worked["worked"][0]["gen"], 1, "{maker:?}: {worked:#}");

        site.rotate().succeeded();
        assert_eq!((site.daemon.serial(), site.daemon.count("restarts")), (served, 1), "{maker:?}");
        assert_eq!(site.trust().len(), 2, "{maker:?}");
        site.assert_nobody_was_refused();
        site.assert_lets_in("zoe");

        // Everybody that is known here has moved: the others are nobody's to count.
        site.admin.run(["confirm", "zoe"]).succeeded();
        let said = site.rotate().succeeded();
        assert!(said.out.contains("others may have certificates of it"), "{maker:?}: {said:?}");
        assert_eq!((site.trust().len(), site.daemon.count("restarts")), (2, 1), "{maker:?}");
        site.assert_nobody_was_refused();

        site.admin.run(["ca", "rollover", "finish", &site.previous()]).succeeded();
        site.rotate().succeeded();
        assert_eq!((site.trust().len(), site.rollover()), (1, None), "{maker:?}");
        site.assert_keeps_out();
        site.assert_lets_in("zoe");
    }
}

#[test]
fn with_its_key_a_ca_goes_on_and_nobody_is_refused() {
    const TEST: &str = "with_its_key_a_ca_goes_on_and_nobody_is_refused";
    if !is_turn(TEST) {
        return;
    }
    for maker in Maker::ALL {
        let Some(mut site) = Site::new(maker, 365, TEST) else { continue };
        let key = site.pki.key();
        let said = site.adopt(&["--client", "zoe", "--ca-key", &key]).succeeded();
        assert!(said.out.contains(": it serves this certificate; verified: "), "{maker:?}: {said:?}");
        assert!(said.out.contains(&format!("{key} stays where it is")), "{maker:?}: {said:?}");
        assert_eq!(site.rollover(), None, "{maker:?}");
        site.rotate().succeeded();
        assert_eq!(site.daemon.count("restarts"), 0, "{maker:?}");
        site.assert_lets_in("zoe");
        site.admin.run(["rotate", "--force", "builder"]).succeeded();
        assert_eq!((site.daemon.count("restarts"), site.trust().len()), (1, 1), "{maker:?}");
        site.assert_nobody_was_refused();
        site.assert_lets_in("zoe");

        // It can give way to another later, and its unknown clients are waited for.
        site.admin.run(["ca", "rollover", "start"]).succeeded();
        site.admin.run(["confirm", "zoe"]).succeeded();
        let said = site.rotate().succeeded();
        assert!(said.out.contains("others may have certificates of it"), "{maker:?}: {said:?}");
        assert_eq!(site.trust().len(), 2, "{maker:?}");
        site.assert_nobody_was_refused();
    }
}

#[test]
fn what_holds_a_rollover_for_years_is_told_to_whoever_asks_and_not_each_night() {
    const TEST: &str = "what_holds_a_rollover_for_years_is_told_to_whoever_asks_and_not_each_night";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    site.adopt(&[]).succeeded();
    site.rotate().succeeded();
    let asked = site.rotate().succeeded();
    assert!(asked.out.contains("others may have certificates of it"), "{asked:?}");
    let nightly = site.admin.run(["rotate", "-q"]).succeeded();
    assert_eq!((nightly.out.as_str(), nightly.err.as_str()), ("", ""));
}

#[test]
fn a_certificate_that_its_ca_cannot_renew_gives_way_in_its_last_two_days_and_who_is_out_is_named() {
    const TEST: &str =
        "a_certificate_that_its_ca_cannot_renew_gives_way_in_its_last_two_days_and_who_is_out_is_named";
    for (maker, days) in
        [(Maker::OpensslEc, 1), (Maker::OpensslRsa, 1), (Maker::Earthly, 1), (Maker::OpensslEc, 3)]
    {
        let Some(mut site) = Site::new(maker, days, TEST) else { continue };
        site.adopt(&["--client", "zoe"]).succeeded();
        let previous = site.previous();
        let said = site.rotate().succeeded();
        let is_named = said.out.lines().any(|line| {
            line.contains(&previous[..8])
                && line.contains("locked out")
                && line.contains("does not know builder")
        });
        assert_eq!(is_named, days == 1, "{maker:?}, {days} days: {said:?}");
        assert_eq!(site.trust().len(), 2, "{maker:?}, {days} days: both are trusted");
        site.assert_lets_in("zoe");
        match days {
            1 => site.assert_keeps_out(),
            _ => site.assert_nobody_was_refused(),
        }
        let status = site.admin.run(["status", "--check"]);
        assert_eq!(status.code, if days == 1 { 0 } else { 4 }, "{maker:?}, {days} days: {status:?}");
    }
}

#[test]
fn a_key_that_was_closed_after_the_takeover_is_not_opened_again() {
    const TEST: &str = "a_key_that_was_closed_after_the_takeover_is_not_opened_again";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    sh(&site.admin.path("certs"), "chmod 0440 key.pem");
    site.adopt(&[]).succeeded();
    assert!(!site.admin.path("certs/key.pem").is_symlink());
    sh(&site.admin.path("certs"), "chmod 0400 key.pem");
    site.rotate().succeeded();
    assert!(site.admin.path("certs/key.pem").is_symlink());
    let mode =
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(site.admin.path("certs/key.pem")).unwrap());
    assert_eq!(mode & 0o777, 0o400);
}

#[test]
fn a_daemon_goes_back_to_the_plain_files_that_it_had() {
    const TEST: &str = "a_daemon_goes_back_to_the_plain_files_that_it_had";
    for (maker, words) in
        [(Maker::OpensslEc, &["rollback", "builder"][..]), (Maker::EasyRsa, &["ca", "rollover", "abort"])]
    {
        let Some(mut site) = Site::new(maker, 365, TEST) else { continue };
        // Comments, and modes that kitcert would not choose.
        let bundle = format!("# our CA\n{}", site.admin.read("certs/ca.pem"));
        site.admin.write("certs/ca.pem", &bundle);
        sh(&site.admin.path("certs"), "chmod 0440 ca.pem; chmod 0400 key.pem");
        let files =
            || ["ca.pem", "cert.pem", "key.pem"].map(|name| site.admin.read(&format!("certs/{name}")));
        let before = files();
        site.adopt(&[]).succeeded();
        site.rotate().succeeded();
        let is_link = |name: &str| site.admin.path(&format!("certs/{name}")).is_symlink();
        assert!(["ca.pem", "cert.pem", "key.pem"].into_iter().all(is_link));
        let mode = |path: &str| {
            let metadata = std::fs::metadata(site.admin.path(path)).unwrap();
            std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777
        };
        assert_eq!(
            ["ca.pem", "cert.pem", "key.pem"].map(|name| mode(&format!("certs/{name}"))),
            [0o440, 0o644, 0o400]
        );

        // Nobody can be dialled as a client of a CA whose key is elsewhere.
        site.admin.run(words).ended_with(6);
        assert!(files() == before, "{words:?}: other files");
        assert!(!["ca.pem", "cert.pem", "key.pem"].into_iter().any(is_link), "{words:?}");
        assert_eq!(
            ["ca.pem", "cert.pem", "key.pem"].map(|name| mode(&format!("certs/{name}"))),
            [0o440, 0o644, 0o400]
        );
        let client = site.admin.text("client-0");
        site.admin.run(["verify", "builder", "--tlsdir", &client]).succeeded();
        site.assert_nobody_was_refused();
        site.rotate().succeeded();
        site.assert_nobody_was_refused();
        if words[0] == "ca" {
            assert_eq!((site.rollover(), site.trust().len()), (None, 1), "it is as before");
            site.admin.run(["ca", "rollover", "start"]).succeeded();
            assert_eq!(site.trust().len(), 2);
            site.assert_nobody_was_refused();
        }
    }
}

/// A client of its own, whose self-signed certificate the daemon's bundle names.
pub fn pin_client(site: &Site, name: &str) -> String {
    let folder = site.pki.path(name);
    std::fs::create_dir(&folder).unwrap();
    let request = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -days 90 \
         -subj /CN={name} -addext extendedKeyUsage=clientAuth -out cert.pem"
    );
    sh(&folder, &request);
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let bundle = site.admin.read("certs/ca.pem");
    site.admin.write("certs/ca.pem", format!("{bundle}# {name}\n{}", text("cert.pem")));
    site.admin.write(&format!("{name}/ca.pem"), site.admin.read("client-0/ca.pem"));
    for file in ["cert.pem", "key.pem"] {
        site.admin.write(&format!("{name}/{file}"), text(file));
    }
    site.admin.text(name)
}

#[test]
fn clients_that_the_bundle_names_one_by_one_stay_until_each_is_named() {
    const TEST: &str = "clients_that_the_bundle_names_one_by_one_stay_until_each_is_named";
    for with_key in [true, false] {
        let Some(mut site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
        let folders = ["fay", "gus"].map(|name| pin_client(&site, name));
        site.daemon.ask("restart");
        let mut own = WorkingClients::start(TEST, &site.admin, site.port, &folders, &[]).unwrap();
        assert_works(&mut own);
        let key = site.pki.key();
        let options =
            if with_key { &["--client", "zoe", "--ca-key", &key][..] } else { &["--client", "zoe"] };
        site.adopt(options).succeeded();
        site.rotate().succeeded();
        site.assert_lets_in("zoe");
        let trusted = site.admin.read("state/clients/zoe/current/ca.pem");
        let trusted = TrustBundle::from_pem(trusted.as_bytes(), "ca.pem").unwrap();
        assert_eq!(trusted.certificates().len(), if with_key { 1 } else { 2 }, "no client's for a client");
        let count = if with_key { 3 } else { 4 };
        site.admin.run(["rotate", "--force", "zoe"]).succeeded();
        if with_key {
            site.admin.run(["rotate", "--force", "builder"]).succeeded();
        }
        assert_eq!(site.trust().len(), count);
        assert_works(&mut own);
        site.assert_nobody_was_refused();
        drop(own);

        let fay = site.trust().into_iter().find(|one| one.subject().to_string() == "CN=fay").unwrap();
        let id = fay.authority_id().to_string();
        let said = site.admin.run(["ca", "rollover", "start", &format!("--compromised={id}")]).ended_with(2);
        assert!(said.err.contains("for the sake of earlier clients alone"), "{said:?}");
        let said = site.admin.run(["ca", "rollover", "finish", fay.authority_id().to_string().as_str()]);
        assert!(said.succeeded().out.contains("no daemon is to trust CA"));
        site.rotate().succeeded();
        assert_eq!(site.trust().len(), count - 1);
        let mut out = WorkingClients::start(TEST, &site.admin, site.port, &folders[..1], &[]).unwrap();
        assert_eq!(out.settle()["accepted"], 0, "fay is named");
        let mut stays = WorkingClients::start(TEST, &site.admin, site.port, &folders[1..], &[]).unwrap();
        assert_works(&mut stays);
        site.assert_nobody_was_refused();
    }
}

/// What lets strangers past TLS does so with whichever files it has: going back to those from before, and trying
/// again with each run, would only cut builds.
#[test]
fn what_lets_strangers_past_tls_is_restarted_once_and_not_put_back() {
    const TEST: &str = "what_lets_strangers_past_tls_is_restarted_once_and_not_put_back";
    let Some(site) = Site::with_daemon(Maker::OpensslEc, 365, TEST, &["--lenient"]) else { return };
    let is_told = |said: &str| assert!(said.contains("TLS lets in those who must be refused"), "{said}");
    is_told(&site.adopt(&["--client", "zoe"]).succeeded().out);
    let text = site.admin.read("state/kitcert.yaml");
    let text = text.replacen("  builder:\n", "  builder:\n    restart_timeout: 2s\n", 1);
    site.admin.write("state/kitcert.yaml", text);
    for _ in 0..3 {
        is_told(&site.rotate().ended_with(3).out);
        assert_eq!((site.daemon.count("restarts"), site.trust().len()), (1, 2));
    }
}

/// A client that has renewed its own certificate with its key: until nobody shows the former one, the bundle names both.
#[test]
fn of_two_certificates_of_one_client_neither_is_dropped_unsaid() {
    const TEST: &str = "of_two_certificates_of_one_client_neither_is_dropped_unsaid";
    let Some(site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
    let fay = pin_client(&site, "fay");
    let renewed =
        "openssl req -x509 -new -key key.pem -days 200 -subj /CN=fay -addext extendedKeyUsage=clientAuth";
    sh(&site.pki.path("fay"), &format!("{renewed} -out cert.pem"));
    let bundle = site.admin.read("certs/ca.pem");
    let renewed = std::fs::read_to_string(site.pki.path("fay").join("cert.pem")).unwrap();
    site.admin.write("certs/ca.pem", format!("{bundle}{renewed}"));
    site.daemon.ask("restart");
    let said = site.adopt(&["--client", "zoe"]).ended_with(1).err;
    assert!(said.contains("two of CN=fay") && said.contains("take the one out of ca.pem"), "{said}");
    assert!(!site.admin.path("state").exists());
    site.admin.write("certs/ca.pem", &bundle);
    site.adopt(&["--client", "zoe"]).succeeded();
    site.rotate().succeeded();
    assert_works(&mut WorkingClients::start(TEST, &site.admin, site.port, &[fay], &[]).unwrap());
}

/// A root that was renewed with its key, or got another name, stands in ca.pem beside what it was.
#[test]
fn a_ca_that_was_renewed_or_renamed_with_its_key_is_taken_over_and_revokes() {
    const TEST: &str = "a_ca_that_was_renewed_or_renamed_with_its_key_is_taken_over_and_revokes";
    for subject in ["/O=Acme/CN=Acme builders", "/O=Acme/CN=Acme builders 2"] {
        let Some(mut site) = Site::new(Maker::OpensslEc, 365, TEST) else { return };
        let key = site.pki.key();
        let made = format!(
            "openssl req -x509 -new -key {key} -subj '{subject}' -days 5000 -out again.pem \
               -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"
        );
        sh(&site.pki.path("."), &made);
        let again = std::fs::read_to_string(site.pki.path("again.pem")).unwrap();
        let bundle = site.admin.read("certs/ca.pem");
        site.admin.write("certs/ca.pem", format!("{bundle}{again}"));
        site.daemon.ask("restart");
        site.adopt(&["--client", "zoe", "--client", "yan", "--ca-key", &key]).succeeded();
        for _ in 0..2 {
            site.rotate().succeeded();
        }
        site.admin.run(["status", "--check"]).succeeded();
        site.admin.run(["revoke", "yan"]).succeeded();
        site.admin.run(["rotate", "--force", "builder"]).succeeded();
        site.admin.run(["status", "--check"]).succeeded();
        site.assert_nobody_was_refused();
        site.assert_lets_in("zoe");
    }
}
