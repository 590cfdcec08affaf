//! A file that is right, in a form that no consumer reads.

use std::fmt;

use zeroize::Zeroizing;

use super::der_kind::DerKind;
use super::lost_newlines::LostNewlines;
use crate::message;
use crate::model::{Message, Printable, Quoted};
use crate::pki::pem::{PemBlock, PemFault, PemLabel, decode_text, encode_secret};

/// In which form a key or a certificate stands that Go, openssl and what is built on them do not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongForm {
    /// A byte order mark before the first BEGIN.
    ByteOrderMark,
    /// UTF-16, the way of a Windows shell's redirection.
    Utf16 {
        /// Whether the greater byte of each character comes first.
        is_big_endian: bool,
    },
    /// BEGIN and END are indented, and nothing else is in the file.
    Indented,
    /// Indented blocks among something else: a playbook, a template, a program.
    Within,
    /// The newlines are gone, or something else.
    LostNewlines(LostNewlines),
    /// A PEM file in base64, the way of a Kubernetes Secret.
    Base64,
    /// DER, without PEM around it.
    Der(DerKind),
    /// The base64 of DER, without BEGIN and END.
    Bare(DerKind),
    /// PKCS#7 in PEM.
    Pkcs7(Others),
    /// Certificates with openssl's trust settings.
    Trusted(Others),
    /// A key under a passphrase.
    Encrypted(Others),
    /// A key as OpenSSH has it.
    OpenSsh {
        /// Whether ssh-keygen can write it as others have it: of Ed25519 it cannot.
        is_convertible: bool,
    },
}

/// Whether other blocks are in a file, which openssl would leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// None are.
    Absent,
    /// Some are.
    Present,
}

impl WrongForm {
    /// Whether a private key may be in it. What is repaired is judged as what it is then.
    #[must_use]
    pub fn may_hold_key(self) -> bool {
        match self {
            WrongForm::Der(kind) | WrongForm::Bare(kind) => {
                matches!(kind, DerKind::PrivateKey | DerKind::EncryptedKey | DerKind::Pkcs12)
            }
            WrongForm::Encrypted(_) | WrongForm::OpenSsh { .. } => true,
            WrongForm::ByteOrderMark
            | WrongForm::Utf16 { .. }
            | WrongForm::Indented
            | WrongForm::Within
            | WrongForm::LostNewlines(_)
            | WrongForm::Base64
            | WrongForm::Pkcs7(_)
            | WrongForm::Trusted(_) => false,
        }
    }

    /// The form of a file in which no consumer finds what it holds; None for one that they read, and
    /// for one of no form that is known.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<WrongForm> {
        match read(file) {
            Some((form, _)) => Some(form),
            None => {
                let blocks = PemBlock::all_of(file);
                of_block(blocks.first()?, if blocks.len() > 1 { Others::Present } else { Others::Absent })
            }
        }
    }

    /// The file as it would be once [`WrongForm::repair`] was run; None where it need not be, or
    /// cannot be done here.
    #[must_use]
    pub fn fix(file: &[u8]) -> Option<(Zeroizing<Vec<u8>>, WrongForm)> {
        let (form, pem) = read(file)?;
        Some((pem?, form))
    }

    /// What a text is the base64 of, line breaks passed over as Go does; None for another text.
    #[must_use]
    pub fn from_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let is_of_text = |byte: &u8| !matches!(byte, b'\n' | b'\r');
        let bare = Zeroizing::new(text.iter().copied().filter(is_of_text).collect::<Vec<_>>());
        decode_text(&bare).ok()
    }

    /// The shell command that puts the file as every consumer reads it in the place of the other, mode
    /// 0600; beside it, where something would be left out.
    #[must_use]
    pub fn repair(self, file: impl Printable) -> Message {
        let name = file.message();
        if name == "-" {
            return message!("save it to a file, and inspect that: it is told then what repairs it");
        }
        let file = Quoted(name);
        let openssl = |arguments: &'static str| message!("openssl {} -in {}", arguments, file);
        let filter = match self {
            WrongForm::ByteOrderMark => message!("tail -c +4 {}", file),
            WrongForm::Utf16 { is_big_endian } => {
                let order = if is_big_endian { "BE" } else { "LE" };
                message!("iconv -f UTF-16{} -t UTF-8 {} | tr -d '\\r\\357\\273\\277'", order, file)
            }
            WrongForm::Indented => message!("sed 's/^[[:blank:]]*//' {}", file),
            WrongForm::Within => {
                message!("sed -n '/-----BEGIN /,/-----END /s/^[[:blank:]]*//p' {}", file)
            }
            WrongForm::LostNewlines(lost) => lost.filter(&file),
            WrongForm::Base64 => message!("base64 -d {}", file),
            WrongForm::Der(kind) => openssl(of_der(kind)),
            WrongForm::Bare(kind) => message!("base64 -d {} | openssl {}", file, of_der(kind)),
            WrongForm::Pkcs7(_) => openssl("pkcs7 -print_certs"),
            WrongForm::Trusted(_) => openssl("x509"),
            WrongForm::Encrypted(_) => openssl("pkey"),
            WrongForm::OpenSsh { is_convertible: false } => {
                return message!(
                    "issue another key and certificate: ssh-keygen writes Ed25519 in no other form"
                );
            }
            WrongForm::OpenSsh { is_convertible: true } => {
                return message!("ssh-keygen -p -N '' -m PKCS8 -f {}   # it changes the file itself", file);
            }
        };
        match self {
            WrongForm::Within => {
                message!(
                    "(umask 077; {} > {}.pem)   # the blocks alone; the file stays as it is",
                    filter,
                    file
                )
            }
            WrongForm::Pkcs7(Others::Present)
            | WrongForm::Trusted(Others::Present)
            | WrongForm::Encrypted(Others::Present) => {
                message!(
                    "(umask 077; {} > {}.pem)   # that block alone; the file has others too",
                    filter,
                    file
                )
            }
            _ => message!("(umask 077; {} > {}.repaired && mv {}.repaired {})", filter, file, file, file),
        }
    }
}

