//! From one CA to another: how far it is, who signs, who is trusted, for whom it waits, and who is out.

use super::name;
use super::rotating::{asked, told};
use super::world::{Machine, Restart, TWO_DAEMONS, World, with_hosts};
use crate::model::{AuthorityId, Role};
use crate::plan::{
    AuthorityRotation, Confirmation, RotateRequest, Rotation, RotationScope, StateStep, confirm,
    delete_former_keys, finish, retire, rollover_progress, skip,
};
use crate::store::{KeyPresence, Observation, OpenUntil};

pub(super) fn machine(named: &str, number: u8) -> Machine {
    (name(named), number)
}

pub(super) fn start() -> RotateRequest {
    RotateRequest { authority: AuthorityRotation::Begun, ..asked() }
}

fn compromised() -> RotateRequest {
    RotateRequest { authority: AuthorityRotation::Compromised(None), ..asked() }
}

fn back() -> RotateRequest {
    RotateRequest { authority: AuthorityRotation::Back, ..asked() }
}

/// The number of the stage, and whom it waits for.
pub(super) fn stage(world: &World) -> Option<(u8, Vec<String>)> {
    let progress = rollover_progress(&world.observation, world.now).unwrap()?;
    Some((progress.stage, progress.waits_for.iter().map(ToString::to_string).collect()))
}

/// One daemon, and bob, whose key is elsewhere.
pub(super) fn with_bob() -> World {
    World::new(
        "version: 1
daemons: {builder: {hosts: [builder.example.com, 10.0.0.5]}}
clients: {bob: {renew: auto}}
",
    )
}

/// Whoever reached a daemon reaches it still.
pub(super) fn nobody_is_out(world: &mut World, what: &str, change: impl FnOnce(&mut World)) {
    let before = world.reached();
    change(world);
    let after = world.reached();
    let out: Vec<_> = before.difference(&after).filter(|(who, _)| !world.excused.contains(&who.0)).collect();
    assert!(out.is_empty(), "{what}: {out:?}");
}

#[test]
fn daemons_trust_both_then_clients_move_then_daemons_switch() {
    let mut world = World::new(TWO_DAEMONS);
    let previous = world.active();
    nobody_is_out(&mut world, "start", |world| {
        let rotation = world.rotate_as(&start(), Restart::Works).unwrap();
        assert!(told(&rotation).contains(&"daemon spare renewed: another CA is trusted too".to_owned()));
    });
    let waits = ["client bob", "client cleo"];
    assert_eq!(stage(&world), Some((2, waits.map(str::to_owned).to_vec())), "ana is on this machine");
    // Whoever pastes it without a look has said nothing of clients that nobody knows to have moved.
    let next = rollover_progress(&world.observation, world.now).unwrap().unwrap().next.unwrap();
    assert!(next.starts_with("kitcert rotate --dry-run"), "{next}");
    assert_ne!(world.active(), previous);
    for (who, left) in [(machine("bob", 1), vec!["client cleo"]), (machine("cleo", 2), vec!["client cleo"])] {
        nobody_is_out(&mut world, "a kit", |world| {
            world.take(who.clone());
            world.confirm(&who);
            world.rotate(Restart::Works);
        });
        let left = left.into_iter().map(str::to_owned).collect();
        assert_eq!(stage(&world), Some((2, left)), "the first machine of cleo has a key of its own");
    }
    let plan = skip(&[name("cleo")], &world.observation, world.now).unwrap();
    world.carry_out(&plan);
    nobody_is_out(&mut world, "the switch", |world| {
        world.rotate(Restart::Works);
    });
    assert_eq!(stage(&world), None, "it is over");
    let record = &world.observation.authority(&previous).unwrap().record;
    assert!(record.retired.is_some() && !record.is_usable());
    assert!(world.rotate(Restart::Works).plan.is_empty());
    let reached = world.reached();
    for who in [machine("ana", 1), machine("bob", 1), machine("cleo", 2)] {
        assert!(["builder", "spare"].iter().all(|to| reached.contains(&(who.clone(), name(to)))), "{who:?}");
    }
    assert!(!reached.iter().any(|(who, _)| *who == machine("cleo", 1)), "who was skipped is out");
}

