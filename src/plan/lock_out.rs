//! Who would be locked out, or let in again, in words.

use std::collections::BTreeSet;

use crate::message;
use crate::model::{AuthorityId, Exclusion, IdentityName, Message, Printable, Role, SubjectAltName};

/// A change of one identity that would lock somebody out, or let in again whom the daemon refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LockOut {
    /// The clients.
    pub clients: BTreeSet<IdentityName>,
    /// The CAs of which others may have certificates that nobody here knows of.
    pub open: BTreeSet<AuthorityId>,
    /// The hosts by which those clients dial the daemon, and that its certificate would not name.
    pub hosts: BTreeSet<SubjectAltName>,
    /// What the daemon excludes, and would not any more, though nobody is noted to have taken it back.
    pub let_in: BTreeSet<Exclusion>,
}

impl LockOut {
    /// What the change would do.
    pub(crate) fn effect(&self) -> Message {
        let is_lock_out = !self.clients.is_empty() || !self.open.is_empty();
        let out = is_lock_out.then(|| message!("lock out {}", self.who()));
        let names = || Message::few(&self.let_in, ", ");
        let again = (!self.let_in.is_empty()).then(|| {
            message!("let in again {}, whom the daemon refuses and revocations.json lacks", names())
        });
        Message::join(out.into_iter().chain(again), " and ")
    }

    /// Who is locked out, and by the removal of which hosts if it is for that.
    fn who(&self) -> Message {
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
        self.let_in.extend(other.let_in);
    }

    /// How a person renews a retired daemon again in spite of that; None if a CA of unknown holders is not to go by a word.
    pub(crate) fn way_to_renew_again(&self, daemon: &IdentityName) -> Option<Message> {
        (!self.clients.is_empty() && self.let_in.is_empty()).then(|| {
            let clients = Message::join(&self.clients, " ");
            message!("{kitcert} issue daemon {} --allow-lockout {}   # to lock them out", daemon, clients)
        })
    }

    /// How a person does it in spite of that, or fixes what is in the way; None if a CA of unknown holders is
    /// not to go by a word.
    pub(crate) fn way_past(&self, role: Role, name: &IdentityName) -> Option<Message> {
        if !self.let_in.is_empty() {
            return Some(message!("{kitcert} recover   # takes in whom the daemons refuse"));
        }
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
