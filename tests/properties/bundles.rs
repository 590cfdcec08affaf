//! A bundle is read as Go reads it, damage included.

use std::process::Command;

use kitcert::pki::Certificate;

use crate::peers;

/// Every certificate that differs from a sound one in one octet.
fn mutants() -> Vec<Vec<u8>> {
    let mut mutants = Vec::new();
    for file in ["ca.pem", "client.pem"] {
        let path = format!("{}/fixtures/pki/mutated/{file}", env!("CARGO_MANIFEST_DIR"));
        let certificate =
            Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), &path).unwrap().remove(0);
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
const EXCEPTIONS: [(&str, &str); 10] = [
    ("malformed extension OID field", TAG),
    ("invalid RDNSequence", TAG),
    ("malformed OID", TAG),
    ("invalid subject key identifier", TAG),
    ("invalid key usage", TAG),
    ("invalid extended key usages", TAG),
    ("invalid authority key identifier", TAG),
    ("invalid basic constraints", TAG),
    ("invalid ECDSA parameters", TAG),
    ("inner and outer signature algorithm identifiers don't match", "only in the tag of one of them"),
];

const TAG: &str = "our parser takes an element by its place, whatever its tag says";

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
    let (mut kept, mut excepted, mut too_strict) = (0, 0, 0);
    for (der, fate) in mutants.iter().zip(fates) {
        let is_kept = fate.starts_with("kept");
        kept += usize::from(is_kept);
        too_strict += usize::from(is_kept && !is_loaded(der));
        if !is_kept && is_loaded(der) {
            excepted += 1;
            assert!(
                EXCEPTIONS.iter().any(|(words, _)| fate.contains(words)),
                "we load what Go dropped: {fate}"
            );
        }
    }
    println!("{} mutants, {kept} kept by Go; {excepted} more by us, {too_strict} fewer", mutants.len());
    assert!(kept > 1_000);
    assert!(excepted * 100 <= mutants.len(), "{excepted}");
    assert!(too_strict * 50 <= mutants.len(), "{too_strict}");
}

#[test]
fn no_damage_makes_us_panic() {
    for der in mutants() {
        if let Ok(certificate) = Certificate::from_der(&der) {
            let now = certificate.validity().not_before;
            let file = kitcert::layout::judgement::FileFacts {
                path: "ca.pem".to_owned(),
                mode: None,
                owner: kitcert::layout::judgement::FileOwner::UsOrRoot,
            };
            let judgement = kitcert::layout::judgement::judge(certificate.to_pem().as_bytes(), &file, now);
            assert!(!judgement.kind.as_str().is_empty());
        }
    }
}
