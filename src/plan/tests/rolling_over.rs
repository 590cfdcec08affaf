//! From one CA to another: how far it is, who signs, who is trusted, and for whom it waits.

use super::rotating::{asked, facts, told};
use super::{State, authority, days, fresh_key, identity, name, now, observed, seconds};
use crate::model::numbered;
use crate::model::{IdentityName, Role, Validity};
use crate::pki::{Certificate, CertificateAuthority, LeafRequest, TrustBundle};
use crate::plan::rollover::trusts_former_authority;
use crate::plan::{
    AuthorityChoice, AuthorityRotation, FormerKeys, Reception, RotateRequest, Rotation, RotationFacts,
    RotationScope, StateStep, former_authority, rollover_progress, rolls_over, rotate,
};
use crate::store::{DaemonHistory, KeyPresence, ObservedGeneration};

/// The usual state, with a CA of yesterday to which everything is being moved.
struct Rollover {
    state: State,
    target: CertificateAuthority,
}

fn of_yesterday() -> Validity {
    Validity { not_before: now().minus(days(1)), not_after: now().plus(days(80)) }
}

impl Rollover {
    fn begun() -> Rollover {
        Rollover::to(authority(1))
    }

    fn to(target: CertificateAuthority) -> Rollover {
        let mut state = State::new();
        let observed = observed(&target);
        state.observation.issuer = Some(observed.id.clone());
        state.observation.authorities.insert(0, observed);
        Rollover { state, target }
    }

    fn former(&self) -> &Certificate {
        self.state.authority.certificate()
    }

    fn builder(&mut self) -> &mut ObservedGeneration {
        self.state.observation.daemons.get_mut(&name("builder")).unwrap().current.as_mut().unwrap()
    }

    /// The daemon trusts those, and is known to.
    fn trusting(mut self, trusted: &[&Certificate]) -> Rollover {
        let trust = TrustBundle::new(trusted.iter().map(|one| (*one).clone()).collect());
        self.builder().trust = trust;
        let builder = self.state.observation.daemons.get_mut(&name("builder")).unwrap();
        builder.confirmed = builder.current.clone();
        self.state.verify("builder");
        self
    }

    /// The daemon has a certificate of the new CA.
    fn signed(mut self) -> Rollover {
        let leaf = self.issue(Role::Daemon, "builder", &["builder.example.com", "10.0.0.5"]);
        self.builder().chain = vec![leaf];
        self.state.verify("builder");
        self
    }

    fn spread(self) -> Rollover {
        let both = [self.target.certificate().clone(), self.former().clone()];
        self.trusting(&both.each_ref())
    }

    fn switched(self) -> Rollover {
        let target = self.target.certificate().clone();
        self.signed().trusting(&[&target])
    }

    fn issue(&self, role: Role, named: &str, hosts: &[&str]) -> Certificate {
        let request =
            LeafRequest { role, name: name(named), hosts: super::hosts(hosts), validity: of_yesterday() };
        self.target.issue(&request, &fresh_key()).unwrap()
    }

    /// A client that has a certificate of the new CA, and is known to have it where that is said.
    fn moved(mut self, named: &str, is_known: bool) -> Rollover {
        let leaf = self.issue(Role::Client, named, &[]);
        let mut client = identity(&self.target, leaf, KeyPresence::Present);
        client.confirmed = if is_known { client.current.clone() } else { None };
        self.state.observation.clients.insert(name(named), client);
        self
    }

    fn stage(&self, issued: &[Certificate]) -> Option<(u8, Vec<IdentityName>)> {
        let progress = rollover_progress(&self.state.observation, issued, now());
        progress.map(|progress| (progress.stage, progress.waits_for.into_iter().collect()))
    }

    fn rotated(&self, request: &RotateRequest, facts: &RotationFacts) -> Rotation {
        rotate(request, &self.state.observation, facts, now()).unwrap()
    }
}

