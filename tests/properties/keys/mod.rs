//! Where private keys are, and where they are not.

mod forgotten;
mod key_group;
mod keys_unprinted;
mod modes;
mod planted;
