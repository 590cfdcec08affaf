//! A bundle is read as Go reads it, damage included.

use std::process::Command;

use kitcert::model::{Role, Rule};
use kitcert::pki::judge::{
    self, Credentials, FileNames, Standard, certificate_file, kit_certificates, new_authority, new_leaf,
    served_certificates,
};
use kitcert::pki::{Certificate, TrustBundle};

use crate::figures::publish;
use crate::support::entities::{authority, client, now, root, signed};
use crate::support::peers;

/// Every certificate that differs from a sound one in one byte.
fn mutants() -> Vec<Vec<u8>> {
    let mut mutants = Vec::new();
    for file in ["ca.pem", "client.pem"] {
        let path = format!("{}/fixtures/pki/mutated/{file}", env!("CARGO_MANIFEST_DIR"));
        let certificate =
            Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), std::path::Path::new(&path))
                .unwrap()
                .remove(0);
        for at in 0..certificate.der().len() {
            for flip in [0x01, 0x02, 0x20, 0x80, 0xff] {
                let mut mutant = certificate.der().to_vec();
                mutant[at] ^= flip;
                mutants.push(mutant);
            }
        }
    }
    mutants
}

fn is_loaded(der: &[u8]) -> bool {
    Certificate::from_der(der).is_ok_and(|certificate| certificate.unreadable_to_go().is_none())
}

/// What Go refuses and we load, by Go's words, and why that does no harm.
const EXCEPTIONS: [(&str, &str); 2] =
    [("P256 point not on curve", KEY), ("invalid uncompressed public key", KEY)];

const KEY: &str = "no signature of such a key is ever right, so that nothing is accepted by it";

