//! The stable words for why a daemon and a client do not come together.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Message, Printable};

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, told $told:literal, fix $fix:literal,)+) => {
        /// Why a [`Finding`](super::Finding) of a daemon is as it is. The words are stable, and one
        /// is never given a second meaning. A finding has two or more of them where what was seen
        /// does not tell which of them it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $($(#[doc = $doc])+ $variant,)+ }

        impl Cause {
            /// Every cause, in the order of the documentation: that of a connection.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant,)+];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Cause::$variant => $word,)+ }
            }

            /// One sentence on what is so.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Cause::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// The same, as a clause behind a colon.
            #[must_use]
            pub fn clause(self) -> Message {
                let meaning = self.meaning().trim_end_matches('.');
                let mut letters = meaning.chars();
                let clause = match (letters.next(), letters.clone().next()) {
                    // An abbreviation keeps its letters.
                    (Some(first), Some(second)) if !second.is_uppercase() => {
                        first.to_lowercase().chain(letters).collect()
                    }
                    _ => meaning.to_owned(),
                };
                Message::parsed(&clause)
            }

            /// By what it is told from others.
            #[must_use]
            pub fn told_by(self) -> &'static str {
                match self { $(Cause::$variant => $told,)+ }
            }

            /// What fixes it, in general; a finding knows better.
            #[must_use]
            pub fn fix(self) -> Message {
                let words = match self { $(Cause::$variant => $fix,)+ };
                words.message()
            }
        }
    };
}

