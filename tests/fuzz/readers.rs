//! Everything that reads what others have written, and what it is tried with first: for the bounded
//! run of `tests/properties/input/fuzzed.rs`, and for `cargo fuzz`.

use std::path::{Path, PathBuf};

use kitcert::layout::{ClientConfig, DaemonConfig, Inventory};
use kitcert::model::{
    AuthorityName, Contact, Endpoint, FingerprintPrefix, IdentityName, Lifetime, RenewBefore, SubjectAltName,
    Timestamp,
};
use kitcert::pki::{Certificate, CertificateRequest, Kit, PrivateKey, Receipt, TrustBundle};

/// A reader, by name: where its seeds are, and what it does with an input. True where it takes it.
pub struct Reader {
    pub name: &'static str,
    seeds: &'static str,
    form: Form,
    pub read: fn(&[u8]) -> bool,
}

/// What is changed of a seed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The file.
    File,
    /// What the first block of its PEM holds.
    Der,
}

pub const READERS: [Reader; 10] = [
    Reader { name: "certificates in PEM", seeds: "fixtures/pki", form: Form::File, read: certificates },
    Reader { name: "certificates in DER", seeds: "fixtures/pki", form: Form::Der, read: certificate },
    Reader { name: "bundles", seeds: "fixtures/pki", form: Form::File, read: bundle },
    Reader { name: "keys", seeds: "fixtures/pki", form: Form::File, read: key },
    Reader { name: "requests", seeds: "tests/fuzz/corpus/request", form: Form::File, read: request },
    Reader { name: "kits", seeds: "tests/fuzz/corpus/kit", form: Form::File, read: kit },
    Reader { name: "kitcert.yaml", seeds: "tests/fuzz/corpus/inventory", form: Form::File, read: inventory },
    Reader {
        name: "buildkitd.toml",
        seeds: "tests/fuzz/corpus/daemon-config",
        form: Form::File,
        read: daemon_config,
    },
    Reader { name: "config.yml", seeds: "fixtures/configs", form: Form::File, read: client_config },
    Reader {
        name: "words of the command line",
        seeds: "tests/fuzz/corpus/words",
        form: Form::File,
        read: words,
    },
];

fn certificates(input: &[u8]) -> bool {
    Certificate::chain_from_pem(input, "input").is_ok_and(|chain| {
        let text: String = chain.iter().map(Certificate::to_pem).collect();
        let again = Certificate::chain_from_pem(text.as_bytes(), "again").unwrap();
        assert!(again == chain, "read again, it is another");
        true
    })
}

fn certificate(input: &[u8]) -> bool {
    Certificate::from_der(input).is_ok_and(|read| {
        // Everything that is shown of it.
        let _ = (read.names(), read.usable_names(), read.extended_key_usages(), read.subject().to_string());
        assert!(Certificate::from_der(read.der()).unwrap() == read, "read again, it is another");
        true
    })
}

fn bundle(input: &[u8]) -> bool {
    TrustBundle::from_pem(input, "input").is_ok_and(|read| {
        let again = TrustBundle::from_pem(read.to_pem().as_bytes(), "again").unwrap();
        assert!(again.certificates() == read.certificates(), "read again, it is another");
        true
    })
}

fn key(input: &[u8]) -> bool {
    PrivateKey::from_pem(input, "input").is_ok_and(|read| {
        let again = PrivateKey::from_pem(read.expose_pem().as_bytes(), "again").unwrap();
        assert!(again.public_key() == read.public_key(), "read again, it is another");
        true
    })
}

fn request(input: &[u8]) -> bool {
    CertificateRequest::from_pem(input, "input").is_ok()
}

fn kit(input: &[u8]) -> bool {
    Kit::from_text(input, "input").is_ok_and(|read| {
        let text = read.to_text();
        let again = Kit::from_text(text.as_bytes(), "again").unwrap();
        assert!(again.to_text() == text, "a kit has one form");
        true
    })
}

fn inventory(input: &[u8]) -> bool {
    Inventory::parse(input, Path::new("kitcert.yaml")).is_ok()
}

fn daemon_config(input: &[u8]) -> bool {
    DaemonConfig::parse(input, Path::new("buildkitd.toml")).is_ok()
}

fn client_config(input: &[u8]) -> bool {
    ClientConfig::parse(input, Path::new("config.yml")).is_ok()
}

fn words(input: &[u8]) -> bool {
    fn is_printed_as_read<T: std::str::FromStr + std::fmt::Display + PartialEq>(text: &str) -> bool {
        text.parse::<T>().is_ok_and(|read| {
            let again = read.to_string().parse::<T>();
            assert!(again.is_ok_and(|again| again == read), "{text:?} is printed as another: {read}");
            true
        })
    }
    let text = String::from_utf8_lossy(input);
    text.lines().fold(false, |taken, line| {
        let _ = (line.parse::<FingerprintPrefix>(), line.parse::<Receipt>(), Timestamp::parse(line));
        let read = [
            is_printed_as_read::<Endpoint>(line),
            is_printed_as_read::<SubjectAltName>(line),
            is_printed_as_read::<Lifetime>(line),
            is_printed_as_read::<RenewBefore>(line),
            is_printed_as_read::<IdentityName>(line),
            is_printed_as_read::<AuthorityName>(line),
            is_printed_as_read::<Contact>(line),
        ];
        taken | read.contains(&true)
    })
}

impl Reader {
    /// What it is tried with first, in an order that is the same everywhere.
    pub fn seeds(&self, repository: &Path) -> Vec<Vec<u8>> {
        let files = files(&repository.join(self.seeds));
        let first = |file: &Vec<u8>| Some(pem::parse_many(file).ok()?.into_iter().next()?.into_contents());
        match self.form {
            Form::File => files,
            Form::Der => files.iter().filter_map(first).collect(),
        }
    }
}

/// Every file of a folder, and below.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |path: &PathBuf| if path.is_dir() { files(path) } else { vec![std::fs::read(path).unwrap()] };
    paths.iter().flat_map(of).collect()
}
