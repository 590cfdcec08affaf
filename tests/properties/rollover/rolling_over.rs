//! A CA gives way to another: two restarts a daemon, and whoever has a right to get in gets in all
//! the while; whoever holds it up is named, it goes on where it was, and it can be taken back.

use std::path::Path;
use std::process::Command;

use kitcert::env::Environment;
use kitcert::model::{KeyAlgorithm, Lifetime, Role};
use kitcert::pki::{Certificate, CertificateAuthority, Kit, LeafRequest, PrivateKey};
use serde_json::{Value, json};

use crate::figures::publish;
use crate::rotate::rotating::{Site, generations, leaf, serial, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::interference::{Call, Fault, Threads, calls, interfered, place};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::supervised::{SupervisedDaemon, WorkingClients};
use crate::support::turns::is_turn;
use crate::support::whole::assert_whole;
use crate::support::workspace::{Said, Workspace};
use crate::verify::verified::generation;

/// An admin's machine with the daemon `builder`, another with `spare`, and those of developers.
pub struct Fleet {
    pub admin: Workspace,
    pub daemons: Vec<Machine>,
    developers: Vec<Developer>,
    test: &'static str,
}

/// A daemon in a place of its own, restarted by a supervisor.
pub struct Machine {
    name: &'static str,
    pub port: u16,
    /// Held for its folder.
    place: Workspace,
    pub daemon: SupervisedDaemon,
}

/// A client whose key is on no other machine.
pub struct Developer {
    name: &'static str,
    pub machine: Workspace,
}

/// Clients at work at every daemon.
pub struct Crowd(Vec<WorkingClients>);

/// The clients that are installed on the admin's machine: the tool, the home, where its files are.
const INSTALLED: [(&str, &str, &str, &str); 3] = [
    ("ana", "earthly", "home", ".earthly/certs"),
    ("ben", "buildctl", "home-of-ben", ".config/kitcert/buildctl"),
    ("cas", "earthbuild", "home-of-cas", ".earth/certs"),
];

/// How a rollover is begun, and how it is turned round.
pub const START: [&str; 3] = ["ca", "rollover", "start"];
pub const ABORT: [&str; 3] = ["ca", "rollover", "abort"];

/// Every name that a client has here.
const CLIENTS: [&str; 6] = ["ana", "ben", "cas", "dan", "eva", "fay"];

impl Fleet {
    /// Daemons that are verified, the first so many installed clients, and developers who have
    /// joined; all by a CA of twenty days. `None`, and a skip, without Go.
    pub fn new(test: &'static str, installed: usize, developers: &[&'static str]) -> Option<Fleet> {
        peers::program("go-peer", test)?;
        let ports = [Daemon::free_port(), Daemon::free_port()];
        let admin = workspace_aged(20, ports[0]);
        let endpoint = format!("tcp://127.0.0.1:{}", ports[1]);
        let hosts = ["--host", "127.0.0.1", "--host", "localhost", "--endpoint", &endpoint];
        admin.run(["issue", "daemon", "spare"].iter().chain(&hosts)).succeeded();
        let mut fleet = Fleet { admin, daemons: Vec::new(), developers: Vec::new(), test };
        for (name, port) in ["builder", "spare"].into_iter().zip(ports) {
            fleet.start_daemon(name, port)?;
        }
        for (name, tool, home, _) in &INSTALLED[..installed] {
            fleet.install_client(name, tool, home);
        }
        for name in developers {
            fleet.take_in(name);
        }
        Some(fleet)
    }

    fn start_daemon(&mut self, name: &'static str, port: u16) -> Option<()> {
        let place = Workspace::new();
        self.admin.run(["install", "daemon", name, "--root", &place.text("root")]).succeeded();
        let daemon = SupervisedDaemon::start(self.test, &place, "root/etc", port, &[])?;
        self.admin.run(["verify", name]).succeeded();
        let head = format!("  {name}:\n");
        let described = format!("{head}    restart: {}\n", json!(daemon.restart()));
        let text = self.admin.read("state/kitcert.yaml");
        assert_eq!(text.matches(&head).count(), 1, "{text}");
        self.admin.write("state/kitcert.yaml", text.replace(&head, &described));
        self.daemons.push(Machine { name, port, place, daemon });
        Some(())
    }

    fn install_client(&self, name: &str, tool: &str, home: &str) {
        // A host that no tool takes for a daemon of the state, whose files it would be given too.
        let endpoint = format!("tcp://localhost:{}", self.daemons[0].port);
        self.admin.run(["issue", "client", name]).succeeded();
        std::fs::create_dir_all(self.admin.path(home)).unwrap();
        let arguments = ["install", "client", name, "--tool", tool, "--endpoint", &endpoint];
        let mut command = self.admin.command(arguments);
        command.env("HOME", self.admin.path(home));
        self.admin.finish(command, "").succeeded();
    }

    /// A developer asks, is answered with a kit, joins, and says so.
    fn take_in(&mut self, name: &'static str) {
        let developer = Developer { name, machine: Workspace::new() };
        let asked = developer.machine.run(["request", name, "--format", "json"]).succeeded().json();
        let csr = self.admin.write("request.csr", developer.machine.read(&format!("{name}.csr")));
        let kit = self.admin.text(&format!("{name}.kit"));
        let endpoint = format!("tcp://127.0.0.1:{}", self.daemons[0].port);
        let words = asked["words"].as_str().unwrap();
        let issue = ["issue", "client", name, "--csr", &csr, "--fingerprint", words, "--kit", &kit];
        self.admin.run(issue.iter().chain(&["--endpoint", &endpoint])).succeeded();
        developer.join(&std::fs::read_to_string(&kit).unwrap(), &self.only_authority());
        self.developers.push(developer);
    }

    /// The one CA of a state that has only one.
    fn only_authority(&self) -> Certificate {
        let mut authorities = self.authorities();
        assert_eq!(authorities.len(), 1);
        authorities.remove(0)
    }

    /// Every CA of the state.
    pub fn authorities(&self) -> Vec<Certificate> {
        let entries = std::fs::read_dir(self.admin.path("state/ca")).unwrap();
        let read = |path: &Path| chain(&self.admin, path.join("ca.pem").to_str().unwrap()).remove(0);
        entries.map(|entry| read(&entry.unwrap().path())).collect()
    }

    /// The CA that everything is moved to, or that is in use.
    pub fn target(&self) -> Certificate {
        let record = self.admin.path("state/rollover.json");
        if !record.exists() {
            return chain(&self.admin, "state/daemons/builder/current/ca.pem").remove(0);
        }
        let record: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        chain(&self.admin, &format!("state/ca/{}/ca.pem", record["to"].as_str().unwrap())).remove(0)
    }

    pub fn developer(&self, name: &str) -> &Developer {
        self.developers.iter().find(|developer| developer.name == name).unwrap()
    }

    /// A developer joins the kit that waits; the receipt.
    pub fn hand_over(&self, name: &str, authority: &Certificate) -> String {
        let kit = self.admin.read(&format!("state/kits/{name}.kit"));
        assert!(!kit.contains("PRIVATE KEY"), "{kit}");
        self.developer(name).join(&kit, authority)
    }

    pub fn rotate(&self, more: &[&str]) -> Said {
        self.admin.run(["rotate"].iter().chain(more))
    }

    /// A rollover is begun.
    pub fn start(&self) -> Said {
        self.admin.run(START)
    }

    /// Those have their certificates, by their names or their receipts; what follows from that.
    pub fn confirm(&self, words: &[&str]) -> Said {
        for word in words {
            self.admin.run(["confirm", word]).succeeded();
        }
        self.rotate(&[])
    }

    /// Where a client has its copies.
    pub fn folder(&self, client: &str) -> String {
        match INSTALLED.iter().find(|(name, ..)| *name == client) {
            Some((_, "buildctl", home, folder)) => self.admin.only_in(&format!("{home}/{folder}")),
            Some((_, _, home, folder)) => self.admin.text(&format!("{home}/{folder}")),
            None => self.developer(client).folder(),
        }
    }

    /// Those clients at work with their own copies, whatever these are.
    pub fn crowd(&self, clients: &[&str]) -> Crowd {
        let folders: Vec<String> = clients.iter().map(|client| self.folder(client)).collect();
        self.crowd_on(&folders)
    }

    /// Those clients at work at one of the daemons.
    pub fn crowd_of_one(&self, daemon: usize, clients: &[&str]) -> Crowd {
        let folders: Vec<String> = clients.iter().map(|client| self.folder(client)).collect();
        let port = self.daemons[daemon].port;
        Crowd(vec![WorkingClients::start(self.test, &self.admin, port, &folders, &[]).unwrap()])
    }

    /// Somebody at work with the copy of a client's files.
    pub fn crowd_at(&self, client: &str) -> Crowd {
        self.crowd_on(&[self.admin.text(&format!("copies/{client}"))])
    }

    fn crowd_on(&self, folders: &[String]) -> Crowd {
        let at = |machine: &Machine| {
            WorkingClients::start(self.test, &self.admin, machine.port, folders, &[]).unwrap()
        };
        Crowd(self.daemons.iter().map(at).collect())
    }

    pub fn restarts(&self) -> Vec<u64> {
        self.daemons.iter().map(|machine| machine.daemon.count("restarts")).collect()
    }

    /// The numbers of the certificates that the daemons serve.
    fn serials(&self) -> Vec<Option<String>> {
        self.daemons.iter().map(|machine| machine.daemon.serial()).collect()
    }

    /// Every daemon has those CAs installed, in that order, and a certificate of that one, which it
    /// serves and which is verified.
    #[track_caller]
    fn assert_daemons(&self, trust: &[&Certificate], issuer: &Certificate) {
        for machine in &self.daemons {
            machine.assert_trusts(trust);
            assert!(leaf(&machine.place, "root/etc").is_signed_by(issuer.public_key()), "{}", machine.name);
            let installed = serial(&machine.place, "root/etc");
            assert_eq!(machine.daemon.serial(), Some(installed), "{}: served, and installed", machine.name);
            let [current, verified] =
                ["current", "verified"].map(|which| generation(&self.admin, machine.name, which).unwrap());
            assert_eq!(current, verified, "{}: current, and verified", machine.name);
        }
    }

    /// That client's copies are of that CA, and it trusts these, in whatever order.
    #[track_caller]
    fn assert_client(&self, client: &str, trust: &[&Certificate], issuer: &Certificate) {
        let folder = self.folder(client);
        assert!(leaf(&self.admin, &folder).is_signed_by(issuer.public_key()), "{client}");
        let trusted = chain(&self.admin, &format!("{folder}/ca.pem"));
        assert_eq!(sorted(trusted.iter()), sorted(trust.iter().copied()), "what {client} trusts");
    }

    /// No daemon lets a namesake of any CA's client in.
    #[track_caller]
    fn assert_unknown_cas_refused(&self) {
        for authority in self.authorities() {
            let client = self.unknown_ca(&authority);
            self.assert_dials(&client, "refused");
        }
    }

    /// How every daemon takes a client with the pair of that folder that trusts every CA.
    #[track_caller]
    pub fn assert_dials(&self, folder: &str, expected: &str) {
        (0..self.daemons.len()).for_each(|daemon| self.assert_dials_one(daemon, folder, expected));
    }

    /// The same of one daemon.
    #[track_caller]
    pub fn assert_dials_one(&self, daemon: usize, folder: &str, expected: &str) {
        let trust: String = self.authorities().iter().map(Certificate::to_pem).collect();
        let trust = self.admin.write("every-ca.pem", trust);
        let machine = &self.daemons[daemon];
        let program = peers::program("go-peer", self.test).unwrap();
        let mut command = Command::new(program);
        command.args(["client", "--addr", &format!("127.0.0.1:{}", machine.port), "--ca", &trust]);
        for name in ["cert", "key"] {
            command.arg(format!("--{name}")).arg(Path::new(folder).join(format!("{name}.pem")));
        }
        let said = self.admin.finish(command, "");
        assert_eq!(said.out.split(' ').next(), Some(expected), "{}: {said:?}", machine.name);
    }

    /// A client of another CA with the name and the key identifier of that one.
    fn unknown_ca(&self, authority: &Certificate) -> String {
        let namesake = CertificateAuthority::impersonate(authority, &a_key(), authority.validity()).unwrap();
        self.client_of(&namesake, "unknown")
    }

    /// A client that one of the CAs of the state issues behind its back.
    pub fn member(&self, authority: &Certificate) -> String {
        for entry in std::fs::read_dir(self.admin.path("state/ca")).unwrap() {
            let folder = entry.unwrap().path();
            let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
            let key = PrivateKey::from_pem(&file("key.pem"), "key.pem").unwrap();
            if key.public_key() == authority.public_key() {
                let authority = CertificateAuthority::load(authority.clone(), &key, "ca.pem").unwrap();
                return self.client_of(&authority, "member");
            }
        }
        panic!("the key of {} is gone", authority.subject());
    }

    fn client_of(&self, authority: &CertificateAuthority, what: &str) -> String {
        let key = a_key();
        let now = Environment::of_process().now();
        let name = "ana".parse().unwrap();
        let request = LeafRequest::new(Role::Client, name, Vec::new(), now, Lifetime::days(1));
        let certificate = authority.issue(&request, key.public_key()).unwrap();
        let digits = certificate.serial().to_string();
        let folder = format!("unknown/{what}-{digits}");
        self.admin.write(&format!("{folder}/cert.pem"), certificate.to_pem());
        self.admin.write_private(&format!("{folder}/key.pem"), key.expose_pem().as_bytes());
        self.admin.write(&format!("{folder}/ca.pem"), authority.certificate().to_pem());
        self.admin.text(&folder)
    }

    /// A copy of a client's files as they are now.
    pub fn copy(&self, client: &str) -> String {
        let from = self.folder(client);
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            self.admin.write_private(
                &format!("copies/{client}/{file}"),
                self.admin.read(&format!("{from}/{file}")),
            );
        }
        self.admin.text(&format!("copies/{client}"))
    }
}

