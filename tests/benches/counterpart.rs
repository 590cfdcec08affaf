//! What the commands are measured against.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kitcert::pki::{Certificate, PrivateKey, TrustBundle};
use kitcert::practice::PracticeDaemon;
use kitcert::probe::CertificateAndKey;
use rayon::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, Signature,
    UnparsedPublicKey,
};

/// What no issuer can do without, on every core: a key and a signature for each.
pub fn generate_and_sign(count: usize) {
    sign_each(count, |_, _, _| ());
}

/// The same where nothing leaves the issuer before its signature was checked.
pub fn generate_sign_and_verify(count: usize) {
    sign_each(count, |authority, message, signature| {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, authority.public_key());
        key.verify(message, signature.as_ref()).expect("a signature that holds");
    });
}

fn sign_each(count: usize, check: impl Fn(&EcdsaKeyPair, &[u8], Signature) + Sync) {
    let random = SystemRandom::new();
    let make = || EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
    let authority = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, make().as_ref(), &random);
    let authority = authority.expect("the key again");
    (0..count).into_par_iter().for_each(|_| {
        std::hint::black_box(make());
        let signature = authority.sign(&random, &[0; 400]).expect("a signature");
        check(&authority, &[0; 400], std::hint::black_box(signature));
    });
}

/// As many files and links as a bulk issue makes, as large, in folders of the same shape, on every
/// core; written straight to their places, then made durable at once.
pub fn create_files(folder: &Path, names: &[String]) {
    let mut private_folder = std::fs::DirBuilder::new();
    private_folder.mode(0o700).recursive(true);
    let issued = folder.join("issued");
    let clients = folder.join("clients");
    private_folder.create(&issued).and_then(|()| private_folder.create(&clients)).expect("the folders");
    let write = |path: PathBuf, length: usize, mode: u32| {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(path).expect("a new file");
        std::io::Write::write_all(&mut &file, &[b'A'; 1024][..length]).expect("room on the disk");
    };
    private_folder.recursive(false);
    names.par_iter().enumerate().for_each(|(number, name)| {
        let client = clients.join(name);
        let generation = client.join("gen-0001");
        private_folder.create(&client).and_then(|()| private_folder.create(&generation)).expect("a folder");
        write(issued.join(format!("{:032x}.pem", number * 0x9e37_79b9)), CERTIFICATE, 0o644);
        write(generation.join("ca.pem"), CERTIFICATE, 0o644);
        write(generation.join("cert.pem"), CERTIFICATE, 0o644);
        write(generation.join("key.pem"), KEY, 0o600);
        std::os::unix::fs::symlink("gen-0001", client.join("current")).expect("a link");
    });
    make_durable(folder);
}

fn make_durable(folder: &Path) {
    let handle = std::fs::File::open(folder).expect("the folder");
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&handle).expect("a disk that writes");
    #[cfg(not(target_os = "linux"))]
    handle.sync_all().expect("a disk that writes");
}

/// The Go peer of the tests, where it was built.
pub fn go_peer() -> Option<PathBuf> {
    let peers = std::env::var_os("KITCERT_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from);
    Some(peers.join("bin/go-peer")).filter(|program| program.is_file())
}

/// A daemon to verify: the Go peer of the tests where it was built, else the practice daemon.
pub enum Daemon {
    /// A process of its own, which ends with its standard input.
    Go(Child, u16),
    /// A thread of this process.
    Practice(PracticeDaemon),
}

impl Daemon {
    /// Starts one with the ca.pem, cert.pem and key.pem of a folder.
    pub fn start(set: &Path) -> Daemon {
        match go_peer() {
            Some(program) => Daemon::start_go(&program, set),
            None => Daemon::start_practice(set),
        }
    }

    fn start_go(program: &Path, set: &Path) -> Daemon {
        let mut command = Command::new(program);
        command.args(["serve", "--addr", "127.0.0.1:0"]);
        for (option, file) in [("--ca", "ca.pem"), ("--cert", "cert.pem"), ("--key", "key.pem")] {
            command.arg(option).arg(set.join(file));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the Go peer");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("a line of it");
        let port = line.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
        Daemon::Go(child, port.expect("the port where it listens"))
    }

    fn start_practice(set: &Path) -> Daemon {
        let read = |file: &str| std::fs::read(set.join(file)).expect("a file of the daemon");
        let trust = TrustBundle::from_pem(&read("ca.pem"), "ca.pem").expect("ca.pem");
        let chain = Certificate::chain_from_pem(&read("cert.pem"), "cert.pem").expect("cert.pem");
        let Ok(key) = PrivateKey::from_pem(&read("key.pem"), "key.pem") else { panic!("key.pem") };
        let started = PracticeDaemon::start(0, &CertificateAndKey { chain, key }, Some(&trust));
        let Ok(daemon) = started else { panic!("the practice daemon") };
        Daemon::Practice(daemon)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        match self {
            Daemon::Go(_, port) => *port,
            Daemon::Practice(daemon) => daemon.address().port(),
        }
    }

    /// What the output calls it.
    pub fn label(&self) -> &'static str {
        match self {
            Daemon::Go(..) => "a daemon with Go's TLS",
            Daemon::Practice(_) => "the practice daemon",
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Daemon::Go(child, _) = self {
            drop(child.stdin.take());
            // It ends by itself now, and how does not matter.
            let _ = child.wait();
        }
    }
}

/// What the PEM of our certificates and of our P-256 keys takes, about.
const CERTIFICATE: usize = 820;
const KEY: usize = 241;
