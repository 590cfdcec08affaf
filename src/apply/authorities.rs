//! The CAs of a state, as a change needs them: to sign, and to be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::invocation::Invocation;
use crate::layout::state_paths::authority_folder;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{AuthorityId, Failure, Role};
use crate::pki::{Certificate, CertificateAuthority, Exclusions, PrivateKey, TrustBundle};
use crate::plan::{self, AuthorityChoice, Plan, Signing};
use crate::store::{KeyPresence, Observation, ObservedAuthority, StateDirectory};

/// The CAs of a change: those of the state, and the one that it makes.
pub(super) struct Authorities<'a> {
    invocation: &'a Invocation<'a>,
    observation: Option<&'a Observation>,
    /// The one that it makes, once it is made.
    pub made: Option<CertificateAuthority>,
    /// What leads from that to the CA that has certified it.
    pub made_chain: Vec<Certificate>,
    /// What daemons are given of each, so that all of a change are given the same.
    excluding: Mutex<BTreeMap<AuthorityChoice, Certificate>>,
}

impl<'a> Authorities<'a> {
    pub(super) fn new(
        invocation: &'a Invocation<'a>,
        observation: Option<&'a Observation>,
    ) -> Authorities<'a> {
        Authorities {
            invocation,
            observation,
            made: None,
            made_chain: Vec::new(),
            excluding: Mutex::default(),
        }
    }

    fn certificate(&self, choice: &AuthorityChoice) -> Result<&Certificate, Failure> {
        match choice {
            AuthorityChoice::Made => self.made.as_ref().map(CertificateAuthority::certificate),
            AuthorityChoice::Of(_) => self.observed(choice).map(|authority| &authority.certificate),
        }
        .ok_or_else(|| self.missing(choice))
    }

    /// Which it is.
    pub(super) fn id(&self, choice: &AuthorityChoice) -> Result<AuthorityId, Failure> {
        let certificate = self.certificate(choice)?;
        Ok(certificate.authority_id())
    }

    /// The bundle of a set. Here alone is decided what a daemon's says: each CA's certificate excludes whose
    /// access was taken away.
    pub(super) fn bundle(&self, role: Role, trust: &[AuthorityChoice]) -> Result<TrustBundle, Failure> {
        let excluded = match role {
            Role::Daemon => {
                self.observation.and_then(|one| plan::meant(one, self.invocation.environment.now()))
            }
            Role::Client => None,
        };
        let certificate = |choice: &AuthorityChoice| match &excluded {
            Some(excluded) if !self.observed(choice).is_some_and(ObservedAuthority::is_pinned) => {
                self.excluding(choice, excluded)
            }
            _ => self.certificate(choice).cloned(),
        };
        Ok(TrustBundle::new(trust.iter().map(certificate).collect::<Result<_, _>>()?))
    }

    /// The certificate of a CA that excludes those names, signed by its own key where that is at hand: nobody
    /// checks the signature of what he trusts, so that no emergency waits for a key.
    fn excluding(&self, choice: &AuthorityChoice, excluded: &Exclusions) -> Result<Certificate, Failure> {
        let mut made = self.excluding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = made.get(choice) {
            return Ok(certificate.clone());
        }
        let key = self.observed(choice).filter(|one| one.key == KeyPresence::Present).and_then(|one| {
            read_key(&self.invocation.state, &authority_folder(&one.id).join("key.pem")).ok()
        });
        let original = self.certificate(choice)?;
        let key = key.filter(|key| key.public_key() == original.public_key());
        let certificate = original.excluding(excluded, key.as_ref())?;
        made.insert(choice.clone(), certificate.clone());
        Ok(certificate)
    }

    /// Those of a set's CAs that can sign a kit: its client may trust any of them.
    pub(super) fn signers(&self, signing: &Signing) -> Result<Vec<CertificateAuthority>, Failure> {
        let now = self.invocation.environment.now();
        let observed = signing.trust.iter().filter_map(|choice| self.observed(choice));
        let able = observed.filter(|authority| authority.can_sign(now));
        able.map(|authority| authority_of(self.invocation, authority)).collect()
    }

    /// Who issues what is signed so.
    pub(super) fn issuing(&self, role: Role, signing: &Signing) -> Result<Issuing, Failure> {
        let authority = match &signing.issuer {
            // Its key is at hand only while it is made, and it makes its own state's first leaves.
            AuthorityChoice::Made => None,
            choice => {
                let observed = self.observed(choice).ok_or_else(|| self.missing(choice))?;
                Some(authority_of(self.invocation, observed)?)
            }
        };
        let chain = match self.observed(&signing.issuer) {
            Some(observed) => observed.chain.clone(),
            None => self.made_chain.clone(),
        };
        let trust = self.bundle(role, &signing.trust)?;
        Ok(Issuing { chain, authority, trust_pem: trust.to_pem().into_bytes(), trust })
    }

    pub(super) fn observed(&self, choice: &AuthorityChoice) -> Option<&ObservedAuthority> {
        match choice {
            AuthorityChoice::Made => None,
            AuthorityChoice::Of(identifier) => self.observation?.authority(identifier),
        }
    }

    pub(super) fn missing(&self, choice: &AuthorityChoice) -> Failure {
        Failure::new("finding", choice)
            .expected(message!("it in {}/ca", self.invocation.state.display()))
            .found("nothing")
    }
}

/// Who issues, and the bundle that every set gets.
pub(super) struct Issuing {
    /// None: the CA that this very change makes.
    pub authority: Option<CertificateAuthority>,
    /// What daemons send behind their certificates, of a CA that another has certified.
    pub chain: Vec<Certificate>,
    /// The CAs of the set.
    pub trust: TrustBundle,
    /// The same, as ca.pem.
    pub trust_pem: Vec<u8>,
}

/// Whether every CA that is to issue something can be loaded: one that cannot is no reason to touch the lock.
///
/// # Errors
/// One whose key is not there, or cannot be read.
pub(super) fn try_issuers(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    plan: &Plan,
) -> Result<(), Failure> {
    let authorities = Authorities::new(invocation, observation);
    let issuers: BTreeSet<&AuthorityId> = plan
        .issuances()
        .filter_map(|issuance| match &issuance.signing.issuer {
            AuthorityChoice::Of(id) => Some(id),
            AuthorityChoice::Made => None,
        })
        .collect();
    issuers.into_iter().try_for_each(|id| {
        let choice = AuthorityChoice::Of(id.clone());
        let observed = authorities.observed(&choice).ok_or_else(|| authorities.missing(&choice))?;
        authority_of(invocation, observed).map(drop)
    })
}

/// A CA of the state whose key lies beside it.
pub(super) fn authority_of(
    invocation: &Invocation<'_>,
    observed: &ObservedAuthority,
) -> Result<CertificateAuthority, Failure> {
    let folder = authority_folder(&observed.id);
    let key = read_key(&invocation.state, &folder.join("key.pem"))?;
    let path = invocation.state.join(&folder).join("ca.pem");
    CertificateAuthority::load(observed.certificate.clone(), &key, &path)
}

pub(super) fn read_key(state: &Path, relative: &Path) -> Result<PrivateKey, Failure> {
    let bytes = StateDirectory::read_in(state, relative, LARGEST_PEM)?.bytes;
    PrivateKey::from_pem(&bytes, state.join(relative))
}
