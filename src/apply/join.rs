//! `join`, done: a kit is believed, its files are put where the tool reads them, and the daemon is
//! dialed with them.

use std::path::{Path, PathBuf};

use super::authorities::read_key;
use super::input_file::read_input;
use super::install::copies_in;
use super::install::{ClientToInstall, PlannedClient, plan_client};
use super::invocation::Invocation;
use super::verify::{
    Client, ClientChoice, ConfigChoice, DialOptions, Scope, Target, Verification, VerifyRequest, verify,
    verify_as,
};
use crate::layout::state_paths::request_folder;
use crate::layout::{ClientConfig, ClientPlace, ClientTool, EnableTls, TlsPath, client_place, find_tool};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, FingerprintPrefix, Role, Word};
use crate::pki::kit::LARGEST_KIT;
use crate::pki::{Certificate, Kit, Passphrase, PrivateKey, Receipt, TrustBundle, judge};
use crate::plan::{Evidence, KitStanding, Membership, Plan, kit_standing};
use crate::probe::CertificateAndKey;
use crate::store::{
    CredentialBytes, Home, StateDirectory, earthly_home, exists, is_program, read_if_present,
    request_generations,
};

/// What `join` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct JoinRequest {
    /// The tool; None: the one that is found.
    pub tool: Option<ClientTool>,
    /// The config to edit instead of the tool's own.
    pub config: Option<PathBuf>,
    /// Whether TLS is turned on where the config turns it off.
    pub enable_tls: EnableTls,
    /// Whether files in place are replaced by some that are not verified.
    pub replacing: Replacing,
    /// How the daemon is dialed.
    pub options: DialOptions,
}

/// Whether files in place are replaced by some that are not verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replacing {
    /// They stay: they may work.
    #[default]
    OnlyByVerified,
    /// They are replaced.
    Always,
}

/// A kit that may be joined here once its evidence is given. Without Debug, since it may hold the
/// key that is installed.
pub(crate) struct Received {
    kit: Kit,
    tool: ClientTool,
    place: ClientPlace,
    installed: Option<CredentialBytes>,
    standing: KitStanding,
}

/// What somebody gives to have a kit believed.
#[derive(Default)]
pub(crate) struct Given {
    /// The CA's fingerprint.
    pub fingerprint: Option<FingerprintPrefix>,
    /// The kit's passphrase.
    pub passphrase: Option<Passphrase>,
}

/// What `join` did, or would do.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// Where the files and the config are.
    pub place: ClientPlace,
    /// Whether the files are in place now.
    pub placing: Placing,
    /// What the dials showed; None for a plan that was not carried out.
    pub verification: Option<Verification>,
    /// The client's word for the admin, once the files are in place.
    pub receipt: Option<Receipt>,
}

/// Whether a kit's files are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// They are, since now.
    Placed,
    /// They were there already.
    Unchanged,
    /// They are not: what was there before stays, since the new could not be verified.
    Withheld,
    /// They are not: only a plan was asked for.
    Planned,
}

/// Reads a kit, from standard input where it is `-`, and finds out for which tool it is and how it stands to
/// what is installed.
///
/// # Errors
/// No kit, one that must not be joined, no tool or several, files that cannot be read.
pub(crate) fn receive(
    invocation: &Invocation<'_>,
    kit: &Path,
    request: &JoinRequest,
) -> Result<Received, Failure> {
    let kit = Kit::from_text(&read_input(kit, LARGEST_KIT)?, kit)?;
    let Home { path: home, owner } = earthly_home(invocation.environment)?;
    let tool = match request.tool {
        Some(tool) => tool,
        None => find_tool(invocation.environment, &home, &exists, &is_program)?,
    };
    let config = request.config.as_deref();
    let endpoint = &kit.contents().endpoint;
    let place = client_place(tool, invocation.environment, &home, config, Some(endpoint), &exists)?;
    let placed = copies_in(&place.folder, Role::Client, owner).observe(None)?;
    let installed = placed.current.and_then(|current| current.files);
    let membership = installed.as_ref().and_then(membership);
    let standing = kit_standing(&kit, membership.as_ref(), invocation.environment.now())?;
    Ok(Received { kit, tool, place, installed, standing })
}