impl Machine {
    /// Where something is in its place.
    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.place.path(path)
    }

    #[track_caller]
    fn assert_trusts(&self, trust: &[&Certificate]) {
        let installed = chain(&self.place, "root/etc/ca.pem");
        assert_eq!(names(installed.iter()), names(trust.iter().copied()), "what {} trusts", self.name);
    }

    /// It is stopped, and no restart brings it up.
    fn break_down(&self) {
        self.daemon.ask("stop");
        self.daemon.ask("always down");
    }
}

impl Developer {
    fn folder(&self) -> String {
        self.machine.only_in("home/.config/kitcert/buildctl")
    }

    /// Joins a kit, told by another way which CA it is of, and is let in; the receipt.
    #[track_caller]
    fn join(&self, kit: &str, authority: &Certificate) -> String {
        let kit = self.machine.write("waiting.kit", kit);
        let words = authority.fingerprint().words();
        let arguments = ["join", &kit, "--tool", "buildctl", "--fingerprint", &words, "--format", "json"];
        let joined = self.machine.run(arguments).succeeded().json();
        joined["receipt"].as_str().unwrap().to_owned()
    }
}

impl Crowd {
    /// Each is let in once more by each daemon, and nobody was ever refused or refused a daemon.
    #[track_caller]
    pub fn assert_works(&mut self) {
        for clients in &mut self.0 {
            let counted = clients.settle();
            for count in ["refused", "untrusted", "late", "mismatched", "unreadable"] {
                assert_eq!(counted[count], 0, "{count}: {counted:#}");
            }
            assert!(counted["accepted"].as_u64().unwrap() > 0, "{counted:#}");
        }
    }

