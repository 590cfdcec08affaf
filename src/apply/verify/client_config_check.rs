//! The client's own config, read as its tool reads it: which tool, which file, which host, which
//! files, and what of it will surprise.

use std::path::{Path, PathBuf};

use crate::apply::invocation::Invocation;
use crate::layout::{
    ClientConfig, ClientHost, ClientPlace, ClientSituation, ClientTool, ConfigPlace, CredentialPaths,
    TlsPath, about_host, client_place, is_on_path,
};
use crate::message;
use crate::model::profile::{LARGEST_BUNDLE_FILE, LARGEST_PEM};
use crate::model::{Endpoint, ExitCode, Failure, Finding, Quoted, Role, Rule, Severity, Timestamp};
use crate::pki::judge::{Credentials, check};
use crate::pki::{Certificate, KeyEncoding, PrivateKey, PublicKeyKind, TrustBundle};
use crate::store::{earthly_home, exists, is_program, read_if_present};

/// Which config was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigChoice {
    /// The tool; None: the one whose config is there.
    pub tool: Option<ClientTool>,
    /// The config; None: the tool's own.
    pub path: Option<PathBuf>,
}

/// What a client's tool would do by itself.
#[derive(Default)]
pub(super) struct Configured {
    /// The host that it would dial.
    pub host: Option<ClientHost>,
    /// The files that it would dial with, all three of them there.
    pub files: Option<CredentialPaths>,
    /// What is wrong or surprising about the config and its host.
    pub findings: Vec<Finding>,
    /// What is wrong or surprising about the files that it names.
    pub file_findings: Vec<Finding>,
    /// The daemons for which files of tools without a config are here.
    pub joined: Vec<Endpoint>,
}

impl ConfigChoice {
    /// Whether anything was chosen.
    #[must_use]
    pub(crate) fn is_made(&self) -> bool {
        *self != ConfigChoice::default()
    }
}

impl Configured {
    /// The endpoint that the tool would dial; None where none is named that can be dialed. Why,
    /// a finding says.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        self.host.as_ref()?.text.parse().ok()
    }

    /// Whether only a variable of buildctl names the host: it has none for the files.
    pub(super) fn is_of_buildctl(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.variable == Some(BUILDKIT_HOST))
    }
}

/// Reads the config of this user's tool, as that tool does.
///
/// # Errors
/// A config that was named and is not there, one that the tool refuses, and `--config` for a tool
/// that has none.
pub(super) fn configured(invocation: &Invocation<'_>, choice: &ConfigChoice) -> Result<Configured, Failure> {
    let home = earthly_home(invocation.environment)?.path;
    let tools = Tools { invocation, home: &home, config: choice.path.as_deref() };
    let chosen = match choice.tool {
        Some(tool) => Chosen { tool, findings: Vec::new() },
        None => tools.choose()?,
    };
    if !chosen.tool.has_config() {
        return tools.of_buildctl(chosen.tool);
    }
    let ClientPlace { config: Some(place), .. } = tools.place(chosen.tool)? else {
        return Ok(Configured::default());
    };
    let config = read_config(&place)?;
    let defaults = ClientConfig::default();
    let situation = ClientSituation {
        tool: chosen.tool,
        place: &place,
        config: config.as_ref().unwrap_or(&defaults),
        environment: invocation.environment,
        home: &home,
        exists: &exists,
    };
    let mut configured = OnDisk(situation).read(invocation.judged_at())?;
    configured.findings.extend(chosen.findings);
    if choice.tool.is_some() && config.is_none() {
        configured.findings.extend(tools.elsewhere(chosen.tool)?);
    }
    // buildctl's variable counts where no config of Earthly's kind names a host.
    if configured.host.is_none()
        && choice.tool.is_none()
        && let Some((variable, text)) = ClientTool::Buildctl.host_variable(invocation.environment)
    {
        configured.findings.retain(|finding| finding.rule != Rule::ConfigEndpoint);
        configured.files = None;
        configured.file_findings.clear();
        configured.host = Some(ClientHost { text: text.to_owned(), variable: Some(variable) });
        configured.findings.extend(about_host(Some(text), variable, variable));
    }
    Ok(configured)
}

/// What the config says; None where the tool goes without.
fn read_config(place: &ConfigPlace) -> Result<Option<ClientConfig>, Failure> {
    let path = &place.path;
    match (read_if_present(path, LARGEST_PEM)?, place.named_by()) {
        (Some(file), _) => ClientConfig::parse(&file.bytes, path).map(Some),
        (None, None) => Ok(None),
        (None, Some(name)) => Err(Failure::new("reading the config", path.display())
            .expected(message!("the file that {} names, without which the tool stops", name))
            .found("none")
            .hint(match name.strip_prefix("--") {
                Some(_) => message!("ls -l {}", Quoted(path.parent().unwrap_or(path))),
                None => message!("unset {}", name),
            })
            .exit(ExitCode::Verification)),
    }
}

