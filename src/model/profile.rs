//! The numbers of the certificate profile, each with its reason.

use super::Lifetime;

/// How far notBefore lies in the past, so that a peer whose clock is behind accepts at once.
pub const BACKDATING: Lifetime = Lifetime::from_seconds(3_600);

/// A daemon's default lifetime: a daemon must be restarted for each renewal.
pub const DAEMON_LIFETIME: Lifetime = Lifetime::days(397);

/// A client's default lifetime: daemons read no CRL, so expiry is what ends a lost key's power.
pub const CLIENT_LIFETIME: Lifetime = Lifetime::days(90);

/// A CA's default lifetime.
pub const AUTHORITY_LIFETIME: Lifetime = Lifetime::days(3_650);

/// How long the probe certificates of `verify` are valid, which never leave memory: longer than a daemon is
/// waited for that is not up, or builds.
pub const PROBE_LIFETIME: Lifetime = Lifetime::days(2);

/// No file that we read as PEM, configuration or list of names is larger, in bytes. Parsers
/// elsewhere were quadratic in it (CVE-2024-12401, CVE-2025-61723).
pub const LARGEST_PEM: usize = 64 * 1024;

/// No chain and no bundle of ours holds more certificates: verifiers give up after 100 signature checks.
/// Another's bundle may: a whole system's is read, and its breadth is warned of.
pub const LARGEST_BUNDLE: usize = 16;

/// No bundle that we read is larger, in bytes: ten times a system's.
pub const LARGEST_BUNDLE_FILE: usize = 2 * 1024 * 1024;

/// So many bytes of names fit into the CertificateRequest of a daemon, with two for the length of each
/// (RFC 8446 section 4.2.4); of more Go makes no handshake.
pub const LARGEST_NAMES: usize = 65_535;

/// No certificate carries more names (CVE-2026-27145).
pub const MOST_NAMES: usize = 100;

/// No anchor excludes more names, the canary not counted: a Go daemon puts its anchor into every session ticket,
/// and at 300 a handshake has 18 KB of it.
pub const MOST_EXCLUSIONS: usize = 300;

/// No anchor's name constraints are longer, in bytes: session tickets of more than 64 KiB cut off every client
/// that offers one.
pub const LARGEST_EXCLUSIONS: usize = 32 * 1024;

/// How long a daemon's restart command may run, and how long the daemon may take afterwards until it
/// serves.
pub const RESTART_TIMEOUT: Lifetime = Lifetime::from_seconds(60);

/// How long a restart waits for a daemon that builds something.
pub const IDLE_LIMIT: Lifetime = Lifetime::from_seconds(1_800);

/// How long before its end a daemon whose CA cannot renew its certificate gets one of the new CA,
/// though clients may not have moved: waiting would lock out more.
pub const SWITCH_BEFORE: Lifetime = Lifetime::days(2);

/// How long a verification counts: a daemon's configuration changes without a word to us.
pub const VERIFY_EVERY: Lifetime = Lifetime::days(30);

/// Keys older than this are renewed with a new one where we hold them.
pub const KEY_AGE: Lifetime = Lifetime::days(365);