    /// How many handshakes ended well.
    pub fn accepted(&mut self) -> u64 {
        self.0.iter_mut().map(|clients| clients.settle()["accepted"].as_u64().unwrap()).sum()
    }

    /// None was ever let in, and each was judged once more.
    #[track_caller]
    pub fn assert_kept_out(&mut self) {
        for clients in &mut self.0 {
            let counted = clients.settle();
            assert_eq!(counted["accepted"], 0, "{counted:#}");
        }
    }
}

fn a_key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn chain(workspace: &Workspace, path: &str) -> Vec<Certificate> {
    Certificate::chain_from_pem(workspace.read(path).as_bytes(), std::path::Path::new(path)).unwrap()
}

fn names<'a>(authorities: impl Iterator<Item = &'a Certificate>) -> Vec<String> {
    authorities.map(|one| format!("{} {}", one.subject(), one.fingerprint())).collect()
}

fn sorted<'a>(authorities: impl Iterator<Item = &'a Certificate>) -> Vec<String> {
    let mut names = names(authorities);
    names.sort();
    names
}

/// Whether a text has that name as a word.
fn says(text: &str, name: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric()).any(|word| word == name)
}

/// Those clients are said to hold the rollover, and no others.
#[track_caller]
fn assert_held_by(said: &Said, holders: &[&str]) {
    let lines: Vec<&str> = said.out.lines().filter(|line| line.contains("holds the rollover")).collect();
    let is_named = |client: &&str| lines.iter().any(|line| says(line, client));
    let named: Vec<&str> = CLIENTS.into_iter().filter(is_named).collect();
    assert_eq!(named, holders, "{said:?}");
}

