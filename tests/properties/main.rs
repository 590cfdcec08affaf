//! Properties that must hold for every certificate, chain, file and command, and the other
//! programs that agree.
#![allow(
    unreachable_pub,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod bad_input;
mod bundles;
mod carried;
mod causes;
mod chains;
mod chains_by_hand;
mod client_traps;
mod config_editor;
mod constraints;
mod corpus;
mod daemon;
mod damaged;
mod damaged_log;
mod deciding;
mod entities;
mod exposed;
mod fed;
#[path = "../figures.rs"]
mod figures;
mod followed;
mod forgotten;
mod fuzzed;
mod generated_configs;
mod handed_over;
mod held;
mod hostile;
mod hosts;
mod house;
mod init_and_issue;
mod inspected;
mod install_client;
mod intent;
mod interference;
mod intermediates;
mod interoperability;
mod issuing;
mod joining;
mod joining_stopped;
mod key_forms;
mod key_group;
mod keys_unprinted;
mod knots;
mod left_alone;
mod limbo;
mod lock_race;
mod locked_out;
mod mailed;
mod manual;
mod maps;
mod mixed;
mod modes;
mod mutated_chains;
mod numbers;
mod old_copies;
mod one_fault;
mod oracle;
mod other_stacks;
mod overdue;
mod own_copies;
mod peers;
mod planted;
mod power_cuts;
mod races;
mod recovering;
mod refusals_counted;
mod relay;
mod remedies;
mod restarts;
mod rolling_back;
mod rolling_over;
mod rotating;
mod rotations_survive;
mod sarif;
mod scenario;
mod secrets;
mod servers;
mod several_daemons;
mod shown;
mod suggested;
mod suggestions;
mod supervised;
mod survival;
mod taken_in;
mod transcripts;
mod twenty_years;
mod undelivered;
mod upkeep;
mod verdict_addresses;
mod verdict_bad_input;
mod verdict_distance;
mod verdict_go;
mod verdict_haproxy;
mod verdict_record;
mod verdict_subject;
mod verified;
mod verify_scenarios;
mod views;
mod wandering;
mod whole;
mod workspace;
