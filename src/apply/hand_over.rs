//! Files for somebody else: requests and kits, written where the user says.

use std::path::Path;

use super::invocation::Invocation;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{ExitCode, Failure, IdentityName, Message, Printable, Quoted};
use crate::pki::{CertificateRequest, Kit};
use crate::store::{
    Existing, Parents, Privacy, Replacement, read_if_present, refuse_irreplaceable, replace_file, sudo_caller,
};

/// What a file is that is handed over.
#[derive(Clone, Copy)]
pub(super) enum HandedOver<'a> {
    /// A request.
    Request,
    /// A kit of that client, without a key.
    Kit(&'a IdentityName),
    /// A kit of that client with its key.
    KitWithKey(&'a IdentityName),
}

impl HandedOver<'_> {
    /// Refuses a place where something else is: an older file of the kind may be replaced. What is
    /// there is returned.
    pub(super) fn refuse_foreign(self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let Some(file) = read_if_present(path, LARGEST_PEM)? else { return Ok(None) };
        let is_ours = match self {
            HandedOver::Request => CertificateRequest::from_pem(&file.bytes, path).is_ok(),
            // A kit with a key may be the only place where that key is.
            HandedOver::Kit(name) => Kit::from_text(&file.bytes, path)
                .is_ok_and(|kit| kit.contents().name == *name && !kit.has_key()),
            HandedOver::KitWithKey(name) => {
                Kit::from_text(&file.bytes, path).is_ok_and(|kit| kit.contents().name == *name)
            }
        };
        if is_ours {
            return Ok(Some(file.bytes.to_vec()));
        }
        Err(Failure::new("writing", path)
            .expected(message!("nothing there, or an older one: {}", self))
            .found("another file")
            .hint(message!("mv {} {}.before-kitcert", Quoted(path), Quoted(path))))
    }
}

impl Printable for HandedOver<'_> {
    fn message(&self) -> Message {
        match self {
            HandedOver::Request => message!("a request"),
            HandedOver::Kit(name) => message!("a kit of {} without a key", name),
            HandedOver::KitWithKey(name) => message!("a kit of {}", name),
        }
    }
}

/// Refuses a place where nothing can be written, before a key is made or a certificate issued for
/// it; and `-`, which is no file elsewhere, while standard output has the report here.
pub(super) fn refuse_unwritable_place(invocation: &Invocation<'_>, path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::new("writing", "-")
            .expected("the name of a file")
            .found("standard output, which has the report")
            .hint("name a file; one that is called - is ./-")
            .exit(ExitCode::Usage));
    }
    let owner = sudo_caller(invocation.environment)?;
    refuse_irreplaceable(&invocation.environment.absolute(path)?, owner, Parents::MustExist)
}

/// Writes a file for somebody else, durably. Under `sudo` it is the caller's, so that he can send it.
pub(super) fn hand_over(
    invocation: &Invocation<'_>,
    path: &Path,
    what: HandedOver<'_>,
    bytes: &[u8],
    mode: Privacy,
) -> Result<(), Failure> {
    let before = what.refuse_foreign(path)?;
    replace_file(&Replacement {
        path: &invocation.environment.absolute(path)?,
        expected: before.as_deref(),
        bytes,
        mode,
        owner: sudo_caller(invocation.environment)?,
        existing: match mode {
            Privacy::Public => Existing::LeavesAccess,
            Privacy::Private => Existing::LeavesNothing,
        },
        parents: Parents::MustExist,
    })
}
