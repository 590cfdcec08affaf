//! What others have made is taken over: a CA with its key, a running daemon, or both. Everything is read and
//! judged here, and the daemon is dialled, before anything is written; `init` writes it.
//!
//! ```text
//! find      the files of a daemon, in a folder or in a Kubernetes Secret
//! anchors   whom it trusts
//! ca_key    the key of a CA: found, opened, judged with its certificate
//! probe     the daemon, dialled
//! ```

mod anchors;
mod ca_key;
mod find;
mod probe;

use std::path::{Path, PathBuf};

pub(crate) use probe::Probed;

use self::anchors::anchors_of;
use self::ca_key::AuthorityKey;
use self::find::{FoundDaemon, find_daemon};
use super::change::Supplies;
use super::invocation::Invocation;
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{
    Endpoint, ExitCode, Failure, FileMode, Message, Printable, Quoted, Role, Severity, SubjectAltName,
    Timestamp,
};
use crate::pki::judge::{self, Credentials, Refusal, check};
use crate::pki::{Certificate, CertificateAuthority, GivenKey, KeyFile, Passphrase, PrivateKey, TrustBundle};
use crate::plan::{AdoptedDaemon, ImportedAuthority, InstallRequest, endpoint_of};
use crate::store::read;

/// What is to be taken over.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakeoverRequest {
    /// The folder of a daemon's files, or a Kubernetes Secret.
    pub daemon: Option<PathBuf>,
    /// The certificate of a CA.
    pub authority: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// What leads from it to the CA that has certified it.
    pub chain: Option<PathBuf>,
    /// Whether a key is taken in that others may know.
    pub keeps_known_key: bool,
}

/// What was found, before a passphrase opens what is locked.
pub(crate) struct Survey {
    request: TakeoverRequest,
    found: Option<FoundDaemon>,
    key: Option<AuthorityKey>,
}

/// What is taken over.
pub(crate) struct Takeover {
    /// The CA that goes on.
    pub import: Option<ImportedAuthority>,
    /// The daemon.
    pub adopted: Option<AdoptedDaemon>,
    /// Its hosts: those that were named, and those of its certificate.
    pub hosts: Vec<SubjectAltName>,
    /// Where its files stay.
    pub install: Option<InstallRequest>,
    /// What is written, and holds secrets.
    pub supplies: Supplies,
    /// What a person should know.
    pub remarks: Vec<Message>,
    /// What was seen of the daemon.
    pub probed: Option<Probed>,
}

impl Survey {
    /// Reads what is to be taken over.
    ///
    /// # Errors
    /// Files that cannot be read, or that do not belong together.
    pub(crate) fn of(invocation: &Invocation<'_>, request: TakeoverRequest) -> Result<Survey, Failure> {
        let absolute = |path: &PathBuf| match path == Path::new("-") {
            true => Ok(path.clone()),
            false => invocation.environment.absolute(path),
        };
        let found = request.daemon.as_ref().map(|path| find_daemon(&absolute(path)?)).transpose()?;
        let leaf = found.as_ref().and_then(|found| found.chain.first());
        let key = match (&request.key, &found, leaf) {
            (Some(path), _, leaf) => Some(AuthorityKey::read(&absolute(path)?, leaf)?),
            (None, Some(found), Some(leaf)) => AuthorityKey::find(&found.folders, &found.trust, leaf),
            (None, ..) => None,
        };
        Ok(Survey { request, found, key })
    }

    /// The file of the key that a passphrase opens.
    pub(crate) fn locked(&self) -> Option<&Path> {
        let key = self.key.as_ref().filter(|key| matches!(key.key, GivenKey::Locked(_)));
        key.map(|key| key.path.as_path())
    }

    /// Opens the key.
    ///
    /// # Errors
    /// Another passphrase.
    pub(crate) fn unlock(&mut self, passphrase: &Passphrase) -> Result<(), Failure> {
        if let Some(key) = &mut self.key
            && let GivenKey::Locked(locked) = &key.key
        {
            key.key = GivenKey::Plain(locked.unlock(passphrase)?);
        }
        Ok(())
    }