impl fmt::Display for WrongForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WrongForm::ByteOrderMark => "PEM with a byte order mark before its BEGIN",
            WrongForm::Utf16 { .. } => "PEM in UTF-16",
            WrongForm::Indented => "PEM that is indented",
            WrongForm::Within => "PEM that is indented, among other text",
            WrongForm::LostNewlines(lost) => return lost.fmt(f),
            WrongForm::Base64 => "the base64 of a PEM file",
            WrongForm::Der(DerKind::Certificate) => "a certificate in DER, not in PEM",
            WrongForm::Der(DerKind::Request) => "a request in DER, not in PEM",
            WrongForm::Der(DerKind::PrivateKey) => "a private key in DER, not in PEM",
            WrongForm::Der(DerKind::EncryptedKey) | WrongForm::Bare(DerKind::EncryptedKey) => {
                "an encrypted key in DER, not in PEM"
            }
            WrongForm::Der(DerKind::Pkcs7) | WrongForm::Bare(DerKind::Pkcs7) => "PKCS#7 in DER, not PEM",
            WrongForm::Der(DerKind::Pkcs12) | WrongForm::Bare(DerKind::Pkcs12) => {
                "PKCS#12 (.pfx, .p12), not PEM"
            }
            WrongForm::Bare(_) => "base64 without the lines BEGIN and END",
            WrongForm::Pkcs7(_) => "PKCS#7, not certificates one by one",
            WrongForm::Trusted(_) => "a certificate with openssl's trust settings",
            WrongForm::Encrypted(_) => "an encrypted key",
            WrongForm::OpenSsh { .. } => "a key in OpenSSH's own form",
        })
    }
}

/// The form, and the file as PEM where it can be read.
fn read(file: &[u8]) -> Option<(WrongForm, Option<Zeroizing<Vec<u8>>>)> {
    if let Some(rest) = file.strip_prefix(BYTE_ORDER_MARK)
        && rest.starts_with(b"-----BEGIN ")
        && has_blocks(rest)
    {
        return Some((WrongForm::ByteOrderMark, Some(Zeroizing::new(rest.to_vec()))));
    }
    if let Some((text, is_big_endian)) = utf16(file).filter(|(text, _)| has_blocks(text)) {
        return Some((WrongForm::Utf16 { is_big_endian }, Some(text)));
    }
    if has_blocks(file) {
        return None;
    }
    if let Some((pem, lost)) = LostNewlines::read(file) {
        return Some((WrongForm::LostNewlines(lost), Some(pem)));
    }
    let text = without_indentation(file);
    if has_blocks(&text) {
        let form = if is_blocks_alone(&text) { WrongForm::Indented } else { WrongForm::Within };
        return Some((form, Some(text)));
    }
    if let Some(kind) = DerKind::of(file) {
        return Some((WrongForm::Der(kind), pem_of(kind, file)));
    }
    let bare =
        Zeroizing::new(file.iter().copied().filter(|one| !one.is_ascii_whitespace()).collect::<Vec<_>>());
    let decoded = decode_text(&bare).ok()?;
    if has_blocks(&decoded) {
        return Some((WrongForm::Base64, Some(decoded)));
    }
    let kind = DerKind::of(&decoded)?;
    Some((WrongForm::Bare(kind), pem_of(kind, &decoded)))
}

