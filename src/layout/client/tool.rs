//! The programs that talk to a daemon, and what each calls its files and variables.

use std::fmt;

use crate::env::Environment;
use crate::message;
use crate::model::{Endpoint, Finding, Message, Rule, Severity};

/// A program that talks to a daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTool {
    /// `earthly`, up to 0.8.17.
    #[default]
    Earthly,
    /// EarthBuild's `earth`.
    Earthbuild,
    /// moby's `buildctl`.
    Buildctl,
    /// `docker buildx` with the remote driver.
    Buildx,
}

impl ClientTool {
    /// Every tool, the default first.
    pub const ALL: [ClientTool; 4] =
        [ClientTool::Earthly, ClientTool::Earthbuild, ClientTool::Buildctl, ClientTool::Buildx];

    /// The word for it on a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClientTool::Earthly => "earthly",
            ClientTool::Earthbuild => "earthbuild",
            ClientTool::Buildctl => "buildctl",
            ClientTool::Buildx => "buildx",
        }
    }

    /// Whether the tool has a config, which makes it one of Earthly's kind.
    #[must_use]
    pub fn has_config(self) -> bool {
        self.earthly_names().is_some()
    }

    /// The program, as it is called.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            ClientTool::Earthly => "earthly",
            ClientTool::Earthbuild => "earth",
            ClientTool::Buildctl => "buildctl",
            ClientTool::Buildx => "docker",
        }
    }

    /// The variables that name its daemon; the first that is set counts.
    #[must_use]
    pub fn host_variables(self) -> &'static [&'static str] {
        match self {
            ClientTool::Earthly => &["EARTHLY_BUILDKIT_HOST"],
            ClientTool::Earthbuild => &["EARTH_BUILDKIT_HOST", "EARTHLY_BUILDKIT_HOST"],
            ClientTool::Buildctl | ClientTool::Buildx => &["BUILDKIT_HOST"],
        }
    }

    /// The variable that names its daemon now, and what it says.
    #[must_use]
    pub fn host_variable(self, environment: &Environment) -> Option<(&'static str, &str)> {
        let mut names = self.host_variables().iter();
        names.find_map(|name| Some((*name, environment.variable(name)?)))
    }

    /// That the tool takes a host for its own machine, where it does.
    #[must_use]
    pub fn loopback_finding(self, endpoint: &Endpoint) -> Option<Finding> {
        (self.has_config() && endpoint.is_local_to_earthly()).then(|| {
            Finding::new(Rule::LoopbackHost, Severity::Warning, endpoint)
                .expected("a host that the tool only connects to")
                .found(message!("one for which {} starts a container of its own", self))
                .cause("it takes localhost, 127.0.0.1 and ::1 for a daemon that it manages itself (earthly#2989)")
                .fix("use this machine's host name, which the daemon's certificate must name")
        })
    }

    /// The variables that break the tool, where they are set.
    #[must_use]
    pub fn variable_finding(self, environment: &Environment) -> Option<Finding> {
        let of_docker = ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"].into_iter();
        let set: Vec<&str> = of_docker.filter(|name| environment.variable(name).is_some()).collect();
        (self == ClientTool::Buildx && !set.is_empty()).then(|| {
            Finding::new(Rule::DockerVariables, Severity::Warning, message!("the environment"))
                .expected("neither DOCKER_TLS_VERIFY nor DOCKER_CERT_PATH")
                .found(Message::join(&set, " and "))
                .cause("docker buildx takes them for a docker daemon, and then \"could not create a builder instance with TLS data\"")
                .fix(message!("unset {}", Message::join(&set, " ")))
        })
    }

    /// The names of Earthly's kind; None for a tool that has no config.
    pub(super) fn earthly_names(self) -> Option<EarthlyNames> {
        match self {
            ClientTool::Earthly => Some(EarthlyNames {
                installation: "earthly",
                installation_variables: &["EARTHLY_INSTALLATION_NAME"],
                config_variables: &["EARTHLY_CONFIG"],
            }),
            ClientTool::Earthbuild => Some(EarthlyNames {
                installation: "earth",
                installation_variables: &["EARTH_INSTALLATION_NAME", "EARTHLY_INSTALLATION_NAME"],
                config_variables: &["EARTH_CONFIG", "EARTHLY_CONFIG"],
            }),
            ClientTool::Buildctl | ClientTool::Buildx => None,
        }
    }
}

impl fmt::Display for ClientTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What Earthly and its successor call the same things. Of variables the first that is set counts.
pub(super) struct EarthlyNames {
    pub(super) installation: &'static str,
    pub(super) installation_variables: &'static [&'static str],
    pub(super) config_variables: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn dockers_variables_break_buildx_alone() {
        let found = |tool: ClientTool, variables: &[(&str, &str)]| {
            let environment = Environment::made_up(Timestamp::from_unix(0), variables);
            tool.variable_finding(&environment).map(|finding| finding.fix.unwrap_or_default().to_string())
        };
        let both = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/c")];
        assert_eq!(
            found(ClientTool::Buildx, &both).as_deref(),
            Some("unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH")
        );
        assert_eq!(found(ClientTool::Buildx, &both[1..]).as_deref(), Some("unset DOCKER_CERT_PATH"));
        assert_eq!(found(ClientTool::Buildx, &[("DOCKER_TLS_VERIFY", "")]), None);
        assert_eq!(found(ClientTool::Earthly, &both), None);
    }
}
