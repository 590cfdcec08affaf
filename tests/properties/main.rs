//! Properties that must hold for every certificate, chain and file, and the other programs that
//! agree.

mod bundles;
mod chains;
mod chains_by_hand;
mod entities;
mod hosts;
mod issuing;
mod other_stacks;
mod peers;
mod verify_scenarios;
