//! Credentials within YAML or JSON: a Kubernetes Secret, a compose file. Each is opened and judged as the
//! file that it becomes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::document::{Contents, FileFacts, Inspected};
use super::together::compare;
use crate::layout::{Manifest, ManifestKind, ManifestText, manifest_of};
use crate::message;
use crate::model::{Finding, Message, Rule, Severity, Timestamp, Word};
use crate::pki::{PemBlock, PemLabel, WrongForm, judge as judges};

/// What judges a file.
type Judge = fn(&[u8], &FileFacts<'_>, Timestamp) -> Inspected;

/// What is carried by a file that is neither a certificate nor a key itself; None where it carries
/// neither.
pub(super) fn judge_embedded(
    bytes: &[u8],
    file: &FileFacts<'_>,
    now: Timestamp,
    judge: Judge,
) -> Option<Inspected> {
    let Manifest { texts, faults } = manifest_of(bytes)?;
    let objects: BTreeSet<usize> =
        texts.iter().filter(|text| credentials_in(text).is_some()).map(|text| text.object).collect();
    let carried =
        |text| credentials_in(text).or_else(|| objects.contains(&text.object).then(|| misnamed(text))?);
    let carried: Vec<_> = texts.iter().filter_map(|text| Some((text, carried(text)?))).collect();
    let (first, _) = carried.first()?;
    let mut inspected = Inspected::of(first.kind.as_str(), Vec::new(), Vec::new());
    let refused = faults.into_iter().filter(|(object, _)| objects.contains(object));
    inspected.findings.extend(refused.map(|(_, fault)| refused_secret(fault, file.path)));
    let mut parts: Vec<(usize, PathBuf, Inspected)> = Vec::new();
    for (text, (pem, fault)) in &carried {
        let path = PathBuf::from(format!("{}#{}", file.path.display(), text.name));
        let mut part = judge(pem, &FileFacts { path: &path, mode: None }, now);
        without_commands(&mut part, &path);
        inspected.findings.extend(fault.clone());
        inspected.findings.extend(called_otherwise(text, &part, &path));
        inspected.facts.push(("holds", message!("{} in {}", part.kind, Word(&text.name))));
        inspected.facts.extend(part.facts.iter().cloned());
        if part.contents.key.is_some()
            || PemBlock::all_of(pem).iter().any(|block| block.label.is_private_key())
        {
            inspected.findings.extend(file.mode.and_then(|mode| judges::key_mode(file.path.display(), mode)));
            inspected.findings.extend(out_of_place(text, file));
        }
        parts.push((text.object, path, part));
    }
    inspected.findings.dedup();
    let objects: Vec<usize> = parts.iter().map(|(object, ..)| *object).collect();
    for object in 0..=objects.into_iter().max().unwrap_or_default() {
        let (own, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(one, ..)| *one == object);
        parts = rest;
        let own: Vec<(PathBuf, Inspected)> = own.into_iter().map(|(_, path, part)| (path, part)).collect();
        let together = compare(&own, now);
        inspected.findings.extend(of_another_key(&own).filter(|_| !has_error(&together)));
        inspected.findings.extend(own.into_iter().flat_map(|(_, part)| part.findings));
        inspected.findings.extend(together);
    }
    Some(inspected.holding(Contents::default()))
}

/// The file that a text is, or becomes where it is used, with what is wrong with how it is written; None for
/// another text.
pub(in crate::apply) fn credentials_in(text: &ManifestText) -> Option<(Zeroizing<Vec<u8>>, Option<Finding>)> {
    let bytes = text.text.as_bytes();
    let is_file = |bytes: &[u8]| has_blocks(bytes) || WrongForm::of(bytes).is_some();
    match text.kind {
        // What stands in base64 there is decoded before it is mounted; only once.
        ManifestKind::Secret if text.is_coded => match WrongForm::from_base64(bytes) {
            Some(file) => is_file(&file).then_some((file, None)),
            None if is_file(bytes) => Some((Zeroizing::new(bytes.to_vec()), Some(not_coded(text)))),
            None => None,
        },
        ManifestKind::Secret => is_file(bytes).then(|| (Zeroizing::new(bytes.to_vec()), None)),
        _ => {
            // `KEY=-----BEGIN …` is how a variable is written, and who reads it may know what a `\n` is.
            let begin = bytes.windows(BEGIN.len()).position(|part| part == BEGIN);
            let bytes = begin.map_or(bytes, |at| bytes.get(at..).unwrap_or_default());
            match WrongForm::fix(bytes) {
                Some((pem, _)) => Some((pem, None)),
                None => has_blocks(bytes).then(|| (Zeroizing::new(bytes.to_vec()), None)),
            }
        }
    }
}

/// The file of a Secret with credentials that is called as one, and holds none.
fn misnamed(text: &ManifestText) -> Option<(Zeroizing<Vec<u8>>, Option<Finding>)> {
    let extension = Path::new(&text.name).extension().and_then(|extension| extension.to_str());
    let is_called_so = extension.is_some_and(|extension| OF_CREDENTIALS.contains(&extension));
    (text.kind == ManifestKind::Secret && is_called_so).then_some(())?;
    let bytes = text.text.as_bytes();
    match (text.is_coded, WrongForm::from_base64(bytes)) {
        (true, Some(file)) => Some((file, None)),
        (true, None) => Some((Zeroizing::new(bytes.to_vec()), Some(not_coded(text)))),
        (false, _) => Some((Zeroizing::new(bytes.to_vec()), None)),
    }
}

/// A pair as Kubernetes calls its files, whose key is not that of the first certificate.
fn of_another_key(parts: &[(PathBuf, Inspected)]) -> Option<Finding> {
    let part = |names: [&str; 2]| {
        parts.iter().find(|(path, _)| {
            let name = path.to_string_lossy();
            names.iter().any(|one| name.ends_with(&format!("#{one}")))
        })
    };
    let (_, certificate) = part(["tls.crt", "cert.pem"])?;
    let (path, key) = part(["tls.key", "key.pem"])?;
    let first = certificate.contents.certificates.first()?;
    (key.contents.key.as_ref()? != first.public_key()).then(|| {
        Finding::new(Rule::KeyMismatch, Severity::Error, path)
            .expected("the key of the first certificate")
            .found("another's")
            .cause("no daemon and no client starts with the two")
    })
}

fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity >= Severity::Error)
}

