//! Any file of ours, read and judged by the profile.

use std::fmt;
use std::path::{Path, PathBuf};

use super::client_config::{ClientConfig, TlsPath};
use super::daemon_config::DaemonConfig;
use super::inventory::Inventory;
use super::kit_judgement;
use crate::message;
use crate::model::{Endpoint, Finding, Line, Message, Printable, Rule, Severity, Timestamp};
use crate::pki::{
    Certificate, CertificateRequest, KeyEncoding, LostNewlines, PemBlock, PemLabel, PrivateKey, PublicKey,
    TrustBundle, judge,
};

/// What is known of a file besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its permission bits, where it is a file.
    pub mode: Option<u32>,
}

/// A file as it was understood.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What it is.
    pub kind: Kind,
    /// What it says, in the order of reading.
    pub facts: Vec<(&'static str, Message)>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What it holds, for whoever compares it with other files.
    pub contents: Contents,
}

/// What of a file can be compared with other files.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// The public half of its private key.
    pub key: Option<PublicKey>,
    /// The files that it names, where it is a config.
    pub names: Vec<PathBuf>,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A certificate, with its chain behind it or alone.
    Certificate,
    /// CA certificates.
    Bundle,
    /// A private key.
    Key,
    /// A PKCS#10 request.
    Request,
    /// A kit.
    Kit,
    /// Earthly's config.yml.
    ClientConfig,
    /// buildkitd.toml.
    DaemonConfig,
    /// kitcert.yaml.
    Inventory,
    /// Something else.
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Certificate => "certificate",
            Kind::Bundle => "CA bundle",
            Kind::Key => "private key",
            Kind::Request => "certificate request",
            Kind::Kit => "kit",
            Kind::ClientConfig => "client config",
            Kind::DaemonConfig => "daemon config",
            Kind::Inventory => "kitcert.yaml",
            Kind::Unknown => "unknown",
        })
    }
}

