//! CAs of several makes, and clients of each: some whom a daemon's anchor excludes, and some whom it does not.

use std::path::Path;
use std::process::Command;

use kitcert::env::Environment;
use kitcert::model::profile::MOST_EXCLUSIONS;
use kitcert::model::{Exclusion, IdentityName, KeyAlgorithm, Lifetime, SubjectAltName, Validity};
use kitcert::pki::{Certificate, CertificateAuthority, Exclusions, PrivateKey};

use crate::pki::interoperability::Pair;
use crate::pki::other_stacks::{State, told};
use crate::support::peers;

/// A CA, and clients of it.
pub struct Issued {
    pub what: &'static str,
    pub ca: Certificate,
    pub key: PrivateKey,
    /// Stopped by name, by key, and not at all.
    pub ben: Pair,
    pub cleo: Pair,
    pub ana: Pair,
    /// Who has the name of a whole set.
    pub canaries: Vec<(Exclusions, Pair)>,
}

fn dns(name: impl std::fmt::Display) -> SubjectAltName {
    name.to_string().parse().unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap()
}

fn names_of(client: &str, key: &PrivateKey) -> Vec<SubjectAltName> {
    let name: IdentityName = client.parse().unwrap();
    vec![dns(name.client_dns_name()), dns(key.public_key().key_dns_name())]
}

/// Ben's name alone, and with cleo's key as many as are allowed.
fn sets(cleo: &PrivateKey) -> Vec<Exclusions> {
    let excluded = |name: String| format!("dns:{name}").parse::<Exclusion>().unwrap();
    let ben = excluded("ben.client.kitcert.internal".to_owned());
    let of_cleo = excluded(cleo.public_key().key_dns_name().to_string());
    let others = (2..MOST_EXCLUSIONS).map(|at| excluded(format!("former-{at}.client.kitcert.internal")));
    vec![[ben.clone()].into_iter().collect(), [ben, of_cleo].into_iter().chain(others).collect()]
}

/// The clients of a CA, each with the file that `issue` makes for its names and its key.
fn issued(
    what: &'static str,
    (ca, own): (Certificate, PrivateKey),
    folder: &Path,
    issue: impl Fn(&Path, &[SubjectAltName], &PrivateKey) -> String,
) -> Issued {
    let written = |name: &str, names: &[SubjectAltName], key: &PrivateKey| {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let certificate = issue(&folder, names, key);
        Pair::written(&folder, &certificate, key)
    };
    let [ben, cleo, ana] = [key(), key(), key()];
    let canaries = sets(&cleo).into_iter().enumerate().map(|(at, set)| {
        let (own, canary) = (key(), dns(set.canary()));
        let pair = written(&format!("canary-{at}"), &[canary], &own);
        (set, pair)
    });
    let canaries = canaries.collect();
    let [ben, cleo, ana] = [("ben", ben), ("cleo", cleo), ("ana", ana)]
        .map(|(name, key)| written(name, &names_of(name, &key), &key));
    Issued { what, ca, key: own, ben, cleo, ana, canaries }
}

/// The CA that the program has made.
pub fn of_kitcert(state: &State) -> Issued {
    let read = |path: &Path| std::fs::read(path).unwrap();
    let ca = Certificate::chain_from_pem(&read(&state.ana("ca.pem")), "ca.pem").unwrap().remove(0);
    let folder = std::fs::read_dir(state.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    let load = || PrivateKey::from_pem(&read(&folder.join("key.pem")), "key.pem").ok().unwrap();
    let authority = CertificateAuthority::load(ca.clone(), &load(), "ca.pem").ok().unwrap();
    let validity = Validity::issued(now(), Lifetime::days(2), Lifetime::from_seconds(3_600));
    issued("kitcert's", (ca, load()), &state.path("of-kitcert"), |_, names, key| {
        authority.issue_named(names, validity, key.public_key()).unwrap().to_pem()
    })
}

/// A CA that openssl makes by those commands, as ca.pem and ca.key, and whose leaves name it so.
fn by_openssl(
    state: &State,
    test: &str,
    what: &'static str,
    commands: &[&str],
    names_ca: &str,
) -> Option<Issued> {
    let openssl = peers::program("openssl", test)?;
    let folder = state.path(&what.replace([' ', '\''], "-"));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |arguments: &str, folder: &Path| {
        let mut command = Command::new(&openssl);
        let output = peers::run(command.args(arguments.split_whitespace()).current_dir(folder), "");
        assert!(output.status.success(), "{arguments}: {}", told(&output));
        output.stdout
    };
    std::fs::write(folder.join("ca.cnf"), CONFIGURATION).unwrap();
    commands.iter().for_each(|command| drop(run(command, &folder)));
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    let ca = Certificate::chain_from_pem(&read("ca.pem"), "ca.pem").unwrap().remove(0);
    let own = PrivateKey::from_pem(&read("ca.key"), "ca.key").ok().unwrap();
    Some(issued(what, (ca, own), &folder, |folder, names, key| {
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let extensions = format!(
            "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nkeyUsage=critical,digitalSignature\n\
             {names_ca}\nextendedKeyUsage=clientAuth\nsubjectAltName={}\n",
            names.join(",")
        );
        std::fs::write(folder.join("extensions"), extensions).unwrap();
        std::fs::write(folder.join("key"), key.expose_pem().as_bytes()).unwrap();
        run("req -new -key key -subj /CN=client -out csr", folder);
        let signed = "x509 -req -in csr -CA ../ca.pem -CAkey ../ca.key -days 20 -extfile extensions";
        String::from_utf8(run(signed, folder)).unwrap()
    }))
}

/// A CA without a path length, whose leaves name its serial number, as easy-rsa makes them. What it has is
/// critical where strict verifiers want that.
pub fn like_easy_rsa(state: &State, test: &str) -> Option<Issued> {
    let commands = [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key",
        "req -x509 -new -key ca.key -out ca.pem -days 30 -config ca.cnf -extensions ca -subj /CN=easy-rsa",
    ];
    by_openssl(state, test, "like easy-rsa's", &commands, "authorityKeyIdentifier=keyid,issuer:always")
}

/// One of version 1, as openssl makes them that are told nothing.
pub fn of_version_1(state: &State, test: &str) -> Option<Issued> {
    let commands = [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key",
        "req -new -key ca.key -out ca.csr -config ca.cnf -subj /CN=old",
        "x509 -req -in ca.csr -signkey ca.key -out ca.pem -days 30",
    ];
    by_openssl(state, test, "of version 1", &commands, "authorityKeyIdentifier=issuer:always")
}

/// One that a CA with another kind of key has issued: OpenSSL takes it for no anchor, and takes the anchor that
/// is made of it.
pub fn issued_by_another(state: &State, test: &str) -> Option<Issued> {
    let commands = [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out root.key",
        "req -x509 -new -key root.key -out root.pem -days 30 -config ca.cnf -extensions ca -subj /CN=root",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key",
        "req -new -key ca.key -out ca.csr -config ca.cnf -subj /CN=below",
        "x509 -req -in ca.csr -CA root.pem -CAkey root.key -out ca.pem -days 30 -extfile ca.cnf -extensions below",
    ];
    by_openssl(state, test, "issued by another", &commands, "authorityKeyIdentifier=keyid")
}

const CONFIGURATION: &str = "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n\
    keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
    authorityKeyIdentifier=keyid:always,issuer:always\n[below]\nbasicConstraints=critical,CA:TRUE,pathlen:0\n\
    keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n";

pub fn now() -> kitcert::model::Timestamp {
    Environment::of_process().now()
}