#[test]
fn how_far_it_is_is_read_from_what_the_daemons_serve() {
    let begun = Rollover::begun();
    let issued = facts(&begun.state).issued;
    assert_eq!(begun.stage(&issued), Some((1, Vec::new())));
    assert_eq!(Rollover::begun().spread().stage(&issued), Some((2, vec![])), "of another state's clients");
    let spread = Rollover::begun().spread();
    assert_eq!(spread.stage(&facts(&spread.state).issued), Some((2, vec![name("ana")])));
    // With a certificate of the new CA it is not over while the former one is trusted.
    assert_eq!(Rollover::begun().signed().spread().stage(&[]), Some((2, vec![])));
    let mut switched = Rollover::begun().switched();
    assert_eq!(switched.stage(&issued), None);
    assert!(!rolls_over(&switched.state.observation));
    let builder = switched.state.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.verified = None;
    assert_eq!(switched.stage(&issued), None, "a finding about a daemon moves nobody back");
    let builder = switched.state.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.history = DaemonHistory::default();
    assert_eq!(switched.stage(&issued), Some((3, Vec::new())));
    switched.state.observation.issuer = None;
    assert_eq!(switched.stage(&issued), None, "nothing was ever rolled over");
}

#[test]
fn it_waits_for_clients_whose_certificates_of_the_former_ca_are_good_and_who_have_no_other() {
    let waits = |rollover: &Rollover, issued: &[Certificate]| rollover.stage(issued).unwrap().1;
    let spread = Rollover::begun().spread();
    let issued = facts(&spread.state).issued;
    assert_eq!(waits(&spread, &issued), [name("ana")]);
    let unknown = spread.moved("ana", false);
    assert_eq!(waits(&unknown, &issued), [name("ana")], "nobody knows whether it has it");
    let known = unknown.moved("ana", true);
    assert_eq!(waits(&known, &issued), []);

    let unmoved = Rollover::begun().spread();
    let issued = facts(&unmoved.state).issued;
    let end = unmoved.state.client("ana").leaf().validity().not_after;
    let at = |at| rollover_progress(&unmoved.state.observation, &issued, at).unwrap().waits_for.len();
    assert_eq!((at(end), at(end.plus(seconds(1)))), (1, 0));
}

#[test]
fn going_back_no_word_is_enough() {
    // The target is the older one: everything goes back to it.
    let mut back = Rollover::to(authority(500)).spread().moved("ana", true);
    let issued = vec![back.state.leaf(Role::Client, "ana", &[], of_yesterday())];
    assert_eq!(back.stage(&issued), Some((2, vec![name("ana")])));
    // Of two that began in one second neither is the older.
    back = Rollover::to(authority(100)).spread().moved("ana", true);
    let issued = vec![back.state.leaf(Role::Client, "ana", &[], of_yesterday())];
    assert_eq!(back.stage(&issued), Some((2, vec![])));
}

#[test]
fn it_is_taken_back_to_the_oldest_that_takes_part() {
    let begun = Rollover::begun();
    let former = begun.state.observation.authorities[1].id.clone();
    assert_eq!(former_authority(&begun.state.observation, now()).unwrap(), former);
    let mut over = Rollover::begun().switched();
    let refused = former_authority(&over.state.observation, now()).unwrap_err();
    assert_eq!(refused.what_was_found(), "none, or one that is over");
    // Everything is on the way back already.
    over.state.observation.issuer = Some(over.state.observation.authorities[1].id.clone());
    let expected = over.state.observation.issuer.clone().unwrap();
    assert_eq!(former_authority(&over.state.observation, now()).unwrap(), expected);
    let mut keyless = Rollover::begun();
    keyless.state.observation.authorities[1].key = KeyPresence::Absent;
    let target = keyless.state.observation.authorities[0].id.clone();
    assert_eq!(former_authority(&keyless.state.observation, now()).unwrap(), target);
    keyless.state.observation.authorities[0].key = KeyPresence::Absent;
    assert_eq!(former_authority(&keyless.state.observation, now()).unwrap_err().what_was_found(), "none");
}

#[test]
fn a_set_that_trusts_a_ca_that_was_left_behind_is_told_once_it_was_left() {
    let mut over = Rollover::begun().switched();
    let of_target = over.builder().clone();
    let former = over.former().clone();
    let trusting = |trusted: &[&Certificate]| ObservedGeneration {
        trust: TrustBundle::new(trusted.iter().map(|one| (*one).clone()).collect()),
        ..of_target.clone()
    };
    let target = over.target.certificate().clone();
    let is_told = |rollover: &Rollover, set: &ObservedGeneration| {
        trusts_former_authority(&rollover.state.observation, set)
    };
    assert!(!is_told(&over, &trusting(&[&target])));
    assert!(is_told(&over, &trusting(&[&target, &former])));
    assert!(is_told(&over, &trusting(&[&former])));
    let begun = Rollover::begun();
    let old = begun.state.observation.current(Role::Daemon, &name("builder")).unwrap();
    assert!(!is_told(&begun, old), "it is under way");
    let state = State::new();
    let set = state.observation.current(Role::Daemon, &name("builder")).unwrap();
    assert!(!trusts_former_authority(&state.observation, set), "there never was one");
}