#[test]
fn without_the_former_ca_s_key_nobody_is_out_until_the_daemon_would_be() {
    let mut world = World::new(
        "version: 1
daemons: {builder: {hosts: [builder.example.com], lifetime: 100d}}
clients: {bob: {lifetime: 300d}}
",
    );
    let previous = world.active();
    world.lose_key(&previous);
    nobody_is_out(&mut world, "begun", |world| {
        let rotation = world.rotate_as(&start(), Restart::Works).unwrap();
        assert!(told(&rotation).contains(&"daemon builder renewed: another CA is trusted too".to_owned()));
    });
    assert_eq!(stage(&world), Some((2, vec!["client bob".to_owned()])));
    // The daemon's certificate is due, and its CA cannot renew it.
    let end = world.observation.current(Role::Daemon, &name("builder")).unwrap().leaf().validity().not_after;
    world.now = end.minus(super::days(3));
    nobody_is_out(&mut world, "due", |world| {
        let rotation = world.rotate(Restart::Works);
        let waits =
            told(&rotation).into_iter().any(|row| row.starts_with("daemon builder reported: due, and waits"));
        assert!(waits, "{:?}", told(&rotation));
    });
    world.now = end.minus(super::days(2));
    let rotation = world.rotate(Restart::Works);
    assert!(told(&rotation).contains(&"daemon builder renewed: due".to_owned()), "{:?}", told(&rotation));
}

#[test]
fn a_receipt_moves_its_key_and_no_other_of_the_name() {
    let mut world = World::new(TWO_DAEMONS);
    world.rotate_as(&start(), Restart::Works).unwrap();
    world.take(machine("cleo", 2));
    world.confirm(&machine("cleo", 2));
    world.rotate(Restart::Works);
    assert!(stage(&world).unwrap().1.contains(&"client cleo".to_owned()));
    assert!(world.reached().contains(&(machine("cleo", 1), name("builder"))));
    let refused =
        confirm(&Confirmation::Told(name("cleo"), None), &world.observation, world.now).unwrap_err();
    assert!(refused.to_string().contains("2 in use: "), "{refused}");
    let key = world.holds[&machine("cleo", 1)].leaf.public_key().fingerprint();
    let told = Confirmation::Told(name("cleo"), Some(key.to_string().parse().unwrap()));
    let plan = confirm(&told, &world.observation, world.now).unwrap();
    assert!(matches!(&plan.state[..], [StateStep::Hold { key: of, .. }] if *of == key), "{plan:?}");
}

#[test]
fn a_host_that_a_client_uses_is_not_taken_away_unsaid() {
    let mut world = with_bob();
    with_hosts(&mut world, "builder", &["builder.example.com"]);
    let rotation = world.rotate(Restart::Works);
    let refused = "daemon builder refused: it would lock out bob, since the certificate would not name 10.0.0.5; \
        kitcert rotate daemon/builder --allow-lockout bob   # to lock them out";
    assert_eq!(told(&rotation), [refused]);
    assert_eq!(rotation.locked_out, [name("bob")].into());
    let allowed = RotateRequest { lock_out: [name("bob")].into(), ..asked() };
    let rotation = world.rotate_as(&allowed, Restart::Works).unwrap();
    assert_eq!(told(&rotation), ["daemon builder renewed: hosts changed"]);
    // Of a client whose host is known, another may go.
    let mut known = with_bob();
    let used = crate::store::Use { daemon: name("builder"), host: "builder.example.com".parse().unwrap() };
    known.observation.clients.get_mut(&name("bob")).unwrap().record.uses.insert(used);
    with_hosts(&mut known, "builder", &["builder.example.com"]);
    assert_eq!(told(&known.rotate(Restart::Works)), ["daemon builder renewed: hosts changed"]);
}

