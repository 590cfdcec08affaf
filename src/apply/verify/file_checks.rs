//! The local half of `verify`: the files at hand, judged before anybody is dialed.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::client::Client;
use crate::apply::change::way_out;
use crate::apply::inspect::written_by_others;
use crate::apply::invocation::Invocation;
use crate::layout::state_paths::identity_folder;
use crate::layout::{CredentialFile, DaemonEntry, GroupName};
use crate::message;
use crate::model::profile::LARGEST_BUNDLE_FILE;
use crate::model::{
    Endpoint, Failure, Finding, IdentityName, Message, Printable, Role, Rule, Severity, SubjectAltName,
    Timestamp,
};
use crate::pki::judge::{self, Credentials, FileNames, Standard};
use crate::pki::{Certificate, KeyFile, TrustBundle, WrongForm};
use crate::store::{KeyReaders, Observation, read_if_present};

/// What the daemon would read at its next start.
#[derive(Default)]
pub(super) struct InstalledSet {
    /// Its certificate.
    pub leaf: Option<Certificate>,
    /// The CAs that it trusts its clients by.
    pub trust: Option<TrustBundle>,
}

/// The installed files of a daemon; where it is not installed on this machine, the set that was
/// issued for it.
pub(super) fn installed(
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<InstalledSet, Failure> {
    let Some(paths) = installed_paths(entry) else {
        let current = observation.current(Role::Daemon, name);
        return Ok(InstalledSet {
            leaf: current.map(|current| current.leaf().clone()),
            trust: current.map(|current| current.trust.clone()),
        });
    };
    let read = |path: &Path| Ok(read_if_present(path, LARGEST_BUNDLE_FILE)?.map(|file| file.bytes));
    let leaf = read(&paths.certificate)?
        .and_then(|bytes| Certificate::chain_from_pem(&bytes, &paths.certificate).ok());
    let trust =
        read(&paths.authority)?.and_then(|bytes| TrustBundle::from_pem(&bytes, &paths.authority).ok());
    Ok(InstalledSet { leaf: leaf.and_then(|chain| chain.into_iter().next()), trust })
}

/// Whether what is installed for a daemon is its current set.
pub(super) fn is_installed(
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<bool, Failure> {
    let Some((installed, issued)) = installed_paths(entry).zip(issued_paths(observation, name)) else {
        return Ok(false);
    };
    let findings = installed.compare(entry, &message!("{kitcert} install daemon {}", name), &issued)?;
    Ok(Finding::gravest(&findings) < Severity::Error)
}

/// What is to be said of the files of a daemon of this state.
pub(super) fn daemon_findings(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
    endpoint: &Endpoint,
) -> Result<Vec<Finding>, Failure> {
    let folder = invocation.state.join(identity_folder(Role::Daemon, name)).join("current");
    let issued = SetPaths::in_folder(&folder);
    let hosts = std::slice::from_ref(endpoint.host());
    let daemon = observation.daemons.get(name);
    let leaf = daemon.and_then(|daemon| Some(daemon.current.as_ref()?.leaf().fingerprint()));
    let adopted = daemon.and_then(|daemon| daemon.history.adopted);
    // What was taken over was not issued by our profile: what no client refuses is no fault of it.
    let is_adopted = adopted.is_some_and(|adopted| Some(adopted.leaf) == leaf);
    let standard = if is_adopted { Standard::InUse } else { Standard::Profile };
    let mut findings = issued.judge((Role::Daemon, standard), name, hosts, invocation.judged_at())?;
    if let (Some(installed), Some(issued)) = (installed_paths(entry), issued_paths(observation, name)) {
        let fix = way_out(invocation, observation, name)
            .unwrap_or_else(|| message!("{kitcert} install daemon {}", name));
        findings.extend(installed.compare(entry, &fix, &issued)?);
    }
    Ok(findings)
}

/// What is to be said of the files that we dial with.
pub(super) fn client_findings(invocation: &Invocation<'_>, client: &Client) -> Result<Vec<Finding>, Failure> {
    let Some(files) = &client.files else { return Ok(Vec::new()) };
    let paths = SetPaths {
        authority: files.authority.clone(),
        certificate: files.certificate.clone(),
        key: files.key.clone(),
    };
    // A client's files are whoever's: what no daemon refuses is no fault of theirs.
    paths.judge((Role::Client, Standard::InUse), &client.described, &[], invocation.judged_at())
}

/// The files of a daemon's current generation in the state.
fn issued_paths(observation: &Observation, name: &IdentityName) -> Option<SetPaths> {
    let current = observation.current(Role::Daemon, name)?;
    let folder = observation.path.join(identity_folder(Role::Daemon, name));
    Some(SetPaths::in_folder(&folder.join(current.number.to_string())))
}

fn installed_paths(entry: &DaemonEntry) -> Option<SetPaths> {
    let install = entry.install.as_ref()?;
    let links = install.layout.links();
    let path_of = |wanted: CredentialFile| {
        links.iter().find(|(_, file)| *file == wanted).map(|(path, _)| install.root.join(path))
    };
    Some(SetPaths {
        authority: path_of(CredentialFile::Authority)?,
        certificate: path_of(CredentialFile::Certificate)?,
        key: path_of(CredentialFile::Key)?,
    })
}

/// Where the three files of a set are.
struct SetPaths {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl SetPaths {
    fn in_folder(folder: &Path) -> SetPaths {
        let path = |file: CredentialFile| folder.join(file.file_name());
        SetPaths {
            authority: path(CredentialFile::Authority),
            certificate: path(CredentialFile::Certificate),
            key: path(CredentialFile::Key),
        }
    }

    /// Judges a set by the profile and by the peer's rules; a set without fault is a pass.
    fn judge(
        &self,
        (role, standard): (Role, Standard),
        whose: impl Printable,
        hosts: &[SubjectAltName],
        now: Timestamp,
    ) -> Result<Vec<Finding>, Failure> {
        let subject = message!("files of {}", whose);
        let Some(certificate) = self.read(&self.certificate)? else {
            return Ok(vec![missing(&self.certificate)]);
        };
        let Some(authority) = self.read(&self.authority)? else { return Ok(vec![missing(&self.authority)]) };
        let (certificate, of_certificate) = fixed(certificate.bytes);
        let (authority, of_authority) = fixed(authority.bytes);
        let chain = Certificate::chain_from_pem(&certificate, &self.certificate)?;
        let trust = TrustBundle::from_pem(&authority, &self.authority)?;
        let Some(leaf) = chain.first() else { return Ok(vec![missing(&self.certificate)]) };
        let (key, of_key) = self.key()?;
        let key = key.as_ref().and_then(KeyFile::public_key);
        let credentials = Credentials { role, chain: &chain, key, trust: &trust };
        let names = FileNames { certificate: &self.certificate, key: &self.key };
        let mut findings = judge::credentials(&credentials, hosts, (standard, now), names);
        findings.extend(judge::read_by_go_alone(&certificate, &self.certificate));
        findings.extend(judge::read_by_go_alone(&authority, &self.authority));
        findings.extend(of_certificate.map(|form| judge::wrong_form(form, &self.certificate)));
        findings.extend(of_authority.map(|form| judge::wrong_form(form, &self.authority)));
        findings.extend(of_key);
        findings.extend(
            [&self.certificate, &self.authority].into_iter().filter_map(|path| written_by_others(path)),
        );
        if Finding::gravest(&findings) < Severity::Warning {
            let found = message!("match each other, and are good until {}", leaf.validity().not_after.date());
            findings.push(Finding::new(Rule::ChainUntrusted, Severity::Pass, subject).found(found));
        }
        Ok(findings)
    }

    /// The key, and what is to be said of its file. A key of a client elsewhere is not here, and
    /// is no fault.
    fn key(&self) -> Result<(Option<KeyFile>, Vec<Finding>), Failure> {
        let Some(file) = self.read(&self.key)? else { return Ok((None, Vec::new())) };
        let mut findings: Vec<Finding> = judge::key_mode(self.key.display(), file.mode).into_iter().collect();
        let key = KeyFile::read(&file.bytes, &self.key)?;
        findings.extend(judge::read_by_go_alone(&file.bytes, &self.key));
        let told = judge::key_file(&key, &self.key).into_iter();
        findings.extend(told.filter(|finding| finding.severity >= Severity::Warning));
        Ok((Some(key), findings))
    }

    /// Compares what is installed with what was issued last.
    fn compare(
        &self,
        entry: &DaemonEntry,
        fix: &Message,
        issued: &SetPaths,
    ) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for (path, issued) in [(&self.certificate, &issued.certificate), (&self.authority, &issued.authority)]
        {
            let expected = self.read(issued)?.map(|file| file.bytes);
            let finding = match self.read(path)? {
                None => missing(path).fix(fix),
                Some(file) if Some(&file.bytes) != expected.as_ref() => {
                    Finding::new(Rule::ServedIsStale, Severity::Error, path.display())
                        .expected("what was issued last")
                        .found("another file")
                        .cause("it was issued anew and not installed since, or changed by hand")
                        .fix(fix)
                }
                Some(_) => {
                    findings.extend(written_by_others(path));
                    continue;
                }
            };
            findings.push(finding);
        }
        match self.read(&self.key)? {
            None => findings.push(missing(&self.key).fix(fix)),
            Some(file) => {
                let group = entry.install.as_ref().and_then(|install| install.key_group.as_ref());
                if !KeyReaders::named(group.map(GroupName::as_str))?.are_all_of(file.mode, file.group) {
                    findings.extend(judge::key_mode(self.key.display(), file.mode));
                }
            }
        }
        Ok(findings)
    }

    fn read(&self, path: &Path) -> Result<Option<crate::store::ReadFile>, Failure> {
        read_if_present(path, LARGEST_BUNDLE_FILE)
    }
}

/// A file as consumers would read it, and the form in which they do not.
fn fixed(bytes: Zeroizing<Vec<u8>>) -> (Zeroizing<Vec<u8>>, Option<WrongForm>) {
    match WrongForm::fix(&bytes) {
        Some((pem, form)) => (pem, Some(form)),
        None => (bytes, None),
    }
}

fn missing(path: &Path) -> Finding {
    Finding::new(Rule::UnreadableFile, Severity::Error, path.display()).expected("a file").found("none")
}