/// Reads a file of whatever kind, and says what is wrong with it. A private key's bytes stay in
/// it: only its kind and its public half are told.
#[must_use]
pub fn judge(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Judgement {
    if kit_judgement::is_kit(bytes) {
        return kit_judgement::judge(bytes, file, now);
    }
    let labels: Vec<PemLabel> = PemBlock::all_of(bytes).into_iter().map(|block| block.label).collect();
    let has = |part: &str| labels.iter().any(|label| label.as_str().contains(part));
    if has("CERTIFICATE REQUEST") {
        return judge_request(bytes, file);
    }
    if has("CERTIFICATE") {
        return judge_certificates(bytes, file, now);
    }
    if has("PRIVATE KEY") || LostNewlines::read(bytes).is_some() {
        return judge_key(bytes, file);
    }
    if labels.is_empty()
        && file.path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
    {
        return judge_yaml(bytes, file);
    }
    if labels.is_empty() && file.path.extension().is_some_and(|extension| extension == "toml") {
        return judge_toml(bytes, file);
    }
    let found = match (bytes.is_empty(), labels.first()) {
        (true, _) => message!("an empty file"),
        (false, Some(label)) => label.message(),
        (false, None) => message!("something else"),
    };
    let finding = Finding::new(Rule::UnreadableFile, Severity::Error, file.path.display())
        .expected("certificates, a key or a request in PEM, a kit, a receipt, a .yml or a .toml file")
        .found(found);
    Judgement {
        kind: Kind::Unknown,
        facts: Vec::new(),
        findings: vec![finding],
        contents: Contents::default(),
    }
}

/// What a certificate says, line by line.
#[must_use]
pub fn facts_of(certificate: &Certificate) -> Vec<(&'static str, Message)> {
    let validity = certificate.validity();
    let mut facts = vec![
        ("subject", certificate.subject().message()),
        ("issuer", certificate.issuer().message()),
        ("serial", certificate.serial().message()),
        ("valid", message!("{} until {}", validity.not_before, validity.not_after)),
        ("key", certificate.public_key().kind().message()),
    ];
    let list = |items: Message| if items.is_empty() { message!("none") } else { items };
    if certificate.is_authority() {
        facts.push(("usage", message!("certificate authority")));
    } else {
        facts.push(("names", list(Message::join(certificate.names().unwrap_or_default(), ", "))));
        let usages = certificate.extended_key_usages().unwrap_or_default();
        facts.push(("usage", list(Message::join(usages, ", "))));
    }
    facts.push(("SHA-256", certificate.fingerprint().message()));
    facts
}

fn judge_certificates(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Judgement {
    let bundle = match TrustBundle::from_pem(bytes, file.path) {
        Ok(bundle) => bundle,
        Err(failure) => {
            let finding = Finding::new(Rule::UnreadableFile, Severity::Error, file.path.display())
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            return Judgement {
                kind: Kind::Bundle,
                facts: Vec::new(),
                findings: vec![finding],
                contents: Contents::default(),
            };
        }
    };
    let certificates = bundle.certificates();
    let is_bundle = certificates.first().is_some_and(Certificate::is_authority);
    let mut findings = judge::certificate_file(&bundle, now);
    if !is_bundle {
        findings.extend(dropped(&bundle, file));
    }
    let kind = if is_bundle { Kind::Bundle } else { Kind::Certificate };
    let facts = certificates.iter().flat_map(facts_of).collect();
    let contents = Contents { certificates: certificates.to_vec(), ..Contents::default() };
    Judgement { kind, facts, findings, contents }
}

/// Blocks of a certificate file that no peer would load.
fn dropped(bundle: &TrustBundle, file: &FileFacts<'_>) -> Vec<Finding> {
    let finding = |block: &crate::pki::DroppedBlock| {
        let (rule, severity) = if block.label.is_private_key() {
            (Rule::KeyInBundle, Severity::Critical)
        } else {
            (Rule::BundleBlockDropped, Severity::Error)
        };
        Finding::new(rule, severity, file.path.display()).expected("certificates alone").found(message!(
            "{} in line {} that {}",
            block.label,
            block.line,
            block.why
        ))
    };
    bundle.dropped().iter().map(finding).collect()
}

fn judge_key(bytes: &[u8], file: &FileFacts<'_>) -> Judgement {
    let subject = file.path;
    let mut findings: Vec<Finding> =
        file.mode.and_then(|mode| judge::key_mode(subject, mode)).into_iter().collect();
    let mut contents = Contents::default();
    let facts = match PrivateKey::from_damaged_pem(bytes, subject) {
        Ok((key, lost)) => {
            findings.extend(lost.map(|lost| judge::lost_newlines(lost, subject)));
            contents.key = Some(key.public_key().clone());
            if key.encoding() != KeyEncoding::Pkcs8 {
                findings.push(
                    Finding::new(Rule::KeyFormat, Severity::Info, subject)
                        .expected("PKCS#8, which every tool reads")
                        .found("an older form, which daemons and clients read too"),
                );
            }
            let public = key.public_key();
            vec![
                ("key", public.kind().message()),
                ("SHA-256 of the public key", public.fingerprint().message()),
            ]
        }
        Err(failure) => {
            findings.push(
                Finding::new(Rule::KeyFormat, Severity::Error, subject)
                    .expected(failure.what_was_expected())
                    .found(failure.what_was_found()),
            );
            Vec::new()
        }
    };
    Judgement { kind: Kind::Key, facts, findings, contents }
}

fn judge_request(bytes: &[u8], file: &FileFacts<'_>) -> Judgement {
    let subject = file.path;
    match CertificateRequest::from_pem(bytes, subject) {
        Ok(request) => {
            let mut facts = vec![
                ("subject", request.subject().message()),
                ("key", request.public_key().kind().message()),
                ("SHA-256 of the public key", request.fingerprint().message()),
                ("in words", request.fingerprint().words()),
            ];
            facts.extend(request.requested().iter().map(|asked| ("asks for", asked.clone())));
            Judgement { kind: Kind::Request, facts, findings: Vec::new(), contents: Contents::default() }
        }
        Err(failure) => {
            let finding = Finding::new(Rule::RequestSignature, Severity::Error, subject)
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            Judgement {
                kind: Kind::Request,
                facts: Vec::new(),
                findings: vec![finding],
                contents: Contents::default(),
            }
        }
    }
}

/// buildkitd's config. No value of it is repeated but those that say who gets in.
fn judge_toml(bytes: &[u8], file: &FileFacts<'_>) -> Judgement {
    let config = match DaemonConfig::parse(bytes, file.path) {
        Ok(config) => config,
        Err(failure) => {
            let finding = Finding::new(Rule::ConfigBroken, Severity::Error, file.path.display())
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            let contents = Contents::default();
            return Judgement {
                kind: Kind::DaemonConfig,
                facts: Vec::new(),
                findings: vec![finding],
                contents,
            };
        }
    };
    let mut facts: Vec<_> =
        config.addresses.iter().map(|address| ("address", Line(address).message())).collect();
    facts.extend(config.files.iter().map(|(kind, path)| (kind.file_name(), Path::new(path).message())));
    let names = config.absolute_files().into_iter().map(|(_, path)| path).collect();
    let contents = Contents { names, ..Contents::default() };
    Judgement { kind: Kind::DaemonConfig, facts, findings: config.findings(file.path), contents }
}

/// kitcert.yaml by its name; any other YAML is taken for a client's config. No value of it is
/// repeated but those of the keys that are ours: the others may be passwords.
fn judge_yaml(bytes: &[u8], file: &FileFacts<'_>) -> Judgement {
    let broken = |kind: Kind, failure: &crate::model::Failure| {
        let finding = Finding::new(Rule::ConfigBroken, Severity::Error, file.path.display())
            .expected(failure.what_was_expected())
            .found(failure.what_was_found());
        Judgement { kind, facts: Vec::new(), findings: vec![finding], contents: Contents::default() }
    };
    if file.path.file_name().is_some_and(|name| name == "kitcert.yaml") {
        return match Inventory::parse(bytes, file.path) {
            Err(failure) => broken(Kind::Inventory, &failure),
            Ok(inventory) => {
                let facts = vec![
                    ("daemons", inventory.daemons.len().message()),
                    ("clients", inventory.clients.len().message()),
                ];
                Judgement {
                    kind: Kind::Inventory,
                    facts,
                    findings: Vec::new(),
                    contents: Contents::default(),
                }
            }
        };
    }
    match ClientConfig::parse(bytes, file.path) {
        Err(failure) => broken(Kind::ClientConfig, &failure),
        Ok(config) => {
            let host = config.buildkit_host.as_deref().map_or(message!("none"), |host| {
                match host.parse::<Endpoint>() {
                    Ok(endpoint) => endpoint.message(),
                    Err(_) => Line(host).message(),
                }
            });
            let facts = vec![("buildkit_host", host)];
            let named = TlsPath::OF_CLIENT.into_iter().filter_map(|path| config.written(path));
            let names = named.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
            let contents = Contents { names, ..Contents::default() };
            Judgement { kind: Kind::ClientConfig, facts, findings: config.findings(file.path), contents }
        }
    }
}
