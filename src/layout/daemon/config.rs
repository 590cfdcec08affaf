//! `buildkitd.toml`: which doors it opens, and to whom.
//!
//! Read as buildkitd's `cmd/buildkitd/config` reads it; what has nothing to do with who gets in is
//! passed over.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::files::CredentialFile;
use super::section::{ConfigFault, OF_GRPC, OF_ROOT, OF_TLS, Section};
use crate::message;
use crate::model::{Failure, Finding, Line, Message, Rule, Severity, Word};

/// What a `buildkitd.toml` says of the daemon's doors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonConfig {
    /// `[grpc] address`: unix and tcp sockets.
    pub addresses: Vec<String>,
    /// `[grpc.tls] ca`, `cert` and `key`, as they are written; an empty one counts as absent.
    pub files: Vec<(CredentialFile, String)>,
    /// `[grpc] debugAddress`, older forms included.
    pub debug_address: Option<String>,
    /// `insecure-entitlements`.
    pub entitlements: Vec<String>,
    /// The registries for which `[registry.*] ca` or a key pair is given.
    pub registries: Vec<String>,
    /// What buildkitd does not start with, or reads otherwise than it looks.
    pub(super) faults: Vec<ConfigFault>,
}

impl DaemonConfig {
    /// Reads a config. `path` is for messages.
    ///
    /// # Errors
    /// What is no TOML: the daemon does not start with it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<DaemonConfig, Failure> {
        let broken = |found: Message| {
            Failure::new("reading the daemon's config", path.display())
                .expected("TOML, as buildkitd reads it")
                .found(found)
        };
        let text = std::str::from_utf8(bytes).map_err(|_| broken(message!("bytes that are not UTF-8")))?;
        // The parser's message may repeat a line, and with it a password of a registry.
        let root: Table = text.parse().map_err(|error: toml::de::Error| {
            let line =
                error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            broken(line.map_or(message!("something else"), |line| message!("a fault in line {}", line)))
        })?;
        let mut faults = Vec::new();
        let root = Section::of(&root);
        for (key, kind) in OF_ROOT {
            root.check(key, kind, &mut faults);
        }
        let grpc = root.section("grpc");
        for (key, kind) in OF_GRPC {
            grpc.check(key, kind, &mut faults);
        }
        let tls = grpc.section("tls");
        for (key, kind) in OF_TLS {
            tls.check(key, kind, &mut faults);
        }
        let file = |file: CredentialFile| {
            let key = match file {
                CredentialFile::Authority => "ca",
                CredentialFile::Certificate => "cert",
                CredentialFile::Key => "key",
            };
            let paths: Option<Vec<&str>> =
                tls.values(key).map(|path| path.as_str().filter(|path| !path.is_empty())).collect();
            // Of several spellings buildkitd takes the last, and one that is empty may be that.
            paths?.last().map(|path| (file, (*path).to_owned()))
        };
        let debug = grpc.values("debugAddress").chain(root.values("debugAddress")).filter_map(Value::as_str);
        Ok(DaemonConfig {
            addresses: grpc.values("address").flat_map(texts).collect(),
            files: CredentialFile::ALL.into_iter().filter_map(file).collect(),
            debug_address: debug.filter(|text| !text.is_empty()).map(str::to_owned).next(),
            entitlements: root.values("insecure-entitlements").flat_map(texts).collect(),
            registries: registries_with_files(&root),
            faults,
        })
    }

    /// The path of one of its files.
    #[must_use]
    pub fn file(&self, wanted: CredentialFile) -> Option<&str> {
        self.files.iter().find(|(file, _)| *file == wanted).map(|(_, path)| path.as_str())
    }

    /// The files that it names, by absolute paths.
    #[must_use]
    pub fn absolute_files(&self) -> Vec<(CredentialFile, PathBuf)> {
        let absolute = self.files.iter().map(|(file, path)| (*file, PathBuf::from(path)));
        absolute.filter(|(_, path)| path.is_absolute()).collect()
    }

    /// What is wrong with it; nobody is asked what exists.
    #[must_use]
    pub fn findings(&self, path: &Path) -> Vec<Finding> {
        let finding = |rule, severity| Finding::new(rule, severity, path.display());
        let mut findings: Vec<Finding> = self.faults.iter().map(|fault| fault.finding(path)).collect();
        for address in self.addresses.iter().filter(|address| !is_supported(address)) {
            findings.push(
                finding(Rule::ConfigBroken, Severity::Error)
                    .expected("an address that begins with unix://, tcp:// or fd://")
                    .found(Line(address))
                    .cause("buildkitd does not start with another")
                    .fix("write the address with what it begins with, in small letters"),
            );
        }
        let served: Vec<_> = self.addresses.iter().filter(|address| is_tcp(address)).collect();
        // Without both the daemon listens without TLS, and says so in its log alone.
        let has_tls =
            self.file(CredentialFile::Certificate).is_some() && self.file(CredentialFile::Key).is_some();
        let is_half =
            self.file(CredentialFile::Certificate).is_some() != self.file(CredentialFile::Key).is_some();
        if is_half {
            findings.push(
                finding(Rule::ConfigBroken, Severity::Error)
                    .expected("[grpc.tls] with both cert and key")
                    .found("one of the two")
                    .cause("buildkitd does not start with one alone")
                    .fix(WHOLE_TLS),
            );
        } else if has_tls && self.file(CredentialFile::Authority).is_none() {
            findings.push(
                finding(Rule::NoClientAuthority, Severity::Critical)
                    .expected("[grpc.tls] with ca")
                    .found("cert and key without ca")
                    .cause("the daemon then asks no client for a certificate: anyone can run code there")
                    .fix(WHOLE_TLS),
            );
        } else if let Some(address) = served.first().filter(|_| !has_tls) {
            findings.push(
                finding(Rule::DaemonWithoutTls, Severity::Critical)
                    .expected("[grpc.tls] with cert, key and ca for a tcp address")
                    .found(message!("{} without TLS", Line(address)))
                    .cause("anyone who reaches the port can run code there")
                    .fix(WHOLE_TLS),
            );
        }
        if let Some(address) = self.addresses.iter().find(|address| address.starts_with("fd://"))
            && !has_tls
            && !is_half
        {
            findings.push(
                finding(Rule::DaemonWithoutTls, Severity::Warning)
                    .expected("[grpc.tls] with cert, key and ca for a socket that may be a port")
                    .found(message!("{} without TLS", Line(address)))
                    .cause("systemd hands the socket over: if it is a port, anyone who reaches it can run code there")
                    .fix(WHOLE_TLS),
            );
        }
        for (_, file) in self.files.iter().filter(|(_, file)| !Path::new(file).is_absolute()) {
            findings.push(
                finding(Rule::ConfigPath, Severity::Warning)
                    .expected("an absolute path")
                    .found(Path::new(file))
                    .cause("buildkitd looks for it in the folder in which it was started")
                    .fix("write the path from / on"),
            );
        }
        if let Some(address) = self.debug_address.as_deref().filter(|address| !is_of_this_machine(address)) {
            findings.push(
                finding(Rule::DebugAddress, Severity::Error)
                    .expected("no debugAddress, or one on 127.0.0.1")
                    .found(Line(address))
                    .cause("it shows the daemon's memory and its builds to anyone, without TLS")
                    .fix("debugAddress = \"127.0.0.1:6060\""),
            );
        }
        if !self.registries.is_empty() && self.file(CredentialFile::Authority).is_none() {
            let names = Message::join(self.registries.iter().map(|name| Line(name)), ", ");
            findings.push(
                finding(Rule::RegistryAuthority, Severity::Info)
                    .expected("the CA of the daemon's clients in [grpc.tls] ca")
                    .found(message!("a CA or a key pair for {} in [registry]", names))
                    .cause("[registry] is for what the daemon pulls and pushes; it does not decide who may connect")
                    .fix(WHOLE_TLS),
            );
        }
        if !self.entitlements.is_empty() {
            findings.push(
                finding(Rule::InsecureEntitlements, Severity::Warning)
                    .expected("no insecure-entitlements")
                    .found(Message::join(self.entitlements.iter().map(|entitlement| Word(entitlement)), ", "))
                    .cause("whoever may build can then be root on this machine, or reach its network")
                    .fix("delete insecure-entitlements, if no build needs them"),
            );
        }
        findings
    }
}

