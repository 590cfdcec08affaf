//! The developer's side of a state: the keys that were made for requests.

use super::state_directory::StateDirectory;
use crate::layout::state_paths::{CURRENT, request_folder};
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Generation, IdentityName};
use crate::pki::CertificateRequest;

/// What `requests/<name>/` holds.
#[derive(Clone, Debug)]
pub(crate) struct ObservedRequest {
    /// What `current` leads to.
    pub generation: Generation,
    /// Its request.
    pub request: CertificateRequest,
    /// Its request as it was written.
    pub request_text: Vec<u8>,
    /// The last that is there.
    pub last_generation: Generation,
}

/// Reads the request of that name; None where there is none.
///
/// # Errors
/// A folder or a request that cannot be read.
pub(crate) fn observe_request(
    directory: &StateDirectory,
    name: &IdentityName,
) -> Result<Option<ObservedRequest>, Failure> {
    let folder = request_folder(name);
    let generations = request_generations(directory, name)?;
    let Some(current) = directory.link_target(&folder.join(CURRENT))? else { return Ok(None) };
    let (Some(generation), Some(last_generation)) = (current.parse().ok(), generations.iter().max()) else {
        return Ok(None);
    };
    let path = folder.join(current).join("request.csr");
    let shown = directory.path().join(&path);
    let file = directory
        .read(&path, LARGEST_PEM)?
        .ok_or_else(|| Failure::new("reading", shown.display()).expected("a request").found("nothing"))?;
    Ok(Some(ObservedRequest {
        generation,
        request: CertificateRequest::from_pem(&file.bytes, &shown)?,
        request_text: file.bytes.to_vec(),
        last_generation: *last_generation,
    }))
}

/// The numbers of the generations of a request, the youngest first: an older one may be the one
/// that a kit is for.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn request_generations(
    directory: &StateDirectory,
    name: &IdentityName,
) -> Result<Vec<Generation>, Failure> {
    let entries = directory.list(&request_folder(name))?;
    let mut numbers: Vec<Generation> = entries.iter().filter_map(|entry| entry.parse().ok()).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    Ok(numbers)
}