fn of_block(block: &PemBlock, others: Others) -> Option<WrongForm> {
    match (block.label.as_str(), &block.contents) {
        ("PKCS7" | "CMS", _) => Some(WrongForm::Pkcs7(others)),
        ("TRUSTED CERTIFICATE", _) => Some(WrongForm::Trusted(others)),
        ("OPENSSH PRIVATE KEY", contents) => {
            let is_of_ed25519 = |key: &[u8]| key.windows(11).any(|part| part == b"ssh-ed25519");
            let is_convertible = !contents.as_ref().is_ok_and(|key| is_of_ed25519(key));
            Some(WrongForm::OpenSsh { is_convertible })
        }
        ("ENCRYPTED PRIVATE KEY", _) => Some(WrongForm::Encrypted(others)),
        (_, Err(PemFault::Headers)) if block.label.is_private_key() => Some(WrongForm::Encrypted(others)),
        _ => None,
    }
}

/// Whether a text has nothing beside its blocks.
fn is_blocks_alone(text: &[u8]) -> bool {
    let mut is_within = false;
    text.split(|byte| *byte == b'\n').all(|line| {
        let is_begin = line.starts_with(b"-----BEGIN ");
        let is_of_block = is_within || is_begin || line.trim_ascii().is_empty();
        is_within = is_begin || is_within && !line.starts_with(b"-----END ");
        is_of_block
    })
}

fn has_blocks(text: &[u8]) -> bool {
    PemBlock::all_of(text).iter().any(|block| !matches!(block.label, PemLabel::Unknown(_)))
}

fn pem_of(kind: DerKind, der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pem = encode_secret(kind.label()?, der);
    Some(Zeroizing::new(pem.as_bytes().to_vec()))
}

fn of_der(kind: DerKind) -> &'static str {
    match kind {
        DerKind::Certificate => "x509 -inform DER",
        DerKind::Request => "req -inform DER",
        DerKind::PrivateKey | DerKind::EncryptedKey => "pkey -inform DER",
        DerKind::Pkcs7 => "pkcs7 -inform DER -print_certs",
        DerKind::Pkcs12 => "pkcs12 -nodes",
    }
}

/// A text of UTF-16, with a byte order mark or by its first character, and whether the greater byte comes first.
fn utf16(file: &[u8]) -> Option<(Zeroizing<Vec<u8>>, bool)> {
    // Where the byte is that every character of PEM has, of the two.
    let (bytes, at) = match file {
        [0xff, 0xfe, rest @ ..] => (rest, 0),
        [0xfe, 0xff, rest @ ..] => (rest, 1),
        [b'-', 0, ..] => (file, 0),
        [0, b'-', ..] => (file, 1),
        _ => return None,
    };
    let mut text = Zeroizing::new(Vec::with_capacity(2 * file.len()));
    for unit in bytes.chunks_exact(2) {
        text.push(if unit[1 - at] == 0 { unit[at] } else { b'?' });
    }
    Some((text, at == 1))
}

