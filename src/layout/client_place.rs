//! Where a client's tool reads its certificates and its config.

use std::path::{Path, PathBuf};

use super::SetFile;
use super::client_tool::ClientTool;
use super::command_line::{csv_field, shell_line};
use crate::env::Environment;
use crate::model::{Endpoint, ExitCode, Failure, Finding, Rule, Severity, SubjectAltName};

/// Where a tool's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPlace {
    /// The tool.
    pub tool: ClientTool,
    /// The folder where `ca.pem`, `cert.pem` and `key.pem` are to be, such as `~/.earthly/certs`.
    pub folder: PathBuf,
    /// The tool's config; None for tools that have none.
    pub config: Option<ConfigPlace>,
}

/// Where a tool's config is, and how paths are written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The config file, as it was given where it was given.
    pub path: PathBuf,
    /// The tool's own directory, from which it resolves relative paths wherever the config is.
    directory: PathBuf,
    /// What stands before a file's name in a value.
    prefix: String,
}

/// Where the tool reads its files, if `home` is the home that it looks in (Earthly prefers that of
/// `SUDO_USER`). `config_override` is the path of `--config`; else the tool's own variable counts.
/// The endpoint is only needed for tools without a config, which keep a folder for each host.
///
/// # Errors
/// An installation name that is no single folder, a folder that a config cannot name since it is
/// not UTF-8, and a tool without a config and no endpoint.
pub fn client_place(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    config_override: Option<&Path>,
    endpoint: Option<&Endpoint>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<ClientPlace, Failure> {
    let Some(names) = tool.earthly_names() else {
        if let Some(config) = config_override {
            return Err(Failure::new("reading", format!("--config {}", config.display()))
                .expected("a tool that has a config (earthly, earthbuild)")
                .found(tool)
                .exit(ExitCode::Usage));
        }
        return unconfigured(tool, environment, home, endpoint);
    };
    let name = first_variable(environment, names.installation_variables).unwrap_or(names.installation);
    if name.contains('/') {
        return Err(Failure::new("reading", names.installation_variables[0])
            .expected("a name without '/'")
            .found("one with")
            .exit(ExitCode::Usage));
    }
    let directory = home.join(format!(".{name}"));
    let given =
        config_override.or_else(|| first_variable(environment, names.config_variables).map(Path::new));
    let path = match given {
        Some(path) => path.to_owned(),
        // A new config.yml beside a config.yaml would hide it (earthly's before.go).
        None if exists(&directory.join(OLD_CONFIG)) && !exists(&directory.join(CONFIG)) => {
            directory.join(OLD_CONFIG)
        }
        None => directory.join(CONFIG),
    };
    let folder = directory.join(CERTIFICATES);
    let prefix = if path.parent() == Some(&directory) {
        format!("./{CERTIFICATES}")
    } else {
        let text = folder.to_str().ok_or_else(|| {
            Failure::new("naming", folder.display()).expected("a path in UTF-8").found("other bytes")
        })?;
        text.to_owned()
    };
    Ok(ClientPlace { tool, folder, config: Some(ConfigPlace { path, directory, prefix }) })
}

/// What a person types next to use the files: for `earthly` and `earth` any target, since the
/// config says the rest; for `buildctl` and `buildx` what names the files, by absolute paths.
#[must_use]
pub fn use_command(place: &ClientPlace, endpoint: &Endpoint) -> String {
    let endpoint_text = endpoint.to_string();
    let file = |file: SetFile| place.folder.join(file.file_name()).display().to_string();
    let words: Vec<String> = match place.tool {
        ClientTool::Earthly => vec!["earthly".to_owned(), "+build".to_owned()],
        ClientTool::Earthbuild => vec!["earth".to_owned(), "+build".to_owned()],
        ClientTool::Buildctl => {
            let folder = place.folder.display().to_string();
            let words = ["buildctl", "--addr", &endpoint_text, "--tlsdir", &folder, "debug", "workers"];
            words.map(str::to_owned).to_vec()
        }
        ClientTool::Buildx => {
            let name = format!("kitcert-{}", endpoint.host()).replace(':', "-");
            let mut words = ["docker", "buildx", "create", "--name", &name, "--driver", "remote"]
                .map(str::to_owned)
                .to_vec();
            for (key, set_file) in BUILDX_OPTIONS.into_iter().zip(SetFile::ALL) {
                words.extend(["--driver-opt".to_owned(), csv_field(&format!("{key}={}", file(set_file)))]);
            }
            words.push(endpoint_text);
            words
        }
    };
    shell_line(&words)
}

/// The variable that the tool needs besides its config: without docker or podman on the client it
/// ignores `buildkit_host` there (earthly#2978). None for tools that have no config.
#[must_use]
pub fn environment_line(tool: ClientTool, endpoint: &Endpoint) -> Option<String> {
    tool.earthly_names()
        .map(|names| format!("export {}={}", names.host_variable, shell_line(&[endpoint.to_string()])))
}

impl ClientPlace {
    /// What will surprise somebody who uses this tool with that endpoint.
    #[must_use]
    pub fn findings(&self, endpoint: &Endpoint) -> Vec<Finding> {
        if self.tool.earthly_names().is_none() || !endpoint.is_local_to_earthly() {
            return Vec::new();
        }
        vec![
            Finding::new(Rule::LoopbackHost, Severity::Warning, endpoint)
                .expected("a host that the tool only connects to")
                .found(format!("one for which {} starts a container of its own", self.tool))
                .cause("it takes localhost, 127.0.0.1 and ::1 for a daemon that it manages itself (earthly#2989)")
                .fix("use this machine's host name, which the daemon's certificate must name"),
        ]
    }
}

impl ConfigPlace {
    /// A file of the set as a value of this config: relative in the tool's own directory, where it
    /// survives a moved home, and absolute in a config elsewhere, where the tool would not look
    /// beside it.
    #[must_use]
    pub fn value_of(&self, file: SetFile) -> String {
        format!("{}/{}", self.prefix, file.file_name())
    }

    /// The file that a value of this config names, as the tool finds it: a relative path begins in
    /// the tool's own directory, and neither `~` nor `$HOME` mean anything.
    #[must_use]
    pub fn resolve(&self, value: &str) -> PathBuf {
        self.directory.join(value).components().collect()
    }
}

fn unconfigured(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    endpoint: Option<&Endpoint>,
) -> Result<ClientPlace, Failure> {
    let host = endpoint.map(Endpoint::host).map(SubjectAltName::to_string).ok_or_else(|| {
        Failure::new("choosing the folder for", tool)
            .expected("the endpoint of its daemon")
            .found("none")
            .hint(format!("kitcert install client --for {tool} --endpoint tcp://builder.example.com:8372"))
            .exit(ExitCode::Usage)
    })?;
    // A relative XDG_CONFIG_HOME is to be ignored (XDG Base Directory Specification).
    let configured =
        environment.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = configured.unwrap_or_else(|| home.join(".config"));
    let folder = base.join("kitcert").join(tool.as_str()).join(host);
    Ok(ClientPlace { tool, folder, config: None })
}

fn first_variable<'a>(environment: &'a Environment, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| environment.variable(name))
}

