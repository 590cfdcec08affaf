//! Files of other programs that hold a private key as no daemon and no client of ours reads it. They are known by how
//! they begin; nothing of them is read.

use std::fmt;

use crate::message;
use crate::model::{Message, Printable, Quoted};

/// What holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKey {
    /// What `openssl pkey -text` prints: every number of the key.
    Printed,
    /// A key as JSON has it (RFC 7517).
    Jwk,
    /// PuTTY's own form.
    Putty,
    /// A key of age.
    Age,
    /// A key of OpenPGP.
    Pgp,
    /// A Java key store of the older form.
    JavaKeyStore,
}

impl ForeignKey {
    /// Which one a file is; None for another file.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<ForeignKey> {
        let text = file.trim_ascii_start();
        let has = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
        // A member of JSON, with the blanks that may be around its name and its value.
        let has_member = |name: &str| {
            let name = format!("\"{name}\"");
            let mut places =
                file.windows(name.len()).enumerate().filter(|(_, part)| *part == name.as_bytes());
            places.any(|(at, _)| file[at + name.len()..].trim_ascii_start().starts_with(b":"))
        };
        match text {
            _ if file.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) => Some(ForeignKey::JavaKeyStore),
            _ if text.starts_with(b"PuTTY-User-Key-File-") => Some(ForeignKey::Putty),
            _ if has(b"AGE-SECRET-KEY-1") => Some(ForeignKey::Age),
            _ if has(b"-----BEGIN PGP PRIVATE KEY BLOCK-----") => Some(ForeignKey::Pgp),
            _ if has(b"priv:\n") || has(b"privateExponent:") => Some(ForeignKey::Printed),
            [b'{' | b'[', ..] if has_member("kty") && has_member("d") => Some(ForeignKey::Jwk),
            _ => None,
        }
    }

    /// What helps.
    #[must_use]
    pub fn fix(self, file: impl Printable) -> Message {
        let file = Quoted(file.message());
        match self {
            ForeignKey::JavaKeyStore => message!(
                "keytool -importkeystore -srckeystore {} -destkeystore {}.p12 -deststoretype PKCS12 && {kitcert} \
                 inspect {}.p12",
                file,
                file,
                file
            ),
            ForeignKey::Putty => message!(
                "(umask 077; puttygen {} -O private-openssh -o {}.pem) && {kitcert} inspect {}.pem",
                file,
                file,
                file
            ),
            ForeignKey::Printed | ForeignKey::Jwk => {
                message!("use the PEM file that it was made from, and delete this one")
            }
            ForeignKey::Age | ForeignKey::Pgp => {
                message!("keep it where its own program reads it: it is for no TLS")
            }
        }
    }
}

impl fmt::Display for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForeignKey::Printed => "a key that openssl has printed",
            ForeignKey::Jwk => "a key in JSON (JWK)",
            ForeignKey::Putty => "a key in PuTTY's own form",
            ForeignKey::Age => "a key of age",
            ForeignKey::Pgp => "a key of OpenPGP",
            ForeignKey::JavaKeyStore => "a Java key store (JKS)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_key_is_known_by_how_it_begins_and_nothing_else_is() {
        for (kind, file) in [
            (ForeignKey::Printed, &b"Private-Key: (256 bit)\npriv:\n    00:11\npub:\n"[..]),
            (ForeignKey::Printed, b"Private-Key: (2048 bit, 2 primes)\nprivateExponent:\n    00\n"),
            (ForeignKey::Jwk, b"{\"kty\":\"EC\", \"d\" : \"AA\"}"),
            (ForeignKey::Jwk, b" {\"keys\":[{\"kty\":\"OKP\",\"d\":\"AA\"}]}"),
            (ForeignKey::Putty, b"PuTTY-User-Key-File-3: ssh-ed25519\n"),
            (ForeignKey::Age, b"# created: 2026\nAGE-SECRET-KEY-1QQ\n"),
            (ForeignKey::Pgp, b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAA\n"),
            (ForeignKey::JavaKeyStore, &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]),
        ] {
            assert_eq!(ForeignKey::of(file), Some(kind));
        }
        for other in [
            &b"{\"kty\":\"EC\",\"x\":\"AA\"}"[..],
            b"{\"d\":1}",
            b"a text with \"kty\" and \"d\": 1",
            b"private: priv",
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
            b"",
        ] {
            assert_eq!(ForeignKey::of(other), None);
        }
    }
}