#[test]
fn a_ca_gives_way_to_another_and_nobody_is_refused() {
    const TEST: &str = "a_ca_gives_way_to_another_and_nobody_is_refused";
    let Some(fleet) = Fleet::new(TEST, 3, &["dan", "eva", "fay"]) else { return };
    let old = fleet.only_authority();
    assert!(!fleet.admin.path("state/rollover.json").exists());
    let mut crowd = fleet.crowd(&["ana", "ben", "cas", "dan", "eva"]);
    let mut silent = fleet.crowd(&["fay"]);
    let mut unknown = fleet.crowd_on(&[fleet.unknown_ca(&old)]);
    crowd.assert_works();
    fleet.assert_unknown_cas_refused();

    let served = fleet.serials();
    let said = fleet.start().succeeded();
    assert_held_by(&said, &["dan", "eva", "fay"]);
    assert_eq!(fleet.serials(), served, "a daemon got another certificate before its clients had theirs");
    let new = fleet.target();
    assert_ne!(new.subject(), old.subject());
    assert_eq!(fleet.restarts(), [1, 1]);
    fleet.assert_daemons(&[&new, &old], &old);
    for (client, ..) in INSTALLED {
        fleet.assert_client(client, &[&new, &old], &new);
    }
    for client in ["dan", "eva", "fay"] {
        fleet.assert_client(client, &[&old], &old);
        let kit = fleet.admin.read(&format!("state/kits/{client}.kit"));
        let kit = Kit::from_text(kit.as_bytes(), "a kit").unwrap();
        assert!(kit.contents().leaf().is_signed_by(new.public_key()), "{client}");
        assert_eq!(sorted(kit.contents().trust.iter()), sorted([&new, &old].into_iter()), "{client}");
    }
    crowd.assert_works();
    unknown.assert_kept_out();
    fleet.assert_unknown_cas_refused();

    // It waits, and another is not begun.
    assert_held_by(&fleet.rotate(&[]).succeeded(), &["dan", "eva", "fay"]);
    let refused = fleet.start().ended_with(1);
    assert!(refused.err.contains("it waits for client dan, client eva, client fay"), "{refused:?}");
    assert_eq!((fleet.authorities().len(), fleet.target().fingerprint()), (2, new.fingerprint()));

    let receipt = fleet.hand_over("dan", &new);
    crowd.assert_works();
    assert_held_by(&fleet.confirm(&[&receipt]).succeeded(), &["eva", "fay"]);
    fleet.hand_over("eva", &new);
    assert_held_by(&fleet.confirm(&["eva"]).succeeded(), &["fay"]);
    crowd.assert_works();
    silent.assert_works();
    fleet.assert_daemons(&[&new, &old], &old);
    assert_eq!(fleet.restarts(), [1, 1]);
    fleet.assert_unknown_cas_refused();
    drop(silent);

    fleet.admin.run(["ca", "rollover", "skip", "fay"]).succeeded();
    assert_held_by(&fleet.rotate(&[]).succeeded(), &[]);
    fleet.assert_daemons(&[&new], &new);
    assert_eq!(fleet.restarts(), [2, 2]);
    crowd.assert_works();
    unknown.assert_kept_out();
    fleet.assert_unknown_cas_refused();
    fleet.assert_dials(&fleet.copy("fay"), "refused");
    fleet.assert_dials(&fleet.member(&old), "refused");

    // It is over.
    assert_held_by(&fleet.rotate(&[]).succeeded(), &[]);
    fleet.assert_daemons(&[&new], &new);
    assert_eq!(fleet.restarts(), [2, 2]);
    crowd.assert_works();
}

