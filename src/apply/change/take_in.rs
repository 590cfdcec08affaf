//! What another copy of this state has made and installed, made known here. Nothing that is there changes.

use super::log_lines::line;
use super::old_copy::placed;
use super::staging::{stage_key, stage_public};
use crate::apply::invocation::Invocation;
use crate::layout::state_paths::{self, authority_folder, identity_folder};
use crate::message;
use crate::model::{ExitCode, Failure, Fingerprint, Generation, IdentityName, Printable, Role};
use crate::pki::{Certificate, PrivateKey};
use crate::store::{LogEvent, Observation, StagedChange, VerifiedRecord, exists};

/// The certificate of a CA. Its key is where it was made.
pub(in crate::apply) fn take_in_authority(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    certificate: &Certificate,
) -> Result<(), Failure> {
    let id = certificate.authority_id();
    let pem = certificate.to_pem();
    stage_public(staged, &authority_folder(&id).join("ca.pem"), pem.as_bytes())?;
    add_issued(invocation, staged, certificate)?;
    staged.record(&line(invocation, LogEvent::TakenIn, message!("ca {}", id), message!("a daemon trusts it")))
}

/// What is installed for a daemon, as its next generation, which is current.
///
/// # Errors
/// Something else is installed than was looked at; a disk that does not take the files.
pub(in crate::apply) fn take_in(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    observation: Option<&Observation>,
    (name, generation): (&IdentityName, Generation),
    chain: &[Certificate],
) -> Result<Fingerprint, Failure> {
    let there = observation.and_then(|observation| placed(invocation, observation, name)?.there);
    let is_same =
        |certificate: &[u8]| Certificate::chain_from_pem(certificate, name).is_ok_and(|found| found == chain);
    let Some(files) = there.filter(|files| is_same(&files.certificate)) else {
        return Err(Failure::new("taking in what is installed for daemon", name)
            .expected("the same as a moment ago")
            .found("something else")
            .exit(ExitCode::Busy));
    };
    let folder = identity_folder(Role::Daemon, name);
    let set = folder.join(generation.to_string());
    stage_public(staged, &set.join("ca.pem"), &files.authority)?;
    stage_public(staged, &set.join("cert.pem"), &files.certificate)?;
    stage_key(staged, &set, &PrivateKey::from_pem(&files.key, name)?)?;
    staged.link(&folder.join(state_paths::CURRENT), &generation.to_string())?;
    // What a daemon serves is not known until it was dialed again.
    staged.remove(&VerifiedRecord::path(name))?;
    if let Some(leaf) = chain.first() {
        add_issued(invocation, staged, leaf)?;
    }
    let subject = message!("daemon {}", name);
    staged.record(&line(invocation, LogEvent::TakenIn, subject, generation.message()))?;
    Ok(files.checksum())
}

/// A certificate that a daemon serves.
pub(in crate::apply) fn take_in_leaf(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    name: &IdentityName,
    leaf: &Certificate,
) -> Result<(), Failure> {
    add_issued(invocation, staged, leaf)?;
    let subject = message!("daemon {}", name);
    staged.record(&line(invocation, LogEvent::TakenIn, subject, message!("it serves {}", leaf.serial())))
}

pub(super) fn add_issued(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    certificate: &Certificate,
) -> Result<(), Failure> {
    let path = state_paths::issued(certificate.serial());
    match exists(&invocation.state.join(&path)) {
        true => Ok(()),
        false => stage_public(staged, &path, certificate.to_pem().as_bytes()),
    }
}