/// The tools that this user may mean.
struct Tools<'a> {
    invocation: &'a Invocation<'a>,
    home: &'a Path,
    config: Option<&'a Path>,
}

/// The tool whose config is read, and what is to be said of the choice.
struct Chosen {
    tool: ClientTool,
    findings: Vec<Finding>,
}

impl Tools<'_> {
    fn place(&self, tool: ClientTool) -> Result<ClientPlace, Failure> {
        client_place(tool, self.invocation.environment, self.home, self.config, None, &exists)
    }

    fn config_path(&self, tool: ClientTool) -> Result<PathBuf, Failure> {
        Ok(self.place(tool)?.config.map(|config| config.path).unwrap_or_default())
    }

    fn is_installed(&self, tool: ClientTool) -> bool {
        is_on_path(self.invocation.environment, tool.program(), &is_program)
    }

    /// The one whose config is there; of two, and of none, the one that is on PATH.
    fn choose(&self) -> Result<Chosen, Failure> {
        let [first, second] = EARTHLY_KIND;
        let (own, other) = (self.config_path(first)?, self.config_path(second)?);
        let on_path = match (self.is_installed(first), self.is_installed(second)) {
            (true, false) => Some(first),
            (false, true) => Some(second),
            _ => None,
        };
        let mut findings = Vec::new();
        let tool = match (exists(&own), exists(&other)) {
            // One file that was named for both: its folder tells, or else the program.
            _ if own == other => self.owner_of(&own)?.or(on_path).unwrap_or(first),
            (true, false) | (false, true) => {
                let tool = if exists(&own) { first } else { second };
                if let Some(installed) = on_path.filter(|installed| *installed != tool) {
                    findings.extend(self.elsewhere(installed)?);
                }
                tool
            }
            (false, false) => on_path.unwrap_or_else(|| self.tool_of_variables()),
            (true, true) => on_path.unwrap_or_else(|| {
                findings.push(
                    Finding::new(Rule::ConfigElsewhere, Severity::Info, other.display())
                        .found(message!("{} has a config too; this is {}'s", second, first))
                        .fix(message!("{kitcert} verify --tool {}", second)),
                );
                first
            }),
        };
        Ok(Chosen { tool, findings })
    }

    /// The tool in whose own directory that file is.
    fn owner_of(&self, path: &Path) -> Result<Option<ClientTool>, Failure> {
        for tool in EARTHLY_KIND {
            let place = self.place(tool)?.config;
            if place.is_some_and(|place| path.parent() == Some(place.directory())) {
                return Ok(Some(tool));
            }
        }
        Ok(None)
    }

    fn tool_of_variables(&self) -> ClientTool {
        let named = ClientTool::Earthbuild.host_variable(self.invocation.environment);
        match named {
            Some((name, _)) if name.starts_with("EARTH_") => ClientTool::Earthbuild,
            _ => ClientTool::Earthly,
        }
    }

    /// That a tool has no config, while the other one has (EarthBuild#960).
    fn elsewhere(&self, tool: ClientTool) -> Result<Option<Finding>, Failure> {
        let own = self.config_path(tool)?;
        for other in EARTHLY_KIND.into_iter().filter(|other| *other != tool) {
            let path = self.config_path(other)?;
            if path != own && exists(&path) {
                return Ok(Some(
                    Finding::new(Rule::ConfigElsewhere, Severity::Warning, path.display())
                        .expected(message!("{}, which `{}` reads", own.display(), tool.program()))
                        .found(message!("none there, and this one, which only {} reads", other))
                        .cause("earth reads ~/.earth since 0.8.19, earthly reads ~/.earthly, and neither looks further (EarthBuild#960)")
                        .fix(message!("{kitcert} install client --tool {}", tool)),
                ));
            }
        }
        Ok(None)
    }

    /// buildctl and buildx have a variable for the host and none for the files.
    fn of_buildctl(&self, tool: ClientTool) -> Result<Configured, Failure> {
        if let Some(config) = self.config {
            return Err(Failure::new("reading", message!("--config {}", config.display()))
                .expected("a tool that has a config (earthly, earthbuild)")
                .found(tool)
                .again_without("--config")
                .exit(ExitCode::Usage));
        }
        let Some((variable, text)) = tool.host_variable(self.invocation.environment) else {
            return Ok(Configured::default());
        };
        Ok(Configured {
            host: Some(ClientHost { text: text.to_owned(), variable: Some(variable) }),
            findings: about_host(Some(text), variable, variable)
                .into_iter()
                .chain(tool.variable_finding(self.invocation.environment))
                .collect(),
            ..Configured::default()
        })
    }
}