#[test]
fn of_many_who_would_be_out_a_few_are_named_and_how_many_more_there_are() {
    let names: Vec<String> = (10..40).map(|number| format!("c{number}")).collect();
    let clients: String = names.iter().map(|name| format!("  {name}: {{renew: auto}}\n")).collect();
    let text = format!(
        "version: 1\ndaemons: {{builder: {{hosts: [builder.example.com, 10.0.0.5]}}}}\nclients:\n{clients}"
    );
    let mut world = World::new(&text);
    with_hosts(&mut world, "builder", &["builder.example.com"]);
    let rotation = world.rotate(Restart::Works);
    let row = told(&rotation).remove(0);
    assert!(row.contains("c18, c19, and 20 more, since the certificate would not name 10.0.0.5"), "{row}");
    assert!(row.ends_with("--dry-run --format json   # locked_out has all 30 names"), "{row}");
    assert_eq!(rotation.locked_out.len(), 30);
}

#[test]
fn another_rollover_is_not_begun_while_one_waits() {
    let refused = |world: &mut World| {
        let before = (world.active(), world.observation.authorities.len());
        let failure = world.rotate_as(&start(), Restart::Works).unwrap_err();
        assert_eq!((world.active(), world.observation.authorities.len()), before);
        (failure.what_was_found().to_string(), failure.remedy().unwrap().to_string())
    };
    let mut world = with_bob();
    world.rotate_as(&start(), Restart::Never).unwrap();
    // Interrupted before every daemon trusts both, it is the same one.
    let rotation = world.rotate_as(&start(), Restart::Works).unwrap();
    assert!(told(&rotation)[0].ends_with("reported: a rollover to it was begun before, and goes on"));
    assert_eq!(world.observation.authorities.len(), 2);
    let (found, next) = refused(&mut world);
    let to = world.active().short();
    assert_eq!(found, format!("one to CA {to}, step 2 of 3; it waits for client bob"));
    assert!(next.starts_with("kitcert rotate") && next.contains("kitcert ca rollover abort"), "{next}");
    world.rotate_as(&back(), Restart::Never).unwrap();
    assert!(!refused(&mut world).1.contains("abort"), "it goes back already");
    let mut distrusted = with_bob();
    distrusted.rotate_as(&compromised(), Restart::Never).unwrap();
    refused(&mut distrusted);
}

#[test]
fn a_rollover_whose_record_is_lost_is_neither_guessed_nor_overlooked() {
    let issue = crate::plan::IssueClientsRequest {
        names: vec![name("new")],
        lifetime: None,
        requested_key: None,
        key_change: crate::plan::KeyChange::Refused,
        kit: None,
        user: super::user(),
    };
    for steps in 0..3 {
        let mut world = with_bob();
        world.rotate_as(&start(), if steps == 0 { Restart::Never } else { Restart::Works }).unwrap();
        if steps == 2 {
            world.take(machine("bob", 1));
            world.confirm(&machine("bob", 1));
            world.rotate(Restart::Never);
        }
        let parts: Vec<AuthorityId> =
            world.observation.authorities.iter().map(|one| one.id.clone()).collect();
        world.observation.rollover = None;
        for request in [asked(), back()] {
            let failure = world.rotate_as(&request, Restart::Works).unwrap_err();
            assert_eq!(failure.what_was_found(), "no such file", "{steps}");
            assert!(failure.remedy().unwrap().as_str().starts_with("kitcert ca rollover start"));
        }
        crate::plan::issue_clients(&issue, &world.observation, world.now).unwrap_err();
        nobody_is_out(&mut world, "begun again", |world| {
            world.rotate_as(&start(), Restart::Works).unwrap();
        });
        assert_eq!(world.observation.rollover.as_ref().map(|one| one.from.clone()), Some(parts));
        nobody_is_out(&mut world, "to the end", |world| {
            for _ in 0..3 {
                world.take(machine("bob", 1));
                world.confirm(&machine("bob", 1));
                world.rotate(Restart::Works);
            }
        });
        assert_eq!(stage(&world), None, "{steps}");
    }
    let mut world = with_bob();
    let previous = world.active();
    world.rotate_as(&compromised(), Restart::Never).unwrap();
    let new = world.active();
    world.observation.rollover = None;
    for request in [asked(), start()] {
        let failure = world.rotate_as(&request, Restart::Works).unwrap_err();
        let next = failure.remedy().unwrap().to_string();
        assert!(next.starts_with(&format!("kitcert ca rollover start --compromised={previous}")), "{next}");
    }
    let again = RotateRequest { authority: AuthorityRotation::Compromised(Some(previous)), ..asked() };
    world.rotate_as(&again, Restart::Works).unwrap();
    assert_eq!((stage(&world), world.active()), (None, new));
}