#[test]
fn a_daemon_trusts_both_first_then_clients_move_then_the_daemon_switches() {
    let begun = Rollover::begun();
    let rotation = begun.rotated(&asked(), &facts(&begun.state));
    assert_eq!(told(&rotation), ["daemon builder renewed: another CA is trusted too"]);
    let [StateStep::Rebundle { from, generation, trust, .. }] = rotation.plan.state.as_slice() else {
        panic!("{rotation:?}")
    };
    assert_eq!((*from, *generation), (numbered(1), numbered(2)));
    assert_eq!(trust.len(), 2);
    assert!(rotation.rolls_over && rotation.clients.is_empty());

    // As many CAs, and not those that are meant.
    let target = begun.target.certificate().clone();
    let other_ca = authority(50);
    let mistaken = begun.trusting(&[&target, other_ca.certificate()]);
    let rotation = mistaken.rotated(&asked(), &facts(&mistaken.state));
    assert!(told(&rotation).contains(&"daemon builder renewed: another CA is trusted too".to_owned()));

    let spread = Rollover::begun().spread();
    let rotation = spread.rotated(&asked(), &facts(&spread.state));
    assert_eq!(told(&rotation), ["client ana renewed: another CA"]);
    let target = AuthorityChoice::Of(spread.state.observation.authorities[0].id.clone());
    let issued = rotation.plan.issuances().next().unwrap();
    assert_eq!((&issued.signing.issuer, issued.signing.trust.len()), (&target, 2));

    let moved = Rollover::begun().spread().moved("ana", true);
    let rotation = moved.rotated(&asked(), &facts(&moved.state));
    assert_eq!(told(&rotation), ["daemon builder renewed: another CA"]);
    let issued = rotation.plan.issuances().next().unwrap();
    let target = AuthorityChoice::Of(moved.state.observation.authorities[0].id.clone());
    assert_eq!((&issued.signing.issuer, &issued.signing.trust), (&target, &vec![target.clone()]));
    // Before it is known what was issued, nobody can tell whether all have moved.
    let unread = RotationFacts { is_complete: false, ..RotationFacts::default() };
    assert!(moved.rotated(&asked(), &unread).is_empty());
}

#[test]
fn whoever_holds_it_up_is_named_with_what_is_left_to_do() {
    let spread = Rollover::begun().spread();
    let former = facts(&spread.state).issued;
    let mut held = spread.moved("ana", false);
    let facts = RotationFacts { issued: former, is_complete: true, ..RotationFacts::default() };
    let rotation = held.rotated(&asked(), &facts);
    let hint = "client ana reported: holds the rollover: hand over /state/clients/ana/current; then: \
        kitcert rotate --moved ana, or --drop ana";
    assert_eq!(told(&rotation), [hint]);
    held.state.observation.waiting_kits.insert(name("ana"));
    assert!(told(&held.rotated(&asked(), &facts))[0].contains("hand over /state/kits/ana.kit"));

    let moved = RotateRequest { received: vec![Reception::Told(name("ana"))], ..asked() };
    let rotation = held.rotated(&moved, &facts);
    assert!(matches!(rotation.plan.state[0], StateStep::Receive { .. }), "{rotation:?}");
    assert_eq!(told(&rotation)[1..], ["daemon builder renewed: another CA"]);

    let dropped = RotateRequest { dropped: vec![name("ana")], ..asked() };
    let rotation = held.rotated(&dropped, &facts);
    let left = "client ana left: its former certificate opens nothing any more";
    assert!(told(&rotation).contains(&left.to_owned()), "{rotation:?}");
    assert!(rotation.plan.state.iter().any(|step| matches!(step, StateStep::LeaveBehind(_))));
}

#[test]
fn what_is_said_of_a_client_that_has_moved_is_noted_once() {
    let mut moved = Rollover::begun().spread().moved("ana", true);
    let told_again = RotateRequest { received: vec![Reception::Told(name("ana"))], ..asked() };
    let is_noted = |rollover: &Rollover| {
        let rotation = rollover.rotated(&told_again, &facts(&rollover.state));
        rotation.plan.state.iter().any(|step| matches!(step, StateStep::Receive { .. }))
    };
    assert!(!is_noted(&moved), "it is noted already");
    moved = moved.moved("ana", false);
    assert!(is_noted(&moved));
    assert!(!is_noted(&Rollover { state: State::new(), target: authority(1) }), "nothing rolls over");
}