/// Kills a run at a call of that number, and runs it again; whether it was killed.
fn killed_and_run_again(fleet: &Fleet, strace: &Path, arguments: &[&str], at: &Call) -> bool {
    let moment = format!("{arguments:?}, killed at {at}");
    let (said, _) = interfered(&fleet.admin, strace, Threads::First, arguments, at, Fault::Kill);
    assert!(!said.err.contains("panicked"), "{moment}: {}", said.err);
    assert_whole(&fleet.admin, &moment);
    let again = fleet.admin.run(arguments);
    // What came to its end before it was killed is not begun again.
    let is_done = again.code == 1 && again.err.contains("step 2 of 3; it waits for client dan");
    assert!(again.code == 0 || is_done, "after {moment}: {}{}", again.out, again.err);
    assert_whole(&fleet.admin, &moment);
    said.code != 0
}

/// So many rollovers are each killed once in each of their two runs, unless `KITCERT_ROLLOVERS`
/// says otherwise.
const ROLLOVERS: usize = 2;

#[test]
fn a_rollover_that_is_killed_goes_on_with_the_next_run() {
    const TEST: &str = "a_rollover_that_is_killed_goes_on_with_the_next_run";
    if !is_turn(TEST) {
        return;
    }
    let Some(strace) = peers::program("strace", TEST) else { return };
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let mut crowd = fleet.crowd(&["ana", "dan"]);
    crowd.assert_works();
    let starting = calls(&fleet.admin, &strace, Threads::First, START);
    let receipt = fleet.hand_over("dan", &fleet.target());
    fleet.admin.run(["confirm", &receipt]).succeeded();
    let ending = calls(&fleet.admin, &strace, Threads::First, ["rotate"]);
    assert!(starting.len().min(ending.len()) > 20, "strace saw only {starting:?} and {ending:?}");

    let tried = number("KITCERT_ROLLOVERS", ROLLOVERS).min(starting.len().max(ending.len()));
    let of = |index: usize, moments: &[Call]| moments[place(index, tried, moments.len())].clone();
    let mut killed = 0;
    for index in 0..tried {
        let (old, count) = (fleet.target(), fleet.authorities().len());
        fleet.assert_daemons(&[&old], &old);
        killed += usize::from(killed_and_run_again(&fleet, &strace, &START, &of(index, &starting)));
        let new = fleet.target();
        assert_ne!(new.subject(), old.subject());
        assert_eq!(fleet.authorities().len(), count + 1, "one more CA");
        fleet.assert_daemons(&[&new, &old], &old);
        fleet.assert_client("ana", &[&new, &old], &new);
        assert_held_by(&fleet.rotate(&[]).succeeded(), &["dan"]);
        crowd.assert_works();

        let receipt = fleet.hand_over("dan", &new);
        fleet.admin.run(["confirm", &receipt]).succeeded();
        killed += usize::from(killed_and_run_again(&fleet, &strace, &["rotate"], &of(index, &ending)));
        fleet.assert_daemons(&[&new], &new);
        assert_held_by(&fleet.rotate(&[]).succeeded(), &[]);
        crowd.assert_works();
        fleet.assert_unknown_cas_refused();
        fleet.assert_dials(&fleet.member(&old), "refused");
    }
    println!(
        "{killed} of {} runs were killed at one of {} and {} calls",
        2 * tried,
        starting.len(),
        ending.len()
    );
    let calls = starting.len() + ending.len();
    let value = format!("{killed} of {calls} calls, all went on with the next run");
    publish("crash and fault", "a CA rollover over two daemons, killed at a writing call", value, None);
    assert!(killed >= tried, "only {killed} of {} runs were killed", 2 * tried);
}

