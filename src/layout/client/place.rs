//! Where a client's tool reads its certificates and its config.

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use super::config::ClientConfig;
use super::config_edit::DaemonFiles;
use super::tls_path::TlsPath;
use super::tool::ClientTool;
use crate::env::Environment;
use crate::layout::command_line::{CommandLine, csv_field};
use crate::layout::daemon::CredentialFile;
use crate::message;
use crate::model::{Endpoint, ExitCode, Failure, Finding, Message, Printable};

/// Where a tool's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientPlace {
    /// The tool.
    pub tool: ClientTool,
    /// The folder where `ca.pem`, `cert.pem` and `key.pem` are to be, such as `~/.earthly/certs`.
    pub folder: PathBuf,
    /// The tool's config; None for tools that have none.
    pub config: Option<ConfigPlace>,
}

/// Where a tool's config is, and how paths are written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigPlace {
    /// The config file, as it was given where it was given.
    pub path: PathBuf,
    /// The tool's installation name, by which it calls its directory and its daemon's container.
    installation: String,
    /// The tool's own directory, from which it resolves relative paths wherever the config is.
    directory: PathBuf,
    /// What stands before a file's name in a value.
    prefix: String,
    /// The option or the variable that names the config; None: it is where the tool looks by itself.
    named_by: Option<&'static str>,
}

/// Whether the files of the daemon are placed beside a client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonSet {
    /// They are: the client's tool starts that daemon itself.
    Placed,
    /// They are not.
    Elsewhere,
}

