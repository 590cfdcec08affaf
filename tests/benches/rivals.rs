//! What an admin would run instead of `kitcert`: openssl, mkcert, cfssl, easy-rsa, and a script with
//! Python's cryptography. Whichever is not here is left out, aloud.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that makes a CA, a daemon's certificate for localhost and a client's.
pub struct Rival {
    /// What it is called.
    pub label: &'static str,
    /// Makes them in a fresh folder.
    pub init: fn(&Path),
}

/// Those that are here.
pub fn rivals() -> Vec<Rival> {
    let all = [
        ("openssl req -x509 three times", openssl_is_here as fn() -> bool, openssl as fn(&Path)),
        ("mkcert twice", || runs("mkcert", &["-version"]), mkcert),
        ("cfssl three times", || runs("cfssl", &["version"]), cfssl),
        ("easy-rsa four times", || Path::new(EASY_RSA).is_file(), easy_rsa),
    ];
    let mut here = Vec::new();
    for (label, is_here, init) in all {
        if is_here() {
            here.push(Rival { label, init });
        } else {
            println!("not here, and so not compared with: {label}");
        }
    }
    here
}

/// Python with its cryptography, as the tests set it up or as it is installed.
pub fn python() -> Option<PathBuf> {
    let peers = std::env::var_os("KITCERT_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from);
    let candidates = [peers.join("bin/python"), PathBuf::from("python3")];
    let found = candidates.into_iter().find(|python| runs(python, &["-c", "import cryptography"]));
    if found.is_none() {
        println!("not here, and so not compared with: Python's cryptography");
    }
    found
}

/// As many client certificates with keys, by one process of Python, its files not made durable.
pub fn python_clients(python: &Path, folder: &Path, count: usize) {
    run(Command::new(python).args(["-c", PYTHON_CLIENTS, &count.to_string()]).arg(folder));
}

/// Whether there is an openssl whose `req -x509` can sign with a CA, as from 3.0 on.
pub fn openssl_is_here() -> bool {
    let help = Command::new("openssl").args(["req", "-help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("-CA "))
}

fn openssl(folder: &Path) {
    let request = |key: &str, certificate: &str, subject: &str, more: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(["req", "-x509", "-newkey", "ec", "-nodes", "-pkeyopt"]);
        command.args(["ec_paramgen_curve:P-256", "-keyout", key, "-out", certificate, "-subj", subject]);
        run(command.args(more));
    };
    request("ca-key.pem", "ca.pem", "/CN=buildkit CA", &["-days", "3650"]);
    let signed = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-addext", "basicConstraints=critical,CA:FALSE"];
    for (name, days, host, usage) in [
        ("builder", "397", "localhost", "serverAuth"),
        ("ana", "90", "ana.client.kitcert.internal", "clientAuth"),
    ] {
        let (host, usage) = (format!("subjectAltName=DNS:{host}"), format!("extendedKeyUsage={usage}"));
        let more = [&signed[..], &["-days", days, "-addext", &host, "-addext", &usage]].concat();
        request(&format!("{name}-key.pem"), &format!("{name}.pem"), &format!("/CN={name}"), &more);
    }
}

fn mkcert(folder: &Path) {
    for more in [&["localhost"][..], &["-client", "ana.client.kitcert.internal"]] {
        // Its CA, RSA-3072 whatever is asked for, is made by the first of them.
        let mut command = Command::new("mkcert");
        run(command.current_dir(folder).env("CAROOT", folder).arg("-ecdsa").args(more));
    }
}

fn cfssl(folder: &Path) {
    let request = |name: &str| {
        format!(r#"{{"CN":"{name}","hosts":["localhost"],"key":{{"algo":"ecdsa","size":256}}}}"#)
    };
    let profiles =
        r#"{"signing":{"default":{"expiry":"2160h","usages":["digital signature","client auth"]}}}"#;
    write(&folder.join("profiles.json"), profiles);
    for name in ["ca", "builder", "ana"] {
        write(&folder.join(format!("{name}.json")), &request(name));
        let mut command = Command::new("cfssl");
        command.current_dir(folder).arg("gencert");
        match name {
            "ca" => command.args(["-initca", "ca.json"]),
            _ => command
                .args(["-ca", "ca.pem", "-ca-key", "ca-key.pem", "-config", "profiles.json"])
                .arg(format!("{name}.json")),
        };
        let said = command.stdin(Stdio::null()).output().expect("cfssl");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let made: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON of cfssl");
        let text = |member: &str| made[member].as_str().expect("PEM of cfssl").to_owned();
        write(&folder.join(format!("{name}.pem")), &text("cert"));
        write(&folder.join(format!("{name}-key.pem")), &text("key"));
    }
}

fn easy_rsa(folder: &Path) {
    let commands: [&[&str]; 4] = [
        &["init-pki"],
        &["build-ca", "nopass"],
        &["--subject-alt-name=DNS:localhost", "build-server-full", "builder", "nopass"],
        &["build-client-full", "ana", "nopass"],
    ];
    for arguments in commands {
        let mut command = Command::new(EASY_RSA);
        command.current_dir(folder).args(["--batch", "--use-algo=ec", "--curve=prime256v1"]);
        command.arg(format!("--pki-dir={}", folder.join("pki").display())).args(arguments);
        run(&mut command);
    }
}

fn runs(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).output().is_ok_and(|said| said.status.success())
}

fn run(command: &mut Command) {
    let said = command.stdin(Stdio::null()).output().expect("a program that starts");
    assert!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("room for a file");
}

const EASY_RSA: &str = "/usr/share/easy-rsa/easyrsa";

/// A CA, and clients as a script of an admin would make them.
const PYTHON_CLIENTS: &str = r#"
import datetime, pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

count, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir()
now = datetime.datetime.now(datetime.timezone.utc)

def certificate(name, key, issuer, issuer_key, days, extensions):
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())

def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

ca_key = ec.generate_private_key(ec.SECP256R1())
ca = certificate(named("CA"), ca_key, named("CA"), ca_key, 3650, [(x509.BasicConstraints(True, 0), True)])
identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
for number in range(count):
    name = f"client-{number:06}"
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = certificate(named(name), key, ca.subject, ca_key, 90, [
        (x509.BasicConstraints(False, None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(name + ".client.kitcert.internal")]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (identifier, False),
    ])
    home = folder / name
    home.mkdir()
    (home / "cert.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (home / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (home / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
"#;
