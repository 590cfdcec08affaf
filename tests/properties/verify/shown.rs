//! What rustls and Go shook hands over is judged by `verify` as other verifiers would.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use time::{Duration, OffsetDateTime};

use crate::support::daemon::Daemon;
use crate::support::entities::{Entity, authority, client, root, signed};
use crate::support::workspace::Workspace;

/// Valid by the system's clock, which is the daemon's.
fn current(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    parameters.not_after = OffsetDateTime::now_utc() + Duration::days(30);
    parameters
}

fn set(workspace: &Workspace, folder: &str, ca: &Entity, own: &Entity) {
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", own.issuer.key().serialize_der()));
    workspace.write(&format!("{folder}/ca.pem"), ca.certificate.to_pem());
    workspace.write(&format!("{folder}/cert.pem"), own.certificate.to_pem());
    let key = workspace.write(&format!("{folder}/key.pem"), key);
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_only_strict_verifiers_refuse_of_a_served_chain_is_a_warning() {
    let workspace = Workspace::new();
    let ca = root(current(authority("ca")));
    let mut daemon = current(client("builder"));
    daemon.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    daemon.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    daemon.use_authority_key_identifier_extension = false;
    set(&workspace, "daemon", &ca, &signed(daemon, &ca));
    set(&workspace, "ana", &ca, &signed(current(client("ana")), &ca));
    let port = Daemon::free_port();
    let Some(_daemon) = Daemon::on_files(&workspace, "daemon", port, &[]) else { return };
    let target = format!("tcp://127.0.0.1:{port}");
    let said = workspace.run(["verify", &target, "--tlsdir", &workspace.text("ana"), "--format", "json"]);
    let report = said.succeeded().json();
    let told = |subject: &str, rule: &str| {
        report["findings"].as_array().unwrap().iter().any(|finding| {
            let is_about = finding["subject"].as_str().unwrap().contains(subject);
            is_about && finding["rule"] == rule && finding["severity"] == "warning"
        })
    };
    assert!(told("builder", "authority-key-identifier"), "{report}");
    assert!(told("ca", "path-length"), "{report}");
}
