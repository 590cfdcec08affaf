//! What was seen of one file or endpoint.

use std::path::{Path, PathBuf};

use crate::model::{Endpoint, Failure, Finding, Message, Printable, Rule, Severity};
use crate::pki::{Certificate, PublicKey, TrustBundle};

/// What is known of a file besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileFacts<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its permission bits, where it is a file; without those of a group that kitcert.yaml lets read its key.
    pub mode: Option<u32>,
}

/// What was seen of one thing.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// What it is, in words.
    pub kind: Message,
    /// What it says, in the order of reading.
    pub facts: Vec<(&'static str, Message)>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What it holds, for whoever compares it with others.
    pub contents: Contents,
    /// The user id of its owner, where it is a file.
    pub owner: Option<u32>,
}

/// What of a file can be compared with other files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// The public half of its private key.
    pub key: Option<PublicKey>,
    /// The same as a bundle, where it is one.
    pub trust: Option<TrustBundle>,
    /// The files that it names, where it is a config.
    pub names: Vec<PathBuf>,
    /// The daemon that it names, where it is a client's config.
    pub endpoint: Option<Endpoint>,
}

/// What a file or an endpoint says, line by line.
pub(super) type Facts = Vec<(&'static str, Message)>;

impl Inspected {
    /// What holds nothing that can be compared.
    pub(super) fn of(kind: &'static str, facts: Facts, findings: Vec<Finding>) -> Inspected {
        Inspected { kind: kind.message(), facts, findings, contents: Contents::default(), owner: None }
    }

    /// A file that is not what it claims to be.
    pub(super) fn unreadable(kind: &'static str, rule: Rule, path: &Path, failure: &Failure) -> Inspected {
        let finding = Finding::new(rule, Severity::Error, path)
            .expected(failure.what_was_expected())
            .found(failure.what_was_found());
        Inspected::of(kind, Facts::new(), vec![finding])
    }

    /// Whether whoever writes it decides who is let in, or whom its reader trusts: certificates, and a config that names
    /// files.
    pub(super) fn decides_who_gets_in(&self) -> bool {
        let Contents { certificates, trust, names, .. } = &self.contents;
        !certificates.is_empty() || trust.is_some() || !names.is_empty()
    }

    /// The same with what it holds.
    pub(super) fn holding(self, contents: Contents) -> Inspected {
        Inspected { contents, ..self }
    }
}
