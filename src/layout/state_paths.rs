//! Where the state directory is, and what it calls its files. Every path below is relative to it.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Role, SerialNumber};

/// The state directory of a command: what was given, else `/var/lib/kitcert` for root, else
/// `$XDG_DATA_HOME/kitcert`, which without that variable is `~/.local/share/kitcert`.
///
/// # Errors
/// A user without HOME who names no directory.
pub fn of(environment: &Environment, given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return environment.absolute(path);
    }
    if environment.is_root() {
        return Ok(PathBuf::from(OF_ROOT));
    }
    of_user(environment).ok_or_else(|| {
        Failure::new("choosing", "the state directory")
            .expected("HOME, XDG_DATA_HOME or --state")
            .found("none of them")
            .exit(ExitCode::Usage)
    })
}

/// Where a state may be that was meant instead of `looked_for`: root's, and that of the user who
/// called `sudo`.
#[must_use]
pub fn elsewhere(environment: &Environment, looked_for: &Path) -> Vec<PathBuf> {
    let of_sudo_user = environment.variable("SUDO_USER").map(|user| {
        let home = Path::new("/home").join(user);
        home.join(BELOW_HOME)
    });
    let places = [Some(PathBuf::from(OF_ROOT)), of_sudo_user, of_user(environment)];
    places.into_iter().flatten().filter(|place| place != looked_for).collect()
}

fn of_user(environment: &Environment) -> Option<PathBuf> {
    let data = environment.variable("XDG_DATA_HOME").map(|data| Path::new(data).join("kitcert"));
    data.or_else(|| environment.variable("HOME").map(|home| Path::new(home).join(BELOW_HOME)))
}

/// What a person wants: kitcert.yaml.
pub(crate) const INVENTORY: &str = "kitcert.yaml";
/// The link in a folder of generations to the one that counts.
pub(crate) const CURRENT: &str = "current";
/// The folder of the CAs, each below its key identifier in hex.
pub(crate) const AUTHORITIES: &str = "ca";
/// The folder of the kits that wait to be handed over.
pub(crate) const KITS: &str = "kits";
/// The folder of every leaf, until it has expired.
pub(crate) const ISSUED: &str = "issued";

/// The folder of a CA.
pub(crate) fn authority_folder(id: &AuthorityId) -> PathBuf {
    Path::new(AUTHORITIES).join(id.as_str())
}

/// The folder of an identity.
pub(crate) fn identity_folder(role: Role, name: &IdentityName) -> PathBuf {
    Path::new(role.folder()).join(name.as_str())
}

/// The folder of the keys and requests of that name, on a developer's side.
pub(crate) fn request_folder(name: &IdentityName) -> PathBuf {
    Path::new("requests").join(name.as_str())
}

/// Where a kit waits to be handed over.
pub(crate) fn waiting_kit(name: &IdentityName) -> PathBuf {
    Path::new(KITS).join(format!("{name}.kit"))
}

/// Where a certificate is kept until it has expired.
pub(crate) fn issued(serial: &SerialNumber) -> PathBuf {
    Path::new("issued").join(format!("{serial}.pem"))
}

const OF_ROOT: &str = "/var/lib/kitcert";
const BELOW_HOME: &str = ".local/share/kitcert";
