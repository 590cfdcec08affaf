//! `inspect`: one file or endpoint, read and judged.
//!
//! ```text
//! pem_files   certificates, a key, a request
//! kit         a kit, before somebody joins it
//! configs     configs, and kitcert.yaml
//! embedded    credentials within YAML or JSON: a Kubernetes Secret, a compose file
//! records     what kitcert itself remembers: the log and its records
//! called      what files are called, and whether each holds that
//! together    several files: which key is whose, and who has what others have too
//! document    what was seen
//! ```

mod called;
mod configs;
mod document;
mod embedded;
mod kit;
mod pem_files;
mod records;
mod together;

pub(crate) use document::Inspected;
pub(crate) use together::{compare, files_at, left_out};

use std::path::Path;
use std::time::Duration;

use self::configs::{judge_toml, judge_yaml};
use self::document::FileFacts;
pub(super) use self::embedded::credentials_in;
use self::embedded::judge_embedded;
use self::pem_files::{facts_of, judge_certificates, judge_key, judge_request};
use super::invocation::Invocation;
use crate::env::Environment;
use crate::layout::GroupName;
use crate::layout::state_paths::AUTHORITIES;
use crate::message;
use crate::model::profile::{LARGEST_BUNDLE_FILE, LARGEST_PEM};
use crate::model::{
    Endpoint, Failure, Finding, HexDigits, Message, Printable, Quoted, Rule, Severity, Timestamp,
};
use crate::pki::{Certificate, ForeignKey, Kit, PemBlock, PemLabel, Receipt, TrustBundle, WrongForm, judge};
use crate::probe::{self, Asked, Dialed, Extent};
use crate::store::{
    Interest, KeyReaders, Observation, lies_in, read, read_if_present, read_standard_input, this_user,
    writable_by_others,
};

/// Reads and judges a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn inspect_file(invocation: &Invocation<'_>, path: &Path) -> Result<Inspected, Failure> {
    let file = read(path, LARGEST_INSPECTED)?;
    if let Some(receipt) = receipt_in(&file.bytes) {
        return inspect_receipt(invocation, &receipt);
    }
    let is_shared = file.mode & GROUP != 0 && readers_of(invocation, path).are_all_of(file.mode, file.group);
    let facts = FileFacts { path, mode: Some(if is_shared { file.mode & !GROUP } else { file.mode }) };
    let mut inspected = inspect_bytes(&file.bytes, &facts, invocation.environment.now());
    inspected.owner = Some(file.owner);
    if inspected.contents.key.is_some() {
        inspected.findings.extend(judge::key_owner(path.display(), file.owner, this_user()));
    }
    if inspected.decides_who_gets_in() {
        inspected.findings.extend(written_by_others(path));
    }
    let named = inspected.contents.names.iter().filter_map(|name| unusable(path, name));
    inspected.findings.extend(named.collect::<Vec<_>>());
    Ok(inspected)
}

/// What is to be said of a file that others than its owner can write, or replace.
pub(in crate::apply) fn written_by_others(file: &Path) -> Option<Finding> {
    let found = writable_by_others(file)?;
    Some(judge::written_by_others(
        file.display(),
        (found.path.display(), found.mode),
        (found.by_everybody, found.is_file),
    ))
}

/// The group that kitcert.yaml lets read a key at that path; nobody where it names none, or cannot be read.
fn readers_of(invocation: &Invocation<'_>, path: &Path) -> KeyReaders {
    let named = || {
        let directory = invocation.open().ok()??;
        let (_, Observation { inventory, .. }) = invocation.observe(&Interest::Inventory).ok()?;
        let is_in = |folder: &Path| lies_in(path, folder);
        if is_in(&directory.path().join(AUTHORITIES)) {
            return inventory.authority.key_group;
        }
        let installs = inventory.daemons.into_values().filter_map(|daemon| daemon.install);
        installs
            .into_iter()
            .find(|install| is_in(&install.root.join(install.layout.folder())))
            .and_then(|install| install.key_group)
    };
    KeyReaders::named(named().as_ref().map(GroupName::as_str)).unwrap_or_default()
}

/// Reads and judges standard input.
///
/// # Errors
/// It cannot be read.
pub(crate) fn inspect_standard_input(invocation: &Invocation<'_>) -> Result<Inspected, Failure> {
    let bytes = read_standard_input(LARGEST_INSPECTED)?;
    if let Some(receipt) = receipt_in(&bytes) {
        return inspect_receipt(invocation, &receipt);
    }
    let facts = FileFacts { path: Path::new("-"), mode: None };
    Ok(inspect_bytes(&bytes, &facts, invocation.environment.now()))
}

