//! Twenty years of a daily `rotate`, with a clock that is made up: leap days, 2038, the end of
//! UTCTime, weeks in which the machine is off, clocks that jump. There is no daemon to dial: one
//! that is simulated loads what is current when somebody restarts it, some days after a run has
//! ended with 6, and is recorded as verified then, as `verify` would.
//!
//! Between two events nothing changes, and a certificate is valid for one stretch of time: a client
//! that gets through at both ends of such a stretch gets through at every second of it. Each end
//! is looked at from an hour outside, so that it holds for peers whose clocks are off by that much.
//! Runs that find nothing are all alike: of those every fifth day's is made, and each that is next
//! to a renewal.

use std::collections::{BTreeMap, BTreeSet};

use kitcert::apply::{self, ClockTrust, Invocation, Mode, Restarting, RolloutResult, Rotated, RotationOrder};
use kitcert::env::Environment;
use kitcert::model::{
    Endpoint, ExitCode, Failure, KeyAlgorithm, Lifetime, RenewBefore, Role, SubjectAltName, Timestamp,
    Validity,
};
use kitcert::pki::judge::{Credentials, connect};
use kitcert::pki::{Certificate, PrivateKey, PublicKey, TrustBundle};
use kitcert::plan::{
    Confirmation, InitRequest, IssueClientsRequest, KeyChange, RotateRequest, RotationAction,
};
use kitcert::store::{Interest, Observation};

use crate::figures::publish;
use crate::support::turns::is_turn;
use crate::support::workspace::Workspace;
use crate::verify::verified::note_verified;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
const BEGIN: &str = "2031-03-01";
/// Twenty years, five of them with a leap day.
const DAYS: i64 = 7_305;
/// How long the machine is off, once a year. Shorter than the renewal window of all but the client
/// of a week, less the days that people take.
const OUTAGE: i64 = 20;
/// Nobody listens there: a dial is refused at once.
const PORT: u16 = 1;

#[test]
fn for_twenty_years_there_is_no_second_in_which_a_client_is_shut_out() {
    if !is_turn("for_twenty_years_there_is_no_second_in_which_a_client_is_shut_out") {
        return;
    }
    let mut world = World::new();
    for day in 1..=DAYS {
        let at = world.begin.unix() + day * DAY + time_of_run(day);
        world.people_act_until(at);
        world.list_until_gone(at);
        if !is_off(day) {
            world.be_on(at, day % 5 == 0);
        }
        if day % 900 == 450 {
            world.refuses_a_clock_that_jumps(at);
        }
    }
    world.look_before(world.begin.unix() + (DAYS + 1) * DAY);
    world.assert_counts();
}

/// At three in the morning or so; in summer an hour earlier.
fn time_of_run(day: i64) -> i64 {
    let summer = if (90..300).contains(&(day % 365)) { HOUR } else { 0 };
    3 * HOUR - summer + drawn(day, 1_800)
}

fn is_off(day: i64) -> bool {
    let (year, day_of_year) = (day / 365, day % 365);
    let first = 30 + drawn(year + 100_000, 300);
    (first..first + OUTAGE).contains(&day_of_year)
}

/// A number below `bound` that looks random and is the same in every run.
fn drawn(seed: i64, bound: i64) -> i64 {
    let mixed = seed.unsigned_abs().wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    i64::try_from((mixed ^ (mixed >> 29)) >> 33).unwrap() % bound
}

/// The set that somebody has: a client's files, or what a daemon has loaded.
#[derive(Clone)]
struct Held {
    chain: Vec<Certificate>,
    trust: TrustBundle,
    /// Since when it has been with its holder.
    since: i64,
}

impl Held {
    fn of(observation: &Observation, role: Role, name: &str, since: i64) -> Held {
        let current = observation.current(role, &name.parse().unwrap()).unwrap();
        Held { chain: current.chain.clone(), trust: current.trust.clone(), since }
    }

    fn validity(&self) -> Validity {
        self.chain[0].validity()
    }
}