/// A rollover that cannot go beyond its first step, since `spare` is down; the CA before it.
fn stopped_before_the_second_step(fleet: &Fleet) -> Certificate {
    let old = fleet.only_authority();
    let [builder, spare] = &fleet.daemons[..] else { unreachable!() };
    spare.break_down();
    for arguments in [&START[..], &["rotate"]] {
        let said = fleet.admin.run(arguments);
        assert!([1, 3, 6, 7].contains(&said.code), "{said:?}");
        assert!(says(&said.out, "spare") || says(&said.err, "spare"), "{said:?}");
        builder.assert_trusts(&[&fleet.target(), &old]);
        assert_eq!(builder.daemon.count("restarts"), 1);
        for client in ["ana", "dan"] {
            fleet.assert_client(client, &[&old], &old);
            let folder = format!("state/clients/{client}/current");
            assert!(leaf(&fleet.admin, &folder).is_signed_by(old.public_key()), "{client} was moved");
        }
    }
    assert_ne!(fleet.target().subject(), old.subject());
    spare.daemon.ask("forget");
    old
}

#[test]
fn a_rollover_waits_for_a_daemon_that_is_down() {
    const TEST: &str = "a_rollover_waits_for_a_daemon_that_is_down";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let old = stopped_before_the_second_step(&fleet);
    assert_held_by(&fleet.rotate(&[]).succeeded(), &["dan"]);
    let new = fleet.target();
    fleet.assert_daemons(&[&new, &old], &old);
    assert_eq!(fleet.restarts(), [1, 1]);
    let mut crowd = fleet.crowd(&["ana", "dan"]);
    crowd.assert_works();
    let receipt = fleet.hand_over("dan", &new);
    fleet.confirm(&[&receipt]).succeeded();
    fleet.assert_daemons(&[&new], &new);
    assert_eq!(fleet.restarts(), [2, 2]);
    crowd.assert_works();
    fleet.assert_unknown_cas_refused();
}

