//! Several files, judged together: which key is whose, and who has what others have too.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::called::{is_called_bundle, is_of_set, misnamed};
use super::document::Inspected;
use crate::message;
use crate::model::{Failure, Finding, Message, Printable, Role, Rule, Severity, SubjectAltName, Timestamp};
use crate::pki::judge::{self, Credentials, FileNames, Standard};
use crate::pki::{Certificate, TrustBundle};
use crate::store;

/// The files that are meant by a path: itself, or the files in it where it is a folder; of a folder of
/// folders alone, such as moby's `.certs`, the files in these.
///
/// # Errors
/// A folder that cannot be read, without a file, or with more than [`MOST_FILES`].
pub(crate) fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let none = || Failure::new("reading", path.display()).expected("files in that folder").found("none");
    let Some(files) = store::files_in(path, MOST_FILES)? else { return Ok(vec![path.to_owned()]) };
    if !files.is_empty() {
        return Ok(files);
    }
    let mut below = Vec::new();
    for folder in store::folders_in(path, MOST_FILES)? {
        below.extend(store::files_in(&folder, MOST_FILES)?.unwrap_or_default());
    }
    match below.len() {
        0 => Err(none()),
        1..=MOST_FILES => Ok(below),
        _ => Err(none().expected(message!("at most {} files below that folder", MOST_FILES)).found("more")),
    }
}

/// What a path has beside the files that are meant by it, by name: nothing is said of what is in these.
#[must_use]
pub(crate) fn left_out(path: &Path, files: &[PathBuf]) -> Vec<Message> {
    let name = |one: &PathBuf| one.file_name().map(Path::new).map(Printable::message);
    store::others_in(path, files).iter().filter_map(name).collect()
}

/// What only shows when those files lie side by side, each finding about one of them.
#[must_use]
pub(crate) fn compare(files: &[(PathBuf, Inspected)], now: Timestamp) -> Vec<Finding> {
    let certificates: Vec<(&Path, &Inspected, &Certificate)> = files
        .iter()
        .flat_map(|(path, file)| {
            file.contents.certificates.iter().map(move |one| (path.as_path(), file, one))
        })
        .collect();
    let mut findings = Vec::new();
    // Whose a key is nobody knows beside a file that cannot be read.
    let is_unread = |file: &Inspected| file.findings.iter().any(|one| one.rule == Rule::UnreadableFile);
    let are_all_read = !files.iter().any(|(_, file)| is_unread(file));
    for (path, file) in files {
        let Some(key) = &file.contents.key else { continue };
        let own = certificates.iter().find(|(_, _, certificate)| certificate.public_key() == key);
        match own {
            None if !certificates.is_empty() && are_all_read => findings.push(
                Finding::new(Rule::KeyMismatch, Severity::Error, path.display())
                    .expected("the key of one of the certificates that were given with it")
                    .found("another key")
                    .cause("the certificate and the key belong to different identities or generations")
                    .fix("install all three files again: {kitcert} install daemon, or {kitcert} install client"),
            ),
            Some((_, _, certificate)) if certificate.is_authority() => findings.push(
                Finding::new(Rule::AuthorityKeyAtClient, Severity::Info, path.display())
                    .expected("a CA's key where certificates are issued, and nowhere else")
                    .found(message!("the key of {}", certificate.subject()))
                    .cause("whoever reads it can issue certificates for every daemon and client")
                    .fix("move it away from what daemons and clients read or mount"),
            ),
            _ => {}
        }
    }
    for (at, (path, file, certificate)) in certificates.iter().enumerate() {
        let earlier =
            certificates.iter().take(at).find(|(other, _, same)| other != path && same == certificate);
        if let (Some((other, first, _)), false) = (earlier, certificate.is_authority()) {
            // The same user may well have a copy; two users share an identity.
            let severity = if first.owner == file.owner { Severity::Info } else { Severity::Warning };
            findings.push(
                Finding::new(Rule::CertificateShared, severity, path.display())
                    .expected("a certificate of its own")
                    .found(message!("that of {}", other.display()))
                    .cause("one cannot be shut out without the other")
                    .fix("issue each client a certificate of its own"),
            );
        }
    }
    findings.extend(files.iter().flat_map(|chain| judge_chain(chain, files, now)));
    findings.extend(misnamed(files));
    findings
}

/// What a peer with the CAs that lie beside a chain makes of it; of the hosts, too, that a config names. A
/// fault that its own file shows is told there.
fn judge_chain(
    (path, file): &(PathBuf, Inspected),
    files: &[(PathBuf, Inspected)],
    now: Timestamp,
) -> Vec<Finding> {
    let chain = &file.contents.certificates;
    let beside = |other: &&(PathBuf, Inspected)| other.0.parent() == path.parent();
    let keys = || files.iter().filter_map(|(path, file)| Some((path, file.contents.key.as_ref()?)));
    let own = keys().find(|(_, key)| chain.iter().any(|one| one.public_key() == *key));
    let key = own.map(|(_, key)| key);
    if let Some(refusal) = judge::leaf_not_first(chain, key).filter(|_| key.is_some()) {
        let is_told = file.findings.iter().any(|told| told.rule == Rule::ChainOrder);
        return if is_told { Vec::new() } else { vec![refusal.finding(path, path)] };
    }
    let Some(leaf) = chain.first().filter(|leaf| !leaf.is_authority()) else { return Vec::new() };
    let all = || files.iter().filter(|(path, file)| trust_of(path, file).is_some());
    let near: Vec<_> = all().filter(beside).collect();
    let of_set: Vec<_> = near.iter().copied().filter(|(place, _)| is_of_set(path, place)).collect();
    let bundles = match (near.is_empty(), of_set.is_empty()) {
        (true, _) => all().collect(),
        (false, true) => near,
        (false, false) => of_set,
    };
    let role = judge::role_of(leaf);
    let endpoints = files.iter().filter_map(|(_, file)| file.contents.endpoint.as_ref());
    let hosts: Vec<SubjectAltName> = match role {
        Role::Daemon => endpoints.map(|endpoint| endpoint.host().clone()).collect(),
        Role::Client => Vec::new(),
    };
    let names = FileNames { certificate: path, key: own.map_or(path, |(path, _)| path) };
    let judged = bundles.iter().filter_map(|(place, bundle)| {
        let trust = trust_of(place, bundle)?;
        let credentials = Credentials { role, chain, key, trust: &trust };
        let findings = judge::credentials(&credentials, &hosts, (Standard::InUse, now), names);
        let told = file.findings.iter().chain(&bundle.findings);
        let told: Vec<Rule> = told.map(|told| told.rule).collect();
        Some(findings.into_iter().filter(|one| !told.contains(&one.rule)).collect::<Vec<_>>())
    });
    // One that accepts it is enough: which of them is meant is not known, where no name says so.
    judged.min_by_key(|findings| Finding::gravest(findings)).unwrap_or_default()
}

/// The CAs of a file that peers are given as their bundle: whatever certificates it holds, if it is called so.
fn trust_of<'a>(path: &Path, file: &'a Inspected) -> Option<Cow<'a, TrustBundle>> {
    let contents = &file.contents;
    let is_called_so = is_called_bundle(path) && !contents.certificates.is_empty();
    let of_name = is_called_so.then(|| Cow::Owned(TrustBundle::new(contents.certificates.clone())));
    contents.trust.as_ref().map(Cow::Borrowed).or(of_name)
}

/// So many files of a folder are read.
pub(crate) const MOST_FILES: usize = 64;
