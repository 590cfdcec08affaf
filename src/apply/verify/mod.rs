//! `verify`: whether a daemon lets the right people in and nobody else, tried and recorded.
//!
//! One verification, whoever asks: `verify`, `rotate` and `rollback` prepare, dial and judge by `verify_one`,
//! and record by `verification_record`; `join` dials and judges in the same way as a client whose files are
//! nowhere yet, and records nothing. Many daemons are verified at once here. Nothing in this folder restarts
//! a daemon or places a file.
//!
//! ```text
//! request               what is asked, and the command that asks for it
//! target, client        whom to dial, and as whom
//! file_checks           the files at hand, before anybody is dialed
//! client_config_check   the client's own config, as its tool reads it
//! joined                files of tools that have no config
//! dial                  all dials as one client
//! verify_one            one verification: prepare, dial, judge
//! authority_check       with several CAs: whom of each it lets in
//! revocation_check      whether it refuses whom its bundle excludes
//! forgotten_check       whether it does what an old copy of the state has forgotten the reason of
//! shown                 what both sides showed each other
//! served_leaf           what the state knows of the certificate that is served
//! remedies              the commands that help
//! verification          what came of it; its exit code is made of that in cli/command/verify
//! evidence              what was seen of a daemon of the state
//! verification_record   what the state remembers of it
//! ```

mod authority_check;
mod client;
mod client_config_check;
mod dial;
mod evidence;
mod file_checks;
mod forgotten_check;
mod joined;
mod remedies;
mod request;
mod revocation_check;
mod served_leaf;
mod shown;
mod target;
mod verification;
mod verification_record;
mod verify_one;

pub(crate) use self::client::ClientChoice;
pub(super) use self::client::{Client, asking, client_of_authority, client_of_files, fresh_for};
pub(crate) use self::client_config_check::ConfigChoice;
pub(crate) use self::dial::DialOptions;
pub(super) use self::dial::{activity, dial_once};
pub(super) use self::evidence::Evidence;
pub(super) use self::forgotten_check::{Forgotten, forgotten};
pub(super) use self::remedies::restart_line;
pub(crate) use self::request::{Scope, VerifyRequest};
pub(crate) use self::target::Target;
pub(crate) use self::verification::{Outcome, Recorded, Verification};
pub(super) use self::verification_record::record;
pub(crate) use self::verify_one::verify;
pub(super) use self::verify_one::{Examined, examine, verify_as};

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use self::verify_one::{observe, recorded};
use super::invocation::{Invocation, Progress};
use crate::message;
use crate::model::{ExitCode, Failure, Word};
use crate::store::{Interest, read, read_standard_input};

/// Whom to dial, and how.
#[derive(Clone, Debug)]
pub(crate) struct FleetRequest {
    /// Each daemon or endpoint to verify.
    pub targets: Vec<Target>,
    /// As whom.
    pub client: ClientChoice,
    /// Which client's config is meant, where one is read.
    pub config: ConfigChoice,
    /// How each is dialed.
    pub options: DialOptions,
    /// What is looked at beside each.
    pub scope: Scope,
    /// How many are dialed at the same time, at least 1.
    pub jobs: usize,
}

/// What came of one of them.
#[derive(Debug)]
pub(crate) struct Member {
    /// The daemon or endpoint to verify.
    pub target: Target,
    /// What came of it; a failure if it could not even be dialed.
    pub verification: Result<Verification, Failure>,
}

/// Verifies them all, so many at once that nobody who is silent keeps the others waiting, and tells
/// the state of all of them under one lock.
///
/// # Errors
/// A state that cannot be read. What is wrong with one daemon is its own [`Member`]'s.
pub(crate) fn verify_fleet(
    invocation: &Invocation<'_>,
    request: &FleetRequest,
) -> Result<Vec<Member>, Failure> {
    let observation = observe(invocation, &request.client)?;
    let count = request.targets.len();
    (invocation.progress)(Progress::Dialing(count as u64));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Examined, Failure>>>> =
        Mutex::new(std::iter::repeat_with(|| None).take(count).collect());
    let work = || {
        while let Some((index, target)) = nth(&request.targets, next.fetch_add(1, Ordering::Relaxed)) {
            let one = VerifyRequest {
                target: target.clone(),
                client: request.client.clone(),
                config: request.config.clone(),
                options: request.options.clone(),
                scope: request.scope,
            };
            let examined = examine(invocation, observation.as_ref(), &one);
            (invocation.progress)(Progress::Dialed);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = results.get_mut(index) {
                *result = Some(examined);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..request.jobs.clamp(1, count.max(1)) {
            // Dialing takes little of a stack, and there may be hundreds of threads.
            let thread = std::thread::Builder::new().stack_size(STACK);
            if thread.spawn_scoped(scope, work).is_err() {
                // A machine that gives no more threads has given some, or does it here.
                work();
            }
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut examined, mut failures) = (Vec::new(), Vec::new());
    for (index, result) in results.into_iter().flatten().enumerate() {
        match result {
            Ok(one) => examined.push((index, one)),
            Err(failure) => failures.push((index, failure)),
        }
    }
    let (indices, examined): (Vec<usize>, Vec<Examined>) = examined.into_iter().unzip();
    let verifications = recorded(invocation, examined);
    let mut members: Vec<(usize, Result<Verification, Failure>)> = indices
        .into_iter()
        .zip(verifications.into_iter().map(Ok))
        .chain(failures.into_iter().map(|(index, failure)| (index, Err(failure))))
        .collect();
    members.sort_by_key(|(index, _)| *index);
    let members = members.into_iter().zip(&request.targets);
    Ok(members.map(|((_, verification), target)| Member { target: target.clone(), verification }).collect())
}

fn nth(targets: &[Target], index: usize) -> Option<(usize, &Target)> {
    targets.get(index).map(|target| (index, target))
}

/// Every daemon of kitcert.yaml.
///
/// # Errors
/// No state, one that cannot be read, and one without a daemon.
pub(crate) fn every_daemon(invocation: &Invocation<'_>) -> Result<Vec<Target>, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    let targets: Vec<Target> = observation.inventory.daemons.keys().cloned().map(Target::Daemon).collect();
    if targets.is_empty() {
        return Err(Failure::new("verifying", "every daemon")
            .expected(message!("daemons in {}/kitcert.yaml", invocation.state.display()))
            .found("none")
            .hint("issue a daemon its certificate first, with each host that clients dial"));
    }
    Ok(targets)
}

/// The targets of a list, one a line; what follows a `#` is a comment. `-` is standard input.
///
/// # Errors
/// A list that cannot be read or is empty, and a line that is no target: its number is told.
pub(crate) fn listed_targets(path: &Path) -> Result<Vec<Target>, Failure> {
    let bytes = match path == Path::new("-") {
        true => read_standard_input(LARGEST_LIST)?,
        false => read(path, LARGEST_LIST)?.bytes,
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut targets = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        targets.push(line.parse().map_err(|failure: Failure| {
            Failure::new("reading the targets in", message!("{} line {}", path.display(), number + 1))
                .expected(failure.what_was_expected())
                .found(message!("{}", Word(line)))
                .exit(ExitCode::Usage)
        })?);
    }
    if targets.is_empty() {
        return Err(Failure::new("reading the targets in", path.display())
            .expected("one a line")
            .found("none")
            .exit(ExitCode::Usage));
    }
    Ok(targets)
}

const LARGEST_LIST: usize = 16 * 1024 * 1024;
const STACK: usize = 2 * 1024 * 1024;
