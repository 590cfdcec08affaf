//! The key of a CA that was made elsewhere: found, opened, and judged with its certificate.

use std::path::{Path, PathBuf};

use super::find::{candidates, is_of_client};
use crate::message;
use crate::model::profile::{CLIENT_LIFETIME, LARGEST_PEM};
use crate::model::{
    Failure, FileMode, IdentityName, KeyAlgorithm, Lifetime, Message, Printable, Quoted, Role,
    SubjectAltName, Timestamp,
};
use crate::pki::judge::{Peer, Refusal};
use crate::pki::{Certificate, CertificateAuthority, GivenKey, LeafRequest, PrivateKey, TrustBundle};
use crate::plan::ImportedAuthority;
use crate::store::read;

/// The key of a CA in a file.
pub(super) struct AuthorityKey {
    /// Where it is.
    pub path: PathBuf,
    /// The key; None while its passphrase is not known.
    pub key: GivenKey,
    /// How others may know it; None if nobody else does, as far as can be seen.
    pub known_by: Option<Message>,
}

impl AuthorityKey {
    /// Reads it. A key that others can read, or that lies among what a client reads, is known to them.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds no key with which this program can sign.
    pub(super) fn read(path: &Path, daemon: Option<&Certificate>) -> Result<AuthorityKey, Failure> {
        let file = read(path, LARGEST_PEM)?;
        let key = GivenKey::read(&file.bytes, path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let known_by = match &key {
            GivenKey::Locked(_) => None,
            GivenKey::Plain(_) if file.mode & OTHERS_READ != 0 => {
                Some(message!("others can read it (mode {})", FileMode(file.mode)))
            }
            GivenKey::Plain(_) if is_of_client(folder, daemon) => {
                Some(message!("it lies beside the files of a client"))
            }
            GivenKey::Plain(_) => None,
        };
        Ok(AuthorityKey { path: path.to_owned(), key, known_by })
    }

    /// The key of one of those CAs in one of those folders.
    pub(super) fn find(
        folders: &[PathBuf],
        authorities: &TrustBundle,
        daemon: &Certificate,
    ) -> Option<AuthorityKey> {
        let own = |key: &PrivateKey| {
            let mut all = authorities.certificates().iter();
            // The daemon's own key may be that of a certificate which it trusts.
            all.any(|one| one.public_key() == key.public_key()) && key.public_key() != daemon.public_key()
        };
        candidates(folders).into_iter().find_map(|path| {
            let found = AuthorityKey::read(&path, Some(daemon)).ok()?;
            matches!(&found.key, GivenKey::Plain(key) if own(key)).then_some(found)
        })
    }
}

/// Judges a CA by what its peers would make of what it issues, for those hosts. `place` is where it is; `anchored` says
/// whether peers trust that very certificate already; else they are given one that openssl takes for an anchor too.
///
/// # Errors
/// The reason why a peer would refuse what it issues.
pub(super) fn judged(
    (certificate, chain): (&Certificate, &[Certificate]),
    key: &PrivateKey,
    (hosts, place): (&[SubjectAltName], &Message),
    (anchored, now): (bool, Timestamp),
) -> Result<ImportedAuthority, Failure> {
    let subject = || message!("CA {}", certificate.subject());
    let refused = |what: Message, found: Message| {
        Failure::new("taking over", subject())
            .expected(message!("a CA of which peers accept {}", what))
            .found(found)
            .hint("let kitcert make a CA of its own: leave out --ca and --ca-key")
    };
    let authority = CertificateAuthority::load(certificate.clone(), key, place)?;
    let is_root = certificate.is_named_by(certificate);
    let trust = TrustBundle::from_pem(certificate.to_pem().as_bytes(), place)
        .map_err(|unread| refused(message!("the CA itself"), unread.what_was_found().message()))?;
    for (role, hosts) in [(Role::Daemon, hosts), (Role::Client, &[])] {
        let name: IdentityName = "probe".parse()?;
        let hosts = match (role, hosts) {
            (Role::Daemon, []) => vec!["probe.client.kitcert.internal".parse()?],
            (_, hosts) => hosts.to_vec(),
        };
        let request = LeafRequest::new(role, name, hosts, now, CLIENT_LIFETIME.min(Lifetime::days(1)));
        let made = PrivateKey::generate(KeyAlgorithm::default())?;
        let what = match role {
            Role::Daemon => message!("daemons' certificates"),
            Role::Client => message!("clients' certificates"),
        };
        let leaf = authority.issue(&request, made.public_key());
        let leaf = leaf.map_err(|failure| refused(what.clone(), failure.what_was_found().message()))?;
        let peer = Peer { trust: &trust, accepts: role, host: None, now };
        if let Err(refusals) = peer.accept(std::slice::from_ref(&leaf)) {
            let why = refusals.into_iter().find_map(|refusal| match refusal {
                Refusal::Chain(fault) => Some(fault.message()),
                _ => None,
            });
            return Err(refused(what, why.unwrap_or_default()));
        }
    }
    let ended = chain.iter().find(|one| !one.validity().contains(now));
    if let Some(ended) = ended {
        let what = message!("certificates, and a chain that is valid now");
        return Err(refused(what, message!("{}, until {}", ended.subject(), ended.validity().not_after)));
    }
    if is_root || anchored {
        return Ok(ImportedAuthority { certificate: certificate.clone(), chain: Vec::new() });
    }
    let anchor = CertificateAuthority::anchor_of(certificate, key)?;
    // The root is what others trust: nobody needs it to be sent.
    let sent = chain.iter().filter(|one| *one != certificate && !one.is_self_issued());
    let chain = std::iter::once(certificate).chain(sent).cloned().collect();
    Ok(ImportedAuthority { certificate: anchor.certificate().clone(), chain })
}

/// Why a key that others know is not taken in for a new state.
pub(super) fn known(key: &AuthorityKey, why: &Message) -> Failure {
    Failure::new("taking in the CA key", key.path.display())
        .expected("a key that nobody else knows")
        .found(why)
        .again(message!(
            "--keep-ca   # if nobody else had it: first chmod 0600 {}",
            Quoted(key.path.display())
        ))
}

const OTHERS_READ: u32 = 0o044;
