//! Every certificate that was ever issued, until it is pruned: a replaced one still opens the door
//! until it expires.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::required::chain;
use super::state_directory::StateDirectory;
use crate::layout::state_paths::ISSUED;
use crate::model::Failure;
use crate::pki::Certificate;

/// Reads every certificate of `issued/`, in the order of the files' names; none where the folder
/// is not there. A file that cannot be read or that holds anything but one certificate is told beside
/// them. None is skipped: whoever counts who can still get in would count one too few.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn observe_issued(
    directory: &StateDirectory,
) -> Result<(Vec<Certificate>, BTreeMap<String, Failure>), Failure> {
    let names = directory.list(Path::new(ISSUED))?;
    let read_one = |name: &String| read_one(directory, &Path::new(ISSUED).join(name));
    // Starting threads costs more than reading a few.
    let read: Vec<Result<Certificate, Failure>> = if names.len() < WORTH_THREADS {
        names.iter().map(read_one).collect()
    } else {
        names.par_iter().map(read_one).collect()
    };
    let mut certificates = Vec::with_capacity(read.len());
    let mut unread = BTreeMap::new();
    for (name, read) in names.into_iter().zip(read) {
        match read {
            Ok(certificate) => certificates.push(certificate),
            Err(failure) => drop(unread.insert(name, failure)),
        }
    }
    Ok((certificates, unread))
}

fn read_one(directory: &StateDirectory, path: &Path) -> Result<Certificate, Failure> {
    let mut certificates = chain(directory, path)?;
    match (certificates.pop(), certificates.len()) {
        (Some(certificate), 0) => Ok(certificate),
        (_, others) => Err(Failure::new("reading the certificate", directory.path().join(path).display())
            .expected("one certificate")
            .found(others + 1)),
    }
}

const WORTH_THREADS: usize = 256;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::profile::BACKDATING;
    use crate::model::{KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
    use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey};

    /// A state whose `issued/` is about to be filled.
    fn a_state() -> (tempfile::TempDir, StateDirectory, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        let issued = state.path().join(ISSUED);
        (folder, state, issued)
    }

    fn certificates(count: usize) -> Vec<Certificate> {
        let now = Timestamp::parse("2026-11-23").unwrap();
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).ok().unwrap();
        let validity = Validity::issued(now, Lifetime::days(3650), BACKDATING);
        let request = AuthorityRequest { name: "Acme".parse().unwrap(), validity };
        let authority = CertificateAuthority::create(&request, &key).ok().unwrap();
        let request = LeafRequest::new(Role::Client, "ana".parse().unwrap(), vec![], now, Lifetime::days(90));
        (0..count).map(|_| authority.issue(&request, key.public_key()).unwrap()).collect()
    }

    #[test]
    fn all_are_read_in_the_order_of_their_names_few_or_many() {
        for count in [0, 1, 3, WORTH_THREADS + 50] {
            let (_folder, state, issued) = a_state();
            assert_eq!(observe_issued(&state).unwrap(), (Vec::new(), BTreeMap::new()));
            std::fs::create_dir(&issued).unwrap();
            let mut expected = certificates(count);
            for certificate in &expected {
                let file = issued.join(format!("{}.pem", certificate.serial()));
                std::fs::write(file, certificate.to_pem()).unwrap();
            }
            expected.sort_by_key(|certificate| certificate.serial().to_string());
            assert_eq!(observe_issued(&state).unwrap(), (expected, BTreeMap::new()), "{count}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_skipped() {
        let many = certificates(WORTH_THREADS);
        let pair = many[0].to_pem() + &many[1].to_pem();
        for count in [1, WORTH_THREADS] {
            for (text, words) in [
                ("", "an empty file"),
                ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "something else"),
                (&pair, "expected one certificate, found 2"),
            ] {
                let (_folder, state, issued) = a_state();
                std::fs::create_dir(&issued).unwrap();
                for certificate in &many[..count] {
                    let file = issued.join(format!("{}.pem", certificate.serial()));
                    std::fs::write(file, certificate.to_pem()).unwrap();
                }
                std::fs::write(issued.join("40ff.pem"), text).unwrap();
                let (read, unread) = observe_issued(&state).unwrap();
                assert_eq!(read.len(), count, "the others are read");
                let failure = unread["40ff.pem"].to_string();
                assert!(failure.contains("issued/40ff.pem") && failure.contains(words), "{failure}");
                std::fs::remove_file(issued.join("40ff.pem")).unwrap();
                std::os::unix::fs::symlink("gone", issued.join("40ff.pem")).unwrap();
                assert!(observe_issued(&state).unwrap().1.contains_key("40ff.pem"));
            }
        }
    }

    #[test]
    #[ignore = "a measurement, not a property"]
    fn figures() {
        let (_folder, state, issued) = a_state();
        std::fs::create_dir(&issued).unwrap();
        let pem = certificates(1)[0].to_pem();
        for number in 0..100_000 {
            std::fs::write(issued.join(format!("{number:032x}.pem")), &pem).unwrap();
        }
        let began = std::time::Instant::now();
        assert_eq!(observe_issued(&state).unwrap().0.len(), 100_000);
        println!("100000 issued certificates read: {:?}", began.elapsed());
    }
}