#[test]
fn a_rollover_that_has_moved_no_client_is_taken_back() {
    const TEST: &str = "a_rollover_that_has_moved_no_client_is_taken_back";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let old = stopped_before_the_second_step(&fleet);
    let new = fleet.target();
    // A person starts it again.
    fleet.daemons[1].daemon.ask("restart");
    let mut crowd = fleet.crowd(&["ana", "dan"]);
    crowd.assert_works();
    fleet.admin.run(ABORT).succeeded();
    assert_held_by(&fleet.rotate(&[]).succeeded(), &[]);
    assert_eq!(fleet.target().fingerprint(), old.fingerprint());
    fleet.assert_daemons(&[&old], &old);
    crowd.assert_works();
    fleet.assert_unknown_cas_refused();
    fleet.assert_dials(&fleet.member(&old), "accepted");
    fleet.assert_dials(&fleet.member(&new), "refused");
}

#[test]
fn a_rollover_that_has_moved_clients_is_taken_back_and_nobody_is_refused() {
    const TEST: &str = "a_rollover_that_has_moved_clients_is_taken_back_and_nobody_is_refused";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "eva"]) else { return };
    let old = fleet.only_authority();
    let mut crowd = fleet.crowd(&["ana", "dan", "eva"]);
    fleet.start().succeeded();
    let new = fleet.target();
    // It is on the new CA already, and nobody here knows; the other is not, nor will it ever be.
    fleet.hand_over("dan", &new);
    fleet.assert_client("dan", &[&new, &old], &new);
    let moved = fleet.copy("ana");
    crowd.assert_works();

    let said = fleet.admin.run(ABORT).succeeded();
    assert!(says(&said.out, "dan"), "who may have a certificate of the new CA is not said: {said:?}");
    assert_eq!(fleet.target().fingerprint(), old.fingerprint());
    fleet.assert_client("ana", &[&old, &new], &old);
    crowd.assert_works();
    // As long as there is an unexpired certificate of the new CA, the daemons trust both.
    fleet.assert_dials(&moved, "accepted");
    fleet.assert_dials(&fleet.member(&old), "accepted");
    fleet.assert_unknown_cas_refused();
    for machine in &fleet.daemons {
        assert!(leaf(&machine.place, "root/etc").is_signed_by(old.public_key()), "{}", machine.name);
    }

    let receipt = fleet.hand_over("dan", &old);
    assert!(leaf(&fleet.admin, &fleet.folder("dan")).is_signed_by(old.public_key()));
    fleet.confirm(&[&receipt, "eva"]).succeeded();
    fleet.rotate(&[]).succeeded();
    assert_eq!(fleet.target().fingerprint(), old.fingerprint());
    crowd.assert_works();
    fleet.assert_unknown_cas_refused();
    fleet.assert_dials(&fleet.member(&old), "accepted");
}

/// So many times it is taken back, and killed meanwhile, unless `KITCERT_ROLLBACKS` says otherwise.
const ROLLBACKS: usize = 2;

