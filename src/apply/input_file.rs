//! Files that a command line names, and standard input, which is named by `-`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::env::Environment;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{
    ExitCode, Failure, FingerprintPrefix, IdentityName, Message, Printable, Role, Selector, Word,
};
use crate::pki::{Certificate, CertificateRequest};
use crate::plan::Confirmation;
use crate::store::{exists, read, read_standard_input};

/// The file's bytes, or those of standard input.
///
/// # Errors
/// It cannot be read, or has more than `largest` bytes.
pub(super) fn read_input(path: &Path, largest: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path == Path::new("-") { read_standard_input(largest) } else { Ok(read(path, largest)?.bytes) }
}

/// The clients' names of a list, one a line; blank lines and `#` comments are passed over.
///
/// # Errors
/// A list that cannot be read, one without names, a line that is no name, a name that stands twice.
pub(crate) fn names_in(list: &Path) -> Result<Vec<IdentityName>, Failure> {
    let file = read_input(list, LARGEST_LIST)?;
    let wrong = |expected: &dyn Printable, found: Message| {
        Failure::new("reading the names in", list.display())
            .expected(expected)
            .found(found)
            .exit(ExitCode::Usage)
    };
    let text = std::str::from_utf8(&file)
        .map_err(|_| wrong(&"names, one a line", message!("bytes that are no text")))?;
    let mut lines = BTreeMap::new();
    let mut names = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let selector = line.parse::<Selector>();
        let name = selector.and_then(|selector| selector.name_of(Role::Client)).map_err(|failure| {
            wrong(failure.what_was_expected(), message!("{} in line {}", Word(line), number))
        })?;
        if let Some(first) = lines.insert(name.clone(), number) {
            return Err(wrong(&"each name once", message!("{} in lines {} and {}", name, first, number)));
        }
        names.push(name);
    }
    if names.is_empty() { Err(wrong(&"names, one a line", message!("none"))) } else { Ok(names) }
}

/// A request to be signed.
///
/// # Errors
/// A file that cannot be read, or that holds no request.
pub(crate) fn request_in(path: &Path) -> Result<CertificateRequest, Failure> {
    CertificateRequest::from_pem(&read(path, LARGEST_PEM)?.bytes, path)
}

/// The certificates of some files, without those of CAs behind them.
///
/// # Errors
/// A file that cannot be read, or that holds no certificate.
pub(crate) fn certificates_in(paths: &[PathBuf]) -> Result<Vec<Certificate>, Failure> {
    let mut certificates = Vec::new();
    for path in paths {
        let chain = Certificate::chain_from_pem(&read(path, LARGEST_PEM)?.bytes, path)?;
        let is_alone = chain.len() == 1;
        // What stands behind somebody's certificate is its CA's.
        certificates.extend(chain.into_iter().filter(|one| is_alone || !one.is_authority()));
    }
    Ok(certificates)
}

/// The passphrase that a file holds; None where it holds no text.
///
/// # Errors
/// The file cannot be read, or has more than a kilobyte.
pub(crate) fn passphrase_in(path: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    let bytes = read_input(path, LARGEST_PASSPHRASE)?;
    Ok(std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned())))
}

/// What says that a client has its certificate: a receipt, a file that holds one, or its name, and then
/// perhaps which of its keys.
///
/// # Errors
/// A file that cannot be read or that holds no receipt; a word that is none of the three.
pub(crate) fn confirmation_of(
    environment: &Environment,
    given: &Path,
    key: Option<FingerprintPrefix>,
) -> Result<Confirmation, Failure> {
    let text = given.to_string_lossy();
    if let Ok(receipt) = text.parse() {
        return Ok(Confirmation::Signed(receipt));
    }
    let name = text.parse::<Selector>().and_then(|selector| selector.name_of(Role::Client));
    let path = environment.absolute(given)?;
    if exists(&path) {
        let receipt = read(&path, LARGEST_PEM)
            .and_then(|file| String::from_utf8_lossy(&file.bytes).parse().map(Confirmation::Signed));
        // A folder, or another file, may be called as a client is.
        let is_name = name.is_ok() && !text.contains('.');
        if receipt.is_ok() || !is_name {
            return receipt;
        }
    }
    name.map(|name| Confirmation::Told(name, key)).map_err(|failure| failure.exit(ExitCode::Usage))
}

/// A hundred thousand names of the greatest length, in bytes.
const LARGEST_LIST: usize = 100_000 * 64;
const LARGEST_PASSPHRASE: usize = 1024;
