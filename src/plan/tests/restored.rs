//! A state that was restored from a backup, and what a person may decide without knowing everything.

use super::name;
use super::world::World;
use crate::model::{AuthorityId, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::{Installed, Standing, StateStep, catch_up, finish, retire};

impl World {
    /// A copy of the state that may be restored later.
    pub(super) fn back_up(&mut self) {
        self.backup = Some(std::rc::Rc::new(self.clone()));
    }

    /// The state is as it was when it was backed up; whether that is another one.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = self.backup.clone().filter(|backup| backup.commit != self.commit) else {
            return false;
        };
        self.observation = backup.observation.clone();
        self.generations = backup.generations.clone();
        self.commit = backup.commit;
        true
    }

    /// Whether what is installed tells that the state is an old copy. Nothing but `recover` goes on then.
    pub(super) fn is_old(&self) -> bool {
        self.installed.values().any(|(commit, _)| *commit > self.commit)
    }

    /// What `recover` does to an old copy; whether there is something to do.
    pub(super) fn recover(&mut self) -> bool {
        if !self.is_old() {
            return false;
        }
        let installed = self.installed.iter().map(|(daemon, (commit, set))| Installed {
            daemon: daemon.clone(),
            standing: if *commit > self.commit { Standing::Later(*commit) } else { Standing::Ours },
            chain: set.chain.clone(),
            trust: set.trust.clone(),
            unfit: None,
        });
        let installed: Vec<Installed> = installed.collect();
        let is_unknown = |leaf: &Certificate| {
            !self.is_known(leaf) && !installed.iter().any(|one| one.chain.first() == Some(leaf))
        };
        let served = self.serves.iter().filter(|(_, served)| is_unknown(&served.leaf));
        let served: Vec<(IdentityName, Certificate)> =
            served.map(|(daemon, served)| (daemon.clone(), served.leaf.clone())).collect();
        let recovery = catch_up(&self.observation, &installed, &served, self.now);
        // The clients of a CA that is gone are named; a daemon that was not restarted may let them in still.
        for step in &recovery.plan.state {
            let StateStep::EndRollover(gone) = step else { continue };
            let is_of_it = |leaf: &Certificate| {
                gone.iter().any(|id| self.authorities[id].certificate().subject() == leaf.issuer())
            };
            let of_gone = self.holds.iter().filter(|(_, held)| is_of_it(&held.leaf));
            self.excused.extend(of_gone.map(|((client, _), _)| client.clone()).collect::<Vec<_>>());
        }
        self.carry_out(&recovery.plan);
        true
    }

    /// Whether the state knows that it has issued that.
    fn is_known(&self, leaf: &Certificate) -> bool {
        self.observation.issued.iter().any(|one| one == leaf)
    }

    /// Nobody unknown is waited for: whoever has what the state does not know is out by a person's word.
    pub(super) fn finish(&mut self, id: &AuthorityId) -> bool {
        let Ok(plan) = finish(id, &self.observation) else { return false };
        let unknown = self.holds.iter().filter(|(_, held)| {
            let is_of_it = self.authorities[id].certificate().subject() == held.leaf.issuer();
            is_of_it && !self.is_known(&held.leaf)
        });
        let unknown: Vec<IdentityName> = unknown.map(|((client, _), _)| client.clone()).collect();
        self.excused.extend(unknown);
        self.carry_out(&plan);
        true
    }

    /// An identity is not waited for any more; whether it was.
    pub(super) fn retire(&mut self, role: Role, named: &str) -> bool {
        let plan = retire(role, &name(named), &self.observation);
        if role == Role::Client {
            self.excused.insert(name(named));
        }
        self.carry_out(&plan);
        !plan.state.is_empty()
    }
}
