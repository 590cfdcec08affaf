//! What Go passes over in a certificate and openssl refuses to read is not sound.

use std::path::Path;
use std::process::Command;

use kitcert::model::{Rule, Timestamp};
use kitcert::pki::judge::certificate_file;
use kitcert::pki::{Certificate, FoundKey, KeyFile, TrustBundle};

use super::mutated_chains::{contents, element, elements};
use crate::input::fed::{word_of_openssl_on_a_key, words_of_go};
use crate::support::peers;

/// Where something is changed: which element of which. Of an extension's value, whose OCTET STRING is one more.
type Place<'a> = &'a [usize];

/// A certificate with the contents of one of its elements changed.
fn changed(der: &[u8], place: Place<'_>, change: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let Some((first, rest)) = place.split_first() else {
        return element(der[0], &change(contents(der).unwrap()));
    };
    let mut parts: Vec<Vec<u8>> =
        elements(contents(der).unwrap()).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    parts[*first] = changed(&parts[*first], rest, change);
    element(der[0], &parts.concat())
}

/// A CA with every extension that openssl looks at.
const CONFIG: &str = "
[req]
distinguished_name = name
x509_extensions = all
prompt = no
[name]
O = Acme
CN = builders
[all]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = DNS:ca.example
extendedKeyUsage = clientAuth,serverAuth
crlDistributionPoints = URI:http://ca.example/crl
sbgp-ipAddrBlock = IPv4:10.0.0.0/8
nsCertType = sslCA
";

/// openssl's word of a certificate that it trusts as it is.
fn word_of_openssl(openssl: &Path, folder: &Path) -> Option<String> {
    let mut verify = Command::new(openssl);
    verify.args(["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile", "ca.pem", "ca.pem"]);
    let said = peers::run(verify.current_dir(folder), "");
    (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).into_owned())
}

#[test]
fn what_openssl_refuses_to_read_is_not_sound() {
    const TEST: &str = "what_openssl_refuses_to_read_is_not_sound";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.cnf"), CONFIG).unwrap();
    let mut made = Command::new(&openssl);
    made.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "90",
    ]);
    made.args(["-keyout", "key.pem", "-out", "made.pem", "-config", "all.cnf"]);
    let said = peers::run(made.current_dir(folder.path()), "");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let pem = std::fs::read(folder.path().join("made.pem")).unwrap();
    let made = Certificate::chain_from_pem(&pem, "made.pem").unwrap().remove(0);
    let der = made.der().to_vec();

    let with = |more: &'static [u8]| move |has: &[u8]| [has, more].concat();
    // Of the CA's body: version, serial, algorithm, issuer, validity, subject, key, extensions.
    let extension = |number: usize| [0, 7, 0, number];
    let of_value = |number: usize, change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let at = extension(number);
        let last = elements(contents(&nth(&der, &at)).unwrap()).unwrap().len() - 1;
        let place = [&at[..], &[last]].concat();
        changed(&der, &place, change)
    };
    let value = |of: &'static [u8]| move |_: &[u8]| of.to_vec();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a third time", changed(&der, &[0, 4], &with(b"\x17\x0d491231235959Z"))),
        ("an algorithm of three parts", {
            let inner = changed(&der, &[0, 2], &with(b"\x05\x00\x05\x00"));
            changed(&inner, &[1], &with(b"\x05\x00\x05\x00"))
        }),
        ("a key's algorithm of three parts", changed(&der, &[0, 6, 0], &with(b"\x05\x00"))),
        ("an empty relative name", changed(&der, &[0, 5], &with(b"\x31\x00"))),
        ("two identifiers of subjects", changed(&der, &[0], &with(b"\x82\x02\x00\x01"))),
        ("basic constraints of three", of_value(0, &value(b"\x30\x09\x01\x01\xff\x02\x01\x00\x02\x01\x00"))),
        ("an authority named twice", of_value(3, &value(b"\x30\x08\x80\x02\x01\x02\x80\x02\x01\x02"))),
        ("no alternative name", of_value(4, &value(b"\x30\x00"))),
        ("a name of no kind", of_value(4, &value(b"\x30\x06\x82\x01a\x89\x01a"))),
        ("another name without a value", of_value(4, &value(b"\x30\x06\xa0\x04\x06\x02\x2a\x03"))),
        ("no usage", of_value(5, &value(b"\x30\x00"))),
        ("a list of no shape", of_value(6, &value(b"\x30\x04\x30\x02\xa5\x00"))),
        ("addresses of no shape", of_value(7, &value(b"\x30\x04\x30\x02\x04\x00"))),
        ("a role that is no bits", of_value(8, &value(b"\x04\x01\x00"))),
    ];
    let judged = |der: &[u8]| {
        let pem = pem::encode(&pem::Pem::new("CERTIFICATE", der));
        std::fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        let read = TrustBundle::from_pem(pem.as_bytes(), "ca.pem");
        let now = made.validity().not_before;
        let is_told = read.map_or(true, |read| {
            certificate_file(&read, now).iter().any(|one| one.rule == Rule::StrayElement)
        });
        (is_told, word_of_openssl(&openssl, folder.path()))
    };
    assert_eq!(judged(&der), (false, None), "what openssl made");
    for (what, der) in cases {
        let (is_told, word) = judged(&der);
        assert!(is_told, "{what}: openssl says {word:?}");
        assert_eq!(word.is_none(), REFUSED_OF_A_LEAF.contains(&what), "{what}: {word:?}");
    }
}

