//! What a client's tool makes of its config and its surroundings, where that is not what was meant.
//!
//! Each trap was met by somebody: the tool says nothing, or waits for a minute and reports a
//! time-out. All of it is decided from values; what exists is asked through a function.

use std::path::{Path, PathBuf};

use super::config::ClientConfig;
use super::config_findings::{Misreading, about_host, misreading};
use super::place::ConfigPlace;
use super::tls_path::TlsPath;
use super::tool::ClientTool;
use crate::env::Environment;
use crate::layout::move_aside;
use crate::message;
use crate::model::{Endpoint, Finding, Message, Printable, Rule, Severity};

/// A config and all that its tool looks at besides.
pub(crate) struct ClientSituation<'a> {
    /// The tool, one that has a config.
    pub tool: ClientTool,
    /// Where the config is.
    pub place: &'a ConfigPlace,
    /// What it says; the tool's defaults where there is none.
    pub config: &'a ClientConfig,
    /// The variables.
    pub environment: &'a Environment,
    /// The home that the tool looks in.
    pub home: &'a Path,
    /// Whether something is at a path.
    pub exists: &'a dyn Fn(&Path) -> bool,
}

/// The host that a tool would dial, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientHost {
    /// As it is written.
    pub text: String,
    /// The variable that says it; None: the config does.
    pub variable: Option<&'static str>,
}