/// Why a file that a config names cannot be read there. A container mounts a folder for a file that
/// is not there, so that this is said too.
fn unusable(config: &Path, named: &Path) -> Option<Finding> {
    let (severity, failure) = match read_if_present(named, LARGEST_BUNDLE_FILE) {
        Ok(Some(_)) => return None,
        // The config may be that of another machine.
        Ok(None) => (Severity::Warning, Failure::new("reading", named.display()).found("nothing")),
        Err(failure) => (Severity::Error, failure),
    };
    Some(
        Finding::new(Rule::ConfigPath, severity, config.display())
            .expected(message!("a file at {}", named.display()))
            .found(failure.what_was_found())
            .cause("the daemon or the tool that reads this config does not start with it, if it runs here")
            .fix(message!("ls -l {}", Quoted(named))),
    )
}

/// What is wrong with the bytes of a file of whatever kind, as `inspect` says it of one without a mode.
#[must_use]
pub fn judged_bytes(bytes: &[u8], path: &Path, now: Timestamp) -> Vec<Finding> {
    inspect_bytes(bytes, &FileFacts { path, mode: None }, now).findings
}

/// Reads a file of whatever kind, and says what is wrong with it. A private key's bytes stay in
/// it: only its kind and its public half are told.
fn inspect_bytes(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Inspected {
    if Kit::is_claimed_by(bytes) {
        return kit::judge_kit(bytes, file, now);
    }
    let is_known = |block: &PemBlock| !matches!(block.label, PemLabel::Unknown(_));
    let has_blocks = PemBlock::all_of(bytes).iter().any(is_known);
    if !has_blocks && let Some(inspected) = judge_embedded(bytes, file, now, inspect_bytes) {
        return inspected;
    }
    let extension = file.path.extension().and_then(|extension| extension.to_str());
    // A text in it that is PEM makes no PEM file of a config; and PEM is no TOML.
    if extension == Some("toml") && toml::from_slice::<toml::Table>(bytes).is_ok() {
        return with_key_within(judge_toml(bytes, file), bytes, file);
    }
    if let Some((pem, form)) = WrongForm::fix(bytes) {
        let mut inspected = inspect_bytes(&pem, file, now);
        inspected.findings.push(judge::wrong_form(form, file.path));
        return inspected;
    }
    let labels: Vec<PemLabel> = PemBlock::all_of(bytes).into_iter().map(|block| block.label).collect();
    let is_request = |label: &&PemLabel| label.as_str().contains("CERTIFICATE REQUEST");
    let is_certificate = |label: &PemLabel| {
        label.as_str().contains("CERTIFICATE") && *label != "TRUSTED CERTIFICATE" && !is_request(&label)
    };
    let has_certificate = labels.iter().any(is_certificate);
    let has_own_key = labels.iter().any(|label| label.is_private_key());
    // Beside a certificate or a key a request is of no consequence.
    if labels.iter().any(|label| is_request(&label)) && !has_certificate && !has_own_key {
        return judge_request(bytes, file);
    }
    let by_go_alone = judge::read_by_go_alone(bytes, file.path);
    let as_pem = |mut inspected: Inspected| {
        inspected.findings.extend(by_go_alone.clone());
        inspected
    };
    if has_certificate {
        return as_pem(judge_certificates(bytes, file, now));
    }
    if has_own_key {
        return as_pem(judge_key(bytes, file));
    }
    match extension.filter(|_| labels.is_empty()) {
        Some("yml" | "yaml") => return with_key_within(judge_yaml(bytes, file), bytes, file),
        Some("toml") => return with_key_within(judge_toml(bytes, file), bytes, file),
        _ => {}
    }
    if let Some(record) = records::judge_record(bytes, file).filter(|_| labels.is_empty()) {
        return record;
    }
    if let Some(form) = WrongForm::of(bytes) {
        let mode = file.mode.filter(|_| form.may_hold_key());
        let mode = mode.and_then(|mode| judge::key_mode(file.path.display(), mode));
        let findings = std::iter::once(judge::wrong_form(form, file.path)).chain(mode);
        return Inspected::of("unknown", Vec::new(), findings.collect());
    }
    if let Some(key) = ForeignKey::of(bytes) {
        let mode = file.mode.and_then(|mode| judge::key_mode(file.path.display(), mode));
        let findings = std::iter::once(judge::foreign_key(key, file.path)).chain(mode);
        return Inspected::of("private key", Vec::new(), findings.collect());
    }
    if has_key(bytes) {
        return with_key_within(Inspected::of("unknown", Vec::new(), Vec::new()), bytes, file);
    }
    let found = match (bytes.is_empty(), labels.first()) {
        (true, _) => message!("an empty file"),
        (false, Some(label)) => label.message(),
        (false, None) => message!("something else"),
    };
    let finding = Finding::new(Rule::UnreadableFile, Severity::Error, file.path.display())
        .expected("certificates, a key or a request in PEM, a kit, a receipt, a .yml or a .toml file")
        .found(found);
    Inspected::of("unknown", Vec::new(), vec![finding])
}

fn has_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY_WORDS.len()).any(|part| part == KEY_WORDS)
}