struct World {
    workspace: Workspace,
    begin: Timestamp,
    authority: Validity,
    /// What the daemon has loaded.
    daemon: Held,
    clients: BTreeMap<&'static str, Held>,
    /// When somebody restarts the daemon.
    restart: Option<i64>,
    /// When somebody takes the kit to the client whose key is elsewhere.
    delivery: Option<i64>,
    /// Whether it is known that it was taken there, and not said yet.
    delivered: bool,
    /// Whether kitcert.yaml lists the client of a week.
    lists_week: bool,
    last_run: i64,
    /// When the machine was last on.
    last_on: i64,
    newest: BTreeMap<String, Issue>,
    serials: BTreeSet<String>,
    counts: BTreeMap<String, i64>,
    lapses: i64,
    jumps: i64,
}

/// The last certificate of an identity.
struct Issue {
    validity: Validity,
    due: i64,
    key: PublicKey,
    key_since: i64,
}

/// When there is a client of a week: at the calendar's turns, and once while the machine is off.
/// Not always, since each renewal reads every certificate that was ever issued.
const WEEKS: [(&str, &str); 5] = [
    ("2031-03-01", "2031-04-15"),
    ("2032-02-10", "2032-03-20"),
    ("2034-05-25", "2034-06-30"),
    ("2037-12-20", "2038-02-10"),
    ("2049-12-10", "2050-02-10"),
];

const CLIENTS: [&str; 3] = ["ana", "week", "elsewhere"];

fn days_of(name: &str) -> u32 {
    match name {
        "builder" => 397,
        "week" => 7,
        "elsewhere" => 180,
        _ => 90,
    }
}

impl World {
    fn new() -> World {
        let workspace = Workspace::new();
        let begin = Timestamp::parse(BEGIN).unwrap();
        let environment = environment(begin);
        let request = InitRequest {
            state: workspace.path("state"),
            hosts: vec![host(), "127.0.0.1".parse().unwrap()],
            name: "builder".parse().unwrap(),
            clients: vec!["ana".parse().unwrap()],
            endpoint: Some(Endpoint::new("127.0.0.1".parse().unwrap(), PORT)),
            authority_name: "buildkit CA".parse().unwrap(),
            authority_lifetime: "30y".parse().unwrap(),
            daemon_lifetime: Some(Lifetime::days(days_of("builder"))),
            client_lifetime: Some(Lifetime::days(days_of("ana"))),
            contact: None,
            key: KeyAlgorithm::EcdsaP256,
            install: None,
            import: None,
            adopted: None,
        };
        apply::init(&invocation(&workspace, &environment, "init"), &request).unwrap();
        let issuing = invocation(&workspace, &environment, "issue client");
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        for (name, requested_key) in [("week", None), ("elsewhere", Some(key.public_key().clone()))] {
            let request = IssueClientsRequest {
                names: vec![name.parse().unwrap()],
                lifetime: Some(Lifetime::days(days_of(name))),
                requested_key,
                key_change: KeyChange::Refused,
                kit: None,
                user: issuing.contact(),
            };
            apply::issue_clients(&issuing, &request).unwrap();
        }
        let text = workspace.read("state/kitcert.yaml");
        let text = text.replace("elsewhere: {", "elsewhere: {renew: auto, ");
        // Nobody listens, so that what has become too old could not be verified again.
        workspace.write("state/kitcert.yaml", format!("{text}verify_every: 30y\n"));
        let (_, observation) = issuing.observe(&Interest::Everything).unwrap();
        note_verified(&workspace, &observation, begin);
        let since = begin.unix();
        let client = |name| (name, Held::of(&observation, Role::Client, name, since));
        let mut world = World {
            authority: observation.authorities[0].certificate.validity(),
            daemon: Held::of(&observation, Role::Daemon, "builder", since),
            clients: CLIENTS.map(client).into(),
            workspace,
            begin,
            restart: None,
            delivery: None,
            delivered: false,
            lists_week: true,
            last_run: since,
            last_on: since,
            newest: BTreeMap::new(),
            serials: [observation.authorities[0].certificate.serial().to_string()].into(),
            counts: BTreeMap::new(),
            lapses: 0,
            jumps: 0,
        };
        let leaves = [("builder", world.daemon.chain[0].clone())];
        let of_clients = world.clients.iter().map(|(name, held)| (*name, held.chain[0].clone()));
        for (name, leaf) in leaves.into_iter().chain(of_clients).collect::<Vec<_>>() {
            world.note(name, &leaf, since);
        }
        world.look_after(since);
        world
    }