causes! {
    /// The name does not resolve here.
    NameUnresolved = "name-unresolved",
        told "the resolver's answer",
        fix "name the host as the resolver of this machine knows it",
    /// Nothing listens on that port.
    NothingListens = "nothing-listens",
        told "the connection is refused at once",
        fix "start the daemon, name the port on which it listens, or look for a firewall that rejects the connection",
    /// A firewall drops it, the port is not published, or no machine has that address.
    Filtered = "filtered",
        told "no answer to TCP at all within the deadline",
        fix "publish or open the port, 8372",
    /// There is no route to that address.
    NoRoute = "no-route",
        told "what the system reports",
        fix "check the route to it, and firewalls on the way",
    /// Something accepts connections but never answers: a process that hangs, or a proxy without a daemon.
    Silent = "silent",
        told "TCP connects, and no byte comes before the deadline",
        fix "restart the daemon, or name its port",
    /// It completes TLS, but does not answer in time: it is overloaded, hangs, or is far away.
    Unanswered = "unanswered",
        told "the handshake succeeds, but no SETTINGS or no answer comes before the deadline",
        fix "restart the daemon; or, if it is only slow, use a longer --timeout",
    /// The daemon is starting, or a proxy in front of it has no daemon behind it.
    NotUpYet = "not-up-yet",
        told "the connection is accepted and ended before a ServerHello",
        fix "{kitcert} verify --wait",
    /// An SSH server has this port.
    SshServer = "ssh-server",
        told "SSH- are the first bytes",
        fix "name the daemon's port, 8372",
    /// A web server without TLS has this port: an HTTP proxy, or the registry of the daemon (8371).
    PlainHttpServer = "plain-http-server",
        told "HTTP/1 answers without TLS",
        fix "name the daemon's port, 8372",
    /// Another service without TLS has this port.
    OtherService = "other-service",
        told "the first bytes are of no protocol that a daemon speaks",
        fix "name the daemon's port, 8372",
    /// The daemon runs without TLS.
    PlaintextDaemon = "plaintext-daemon",
        told "BuildKit answers without TLS",
        fix "BUILDKIT_TLS_ENABLED=true exactly, or cert and key in [grpc.tls]; then restart it",
    /// The certificate that is served has expired, or its CA has.
    ServedExpired = "served-expired",
        told "its dates, by the clock here",
        fix "{kitcert} rotate   # then restart the daemon, if its file is newer than what it serves",
    /// The certificate that is served is not valid yet, or a clock is wrong.
    ServedNotYetValid = "served-not-yet-valid",
        told "its dates, by the clock here",
        fix "date -u   # here, and on the machine that issued it",
    /// The certificate that is served is for other hosts.
    ServedOtherName = "served-other-name",
        told "its subjectAltName against the host that is dialed",
        fix "add the host in kitcert.yaml and {kitcert} rotate, or dial a host that it has",
    /// The certificate that is served has the IP address as a DNS name, which matches nothing.
    ServedIpAsDnsName = "served-ip-as-dns-name",
        told "the address stands there as dNSName",
        fix "issue another: earthly bootstrap makes such, kitcert does not",
    /// The certificate that is served has the host only in its common name, which Go ignores.
    ServedCommonNameOnly = "served-common-name-only",
        told "the host is in the subject, and no subjectAltName is there",
        fix "issue another",
    /// The certificate that is served is not for servers.
    ServedWrongUsage = "served-wrong-usage",
        told "serverAuth is not among its extended key usages",
        fix "{kitcert} install daemon   # then restart it",
    /// The certificate that is served is weak: its key is too small, or a signature is SHA-1's or MD5's.
    ServedWeak = "served-weak",
        told "the signatures of its chain, and the kind of its key",
        fix "issue another",
    /// Go refuses the certificate that is served, whoever issued it.
    ServedUnacceptable = "served-unacceptable",
        told "its extensions, or those of its chain, read as Go reads them",
        fix "issue another; kitcert inspect on the daemon's machine says why",
    /// Another CA issued the certificate that is served: it is another daemon, or ca.pem here is wrong.
    ServedOtherCa = "served-other-ca",
        told "no CA of its issuer's name is trusted here",
        fix "use the daemon's own ca.pem, from a new kit; on the CA's machine: {kitcert} install client",
    /// A proxy in between ends TLS with its own certificate.
    TlsProxy = "tls-proxy",
        told "another CA's certificate, and no request for the client's",
        fix "let the proxy pass TCP through, or dial the daemon directly",
    /// A CA with the name of a trusted CA, but another key, issued the certificate that is served.
    ServedNamesakeCa = "served-namesake-ca",
        told "its issuer is trusted here by name, and the signature is not by that key",
        fix "one of the two CAs was created again under the same name: use the other ca.pem, or install again",
    /// The daemon's cert.pem lacks the intermediate behind its leaf.
    ServedIntermediateMissing = "served-intermediate-missing",
        told "what else was served leads to a trusted CA, the leaf does not",
        fix "put the intermediate behind the leaf in cert.pem, and restart the daemon",
    /// The daemon trusts another CA for its clients.
    DaemonTrustsOtherCa = "daemon-trusts-other-ca",
        told "the CAs that it asks for are not the client's",
        fix "{kitcert} install daemon   # then restart it",
    /// The daemon trusts a CA with the same name as the client's, but another key.
    DaemonTrustsNamesakeCa = "daemon-trusts-namesake-ca",
        told "it asks for the client's CA by name, and alert 48 or 51 follows",
        fix "{kitcert} install daemon   # then restart it",
    /// The daemon has not been restarted since its files were replaced, or its container sees other files.
    NotRestarted = "not-restarted",
        told "it serves another certificate, or asks for other CAs, than its files say",
        fix "restart the daemon: it reads its files only at startup",
    /// Go silently ignores a block of the daemon's ca.pem.
    BundleBlockDropped = "bundle-block-dropped",
        told "the file, where it is on this machine",
        fix "{kitcert} install daemon   # writes its ca.pem again; then restart it",
    /// Another CA than the one in the client's ca.pem issued its certificate.
    ClientOfOtherCa = "client-of-other-ca",
        told "the daemon asks for a CA of the client's ca.pem, which did not issue its certificate",
        fix "{kitcert} install client   # all three files at once",
    /// The client's cert.pem lacks the intermediate behind its leaf.
    ClientIntermediateMissing = "client-intermediate-missing",
        told "the daemon serves the certificate of its issuer as an intermediate, and the client has none",
        fix "put the intermediate behind the leaf in the client's cert.pem",
    /// The daemon, or a proxy before it, accepts no signature of a key like the client's.
    ClientSignatureUnsupported = "client-signature-unsupported",
        told "the signature schemes that it offers (gRPC outside Go has none of Ed25519)",
        fix "issue the client a certificate for an ecdsa-p256 key",
    /// The client's certificate has expired.
    ClientExpired = "client-expired",
        told "its dates, by the clock here",
        fix "{kitcert} rotate && {kitcert} install client   # if the CA is elsewhere, ask for a new kit",
    /// The client's certificate is not valid yet.
    ClientNotYetValid = "client-not-yet-valid",
        told "its dates, by the clock here",
        fix "date -u   # here, and on the machine that issued it",
    /// The client's certificate is not for clients.
    ClientWrongUsage = "client-wrong-usage",
        told "clientAuth is not among its extended key usages",
        fix "{kitcert} install client   # a daemon's certificate lies where the client's should",
    /// The daemon's clock and the one here differ.
    ClocksDiffer = "clocks-differ",
        told "alert 45, or an expired certificate that gets in: the finding says how far apart they are",
        fix "date -u   # here, and on the daemon's machine",
    /// The client's access, or that of its key, was revoked.
    ClientRevoked = "client-revoked",
        told "alert 42 from a daemon that asks for certificates of the client's CA",
        fix "ask the admin of the daemon for a new kit, and join it",
    /// It closes the connection without saying why.
    RefusedUnsaid = "refused-unsaid",
        told "a close or a reset, without an alert",
        fix "check the daemon's log; then: {kitcert} install daemon, and restart it",
    /// It refuses with an alert that has several possible reasons.
    RefusedUnclear = "refused-unclear",
        told "the alert's number",
        fix "check the daemon's log; then: {kitcert} install daemon, and restart it",
    /// It has no cipher suite, or no group of a key exchange, that clients have.
    NoCommonCipher = "no-common-cipher",
        told "alert 40 or 71 before a ServerHello",
        fix "allow TLS 1.3 with X25519 or P-256 there",
    /// It speaks neither TLS 1.2 nor 1.3.
    NoCommonTlsVersion = "no-common-tls-version",
        told "alert 70",
        fix "update the daemon, or the proxy that ends TLS in front of it",
    /// A proxy in front of the daemon has no server of that name.
    UnknownServerName = "unknown-server-name",
        told "alert 112",
        fix "let the proxy pass TCP through, or dial the daemon directly",
    /// It refuses h2, which a daemon speaks.
    ProtocolRefused = "protocol-refused",
        told "alert 120",
        fix "name the daemon's port; a web server without HTTP/2 is there",
    /// It selects no protocol by ALPN, which buildctl since v0.19 and EarthBuild since 0.8.18 refuse.
    NoAlpn = "no-alpn",
        told "the handshake ends without a protocol",
        fix "update the daemon, or set GRPC_ENFORCE_ALPN_ENABLED=false for those clients",
    /// It speaks TLS, but not HTTP/2: another service, or a proxy that does not pass HTTP/2 on.
    NoHttp2 = "no-http2",
        told "something other than SETTINGS follows the handshake",
        fix "name the daemon's port",
    /// A web server or a proxy answers, not BuildKit.
    WebServer = "web-server",
        told "an HTTP status that no gRPC server gives",
        fix "name the daemon's port, or let the proxy pass gRPC on",
    /// Another gRPC service answers, not BuildKit.
    OtherGrpcService = "other-grpc-service",
        told "it knows neither Info nor ListWorkers",
        fix "name the daemon's port",
    /// A proxy answers, with no daemon behind it.
    ProxyWithoutDaemon = "proxy-without-daemon",
        told "gRPC status 8 or 14, or HTTP 429, 502, 503 or 504",
        fix "start the daemon behind the proxy",
    /// TLS lets the client in, but something behind it refuses the call.
    TurnedDownAboveTls = "turned-down-above-tls",
        told "gRPC status 7 or 16, or HTTP 4xx",
        fix "check what filters calls behind TLS; BuildKit's daemon does not",
    /// The daemon has no worker, and so cannot build.
    NoWorker = "no-worker",
        told "ListWorkers is answered with none",
        fix "the daemon's log says why no worker started",
    /// The daemon restarted meanwhile, or several answer at this name.
    SeveralDaemons = "several-daemons",
        told "dials see different certificates, CAs or signatures, or the client is accepted at first and refused at the end",
        fix "give each daemon behind a balancer the same files",
    /// The daemon also trusts a CA that is not in the client's trust bundle.
    OtherCaTrusted = "other-ca-trusted",
        told "the CAs that it asks for",
        fix "ask its admin: a CA rollover has two CAs on purpose; otherwise remove the other CA from its ca.pem",
    /// The daemon has a certificate and a key, but no client CA.
    NoClientCa = "no-client-ca",
        told "it does not ask for a certificate, and lets in a client without one",
        fix "put ca.pem where the daemon reads it ({kitcert} install daemon), and restart it",
    /// The daemon asks for a certificate, but does not require one.
    CertificateOptional = "certificate-optional",
        told "it asks for one, but lets in a client without one",
        fix "check the proxy that ends TLS in front of it: Go's daemons require one",
    /// It checks the names in a certificate, but not its signature.
    SignatureUnchecked = "signature-unchecked",
        told "it lets in a certificate of an unknown CA with the right name, but nobody without a certificate",
        fix "give it the CA's certificate as its only client CA, and restart it",
    /// It does not check the usage of a certificate, so a stolen daemon key gets in.
    UsageUnchecked = "usage-unchecked",
        told "it lets in a daemon's certificate as a client's",
        fix "check the proxy that ends TLS in front of it: Go's daemons check",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_of_lower_case_letters_digits_and_hyphens() {
        let mut words: Vec<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        let is_fine = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        assert!(words.iter().all(|word| word.chars().all(is_fine)));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Cause::ALL.len());
        assert!(Cause::ALL.iter().all(|cause| cause.to_string() == cause.as_str()));
    }
}