#[test]
fn a_rollover_that_is_killed_while_it_is_taken_back_goes_on_with_the_next_run() {
    const TEST: &str = "a_rollover_that_is_killed_while_it_is_taken_back_goes_on_with_the_next_run";
    if !is_turn(TEST) {
        return;
    }
    let Some(strace) = peers::program("strace", TEST) else { return };
    let begun = || -> Option<Fleet> {
        let fleet = Fleet::new(TEST, 1, &["dan"])?;
        fleet.start().succeeded();
        Some(fleet)
    };
    let run = ABORT;
    let Some(traced) = begun() else { return };
    let moments = calls(&traced.admin, &strace, Threads::First, run);
    let tried = number("KITCERT_ROLLBACKS", ROLLBACKS).min(moments.len());
    for index in 0..tried {
        let fleet = begun().unwrap();
        let new = fleet.target();
        fleet.hand_over("dan", &new);
        let mut crowd = fleet.crowd(&["ana", "dan"]);
        crowd.assert_works();
        killed_and_run_again(&fleet, &strace, &run, &moments[place(index, tried, moments.len())]);
        let old = fleet.target();
        assert_ne!(old.fingerprint(), new.fingerprint());
        fleet.assert_client("ana", &[&old, &new], &old);
        crowd.assert_works();
        let receipt = fleet.hand_over("dan", &old);
        fleet.confirm(&[&receipt]).succeeded();
        crowd.assert_works();
        fleet.assert_unknown_cas_refused();
        fleet.assert_dials(&fleet.member(&old), "accepted");
    }
    println!("{tried} runs were killed at one of {} calls", moments.len());
    let value = format!("{tried} of {} calls, all went on with the next run", moments.len());
    publish("crash and fault", "a CA rollover that is taken back, killed at a writing call", value, None);
}

#[test]
fn a_compromised_ca_is_trusted_no_more_at_once() {
    const TEST: &str = "a_compromised_ca_is_trusted_no_more_at_once";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "fay"]) else { return };
    let old = fleet.only_authority();
    let keys = |fleet: &Fleet| -> Vec<_> {
        let leaves = fleet.daemons.iter().map(|machine| leaf(&machine.place, "root/etc"));
        leaves.map(|leaf| leaf.public_key().fingerprint().to_string()).collect()
    };
    let former_keys = keys(&fleet);
    let previous = ["ana", "dan", "fay"].map(|client| fleet.copy(client));
    let said = fleet.admin.run(["ca", "rollover", "start", "--compromised"]).succeeded();
    let new = fleet.target();
    assert_ne!(new.subject(), old.subject());
    for client in ["dan", "fay"] {
        assert!(says(&said.out, client), "that {client} is locked out is not said: {said:?}");
    }
    fleet.assert_daemons(&[&new], &new);
    assert_eq!(fleet.restarts(), [1, 1]);
    for (key, previous) in keys(&fleet).iter().zip(&former_keys) {
        assert_ne!(key, previous, "a daemon's key was kept");
    }
    for client in previous.iter().chain([&fleet.member(&old)]) {
        fleet.assert_dials(client, "refused");
    }
    fleet.assert_unknown_cas_refused();

    fleet.assert_client("ana", &[&new], &new);
    fleet.hand_over("dan", &new);
    fleet.assert_client("dan", &[&new], &new);
    fleet.crowd(&["ana", "dan"]).assert_works();
    fleet.confirm(&["dan"]).succeeded();
    fleet.assert_daemons(&[&new], &new);
    assert_eq!(fleet.restarts(), [1, 1]);
}

/// A stolen key: its client is taken out of kitcert.yaml, and left behind by a rollover.
#[test]
fn a_client_that_is_listed_no_more_gets_nothing_and_holds_the_rollover_until_it_is_skipped() {
    const TEST: &str =
        "a_client_that_is_listed_no_more_gets_nothing_and_holds_the_rollover_until_it_is_skipped";
    let Some(site) = Site::new(TEST) else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("  ana: {lifetime: 90d}\n", ""));
    for arguments in [&START[..], &["rotate"]] {
        let said = site.workspace.run(arguments).succeeded();
        assert!(said.out.contains("holds the rollover") && said.out.contains("skip ana"), "{}", said.out);
        assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001"]);
        let stolen = ["verify", "builder", "--tlsdir", &site.workspace.text("state/clients/ana/current")];
        site.workspace.run(stolen).succeeded();
    }
    site.workspace.run(["ca", "rollover", "skip", "ana"]).succeeded();
    site.rotate(&[]).succeeded();
    site.assert_served();
    let mut files = ["--ca", "--cert", "--key"].map(|option| (option, "clients/ana/current"));
    files[0].1 = "daemons/builder/current";
    let files = files.map(|(option, folder)| {
        let file = format!("state/{folder}/{}.pem", option.trim_start_matches('-'));
        [option.to_owned(), site.workspace.text(&file)]
    });
    let stolen = ["verify", "builder"].map(str::to_owned).into_iter().chain(files.into_iter().flatten());
    let said = site.workspace.run(stolen).ended_with(3);
    assert!(said.out.contains("CLOSED"), "{}", said.out);
    assert_eq!(site.daemon.count("restarts"), 2);
}
