//! A plan in words: a row a step, in the order in which they are done.

use crate::model::numbered;
use std::path::PathBuf;

use super::{days, fresh_key, hosts, name, now, user};
use crate::layout::{ClientEntry, DaemonEntry, DaemonLayout, InstallEntry, InventoryChange};
use crate::model::{AuthorityId, KeyAlgorithm, Role, SerialNumber, Validity};
use crate::plan::steps::{HandoverStep, PlacementStep};
use crate::plan::{
    AuthorityChoice, Handover, InventoryStep, Issuance, KeyRemoval, KeySource, KitTerms, Plan, Reason,
    Signing, StateStep,
};
use crate::store::{Held, HeldBy, RolloverKind, RolloverRecord, Use};

fn words(plan: &Plan) -> Vec<String> {
    let rows = plan.summary().into_iter();
    rows.map(|row| format!("{}|{}|{}", row.step, row.subject, row.detail)).collect()
}

fn of_state(state: Vec<StateStep>) -> Vec<String> {
    words(&Plan { state, ..Plan::default() })
}

fn terms() -> KitTerms {
    KitTerms {
        name: name("ana"),
        endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
        contact: user(),
        created: now(),
        join_before: now().plus(days(14)),
    }
}

const FOR: &str = "for tcp://builder.example.com:8372, to be joined before 2027-01-29T08:00:00Z";

fn validity() -> Validity {
    Validity { not_before: now(), not_after: now().plus(days(90)) }
}

fn issuance(role: Role, key: KeySource) -> StateStep {
    StateStep::Issue(Issuance {
        role,
        name: name("ana"),
        hosts: hosts(&["builder.example.com", "10.0.0.5"]),
        validity: validity(),
        generation: numbered(3),
        key,
        reason: Reason::Asked,
        signing: Signing::alone(AuthorityChoice::Made),
    })
}