/// The same with what is to be said of a key within: whatever surrounds it, whoever reads the file has it.
fn with_key_within(mut inspected: Inspected, bytes: &[u8], file: &FileFacts<'_>) -> Inspected {
    if has_key(bytes) {
        inspected.findings.extend(file.mode.and_then(|mode| judge::key_mode(file.path.display(), mode)));
        inspected.findings.push(
            Finding::new(Rule::KeyInConfig, Severity::Error, file.path.display())
                .expected("a private key in a file of its own")
                .found("one in something else")
                .cause("no daemon and no client reads a key from it, and whoever reads the file has it"),
        );
    }
    inspected
}

fn receipt_in(bytes: &[u8]) -> Option<Receipt> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Checks a receipt against the certificate of this state that it is for.
///
/// # Errors
/// No state to look in, and one that cannot be read.
pub(crate) fn inspect_receipt(invocation: &Invocation<'_>, receipt: &Receipt) -> Result<Inspected, Failure> {
    let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
    let place = Path::new("issued").join(format!("{}.pem", receipt.serial()));
    let subject = directory.path().join(&place);
    let certificate = match directory.read(&place, LARGEST_PEM)? {
        Some(file) => Certificate::chain_from_pem(&file.bytes, &subject)?.into_iter().next(),
        None => None,
    };
    let finding =
        Finding::new(Rule::ReceiptSignature, Severity::Error, message!("client {}", receipt.name()));
    let finding = match &certificate {
        None => Some(finding.expected(subject).found("no such certificate of this state")),
        Some(certificate) if !receipt.is_for(certificate) => Some(
            finding.expected("a signature by the key of that certificate").found("one that does not hold"),
        ),
        Some(_) => None,
    };
    let mut facts = vec![("client", receipt.name().message())];
    facts.push(("serial", HexDigits(receipt.serial()).message()));
    if finding.is_none() {
        facts.push(("says", message!("{} has this certificate and its key", receipt.name())));
    }
    Ok(Inspected::of("receipt", facts, finding.into_iter().collect()))
}

/// Dials an endpoint without a certificate, and judges what it serves.
///
/// # Errors
/// None: whatever is wrong is a finding.
pub(crate) fn inspect_endpoint(environment: &Environment, endpoint: &Endpoint) -> Result<Inspected, Failure> {
    let trust = TrustBundle::default();
    let request = probe::Request {
        extent: Extent::Glance,
        ..probe::Request::new(endpoint, &trust, DEADLINE, environment.now())
    };
    let observed = probe::probe(&request);
    let Some(handshake) = observed.handshake() else {
        let finding = Finding::new(Rule::NotTls, Severity::Error, endpoint)
            .expected("a TLS server")
            .found(observed.first().map_or_else(|| message!("no answer"), Dialed::message));
        return Ok(Inspected::of("endpoint", Vec::new(), vec![finding]));
    };
    let mut facts = Vec::new();
    let mut findings = Vec::new();
    if let Some(agreed) = &handshake.agreed {
        facts.push(("protocol", agreed.version.message()));
        facts.push(("ALPN", agreed.protocol.clone().unwrap_or_else(|| message!("none"))));
    }
    facts.push((
        "asks for",
        match &handshake.asked {
            Asked::Nothing => message!("no client certificate"),
            Asked::For(names) if names.is_empty() => message!("a client certificate of any CA"),
            Asked::For(names) => {
                message!("a client certificate of {}", Message::join(names, ", "))
            }
        },
    ));
    if handshake.asked == Asked::Nothing {
        findings.push(
            Finding::new(Rule::AsksNobody, Severity::Critical, endpoint)
                .expected("a request for a client certificate")
                .found("none: anyone may come in"),
        );
    }
    let chain =
        handshake.chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    facts.extend(chain.iter().flat_map(facts_of));
    findings.extend(judge::served_certificates(&chain, environment.now()));
    Ok(Inspected::of("endpoint", facts, findings))
}

const GROUP: u32 = 0o070;
const KEY_WORDS: &[u8] = b" PRIVATE KEY-----";
const DEADLINE: Duration = Duration::from_secs(5);

/// Configs and kitcert.yaml are inspected too.
const LARGEST_INSPECTED: usize = 16 * 1024 * 1024;
