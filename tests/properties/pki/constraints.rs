//! Constraints on names, whole and broken, each with every kind of name below: ours is Go's verdict.

use kitcert::model::Role;
use kitcert::pki::judge::Peer;
use kitcert::pki::{Certificate, TrustBundle};
use rayon::prelude::*;
use rcgen::{CertificateParams, CustomExtension, SanType};

use crate::figures::publish;
use crate::pki::mutated_chains::element;
use crate::support::entities::{Entity, authority, client, now, root, signed};
use crate::support::limbo;
use crate::support::peers;
use crate::support::turns::is_turn;

const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

const ODD: [&str; 3] = ["\"ana\"@example.com", "https://ana@example.com/", "https://b.example.com:443/"];

/// Bases of constraints: a tag of GeneralName, and the bytes.
fn bases() -> Vec<(u8, Vec<u8>)> {
    let domains = [
        "",
        ".",
        "..",
        "example.com",
        "EXAMPLE.com",
        ".example.com",
        "example.com.",
        "..example.com",
        "com",
        "b.example.com",
        "secret.example.com",
        "a.b.example.com",
        "exa mple.com",
        "exa_mple.com",
        "a..b",
        "@",
        "*.example.com",
        "10.0.0.1",
        "fd00::1",
        "ana@example.com",
        "ana@@example.com",
        ".ana@example.com",
        "ana@",
        "@example.com",
        "ana@.example.com",
        "x\u{7f}.com",
    ];
    let mut bases: Vec<(u8, Vec<u8>)> = [MAIL, DNS, URI]
        .into_iter()
        .flat_map(|tag| domains.iter().map(move |domain| (tag, domain.as_bytes().to_vec())))
        .collect();
    bases.push((DNS, b"b\xfccher.example".to_vec()));
    let six = |network: &str, ones: usize| {
        let network: std::net::Ipv6Addr = network.parse().unwrap();
        let mask = (0..16).map(|at| if at * 8 < ones { 0xff } else { 0 });
        network.octets().into_iter().chain(mask).collect::<Vec<u8>>()
    };
    let networks = [
        vec![10, 0, 0, 0, 255, 0, 0, 0],
        vec![10, 1, 2, 3, 255, 255, 0, 0],
        vec![10, 0, 0, 1, 255, 255, 255, 255],
        vec![10, 0, 0, 0, 255, 254, 0, 0],
        vec![10, 0, 0, 0, 255, 253, 0, 0],
        vec![10, 0, 0, 0, 0, 255, 0, 0],
        vec![0, 0, 0, 0, 0, 0, 0, 0],
        vec![10, 0, 0, 1],
        vec![10, 0, 0, 0, 255, 0, 0],
        vec![],
        six("fd00:1::7", 32),
        six("::", 0),
        six("::ffff:10.0.0.0", 104),
    ];
    bases.extend(networks.into_iter().map(|octets| (IP, octets)));
    // A registered identifier, which Go does not know.
    bases.push((0x88, vec![0x2a, 3]));
    bases
}

fn names() -> Vec<SanType> {
    let dns = [
        "",
        "com",
        "example.com",
        "EXAMPLE.com",
        "b.example.com",
        "a.b.example.com",
        "notexample.com",
        "example.org",
        "*.example.com",
        "*.EXAMPLE.com",
        "*.b.example.com",
        "*x.example.com",
        "x*.example.com",
        "*",
        "*.com",
        "example.com.",
        ".example.com",
        "a..example.com",
        "a b.example.com",
        "a_b.example.com",
    ];
    let addresses = ["10.0.0.1", "10.1.9.9", "10.1.2.3", "11.0.0.1", "fd00:1::9", "fd00:2::7", "::"];
    let mails = [
        "ana@example.com",
        "Ana@EXAMPLE.com",
        "ana@b.example.com",
        "ana",
        "\"ana\"@example.com",
        "ana@example..com",
        "a@b@c",
    ];
    let uris = [
        "spiffe://example.com/ana",
        "spiffe://B.EXAMPLE.com?ana",
        "https://b.example.com:443/",
        "https://10.0.0.1/",
        "mailto:ana@example.com",
        "https://ana@example.com/",
        "https://",
    ];
    let text = |name: &str| name.try_into().unwrap();
    let dns = dns.iter().map(|name| SanType::DnsName(text(name)));
    let addresses = addresses.iter().map(|address| SanType::IpAddress(address.parse().unwrap()));
    let mails = mails.iter().map(|mail| SanType::Rfc822Name(text(mail)));
    dns.chain(addresses).chain(mails).chain(uris.iter().map(|uri| SanType::URI(text(uri)))).collect()
}

