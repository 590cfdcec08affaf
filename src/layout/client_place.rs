//! Where clients read their files and their config.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::set_file::SetFile;
use crate::env::Environment;
use crate::model::{Endpoint, ExitCode, Failure, Finding, Rule, Severity};

/// A tool that talks to a daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientTool {
    /// `earthly`, up to 0.8.17 of the community too: `~/.earthly`.
    #[default]
    Earthly,
    /// EarthBuild's `earth`, from 0.8.19: `~/.earth`, without a look at `~/.earthly`.
    Earthbuild,
    /// `buildctl`, which has no config: `--tlsdir`.
    Buildctl,
    /// `docker buildx` with the remote driver: `--driver-opt`, absolute paths.
    Buildx,
}

/// Where a client's files and config are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPlace {
    /// The tool.
    pub tool: ClientTool,
    /// The folder in which ca.pem, cert.pem and key.pem stand.
    pub folder: PathBuf,
    /// Its config, if it has one.
    pub config: Option<ConfigPlace>,
}

/// Where a config is, and what relative paths in it mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The file.
    pub path: PathBuf,
    /// The tool's own directory: what Earthly joins relative values to, wherever the config
    /// itself lies (its config.go, despite its help text).
    pub tool_directory: PathBuf,
}

impl ConfigPlace {
    /// The value of a key for one of our files: relative in the tool's own directory, where both
    /// readings agree and a moved home survives; absolute elsewhere.
    #[must_use]
    pub fn value_of(&self, file: SetFile) -> String {
        if self.path.parent() == Some(&self.tool_directory) {
            return format!("./{CERTIFICATES}/{}", file.file_name());
        }
        self.tool_directory.join(CERTIFICATES).join(file.file_name()).display().to_string()
    }

    /// The path that a value means to the tool. A `~` is not expanded, there as here.
    #[must_use]
    pub fn resolve(&self, value: &str) -> PathBuf {
        self.tool_directory.join(value.strip_prefix("./").unwrap_or(value))
    }
}

impl ClientPlace {
    /// What the user of this place should know of an endpoint: a tool that takes the host for its
    /// own machine starts a container instead of connecting.
    #[must_use]
    pub fn findings(&self, endpoint: &Endpoint) -> Vec<Finding> {
        let earthly = matches!(self.tool, ClientTool::Earthly | ClientTool::Earthbuild);
        if !earthly || !endpoint.is_local_to_earthly() {
            return Vec::new();
        }
        vec![
            Finding::new(Rule::LoopbackHost, Severity::Warning, endpoint)
                .expected("a host that earthly takes for another machine")
                .found("a host that earthly takes for its own: it starts a container there instead of connecting")
                .fix("use another of the daemon's names, such as the machine's host name"),
        ]
    }
}

