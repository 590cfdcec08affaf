//! A certificate covers a host where Go says so.

use std::process::Command;

use kitcert::model::SubjectAltName;
use rcgen::{ExtendedKeyUsagePurpose, SanType};

use crate::support::entities::{authority, client, now, root, signed};
use crate::support::peers;

fn names() -> Vec<SanType> {
    let dns = [
        "builder.example.com",
        "*.example.com",
        "*.b.example.com",
        "build_host.example.com",
        "BUILDER.Example.com",
        "10.0.0.5",
        "localhost",
        "xn--bcher-kva.example",
        "builder.*.com",
        "b*.example.com",
    ];
    let addresses = ["10.0.0.5", "::1", "2001:db8::5"];
    let dns = dns.map(|name| SanType::DnsName(name.try_into().unwrap()));
    let addresses = addresses.map(|address| SanType::IpAddress(address.parse().unwrap()));
    dns.into_iter().chain(addresses).collect()
}

const HOSTS: [&str; 12] = [
    "builder.example.com",
    "a.example.com",
    "example.com",
    "a.b.example.com",
    "build_host.example.com",
    "10.0.0.5",
    "10.0.0.6",
    "::1",
    "2001:db8::5",
    "localhost",
    "xn--bcher-kva.example",
    "ana.client.example",
];

#[test]
fn a_certificate_covers_a_host_where_go_says_so() {
    let Some(go) = peers::program("go-peer", "a_certificate_covers_a_host_where_go_says_so") else { return };
    let folder = tempfile::tempdir().unwrap();
    let ca = root(authority("ca"));
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), ca.certificate.to_pem()).unwrap();
    let certificates: Vec<_> = names()
        .into_iter()
        .enumerate()
        .map(|(number, name)| {
            let mut parameters = client("builder.example.com");
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            parameters.subject_alt_names = vec![name];
            let certificate = signed(parameters, &ca).certificate;
            let file = path(&format!("{number}.pem"));
            std::fs::write(&file, certificate.to_pem()).unwrap();
            (file, certificate)
        })
        .collect();
    let mut covered = 0;
    for host in HOSTS {
        let mut command = Command::new(&go);
        command.args(["verify", "--role", "server", "--at", &now().to_string(), "--name", host]);
        command.arg("--ca").arg(path("ca.pem")).args(certificates.iter().map(|(file, _)| file));
        let output = peers::run(&mut command, "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let host: SubjectAltName = host.parse().unwrap();
        for ((_, certificate), verdict) in certificates.iter().zip(said.lines()) {
            let name = certificate.names().unwrap();
            assert_eq!(
                certificate.covers(&host),
                verdict.starts_with("ok "),
                "{name:?} for {host}: {verdict}"
            );
            covered += usize::from(certificate.covers(&host));
        }
    }
    assert!(covered >= HOSTS.len(), "{covered}");
}