const CONFIG: &str = "config.yml";
const OLD_CONFIG: &str = "config.yaml";
const CERTIFICATES: &str = "certs";

/// The names of [`SetFile::ALL`] in the remote driver; each is an option of its own, since one
/// value with several is CSV.
const BUILDX_OPTIONS: [&str; 3] = ["cacert", "cert", "key"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    const HOME: &str = "/home/ana";

    struct Asked<'a> {
        tool: ClientTool,
        variables: &'a [(&'a str, &'a str)],
        config: Option<&'a str>,
        there: &'a [&'a str],
    }

    fn place(asked: &Asked<'_>) -> Result<ClientPlace, Failure> {
        let environment = Environment::made_up(Timestamp::from_unix(0), asked.variables);
        let exists = |path: &Path| asked.there.iter().any(|there| Path::new(there) == path);
        let config = asked.config.map(Path::new);
        client_place(asked.tool, &environment, Path::new(HOME), config, Some(&endpoint()), &exists)
    }

    fn plain(tool: ClientTool) -> ClientPlace {
        place(&Asked { tool, variables: &[], config: None, there: &[] }).unwrap()
    }

    fn endpoint() -> Endpoint {
        "tcp://builder.example.com:8372".parse().unwrap()
    }

    fn config_of(asked: &Asked<'_>) -> (String, String) {
        let config = place(asked).unwrap().config.unwrap();
        (config.path.display().to_string(), config.value_of(SetFile::Authority))
    }

    #[test]
    fn earthly_reads_its_own_directory_and_earth_another() {
        for (tool, directory) in [(ClientTool::Earthly, ".earthly"), (ClientTool::Earthbuild, ".earth")] {
            let place = plain(tool);
            assert_eq!(place.folder, Path::new(HOME).join(directory).join("certs"));
            let config = place.config.unwrap();
            assert_eq!(config.path, Path::new(HOME).join(directory).join("config.yml"));
            assert_eq!(config.value_of(SetFile::Key), "./certs/key.pem");
            assert_eq!(
                config.resolve("./certs/key.pem"),
                Path::new(HOME).join(directory).join("certs/key.pem")
            );
        }
    }

    #[test]
    fn an_old_config_is_kept_in_use_only_while_it_is_alone() {
        let old = "/home/ana/.earthly/config.yaml";
        let new = "/home/ana/.earthly/config.yml";
        let read = |there: &[&str]| {
            config_of(&Asked { tool: ClientTool::Earthly, variables: &[], config: None, there })
        };
        assert_eq!(read(&[old]), (old.to_owned(), "./certs/ca.pem".to_owned()));
        assert_eq!(read(&[old, new]).0, new);
        assert_eq!(read(&[]).0, new);
    }

    #[test]
    fn a_config_elsewhere_names_the_files_absolutely() {
        let absolute = "/home/ana/.earthly/certs/ca.pem";
        let variables = [("EARTHLY_CONFIG", "/run/earthly.yml")];
        let asked = |config| Asked { tool: ClientTool::Earthly, variables: &variables, config, there: &[] };
        assert_eq!(config_of(&asked(None)), ("/run/earthly.yml".to_owned(), absolute.to_owned()));
        assert_eq!(config_of(&asked(Some("/x.yml"))), ("/x.yml".to_owned(), absolute.to_owned()));
        let config = place(&asked(None)).unwrap().config.unwrap();
        assert_eq!(config.resolve("certs/ca.pem"), Path::new(absolute));
        assert_eq!(config.resolve("/abs.pem"), Path::new("/abs.pem"));
    }

    #[test]
    fn earths_variables_go_before_earthlys_and_earthly_ignores_them() {
        let variables = [
            ("EARTH_INSTALLATION_NAME", "earth-dev"),
            ("EARTHLY_INSTALLATION_NAME", "earthly-dev"),
            ("EARTH_CONFIG", "/earth.yml"),
        ];
        let folder = |tool| {
            let place = place(&Asked { tool, variables: &variables, config: None, there: &[] }).unwrap();
            (place.folder.display().to_string(), place.config.unwrap().path.display().to_string())
        };
        assert_eq!(
            folder(ClientTool::Earthbuild),
            ("/home/ana/.earth-dev/certs".to_owned(), "/earth.yml".to_owned())
        );
        assert_eq!(
            folder(ClientTool::Earthly),
            ("/home/ana/.earthly-dev/certs".to_owned(), "/home/ana/.earthly-dev/config.yml".to_owned())
        );
    }

    #[test]
    fn an_installation_name_stays_one_folder() {
        let variables = [("EARTHLY_INSTALLATION_NAME", "/../../etc")];
        assert!(
            place(&Asked { tool: ClientTool::Earthly, variables: &variables, config: None, there: &[] })
                .is_err()
        );
    }

    #[test]
    fn tools_without_a_config_keep_a_folder_for_each_host() {
        let folder = |variables| {
            place(&Asked { tool: ClientTool::Buildctl, variables, config: None, there: &[] }).unwrap().folder
        };
        let below = "kitcert/buildctl/builder.example.com";
        assert_eq!(folder(&[]), Path::new(HOME).join(".config").join(below));
        assert_eq!(folder(&[("XDG_CONFIG_HOME", "/cfg")]), Path::new("/cfg").join(below));
        assert_eq!(folder(&[("XDG_CONFIG_HOME", "cfg")]), Path::new(HOME).join(".config").join(below));
        let environment = Environment::made_up(Timestamp::from_unix(0), &[]);
        assert!(
            client_place(ClientTool::Buildx, &environment, Path::new(HOME), None, None, &|_| false).is_err()
        );
    }

    #[test]
    fn the_next_command_names_the_files_where_no_config_does() {
        let command = |tool| use_command(&plain(tool), &endpoint());
        assert_eq!(
            command(ClientTool::Buildctl),
            "buildctl --addr tcp://builder.example.com:8372 --tlsdir \
             /home/ana/.config/kitcert/buildctl/builder.example.com debug workers"
        );
        let folder = "/home/ana/.config/kitcert/buildx/builder.example.com";
        assert_eq!(
            command(ClientTool::Buildx),
            format!(
                "docker buildx create --name kitcert-builder.example.com --driver remote \
                 --driver-opt cacert={folder}/ca.pem --driver-opt cert={folder}/cert.pem \
                 --driver-opt key={folder}/key.pem tcp://builder.example.com:8372"
            )
        );
        assert_eq!(command(ClientTool::Earthbuild), "earth +build");
    }

    #[test]
    fn a_comma_or_a_blank_in_a_folder_survives_buildx() {
        let place = ClientPlace { tool: ClientTool::Buildx, folder: "/a, b".into(), config: None };
        let endpoint = "tcp://[::1]:8372".parse().unwrap();
        let command = use_command(&place, &endpoint);
        assert!(command.contains(r#"--name kitcert---1 "#), "{command}");
        assert!(command.contains(r#"--driver-opt '"cacert=/a, b/ca.pem"' "#), "{command}");
        assert!(command.ends_with(" 'tcp://[::1]:8372'"), "{command}");
    }

    #[test]
    fn the_host_variable_is_printed_for_the_tools_that_may_ignore_their_config() {
        let line = |tool| environment_line(tool, &endpoint());
        let export = |name| Some(format!("export {name}=tcp://builder.example.com:8372"));
        assert_eq!(line(ClientTool::Earthly), export("EARTHLY_BUILDKIT_HOST"));
        assert_eq!(line(ClientTool::Earthbuild), export("EARTH_BUILDKIT_HOST"));
        assert_eq!((line(ClientTool::Buildctl), line(ClientTool::Buildx)), (None, None));
    }

    #[test]
    fn a_loopback_host_is_a_warning_for_tools_that_would_start_their_own() {
        let local = "tcp://localhost:8372".parse().unwrap();
        let remote = endpoint();
        let rules = |tool, endpoint| {
            plain(tool).findings(endpoint).iter().map(|found| found.rule).collect::<Vec<_>>()
        };
        assert_eq!(rules(ClientTool::Earthly, &local), [Rule::LoopbackHost]);
        assert_eq!(rules(ClientTool::Earthly, &remote), []);
        assert_eq!(rules(ClientTool::Buildctl, &local), []);
    }
}