#[test]
fn a_ca_is_its_name_and_key_whichever_certificate_of_it_is_trusted() {
    for from_beginning in [true, false] {
        let mut world = World::new(TWO_DAEMONS);
        if !from_beginning {
            world.rotate_as(&start(), Restart::Works).unwrap();
        }
        let before = stage(&world);
        world.replace_anchors();
        assert_eq!(stage(&world), before);
        if from_beginning {
            assert!(world.rotate(Restart::Works).plan.is_empty(), "nothing is due");
            world.rotate_as(&start(), Restart::Works).unwrap();
            world.replace_anchors();
        }
        nobody_is_out(&mut world, "with other certificates of both CAs", |world| {
            for client in [machine("bob", 1), machine("cleo", 2)] {
                world.take(client.clone());
                world.confirm(&client);
                world.replace_anchors();
            }
            let plan = skip(&[name("cleo")], &world.observation, world.now).unwrap();
            world.carry_out(&plan);
            world.rotate(Restart::Works);
        });
        assert_eq!(stage(&world), None);
    }
}

#[test]
fn an_open_ca_leaves_a_bundle_only_by_a_persons_word_or_its_end() {
    let mut world = with_bob();
    let previous = world.active();
    let until = world.now.plus(super::days(500));
    world.observation.authorities[0].record.open_until = OpenUntil::Time(until);
    world.rotate_as(&start(), Restart::Works).unwrap();
    world.take(machine("bob", 1));
    world.confirm(&machine("bob", 1));
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), Some((2, vec![format!("unknown holders of CA {previous}")])));
    let mut waited = world.clone();
    waited.now = until.plus(super::seconds(1));
    waited.take(machine("bob", 1));
    assert!(stage(&waited).is_none_or(|(stage, _)| stage == 3), "its time is up: {:?}", stage(&waited));
    let plan = finish(&previous, &world.observation).unwrap();
    world.carry_out(&plan);
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), None);
}

#[test]
fn another_ca_is_begun_in_time_for_two_lives_of_a_certificate() {
    let mut world = with_bob();
    let end = world.observation.authorities[0].certificate.validity().not_after;
    let begins = |world: &mut World| {
        let rotation = world.clone().rotate(Restart::Never);
        rotation.rolls_over
    };
    let last = end.minus(super::days(2 * 397));
    world.now = last;
    assert!(!begins(&mut world));
    world.now = last.plus(super::seconds(1));
    assert!(begins(&mut world));
}

#[test]
fn who_is_retired_is_neither_renewed_nor_waited_for() {
    let mut world = World::new(TWO_DAEMONS);
    world.rotate_as(&start(), Restart::Works).unwrap();
    for who in ["bob", "cleo"] {
        let plan = retire(Role::Client, &name(who), &world.observation);
        world.carry_out(&plan);
        world.excused.insert(name(who));
        assert!(retire(Role::Client, &name(who), &world.observation).is_empty());
    }
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), None);
    let mut stuck = World::new(TWO_DAEMONS);
    stuck.rotate_as(&start(), Restart::Never).unwrap();
    let plan = retire(Role::Daemon, &name("spare"), &stuck.observation);
    stuck.carry_out(&plan);
    let waits = stage(&stuck).unwrap();
    assert_eq!(waits, (1, vec!["daemon builder".to_owned()]));
}

#[test]
fn a_failed_restart_on_the_way_leaves_everybody_in() {
    for failing in 0..3 {
        let mut world = with_bob();
        for step in 0..6 {
            let restart = if step == failing { Restart::Fails } else { Restart::Works };
            let request = if step == 0 { start() } else { asked() };
            nobody_is_out(&mut world, &format!("{failing} {step}"), |world| {
                world.rotate_as(&request, restart).unwrap();
            });
            nobody_is_out(&mut world, &format!("{failing} {step}"), |world| {
                world.take(machine("bob", 1));
                world.confirm(&machine("bob", 1));
            });
        }
        assert_eq!(stage(&world), None, "{failing}");
    }
}