#[test]
fn a_client_on_this_machine_is_confirmed_when_its_copies_are_placed() {
    let mut moved = Rollover::begun().spread().moved("ana", false);
    let request = asked();
    let clients = |rollover: &Rollover| rollover.rotated(&request, &facts(&rollover.state)).clients;
    assert_eq!(clients(&moved), []);
    let entry = moved.state.observation.inventory.clients.get_mut(&name("ana")).unwrap();
    entry.installed = vec!["/home/ana/.certs".into()];
    assert_eq!(clients(&moved), [name("ana")]);
    let ana = moved.state.observation.clients.get_mut(&name("ana")).unwrap();
    ana.confirmed = ana.current.clone();
    assert_eq!(clients(&moved), []);
}

#[test]
fn a_stray_holds_the_rollover_until_it_is_dropped() {
    let mut spread = Rollover::begun().spread().moved("ana", true);
    let zoe = spread.state.leaf(Role::Client, "zoe", &[], of_yesterday());
    let facts = RotationFacts { issued: vec![zoe.clone()], is_complete: true, ..RotationFacts::default() };
    let stray =
        "client zoe reported: holds the rollover: it is not in kitcert.yaml; kitcert rotate --drop zoe";
    assert_eq!(told(&spread.rotated(&asked(), &facts)), [stray]);
    let of_ana = RotateRequest { names: vec![name("ana")], ..asked() };
    assert_eq!(told(&spread.rotated(&of_ana, &facts)), [""; 0]);
    let dropped = RotateRequest { dropped: vec![name("zoe")], ..asked() };
    assert!(told(&spread.rotated(&dropped, &facts)).iter().any(|row| row.starts_with("client zoe left")));
    // Who is left behind is not told of a second time for being unlisted.
    let known = identity(&spread.state.authority, zoe.clone(), KeyPresence::Present);
    spread.state.observation.clients.insert(name("zoe"), known);
    let rows = told(&spread.rotated(&dropped, &facts));
    assert_eq!(rows.iter().filter(|row| row.starts_with("client zoe")).count(), 1, "{rows:?}");
    // While somebody else has to move, nobody is left behind yet.
    let mut issued = super::rotating::facts(&Rollover::begun().state).issued;
    issued.push(zoe.clone());
    spread.state.issue_client("ana", now().minus(days(1)), KeyPresence::Present);
    issued.push(spread.state.client("ana").leaf().clone());
    let both = RotationFacts { issued, is_complete: true, ..RotationFacts::default() };
    let rows = told(&spread.rotated(&dropped, &both));
    assert!(rows.contains(&"client ana renewed: another CA".to_owned()), "{rows:?}");
    assert!(!rows.iter().any(|row| row.starts_with("client zoe left")), "{rows:?}");
    // While daemons learn to trust the new CA, nobody has to do anything yet.
    spread = Rollover::begun();
    assert!(!told(&spread.rotated(&asked(), &facts)).contains(&stray.to_owned()));
}

#[test]
fn another_ca_is_begun_when_asked_or_when_the_remaining_life_covers_no_new_leaf() {
    let begins = |state: &State, request: &RotateRequest, at| {
        let rotation = rotate(request, &state.observation, &facts(state), at).unwrap();
        let has_begun = matches!(rotation.plan.state.first(), Some(StateStep::MakeAuthority { .. }));
        assert_eq!(has_begun, rotation.rolls_over);
        has_begun
    };
    let state = State::new();
    let named = RotateRequest { names: vec![name("ana")], ..asked() };
    let end = state.authority.certificate().validity().not_after;
    let last = end.minus(days(397));
    assert!(!begins(&state, &asked(), last));
    assert!(begins(&state, &asked(), last.plus(seconds(1))));
    assert!(!begins(&state, &named, last.plus(seconds(1))), "what is named alone is meant");
    for authority in [AuthorityRotation::Begun, AuthorityRotation::Compromised] {
        assert!(begins(&state, &RotateRequest { authority, ..asked() }, now()));
    }
    assert!(!begins(&state, &asked(), now()));
    let spread = Rollover::begun().spread();
    let again = RotateRequest { authority: AuthorityRotation::Begun, ..asked() };
    let rotation = spread.rotated(&again, &facts(&spread.state));
    assert!(!rotation.plan.state.iter().any(|step| matches!(step, StateStep::MakeAuthority { .. })));
    let has_begun = RotationFacts { has_begun: true, ..facts(&state) };
    assert!(rotate(&again, &state.observation, &has_begun, now()).unwrap().is_empty());
}

