//! `request`: a key that stays here, and a request for a certificate of another machine's CA.

use std::path::PathBuf;

use super::steps::{Handover, HandoverStep, Plan, StateStep};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, KeyAlgorithm};
use crate::pki::PublicKeyKind;
use crate::store::ObservedRequest;

/// What `request` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct RequestRequest {
    /// The name that is asked for.
    pub name: IdentityName,
    /// The type of the key; None: that of the key that is there, else ECDSA on P-256.
    pub key: Option<KeyAlgorithm>,
    /// Whether a key that is there will do.
    pub renewal: KeyRenewal,
    /// Where the request is written.
    pub path: PathBuf,
}

/// Whether a key that is there will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyRenewal {
    /// It will: the same request is written again.
    #[default]
    Keep,
    /// A new one is made. The old one stays, for kits that are under way.
    Fresh,
}

/// What is at the place where the request is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenRequest {
    /// The request that is there.
    Same,
    /// Nothing, or an older one.
    Other,
}

/// Plans `request`: a key and a request where there is none yet, and the file for the admin.
///
/// # Errors
/// Another type of key than the one that is there.
pub(crate) fn request(
    request: &RequestRequest,
    there: Option<&ObservedRequest>,
    written: WrittenRequest,
) -> Result<Plan, Failure> {
    let handover =
        HandoverStep { path: request.path.clone(), content: Handover::Request(request.name.clone()) };
    let make = |generation| StateStep::Request {
        name: request.name.clone(),
        algorithm: request.key.unwrap_or_default(),
        generation,
    };
    let state = match there {
        None => vec![make(Generation::after(None))],
        Some(there) if request.renewal == KeyRenewal::Fresh => {
            vec![make(Generation::after(Some(there.last_generation)))]
        }
        Some(there) => {
            let kind = there.request.public_key().kind();
            if let Some(asked) = request.key.filter(|asked| *kind != PublicKeyKind::Generated(*asked)) {
                return Err(Failure::new("requesting a certificate for", &request.name)
                    .expected(message!("the type of the key that is here ({}), or --new-key", kind))
                    .found(asked)
                    .hint(message!("{kitcert} request {} --key-type {} --new-key", request.name, asked)));
            }
            Vec::new()
        }
    };
    let is_written = state.is_empty() && written == WrittenRequest::Same;
    Ok(Plan { state, handover: (!is_written).then_some(handover), ..Plan::default() })
}