impl ClientSituation<'_> {
    /// The host that the tool dials: a variable goes before the config (earthly's
    /// shell_shared.go). None: the tool starts a daemon of its own.
    #[must_use]
    pub(crate) fn host(&self) -> Option<ClientHost> {
        let named = self.tool.host_variable(self.environment);
        let of_variable =
            named.map(|(name, text)| ClientHost { text: text.to_owned(), variable: Some(name) });
        let of_config = || self.own_host().map(|text| ClientHost { text: text.to_owned(), variable: None });
        of_variable.or_else(of_config)
    }

    /// The files that the tool dials with, in the order of [`TlsPath::OF_CLIENT`]; None where one
    /// is not there or TLS is turned off.
    #[must_use]
    pub(crate) fn client_files(&self) -> Option<[PathBuf; 3]> {
        let all = self.config.uses_tls() && TlsPath::OF_CLIENT.into_iter().all(|path| self.is_there(path));
        all.then(|| TlsPath::OF_CLIENT.map(|path| self.resolved(path)))
    }

    /// The file that a key leads to, written or not.
    #[must_use]
    pub(crate) fn resolved(&self, path: TlsPath) -> PathBuf {
        self.place.resolve(self.config.file_of(path))
    }

    /// Whether the tool finds a file for that key. An empty path is the tool's own directory.
    #[must_use]
    pub(crate) fn is_there(&self, path: TlsPath) -> bool {
        !self.config.file_of(path).is_empty() && (self.exists)(&self.resolved(path))
    }

    /// What is wrong or surprising about the config and the host that it names.
    #[must_use]
    pub(crate) fn host_findings(&self) -> Vec<Finding> {
        let host = self.host();
        let mut findings = self.config.findings_of_keys(&self.place.path);
        findings.extend(self.hidden_config());
        match &host {
            Some(ClientHost { text, variable: Some(variable) }) => {
                findings.extend(about_host(Some(text), variable, variable));
                findings.extend(self.overridden_host(text, variable));
            }
            _ => {
                findings.extend(about_host(self.own_host(), "buildkit_host", self.place.path.display()));
                findings.extend(self.ignored_host());
            }
        }
        let endpoint = host.and_then(|host| host.text.parse::<Endpoint>().ok());
        findings.extend(endpoint.and_then(|endpoint| self.tool.loopback_finding(&endpoint)));
        findings
    }

    /// What is wrong or surprising about the files that the config names.
    #[must_use]
    pub(crate) fn file_findings(&self) -> Vec<Finding> {
        if !self.config.uses_tls() {
            return Vec::new();
        }
        let endpoint = self.host().and_then(|host| host.text.parse::<Endpoint>().ok());
        let Some(endpoint) = endpoint else {
            // The tool's own daemon needs none of them, but what is written was meant.
            let written = TlsPath::OF_CLIENT.into_iter().filter(|path| self.config.written(*path).is_some());
            let missing = written.filter(|path| !self.is_there(*path));
            return missing.map(|path| self.missing_file(path, Severity::Warning, None)).collect();
        };
        let missing: Vec<TlsPath> =
            TlsPath::OF_CLIENT.into_iter().filter(|path| !self.is_there(*path)).collect();
        if missing.is_empty() {
            return self.bootstrap_finding(&endpoint).into_iter().collect();
        }
        missing.into_iter().map(|path| self.missing_file(path, Severity::Error, Some(&endpoint))).collect()
    }

    fn own_host(&self) -> Option<&str> {
        self.config.buildkit_host.as_deref().filter(|host| !host.is_empty())
    }

    /// The tool takes config.yml where both are there (earthly's before.go).
    fn hidden_config(&self) -> Option<Finding> {
        let hidden = self.place.hidden(self.exists)?;
        Some(
            Finding::new(Rule::ConfigElsewhere, Severity::Warning, hidden.display())
                .expected("either config.yml or config.yaml")
                .found("both")
                .cause(message!("{} reads config.yml and ignores this one", self.tool))
                .fix(move_aside(&hidden, self.exists)),
        )
    }

    fn overridden_host(&self, text: &str, variable: &'static str) -> Option<Finding> {
        let own = self.own_host().filter(|own| *own != text)?;
        let shown = |host: &str| {
            host.parse::<Endpoint>().map_or(message!("another host"), |endpoint| endpoint.message())
        };
        Some(
            Finding::new(Rule::HostIgnored, Severity::Warning, self.place.path.display())
                .expected(message!("buildkit_host to count: {}", shown(own)))
                .found(message!("{}, which says {}", variable, shown(text)))
                .cause("the variable overrides the config")
                .fix(message!("unset {}", variable)),
        )
    }

    /// Without docker or podman the tool never reads the host of its config (earthly#2978): it
    /// waits for a minute and reports a time-out.
    fn ignored_host(&self) -> Option<Finding> {
        let host = self.own_host()?;
        let variable = self.tool.host_variables().first()?;
        self.environment.variable("PATH")?;
        let found = ["docker", "podman"]
            .into_iter()
            .any(|program| is_on_path(self.environment, program, self.exists));
        let endpoint =
            host.parse::<Endpoint>().map_or(message!("tcp://host:port"), |endpoint| endpoint.message());
        (!found).then(|| {
            Finding::new(Rule::HostIgnored, Severity::Warning, self.place.path.display())
                .expected(message!("docker, podman or {}", variable))
                .found("none of them")
                .cause(message!("{} ignores buildkit_host if neither docker nor podman works", self.tool))
                .fix(message!("export {}={}", variable, endpoint))
        })
    }

    fn missing_file(&self, path: TlsPath, severity: Severity, endpoint: Option<&Endpoint>) -> Finding {
        let (key, value, resolved) = (path.as_str(), self.config.file_of(path), self.resolved(path));
        let misread = misreading(value);
        let found = match (&misread, self.config.written(path)) {
            (Some(Misreading::NoPath), _) => message!("something that is no path"),
            (Some(Misreading::Empty), _) => message!("an empty path, which is {}", resolved),
            (_, Some(_)) => message!("{}, which is {}: none", Path::new(value), resolved),
            (_, None) => message!("no such key, so {}, which is {}: none", Path::new(value), resolved),
        };
        let beside = self
            .place
            .path
            .parent()
            .map(|folder| folder.join(value))
            .filter(|beside| misread.is_none() && *beside != resolved && (self.exists)(beside));
        let meant = match (&misread, &beside) {
            (Some(misread), _) => misread.meant(value, self.home),
            (None, beside) => beside.clone(),
        };
        let cause = match (&misread, beside) {
            (Some(misread), _) => misread.cause().message(),
            (None, Some(_)) => {
                message!("a relative path begins in {}, not beside the config", self.place.directory())
            }
            (None, None) if self.tool == ClientTool::Earthbuild && path == TlsPath::Authority => {
                message!(
                    "newer releases of earth then make a CA of their own, which the daemon does not know"
                )
            }
            (None, None) => message!("the tool tries for a minute, then reports a time-out"),
        };
        let fix = match (meant, endpoint) {
            (Some(meant), _) => message!("{}: {}", key, meant),
            (None, Some(endpoint)) => {
                message!("{kitcert} install client --tool {} --endpoint {}", self.tool, endpoint)
            }
            (None, None) => message!("{kitcert} install client --tool {}", self.tool),
        };
        Finding::new(Rule::ConfigPath, severity, self.place.path.display())
            .expected(message!("{}: a file", key))
            .found(found)
            .cause(cause)
            .fix(fix)
    }

    /// Of its five files `bootstrap` wants all or none, unless it has a CA's key to make them with
    /// (earthly's certificates.go); and a daemon of its own is started with all of them.
    fn bootstrap_finding(&self, endpoint: &Endpoint) -> Option<Finding> {
        let pair = [TlsPath::DaemonCertificate, TlsPath::DaemonKey];
        let missing: Vec<TlsPath> = pair.into_iter().filter(|path| !self.is_there(*path)).collect();
        let is_local = endpoint.is_local_to_earthly();
        if missing.is_empty() || (self.is_there(TlsPath::AuthorityKey) && !is_local) {
            return None;
        }
        let named = Message::join(missing.iter().map(|path| path.as_str()), " and ");
        let finding = Finding::new(Rule::ConfigPath, Severity::Warning, self.place.path.display())
            .expected("all five files of bootstrap")
            .found(message!("no file for {}", named));
        let tool = self.tool;
        Some(if is_local {
            finding
                .cause(message!(
                    "{} starts a daemon of its own for {}, and needs them for it",
                    tool,
                    endpoint.host()
                ))
                .fix(message!("{kitcert} install client --tool {} --endpoint {}", tool, endpoint))
        } else {
            let value = |path: TlsPath| Path::new(self.config.file_of(path));
            finding
                .cause(message!("`{} bootstrap` refuses to go on with some of the five: cannot generate missing certificates", tool.program()))
                .fix(message!(
                    "buildkitd_tlscert: {}, buildkitd_tlskey: {}", value(TlsPath::Certificate), value(TlsPath::Key)))
        })
    }
}

