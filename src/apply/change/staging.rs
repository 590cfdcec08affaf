//! What a change of a state writes for one identity or one CA: each file is judged as its peers would,
//! staged, and read back.

use std::path::Path;

use super::log_lines::{issued_line, line};
use crate::apply::authorities::{Authorities, Issuing, read_key};
use crate::apply::invocation::Invocation;
use crate::apply::test_certificates::expired_identity;
use crate::layout::state_paths::{self, authority_folder, identity_folder, request_folder};
use crate::message;
use crate::model::profile::{LARGEST_BUNDLE_FILE, LARGEST_PEM};
use crate::model::{
    Failure, Fingerprint, Generation, IdentityName, KeyAlgorithm, Message, Printable, Role, Timestamp,
};
use crate::pki::judge::{Credentials, require};
use crate::pki::{
    Certificate, CertificateAuthority, CertificateRequest, LeafRequest, PrivateKey, PublicKey, TrustBundle,
};
use crate::plan::{AuthorityChoice, Issuance, KeySource, Reason, whom};
use crate::store::{
    KeyReaders, LogEvent, LogLine, Observation, Privacy, ReadFile, Revocation, RevocationRecord,
    RolloverKind, RolloverRecord, StagedChange, VerifiedRecord, exists, read, read_if_present, set_checksum,
};

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Daemon or client.
    pub role: Role,
    /// The identity, by its name.
    pub name: IdentityName,
    /// The certificate that was issued.
    pub certificate: Certificate,
    /// Why.
    pub reason: Reason,
    /// The number of the generation that it became.
    pub generation: Generation,
    /// Of a daemon, the checksum of that generation.
    pub sha256: Option<Fingerprint>,
}

/// A rollover as it is meant from now on.
pub(in crate::apply) fn stage_rollover(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    rollover: &RolloverRecord,
    to: Message,
) -> Result<(), Failure> {
    staged.file(&RolloverRecord::path(), &rollover.to_bytes()?, Privacy::Private)?;
    let reason = match rollover.kind {
        RolloverKind::Ordinary => message!("asked for, or the previous CA expires"),
        RolloverKind::Back => message!("back"),
        RolloverKind::Compromised => message!("key compromised"),
    };
    staged.record(&line(invocation, LogEvent::RolledOver, to, reason))
}

/// Whose access is taken away from now on, and whose is given back.
pub(in crate::apply) fn stage_revocations(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    observation: Option<&Observation>,
    record: &RevocationRecord,
) -> Result<(), Failure> {
    staged.file(&RevocationRecord::path(), &record.to_bytes()?, Privacy::Private)?;
    let before = observation.and_then(|observation| observation.revocations.as_ref());
    let subject = |one: &Revocation| match &one.daemon {
        Some(daemon) => message!("daemon {}", daemon),
        None => message!("client {}", whom(one)),
    };
    let stood =
        |one: &Revocation| before.is_some_and(|before| before.standing().any(|previous| previous == one));
    for one in record.standing().filter(|one| !stood(one)) {
        let reason = one.reason.as_ref().map_or(message!("asked"), Printable::message);
        staged.record(&line(invocation, LogEvent::Revoked, subject(one), reason))?;
    }
    let stands = |one: &Revocation| record.standing().any(|now| now == one);
    for one in before.iter().flat_map(|before| before.standing()).filter(|one| !stands(one)) {
        staged.record(&line(invocation, LogEvent::Unrevoked, subject(one), message!("asked")))?;
    }
    Ok(())
}