#[test]
fn what_is_issued_says_with_which_key_until_when_and_for_whom() {
    let rows = of_state(vec![
        issuance(Role::Daemon, KeySource::New(KeyAlgorithm::Ed25519)),
        issuance(Role::Client, KeySource::Kept { generation: numbered(2) }),
        issuance(Role::Client, KeySource::Requested(fresh_key())),
    ]);
    let expected = [
        "issue|daemon ana|gen-0003, a new ed25519 key, until 2027-04-15, for builder.example.com, 10.0.0.5",
        "issue|client ana|gen-0003, the key of gen-0002, until 2027-04-15, for ana.client.kitcert.internal",
        "issue|client ana|gen-0003, an ecdsa-p256 key that is not kept here, until 2027-04-15, for \
            ana.client.kitcert.internal",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn what_becomes_of_cas_is_said() {
    let old: AuthorityId = "0123456789abcdef".parse().unwrap();
    let (old, from) = (AuthorityChoice::Of(old.clone()), vec![old]);
    let turned = RolloverRecord::new(RolloverKind::Back, from, "abcd".parse().unwrap(), now());
    let mut skipping = turned.clone();
    skipping.skipped.insert(name("zoe"));
    let rows = of_state(vec![
        StateStep::MakeAuthority {
            name: "Test".parse().unwrap(),
            algorithm: KeyAlgorithm::EcdsaP384,
            validity: validity(),
        },
        StateStep::BeginRollover {
            kind: RolloverKind::Ordinary,
            from: vec!["0123456789abcdef".parse().unwrap()],
            to: AuthorityChoice::Made,
        },
        StateStep::Rebundle {
            role: Role::Daemon,
            name: name("builder"),
            from: numbered(1),
            chain: Vec::new(),
            generation: numbered(2),
            trust: vec![AuthorityChoice::Made, old],
        },
        StateStep::ChangeRollover(turned),
        StateStep::ChangeRollover(skipping),
        StateStep::EndRollover(vec!["0123456789abcdef".parse().unwrap()]),
        StateStep::DestroyKey("0123".parse().unwrap()),
    ]);
    let expected = [
        "make|CA Test|ecdsa-p384, until 2027-04-15",
        "move|everything|from CA 01234567 to the new CA, step by step",
        "trust|daemon builder|gen-0002, the new CA and CA 01234567, with the certificate of gen-0001",
        "move|everything|from CA 01234567 to CA abcd",
        "move|everything|to CA abcd, without waiting for zoe",
        "end|the rollover|nothing trusts CA 01234567 any more",
        "remove|ca/0123/key.pem|it signs nothing any more",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn what_becomes_of_generations_and_clients_is_said() {
    let (role, ana) = (Role::Client, name("ana"));
    let serial = SerialNumber::from_der_octets(&[0x40]);
    let held = Held { serial, generation: numbered(3), by: HeldBy::Confirm, at: now() };
    let key = fresh_key().fingerprint();
    let used = Use { daemon: name("builder"), host: "builder.example.com".parse().unwrap() };
    let rows = of_state(vec![
        StateStep::Create(PathBuf::from("/state")),
        StateStep::Request { name: ana.clone(), algorithm: KeyAlgorithm::EcdsaP256, generation: numbered(1) },
        StateStep::Prune { role, name: ana.clone(), generation: numbered(2) },
        StateStep::Hold { name: ana.clone(), key, held, replaces: vec![] },
        StateStep::Use(ana.clone(), used),
        StateStep::Retire(role, ana),
        StateStep::Kit(terms()),
    ]);
    let expected = [
        "create|/state|mode 0700",
        "make|request ana|gen-0001, a new ecdsa-p256 key that stays here",
        "remove|client ana|gen-0002, no longer needed",
        "note|client ana|it has gen-0003",
        "note|client ana|it uses daemon builder at builder.example.com",
        "note|client ana|no longer renewed or waited for",
        &format!("write|kits/ana.kit|{FOR}"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn how_kitcert_yaml_changes_is_said() {
    let daemon = DaemonEntry::new(hosts(&["a.example"]), terms().endpoint, days(397));
    let client = || (name("ana"), ClientEntry::of_lifetime(days(90)));
    let install =
        InstallEntry { layout: DaemonLayout::ALL[0], root: PathBuf::from("/"), owner: None, key_group: None };
    let changes = vec![
        InventoryChange::AddDaemon(name("builder"), daemon),
        InventoryChange::AddClients(vec![client()]),
        InventoryChange::AddClients(vec![client(), client()]),
        InventoryChange::SetInstall(name("builder"), install),
        InventoryChange::AddInstalled(Role::Client, name("ana"), PathBuf::from("/home/ana")),
        InventoryChange::SetEndpoint(name("ana"), terms().endpoint),
    ];
    let expected = "edit|kitcert.yaml|add daemon builder; add client ana; add 2 clients; say where daemon \
        builder is installed; say that client ana is installed in /home/ana; say that client ana uses \
        tcp://builder.example.com:8372";
    assert_eq!(of_state(vec![StateStep::Inventory(InventoryStep::Edit(changes))]), [expected]);
}

#[test]
fn what_is_placed_and_handed_over_follows_the_state_and_removals_come_last() {
    let placement = |role, named: &str| PlacementStep {
        role,
        name: name(named),
        folder: PathBuf::from("/etc/kitcert"),
        generation: numbered(4),
        links: vec![PathBuf::from("/etc/ca.pem"), PathBuf::from("/etc/cert.pem")],
    };
    let plan = |content| Plan {
        state: vec![StateStep::Retire(Role::Client, name("zoe"))],
        placements: vec![placement(Role::Client, "ana"), placement(Role::Daemon, "builder")],
        config: None,
        handover: Some(HandoverStep { path: PathBuf::from("ana.kit"), content }),
        removals: vec![KeyRemoval { name: name("ana"), last_generation: numbered(4) }],
    };
    let rows = words(&plan(Handover::KitWithKey(terms())));
    let expected = [
        "note|client zoe|no longer renewed or waited for",
        "install|client ana|/etc/ca.pem /etc/cert.pem -> /etc/kitcert/gen-0004, key 0600",
        "install|daemon builder|/etc/ca.pem /etc/cert.pem -> /etc/kitcert/gen-0004, key 0600",
        &format!("write|ana.kit|a kit with the key, under a new passphrase, {FOR}"),
        "remove|clients/ana/*/key.pem|the client has it from the kit",
    ];
    assert_eq!(rows, expected);
    assert_eq!(words(&plan(Handover::Kit(terms())))[3], format!("write|ana.kit|a kit without a key, {FOR}"));
    let request = plan(Handover::Request(name("ana")));
    assert_eq!(words(&request)[3], "write|ana.kit|the request of ana");
    assert_eq!(request.placed_daemon(), Some(&name("builder")));
    assert!(!request.is_empty() && Plan::default().is_empty());
}
