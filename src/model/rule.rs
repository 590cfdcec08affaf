//! The stable words for what is looked at.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+) => {
        /// What a [`Finding`](super::Finding) is about. The words are stable: monitoring and
        /// scripts may match on them, and one is never given a second meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $variant,)+ }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant,)+];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Rule::$variant => $word,)+ }
            }

            /// One sentence on what must be so.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Rule::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

rules! {
    /// A client without a certificate is refused.
    AnonymousAccepted = "anonymous-accepted",
    /// Our own certificate is accepted, and BuildKit answers.
    OursRefused = "ours-refused",
    /// A certificate of a stranger's CA, with our CA's name and key id, is refused.
    StrangerAccepted = "stranger-accepted",
    /// HTTP/2 without TLS is refused.
    PlaintextAccepted = "plaintext-accepted",
    /// Whether a client that offers at most TLS 1.2 is accepted.
    Tls12Accepted = "tls12-accepted",
    /// A client certificate that has expired is refused.
    ExpiredAccepted = "expired-accepted",
    /// A certificate with a daemon's usage is refused as a client's.
    DaemonUsageAccepted = "daemon-usage-accepted",
    /// The daemon can be reached: its name resolves and its port answers.
    Unreachable = "unreachable",
    /// What answers speaks TLS.
    NotTls = "not-tls",
    /// The daemon's certificate chain ends in our CA.
    ServerUntrusted = "server-untrusted",
    /// The daemon's certificate names the host that is dialled.
    ServerNameMismatch = "server-name-mismatch",
    /// The daemon's certificate is valid now.
    ServerExpired = "server-expired",
    /// The daemon's certificate may be used by a server.
    ServerUsage = "server-usage",
    /// The daemon selects h2 by ALPN, which newer clients insist on.
    NoAlpn = "no-alpn",
    /// What answers is BuildKit, with at least one worker.
    NotBuildkit = "not-buildkit",
    /// The daemon serves the certificate that is installed.
    ServedIsStale = "served-is-stale",
    /// The daemon trusts the CAs that are installed.
    TrustIsStale = "trust-is-stale",
    /// A check came to no verdict.
    Inconclusive = "inconclusive",
    /// A host that clients take for their own machine.
    LoopbackHost = "loopback-host",
    /// The client's tool reads the endpoint that its config names.
    HostIgnored = "host-ignored",
    /// The state remembers a proof.
    ProofNotRecorded = "proof-not-recorded",
    /// The file can be read and is what it should be.
    UnreadableFile = "unreadable-file",
    /// A key file is open to its owner alone.
    KeyMode = "key-mode",
    /// A key belongs to its certificate.
    KeyMismatch = "key-mismatch",
    /// A chain ends in one of the trusted CAs.
    ChainUntrusted = "chain-untrusted",
    /// A certificate is valid now.
    Expired = "expired",
    /// A certificate is already valid.
    NotYetValid = "not-yet-valid",
    /// A certificate ends within a third of its lifetime.
    ExpiresSoon = "expires-soon",
    /// A certificate is not valid for longer than its issuer.
    OutlivesIssuer = "outlives-issuer",
    /// A certificate is of version 3.
    CertificateVersion = "certificate-version",
    /// A serial number is positive and has at most 20 octets and at least 64 random bits.
    SerialNumber = "serial-number",
    /// A signature algorithm that every peer accepts.
    SignatureAlgorithm = "signature-algorithm",
    /// A key that is strong enough for every peer.
    WeakKey = "weak-key",
    /// Subject and issuer are named.
    EmptySubject = "empty-subject",
    /// basicConstraints is critical in a CA and says cA=TRUE, and not so in a leaf.
    BasicConstraints = "basic-constraints",
    /// A CA's path length is 0.
    PathLength = "path-length",
    /// keyUsage is critical and says what the role needs and no more.
    KeyUsage = "key-usage",
    /// extendedKeyUsage has exactly the role's one purpose, and none in a CA.
    ExtendedKeyUsage = "extended-key-usage",
    /// The subject key identifier is there and well made.
    SubjectKeyIdentifier = "subject-key-identifier",
    /// The authority key identifier is there and is the issuer's.
    AuthorityKeyIdentifier = "authority-key-identifier",
    /// There is a subjectAltName of usable names.
    SubjectAltName = "subject-alt-name",
    /// An IP address stands as iPAddress, not as DNS name.
    IpAsDnsName = "ip-as-dns-name",
    /// A DNS name has no underscore.
    UnderscoreInName = "underscore-in-name",
    /// A wildcard is a whole left-most label, and was asked for.
    WildcardName = "wildcard-name",
    /// No extension that makes a peer refuse.
    UnexpectedExtension = "unexpected-extension",
    /// Lifetime, names or constants that give away a generator's flaw.
    LegacyGenerator = "legacy-generator",
    /// Every block of a bundle is one that Go would load.
    BundleBlockDropped = "bundle-block-dropped",
    /// A bundle holds each certificate once.
    BundleDuplicate = "bundle-duplicate",
    /// A bundle holds CA certificates only.
    BundleHoldsLeaf = "bundle-holds-leaf",
    /// A bundle has at least one certificate and no more than 16.
    BundleSize = "bundle-size",
    /// No private key stands where a certificate should.
    KeyInBundle = "key-in-bundle",
    /// A key is unencrypted PKCS#8 in one block.
    KeyFormat = "key-format",
    /// A request's own signature is right.
    RequestSignature = "request-signature",
    /// A kit is whole, and signed by a CA that it names.
    KitRefused = "kit-refused",
    /// A kit may still be joined.
    KitPastDate = "kit-past-date",
    /// A receipt is by the key of the certificate that it names.
    ReceiptSignature = "receipt-signature",
    /// A configuration is one that its tool accepts.
    ConfigBroken = "config-broken",
    /// TLS is on in the client's configuration.
    TlsDisabled = "tls-disabled",
    /// A file that the configuration names is there.
    ConfigPath = "config-path",
    /// The configuration names an endpoint that its tool can dial.
    ConfigEndpoint = "config-endpoint",
    /// A configuration is where its tool reads it.
    ConfigElsewhere = "config-elsewhere",
    /// A daemon's configuration names the CA whose clients it lets in.
    NoClientAuthority = "no-client-ca",
    /// A daemon's configuration has TLS for every TCP address.
    DaemonWithoutTls = "daemon-without-tls",
    /// A daemon's debug address is not open to other machines.
    DebugAddress = "debug-address",
    /// Builds are not given more of the machine than they need.
    InsecureEntitlements = "insecure-entitlements",
    /// A key file belongs to root or to the user who reads it.
    KeyOwner = "key-owner",
    /// Every daemon and every client has a certificate of its own.
    CertificateShared = "certificate-shared",
    /// No CA's key lies where a client's tool looks for one.
    AuthorityKeyAtClient = "authority-key-at-client",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_word_of_its_own() {
        let mut words: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Rule::ALL.len());
    }
}