/// An identity's certificate and key again, with other CAs to trust.
pub(in crate::apply) fn stage_other_trust(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    (role, name): (Role, &IdentityName),
    (from, number): (Generation, Generation),
    trust: &[AuthorityChoice],
) -> Result<Fingerprint, Failure> {
    let folder = identity_folder(role, name);
    let previous = folder.join(from.to_string());
    let path = invocation.state.join(&previous).join("cert.pem");
    let certificate = read(&path, LARGEST_PEM)?.bytes;
    let chain = Certificate::chain_from_pem(&certificate, &path)?;
    // A client's key may be elsewhere.
    let place = previous.join("key.pem");
    let key = match role == Role::Daemon || exists(&invocation.state.join(&place)) {
        true => Some(read_key(&invocation.state, &place)?),
        false => None,
    };
    let trust = authorities.bundle(role, trust)?;
    // What was set up by others comes back as it was, with whatever stands between its blocks.
    let first = folder.join(Generation::after(None).to_string());
    let files = [&previous, &first].into_iter().filter_map(|one| {
        let path = invocation.state.join(one).join("ca.pem");
        read_if_present(&path, LARGEST_BUNDLE_FILE).ok().flatten()
    });
    let is_same = |file: &ReadFile| {
        let bundle = TrustBundle::from_pem(&file.bytes, previous.display());
        bundle.is_ok_and(|bundle| bundle.certificates() == trust.certificates())
    };
    let same = files.into_iter().find(is_same).map(|file| file.bytes.to_vec());
    let trust_pem = same.unwrap_or_else(|| trust.to_pem().into_bytes());
    let public_key = key.as_ref().map(PrivateKey::public_key);
    let credentials = Credentials { role, chain: &chain, key: public_key, trust: &trust };
    require(&credentials, name, &[], invocation.environment.now())?;
    let generation = number.to_string();
    stage_public(staged, &folder.join(&generation).join("ca.pem"), &trust_pem)?;
    stage_public(staged, &folder.join(&generation).join("cert.pem"), &certificate)?;
    if let Some(key) = &key {
        stage_key(staged, &folder.join(&generation), key)?;
    }
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    if role == Role::Daemon {
        // What a daemon serves is not known until it was dialed again.
        staged.remove(&VerifiedRecord::path(name))?;
    }
    let anchors = Message::join(trust.certificates().iter().map(Certificate::subject), " and ");
    let reason = message!("{}: the certificate of {}, and trust in {}", number, from, anchors);
    staged.record(&line(invocation, LogEvent::Rebundled, message!("{} {}", role, name), reason))?;
    Ok(set_checksum(&trust_pem, &certificate))
}

/// A key and the request for it, on the developer's side.
pub(in crate::apply) fn stage_request(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    name: &IdentityName,
    algorithm: KeyAlgorithm,
    generation: Generation,
) -> Result<(), Failure> {
    let key = PrivateKey::generate(algorithm)?;
    let request = CertificateRequest::create(name, &key)?;
    let (folder, generation) = (request_folder(name), generation.to_string());
    stage_key(staged, &folder.join(&generation), &key)?;
    stage_public(staged, &folder.join(&generation).join("request.csr"), request.as_bytes())?;
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    let reason = message!("key {}", key.public_key().fingerprint());
    staged.record(&line(invocation, LogEvent::Requested, message!("client {}", name), reason))
}

/// Makes one generation, judges it as its peers would, writes it, and reads it back.
pub(in crate::apply) fn stage_identity(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    issuing: &Issuing,
    made: Option<&CertificateAuthority>,
    issuance: &Issuance,
) -> Result<Issued, Failure> {
    let authority = issuing.authority.as_ref().or(made);
    let authority = authority.ok_or_else(|| {
        Failure::new("issuing for", &issuance.name).expected("a CA that signs").found("none")
    })?;
    let key = match &issuance.key {
        KeySource::New(algorithm) => IssuedKey::Ours(PrivateKey::generate(*algorithm)?),
        KeySource::Kept { generation } => IssuedKey::Ours(kept_key(invocation, issuance, *generation)?),
        KeySource::Requested(public_key) => IssuedKey::Elsewhere(public_key.clone()),
    };
    let request = LeafRequest {
        role: issuance.role,
        name: issuance.name.clone(),
        hosts: issuance.hosts.clone(),
        validity: issuance.validity,
    };
    let certificate = authority.issue(&request, key.public())?;
    // Behind it comes what leads to the CA that others trust.
    let behind = issuing.chain.iter().filter(|_| issuance.role == Role::Daemon);
    let chain: Vec<Certificate> = std::iter::once(&certificate).chain(behind).cloned().collect();
    let credentials =
        Credentials { role: issuance.role, chain: &chain, key: Some(key.public()), trust: &issuing.trust };
    require(&credentials, &issuance.name, &issuance.hosts, invocation.environment.now())?;
    let pem = certificate.to_pem();
    let folder = identity_folder(issuance.role, &issuance.name);
    let generation = issuance.generation.to_string();
    let set = folder.join(&generation);
    staged.file(&state_paths::issued(certificate.serial()), pem.as_bytes(), Privacy::Public)?;
    stage_public(staged, &set.join("ca.pem"), &issuing.trust_pem)?;
    let chain_pem: String = chain.iter().map(Certificate::to_pem).collect();
    stage_public(staged, &set.join("cert.pem"), chain_pem.as_bytes())?;
    if let IssuedKey::Ours(key) = &key {
        stage_key(staged, &set, key)?;
    }
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    let sha256 =
        (issuance.role == Role::Daemon).then(|| set_checksum(&issuing.trust_pem, chain_pem.as_bytes()));
    Ok(Issued {
        role: issuance.role,
        name: issuance.name.clone(),
        certificate,
        reason: issuance.reason,
        generation: issuance.generation,
        sha256,
    })
}

