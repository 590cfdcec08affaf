//! Certificates, chains and bundles, beside what other programs make of them.

mod bundles;
mod chains;
mod chains_by_hand;
mod constraints;
mod corpus;
mod excluded_clients;
mod exclusions_cost;
mod hosts;
mod intermediates;
mod interoperability;
mod issuing;
mod mutated_chains;
mod oracle;
mod other_stacks;
mod revoked_by_name;
mod strays;
mod taken_in;
