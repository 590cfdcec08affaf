//! As whom a daemon is dialled, and which strangers are tried on it.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::state_change::{identity_folder, load_authority, read_key};
use crate::env::Environment;
use crate::layout::{ClientConfig, ClientTool, TlsPath, client_place};
use crate::model::profile::{LARGEST_PEM, PROBE_LIFETIME};
use crate::model::{
    Endpoint, Failure, Finding, IdentityName, KeyAlgorithm, Lifetime, Role, Rule, Severity, Timestamp,
    Validity,
};
use crate::pki::{Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
use crate::probe::Identity;
use crate::store::{KeyPresence, Observation, earthly_home, exists, read, read_if_present};

/// As whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A client of the state; else a probe certificate of its CA, made for this and never
    /// written; else what the client's own config names.
    Automatic,
    /// That client of the state.
    Client(IdentityName),
    /// The ca.pem, cert.pem and key.pem of a directory, or their Kubernetes names.
    Directory(PathBuf),
    /// Three files.
    Files {
        /// The CA bundle.
        authority: PathBuf,
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// Whom we dial as.
pub(super) struct Client {
    /// In words: `client ana`, `a ten-minute probe certificate`.
    pub described: String,
    /// What it trusts.
    pub trust: TrustBundle,
    /// Its certificate and key; none where nothing is at hand.
    pub identity: Option<Identity>,
    /// The CA, where its key is at hand.
    pub authority: Option<CertificateAuthority>,
    /// Where its files are, for findings about them.
    pub files: Option<ClientFiles>,
}

/// Three files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFiles {
    /// The CA bundle.
    pub authority: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What the config of this user's Earthly says, if there is one.
#[derive(Default)]
pub(super) struct Configured {
    /// Where it is.
    pub path: Option<PathBuf>,
    /// The host that the tool would dial, as it is written.
    pub host: Option<String>,
    /// The files that it names, resolved as the tool does.
    pub files: Option<ClientFiles>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Configured {
    /// The endpoint that the tool would dial; None where none is named.
    ///
    /// # Errors
    /// A host that is no `tcp://host:port`.
    pub fn endpoint(&self) -> Result<Option<Endpoint>, Failure> {
        self.host.as_deref().map(str::parse).transpose()
    }
}

/// Reads the config of this user's Earthly. The host of the environment wins, as it does there.
pub(super) fn configured(context: &Context<'_>) -> Result<Configured, Failure> {
    let environment = context.environment;
    let host = ["EARTH_BUILDKIT_HOST", "EARTHLY_BUILDKIT_HOST"]
        .into_iter()
        .find_map(|name| environment.variable(name));
    let mut configured = Configured { host: host.map(str::to_owned), ..Configured::default() };
    let home = earthly_home(environment)?;
    for tool in [ClientTool::Earthly, ClientTool::Earthbuild] {
        let place = client_place(tool, environment, &home.path, None, None, &exists)?;
        let Some(config) = place.config else { continue };
        let Some(file) = read_if_present(&config.path, LARGEST_PEM)? else { continue };
        let read = ClientConfig::parse(&file.bytes, &config.path)?;
        configured.findings = read.findings(&config.path);
        if configured.host.is_none() && read.buildkit_host.is_some() {
            configured.findings.extend(ignored_host(environment, &config.path, tool));
        }
        configured.files = Some(ClientFiles {
            authority: config.resolve(read.file_of(TlsPath::Authority)),
            certificate: config.resolve(read.file_of(TlsPath::Certificate)),
            key: config.resolve(read.file_of(TlsPath::Key)),
        });
        configured.host = configured.host.or(read.buildkit_host);
        configured.path = Some(config.path);
        break;
    }
    Ok(configured)
}

/// Without docker or podman the tool never reads the host of its config (earthly#2978): it waits
/// for a minute and reports a time-out.
fn ignored_host(environment: &Environment, config: &Path, tool: ClientTool) -> Option<Finding> {
    let folders: Vec<&Path> = environment.variable("PATH")?.split(':').map(Path::new).collect();
    let found =
        ["docker", "podman"].iter().any(|program| folders.iter().any(|folder| exists(&folder.join(program))));
    let variable = match tool {
        ClientTool::Earthbuild => "EARTH_BUILDKIT_HOST",
        _ => "EARTHLY_BUILDKIT_HOST",
    };
    (!found).then(|| {
        Finding::new(Rule::HostIgnored, Severity::Warning, config.display())
            .expected(format!("docker, podman or {variable}"))
            .found("none of them")
            .cause(format!("{tool} passes over buildkit_host where neither docker nor podman works"))
            .fix(format!("export {variable}=tcp://host:port"))
    })
}

/// Whom to dial as, by what was asked and what is at hand.
pub(super) fn choose(
    context: &Context<'_>,
    asked: &Credentials,
    observation: Option<&Observation>,
    configured: &Configured,
) -> Result<Client, Failure> {
    match asked {
        Credentials::Client(name) => {
            let observation = observation.ok_or_else(|| context.no_state())?;
            of_state(context, observation, name)
        }
        Credentials::Directory(folder) => of_files(&in_directory(folder)?),
        Credentials::Files { authority, certificate, key } => of_files(&ClientFiles {
            authority: authority.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        // What a config names is read only where it is what was asked about.
        Credentials::Automatic => match (&configured.files, observation) {
            (Some(files), _) if configured.host.is_some() => of_files(files),
            (_, Some(observation)) => automatic(context, observation),
            (_, None) => Err(context.no_state()),
        },
    }
}

/// A client of the state that can be used now; else a probe certificate.
fn automatic(context: &Context<'_>, observation: &Observation) -> Result<Client, Failure> {
    let now = context.environment.now();
    let usable = observation.clients.iter().find(|(_, client)| {
        client.current.as_ref().is_some_and(|current| {
            current.key == KeyPresence::Present && current.leaf().validity().contains(now)
        })
    });
    if let Some((name, _)) = usable {
        return of_state(context, observation, name);
    }
    let trust =
        TrustBundle::new(observation.authorities.iter().map(|found| found.certificate.clone()).collect());
    let Some(authority) = authority(context, observation)? else {
        return Ok(Client {
            described: "nobody: no client's key and no CA key is at hand".to_owned(),
            trust,
            identity: None,
            authority: None,
            files: None,
        });
    };
    let identity = probe_identity(&authority, Role::Client, now)?;
    let described = "a ten-minute probe certificate that stays in memory".to_owned();
    Ok(Client { described, trust, identity: Some(identity), authority: Some(authority), files: None })
}

fn of_state(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Client, Failure> {
    let failure = |expected: &str, found: &str| {
        Failure::new("dialling as client", name).expected(expected).found(found).hint("kitcert status")
    };
    let current = observation.current(Role::Client, name).ok_or_else(|| failure("a certificate", "none"))?;
    if current.key == KeyPresence::Absent {
        return Err(failure("its key", "a certificate alone; the key stayed where its request was made"));
    }
    let folder = identity_folder(Role::Client, name).join("current");
    let key = read_key(&context.state, &folder.join("key.pem"))?;
    let file = |name: &str| context.state.join(&folder).join(name);
    Ok(Client {
        described: format!("client {name}"),
        trust: current.trust.clone(),
        identity: Some(Identity { chain: current.chain.clone(), key }),
        authority: authority(context, observation)?,
        files: Some(ClientFiles {
            authority: file("ca.pem"),
            certificate: file("cert.pem"),
            key: file("key.pem"),
        }),
    })
}

fn of_files(files: &ClientFiles) -> Result<Client, Failure> {
    let subject = |path: &Path| path.display().to_string();
    let trust =
        TrustBundle::from_pem(&read(&files.authority, LARGEST_PEM)?.bytes, &subject(&files.authority))?;
    let chain = Certificate::chain_from_pem(
        &read(&files.certificate, LARGEST_PEM)?.bytes,
        &subject(&files.certificate),
    )?;
    let key = PrivateKey::from_pem(&read(&files.key, LARGEST_PEM)?.bytes, &subject(&files.key))?;
    Ok(Client {
        described: subject(&files.certificate),
        trust,
        identity: Some(Identity { chain, key }),
        authority: None,
        files: Some(files.clone()),
    })
}

/// The names that `buildctl --tlsdir` knows, each file by itself (buildctl's common.go).
fn in_directory(folder: &Path) -> Result<ClientFiles, Failure> {
    let either = |first: &str, second: &str| {
        let first = folder.join(first);
        let second = folder.join(second);
        if !exists(&first) && exists(&second) { second } else { first }
    };
    Ok(ClientFiles {
        authority: either("ca.pem", "ca.crt"),
        certificate: either("cert.pem", "tls.crt"),
        key: either("key.pem", "tls.key"),
    })
}

fn authority(
    context: &Context<'_>,
    observation: &Observation,
) -> Result<Option<CertificateAuthority>, Failure> {
    match observation.issuing_authority(context.environment.now()) {
        Some(_) => load_authority(context, Some(observation)).map(Some),
        None => Ok(None),
    }
}

/// Those whom a daemon must turn away.
#[derive(Default)]
pub(super) struct Strangers {
    /// Of a throw-away CA with our CA's name and key identifier.
    pub stranger: Option<Identity>,
    /// Of our CA, and over.
    pub expired: Option<Identity>,
    /// Of our CA, and for a daemon.
    pub daemon_usage: Option<Identity>,
}

/// Makes them, as far as what is at hand allows. None of them ever leaves memory.
pub(super) fn strangers(context: &Context<'_>, client: &Client) -> Result<Strangers, Failure> {
    let now = context.environment.now();
    let original = client.identity.as_ref().and_then(|identity| {
        let issuer = identity.chain.last()?.issuer();
        client.trust.certificates().iter().find(|certificate| certificate.subject() == issuer)
    });
    let mut strangers = Strangers::default();
    if let Some(original) = original.or_else(|| client.trust.certificates().first()) {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        // A CA of a shape that we cannot imitate is met by a stranger of our own shape.
        if let Ok(authority) = CertificateAuthority::impersonate(original, &key) {
            strangers.stranger = Some(probe_identity(&authority, Role::Client, now)?);
        }
    }
    if let Some(authority) = &client.authority {
        strangers.expired = Some(expired_identity(authority, now)?);
        strangers.daemon_usage = Some(probe_identity(authority, Role::Daemon, now)?);
    }
    Ok(strangers)
}

fn probe_identity(authority: &CertificateAuthority, role: Role, now: Timestamp) -> Result<Identity, Failure> {
    let name: IdentityName = "probe".parse()?;
    let hosts = match role {
        Role::Client => Vec::new(),
        Role::Daemon => vec!["probe.client.kitcert.internal".parse()?],
    };
    identity(authority, &LeafRequest::new(role, name, hosts, now, PROBE_LIFETIME))
}

/// A certificate that ended five minutes ago: longer than clocks should differ.
fn expired_identity(authority: &CertificateAuthority, now: Timestamp) -> Result<Identity, Failure> {
    let ago = |seconds| now.minus(Lifetime::from_seconds(seconds));
    let request = LeafRequest {
        role: Role::Client,
        name: "probe".parse()?,
        hosts: Vec::new(),
        validity: Validity { not_before: ago(3_600), not_after: ago(300) },
    };
    identity(authority, &request)
}

fn identity(authority: &CertificateAuthority, request: &LeafRequest) -> Result<Identity, Failure> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let certificate = authority.issue(request, key.public_key())?;
    Ok(Identity { chain: vec![certificate], key })
}