#[test]
fn going_back_aims_at_the_former_ca_once() {
    let begun = Rollover::begun();
    let former = begun.state.observation.authorities[1].id.clone();
    let back = RotateRequest { authority: AuthorityRotation::Back(former.clone()), ..asked() };
    let rotation = begun.rotated(&back, &facts(&begun.state));
    assert!(matches!(&rotation.plan.state[..], [StateStep::Aim(AuthorityChoice::Of(aim))] if *aim == former));
    assert!(rotation.rolls_over);
    let mut aimed = begun;
    aimed.state.observation.issuer = Some(former);
    assert!(aimed.rotated(&back, &facts(&aimed.state)).is_empty());
}

#[test]
fn of_a_compromised_ca_nothing_is_trusted_any_more() {
    let begun = Rollover::begun();
    let compromised = RotateRequest { authority: AuthorityRotation::Compromised, ..asked() };
    let rotation = begun.rotated(&compromised, &facts(&begun.state));
    let target = AuthorityChoice::Of(begun.state.observation.authorities[0].id.clone());
    let issued: Vec<_> = rotation.plan.issuances().collect();
    assert_eq!(issued.len(), 2);
    for issuance in issued {
        assert_eq!((&issuance.signing.issuer, issuance.signing.trust.len()), (&target, 1));
        assert!(matches!(issuance.key, crate::plan::KeySource::New(_)), "their keys lay beside the CA's");
    }
    let locked = "client ana reported: locked out until it has its new certificate";
    assert!(told(&rotation).contains(&locked.to_owned()), "{rotation:?}");
}

#[test]
fn a_forced_rotation_says_whom_it_locks_out_and_another_refuses() {
    let mut state = State::new();
    let other_ca = authority(50);
    state.issue_daemon("builder", &["builder.example.com"], now());
    let trust = TrustBundle::new(vec![state.authority.certificate().clone(), other_ca.certificate().clone()]);
    state.observation.daemons.get_mut(&name("builder")).unwrap().current.as_mut().unwrap().trust = trust;
    let request = LeafRequest::new(Role::Client, name("zoe"), Vec::new(), now(), days(90));
    let zoe = other_ca.issue(&request, &fresh_key()).unwrap();
    let facts = RotationFacts { issued: vec![zoe], is_complete: true, ..RotationFacts::default() };
    assert!(rotate(&asked(), &state.observation, &facts, now()).is_err());
    let forced = RotateRequest { scope: RotationScope::Forced, ..asked() };
    let rotation = rotate(&forced, &state.observation, &facts, now()).unwrap();
    let locked = "client zoe reported: locked out until it has its new certificate";
    assert!(told(&rotation).contains(&locked.to_owned()), "{rotation:?}");
}

#[test]
fn former_keys_are_destroyed_when_asked_and_nothing_needs_them() {
    let destroy = RotateRequest { former_keys: FormerKeys::Destroy, ..asked() };
    let destroyed = |rollover: &Rollover, request: &RotateRequest| {
        let rotation = rollover.rotated(request, &facts(&rollover.state));
        let steps = rotation.plan.state.into_iter().filter_map(|step| match step {
            StateStep::DestroyKey(id) => Some(id),
            _ => None,
        });
        steps.collect::<Vec<_>>()
    };
    let mut over = Rollover::begun().switched().moved("ana", true);
    let former = over.state.observation.authorities[1].id.clone();
    assert_eq!(destroyed(&over, &asked()), [""; 0]);
    assert_eq!(destroyed(&over, &destroy), [former.as_str()]);
    let rows = told(&over.rotated(&destroy, &facts(&over.state)));
    assert!(
        rows[0].starts_with(&format!("ca {} destroyed: its key is removed here", &former[..8])),
        "{rows:?}"
    );
    over.state.observation.authorities[1].key = KeyPresence::Absent;
    assert_eq!(destroyed(&over, &destroy), [""; 0], "it is gone already");
    for under_way in [Rollover::begun(), Rollover::begun().spread()] {
        let refused = rotate(&destroy, &under_way.state.observation, &facts(&under_way.state), now());
        assert_eq!(refused.unwrap_err().what_was_found(), "one");
    }
    let mut trusted = Rollover::begun().signed().spread();
    trusted.state.observation.issuer = None;
    assert_eq!(destroyed(&trusted, &destroy), [""; 0], "a daemon trusts both");
}
