//! What a file is, and what is wrong with it: certificates, bundles, keys and requests.

use crate::model::profile::LARGEST_PEM;
use crate::model::{ExtendedKeyUsage, Failure, Finding, Role, Rule, Severity, Timestamp};
use crate::pki::{Certificate, CertificateRequest, KeyEncoding, PemBlock, PrivateKey, TrustBundle, lint};

/// What is known of a file besides its contents.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// Its path, as it was given.
    pub path: String,
    /// Its permission bits, such as 0o600; none for what is no file, such as standard input.
    pub mode: Option<u32>,
    /// Whose it is.
    pub owner: FileOwner,
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOwner {
    /// The user who asks, or root.
    UsOrRoot,
    /// Anybody else.
    Another,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An end-entity certificate, with or without intermediates behind it.
    Chain,
    /// CA certificates: a `ca.pem`.
    Bundle,
    /// A private key.
    Key,
    /// A certificate request.
    Request,
    /// Nothing that is judged here.
    Unknown,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Chain => "certificate",
            Kind::Bundle => "CA bundle",
            Kind::Key => "private key",
            Kind::Request => "certificate request",
            Kind::Unknown => "something else",
        }
    }
}

/// The judgement of one file.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What it is.
    pub kind: Kind,
    /// What it says, as label and value, in the order in which they are to be shown. Never
    /// anything of a key but its public half.
    pub facts: Vec<(&'static str, String)>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// Judges a file by its contents, its mode and the time.
///
/// The role of a certificate is taken from its usages, and what a file of certificates is from
/// the first of them: a CA's opens a bundle, any other a chain.
#[must_use]
pub fn judge(bytes: &[u8], file: &FileFacts, now: Timestamp) -> Judgement {
    let labels: Vec<String> = match bytes.len() {
        ..=LARGEST_PEM => PemBlock::all_of(bytes).into_iter().map(|block| block.label).collect(),
        _ => Vec::new(),
    };
    let mut judgement = match labels.iter().find(|label| *label != "EC PARAMETERS").map(String::as_str) {
        Some(label) if label.ends_with("PRIVATE KEY") => judge_key(bytes, file),
        Some("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") => judge_request(bytes, file),
        Some(label) if label.ends_with("CERTIFICATE") => judge_certificates(bytes, file, now),
        _ => judge_other(bytes, file),
    };
    if judgement.kind != Kind::Key && labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        judgement.findings.extend(mode_of_key(file));
    }
    judgement
}

fn judge_certificates(bytes: &[u8], file: &FileFacts, now: Timestamp) -> Judgement {
    let bundle = match TrustBundle::from_pem(bytes, &file.path) {
        Ok(bundle) => bundle,
        Err(failure) => return unreadable(Kind::Unknown, Rule::UnreadableFile, &failure),
    };
    let certificates = bundle.certificates();
    let is_bundle = certificates.first().is_some_and(Certificate::is_authority);
    let mut judgement = Judgement {
        kind: if is_bundle { Kind::Bundle } else { Kind::Chain },
        facts: Vec::new(),
        findings: Vec::new(),
    };
    for (at, certificate) in certificates.iter().enumerate() {
        if certificates.len() > 1 {
            judgement.facts.push(("certificate", format!("{} of {}", at + 1, certificates.len())));
        }
        judgement.facts.extend(facts_of(certificate));
        let issuer = certificates.get(at + 1).filter(|_| !is_bundle);
        let mut findings = lint_of(certificate, issuer);
        findings.extend(lint::dates(certificate, now));
        if certificates.len() == 1 {
            findings.iter_mut().for_each(|finding| finding.subject.clone_from(&file.path));
        }
        judgement.findings.extend(findings);
    }
    let of_the_whole = if is_bundle { lint::bundle(&bundle) } else { dropped_of_chain(&bundle, file) };
    judgement.findings.extend(of_the_whole);
    for finding in &mut judgement.findings {
        if finding.subject != file.path {
            finding.subject = format!("{}: {}", file.path, finding.subject);
        }
    }
    judgement
}

fn lint_of(certificate: &Certificate, issuer: Option<&Certificate>) -> Vec<Finding> {
    if certificate.is_authority() {
        return lint::authority(certificate);
    }
    lint::leaf(certificate, role_of(certificate), issuer)
}

/// A certificate for clients is a client's; every other one is taken for a daemon's. Earthly's
/// own generator gives both usages to both, and says which in the organization.
fn role_of(certificate: &Certificate) -> Role {
    let usages = certificate.extended_key_usages().unwrap_or_default();
    let organization = certificate.subject().organization().unwrap_or_default();
    let is_for_servers = usages.contains(&ExtendedKeyUsage::ServerAuth);
    let is_for_clients = usages.contains(&ExtendedKeyUsage::ClientAuth);
    match (is_for_servers, is_for_clients) {
        (false, true) => Role::Client,
        (true, true) if organization.ends_with("GRPC: earthly side") => Role::Client,
        _ => Role::Daemon,
    }
}

/// In a chain a block that is no certificate ends nothing: Go's `LoadX509KeyPair` passes it over.
fn dropped_of_chain(chain: &TrustBundle, file: &FileFacts) -> Vec<Finding> {
    let is_key = |label: &str| label.ends_with("PRIVATE KEY") || label == "EC PARAMETERS";
    let dropped = chain.dropped().iter().filter(|block| !is_key(&block.label));
    let finding = |block: &crate::pki::DroppedBlock| {
        Finding::new(Rule::UnreadableFile, Severity::Error, &file.path)
            .expected("certificates that Go loads")
            .found(format!("a block of {:?} in line {} that {}", block.label, block.line, block.why))
            .cause("the file was cut or changed on its way")
            .fix("copy it again from where it came")
    };
    dropped.map(finding).collect()
}