fn membership(set: &CredentialBytes) -> Option<Membership> {
    let chain = Certificate::chain_from_pem(&set.certificate, "cert.pem").ok()?;
    let trust = TrustBundle::from_pem(&set.authority, "ca.pem").ok()?;
    Some(Membership { leaf: chain.into_iter().next()?, trust })
}

impl Received {
    /// The kit.
    #[must_use]
    pub(crate) fn kit(&self) -> &Kit {
        &self.kit
    }

    /// Whose config is edited.
    #[must_use]
    pub(crate) fn tool(&self) -> ClientTool {
        self.tool
    }

    /// What has to be given before the kit is believed.
    #[must_use]
    pub(crate) fn evidence(&self) -> Evidence {
        self.standing.evidence(&self.kit)
    }

    /// Believes the kit by what was given, puts its files in place, edits the config, and dials.
    ///
    /// Files that are in place are replaced only when the daemon was verified with the new ones, or
    /// when that was asked for.
    ///
    /// # Errors
    /// Evidence that is missing or wrong, a key that is not on this machine, a set that its peers
    /// would refuse, and what [`plan_client`] and [`PlannedClient::carry_out`] refuse.
    pub(crate) fn join(
        self,
        invocation: &Invocation<'_>,
        given: &Given,
        request: &JoinRequest,
    ) -> Result<Joined, Failure> {
        if let Some(told) = &given.fingerprint {
            self.kit.is_of(told)?;
        }
        let key = self.key(invocation, given)?;
        let contents = self.kit.contents();
        let trust = TrustBundle::new(contents.trust.clone());
        let credentials = judge::Credentials {
            role: Role::Client,
            chain: &contents.chain,
            key: Some(key.public_key()),
            trust: &trust,
        };
        judge::require(&credentials, &contents.name, &[], invocation.environment.now())?;
        let has_earlier = self.has_earlier_set()?;
        let planned = plan_client(invocation, self.to_install(&trust, &key, request))?;
        if !invocation.acts() {
            let PlannedClient { plan, place, .. } = planned;
            return Ok(Joined { plan, place, placing: Placing::Planned, verification: None, receipt: None });
        }
        let receipt = Receipt::sign(&contents.name, contents.leaf(), &key)?;
        let is_changed = !planned.plan.is_empty();
        if is_changed && has_earlier && request.replacing == Replacing::OnlyByVerified {
            let client = Client {
                described: message!("client {} of the kit", contents.name),
                trust,
                identity: Some(CertificateAndKey { chain: contents.chain.clone(), key }),
                authority: None,
                expired: None,
                files: None,
            };
            let verification = verify_as(invocation, client, &contents.endpoint, &request.options)?;
            if !verification.is_verified() {
                let PlannedClient { plan, place, .. } = planned;
                let placing = Placing::Withheld;
                return Ok(Joined { plan, place, placing, verification: Some(verification), receipt: None });
            }
        }
        let installed = planned.carry_out()?;
        let verification = verify(invocation, &self.verification(request))?;
        Ok(Joined {
            plan: installed.plan,
            place: installed.place,
            placing: if is_changed { Placing::Placed } else { Placing::Unchanged },
            verification: Some(verification),
            receipt: Some(receipt),
        })
    }

