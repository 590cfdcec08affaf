//! Who would be locked out, in words.

use std::collections::BTreeSet;

use crate::message;
use crate::model::{AuthorityId, IdentityName, Message, Printable, Role, SubjectAltName};

/// A change of one identity that would lock somebody out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LockOut {
    /// The clients.
    pub clients: BTreeSet<IdentityName>,
    /// The CAs of which others may have certificates that nobody here knows of.
    pub open: BTreeSet<AuthorityId>,
    /// The hosts by which those clients dial the daemon, and that its certificate would not name.
    pub hosts: BTreeSet<SubjectAltName>,
}

impl LockOut {
    /// Who is locked out, and by the removal of which hosts if it is for that.
    pub(crate) fn who(&self) -> Message {
        let open = self.open.iter().map(|id| message!("unknown holders of CA {}", id.short()));
        let who = Message::few(self.clients.iter().map(Printable::message).chain(open), ", ");
        match self.hosts.is_empty() {
            true => who,
            false => {
                message!("{}, since the certificate would not name {}", who, Message::few(&self.hosts, ", "))
            }
        }
    }

    /// What another change does, too.
    pub(crate) fn add(&mut self, other: LockOut) {
        self.clients.extend(other.clients);
        self.open.extend(other.open);
        self.hosts.extend(other.hosts);
    }

    /// How a person does it in spite of that; None if a CA of unknown holders is not to go by a word.
    pub(crate) fn way_past(&self, role: Role, name: &IdentityName) -> Option<Message> {
        match self.clients.len() {
            0 => None,
            1..=MOST_TYPED => Some(message!(
                "{kitcert} rotate {}/{} --allow-lockout {}   # to lock them out",
                role,
                name,
                Message::join(&self.clients, " ")
            )),
            many => Some(message!(
                "{kitcert} rotate {}/{} --dry-run --format json   # locked_out has all {} names",
                role,
                name,
                many
            )),
        }
    }
}

/// More names than that are not pasted into a command.
const MOST_TYPED: usize = 20;
