//! Configs, and kitcert.yaml.

use std::path::{Path, PathBuf};

use super::document::{Contents, FileFacts, Inspected};
use crate::layout::{ClientConfig, DaemonConfig, Inventory, TlsPath, is_client_config, is_inventory};
use crate::message;
use crate::model::{Endpoint, Finding, Line, Printable, Rule, Severity};

/// buildkitd's config. No value of it is repeated but those that say who gets in.
pub(super) fn judge_toml(bytes: &[u8], file: &FileFacts<'_>) -> Inspected {
    const KIND: &str = "daemon config";
    let config = match DaemonConfig::parse(bytes, file.path) {
        Ok(config) => config,
        Err(failure) => return Inspected::unreadable(KIND, Rule::ConfigBroken, file.path, &failure),
    };
    let mut facts: Vec<_> =
        config.addresses.iter().map(|address| ("address", Line(address).message())).collect();
    facts.extend(config.files.iter().map(|(kind, path)| (kind.file_name(), Path::new(path).message())));
    let names = config.absolute_files().into_iter().map(|(_, path)| path).collect();
    let contents = Contents { names, ..Contents::default() };
    Inspected::of(KIND, facts, config.findings(file.path)).holding(contents)
}

/// kitcert.yaml and a client's config, each by its sections. No value of it is
/// repeated but those of the keys that are ours: the others may be passwords.
pub(super) fn judge_yaml(bytes: &[u8], file: &FileFacts<'_>) -> Inspected {
    const CLIENT_CONFIG: &str = "client config";
    const INVENTORY: &str = "kitcert.yaml";
    let broken = |kind, failure| Inspected::unreadable(kind, Rule::ConfigBroken, file.path, failure);
    if is_inventory(bytes) || file.path.file_name().is_some_and(|name| name == INVENTORY) {
        return match Inventory::parse(bytes, file.path) {
            Err(failure) => broken(INVENTORY, &failure),
            Ok(inventory) => {
                let facts = vec![
                    ("daemons", inventory.daemons.len().message()),
                    ("clients", inventory.clients.len().message()),
                ];
                Inspected::of(INVENTORY, facts, Vec::new())
            }
        };
    }
    if !is_client_config(bytes) {
        let finding = Finding::new(Rule::UnreadableFile, Severity::Error, file.path.display())
            .expected("a client's config (global:, git:), kitcert.yaml, or a file that holds credentials")
            .found("YAML of another kind");
        return Inspected::of("unknown", Vec::new(), vec![finding]);
    }
    match ClientConfig::parse(bytes, file.path) {
        Err(failure) => broken(CLIENT_CONFIG, &failure),
        Ok(config) => {
            let endpoint = config.buildkit_host.as_deref().and_then(|host| host.parse::<Endpoint>().ok());
            let host = config.buildkit_host.as_deref().map_or(message!("none"), |host| {
                match host.parse::<Endpoint>() {
                    Ok(endpoint) => endpoint.message(),
                    Err(_) => Line(host).message(),
                }
            });
            let facts = vec![("buildkit_host", host)];
            let named = TlsPath::OF_CLIENT.into_iter().filter_map(|path| config.written(path));
            let names = named.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
            let contents = Contents { names, endpoint, ..Contents::default() };
            Inspected::of(CLIENT_CONFIG, facts, config.findings(file.path)).holding(contents)
        }
    }
}
