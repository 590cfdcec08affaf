//! What this machine knows of a daemon, and the commands that it has for it.

use std::time::Duration;

use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{Endpoint, IdentityName, Message, Printable, Timestamp};
use crate::pki::{Certificate, DistinguishedName, TrustBundle};

/// What this machine knows of the daemon, to compare with what was seen.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Whom the probe dialed.
    pub endpoint: Endpoint,
    /// As whom, in words: `client ana`.
    pub identity: Message,
    /// The instant of the command.
    pub now: Timestamp,
    /// The CAs that the client trusts.
    pub trust: TrustBundle,
    /// The CAs that the state knows; None without a state.
    pub known_authorities: Option<Vec<DistinguishedName>>,
    /// The client's chain, leaf first, if it has one.
    pub client: Option<Vec<Certificate>>,
    /// The certificate in the daemon's cert.pem, if it is installed here.
    pub installed_leaf: Option<Certificate>,
    /// The daemon's ca.pem, if it is installed here.
    pub installed_trust: Option<TrustBundle>,
    /// The daemon's name, if it is one of this state's.
    pub daemon: Option<IdentityName>,
    /// The command that restarts it, if it is known.
    pub restart: Option<Message>,
    /// How to look whether it is there, and what then, if that is known.
    pub start: Option<Message>,
    /// The command that gives a daemon the files that are installed for it, if it runs without: a restart
    /// does not. None if it is not installed from here.
    pub give: Option<Message>,
    /// The command for a state that is an old copy, or one of two: its files for the daemon are of the past.
    pub way_out: Option<Message>,
    /// The command that gives the client its new files, if its own are of a CA that this state has replaced.
    pub renew: Option<Message>,
    /// Which daemon it is, if it is installed from here.
    pub layout: Option<DaemonLayout>,
    /// How it is dialed in the same way once more.
    pub again: Again,
}

/// The command that dials a daemon as it was dialed before.
#[derive(Clone, Debug)]
pub struct Again {
    /// The command, without how long its dials may take.
    pub command: Message,
    /// How long all dials were given.
    pub deadline: Duration,
    /// How long was waited between two of them.
    pub pace: Duration,
}

impl Expected {
    /// Whether the daemon's own certificate has the host that is dialed.
    pub(super) fn is_issued_for_its_host(&self) -> bool {
        self.installed_leaf.as_ref().is_some_and(|leaf| leaf.covers(self.endpoint.host()))
    }

    /// The command that puts the right files in place and makes the daemon read them.
    pub(super) fn reinstall(&self) -> Message {
        if let Some(way_out) = &self.way_out {
            return way_out.clone();
        }
        match (&self.daemon, &self.restart) {
            (Some(daemon), Some(restart)) => message!("{kitcert} install daemon {} && {}", daemon, restart),
            (Some(daemon), None) => {
                message!("{kitcert} install daemon {}   # prints how it is started", daemon)
            }
            (None, _) => message!("on the daemon's machine: kitcert install daemon, and restart the daemon"),
        }
    }

    /// The command after which the client and the daemon are of one CA again: of a daemon whose state is
    /// elsewhere, the files of the client are what its user can change.
    pub(super) fn reunite(&self) -> Message {
        match (&self.renew, &self.daemon) {
            (Some(renew), _) => renew.clone(),
            (None, Some(_)) => self.reinstall(),
            (None, None) => {
                let leaf = self.client.as_ref().and_then(|chain| chain.first());
                let name = leaf.and_then(|leaf| IdentityName::of_client(&leaf.usable_names()));
                let whose = name.map(|name| message!(" of {}", name)).unwrap_or_default();
                message!("ask the admin of the daemon for a new kit{}, and join it", whose)
            }
        }
    }

    /// The command that gives files to a daemon that runs without them.
    pub(super) fn give(&self) -> Message {
        match (&self.give, &self.daemon) {
            _ if self.way_out.is_some() => self.reinstall(),
            (Some(give), _) => give.clone(),
            (None, Some(daemon)) => {
                message!("{kitcert} install daemon {}   # prints how it is started with its files", daemon)
            }
            (None, None) => self.reinstall(),
        }
    }

    /// The command that brings it up.
    pub(super) fn start(&self) -> Message {
        let unknown = "start the daemon, or name the port on which it listens";
        self.start.clone().or_else(|| self.restart.clone()).unwrap_or_else(|| unknown.message())
    }

    /// The command that makes the daemon read its files again.
    pub(super) fn restart(&self) -> Message {
        self.restart.clone().unwrap_or(message!("restart the daemon: it reads its files only then"))
    }
}

impl Again {
    /// The command that asked for this verification, to be run again.
    pub(super) fn same(&self) -> Message {
        match self.pace.as_secs_f64().ceil() {
            0.0 => self.command.clone(),
            pace => message!("{} --pace {}s", self.command, pace as u64),
        }
    }

    /// The command that gives the daemon more time.
    pub(super) fn longer(&self) -> Message {
        message!("{} --timeout {}s", self.same(), self.seconds())
    }

    /// The command that gives a limit on connections time to pass.
    pub(super) fn paced(&self) -> Message {
        let pace = (self.pace.as_secs_f64().ceil() as u64 * 2).max(1);
        message!("{} --pace {}s --timeout {}s", self.command, pace, self.seconds())
    }

    fn seconds(&self) -> u64 {
        self.deadline.as_secs().saturating_mul(3).max(60)
    }
}