    /// Writes the client of a week into kitcert.yaml or takes it out, as a person would.
    fn list_until_gone(&mut self, at: i64) {
        let unix = |text| Timestamp::parse(text).unwrap().unix();
        let is_wanted = WEEKS.iter().any(|(from, until)| (unix(from)..unix(until)).contains(&at));
        if is_wanted == self.lists_week {
            return;
        }
        self.lists_week = is_wanted;
        let (listed, gone) = ("  week: {", "  # week: {");
        let text = self.workspace.read("state/kitcert.yaml");
        let edited = if is_wanted { text.replace(gone, listed) } else { text.replace(listed, gone) };
        assert_ne!(edited, text);
        self.workspace.write("state/kitcert.yaml", edited);
        self.clients.remove("week");
    }

    fn listed(&self) -> impl Iterator<Item = &'static str> {
        let lists_week = self.lists_week;
        ["builder"].into_iter().chain(CLIENTS).filter(move |name| *name != "week" || lists_week)
    }

    /// A day on which the machine is on.
    fn be_on(&mut self, at: i64, always: bool) {
        if always || self.is_near_a_renewal(at) {
            self.run(at);
        }
        self.last_on = at;
    }

    fn is_near_a_renewal(&self, at: i64) -> bool {
        self.delivered || self.listed().any(|name| self.newest[name].due < at + DAY + HOUR)
    }

    /// A run of `rotate`.
    fn run(&mut self, at: i64) {
        self.look_before(at);
        if self.delivered {
            let environment = environment(Timestamp::from_unix(at));
            let told = Confirmation::Told("elsewhere".parse().unwrap(), None);
            apply::confirm(&invocation(&self.workspace, &environment, "confirm"), &told).unwrap();
        }
        let rotated = self.rotate(at).unwrap_or_else(|failure| panic!("{}: {failure}", time(at)));
        self.delivered = false;
        assert!(!rotated.rotation.rolls_over, "{}", time(at));
        assert!(rotated.unplaced.is_empty(), "{}: {:?}", time(at), rotated.unplaced);
        for issued in &rotated.issued {
            self.assert_was_due(issued.name.as_str(), at);
            self.note(issued.name.as_str(), &issued.certificate, at);
        }
        let issued: Vec<&str> = rotated.issued.iter().map(|issued| issued.name.as_str()).collect();
        let is_due = |name: &&str| !issued.contains(name) && self.is_past_two_thirds(name, at);
        let late: Vec<&str> = self.listed().filter(is_due).collect();
        assert!(late.is_empty(), "{}: not renewed: {late:?}", time(at));

        if issued.contains(&"builder") {
            self.restart = Some(at + HOUR + drawn(at, 5 * DAY));
        }
        let expected = if self.restart.is_some() { ExitCode::NotServed } else { ExitCode::Done };
        assert_eq!(rotated.exit(), expected, "{}: {:?}", time(at), rotated.rollouts);
        let not_served = |result: &RolloutResult| matches!(result, RolloutResult::NotServed { .. });
        assert!(rotated.rollouts.values().all(not_served), "{:?}", rotated.rollouts);
        if issued.contains(&"elsewhere") {
            self.delivery = Some(at + HOUR + drawn(at + 1, 5 * DAY));
        }
        let waits = |row: &kitcert::plan::RotationRow| {
            row.name == "elsewhere"
                && (row.action == RotationAction::Reported || row.action == RotationAction::Renewed)
        };
        assert_eq!(rotated.rotation.rows.iter().any(waits), self.delivery.is_some(), "{}", time(at));

        if !issued.is_empty() {
            let observation = self.observe(at);
            assert_eq!(observation.authorities.len(), 1, "{}", time(at));
            for name in CLIENTS.into_iter().filter(|name| *name != "elsewhere" && issued.contains(name)) {
                self.clients.insert(name, Held::of(&observation, Role::Client, name, at));
            }
        }
        self.last_run = at;
        if !issued.is_empty() {
            self.look_after(at);
        }
    }

    /// What people do in their own time, whether the machine is on or not.
    fn people_act_until(&mut self, end: i64) {
        let mut deeds = [(self.restart, true), (self.delivery, false)];
        deeds.sort_unstable();
        for (at, is_restart) in deeds {
            let Some(at) = at.filter(|at| *at < end) else { continue };
            self.look_before(at);
            let observation = self.observe(at);
            if is_restart {
                self.daemon = Held::of(&observation, Role::Daemon, "builder", at);
                note_verified(&self.workspace, &observation, Timestamp::from_unix(at));
                self.restart = None;
            } else {
                let held = Held::of(&observation, Role::Client, "elsewhere", at);
                let kit = self.workspace.read("state/kits/elsewhere.kit");
                assert!(kit.contains(&pem_body(&held.chain[0])), "{}: another certificate", time(at));
                self.clients.insert("elsewhere", held);
                self.delivery = None;
                self.delivered = true;
            }
            self.look_after(at);
        }
    }

    /// One run by a clock that is ten years off, in either direction.
    fn refuses_a_clock_that_jumps(&mut self, at: i64) {
        let before = self.workspace.snapshot();
        for jump in [3_652 * DAY, -3_652 * DAY] {
            let failure = self.rotate(at + jump).map(|_| "no failure").unwrap_err();
            assert_eq!(failure.exit_code(), ExitCode::Failed, "{failure}");
            assert!(failure.to_string().contains("the clock"), "{failure}");
            self.jumps += 1;
        }
        before.assert_is(&self.workspace.snapshot(), "rotate by a clock that jumped");
    }

    fn rotate(&self, at: i64) -> Result<Rotated, Failure> {
        let environment = environment(Timestamp::from_unix(at));
        let invocation = invocation(&self.workspace, &environment, "rotate");
        let request = RotateRequest::new(invocation.contact());
        let restarting = Restarting::Refused("people restart it".into());
        apply::rotate(
            &invocation,
            &RotationOrder { request, at: None, restarting, jobs: 1, clock: ClockTrust::Checked },
        )
    }

    fn observe(&self, at: i64) -> Observation {
        let environment = environment(Timestamp::from_unix(at));
        invocation(&self.workspace, &environment, "status").observe(&Interest::Everything).unwrap().1
    }

    fn is_past_two_thirds(&self, name: &str, at: i64) -> bool {
        let validity = self.newest[name].validity;
        left(validity, at) <= validity.life() / 3
    }

    /// Nothing is renewed before its last third and the twentieth that spreads it, and nothing later
    /// than the first run after that.
    #[track_caller]
    fn assert_was_due(&self, name: &str, at: i64) {
        let validity = self.newest[name].validity;
        let life = validity.life();
        assert!(left(validity, at) <= life / 3 + life / 20, "{}: {name} was renewed early", time(at));
        let is_new = name == "week" && !self.clients.contains_key(name);
        let is_late = left(validity, self.last_run) <= life / 3 && !is_new;
        assert!(!is_late, "{}: {name} was renewed late", time(at));
    }

    fn note(&mut self, name: &str, leaf: &Certificate, at: i64) {
        let validity = leaf.validity();
        assert!(self.serials.insert(leaf.serial().to_string()), "{}: {name}: serial again", time(at));
        assert_eq!(validity.life(), Lifetime::days(days_of(name)).seconds(), "{}: {name}", time(at));
        assert_eq!(left(validity, at), validity.life(), "{}: {name}", time(at));
        assert!(validity.not_after <= self.authority.not_after, "{name} outlives its CA");
        assert!(validity.not_before >= self.authority.not_before, "{name} is older than its CA");
        let kept = self.newest.get(name).filter(|previous| previous.key == *leaf.public_key());
        let key_since = kept.map_or(at, |previous| previous.key_since);
        let is_ours = name != "elsewhere";
        assert!(!is_ours || at - key_since <= 365 * DAY, "{}: {name} keeps an old key", time(at));
        assert!(is_ours || key_since == self.begin.unix(), "{}: {name} has another key", time(at));
        let key = leaf.public_key().clone();
        let due = RenewBefore::default().due_from(validity, leaf.serial()).unix();
        self.newest.insert(name.to_owned(), Issue { validity, due, key, key_since });
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Everybody gets through with what they hold from `at` on.
    fn look_after(&mut self, at: i64) {
        self.look(at - HOUR, at);
    }

    /// And does so until `at`.
    fn look_before(&mut self, at: i64) {
        self.look(at + HOUR, at);
    }

    fn look(&mut self, peers: i64, at: i64) {
        let was_off = at - self.last_on > 2 * DAY;
        for (name, held) in &mut self.clients {
            if *name == "week" && was_off && left(held.validity(), peers) < 0 {
                // Three weeks off are more than a week; the first run fixes it.
                self.lapses += i64::from(held.since != i64::MIN);
                held.since = i64::MIN;
                continue;
            }
            let of = |role, chain, trust| Credentials { role, chain, key: None, trust };
            let daemon = of(Role::Daemon, &self.daemon.chain, &self.daemon.trust);
            let client = of(Role::Client, &held.chain, &held.trust);
            let outcome = connect(&client, &daemon, &host(), Timestamp::from_unix(peers));
            assert_eq!(outcome, Ok(()), "{}: {name}, whose set is of {}", time(peers), time(held.since));
        }
    }

    /// As many certificates as the thirds imply, and as many files.
    fn assert_counts(&self) {
        assert!(self.lapses > 0, "the client of a week was never off for longer than that");
        println!(
            "{DAYS} days: {:?} issued, {} lapses of a week's client in {} outages, {} jumps of the clock",
            self.counts,
            self.lapses,
            (1..=DAYS).filter(|day| is_off(*day) && !is_off(day - 1)).count(),
            self.jumps
        );
        let value = format!("{DAYS} days, {} lapses of a week's client in a longer outage", self.lapses);
        publish("rotation", "simulated days with a mutually trusted pair at every moment", value, None);
        for (name, count) in &self.counts {
            let life = f64::from(days_of(name));
            if name == "week" {
                continue;
            }
            let most = 1.0 + DAYS as f64 / (life * (2.0 / 3.0 - 1.0 / 20.0));
            let fewest = DAYS as f64 / (life * 2.0 / 3.0 + 1.1 + OUTAGE as f64 * life / 365.0);
            assert!((fewest..=most).contains(&(*count as f64)), "{name}: {fewest} {count} {most}");
        }
        // Of the expired, those stay whose key is in use still.
        let issued = std::fs::read_dir(self.workspace.path("state/issued")).unwrap().count();
        assert!((10..self.serials.len() / 2).contains(&issued), "{issued} of {}", self.serials.len());
        let log = self.workspace.read("state/log.jsonl");
        assert_eq!(log.matches("\"event\":\"issued\"").count(), self.serials.len());
    }
}

/// A line of its PEM, in which its serial number is.
fn pem_body(leaf: &Certificate) -> String {
    leaf.to_pem().lines().nth(1).unwrap().to_owned()
}

fn host() -> SubjectAltName {
    "builder.example.com".parse().unwrap()
}

fn left(validity: Validity, at: i64) -> i64 {
    validity.not_after.unix() - at
}

fn time(at: i64) -> String {
    Timestamp::from_unix(at).to_string()
}

fn environment(now: Timestamp) -> Environment {
    Environment::made_up(now, &[("USER", "tester")])
}

fn invocation<'a>(
    workspace: &Workspace,
    environment: &'a Environment,
    command: &'static str,
) -> Invocation<'a> {
    let state = workspace.path("state");
    Invocation { environment, state, command, mode: Mode::Apply, at: None, progress: &|_| {} }
}