fn facts_of(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let names: Vec<String> =
        certificate.names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let usages = certificate.extended_key_usages().unwrap_or_default();
    let usages: Vec<String> = usages.iter().map(ToString::to_string).collect();
    let validity = certificate.validity();
    let mut facts = vec![
        ("subject", certificate.subject().to_string()),
        ("issuer", certificate.issuer().to_string()),
        ("serial", certificate.serial().to_string()),
        ("names", names.join(", ")),
        ("usages", if certificate.is_authority() { "CA".to_owned() } else { usages.join(", ") }),
        ("valid from", validity.not_before.minute()),
        ("valid until", validity.not_after.minute()),
        ("key", certificate.public_key().kind().to_string()),
        ("signed with", certificate.signature_algorithm().to_string()),
        ("fingerprint", certificate.fingerprint().to_string()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn judge_key(bytes: &[u8], file: &FileFacts) -> Judgement {
    let mut judgement = match PrivateKey::from_pem(bytes, &file.path) {
        Err(failure) => unreadable(Kind::Key, Rule::KeyFormat, &failure),
        Ok(key) => {
            let mut judgement = Judgement { kind: Kind::Key, facts: Vec::new(), findings: Vec::new() };
            judgement.facts.push(("key", key.public_key().kind().to_string()));
            judgement.facts.push(("key fingerprint", key.public_key().fingerprint().to_string()));
            judgement.findings.extend(format_of_key(key.encoding(), file));
            judgement
        }
    };
    judgement.findings.extend(mode_of_key(file));
    judgement
}

fn format_of_key(encoding: KeyEncoding, file: &FileFacts) -> Option<Finding> {
    let found = match encoding {
        KeyEncoding::Pkcs8 => return None,
        KeyEncoding::Sec1 => "EC PRIVATE KEY (SEC 1)",
        KeyEncoding::Pkcs1 => "RSA PRIVATE KEY (PKCS#1)",
    };
    let finding = Finding::new(Rule::KeyFormat, Severity::Info, &file.path)
        .expected("PRIVATE KEY (PKCS#8)")
        .found(found)
        .cause("every BuildKit daemon and client reads it; earthly's own generator writes PKCS#1")
        .fix(format!("openssl pkcs8 -topk8 -nocrypt -in {path} -out {path}.new", path = file.path));
    Some(finding)
}

/// A client's key runs code on the builder, and a daemon's stands in for it: nobody but its owner
/// may read it, save a group under an owner whom the reader trusts anyway.
fn mode_of_key(file: &FileFacts) -> Option<Finding> {
    let mode = file.mode? & 0o777;
    let (severity, who) = match (mode & 0o007, mode & 0o070, file.owner) {
        (0, 0, FileOwner::UsOrRoot) => return None,
        (0, 0, FileOwner::Another) => (Severity::Warning, "it belongs to another user"),
        (0, 0o040, FileOwner::UsOrRoot) => (Severity::Warning, "its group can read it"),
        (0, _, _) => (Severity::Error, "its group can read or change it"),
        _ => (Severity::Critical, "everybody on this machine can use it"),
    };
    let finding = Finding::new(Rule::KeyMode, severity, &file.path)
        .expected("mode 0600")
        .found(format!("mode {mode:04o}"))
        .cause(who)
        .fix(format!("chmod 600 {}", file.path));
    Some(finding)
}

fn judge_request(bytes: &[u8], file: &FileFacts) -> Judgement {
    let request = match CertificateRequest::from_pem(bytes, &file.path) {
        Ok(request) => request,
        Err(failure) => return unreadable(Kind::Request, Rule::RequestSignature, &failure),
    };
    let mut facts = vec![
        ("subject", request.subject().to_string()),
        ("key", request.public_key().kind().to_string()),
        ("key fingerprint", request.fingerprint().to_string()),
        ("asks for, and is not granted", request.requested().join("; ")),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    Judgement { kind: Kind::Request, facts, findings: Vec::new() }
}

fn judge_other(bytes: &[u8], file: &FileFacts) -> Judgement {
    let finding = Finding::new(Rule::UnreadableFile, Severity::Error, &file.path)
        .expected("a certificate, a CA bundle, a private key or a request in PEM");
    let path = &file.path;
    let finding = match bytes.len() {
        0 => finding.found("an empty file").fix("copy it again from where it came"),
        1..=LARGEST_PEM if Certificate::from_der(bytes).is_ok() => finding
            .found("a certificate in DER")
            .cause("BuildKit's daemons and clients read PEM only")
            .fix(format!("openssl x509 -inform DER -in {path} -out {path}.pem")),
        1..=LARGEST_PEM => finding.found("something else").fix(format!("file {path}")),
        length => finding.found(format!("{length} bytes")).fix(format!("file {path}")),
    };
    Judgement { kind: Kind::Unknown, facts: Vec::new(), findings: vec![finding] }
}

fn unreadable(kind: Kind, rule: Rule, failure: &Failure) -> Judgement {
    let finding = Finding::new(rule, Severity::Error, failure.subject())
        .expected(failure.what_was_expected())
        .found(failure.what_was_found());
    let finding = match failure.command_to_try() {
        // Whoever reads this has just inspected it.
        Some(command) if !command.starts_with("kitcert inspect") => finding.fix(command),
        _ => finding.fix("copy it again from where it came"),
    };
    Judgement { kind, facts: Vec::new(), findings: vec![finding] }
}

#[cfg(test)]
mod tests;
