//! Certificates, chains and bundles, beside what other programs make of them.

mod bundles;
mod chains;
mod chains_by_hand;
mod constraints;
mod corpus;
mod hosts;
mod intermediates;
mod interoperability;
mod issuing;
mod mutated_chains;
mod oracle;
mod other_stacks;
mod taken_in;
