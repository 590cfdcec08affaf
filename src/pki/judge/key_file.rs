//! Files of keys: who can read one, and whether anybody can.

use crate::message;
use crate::model::{FileMode, Finding, Printable, Quoted, Rule, Severity};
use crate::pki::form::{ForeignKey, WrongForm};
use crate::pki::key::{FoundKey, KeyEncoding, KeyFile};
use crate::pki::pem::PemBlock;

/// Judges the permission bits of a key file; None for a key that only its owner can read.
///
/// A group that may read is a warning, since root's keys are shared so on purpose where a daemon
/// runs as another user; anything wider gives the key away.
#[must_use]
pub fn key_mode(path: impl Printable, mode: u32) -> Option<Finding> {
    let severity = match (mode & 0o007, mode & 0o070) {
        (0, 0) => return None,
        (0, 0o040) => Severity::Warning,
        _ => Severity::Critical,
    };
    let fix = match severity {
        Severity::Warning => message!(
            "chmod 0600 {}   # or, if the group is meant to read it, name it as key_group in kitcert.yaml",
            Quoted(&path)
        ),
        _ => message!("chmod 0600 {}   # then issue a new key, if others use this machine", Quoted(&path)),
    };
    Some(
        Finding::new(Rule::KeyMode, severity, &path)
            .expected("mode 0600")
            .found(message!("mode {}", FileMode(mode)))
            .cause("anyone who can read this key can act as its owner")
            .fix(fix),
    )
}

/// What is to be said of a file of which others can write something: `place` is the file or a folder on the way to it.
#[must_use]
pub fn written_by_others(
    file: impl Printable,
    (place, mode): (impl Printable, u32),
    (by_everybody, is_file): (bool, bool),
) -> Finding {
    // A folder may be one that a container or a CI system has made for nobody else.
    let severity = if by_everybody && is_file { Severity::Error } else { Severity::Warning };
    Finding::new(Rule::FileMode, severity, &file)
        .expected("a file that only its owner can write or replace")
        .found(message!("mode {} of {}", FileMode(mode), &place))
        .cause("whoever can write it decides who is let in, and whom this trusts")
        .fix(message!("chmod {} {}", if by_everybody { "go-w" } else { "g-w" }, Quoted(place)))
}

/// Judges whose a key file is; None where it is root's or that user's. `owner` and `user` are user
/// ids.
#[must_use]
pub fn key_owner(path: impl Printable, owner: u32, user: u32) -> Option<Finding> {
    (owner != 0 && owner != user).then(|| {
        Finding::new(Rule::KeyOwner, Severity::Warning, &path)
            .expected(message!("a file of root or of user {}", user))
            .found(message!("one of user {}", owner))
            .cause("that user can read and replace it, whatever its mode")
            .fix(message!("chown {} {}   # unless that user is meant to read it", user, Quoted(path)))
    })
}

/// In which form a file is that was read although no consumer reads it.
#[must_use]
pub fn wrong_form(form: WrongForm, path: impl Printable) -> Finding {
    Finding::new(Rule::WrongForm, Severity::Error, &path)
        .expected("PEM, each BEGIN and END a line of its own")
        .found(form)
        .cause("no daemon and no client reads such a file")
        .fix(form.repair(path))
}

/// What is to be said of another program's file that holds a key.
#[must_use]
pub fn foreign_key(key: ForeignKey, path: impl Printable) -> Finding {
    Finding::new(Rule::KeyFormat, Severity::Error, &path)
        .expected("a private key in PEM")
        .found(key)
        .cause("whoever reads the file has the key; no daemon and no client does")
        .fix(key.fix(path))
}

/// What Go passes over and openssl may stop at, or read: blank lines within a block, lines too long for it, blocks that
/// are broken, and certificates under labels of openssl's own. A CERTIFICATE that is broken is a matter of its own.
#[must_use]
pub fn read_by_go_alone(bytes: &[u8], path: impl Printable) -> Option<Finding> {
    let blocks = PemBlock::all_of(bytes);
    let broken = blocks.iter().filter(|block| block.label != "CERTIFICATE").find_map(|block| {
        let why = block.fault()?;
        Some(message!("{} in line {} that {}", block.label, block.line, why))
    });
    let lone_end = || {
        let line = PemBlock::first_lone_end(bytes)?;
        Some(message!("an END in line {} without its BEGIN", line))
    };
    if let Some(found) = broken.or_else(lone_end) {
        // Never the only key that there is.
        let is_whole = |block: &&PemBlock| block.label.is_private_key() && block.contents.is_ok();
        let has_key = blocks.iter().any(|block| block.label.is_private_key());
        let fix = match has_key && !blocks.iter().any(|block| is_whole(&block)) {
            true => message!("copy {} again from where it came: that block may be its key", Quoted(&path)),
            false => message!("delete that block from {}, or copy the file again", Quoted(&path)),
        };
        return Some(
            Finding::new(Rule::WrongForm, Severity::Warning, &path)
                .expected("whole blocks, from BEGIN to END")
                .found(found)
                .cause(
                    "Go ignores what is left of a block; openssl, and programs built on it, may stop there",
                )
                .fix(fix),
        );
    }
    // PEM_read_bio_X509 takes it for a certificate, and the first one is the daemon's or the client's own.
    let is_openssls =
        |block: &&PemBlock| block.label == "X509 CERTIFICATE" || block.label == "TRUSTED CERTIFICATE";
    let has_certificate = blocks.iter().any(|block| block.label == "CERTIFICATE");
    if let Some(block) = blocks.iter().filter(|_| has_certificate).find(is_openssls) {
        return Some(
            Finding::new(Rule::WrongForm, Severity::Warning, &path)
                .expected("CERTIFICATE blocks alone")
                .found(message!("{} in line {}", block.label, block.line))
                .cause("Go ignores it; openssl, and programs built on it, read it as one of the certificates")
                .fix(message!("delete that block from {}", Quoted(path))),
        );
    }
    let is_endless = |line: &[u8]| line.len() > LONGEST_LINE || line.contains(&0);
    if !blocks.is_empty() && bytes.split(|byte| *byte == b'\n').any(is_endless) {
        return Some(
            Finding::new(Rule::WrongForm, Severity::Warning, &path)
                .expected(message!("lines of text, of {} bytes at the most", LONGEST_LINE))
                .found("a longer line, or one that is no text, beside the blocks")
                .cause("Go ignores it; openssl, and programs built on it, may find no block after it")
                .fix(message!("delete the lines before the first block of {}", Quoted(path))),
        );
    }
    let spaced = blocks.into_iter().find(|block| block.is_spaced && block.contents.is_ok())?;
    Some(
        Finding::new(Rule::WrongForm, Severity::Warning, &path)
            .expected("no blank line between BEGIN and END")
            .found(message!("{} in line {} with one", spaced.label, spaced.line))
            .cause("Go ignores blank lines; openssl, and programs built on it, find no block there")
            .fix(message!("sed -i '/^[[:space:]]*$/d' {}", Quoted(path))),
    )
}

