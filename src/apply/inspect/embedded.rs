//! Credentials within YAML or JSON: a Kubernetes Secret, a compose file. Each is opened and judged as the
//! file that it becomes.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::document::{Contents, FileFacts, Inspected};
use super::together::compare;
use crate::layout::{ManifestKind, ManifestText, manifest_texts};
use crate::message;
use crate::model::{Finding, Rule, Severity, Timestamp, Word};
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
    let texts = manifest_texts(bytes)?;
    let carried: Vec<_> = texts.iter().filter_map(|text| Some((text, credentials_in(text)?))).collect();
    let (first, _) = carried.first()?;
    let mut inspected = Inspected::of(first.kind.as_str(), Vec::new(), Vec::new());
    let mut parts: Vec<(usize, PathBuf, Inspected)> = Vec::new();
    for (text, pem) in &carried {
        let path = PathBuf::from(format!("{}#{}", file.path.display(), text.name));
        let part = judge(pem, &FileFacts { path: &path, mode: None }, now);
        inspected.facts.push(("holds", message!("{} in {}", part.kind, Word(&text.name))));
        inspected.facts.extend(part.facts.iter().cloned());
        if PemBlock::all_of(pem).iter().any(|block| block.label.is_private_key()) {
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
        inspected.findings.extend(own.into_iter().flat_map(|(_, part)| part.findings));
        inspected.findings.extend(together);
    }
    Some(inspected.holding(Contents::default()))
}

/// The PEM that a text is, or becomes where it is used; None for another text.
fn credentials_in(text: &ManifestText) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = text.text.as_bytes();
    let begin = bytes.windows(BEGIN.len()).position(|part| part == BEGIN);
    // `KEY=-----BEGIN …` is how a variable is written.
    let bytes = match begin {
        Some(at) => bytes.get(at..)?,
        None => bytes,
    };
    match (WrongForm::mend(bytes), text.kind) {
        // What stands in base64 there is decoded before it is mounted; only once.
        (Some((pem, WrongForm::Base64)), ManifestKind::Secret) => Some(pem),
        (Some((pem, _)), _) => Some(pem),
        (None, _) => {
            let is_known = |block: &PemBlock| !matches!(block.label, PemLabel::Unknown(_));
            let has_blocks = PemBlock::all_of(bytes).iter().any(is_known);
            has_blocks.then(|| Zeroizing::new(bytes.to_vec()))
        }
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
