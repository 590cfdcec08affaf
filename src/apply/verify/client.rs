//! As whom a daemon is dialed.

use std::path::{Path, PathBuf};

use super::client_config_check::Configured;
use crate::apply::authorities::{authority_of, read_key};
use crate::apply::invocation::Invocation;
use crate::apply::test_certificates::{distrusted_identity, kept_expired, named_identity, probe_identity};
use crate::layout::CredentialPaths;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::profile::{LARGEST_BUNDLE_FILE, LARGEST_PEM};
use crate::model::{
    ExitCode, Failure, IdentityName, KeyAlgorithm, Message, Printable, Role, SubjectAltName, Timestamp,
};
use crate::pki::{Certificate, CertificateAuthority, FoundKey, KeyFile, TrustBundle, WrongForm, judge};
use crate::plan;
use crate::probe::{CertificateAndKey, algorithm_of};
use crate::store::{KeyPresence, Observation, ObservedAuthority, exists, read};

/// As whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientChoice {
    /// A client of the state; else a probe certificate of its CA, made for this and never
    /// written; else what the client's own config names.
    Automatic,
    /// That client of the state.
    Client(IdentityName),
    /// The ca.pem, cert.pem and key.pem of a directory, or their Kubernetes names.
    Directory(PathBuf),
    /// Three files.
    Files {
        /// The CA bundle.
        authority: PathBuf,
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// Whom we dial as.
pub(in crate::apply) struct Client {
    /// In words: `client ana`, `a probe certificate`.
    pub described: Message,
    /// What it trusts.
    pub trust: TrustBundle,
    /// Its certificate and key; none where nothing is at hand.
    pub identity: Option<CertificateAndKey>,
    /// The CA, where its key is at hand.
    pub authority: Option<CertificateAuthority>,
    /// Where it is not, a certificate of the CA that has expired.
    pub expired: Option<CertificateAndKey>,
    /// Where its files are, for findings about them.
    pub files: Option<CredentialPaths>,
}

/// Whom to dial as, by what was asked and what is at hand. None: the config's files are what was
/// asked for, and not all of them are there. `accepted` are the CAs of which the daemon takes
/// clients, where that is known.
pub(super) fn choose(
    invocation: &Invocation<'_>,
    asked: &ClientChoice,
    observation: Option<&Observation>,
    configured: &Configured,
    accepted: Option<&TrustBundle>,
) -> Result<Option<Client>, Failure> {
    let client = match asked {
        ClientChoice::Client(name) => {
            let observation = observation.ok_or_else(|| invocation.no_state())?;
            of_state(invocation, observation, name)?
        }
        ClientChoice::Directory(folder) => {
            client_of_files(&CredentialPaths::in_tls_directory(folder, exists))?
        }
        ClientChoice::Files { authority, certificate, key } => client_of_files(&CredentialPaths {
            authority: authority.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
        })?,
        ClientChoice::Automatic => match (&configured.files, observation) {
            (Some(files), _) => client_of_files(files)?,
            (None, Some(observation)) => automatic(invocation, observation, accepted)?,
            (None, None) if configured.is_of_buildctl() => return Err(no_files()),
            (None, None) if configured.host.is_some() => return Ok(None),
            (None, None) => return Err(invocation.no_state()),
        },
    };
    Ok(Some(client))
}

/// buildctl has no variables for the files.
fn no_files() -> Failure {
    Failure::new("dialing", "what BUILDKIT_HOST says")
        .expected("--tlsdir DIR, or --ca, --cert and --key, since no variable names the files")
        .found("neither")
        .hint("name the folder with its files with --tlsdir, or each file with --ca, --cert and --key")
        .exit(ExitCode::Usage)
}

/// A client of the state that can be used now; else a probe certificate.
fn automatic(
    invocation: &Invocation<'_>,
    observation: &Observation,
    accepted: Option<&TrustBundle>,
) -> Result<Client, Failure> {
    let now = invocation.environment.now();
    if let Some(name) = plan::usable_client(observation, accepted, now) {
        return of_state(invocation, observation, name);
    }
    // With a wrong clock nothing is valid, though everything is here.
    let is_out_of_time = |key: KeyPresence, certificate: &Certificate| {
        key == KeyPresence::Present && !certificate.validity().contains(now)
    };
    let clients = observation.clients.values().filter_map(|client| client.current.as_ref());
    let is_clock = clients.map(|one| (one.key, one.leaf())).any(|(key, leaf)| is_out_of_time(key, leaf))
        || observation.authorities.iter().any(|one| is_out_of_time(one.key, &one.certificate));
    match observation.signer(accepted, now) {
        Some(signer) => fresh(invocation, observation, signer),
        None => Ok(nobody(
            observation,
            match is_clock {
                true => message!(
                    "nobody: no certificate here is valid at {}, if this clock is right",
                    now.minute()
                ),
                false => message!("nobody: there is no client key and no CA key here"),
            },
        )),
    }
}

/// Whoever has no certificate.
pub(super) fn nobody(observation: &Observation, described: Message) -> Client {
    Client {
        described,
        trust: all_of(observation),
        identity: None,
        authority: None,
        expired: None,
        files: None,
    }
}

/// A client of that CA whose certificate begins now, whatever became of those that were issued
/// before.
pub(super) fn fresh(
    invocation: &Invocation<'_>,
    observation: &Observation,
    signer: &ObservedAuthority,
) -> Result<Client, Failure> {
    let authority = authority_of(invocation, signer)?;
    let present = invocation.environment.present();
    let identity = probe_identity(&authority, observation.inventory.leaf_key(), present)?;
    Ok(Client {
        described: message!("a temporary certificate that stays in memory"),
        trust: all_of(observation),
        identity: Some(identity),
        authority: Some(authority),
        expired: None,
        files: None,
    })
}

/// A client of a CA that a daemon is not to trust.
pub(super) fn distrusted(
    invocation: &Invocation<'_>,
    observation: &Observation,
    signer: &ObservedAuthority,
) -> Result<Client, Failure> {
    let client = fresh(invocation, observation, signer)?;
    let authority = client.authority.as_ref();
    let identity =
        authority.map(|one| distrusted_identity(one, observation.inventory.leaf_key())).transpose()?;
    Ok(Client { identity, ..client })
}

/// A client of a CA that no state has yet, which trusts those CAs.
pub(in crate::apply) fn client_of_authority(
    authority: CertificateAuthority,
    trust: TrustBundle,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Result<Client, Failure> {
    let identity = probe_identity(&authority, algorithm, now)?;
    let described = message!("a probe certificate that stays in memory");
    Ok(Client {
        described,
        trust,
        identity: Some(identity),
        authority: Some(authority),
        expired: None,
        files: None,
    })
}

/// Whoever shows a certificate of that CA with these names, made for this moment.
pub(super) fn named(
    invocation: &Invocation<'_>,
    observation: &Observation,
    signer: &ObservedAuthority,
    names: &[SubjectAltName],
) -> Result<Client, Failure> {
    let authority = authority_of(invocation, signer)?;
    let algorithm = observation.inventory.leaf_key();
    let identity = named_identity(&authority, names, algorithm)?;
    Ok(Client {
        described: message!("a temporary certificate with names of others"),
        trust: all_of(observation),
        identity: Some(identity),
        authority: None,
        expired: None,
        files: None,
    })
}

/// A client of the state with what is current for it, whatever became of it.
pub(super) fn as_it_is(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Client, Failure> {
    let client = of_state(invocation, observation, name)?;
    Ok(Client { trust: all_of(observation), authority: None, files: None, ..client })
}

/// A client of this moment that a daemon lets in that serves what worked last.
pub(in crate::apply) fn fresh_for(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Option<Client>, Failure> {
    let identity = observation.daemons.get(name);
    let served = identity.and_then(|identity| identity.served().next());
    let signer = observation.signer(served.map(|set| &set.trust), invocation.environment.now());
    signer.map(|signer| fresh(invocation, observation, signer)).transpose()
}

/// Whoever can ask a daemon something: a client of this moment, or one of the state where no CA can sign.
pub(in crate::apply) fn asking(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Client, Failure> {
    let served = observation.daemons.get(name).and_then(|identity| identity.served().next());
    match fresh_for(invocation, observation, name)? {
        Some(fresh) => Ok(fresh),
        None => automatic(invocation, observation, served.map(|set| &set.trust)),
    }
}

fn all_of(observation: &Observation) -> TrustBundle {
    TrustBundle::new(observation.authorities.iter().map(|found| found.certificate.clone()).collect())
}

fn of_state(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Client, Failure> {
    let failure = |expected: &'static str, found: &'static str| {
        Failure::new("dialing as client", name).expected(expected).found(found).hint("{kitcert} status")
    };
    let current = observation.current(Role::Client, name).ok_or_else(|| {
        plan::fault_of(Role::Client, name, observation).unwrap_or_else(|| failure("a certificate", "none"))
    })?;
    if current.key == KeyPresence::Absent {
        return Err(failure(
            "its key",
            "a certificate without a key: the key is where the request was made, or in the kit",
        ));
    }
    let folder = identity_folder(Role::Client, name).join("current");
    let key = read_key(&invocation.state, &folder.join("key.pem"))?;
    let authority = authority(invocation, observation)?;
    // One of another kind of key a daemon may refuse for its kind alone.
    let is_alike =
        |kept: &CertificateAndKey| algorithm_of(kept.chain.first()) == algorithm_of(Some(current.leaf()));
    let kept = || {
        let issuer = observation.issuer_of(current.leaf())?;
        kept_expired(&invocation.state, issuer, invocation.environment.now()).filter(is_alike)
    };
    let expired = if authority.is_none() { kept() } else { None };
    Ok(Client {
        described: message!("client {}", name),
        trust: current.trust.clone(),
        identity: Some(CertificateAndKey { chain: current.chain.clone(), key }),
        authority,
        expired,
        files: Some(CredentialPaths::in_folder(&invocation.state.join(&folder))),
    })
}

pub(in crate::apply) fn client_of_files(files: &CredentialPaths) -> Result<Client, Failure> {
    // A form that no consumer reads has a finding of its own.
    let fixed = |path: &Path| {
        let bytes = read(path, LARGEST_BUNDLE_FILE)?.bytes;
        Ok::<_, Failure>(WrongForm::fix(&bytes).map_or(bytes, |(pem, _)| pem))
    };
    let trust = TrustBundle::from_pem(&fixed(&files.authority)?, &files.authority)?;
    let chain = Certificate::chain_from_pem(&fixed(&files.certificate)?, &files.certificate)?;
    // So has a key that cannot sign, and a leaf behind its CA.
    let key = KeyFile::read(&read(&files.key, LARGEST_PEM)?.bytes, &files.key)?;
    let is_misplaced = judge::leaf_not_first(&chain, key.public_key()).is_some();
    let identity = match key.key {
        FoundKey::Ours(key) if !is_misplaced => Some(CertificateAndKey { chain, key }),
        FoundKey::Ours(_) | FoundKey::Other(_) => None,
    };
    Ok(Client {
        described: files.certificate.message(),
        trust,
        identity,
        authority: None,
        expired: None,
        files: Some(files.clone()),
    })
}

fn authority(
    invocation: &Invocation<'_>,
    observation: &Observation,
) -> Result<Option<CertificateAuthority>, Failure> {
    let issuing = observation.issuing_authority(invocation.environment.now());
    issuing.map(|observed| authority_of(invocation, observed)).transpose()
}

/// Whether that client gets through to the daemon as its files say. If it does not, what becomes of it
/// on the wire says nothing of the daemon.
pub(super) fn is_client_of(
    observation: &Observation,
    name: &IdentityName,
    client: &Client,
    now: Timestamp,
) -> bool {
    let current = observation.current(Role::Daemon, name);
    let host = observation.inventory.daemons.get(name).map(|entry| entry.endpoint.host());
    let chain = client.identity.as_ref().map(|identity| identity.chain.as_slice()).unwrap_or_default();
    current.zip(host).is_some_and(|(current, host)| {
        let (role, key) = (Role::Daemon, None);
        let daemon = judge::Credentials { role, chain: &current.chain, key, trust: &current.trust };
        let client = judge::Credentials { role: Role::Client, chain, key, trust: &client.trust };
        judge::connect(&client, &daemon, host, now).is_ok()
    })
}
