//! A daemon is dialled before it is taken over: what it serves, and whether it lets the right people in.

use super::find::FoundDaemon;
use crate::apply::invocation::Invocation;
use crate::apply::verify::{
    Client, DialOptions, Verification, client_of_authority, client_of_files, verify_as,
};
use crate::message;
use crate::model::{Endpoint, Failure, KeyAlgorithm, Printable};
use crate::pki::{Certificate, CertificateAuthority};

/// What was seen of a daemon before it was taken over.
pub(crate) struct Probed {
    /// The verification.
    pub verification: Verification,
    /// Whether it serves the certificate that was found.
    pub serves_it: bool,
}

/// Dials the daemon: as a client of its CA if that can be made, as the one whose files were found, or as
/// nobody.
///
/// # Errors
/// It serves another certificate: then it reads other files.
pub(super) fn probe(
    invocation: &Invocation<'_>,
    found: &FoundDaemon,
    authority: Option<CertificateAuthority>,
    endpoint: &Endpoint,
) -> Result<Probed, Failure> {
    let client = match (authority, &found.client) {
        (Some(authority), _) => client_of_authority(
            authority,
            found.trust.clone(),
            KeyAlgorithm::default(),
            invocation.environment.present(),
        )?,
        (None, Some(files)) => {
            let described = message!("the client whose files are in {}", files.certificate.display());
            Client { described, files: None, ..client_of_files(files)? }
        }
        (None, None) => Client {
            described: message!("nobody: no client's key and no CA key is at hand"),
            trust: found.trust.clone(),
            identity: None,
            authority: None,
            expired: None,
            files: None,
        },
    };
    let verification = verify_as(invocation, client, endpoint, &DialOptions::default())?;
    let served = verification.served();
    let leaf = found.chain.first();
    let is_it = |served: &Certificate| Some(served) == leaf;
    if let Some(other) = served.filter(|served| !is_it(served)) {
        let number = |one: &Certificate| one.serial().message();
        return Err(Failure::new("taking over the daemon at", endpoint)
            .expected(message!(
                "the certificate of {} ({})",
                found.place,
                leaf.map(number).unwrap_or_default()
            ))
            .found(message!("{}, which it serves", number(other)))
            .hint("name the folder that the daemon reads, or restart it first if its files are newer"));
    }
    let serves_it = served.is_some();
    Ok(Probed { verification, serves_it })
}