#[test]
fn a_damaged_certificate_is_dropped_where_go_drops_it() {
    let Some(go) = peers::program("go-peer", "a_damaged_certificate_is_dropped_where_go_drops_it") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mutants = mutants();
    let block = |der: &Vec<u8>| pem::encode(&pem::Pem::new("CERTIFICATE", der.as_slice()));
    std::fs::write(&path, mutants.iter().map(block).collect::<String>()).unwrap();
    let output = peers::run(Command::new(go).arg("check-bundle").arg(path), "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fates: Vec<&str> = said.lines().filter(|line| *line != "loads").collect();
    assert_eq!(fates.len(), mutants.len());
    let (mut kept, mut too_strict, mut excepted) = (0, 0, [0; EXCEPTIONS.len()]);
    for (der, fate) in mutants.iter().zip(fates) {
        let is_kept = fate.starts_with("kept");
        kept += usize::from(is_kept);
        too_strict += usize::from(is_kept && !is_loaded(der));
        if !is_kept && is_loaded(der) {
            let exception = EXCEPTIONS.iter().position(|(words, _)| fate.contains(words));
            excepted[exception.unwrap_or_else(|| panic!("we load what Go dropped: {fate}"))] += 1;
        }
    }
    println!("{} mutants, {kept} kept by Go; {excepted:?} more by us, {too_strict} fewer", mutants.len());
    publish(
        "agreement",
        "mutated bundles, of which none is read otherwise than by Go without a reason",
        mutants.len(),
        None,
    );
    for ((words, reason), count) in EXCEPTIONS.iter().zip(excepted) {
        assert!(count > 0, "no exception any more: {words} ({reason})");
    }
    assert!(kept > 1_000);
    // Texts and numbers of a kind that nobody writes, which Go does not look at.
    assert!(too_strict * 50 <= mutants.len(), "{too_strict}");
}

#[test]
fn no_damage_makes_the_lint_panic() {
    for der in mutants() {
        let Ok(certificate) = Certificate::from_der(&der) else { continue };
        let now = certificate.validity().not_before;
        for role in [Role::Daemon, Role::Client] {
            let findings = new_leaf(&certificate, role, &certificate);
            assert!(findings.iter().all(|finding| !finding.subject.is_empty()));
        }
        drop((new_authority(&certificate), kit_certificates([&certificate], None, now)));
        drop(served_certificates(std::slice::from_ref(&certificate), now));
        drop(certificate_file(&TrustBundle::new(vec![certificate]), now));
    }
}

/// Files as people paste them together.
fn pasted() -> Vec<(&'static str, String)> {
    let path = format!("{}/fixtures/pki/mutated/ca.pem", env!("CARGO_MANIFEST_DIR"));
    let ca = std::fs::read_to_string(path).unwrap();
    let one_line = {
        let body: String = ca.lines().filter(|line| !line.starts_with('-')).collect();
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    let indented: String = ca.lines().map(|line| format!("  {line}\n")).collect();
    let body_indented = indented.replace("  -----", "-----");
    let spaced: String = ca.lines().map(|line| format!("{line}  \n")).collect();
    let parted = ca.replacen('\n', "\n\n", 2);
    vec![
        ("as it is", ca.clone()),
        ("twice", format!("{ca}{ca}")),
        ("with text around", format!("Acme's CA\n{ca}\n# the end\n")),
        ("with DOS line ends", ca.replace('\n', "\r\n")),
        ("without a last line end", ca.trim_end().to_owned()),
        ("in one line", one_line),
        ("indented", indented),
        ("with an indented body", body_indented),
        ("with trailing blanks", spaced),
        ("with blank lines", parted),
        ("behind a byte order mark", format!("\u{feff}{ca}")),
        ("with a header", ca.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1)),
        ("without END", ca.replace("-----END CERTIFICATE-----", "")),
        ("without END, then again", format!("{}{ca}", ca.replace("-----END CERTIFICATE-----\n", ""))),
        ("with another END", ca.replace("END CERTIFICATE", "END CERT")),
        ("as TRUSTED CERTIFICATE", ca.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
        ("as X509 CERTIFICATE", ca.replace("CERTIFICATE", "X509 CERTIFICATE")),
        ("with a lost letter", ca.replacen("MII", "MI", 1)),
        ("with a foreign letter", ca.replacen("MII", "M!I", 1)),
        ("glued together", format!("{}{ca}", ca.trim_end())),
        ("nothing", String::new()),
    ]
}

#[test]
fn certificates_are_found_in_a_file_where_go_finds_them() {
    let Some(go) = peers::program("go-peer", "certificates_are_found_in_a_file_where_go_finds_them") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for (name, text) in pasted() {
        std::fs::write(&path, &text).unwrap();
        let output = peers::run(Command::new(&go).arg("check-bundle").arg(&path), "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs = said.lines().filter(|line| line.starts_with("kept ")).count();
        let ours =
            TrustBundle::from_pem(text.as_bytes(), "ca.pem").map_or(0, |bundle| bundle.certificates().len());
        assert_eq!(ours, theirs, "{name}");
    }
}

/// A daemon below an intermediate whose root is in its ca.pem lets in whoever has any certificate of that root.
#[test]
fn a_root_with_cas_below_it_is_no_bundle_for_a_daemon() {
    let team = root(authority("team"));
    let middle = signed(authority("middle"), &team);
    let mut daemon = client("builder");
    daemon.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let chain = [signed(daemon, &middle).certificate, middle.certificate.clone()];
    let says = |anchor: &Certificate, role| {
        let trust = TrustBundle::new(vec![anchor.clone()]);
        let credentials = Credentials { role, chain: &chain, key: None, trust: &trust };
        let names = FileNames { certificate: &"cert.pem", key: &"key.pem" };
        let findings = judge::credentials(&credentials, &[], (Standard::InUse, now()), names);
        findings.iter().any(|finding| finding.rule == Rule::SharedIssuer)
    };
    assert!(says(&team.certificate, Role::Daemon));
    assert!(!says(&team.certificate, Role::Client), "a client may well trust a company's root");
    assert!(!says(&middle.certificate, Role::Daemon));
}