fn without_indentation(file: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(file.len() + 1));
    for line in file.split(|byte| *byte == b'\n') {
        text.extend_from_slice(line.trim_ascii_start());
        text.push(b'\n');
    }
    text
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyAlgorithm, Role};
    use crate::pki::specimens::a_leaf;
    use crate::pki::{Certificate, PrivateKey};

    fn utf16_of(text: &str, write: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(write).collect()
    }

    /// The ways of a PEM file to become what nobody reads.
    fn mangled(pem: &str) -> Vec<(WrongForm, Vec<u8>)> {
        let marked = format!("\u{feff}{pem}");
        let der = PemBlock::all_of(pem.as_bytes()).remove(0).contents.unwrap();
        let kind = DerKind::of(&der).unwrap();
        let base64 = |bytes: &[u8]| pem::encode(&pem::Pem::new("X", bytes.to_vec()));
        let body =
            |pem: String| pem.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
        vec![
            (WrongForm::ByteOrderMark, marked.clone().into_bytes()),
            (WrongForm::Utf16 { is_big_endian: false }, utf16_of(&marked, u16::to_le_bytes)),
            (WrongForm::Utf16 { is_big_endian: true }, utf16_of(&marked, u16::to_be_bytes)),
            (WrongForm::Utf16 { is_big_endian: false }, utf16_of(pem, u16::to_le_bytes)),
            (WrongForm::Utf16 { is_big_endian: true }, utf16_of(pem, u16::to_be_bytes)),
            (WrongForm::Indented, format!("\n  {}", pem.replace('\n', "\n  ")).into_bytes()),
            (WrongForm::Within, format!("key: |\n  {}", pem.replace('\n', "\n  ")).into_bytes()),
            (WrongForm::LostNewlines(LostNewlines::Escaped), pem.replace('\n', "\\n").into_bytes()),
            (WrongForm::Base64, body(base64(pem.as_bytes())).into_bytes()),
            (WrongForm::Der(kind), der.to_vec()),
            (WrongForm::Bare(kind), body(base64(&der)).into_bytes()),
        ]
    }

    #[test]
    fn a_certificate_and_a_key_in_any_form_are_named_and_read() {
        let leaf = a_leaf(Role::Client, |_| ());
        for (form, file) in mangled(&leaf.to_pem()) {
            assert_eq!(WrongForm::of(&file), Some(form));
            let (pem, fixed) = WrongForm::fix(&file).unwrap();
            assert_eq!(fixed, form);
            assert_eq!(
                Certificate::chain_from_pem(&pem, "cert.pem").unwrap(),
                std::slice::from_ref(&leaf),
                "{form}"
            );
            let failure = Certificate::chain_from_pem(&file, "cert.pem").unwrap_err();
            assert_eq!(failure.what_was_found(), form.to_string().as_str());
        }
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap();
        for (form, file) in mangled(&key.expose_pem()) {
            let (pem, fixed) = WrongForm::fix(&file).unwrap();
            assert_eq!(fixed, form);
            let read = PrivateKey::from_pem(&pem, "key.pem").ok().unwrap();
            assert!(read.public_key() == key.public_key(), "{form}");
            let failure = PrivateKey::from_pem(&file, "key.pem").err().unwrap();
            assert_eq!(failure.what_was_found(), form.to_string().as_str());
        }
    }

    #[test]
    fn what_every_consumer_reads_has_no_wrong_form() {
        let pem = a_leaf(Role::Client, |_| ()).to_pem();
        for file in
            [pem.clone(), format!("\u{feff}# ours\n{pem}"), pem.replace('\n', "\r\n"), format!("x\n{pem}")]
        {
            assert_eq!(WrongForm::of(file.as_bytes()), None, "{file}");
            assert!(WrongForm::fix(file.as_bytes()).is_none());
        }
        for file in [&b""[..], b"words", b"AAAA", b"\x30\x00", b"\xff\xfe", b"{}", b"global:\n"] {
            assert_eq!(WrongForm::of(file), None, "{file:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_here_is_named_all_the_more() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        let headers =
            block("RSA PRIVATE KEY").replace("MAA=", "Proc-Type: 4,ENCRYPTED\nDEK-Info: A,0\n\nMAA=");
        for (form, file) in [
            (WrongForm::Pkcs7(Others::Absent), block("PKCS7")),
            (WrongForm::Trusted(Others::Absent), block("TRUSTED CERTIFICATE")),
            (WrongForm::Encrypted(Others::Absent), block("ENCRYPTED PRIVATE KEY")),
            (WrongForm::Encrypted(Others::Present), block("ENCRYPTED PRIVATE KEY") + &block("CERTIFICATE")),
            (WrongForm::Encrypted(Others::Absent), headers),
            (WrongForm::OpenSsh { is_convertible: true }, block("OPENSSH PRIVATE KEY")),
        ] {
            assert_eq!(WrongForm::of(file.as_bytes()), Some(form));
            assert!(WrongForm::fix(file.as_bytes()).is_none());
        }
    }
}