/// Where a tool of the user with that home reads its files. `exists` tells whether a file is
/// there; `given` replaces the config's path, as the tool's own `--config` does.
///
/// # Errors
/// A config that is named for a tool which has none.
pub fn client_place(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    given: Option<&Path>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<ClientPlace, Failure> {
    let (names, configs, default) = match tool {
        ClientTool::Earthly => (&["EARTHLY_INSTALLATION_NAME"][..], &["EARTHLY_CONFIG"][..], "earthly"),
        ClientTool::Earthbuild => (
            &["EARTH_INSTALLATION_NAME", "EARTHLY_INSTALLATION_NAME"][..],
            &["EARTH_CONFIG", "EARTHLY_CONFIG"][..],
            "earth",
        ),
        ClientTool::Buildctl | ClientTool::Buildx => {
            return place_without_config(tool, environment, home, given);
        }
    };
    let variable =
        |names: &[&str]| names.iter().find_map(|name| environment.variable(name)).map(str::to_owned);
    let tool_directory = home.join(format!(".{}", variable(names).unwrap_or_else(|| default.to_owned())));
    let chosen = given.map(Path::to_owned).or_else(|| variable(configs).map(PathBuf::from));
    let path = match chosen {
        Some(path) => environment.absolute(&path)?,
        None => {
            // Earthly reads config.yaml only while there is no config.yml: making one would hide it.
            let (usual, legacy) = (tool_directory.join("config.yml"), tool_directory.join("config.yaml"));
            if !exists(&usual) && exists(&legacy) { legacy } else { usual }
        }
    };
    Ok(ClientPlace {
        tool,
        folder: tool_directory.join(CERTIFICATES),
        config: Some(ConfigPlace { path, tool_directory }),
    })
}

fn place_without_config(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    given: Option<&Path>,
) -> Result<ClientPlace, Failure> {
    if let Some(config) = given {
        return Err(Failure::new("reading", format!("--config {}", config.display()))
            .expected("a tool that has a config (earthly, earthbuild)")
            .found(tool)
            .exit(ExitCode::Usage));
    }
    let base = environment.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    Ok(ClientPlace { tool, folder: base.join("kitcert").join(tool.as_str()), config: None })
}

/// The command that uses the daemon from now on.
#[must_use]
pub fn use_command(place: &ClientPlace, endpoint: &Endpoint) -> String {
    let folder = place.folder.display();
    match place.tool {
        ClientTool::Earthly => "earthly +TARGET".to_owned(),
        ClientTool::Earthbuild => "earth +TARGET".to_owned(),
        ClientTool::Buildctl => format!("buildctl --addr {endpoint} --tlsdir {folder} debug workers"),
        ClientTool::Buildx => format!(
            "docker buildx create --name kitcert --driver remote --driver-opt cacert={folder}/ca.pem \
             --driver-opt cert={folder}/cert.pem --driver-opt key={folder}/key.pem {endpoint}"
        ),
    }
}

/// The variable to set too, for tools that pass over the config's host where neither docker nor
/// podman works (earthly#2978).
#[must_use]
pub fn environment_line(tool: ClientTool, endpoint: &Endpoint) -> Option<String> {
    match tool {
        ClientTool::Earthly => Some(format!("export EARTHLY_BUILDKIT_HOST={endpoint}")),
        ClientTool::Earthbuild => Some(format!("export EARTH_BUILDKIT_HOST={endpoint}")),
        ClientTool::Buildctl | ClientTool::Buildx => None,
    }
}

impl ClientTool {
    const ALL: [ClientTool; 4] =
        [ClientTool::Earthly, ClientTool::Earthbuild, ClientTool::Buildctl, ClientTool::Buildx];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClientTool::Earthly => "earthly",
            ClientTool::Earthbuild => "earthbuild",
            ClientTool::Buildctl => "buildctl",
            ClientTool::Buildx => "buildx",
        }
    }
}

impl FromStr for ClientTool {
    type Err = Failure;

    fn from_str(text: &str) -> Result<ClientTool, Failure> {
        ClientTool::ALL.into_iter().find(|tool| tool.as_str() == text).ok_or_else(|| {
            Failure::new("reading the tool", format!("{text:?}"))
                .expected("earthly, earthbuild, buildctl or buildx")
                .found("another word")
                .exit(ExitCode::Usage)
        })
    }
}

impl fmt::Display for ClientTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

const CERTIFICATES: &str = "certs";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn place(variables: &[(&str, &str)], there: &[&str]) -> ClientPlace {
        let environment = Environment::made_up(Timestamp::from_unix(0), variables);
        let exists = |path: &Path| there.iter().any(|file| Path::new(file) == path);
        client_place(ClientTool::Earthly, &environment, Path::new("/home/ana"), None, &exists).unwrap()
    }

    #[test]
    fn values_are_relative_only_in_the_tools_own_directory() {
        let own = place(&[], &[]).config.unwrap();
        assert_eq!(own.value_of(SetFile::Key), "./certs/key.pem");
        let other = place(&[("EARTHLY_CONFIG", "/run/earthly.yml")], &[]).config.unwrap();
        assert_eq!(other.value_of(SetFile::Key), "/home/ana/.earthly/certs/key.pem");
        assert_eq!(other.resolve("./certs/ca.pem"), Path::new("/home/ana/.earthly/certs/ca.pem"));
    }

    #[test]
    fn an_old_config_yaml_is_not_hidden_by_a_new_config_yml() {
        let config = |there: &[&str]| place(&[], there).config.unwrap().path;
        assert_eq!(config(&[]), Path::new("/home/ana/.earthly/config.yml"));
        assert_eq!(config(&["/home/ana/.earthly/config.yaml"]), Path::new("/home/ana/.earthly/config.yaml"));
        let both = ["/home/ana/.earthly/config.yaml", "/home/ana/.earthly/config.yml"];
        assert_eq!(config(&both), Path::new("/home/ana/.earthly/config.yml"));
    }

    #[test]
    fn an_installation_name_moves_the_directory() {
        let named = place(&[("EARTHLY_INSTALLATION_NAME", "earthly-dev")], &[]);
        assert_eq!(named.folder, Path::new("/home/ana/.earthly-dev/certs"));
    }
}
