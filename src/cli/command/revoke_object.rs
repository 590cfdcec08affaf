//! What `revoke` says in JSON, of a client and of a daemon.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{Revoked, RevokedDaemon};
use crate::model::{IdentityName, Message, Printable as _, Timestamp};

/// What the revocation stops.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RevokeObject {
    /// The serial numbers of the certificates that daemons refuse from then on, as far as they are known.
    stopped: Vec<Message>,
    /// The certificates of the client that no daemon can refuse.
    unstopped: Vec<UnstoppedMember>,
    /// The daemons that still let somebody in who is revoked, and whom.
    still_let_in: Vec<LetInMember>,
    /// The daemons of which nothing here can try whether they refuse whoever is revoked, or let in who is not
    /// any more, and whom.
    not_tried: Vec<LetInMember>,
    /// With --undo, the daemons that refuse every certificate that the client may have still.
    refused_by: Vec<Message>,
    /// The daemons that let somebody in whom no name stops, and whom: until the certificate ends, or its CA is trusted no
    /// more.
    unstoppable: Vec<LetInMember>,
    /// Of a daemon, whether it goes on with the key that is revoked; null of a client.
    keeps_key: Option<bool>,
    /// The folders on this machine from which the client's files were removed.
    removed: Vec<Message>,
}

/// A daemon that lets somebody in who is revoked, or may.
#[derive(Debug, Serialize, JsonSchema)]
struct LetInMember {
    /// The daemon's name.
    daemon: Message,
    /// Whom it lets in.
    who: Vec<Message>,
}

/// A certificate that no daemon can refuse.
#[derive(Debug, Serialize, JsonSchema)]
struct UnstoppedMember {
    /// Its serial number, hex.
    serial: Message,
    /// When it ends, RFC 3339.
    expires: Timestamp,
}

impl RevokeObject {
    /// Of a client.
    pub(super) fn of(revoked: &Revoked) -> RevokeObject {
        let unstopped = revoked.planned.unstopped.iter();
        let member = |(serial, expires): &(Message, Timestamp)| UnstoppedMember {
            serial: serial.clone(),
            expires: *expires,
        };
        let refused_by = revoked.regained.iter().flat_map(|one| &one.refused_by);
        RevokeObject {
            stopped: revoked.planned.stopped.clone(),
            unstopped: unstopped.map(member).collect(),
            still_let_in: named(&revoked.still_let_in),
            not_tried: named(&revoked.not_tried),
            refused_by: refused_by.map(|name| name.message()).collect(),
            unstoppable: unstoppable(&revoked.unstoppable),
            keeps_key: None,
            removed: revoked.removed.clone(),
        }
    }

    /// Of a daemon.
    pub(super) fn of_daemon(revoked: &RevokedDaemon) -> RevokeObject {
        RevokeObject {
            stopped: Vec::new(),
            unstopped: Vec::new(),
            still_let_in: Vec::new(),
            not_tried: Vec::new(),
            refused_by: Vec::new(),
            unstoppable: unstoppable(&revoked.unstoppable),
            keeps_key: Some(revoked.keeps_key),
            removed: Vec::new(),
        }
    }
}

fn named(who: &BTreeMap<IdentityName, BTreeSet<Message>>) -> Vec<LetInMember> {
    let member = |(daemon, who): (&IdentityName, &BTreeSet<Message>)| LetInMember {
        daemon: daemon.message(),
        who: who.iter().cloned().collect(),
    };
    who.iter().map(member).collect()
}

fn unstoppable(who: &BTreeMap<IdentityName, BTreeMap<Message, Timestamp>>) -> Vec<LetInMember> {
    let member = |(daemon, who): (&IdentityName, &BTreeMap<Message, Timestamp>)| LetInMember {
        daemon: daemon.message(),
        who: who.keys().cloned().collect(),
    };
    who.iter().map(member).collect()
}
