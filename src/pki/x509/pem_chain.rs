//! The certificates of a file in PEM.

use super::certificate::Certificate;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Message, Printable, Quoted};
use crate::pki::form::WrongForm;
use crate::pki::pem::PemBlock;

impl Certificate {
    /// Reads the certificates of a PEM file, leaf first, as Go's `LoadX509KeyPair` does: other blocks are
    /// passed over, such as a key. `subject` is the path or name for messages.
    ///
    /// # Errors
    /// No certificate, a damaged block, which Go passes over so that another certificate is the leaf, a
    /// form that no consumer reads, or more than 64 KiB.
    pub fn chain_from_pem(bytes: &[u8], subject: impl Printable) -> Result<Vec<Certificate>, Failure> {
        let wrong = |found: Message| {
            let failure = Failure::new("reading the certificate", &subject)
                .expected("CERTIFICATE blocks in PEM")
                .found(found);
            match WrongForm::of(bytes) {
                Some(form) => failure.hint(form.repair(&subject)),
                None => failure.hint(message!("{kitcert} inspect {}", Quoted(&subject))),
            }
        };
        let read = |block: &PemBlock| {
            let damaged = |why: Message| wrong(message!("{} in line {}", why, block.line));
            let contents = block.contents.as_ref();
            let contents = contents.map_err(|fault| damaged(message!("a block that {}", fault)))?;
            Certificate::from_der(contents).map_err(|failure| damaged(failure.what_was_found().message()))
        };
        if bytes.len() > LARGEST_PEM {
            return Err(wrong(message!("{} bytes", bytes.len())));
        }
        if let Some((_, form)) = WrongForm::fix(bytes) {
            return Err(wrong(form.message()));
        }
        let blocks = PemBlock::all_of(bytes);
        let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
        let chain = certificates.map(read).collect::<Result<Vec<_>, _>>()?;
        match (chain.is_empty(), blocks.first(), WrongForm::of(bytes)) {
            (false, ..) => Ok(chain),
            _ if bytes.is_empty() => Err(wrong("an empty file".into())),
            (true, _, Some(form)) => Err(wrong(form.message())),
            (true, Some(block), None) => Err(wrong(message!("{} in line {}", block.label, block.line))),
            (true, None, None) => Err(wrong("no PEM block".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::pki::specimens::a_leaf;

    #[test]
    fn a_file_of_certificates_has_64_kib_at_the_most() {
        let leaf = a_leaf(Role::Client, |_| ());
        let mut file = leaf.to_pem().into_bytes();
        file.resize(LARGEST_PEM, b'\n');
        assert_eq!(Certificate::chain_from_pem(&file, "cert.pem").unwrap(), [leaf]);
        file.push(b'\n');
        let failure = Certificate::chain_from_pem(&file, "cert.pem").unwrap_err();
        assert_eq!(failure.what_was_found(), "65537 bytes");
    }
}
