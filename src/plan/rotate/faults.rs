//! What a rotation says of those of whom something cannot be read, and does for nobody.

use std::path::Path;

use super::planner::Planner;
use super::rotation::{RotationAction, RotationRow};
use crate::layout::state_paths::ISSUED;
use crate::message;
use crate::model::{IdentityName, Printable, Quoted, Role};
use crate::plan::fault::{fault_of, is_faulty};
use crate::plan::holders::unread;

impl Planner<'_> {
    /// Whether something of an identity cannot be read, so that nothing is done for it.
    pub(super) fn is_faulty(&self, role: Role, name: &IdentityName) -> bool {
        let identity = self.observation.identities(role).get(name);
        identity.is_some_and(is_faulty) || self.facts.unreadable.contains_key(&(role, name.clone()))
    }

    /// The identities of which something cannot be read: each is a result of its own, and everybody else
    /// is rotated.
    pub(super) fn report_faults(&mut self, is_meant: &dyn Fn(Role, &IdentityName) -> bool) {
        let observation = self.observation;
        for role in [Role::Daemon, Role::Client] {
            for name in observation.identities(role).keys().filter(|name| is_meant(role, name)) {
                let identity = observation.identities(role).get(name).filter(|one| !one.is_retired());
                if let Some(exposed) = identity.and_then(|identity| identity.exposed.as_ref()) {
                    let fix = exposed.remedy().map(|remedy| message!("; {}", remedy)).unwrap_or_default();
                    self.say(role, name, RotationAction::Reported, message!("{}{}", exposed, fix));
                }
                let unreadable = self.facts.unreadable.get(&(role, name.clone())).cloned();
                let Some(fault) = fault_of(role, name, observation).or(unreadable) else { continue };
                self.say(role, name, RotationAction::Reported, "something of it cannot be read");
                self.rotation.unable.push(((role, name.clone()), fault));
                // Whatever it has, it gets nothing in its place.
                if self.rotation.is_emergency && role == Role::Client {
                    self.rotation.locked_out.insert(name.clone());
                }
            }
        }
        let faulty = observation.authorities.iter().filter(|one| one.record.is_usable());
        for (authority, fault) in faulty.filter_map(|one| Some((one, one.key_fault.as_ref()?))) {
            let next = fault.remedy().map(|remedy| message!("; {}", remedy.parted().0));
            self.rotation.rows.push(RotationRow {
                kind: "ca",
                name: authority.id.short(),
                action: RotationAction::Reported,
                reason: message!("{}{}", fault, next.unwrap_or_default()),
                next: None,
                expires: None,
                identity: None,
                holds_rollover: false,
            });
        }
        let holds_rollover = self.rollover.is_some();
        for (file, failure) in unread(observation) {
            let reason = message!(
                "{}; restore it from a backup, or, if nobody has that certificate: rm {}",
                failure,
                Quoted(observation.path.join(ISSUED).join(file).as_path())
            );
            self.rotation.rows.push(RotationRow {
                kind: "certificate",
                name: Path::new(ISSUED).join(file).display().message(),
                action: RotationAction::Reported,
                reason,
                next: None,
                expires: None,
                identity: None,
                holds_rollover,
            });
        }
    }
}
