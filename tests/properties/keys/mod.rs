//! Where private keys are, and where they are not.

mod forgotten;
mod keys_unprinted;
mod modes;
mod planted;