/// What is to be said of a key that daemons and clients read.
#[must_use]
pub fn key_file(file: &KeyFile, path: impl Printable) -> Vec<Finding> {
    let mut findings: Vec<_> = file.form.map(|form| wrong_form(form, &path)).into_iter().collect();
    let about = |severity| Finding::new(Rule::KeyFormat, severity, &path);
    if matches!(&file.key, FoundKey::Other(key) if !key.kind.is_read_by_go()) {
        findings.push(
            about(Severity::Error)
                .expected("a key that daemons and clients can sign with")
                .found(message!("{}: Go does not read such a key", file.kind()))
                .cause("no daemon and no client starts with it")
                .fix("issue another key and certificate"),
        );
    } else if let FoundKey::Other(_) = &file.key {
        findings.push(
            about(Severity::Warning)
                .expected("a key that kitcert can sign with: ECDSA on P-256 or P-384, Ed25519, usual RSA")
                .found(message!("{}: kitcert cannot sign with it; daemons and clients can", file.kind()))
                .cause("it cannot be used for dialing here, so it stays not verified"),
        );
    }
    if file.has_other_half {
        findings.push(
            about(Severity::Warning)
                .expected("the parts of a key, its own public half the last")
                .found("another's public half, one that is damaged, or a part that does not belong there")
                .cause("Go passes over that; openssl, and programs built on it, refuse the key")
                .fix("issue another key and certificate"),
        );
    }
    let own = match file.encoding {
        KeyEncoding::Pkcs8 => "PRIVATE KEY",
        KeyEncoding::Sec1 => "EC PRIVATE KEY",
        KeyEncoding::Pkcs1 => "RSA PRIVATE KEY",
    };
    if file.label != own {
        // openssl looks at the label where it is not of the same family.
        let is_read_by_all = matches!(file.label.as_str(), "PRIVATE KEY" | "EC PRIVATE KEY");
        let severity = if is_read_by_all { Severity::Info } else { Severity::Warning };
        findings.push(
            about(severity)
                .expected(message!("{} as its label", own))
                .found(file.label)
                .cause("Go reads the key whatever its label says; other programs may not")
                .fix(message!("openssl pkey -in {} -out {}.repaired", Quoted(&path), Quoted(&path))),
        );
    } else if file.encoding != KeyEncoding::Pkcs8 {
        findings.push(
            about(Severity::Info)
                .expected("PKCS#8, which every tool reads")
                .found("an older form, which daemons and clients read too"),
        );
    }
    findings
}

/// What openssl reads at once (`PEM_read_bio`).
const LONGEST_LINE: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_only_its_owner_reads_is_fine_and_every_other_bit_counts() {
        let severity = |mode| key_mode("key.pem", mode).map(|finding| finding.severity);
        for mode in 0o000..=0o777 {
            let expected = match (mode / 8 % 8, mode % 8) {
                (0, 0) => None,
                (4, 0) => Some(Severity::Warning),
                _ => Some(Severity::Critical),
            };
            assert_eq!(severity(mode), expected, "{mode:04o}");
        }
        let finding = key_mode("key.pem", 0o444).unwrap();
        assert_eq!((finding.subject.as_str(), finding.found.as_str()), ("key.pem", "mode 0444"));
    }

    #[test]
    fn a_key_is_roots_or_its_users() {
        for (owner, user, is_fine) in [(0, 0, true), (0, 7, true), (7, 7, true), (7, 0, false), (7, 8, false)]
        {
            assert_eq!(key_owner("key.pem", owner, user).is_none(), is_fine, "of {owner}, used by {user}");
        }
        assert_eq!(key_owner("key.pem", 7, 8).unwrap().found, "one of user 7");
    }
}