    /// The key that the kit's certificate is for.
    fn key(&self, invocation: &Invocation<'_>, given: &Given) -> Result<PrivateKey, Failure> {
        let contents = self.kit.contents();
        let wanted = contents.leaf().public_key();
        match (self.evidence(), given) {
            (Evidence::Passphrase, Given { passphrase: Some(passphrase), .. }) => {
                return self.kit.open(passphrase);
            }
            (Evidence::Nothing, _) | (Evidence::Fingerprint, Given { fingerprint: Some(_), .. }) => {}
            (Evidence::Passphrase, _) => return Err(self.unbelieved("its passphrase")),
            (Evidence::Fingerprint, _) => return Err(self.unbelieved("the fingerprint of its CA")),
        }
        if let Some(set) = &self.installed
            && let Ok(key) = PrivateKey::from_pem(&set.key, "key.pem")
            && key.public_key() == wanted
        {
            return Ok(key);
        }
        if let Some(directory) = StateDirectory::open_requests(&invocation.state)? {
            for generation in request_generations(&directory, &contents.name)? {
                let path = request_folder(&contents.name).join(generation.to_string()).join("key.pem");
                let key = read_key(&invocation.state, &path)?;
                if key.public_key() == wanted {
                    return Ok(key);
                }
            }
        }
        let hint = match invocation.environment.variable("SUDO_USER") {
            Some(user) => message!("run the same command without sudo, if {} made the request", Word(user)),
            None => message!(
                "{kitcert} request {}   # send that; or join on the machine where the request was made",
                contents.name
            ),
        };
        Err(Failure::new("joining", message!("the kit of {}", contents.name))
            .expected(message!("the key that it is for on this machine ({})", wanted.fingerprint()))
            .found(message!("none in {}", invocation.state.join(request_folder(&contents.name)).display()))
            .hint(hint))
    }

    fn unbelieved(&self, what: &'static str) -> Failure {
        Failure::new("joining", message!("the kit of {}", self.kit.contents().name))
            .expected(what)
            .found("nothing")
            .exit(crate::model::ExitCode::Usage)
    }

    /// Whether the tool has files already that may work: ours, or others that its config names
    /// together with a daemon.
    fn has_earlier_set(&self) -> Result<bool, Failure> {
        if self.installed.is_some() {
            return Ok(true);
        }
        let Some(config) = &self.place.config else { return Ok(false) };
        let Some(file) = read_if_present(&config.path, LARGEST_PEM)? else { return Ok(false) };
        let Ok(said) = ClientConfig::parse(&file.bytes, &config.path) else { return Ok(false) };
        let is_there = |path| exists(&config.resolve(said.file_of(path)));
        Ok(said.buildkit_host.is_some()
            && [TlsPath::Authority, TlsPath::Certificate, TlsPath::Key].into_iter().all(is_there))
    }

    fn to_install(&self, trust: &TrustBundle, key: &PrivateKey, request: &JoinRequest) -> ClientToInstall {
        let contents = self.kit.contents();
        let certificate: String = contents.chain.iter().map(Certificate::to_pem).collect();
        let key = zeroize::Zeroizing::new(key.expose_pem().as_bytes().to_vec());
        ClientToInstall {
            name: contents.name.clone(),
            endpoint: contents.endpoint.clone(),
            tool: self.tool,
            config: request.config.clone(),
            enable_tls: request.enable_tls,
            set: CredentialBytes {
                authority: trust.to_pem().into_bytes(),
                certificate: certificate.into_bytes(),
                key,
            },
            daemon: None,
        }
    }

    /// What the tool would do by itself, as far as it has a config.
    fn verification(&self, request: &JoinRequest) -> VerifyRequest {
        let options = request.options.clone();
        let scope = Scope::Daemon;
        if self.tool.has_config() {
            let config = ConfigChoice { tool: Some(self.tool), path: request.config.clone() };
            let client = ClientChoice::Automatic;
            return VerifyRequest { target: Target::Configured, client, config, options, scope };
        }
        VerifyRequest {
            target: Target::Endpoint(self.kit.contents().endpoint.clone()),
            client: ClientChoice::Directory(self.place.folder.clone()),
            config: ConfigChoice::default(),
            options,
            scope,
        }
    }
}