    /// Judges it all, and dials the daemon.
    ///
    /// # Errors
    /// A CA of which peers would not accept what it issues; a daemon whose files do not belong together, or that
    /// serves another certificate.
    pub(crate) fn take_over(
        self,
        invocation: &Invocation<'_>,
        named: &[SubjectAltName],
        endpoint: Option<&Endpoint>,
    ) -> Result<Takeover, Failure> {
        let Survey { request, found, key } = self;
        let now = invocation.environment.now();
        let mut remarks = Vec::new();
        let names = found.as_ref().and_then(|found| Some(found.chain.first()?.usable_names()));
        let mut hosts = named.to_vec();
        hosts.extend(names.unwrap_or_default().into_iter().filter(|name| !named.contains(name)));
        if hosts.is_empty() {
            return Err(Failure::new(
                "taking over",
                found.as_ref().map(|one| one.place.clone()).unwrap_or_default(),
            )
            .expected("a certificate with names, or --host")
            .found("a certificate without a name that any client takes")
            .hint("give each name and address that clients dial with --host")
            .exit(ExitCode::Usage));
        }
        let key = match key {
            Some(AuthorityKey { path, known_by: Some(why), .. })
                if !request.keeps_known_key && found.is_some() =>
            {
                remarks.push(message!(
                    "the CA's key {} is known to others: {}. The CA goes on without it, until everybody has moved to a \
                     new one; to go on with it: --keep-ca",
                    path.display(),
                    why
                ));
                None
            }
            Some(key) => match (&key.known_by, request.keeps_known_key) {
                (Some(why), false) => return Err(ca_key::known(&key, why)),
                _ => Some(key),
            },
            None => None,
        };
        let import = match &key {
            Some(AuthorityKey { path, key: GivenKey::Plain(key), .. }) => {
                remarks.push(message!(
                    "the CA's key is copied into the state; {} stays where it is",
                    path.display()
                ));
                let import = authority(&request, found.as_ref(), key, (&hosts, now))?;
                remarks.extend(strictly(&import, now));
                Some(import)
            }
            _ => None,
        };
        let mut takeover = Takeover {
            import,
            adopted: None,
            install: None,
            supplies: Supplies::default(),
            remarks,
            probed: None,
            hosts,
        };
        if let Some(found) = found {
            takeover.adopt(invocation, found, key.as_ref(), endpoint)?;
        }
        takeover.supplies.authority_key = match key {
            Some(AuthorityKey { key: GivenKey::Plain(key), .. }) => Some(key),
            _ => None,
        };
        Ok(takeover)
    }
}

impl Takeover {
    fn adopt(
        &mut self,
        invocation: &Invocation<'_>,
        found: FoundDaemon,
        key: Option<&AuthorityKey>,
        endpoint: Option<&Endpoint>,
    ) -> Result<(), Failure> {
        let now = invocation.environment.now();
        self.remarks.extend(unfit(&found, now)?);
        refuse_open_key(&found)?;
        let imported = match (&self.import, key) {
            (Some(import), Some(AuthorityKey { key: GivenKey::Plain(key), .. })) => Some(
                CertificateAuthority::load(import.certificate.clone(), key, import.certificate.subject())?,
            ),
            _ => None,
        };
        let endpoint = endpoint_of(endpoint, &self.hosts)?;
        if self.import.is_none() {
            refuse_unnamed(&found, &endpoint)?;
        }
        let probed = probe::probe(invocation, &found, imported, &endpoint)?;
        let import = self.import.as_ref().map(|import| &import.certificate);
        let anchors = anchors_of(&found.trust, &found.chain, import, now)?;
        if anchors.iter().all(|anchor| anchor.clients_only) && self.import.is_none() {
            return Err(Failure::new("taking over", &found.place)
                .expected("the CA of the daemon's certificate in its ca.pem")
                .found(message!(
                    "no valid one of {}",
                    found.chain.last().map(Certificate::issuer).map(Printable::message).unwrap_or_default()
                ))
                .hint(
                    "make a CA of its own for the daemon, and give the daemon and its clients what it issues",
                ));
        }
        self.install =
            found.installed.map(|(root, layout): (PathBuf, DaemonLayout)| InstallRequest { root, layout });
        if self.install.is_none() {
            self.remarks.push(message!(
                "{} stays as it is: the daemon gets its later files by hand, from its folder in {}",
                found.place,
                invocation.state.join(Role::Daemon.folder()).display()
            ));
        }
        self.adopted =
            Some(AdoptedDaemon { chain: found.chain, anchors, worked: probed.serves_it, owner: found.owner });
        self.probed = Some(probed);
        self.supplies.daemon = Some(found.files);
        Ok(())
    }
}

/// Refuses an endpoint that its certificate does not name, where its CA's key is not here to issue another: it would
/// never be verified there, and so never move to a CA that names it.
fn refuse_unnamed(found: &FoundDaemon, endpoint: &Endpoint) -> Result<(), Failure> {
    let Some(leaf) = found.chain.first() else { return Ok(()) };
    let names = leaf.usable_names();
    let is_named = endpoint_of(Some(endpoint), &names).is_ok();
    if is_named || names.is_empty() {
        return Ok(());
    }
    let dialed = endpoint_of(None, &names)?;
    Err(Failure::new("taking over", &found.place)
        .expected(message!("an endpoint at a host that its certificate names: {}", Message::join(&names, ", ")))
        .found(endpoint.host())
        .hint(message!(
            "--endpoint {}   # add {} to its hosts once everybody has moved; or name the CA's key (with --keep-ca, if \
             others have it)",
            Endpoint::new(dialed.host().clone(), endpoint.port()),
            endpoint.host()
        ))
        .exit(ExitCode::Usage))
}

