//! Properties that must hold for every certificate, chain, file and command, and the other
//! programs that agree.

mod bad_input;
mod bundles;
mod chains;
mod chains_by_hand;
mod client_traps;
mod config_editor;
mod corpus;
mod daemon;
mod entities;
#[path = "../figures.rs"]
mod figures;
mod generated_configs;
mod hosts;
mod house;
mod init_and_issue;
mod inspected;
mod install_client;
mod interoperability;
mod issuing;
mod joining;
mod joining_stopped;
mod killed;
mod limbo;
mod manual;
mod modes;
mod mutated_chains;
mod oracle;
mod other_stacks;
mod peers;
mod proven;
mod restarts;
mod rolling_back;
mod rolling_over;
mod rotating;
mod rotations_survive;
mod shown;
mod supervised;
mod taken_in;
mod twenty_years;
mod upkeep;
mod verify_scenarios;
mod views;
mod workspace;
