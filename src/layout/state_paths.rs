//! Where the state directory is, and what it calls its files. Every path below is relative to it.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Role, SerialNumber};

/// The state directory of a command: what was given, else `/var/lib/kitcert` for root, else
/// `$XDG_DATA_HOME/kitcert`, which without that variable is `~/.local/share/kitcert`.
///
/// A relative `XDG_DATA_HOME` is ignored, as its specification says.
///
/// # Errors
/// A user without HOME who names no directory; a directory that begins with a `~` which no shell has
/// replaced: a CA's key would go into the working directory.
pub fn of(environment: &Environment, given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        refuse_tilde(path, "the state directory")?;
        return environment.absolute(path);
    }
    if let Some(data) = environment.variable("XDG_DATA_HOME").filter(|_| !environment.is_root()) {
        refuse_tilde(Path::new(data), "XDG_DATA_HOME")?;
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

fn refuse_tilde(path: &Path, what: &'static str) -> Result<(), Failure> {
    match path.as_os_str().as_encoded_bytes().first() {
        Some(b'~') => Err(Failure::new("reading", what)
            .expected("an absolute path")
            .found("one that begins with ~, which the shell did not expand")
            .hint("write the path out, from / on")
            .exit(ExitCode::Usage)),
        _ => Ok(()),
    }
}

fn of_user(environment: &Environment) -> Option<PathBuf> {
    let data = environment.variable("XDG_DATA_HOME").map(Path::new).filter(|data| data.is_absolute());
    let data = data.map(|data| data.join("kitcert"));
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

/// The folder of a certificate of a CA that has expired, with its key.
pub(crate) fn expired_folder(id: &AuthorityId) -> PathBuf {
    authority_folder(id).join("expired")
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

/// Where a kit is kept that was withdrawn before anybody is known to have joined it: with `revoke --undo` it waits again.
pub(crate) fn withdrawn_kit(name: &IdentityName) -> PathBuf {
    Path::new(KITS).join(format!("{name}.withdrawn"))
}

/// Where a certificate is kept until it has expired.
pub(crate) fn issued(serial: &SerialNumber) -> PathBuf {
    Path::new("issued").join(format!("{serial}.pem"))
}

const OF_ROOT: &str = "/var/lib/kitcert";
const BELOW_HOME: &str = ".local/share/kitcert";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn found(variables: &[(&str, &str)], given: Option<&str>) -> Result<PathBuf, Failure> {
        of(&Environment::made_up(Timestamp::from_unix(0), variables), given.map(Path::new))
    }

    #[test]
    fn a_tilde_that_no_shell_has_replaced_is_refused() {
        for path in ["~/state", "~", "~ana/state"] {
            assert!(found(&[], Some(path)).is_err(), "{path}");
        }
        assert_eq!(found(&[], Some("/a/~/b")).ok(), Some(PathBuf::from("/a/~/b")));
    }

    #[test]
    fn a_relative_data_home_counts_for_nothing() {
        let of = |data: &str| {
            let environment = Environment::made_up(
                Timestamp::from_unix(0),
                &[("HOME", "/home/ana"), ("XDG_DATA_HOME", data)],
            );
            of_user(&environment)
        };
        assert_eq!(of("/data"), Some(PathBuf::from("/data/kitcert")));
        for relative in ["data", "./data", "", "../data"] {
            assert_eq!(of(relative), Some(PathBuf::from("/home/ana/.local/share/kitcert")), "{relative}");
        }
    }
}