/// Refuses to keep a daemon's key where anybody on the machine can read it: no verification would ever call
/// that daemon verified. Whether its program reads a key that is closed is for a person to know.
fn refuse_open_key(found: &FoundDaemon) -> Result<(), Failure> {
    let Some((path, mode)) = found.key.as_ref().filter(|_| found.installed.is_some()) else { return Ok(()) };
    if judge::key_mode(path.display(), *mode).is_none_or(|finding| finding.severity < Severity::Error) {
        return Ok(());
    }
    let path = Quoted(path);
    Err(Failure::new("taking over the daemon's key", path)
        .expected("one that its user alone can read (0400), as the daemon goes on reading it there")
        .found(message!("mode {}", FileMode(*mode)))
        .hint(message!(
            "chmod 0400 {}   # if the daemon runs as another user: chown it to that user too",
            path
        )))
}

/// What strict peers refuse a CA for that Go accepts.
fn strictly(import: &ImportedAuthority, now: Timestamp) -> impl Iterator<Item = Message> {
    let findings = judge::certificate_file(&TrustBundle::new(vec![import.certificate.clone()]), now);
    let refused = findings.into_iter().filter(|finding| finding.severity >= Severity::Error);
    refused.map(|finding| {
        message!(
            "strict peers, such as Python, refuse whatever this CA issues: expected {}, found {}",
            finding.expected,
            finding.found
        )
    })
}

/// The CA of a key: what was named, or whichever of the daemon's it belongs to.
fn authority(
    request: &TakeoverRequest,
    found: Option<&FoundDaemon>,
    key: &PrivateKey,
    (hosts, now): (&[SubjectAltName], Timestamp),
) -> Result<ImportedAuthority, Failure> {
    let read_chain = |path: &PathBuf| Certificate::chain_from_pem(&read(path, LARGEST_PEM)?.bytes, path);
    let named = request.authority.as_ref().map(read_chain).transpose()?;
    let chain = request.chain.as_ref().map(read_chain).transpose()?.unwrap_or_default();
    let trusted = found.map(|found| found.trust.certificates()).unwrap_or_default();
    let own = |one: &&Certificate| one.public_key() == key.public_key();
    let missing = || {
        Failure::new("taking in", "the CA")
            .expected("the certificate of the CA key")
            .found(match found {
                Some(_) => "no CA in the daemon's ca.pem with that key",
                None => "one of another key",
            })
            .hint("name the key of the CA that has issued the daemon's certificate with --ca-key")
    };
    let certificate = match &named {
        Some(named) => named.iter().find(own).or(named.first()).ok_or_else(missing)?,
        // Of a CA that was renewed with its key it is the certificate that is valid longer.
        None => trusted.iter().filter(own).max_by_key(|one| one.validity().not_after).ok_or_else(missing)?,
    };
    let anchored = trusted.iter().any(|one| one.is_of_same_authority(certificate));
    if found.is_some() && !anchored {
        return Err(missing());
    }
    let behind = named.iter().flatten().filter(|one| *one != certificate).chain(&chain);
    let chain: Vec<Certificate> = behind.cloned().collect();
    let place = match (&request.authority, found) {
        (Some(path), _) => path.display().message(),
        (None, found) => found.map(|found| found.place.clone()).unwrap_or_default(),
    };
    ca_key::judged((certificate, &chain), key, (hosts, &place), (anchored, now))
}

/// What is to be said of a daemon's files; a failure where they do not belong together.
fn unfit(found: &FoundDaemon, now: Timestamp) -> Result<Option<Message>, Failure> {
    let key = KeyFile::read(&found.files.key, &found.place)?;
    let credentials =
        Credentials { role: Role::Daemon, chain: &found.chain, key: key.public_key(), trust: &found.trust };
    let Err(refusals) = check(&credentials, &[], now) else { return Ok(None) };
    let leaf = found.chain.first();
    let is_over = leaf.is_some_and(|leaf| !leaf.validity().contains(now));
    match refusals.into_iter().next() {
        Some(Refusal::Chain(fault)) if is_over => {
            Ok(Some(message!("no client gets in by the daemon's certificate: {}", fault)))
        }
        Some(Refusal::Chain(fault)) => Err(Failure::new("taking over", &found.place)
            .expected("a certificate whose CA is in ca.pem, as clients verify the daemon")
            .found(fault)
            .hint("make a CA of its own for the daemon, and give the daemon and its clients what it issues")),
        Some(_) => Err(Failure::new("taking over", &found.place)
            .expected("the key of the certificate")
            .found("another key")),
        None => Ok(None),
    }
}