#[test]
fn who_cannot_be_renewed_gets_what_was_issued_before() {
    let mut world = World::new(TWO_DAEMONS);
    world.rotate_as(&compromised(), Restart::Fails).unwrap();
    let new = world.active();
    world.lose_key(&new);
    world.now = world.now.plus(super::days(62));
    nobody_is_out(&mut world, "ana's files wait for the daemons", |world| {
        let rotation = world.rotate(Restart::Works);
        assert!(told(&rotation).iter().any(|row| row.starts_with("client ana reported: due, and waits")));
    });
    let current = world.observation.current(Role::Client, &name("ana")).unwrap();
    assert_eq!(world.holds[&machine("ana", 1)].leaf, *current.leaf());
}

#[test]
fn of_a_client_with_new_files_the_daemons_are_named_that_serve_old_ones() {
    let mut world = World::new(TWO_DAEMONS);
    world.rotate_as(&compromised(), Restart::Fails).unwrap();
    let reached = |world: &World| {
        let set = world.observation.current(Role::Client, &name("ana")).unwrap();
        crate::plan::reached(&name("ana"), set, &world.observation, world.now)
    };
    let both = [name("builder"), name("spare")];
    assert_eq!((reached(&world).is_some, reached(&world).missed), (false, both.into()));
    // One is restarted by hand, and verified.
    let now = world.now;
    let builder = world.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.history.note_worked(builder.current.as_ref().unwrap().number, now);
    builder.worked_before = None;
    assert_eq!((reached(&world).is_some, reached(&world).missed), (true, [name("spare")].into()));
    // A retired one that would let it in does not count beside one that is not retired.
    let set = world.earlier(Role::Client, &name("ana")).remove(0).files.unwrap();
    let previous = |world: &World| crate::plan::reached(&name("ana"), &set, &world.observation, world.now);
    let current = world.observation.daemons[&name("spare")].worked_before.clone();
    world.observation.daemons.get_mut(&name("spare")).unwrap().current = current;
    assert!(previous(&world).is_some);
    world.observation.daemons.get_mut(&name("spare")).unwrap().history.retired = Some(now);
    assert!(!previous(&world).is_some);
}

#[test]
fn former_keys_are_removed_when_nothing_needs_them() {
    let mut world = with_bob();
    let steps = |observation: &Observation| -> Vec<AuthorityId> {
        let plan = delete_former_keys(observation).unwrap();
        let id = |step| match step {
            StateStep::DestroyKey(id) => Some(id),
            _ => None,
        };
        plan.state.into_iter().filter_map(id).collect()
    };
    assert_eq!(steps(&world.observation), []);
    let previous = world.active();
    world.rotate_as(&start(), Restart::Works).unwrap();
    assert_eq!(delete_former_keys(&world.observation).unwrap_err().what_was_found(), "one");
    let plan = skip(&[name("bob")], &world.observation, world.now).unwrap();
    world.carry_out(&plan);
    world.rotate(Restart::Works);
    assert_eq!(steps(&world.observation), std::slice::from_ref(&previous));
    world.lose_key(&previous);
    assert_eq!(steps(&world.observation), []);
}

#[test]
fn a_renewal_that_is_forced_locks_nobody_out_either() {
    let mut world = World::new(TWO_DAEMONS);
    let forced = RotateRequest { scope: RotationScope::Forced, ..asked() };
    nobody_is_out(&mut world, "forced", |world| {
        let rotation: Rotation = world.rotate_as(&forced, Restart::Works).unwrap();
        assert!(rotation.locked_out.is_empty());
    });
    with_hosts(&mut world, "spare", &["other.example.com"]);
    let rotation = world.rotate_as(&forced, Restart::Works).unwrap();
    assert!(rotation.locked_out.contains(&name("ana")), "{:?}", told(&rotation));
    let builder = world.observation.current(Role::Daemon, &name("builder")).unwrap();
    assert_eq!((builder.number.number(), builder.key), (3, KeyPresence::Present), "the others go on");
}