/// Writes a file that anybody may read, and reads it back.
pub(in crate::apply) fn stage_public(
    staged: &StagedChange<'_>,
    path: &Path,
    bytes: &[u8],
) -> Result<(), Failure> {
    staged.file(path, bytes, Privacy::Public)?;
    staged.is_as_written(path, bytes)
}

/// The key that a certificate is for: one that we hold, or the public half of one elsewhere.
enum IssuedKey {
    Ours(PrivateKey),
    Elsewhere(PublicKey),
}

impl IssuedKey {
    fn public(&self) -> &PublicKey {
        match self {
            IssuedKey::Ours(key) => key.public_key(),
            IssuedKey::Elsewhere(key) => key,
        }
    }
}

fn kept_key(
    invocation: &Invocation<'_>,
    issuance: &Issuance,
    generation: Generation,
) -> Result<PrivateKey, Failure> {
    let folder = identity_folder(issuance.role, &issuance.name).join(generation.to_string());
    read_key(&invocation.state, &folder.join("key.pem"))
}

pub(in crate::apply) fn stage_authority(
    staged: &StagedChange<'_>,
    authority: &CertificateAuthority,
    (key, readers): (&PrivateKey, KeyReaders),
) -> Result<(), Failure> {
    let certificate = authority.certificate();
    let folder = authority_folder(&certificate.authority_id());
    if !certificate.is_signed_by(key.public_key()) {
        return Err(Failure::new("making", certificate.subject())
            .expected("a CA signed by its own key")
            .found("a signature that does not hold"));
    }
    let pem = certificate.to_pem();
    stage_public(staged, &state_paths::issued(certificate.serial()), pem.as_bytes())?;
    stage_public(staged, &folder.join("ca.pem"), pem.as_bytes())?;
    stage_key_for(staged, &folder, (key, readers))
}

/// What shows that a daemon refuses whoever has expired, once the CA's key is not at hand any more; none of a CA
/// that cannot issue it.
pub(in crate::apply) fn stage_expired(
    staged: &StagedChange<'_>,
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Result<(), Failure> {
    let Ok(expired) = expired_identity(authority, algorithm, now) else { return Ok(()) };
    let folder = state_paths::expired_folder(&authority.certificate().authority_id());
    let pem: String = expired.chain.iter().map(Certificate::to_pem).collect();
    stage_public(staged, &folder.join("cert.pem"), pem.as_bytes())?;
    stage_key(staged, &folder, &expired.key)
}

/// The key file of a daemon that others have set up, to the byte.
pub(in crate::apply) fn stage_key_file(
    staged: &StagedChange<'_>,
    folder: &Path,
    bytes: &[u8],
) -> Result<(), Failure> {
    let path = folder.join("key.pem");
    staged.private_key(&path, bytes, KeyReaders::default())?;
    staged.is_as_written(&path, bytes)
}

/// A key that its owner alone may read.
pub(in crate::apply) fn stage_key(
    staged: &StagedChange<'_>,
    folder: &Path,
    key: &PrivateKey,
) -> Result<(), Failure> {
    stage_key_for(staged, folder, (key, KeyReaders::default()))
}

/// The only way by which a key reaches a disk.
fn stage_key_for(
    staged: &StagedChange<'_>,
    folder: &Path,
    (key, readers): (&PrivateKey, KeyReaders),
) -> Result<(), Failure> {
    let path = folder.join("key.pem");
    let pem = key.expose_pem();
    staged.private_key(&path, pem.as_bytes(), readers)?;
    staged.is_as_written(&path, pem.as_bytes())
}

/// What is written of a certificate that was issued.
pub(super) fn line_of(invocation: &Invocation<'_>, issued: &Issued) -> LogLine {
    issued_line(invocation, &issued.certificate, message!("{} {}", issued.role, issued.name), issued.reason)
}