fn registries_with_files(root: &Section<'_>) -> Vec<String> {
    let registries = root.values("registry").filter_map(Value::as_table).flatten();
    let has_files = |registry: &Value| {
        let Some(table) = registry.as_table() else { return false };
        let section = Section::of(table);
        let is_given = |value: &Value| value.as_array().is_some_and(|all| !all.is_empty());
        ["ca", "keypair"].iter().any(|key| section.values(key).any(is_given))
    };
    registries.filter(|(_, registry)| has_files(registry)).map(|(name, _)| name.clone()).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let listed = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(listed).map(str::to_owned).collect()
}

/// What buildkitd's `getListener` knows.
fn is_supported(address: &str) -> bool {
    ["unix://", "tcp://", "fd://", "npipe://"].iter().any(|known| address.starts_with(known))
}

fn is_tcp(address: &str) -> bool {
    address.starts_with("tcp://")
}

fn is_of_this_machine(address: &str) -> bool {
    let host = address.strip_prefix("tcp://").unwrap_or(address);
    host.starts_with('/')
        || host.starts_with("unix:")
        || ["127.0.0.1:", "localhost:", "[::1]:"].iter().any(|own| host.starts_with(own))
}

const WHOLE_TLS: &str = "[grpc.tls] cert = \"/etc/buildkit/tls.crt\", key = \"/etc/buildkit/tls.key\", ca = \
    \"/etc/buildkit/tlsca.crt\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Vec<(Rule, Severity)> {
        let path = Path::new("buildkitd.toml");
        let findings = DaemonConfig::parse(text.as_bytes(), path).unwrap().findings(path);
        assert!(findings.iter().all(|finding| finding.cause.is_some() && finding.fix.is_some()));
        findings.iter().map(|finding| (finding.rule, finding.severity)).collect()
    }

    const TLS: &str = "[grpc]\naddress = [\"tcp://0.0.0.0:1234\"]\n[grpc.tls]\ncert = \"/c\"\nkey = \"/k\"\n";

    #[test]
    fn a_daemon_that_asks_no_client_for_a_certificate_is_critical() {
        assert_eq!(says(TLS), [(Rule::NoClientAuthority, Severity::Critical)]);
        assert_eq!(says(&format!("{TLS}ca = \"\"")), [(Rule::NoClientAuthority, Severity::Critical)]);
        assert_eq!(says(&format!("{TLS}ca = \"/ca\"")), []);
    }

    #[test]
    fn a_port_without_tls_is_critical_and_a_socket_is_not() {
        let open = [(Rule::DaemonWithoutTls, Severity::Critical)];
        assert_eq!(says("[grpc]\naddress = [\"unix:///run/b.sock\", \"tcp://0.0.0.0:1234\"]"), open);
        assert_eq!(says("[grpc]\naddress = [\"tcp://[::]:1\"]\n[grpc.tls]\nca = \"/ca\""), open);
        assert_eq!(says("[grpc]\naddress = [\"unix:///run/b.sock\"]"), []);
        assert_eq!(says("debug = true"), []);
        assert_eq!(says("[grpc.tls]\ncert = \"/c\"\nca = \"/ca\""), [(Rule::ConfigBroken, Severity::Error)]);
    }

    /// go-toml takes keys in any case, and refuses values of another kind.
    #[test]
    fn a_config_is_read_as_buildkitd_reads_it_in_whichever_letters() {
        let open = (Rule::DaemonWithoutTls, Severity::Critical);
        let nobody = (Rule::NoClientAuthority, Severity::Critical);
        let broken = (Rule::ConfigBroken, Severity::Error);
        assert_eq!(says("[GRPC]\nAddress=[\"tcp://0.0.0.0:1234\"]"), [open]);
        assert_eq!(says("[grpc]\naddress=[\"unix:///s\"]\nAddress=[\"tcp://0.0.0.0:1\"]"), [broken, open]);
        assert_eq!(says(&format!("{TLS}CA = \"/ca\"")), []);
        assert_eq!(says(&format!("{TLS}ca = \"/ca\"\nCA = \"\"")), [broken, nobody]);
        let debug = "DebugAddress = \"0.0.0.0:6060\"\nInsecure-Entitlements = [\"security.insecure\"]";
        let wanted = [(Rule::DebugAddress, Severity::Error), (Rule::InsecureEntitlements, Severity::Warning)];
        assert_eq!(says(debug), wanted);
        for text in ["[[grpc]]", "grpc = \"x\"", "[grpc]\nuid = \"x\"", "[grpc]\naddress = \"unix:///s\""] {
            assert_eq!(says(text), [broken], "{text}");
        }
        for address in ["0.0.0.0:1234", "TCP://0.0.0.0:1234", "http://x:1"] {
            assert_eq!(says(&format!("[grpc]\naddress = [\"{address}\"]")), [broken], "{address}");
        }
        let passed = (Rule::DaemonWithoutTls, Severity::Warning);
        assert_eq!(says("[grpc]\naddress = [\"fd://\"]"), [passed]);
    }

    #[test]
    fn what_else_opens_the_machine_is_named() {
        let text = format!(
            "insecure-entitlements = [\"security.insecure\"]\n{}\nca = \"certs/ca.pem\"\n",
            TLS.replace("[grpc.tls]", "debugAddress = \"0.0.0.0:6060\"\n[grpc.tls]")
        );
        let wanted = [
            (Rule::ConfigPath, Severity::Warning),
            (Rule::DebugAddress, Severity::Error),
            (Rule::InsecureEntitlements, Severity::Warning),
        ];
        assert_eq!(says(&text), wanted);
        assert_eq!(says(&text.replace("0.0.0.0:6060", "127.0.0.1:6060")), [wanted[0], wanted[2]]);
    }

    #[test]
    fn a_fault_is_told_by_its_line_and_not_by_its_text() {
        let text = "a = 1\npassword = \"secret\" x\n";
        let failure = DaemonConfig::parse(text.as_bytes(), Path::new("b.toml")).unwrap_err().to_string();
        assert!(failure.contains("line 2") && !failure.contains("secret"), "{failure}");
    }
}