/// What openssl refuses of a leaf, and lets pass of a trust anchor.
const REFUSED_OF_A_LEAF: [&str; 3] = ["an empty relative name", "no alternative name", "no usage"];

/// The element at a place.
fn nth(der: &[u8], place: Place<'_>) -> Vec<u8> {
    place.iter().fold(der.to_vec(), |at, number| elements(contents(&at).unwrap()).unwrap()[*number].to_vec())
}

/// The parts of the key that is under the only PEM block of a file.
fn parts_of_key(pem: &[u8]) -> Vec<Vec<u8>> {
    let der = pem::parse(pem).unwrap().into_contents();
    elements(contents(&der).unwrap()).unwrap().into_iter().map(<[u8]>::to_vec).collect()
}

/// Keys with a part that does not belong there, or does not belong to the others.
#[test]
fn what_go_or_openssl_refuses_of_a_key_is_not_sound() {
    const TEST: &str = "what_go_or_openssl_refuses_of_a_key_is_not_sound";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(go) = peers::program("go-peer", TEST) else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let said = peers::run(Command::new(&openssl).args(arguments).current_dir(folder.path()), "");
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    };
    run(&["genrsa", "-traditional", "-out", "rsa.pem", "2048"]);
    run(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.pem"]);
    run(&["pkcs8", "-topk8", "-nocrypt", "-in", "ec.pem", "-out", "ec8.pem"]);
    run(&["ec", "-in", "ec.pem", "-conv_form", "compressed", "-out", "short.pem"]);
    run(&["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]);
    for (key, certificate) in [("rsa.pem", "rsa.crt"), ("ec.pem", "ec.crt"), ("ed.pem", "ed.crt")] {
        let request =
            ["req", "-x509", "-new", "-key", key, "-days", "90", "-subj", "/CN=ana", "-out", certificate];
        run(&[&request[..], &["-addext", "extendedKeyUsage=clientAuth"]].concat());
    }
    let at = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let at = Timestamp::from_unix(i64::try_from(at).unwrap());
    let read = |name: &str| parts_of_key(&std::fs::read(folder.path().join(name)).unwrap());
    let bits = |part: &[u8]| {
        let mut part = part.to_vec();
        let middle = part.len() / 2;
        part[middle] ^= 4;
        part
    };
    let changed = |of: &str, at: usize| {
        let mut parts = read(of);
        parts[at] = bits(&parts[at]);
        parts
    };
    let longer = |of: &str, more: &[u8]| [read(of), vec![more.to_vec()]].concat();
    let algorithm = |of: &str| {
        let mut parts = read(of);
        parts[1] = element(0x30, &[contents(&parts[1]).unwrap(), b"\x05\x00"].concat());
        parts
    };
    let (rsa, sec1, pkcs8) = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY");
    let swapped = || {
        let mut parts = read("ec.pem");
        parts.swap(2, 3);
        parts
    };
    let in_pkcs8 = |inner: &[Vec<u8>]| {
        let mut parts = read("ec8.pem");
        parts[2] = element(0x04, &element(0x30, &inner.concat()));
        parts
    };
    let of_version_2 = || {
        let mut parts = longer("ed.pem", &element(0x81, &[0; 33]));
        parts[0] = b"\x02\x01\x01".to_vec();
        parts
    };
    let cases = [
        ("RSA as it is", "rsa.crt", rsa, read("rsa.pem"), true),
        ("another private exponent", "rsa.crt", rsa, changed("rsa.pem", 3), false),
        ("another prime", "rsa.crt", rsa, changed("rsa.pem", 4), false),
        ("a number too many", "rsa.crt", rsa, longer("rsa.pem", b"\x02\x01\x01"), false),
        ("SEC 1 as it is", "ec.crt", sec1, read("ec.pem"), true),
        ("the curve behind the public half", "ec.crt", sec1, swapped(), false),
        ("the same in PKCS#8", "ec.crt", pkcs8, in_pkcs8(&swapped()), false),
        ("a part too many in SEC 1", "ec.crt", sec1, longer("ec.pem", b"\x02\x01\x01"), false),
        ("a public half without its second number", "ec.crt", sec1, read("short.pem"), true),
        ("the same in PKCS#8", "ec.crt", pkcs8, in_pkcs8(&read("short.pem")), true),
        ("PKCS#8 as it is", "ec.crt", pkcs8, read("ec8.pem"), true),
        ("PKCS#8 with attributes", "ec.crt", pkcs8, longer("ec8.pem", b"\xa0\x00"), true),
        ("a part too many in PKCS#8", "ec.crt", pkcs8, longer("ec8.pem", b"\x02\x01\x01"), false),
        ("an algorithm of three parts", "ec.crt", pkcs8, algorithm("ec8.pem"), false),
        ("Ed25519 as it is", "ed.crt", pkcs8, read("ed.pem"), true),
        ("Ed25519 with parameters", "ed.crt", pkcs8, algorithm("ed.pem"), false),
        ("Ed25519 with its public half", "ed.crt", pkcs8, of_version_2(), false),
        ("a part too many in Ed25519", "ed.crt", pkcs8, longer("ed.pem", b"\x02\x01\x01"), false),
    ];
    for (what, certificate, label, parts, is_sound) in cases {
        let key = pem::encode(&pem::Pem::new(label, element(0x30, &parts.concat())));
        std::fs::write(folder.path().join("key.pem"), &key).unwrap();
        std::fs::copy(folder.path().join(certificate), folder.path().join("cert.pem")).unwrap();
        std::fs::copy(folder.path().join(certificate), folder.path().join("ca.pem")).unwrap();
        let go = words_of_go(&go, &[(folder.path().to_owned(), "client")], at).remove(0).is_none();
        let openssl = word_of_openssl_on_a_key(&openssl, folder.path()).is_none();
        assert_eq!(go && openssl, is_sound, "{what}: Go {go}, openssl {openssl}");
        let ours = KeyFile::read(key.as_bytes(), "key.pem");
        let ours = ours.is_ok_and(|file| matches!(file.key, FoundKey::Ours(_)) && !file.has_other_half);
        assert_eq!(ours, is_sound, "{what}");
    }
    // Of a curve on which nobody here can sign, too.
    run(&["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", "521.pem"]);
    run(&["ec", "-in", "521.pem", "-conv_form", "compressed", "-out", "short.pem"]);
    let [whole, short] = ["521.pem", "short.pem"]
        .map(|name| KeyFile::read(&std::fs::read(folder.path().join(name)).unwrap(), name).ok().unwrap());
    assert!(whole.public_key().is_some() && whole.public_key() == short.public_key());
    // What is derived of an exponent is looked at by nobody who reads it, and Go says so in a handshake.
    for at in [6, 7, 8] {
        let key = pem::encode(&pem::Pem::new(rsa, element(0x30, &changed("rsa.pem", at).concat())));
        std::fs::write(folder.path().join("key.pem"), &key).unwrap();
        let mut check = Command::new(&openssl);
        check.args(["pkey", "-check", "-noout", "-in", "key.pem"]).current_dir(folder.path());
        assert!(!peers::run(&mut check, "").status.success(), "openssl takes number {at}");
        assert!(KeyFile::read(key.as_bytes(), "key.pem").is_err(), "number {at}");
    }
}