/// A CA whose extension permits, or excludes, what those bases say.
fn constrained(side: u8, bases: &[&(u8, Vec<u8>)], is_critical: bool) -> Entity {
    let subtrees: Vec<u8> =
        bases.iter().flat_map(|(tag, octets)| element(0x30, &element(*tag, octets))).collect();
    let value = element(0x30, &element(side, &subtrees));
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], value);
    extension.set_criticality(is_critical);
    let mut parameters = authority("constrained");
    parameters.custom_extensions = vec![extension];
    root(parameters)
}

fn leaf(name: SanType) -> CertificateParams {
    let mut parameters = client("ana");
    parameters.subject_alt_names = vec![name];
    parameters
}

fn is_accepted(leaf: &Certificate, trusted: &Certificate) -> bool {
    let Ok(trust) = TrustBundle::from_pem(trusted.to_pem().as_bytes(), "ca.pem") else { return false };
    let daemon = Peer { trust: &trust, accepts: Role::Client, host: None, now: now() };
    daemon.accept(std::slice::from_ref(leaf)).is_ok()
}

#[test]
fn every_name_under_every_constraint_is_judged_as_go_does() {
    if !is_turn("every_name_under_every_constraint_is_judged_as_go_does") {
        return;
    }
    let Some(go) = peers::program("go-portable", "every_name_under_every_constraint") else { return };
    let bases = bases();
    let beside = (DNS, b"secret.example.com".to_vec());
    let mut authorities = Vec::new();
    for base in &bases {
        for side in [0xa0, 0xa1] {
            authorities.push((side, base, constrained(side, &[base], true)));
            authorities.push((side, base, constrained(side, &[base, &beside], false)));
        }
    }
    let names = names();
    let pairs: Vec<_> =
        authorities.iter().flat_map(|authority| names.iter().map(move |name| (authority, name))).collect();
    let judged: Vec<_> = pairs
        .par_iter()
        .map(|((_, _, authority), name)| {
            let leaf = signed(leaf((*name).clone()), authority).certificate;
            let case = serde_json::json!({
                "id": "constraints", "validation_kind": "CLIENT", "validation_time": now().to_string(),
                "trusted_certs": [authority.certificate.to_pem()], "untrusted_intermediates": [],
                "peer_certificate": leaf.to_pem(),
            });
            (is_accepted(&leaf, &authority.certificate), case)
        })
        .collect();
    let (ours, cases): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    let json = serde_json::json!({ "version": 1, "testcases": cases }).to_string();
    let verdicts = limbo::verdicts_of_go(&go, &json);
    assert_eq!(verdicts.len(), ours.len());
    let mut differ = Vec::new();
    for (((side, (tag, octets), _), name), (ours, (by_go, said))) in
        pairs.iter().zip(ours.iter().zip(&verdicts))
    {
        // What readers take for different names we refuse, whatever is constrained.
        let is_left_out = ODD.iter().any(|odd| format!("{name:?}").contains(&format!("{odd:?}")));
        if ours != by_go && (*ours || !is_left_out) {
            let base = String::from_utf8_lossy(octets);
            differ.push(format!("{side:02x} {tag:02x} {base:?}, {name:?}: ours {ours}, {said}"));
        }
    }
    let accepted = verdicts.iter().filter(|(accepted, _)| *accepted).count();
    println!("{} names under constraints, of which Go accepts {accepted}", verdicts.len());
    let figure = "names under name constraints, whole and broken, that are judged as by Go";
    publish("agreement", figure, verdicts.len() - differ.len(), None);
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(accepted * 5 > verdicts.len() && accepted * 5 < verdicts.len() * 4);
}
