//! Properties that must hold for every certificate, chain and file, and the other programs that
//! agree.

mod chains;
mod issuing;
mod peers;
