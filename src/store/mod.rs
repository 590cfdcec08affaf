//! Everything that touches a disk. Nothing else in the crate reads or writes a file.
//!
//! ```text
//! files                   bytes, kept whole, private and durable
//! state                   the state directory with its one transaction
//! installed_credentials   what is installed for a daemon or a client
//! placed_files            the files of one set, and what leads to them
//! plain_files             plain files where links belong
//! origin                  origin.json: from which state that comes
//! ```
//!
//! `files` does not know what its bytes are for. Folders are held by handle, links are not followed
//! where somebody else could have planted them, and what cannot be read is a failure, never an absence.
//! What is due, or what a command wants, is decided elsewhere.

mod files;
mod installed_credentials;
mod origin;
mod placed_files;
mod plain_files;
mod state;

pub(crate) use files::{
    Existing, Home, KeyReaders, Owner, Parents, Privacy, ProcessMark, ReadFile, Replacement,
    ScratchDirectory, UnnamedFile, earthly_home, exists, files_in, folders_in, is_program, lies_in,
    others_in, read, read_if_present, read_standard_input, refuse_irreplaceable, replace_file, sudo_caller,
    this_user, user_name, writable_by_others,
};
pub(crate) use installed_credentials::InstallPlace;
pub(crate) use origin::{Origin, set_checksum};
pub(crate) use placed_files::{CredentialBytes, LinkState, PlacedFiles};
pub(crate) use plain_files::PlaceStyle;
pub(crate) use state::{
    AccessHistory, AdoptedGeneration, AuthorityOrigin, AuthorityRecord, ClientRecord, DaemonHistory,
    DaemonLock, Held, HeldBy, KeyPresence, LogEnd, LogEvent, LogLine, MadeGeneration, ObservedAuthority,
    ObservedCopies, ObservedGeneration, ObservedIdentity, ObservedRequest, OpenUntil, Revocation,
    RevocationRecord, RolloverKind, RolloverRecord, SeenAccess, StagedChange, StateDirectory, StateLock,
    StateRecord, Use, VerifiedAddress, glance, log_end, logs_put_aside, observe, observe_generation,
    observe_lineage, observe_request, observe_undescribed, request_generations,
};
pub use state::{Interest, Observation, Vantage, VerifiedRecord};

#[cfg(test)]
mod tests;
