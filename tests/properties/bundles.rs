//! A bundle is read as Go reads it, damage included.

use std::process::Command;

use kitcert::pki::Certificate;

use crate::entities::{authority, client, root, signed};
use crate::peers;

/// Every certificate that differs from a sound one in one octet.
fn mutants() -> Vec<Vec<u8>> {
    let ca = root(authority("ca"));
    let leaf = signed(client("ana"), &ca);
    let mut mutants = Vec::new();
    for certificate in [&ca.certificate, &leaf.certificate] {
        let der = certificate.der();
        for at in 0..der.len() {
            for flip in [0x01, 0x02, 0x20, 0x80, 0xff] {
                let mut mutant = der.to_vec();
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

#[test]
fn go_loads_every_damaged_certificate_that_we_load() {
    let Some(go) = peers::program("go-peer", "go_loads_every_damaged_certificate_that_we_load") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mutants = mutants();
    let block = |der: &Vec<u8>| pem::encode(&pem::Pem::new("CERTIFICATE", der.as_slice()));
    std::fs::write(&path, mutants.iter().map(block).collect::<String>()).unwrap();
    let output = peers::run(Command::new(go).arg("check-bundle").arg(path), "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fates: Vec<&str> = said.lines().filter(|line| !line.starts_with("loads")).collect();
    assert_eq!(fates.len(), mutants.len());
    let (mut kept, mut a, mut b) = (0,0,0);
    for (der, fate) in mutants.iter().zip(&fates) {
        kept += usize::from(fate.starts_with("kept"));
        if is_loaded(der) && !fate.starts_with("kept") { a+=1; println!("WE ACCEPT {fate}"); }
        if !is_loaded(der) && fate.starts_with("kept") { b+=1; println!("WE REFUSE {:?}", Certificate::from_der(der).err().map(|f| f.to_string())); }
    }
    println!("{} {kept} {a} {b}", mutants.len());
}
