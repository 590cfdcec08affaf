//! The command lines of onboarding: requests, kits, invitations, joining.

use std::path::PathBuf;

use clap::Args;

use super::arguments::ChangeOptions;
use crate::layout::ClientTool;
use crate::model::{Contact, Endpoint, FingerprintPrefix, IdentityName, KeyAlgorithm, Lifetime};

/// `kitcert request`
#[derive(Debug, Args)]
pub struct RequestArguments {
    /// The client that you want to be
    pub name: IdentityName,
    /// Where the request is written [default: ./NAME.csr]
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// The type of the key: ecdsa-p256, ecdsa-p384 or ed25519 [default: ecdsa-p256]
    #[arg(long, value_name = "TYPE")]
    pub key: Option<KeyAlgorithm>,
    /// Make a new key even if there is one; a kit for the old one can still be joined
    #[arg(long)]
    pub new_key: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert invite`
#[derive(Debug, Args)]
pub struct InviteArguments {
    /// The client
    pub name: IdentityName,
    /// Where the kit is written [default: ./NAME.kit]
    #[arg(long, value_name = "FILE")]
    pub kit: Option<PathBuf>,
    /// How long the certificate is valid, where it is issued now [default: 90d]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<Lifetime>,
    /// The daemon that the client will use [default: as in kitcert.yaml, else the only one]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// Whom to ask, as the kit says it [default: as in kitcert.yaml, else your user name]
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<Contact>,
    /// For how long the kit may be joined
    #[arg(long, value_name = "DURATION", default_value = "14d")]
    pub join_within: Lifetime,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert join`
#[derive(Debug, Args)]
pub struct JoinArguments {
    /// The kit that your admin sent you; - is standard input
    #[arg(value_name = "FILE")]
    pub kit: PathBuf,
    /// The SHA-256 of the CA, as your admin told you by another way than the kit: the words, or at
    /// least 32 hex digits
    #[arg(long, value_name = "WORDS|HEX")]
    pub fingerprint: Option<FingerprintPrefix>,
    /// Read the passphrase of a kit with a key from a file; - is standard input [default: ask]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The tool: earthly, earthbuild, buildctl or buildx [default: the one that is found here]
    #[arg(long = "for", value_name = "TOOL")]
    pub tool: Option<ClientTool>,
    /// The config file to edit [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Turn TLS on where the config says tls_enabled: false
    #[arg(long)]
    pub enable_tls: bool,
    /// Replace files that are in place even if the daemon cannot be verified with the new ones
    #[arg(long)]
    pub unverified: bool,
    /// How long a daemon has for all that it is asked
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub timeout: Lifetime,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}