/// Where the tool reads its files, if `home` is the home that it looks in (Earthly prefers that of
/// `SUDO_USER`). `config_override` is the path of `--config`; else the tool's own variable counts.
/// The endpoint is only needed for tools without a config, which keep a folder for each host.
///
/// # Errors
/// An installation name that is no single folder, a folder that a config cannot name since it is
/// not UTF-8, and a tool without a config and no endpoint.
pub(crate) fn client_place(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    config_override: Option<&Path>,
    endpoint: Option<&Endpoint>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<ClientPlace, Failure> {
    let Some(names) = tool.earthly_names() else {
        if let Some(config) = config_override {
            return Err(Failure::new("reading", message!("--config {}", config.display()))
                .expected("a tool that has a config (earthly, earthbuild)")
                .found(tool)
                .again_without("--config")
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
    let of_variable = || {
        let mut variables = names.config_variables.iter();
        variables.find_map(|name| Some((*name, Path::new(environment.variable(name)?))))
    };
    let given = config_override.map(|path| ("--config", path)).or_else(of_variable);
    let path = match given {
        Some((_, path)) => path.to_owned(),
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
    Ok(ClientPlace {
        tool,
        folder,
        config: Some(ConfigPlace {
            path,
            installation: name.to_owned(),
            directory,
            prefix,
            named_by: given.map(|(name, _)| name),
        }),
    })
}

/// What a person types next to use the files: for `earthly` and `earth` any target, since the config says the
/// rest, which has to be named where the tool does not look for it; for `buildctl` and `buildx` what names
/// the files, by absolute paths.
#[must_use]
pub(crate) fn use_command(place: &ClientPlace, endpoint: &Endpoint) -> Message {
    let endpoint_text = endpoint.to_string();
    let file = |file: CredentialFile| place.folder.join(file.file_name()).display().to_string();
    let words: Vec<String> = match place.tool {
        ClientTool::Earthly | ClientTool::Earthbuild => {
            let option = place.config.as_ref().and_then(ConfigPlace::option);
            let program = std::iter::once(place.tool.program().to_owned());
            program.chain(option.into_iter().flatten()).chain(["+build".to_owned()]).collect()
        }
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
            for (key, set_file) in BUILDX_OPTIONS.into_iter().zip(CredentialFile::ALL) {
                words.extend(["--driver-opt".to_owned(), csv_field(&format!("{key}={}", file(set_file)))]);
            }
            words.push(endpoint_text);
            words
        }
    };
    CommandLine(&words).message()
}

/// What a person types to have that verified again: what the tool would do by itself, as far as it
/// has a config.
#[must_use]
pub(crate) fn verify_command(place: &ClientPlace, endpoint: &Endpoint) -> Message {
    let mut words = Vec::new();
    match &place.config {
        Some(config) => {
            words.extend(["--tool".to_owned(), place.tool.to_string()]);
            words.extend(config.option().into_iter().flatten());
        }
        None => {
            let folder = place.folder.display().to_string();
            words.extend([endpoint.to_string(), "--tlsdir".to_owned(), folder]);
        }
    }
    message!("{kitcert} verify {}", CommandLine(&words))
}

/// The variable that the tool needs besides its config: without docker or podman on the client it
/// ignores `buildkit_host` there (earthly#2978). None for tools that have no config.
#[must_use]
pub(crate) fn environment_line(tool: ClientTool, endpoint: &Endpoint) -> Option<Message> {
    let variable = tool.has_config().then(|| tool.host_variables().first()).flatten()?;
    Some(message!("export {}={}", variable, CommandLine(&[endpoint.to_string()])))
}

impl ClientPlace {
    /// What will surprise somebody who uses this tool with that endpoint.
    #[must_use]
    pub(crate) fn findings(&self, endpoint: &Endpoint, environment: &Environment) -> Vec<Finding> {
        let loopback = self.tool.loopback_finding(endpoint).into_iter();
        loopback.chain(self.tool.variable_finding(environment)).collect()
    }
}

impl ConfigPlace {
    /// A file of the set as a value of this config: relative in the tool's own directory, where it
    /// survives a moved home, and absolute in a config elsewhere, where the tool would not look
    /// beside it.
    #[must_use]
    pub(crate) fn value_of(&self, file: CredentialFile) -> String {
        format!("{}/{}", self.prefix, file.file_name())
    }

    /// What `buildkitd_tlscert` and `buildkitd_tlskey` are to say; None: what they say is right.
    ///
    /// `bootstrap` refuses to go on where some of its five files are there and not all (earthly's
    /// certificates.go). A daemon elsewhere never reads the two, so that the client's own will do
    /// where they lead nowhere; the tool's own daemon is started with them.
    #[must_use]
    pub(crate) fn daemon_files(
        &self,
        config: &ClientConfig,
        daemon: DaemonSet,
        endpoint: &Endpoint,
        exists: &dyn Fn(&Path) -> bool,
    ) -> Option<DaemonFiles> {
        if daemon == DaemonSet::Placed {
            let value = |name: &str| format!("{}/{name}", self.prefix);
            return Some(DaemonFiles { certificate: value(DAEMON_CERTIFICATE), key: value(DAEMON_KEY) });
        }
        let leads_somewhere = |path| exists(&self.resolve(config.file_of(path)));
        let are_there = [TlsPath::DaemonCertificate, TlsPath::DaemonKey].into_iter().all(leads_somewhere);
        (!are_there && !endpoint.is_local_to_earthly()).then(|| DaemonFiles {
            certificate: self.value_of(CredentialFile::Certificate),
            key: self.value_of(CredentialFile::Key),
        })
    }

    /// The option or the variable that names the config. The tool insists that it is there then,
    /// while without its own config it takes its defaults (earthly's before.go).
    #[must_use]
    pub(crate) fn named_by(&self) -> Option<&'static str> {
        self.named_by
    }

    /// The option that names the config, for the tool as for kitcert, where nothing else does.
    fn option(&self) -> Option<[String; 2]> {
        self.named_by
            .filter(|name| name.starts_with("--"))
            .map(|name| [name.to_owned(), self.path.display().to_string()])
    }

    /// The tool's own directory.
    #[must_use]
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A config.yaml that the tool passes over, since there is a config.yml.
    #[must_use]
    pub(crate) fn hidden(&self, exists: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
        let old = self.directory.join(OLD_CONFIG);
        let is_hidden = self.named_by.is_none() && self.path != old && exists(&self.path) && exists(&old);
        is_hidden.then_some(old)
    }

    /// The container in which the tool runs a daemon of its own.
    #[must_use]
    pub(crate) fn container(&self) -> String {
        container_of(&self.installation)
    }

    /// The file that a value of this config names, as the tool finds it: a relative path begins in
    /// the tool's own directory, and neither `~` nor `$HOME` mean anything. In such a path `..` takes
    /// the name before it away, be that a link or not (Go's filepath.Join).
    #[must_use]
    pub(crate) fn resolve(&self, value: &str) -> PathBuf {
        let joined = self.directory.join(value);
        if value.starts_with('/') {
            return joined.components().collect();
        }
        let mut resolved = PathBuf::new();
        for component in joined.components() {
            match component {
                Component::ParentDir => drop(resolved.pop()),
                component => resolved.push(component),
            }
        }
        resolved
    }
}

/// The folder of the generations of a client's files, where its tool reads them in `folder`.
#[must_use]
pub(crate) fn client_generations(folder: &Path) -> PathBuf {
    folder.join("kitcert")
}

/// The links to a client's files in the folder where its tool reads them.
#[must_use]
pub(crate) fn client_links(folder: &Path) -> Vec<(PathBuf, CredentialFile)> {
    CredentialFile::ALL.into_iter().map(|file| (folder.join(file.file_name()), file)).collect()
}

/// The folder of the generations of a daemon's files, where a client's tool starts that daemon and
/// reads them in `folder`.
#[must_use]
pub(crate) fn daemon_generations(folder: &Path) -> PathBuf {
    folder.join("kitcert-daemon")
}

/// The container of a daemon whose files are installed in that folder of the tool's own directory
/// (`~/.earthly/certs`): the tool calls it after the directory. None where the folder is elsewhere.
#[must_use]
pub(crate) fn managed_container(folder: &Path) -> Option<String> {
    let directory = folder.parent().filter(|_| folder.ends_with(CERTIFICATES))?;
    let installation = directory.file_name()?.to_str()?.strip_prefix('.')?;
    Some(container_of(installation))
}

/// The links to such a daemon's files. Its CA certificates are those of the client: the tool gives
/// its daemon the one `tlsca` of its config.
#[must_use]
pub(crate) fn daemon_links(folder: &Path) -> Vec<(PathBuf, CredentialFile)> {
    let names = [(DAEMON_CERTIFICATE, CredentialFile::Certificate), (DAEMON_KEY, CredentialFile::Key)];
    names.into_iter().map(|(name, file)| (folder.join(name), file)).collect()
}

fn container_of(installation: &str) -> String {
    format!("{installation}-buildkitd")
}

fn unconfigured(
    tool: ClientTool,
    environment: &Environment,
    home: &Path,
    endpoint: Option<&Endpoint>,
) -> Result<ClientPlace, Failure> {
    let endpoint = endpoint.ok_or_else(|| {
        Failure::new("choosing the folder for", tool)
            .expected("the endpoint of its daemon")
            .found("none")
            .hint("name the daemon's endpoint: tcp://, its host, a colon and its port")
            .exit(ExitCode::Usage)
    })?;
    // Two daemons of one host may be of two CAs.
    let name = format!("{}-{}", endpoint.host(), endpoint.port());
    let folder = unconfigured_folder(tool, environment, home).join(name);
    Ok(ClientPlace { tool, folder, config: None })
}

/// The folder in which a tool without a config has a folder for each daemon.
#[must_use]
pub(crate) fn unconfigured_folder(tool: ClientTool, environment: &Environment, home: &Path) -> PathBuf {
    // A relative XDG_CONFIG_HOME is to be ignored (XDG Base Directory Specification).
    let configured =
        environment.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    configured.unwrap_or_else(|| home.join(".config")).join("kitcert").join(tool.as_str())
}

/// The daemon whose files are in a folder of that name there.
#[must_use]
pub(crate) fn endpoint_of_folder(name: &str) -> Option<Endpoint> {
    let (host, port) = name.rsplit_once('-')?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("tcp://{host}:{port}").parse().ok()
}

fn first_variable<'a>(environment: &'a Environment, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| environment.variable(name))
}

const CONFIG: &str = "config.yml";
const OLD_CONFIG: &str = "config.yaml";
const CERTIFICATES: &str = "certs";
const DAEMON_CERTIFICATE: &str = "daemon_cert.pem";
const DAEMON_KEY: &str = "daemon_key.pem";

/// The names of [`CredentialFile::ALL`] in the remote driver; each is an option of its own, since one
/// value with several is CSV.
const BUILDX_OPTIONS: [&str; 3] = ["cacert", "cert", "key"];