/// What a file of a Secret is not that its name says: whoever mounts it reads it as that.
fn called_otherwise(text: &ManifestText, part: &Inspected, path: &Path) -> Option<Finding> {
    let (stem, extension) = text.name.rsplit_once('.')?;
    let is_key = extension == "key" || extension == "pem" && stem.ends_with("key");
    let is_certificate =
        ["crt", "cert"].contains(&extension) || extension == "pem" && ["ca", "cert"].contains(&stem);
    let expected = match () {
        () if is_key && part.contents.key.is_none() => "a private key, as its name says",
        () if is_certificate && part.contents.certificates.is_empty() => "certificates, as its name says",
        () => return None,
    };
    let is_told = part.findings.iter().any(|finding| finding.severity >= Severity::Warning);
    (text.kind == ManifestKind::Secret && !is_told).then(|| {
        Finding::new(Rule::UnreadableFile, Severity::Error, path)
            .expected(expected)
            .found(&part.kind)
            .cause("whoever mounts the Secret reads it as that")
    })
}

fn has_blocks(bytes: &[u8]) -> bool {
    PemBlock::all_of(bytes).iter().any(|block| !matches!(block.label, PemLabel::Unknown(_)))
}

/// `data` of a Secret that is no base64.
fn not_coded(text: &ManifestText) -> Finding {
    Finding::new(Rule::WrongForm, Severity::Error, Word(&text.name))
        .expected("base64 in data of a Secret")
        .found("something else")
        .cause("Kubernetes refuses the whole Secret")
        .fix("write it under stringData, which is plain text")
}

/// A Secret that is never mounted.
fn refused_secret(fault: Message, path: &Path) -> Finding {
    Finding::new(Rule::WrongForm, Severity::Error, path.display())
        .expected("a Secret with its files under data, in base64, or under stringData")
        .found(fault)
        .cause("Kubernetes refuses the whole Secret")
        .fix("correct it, and apply it again")
}

/// A part has no file of its own that a command could fix.
fn without_commands(part: &mut Inspected, path: &Path) {
    let name = path.display().to_string();
    for finding in
        part.findings.iter_mut().filter(|one| one.fix.as_ref().is_some_and(|fix| fix.contains(&name)))
    {
        finding.set_fix("fix the file that this was made from, and make it again");
    }
}

/// A key that stands where many look who should not have it.
fn out_of_place(text: &ManifestText, file: &FileFacts<'_>) -> Option<Finding> {
    (text.kind != ManifestKind::Secret).then(|| {
        Finding::new(Rule::KeyInConfig, Severity::Warning, file.path.display())
            .expected("a private key in a file of its own, or in a Secret")
            .found(message!("one in {}, a {}", Word(&text.name), text.kind.as_str()))
            .cause("such files are shared, logged and committed, and whoever reads one has the key")
            .fix("issue the client another key, since others may have this one")
    })
}

const BEGIN: &[u8] = b"-----BEGIN ";
/// How files of credentials end.
const OF_CREDENTIALS: [&str; 4] = ["pem", "crt", "cert", "key"];
