//! `request`, done: a key that stays on this machine, and the file that asks for its certificate.

use std::path::PathBuf;

use super::change::carry_out;
use super::hand_over::{HandedOver, hand_over, refuse_unwritable_place};
use super::invocation::{Invocation, PATIENCE};
use crate::layout::state_paths::request_folder;
use crate::model::{Failure, Fingerprint};
use crate::plan::{self, Plan, RequestRequest, WrittenRequest};
use crate::store::{ObservedRequest, Privacy, StateDirectory, observe_request};

/// What `request` did, or would do.
#[derive(Debug)]
pub(crate) struct Requested {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// The key, and what the admin has to be told; None for a first request that was not made.
    pub key: Option<RequestedKey>,
}

/// The key of a request.
#[derive(Debug)]
pub(crate) struct RequestedKey {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its SubjectPublicKeyInfo, which `issue client --csr` asks for.
    pub fingerprint: Fingerprint,
}

/// Makes a key and a request for it, or writes the one that is there again.
///
/// # Errors
/// What [`plan::request`] refuses, another file at the request's place, a folder that others can
/// write in, one that is busy.
pub(crate) fn request(invocation: &Invocation<'_>, request: &RequestRequest) -> Result<Requested, Failure> {
    let at_place = HandedOver::Request.refuse_foreign(&request.path)?;
    let planned = |there: Option<&ObservedRequest>| {
        let same = there.is_some_and(|there| at_place.as_ref() == Some(&there.request_text));
        let written = if same { WrittenRequest::Same } else { WrittenRequest::Other };
        plan::request(request, there, written)
    };
    let directory = StateDirectory::open_requests(&invocation.state)?;
    let there = directory.as_ref().map(|directory| observe_request(directory, &request.name)).transpose()?;
    let there = there.flatten();
    let plan = planned(there.as_ref())?;
    if let Some(step) = &plan.handover {
        refuse_unwritable_place(invocation, &step.path)?;
    }
    if plan.is_empty() || !invocation.acts() {
        return Ok(Requested { plan, key: there.as_ref().map(|there| key_of(invocation, request, there)) });
    }
    let directory = match directory {
        Some(directory) => directory,
        None => StateDirectory::create(&invocation.state)?,
    };
    let lock = directory.lock(invocation.command, PATIENCE)?;
    let plan = planned(observe_request(&directory, &request.name)?.as_ref())?;
    if !plan.state.is_empty() {
        carry_out(invocation, &lock, None, &plan)?;
    }
    let there = observe_request(&directory, &request.name)?.ok_or_else(|| {
        Failure::new("reading back", invocation.state.join(request_folder(&request.name)).display())
            .expected("the request that was made")
            .found("none")
    })?;
    if let Some(step) = &plan.handover {
        hand_over(invocation, &step.path, HandedOver::Request, &there.request_text, Privacy::Public)?;
    }
    Ok(Requested { plan, key: Some(key_of(invocation, request, &there)) })
}

fn key_of(invocation: &Invocation<'_>, request: &RequestRequest, there: &ObservedRequest) -> RequestedKey {
    let folder = request_folder(&request.name).join(there.generation.to_string());
    RequestedKey {
        path: invocation.state.join(folder).join("key.pem"),
        fingerprint: there.request.fingerprint(),
    }
}
