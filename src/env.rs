//! What a command knows of its surroundings, read once when it starts.
//!
//! Nothing else in the crate reads the wall clock or an environment variable, so that a command has
//! one instant, and what has passed since, and a test can have any.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::model::{ExitCode, Failure, Printable, Timestamp};

/// The instant, the user and the variables of one run of a command.
#[derive(Clone, Debug)]
pub struct Environment {
    now: Timestamp,
    /// When this was read, by the clock that nobody sets.
    began: Instant,
    user_id: u32,
    host_name: String,
    current_directory: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// The variables that are read; all others do not concern us.
const VARIABLES: [&str; 18] = [
    "HOME",
    "PATH",
    "USER",
    "SUDO_USER",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "KITCERT_STATE",
    "NO_COLOR",
    "EARTHLY_CONFIG",
    "EARTHLY_INSTALLATION_NAME",
    "EARTHLY_BUILDKIT_HOST",
    "EARTH_CONFIG",
    "EARTH_INSTALLATION_NAME",
    "EARTH_BUILDKIT_HOST",
    "BUILDKIT_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "TERM",
];

impl Environment {
    /// The surroundings of this process. The clock is read here and nowhere else.
    #[must_use]
    pub fn of_process() -> Environment {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let read = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        Environment {
            now: Timestamp::from_unix(now),
            began: Instant::now(),
            user_id: rustix::process::geteuid().as_raw(),
            host_name: host_name(),
            current_directory: std::env::current_dir().ok(),
            variables: VARIABLES.into_iter().filter_map(read).collect(),
        }
    }

    /// Surroundings made up: that instant, the user of this process, and those variables.
    #[must_use]
    pub fn made_up(now: Timestamp, variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment {
            now,
            began: Instant::now(),
            user_id: rustix::process::geteuid().as_raw(),
            host_name: host_name(),
            current_directory: std::env::current_dir().ok(),
            variables: variables.iter().map(owned).collect(),
        }
    }

    /// The instant of this run.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The instant of this call: that of the run, and what has passed since. A clock that somebody sets
    /// meanwhile does not change it.
    #[must_use]
    pub fn present(&self) -> Timestamp {
        let passed = i64::try_from(self.began.elapsed().as_secs()).unwrap_or_default();
        self.now.minus_seconds(-passed)
    }

    /// What this machine calls itself, in printable ASCII.
    #[must_use]
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// A path as the user meant it: a relative one begins in the current directory.
    ///
    /// # Errors
    /// A relative path, and a current directory that has been removed; a path that looks like a part
    /// of a key, before anything is made of that name.
    pub fn absolute(&self, path: &Path) -> Result<PathBuf, Failure> {
        match &self.current_directory {
            Some(directory) => shown(directory.join(path)),
            None if path.is_absolute() => shown(path.to_owned()),
            None => Err(Failure::new("reading the path", path.display())
                .expected("an absolute path, since the current directory is gone")
                .found("a relative one")),
        }
    }

    /// The effective user id.
    #[must_use]
    pub fn user_id(&self) -> u32 {
        self.user_id
    }

    /// Whether the effective user is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.user_id == 0
    }

    /// Every variable that is read and set, by its name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable; an empty one counts as unset, as it does for the tools that we
    /// configure.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().map(|one| if one.is_ascii_graphic() { one } else { '?' }).collect()
}

/// A path that messages may name.
fn shown(path: PathBuf) -> Result<PathBuf, Failure> {
    match path.message().hides_a_value() {
        false => Ok(path),
        true => Err(Failure::new("reading", "a path")
            .expected("the name of a file or a folder")
            .found(path)
            .exit(ExitCode::Usage)),
    }
}