/// Whether a program is in one of the folders of `PATH`.
#[must_use]
pub(crate) fn is_on_path(environment: &Environment, program: &str, exists: &dyn Fn(&Path) -> bool) -> bool {
    let folders = environment.variable("PATH").unwrap_or_default().split(':');
    folders.filter(|folder| !folder.is_empty()).any(|folder| exists(&Path::new(folder).join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::client_place;
    use crate::model::Timestamp;

    /// What is said of the files of a client of that host, where those below `certs` are there.
    fn said_of_files(host: &str, there: &[&str]) -> Vec<Finding> {
        let environment = Environment::made_up(Timestamp::from_unix(0), &[]);
        let home = Path::new("/home/ana");
        let certificates = home.join(".earthly/certs");
        let exists = |path: &Path| there.iter().any(|name| certificates.join(name) == path);
        let place = client_place(ClientTool::Earthly, &environment, home, None, None, &exists).unwrap();
        let text = format!("global: {{buildkit_host: '{host}'}}");
        let config = ClientConfig::parse(text.as_bytes(), Path::new("config.yml")).unwrap();
        let place = &place.config.unwrap();
        let tool = ClientTool::Earthly;
        ClientSituation { tool, place, config: &config, environment: &environment, home, exists: &exists }
            .file_findings()
    }

    const CLIENTS: [&str; 3] = ["ca_cert.pem", "earthly_cert.pem", "earthly_key.pem"];

    #[test]
    fn bootstrap_wants_five_files_or_a_cas_key_to_make_them_with() {
        let remote = "tcp://builder.example.com:8372";
        let found = said_of_files(remote, &CLIENTS);
        assert_eq!(found[0].found, "no file for buildkitd_tlscert and buildkitd_tlskey");
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        let fix = "buildkitd_tlscert: ./certs/earthly_cert.pem, buildkitd_tlskey: ./certs/earthly_key.pem";
        assert_eq!(found[0].fix.as_deref(), Some(fix));
        let five = [&CLIENTS[..], &["buildkit_cert.pem", "buildkit_key.pem"]].concat();
        assert_eq!(said_of_files(remote, &five), []);
        let with_authority = [&CLIENTS[..], &["ca_key.pem"]].concat();
        assert_eq!(said_of_files(remote, &with_authority), []);
        assert_eq!(said_of_files("tcp://localhost:8372", &with_authority).len(), 1);
        assert_eq!(said_of_files(remote, &CLIENTS[..2])[0].severity, Severity::Error);
        assert_eq!(said_of_files("docker-container://x", &[]), []);
    }
}
