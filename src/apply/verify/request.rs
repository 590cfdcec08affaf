//! What `verify` is asked, and the command that asks for it.

use super::client::ClientChoice;
use super::client_config_check::ConfigChoice;
use super::dial::DialOptions;
use super::target::Target;
use crate::message;
use crate::model::{IdentityName, Message, Printable, Quoted};
use crate::probe::Again;

/// What `verify` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    /// Whom to dial.
    pub target: Target,
    /// As whom.
    pub client: ClientChoice,
    /// Which client's config is meant, where one is read.
    pub config: ConfigChoice,
    /// How it is dialed.
    pub options: DialOptions,
    /// What is looked at beside the daemon.
    pub scope: Scope,
}

/// How much of a daemon's host is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The daemon's own port.
    Daemon,
    /// The ports that such a host may have open beside it, too.
    Ports,
}

impl VerifyRequest {
    /// A daemon of the state, as whichever client of the state is at hand.
    pub(in crate::apply) fn of_daemon(name: &IdentityName) -> VerifyRequest {
        VerifyRequest {
            target: Target::Daemon(name.clone()),
            client: ClientChoice::Automatic,
            config: ConfigChoice::default(),
            options: DialOptions::default(),
            scope: Scope::Daemon,
        }
    }

    /// The command that asks for the same.
    pub(super) fn again(&self, options: &DialOptions) -> Again {
        let mut words = vec![message!("{kitcert} verify")];
        match &self.target {
            Target::Configured => {}
            Target::Endpoint(endpoint) => words.push(endpoint.message()),
            Target::Daemon(name) => words.push(name.message()),
        }
        let mut option = |name: &'static str, value: Message| words.push(message!("{} {}", name, value));
        match &self.client {
            ClientChoice::Automatic => {}
            ClientChoice::Client(name) => option("--client", name.message()),
            ClientChoice::Directory(folder) => option("--tlsdir", Quoted(folder.display()).message()),
            ClientChoice::Files { authority, certificate, key } => {
                for (name, path) in [("--ca", authority), ("--cert", certificate), ("--key", key)] {
                    option(name, Quoted(path.display()).message());
                }
            }
        }
        if let Some(tool) = self.config.tool {
            option("--tool", tool.message());
        }
        if let Some(path) = &self.config.path {
            option("--config", Quoted(path.display()).message());
        }
        if let Some(name) = &self.options.server_name {
            option("--servername", name.message());
        }
        for address in &self.options.addresses {
            option("--address", address.message());
        }
        if self.options.samples > 1 {
            option("--samples", self.options.samples.message());
        }
        Again { command: Message::join(words, " "), deadline: options.deadline, pace: options.pace }
    }
}
