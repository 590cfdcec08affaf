//! What `join` and `install client` have put where tools without a config read it: a folder for each daemon.

use super::client::ClientChoice;
use super::client_config_check::Configured;
use super::request::VerifyRequest;
use super::target::Target;
use crate::apply::invocation::Invocation;
use crate::layout::{ClientHost, ClientTool, CredentialPaths, endpoint_of_folder, unconfigured_folder};
use crate::model::{Endpoint, Failure};
use crate::store::{Observation, earthly_home, exists, folders_in};

/// The daemons of which files are there, with those files, by name.
///
/// # Errors
/// A home that cannot be found out, and folders that cannot be read.
fn joined(
    invocation: &Invocation<'_>,
    tool: Option<ClientTool>,
) -> Result<Vec<(Endpoint, CredentialPaths)>, Failure> {
    let home = earthly_home(invocation.environment)?.path;
    let mut found: Vec<(Endpoint, CredentialPaths)> = Vec::new();
    let all = [ClientTool::Buildctl, ClientTool::Buildx];
    for tool in all.into_iter().filter(|one| tool.is_none_or(|tool| tool == *one)) {
        let folder = unconfigured_folder(tool, invocation.environment, &home);
        if !exists(&folder) {
            continue;
        }
        for folder in folders_in(&folder, MOST_DAEMONS)? {
            let endpoint = folder.file_name().and_then(|name| endpoint_of_folder(name.to_str()?));
            let paths = CredentialPaths::in_tls_directory(&folder, exists);
            if let Some(endpoint) = endpoint.filter(|_| exists(&paths.key))
                && !found.iter().any(|(known, _)| *known == endpoint)
            {
                found.push((endpoint, paths));
            }
        }
    }
    Ok(found)
}

impl Configured {
    /// What of it counts beside what else is here: a state, or files that were joined for a tool without a config.
    ///
    /// # Errors
    /// A home that cannot be found out, and folders that cannot be read.
    pub(super) fn beside(
        mut self,
        invocation: &Invocation<'_>,
        observation: Option<&Observation>,
        request: &VerifyRequest,
    ) -> Result<Configured, Failure> {
        if observation.is_some() && self.host.is_none() && !request.config.is_made() {
            // A config that names no host says nothing of the daemon of the state.
            self.files = None;
        }
        let is_meant = request.client == ClientChoice::Automatic;
        let is_of_config =
            request.config.path.is_some() || request.config.tool.is_some_and(ClientTool::has_config);
        match observation.is_none() && is_meant && !is_of_config {
            true => Ok(self.with_joined(&request.target, joined(invocation, request.config.tool)?)),
            false => Ok(self),
        }
    }

    /// Adds what was joined: the files for the daemon that is dialed, and the daemon itself where only one is known.
    ///
    /// A config that names that daemon names its files too, and its tool reads no others: missing, they are missed.
    fn with_joined(mut self, target: &Target, joined: Vec<(Endpoint, CredentialPaths)>) -> Configured {
        let own = self.endpoint().filter(|_| !self.is_of_buildctl());
        if let (Target::Configured, None, [(endpoint, _)]) = (target, &self.host, joined.as_slice()) {
            self.host = Some(ClientHost { text: endpoint.to_string(), variable: None });
        }
        let dialed = match target {
            Target::Endpoint(endpoint) => Some(endpoint.clone()),
            Target::Configured | Target::Daemon(_) => self.endpoint(),
        };
        if let Some((_, files)) = joined.iter().find(|(endpoint, _)| Some(endpoint) == dialed.as_ref())
            && own != dialed
        {
            self.files = Some(files.clone());
            self.file_findings.clear();
        }
        self.joined = joined.into_iter().map(|(endpoint, _)| endpoint).collect();
        self
    }
}

const MOST_DAEMONS: usize = 256;
