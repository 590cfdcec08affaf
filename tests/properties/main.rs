//! Properties that must hold for every certificate, chain, file and command, and the other
//! programs that agree.

mod bundles;
mod chains;
mod chains_by_hand;
mod entities;
mod hosts;
mod init_and_issue;
mod issuing;
mod manual;
mod peers;
mod verify_scenarios;
mod workspace;