/// A situation with the files that it leads to.
struct OnDisk<'a>(ClientSituation<'a>);

impl OnDisk<'_> {
    /// Everything that the tool would read.
    fn read(&self, now: Timestamp) -> Result<Configured, Failure> {
        let files = self.0.client_files();
        let files =
            files.map(|[authority, certificate, key]| CredentialPaths { authority, certificate, key });
        let mut configured = Configured {
            host: self.0.host(),
            files,
            findings: self.0.host_findings(),
            file_findings: self.0.file_findings(),
            joined: Vec::new(),
        };
        let Some(endpoint) = configured.endpoint().filter(|_| self.0.config.uses_tls()) else {
            return Ok(configured);
        };
        configured.file_findings.extend(self.authority_key_finding());
        if endpoint.is_local_to_earthly() && self.own_daemon_is_sound(&endpoint, now) {
            // It was meant so: the tool starts its daemon with the right files.
            for finding in configured.findings.iter_mut().filter(|one| one.rule == Rule::LoopbackHost) {
                finding.severity = Severity::Info;
            }
        }
        Ok(configured)
    }

    /// A CA's key at the client: `bootstrap` would issue with it, and so could a thief.
    fn authority_key_finding(&self) -> Option<Finding> {
        let path = self.0.resolved(TlsPath::AuthorityKey);
        if !self.0.is_there(TlsPath::AuthorityKey) {
            return None;
        }
        let finding = Finding::new(Rule::AuthorityKeyAtClient, Severity::Warning, path.display());
        let finding = finding
            .expected("no CA's key at a client")
            .fix(message!("move {} to the machine that issues certificates", path.display()));
        let breaks =
            message!("`{} bootstrap` fails: it reads RSA keys in PKCS#1 alone", self.0.tool.program());
        let key = self.key_at(TlsPath::AuthorityKey);
        let trust = self.bytes_of(TlsPath::Authority);
        let trust = trust.and_then(|bytes| TrustBundle::from_pem(&bytes, "tlsca").ok()).unwrap_or_default();
        let is_of_authority = key.as_ref().is_some_and(|key| {
            trust.certificates().iter().any(|certificate| certificate.public_key() == key.public_key())
        });
        let is_readable = key.as_ref().is_some_and(is_rsa_pkcs1);
        let leafs = [TlsPath::Key, TlsPath::DaemonKey].into_iter().filter(|path| self.0.is_there(*path));
        let leafs_are_readable =
            leafs.map(|path| self.key_at(path)).all(|key| key.as_ref().is_some_and(is_rsa_pkcs1));
        match (is_of_authority, is_readable && leafs_are_readable) {
            (true, true) => Some(
                finding
                    .found("that of a CA which tlsca trusts")
                    .cause("whoever reads it can make a certificate for anybody"),
            ),
            (true, false) => Some(
                finding
                    .found("that of a CA which tlsca trusts")
                    .cause(message!("whoever reads it can make a certificate for anybody; and {}", breaks)),
            ),
            (false, true) => None,
            (false, false) => Some(finding.found("one, beside keys that it does not fit").cause(breaks)),
        }
    }

    /// Whether the files of the tool's own daemon are such that its client accepts them.
    fn own_daemon_is_sound(&self, endpoint: &Endpoint, now: Timestamp) -> bool {
        let parsed = || {
            let chain = self.bytes_of(TlsPath::DaemonCertificate)?;
            let chain = Certificate::chain_from_pem(&chain, "buildkitd_tlscert").ok()?;
            let trust = TrustBundle::from_pem(&self.bytes_of(TlsPath::Authority)?, "tlsca").ok()?;
            Some((chain, trust, self.key_at(TlsPath::DaemonKey)?))
        };
        parsed().is_some_and(|(chain, trust, key)| {
            let key = Some(key.public_key());
            let credentials = Credentials { role: Role::Daemon, chain: &chain, key, trust: &trust };
            check(&credentials, std::slice::from_ref(endpoint.host()), now).is_ok()
        })
    }

    fn key_at(&self, path: TlsPath) -> Option<PrivateKey> {
        PrivateKey::from_pem(&self.bytes_of(path)?, path.as_str()).ok()
    }

    fn bytes_of(&self, path: TlsPath) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        Some(read_if_present(&self.0.resolved(path), LARGEST_BUNDLE_FILE).ok()??.bytes)
    }
}

fn is_rsa_pkcs1(key: &PrivateKey) -> bool {
    key.encoding() == KeyEncoding::Pkcs1 && matches!(key.public_key().kind(), PublicKeyKind::Rsa(_))
}

const EARTHLY_KIND: [ClientTool; 2] = [ClientTool::Earthly, ClientTool::Earthbuild];
const BUILDKIT_HOST: &str = "BUILDKIT_HOST";
