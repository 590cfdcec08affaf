//! CAs and a daemon that others have made, taken into the state. Nothing that is there changes.

use super::log_lines::line;
use super::staging::{stage_key, stage_key_file, stage_public};
use super::take_in::add_issued;
use crate::apply::invocation::Invocation;
use crate::layout::state_paths::{self, authority_folder, identity_folder};
use crate::message;
use crate::model::{AuthorityId, Failure, Generation, IdentityName, Printable as _, Role};
use crate::pki::{Certificate, PrivateKey};
use crate::store::{AdoptedGeneration, CredentialBytes, LogEvent, StagedChange};

/// A CA with its key. Its own certificate is none of `issued/`: others have given it its number.
pub(in crate::apply) fn import_authority(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    (certificate, chain): (&Certificate, &[Certificate]),
    key: &PrivateKey,
) -> Result<(), Failure> {
    let id = certificate.authority_id();
    let folder = authority_folder(&id);
    let pem: String = std::iter::once(certificate).chain(chain).map(Certificate::to_pem).collect();
    stage_public(staged, &folder.join("ca.pem"), pem.as_bytes())?;
    stage_key(staged, &folder, key)?;
    staged.record(&line(invocation, LogEvent::TakenIn, message!("ca {}", id), message!("with its key")))
}

/// A CA that a daemon trusts, without its key.
pub(in crate::apply) fn adopt_authority(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    id: &AuthorityId,
    certificate: &Certificate,
) -> Result<(), Failure> {
    stage_public(staged, &authority_folder(id).join("ca.pem"), certificate.to_pem().as_bytes())?;
    staged.record(&line(invocation, LogEvent::TakenIn, message!("ca {}", id), message!("a daemon trusts it")))
}

/// The files of a daemon, to the byte.
pub(in crate::apply) fn adopt(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    name: &IdentityName,
    (generation, chain): (Generation, &[Certificate]),
    files: &CredentialBytes,
) -> Result<AdoptedGeneration, Failure> {
    let leaf = chain
        .first()
        .ok_or_else(|| Failure::new("taking over daemon", name).expected("its certificate").found("none"))?;
    let folder = identity_folder(Role::Daemon, name);
    let set = folder.join(generation.to_string());
    stage_public(staged, &set.join("ca.pem"), &files.authority)?;
    stage_public(staged, &set.join("cert.pem"), &files.certificate)?;
    stage_key_file(staged, &set, &files.key)?;
    staged.link(&folder.join(state_paths::CURRENT), &generation.to_string())?;
    add_issued(invocation, staged, leaf)?;
    let subject = message!("daemon {}", name);
    staged.record(&line(invocation, LogEvent::TakenIn, subject, generation.message()))?;
    Ok(AdoptedGeneration { leaf: leaf.fingerprint(), sha256: files.checksum() })
}
