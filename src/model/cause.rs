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

            /// What mends it, in general; a finding knows better.
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
        fix "start the daemon, or name the port on which it listens",
    /// A firewall drops it, the port is not published, or the address is no machine's.
    Filtered = "filtered",
        told "no answer to TCP at all within the deadline",
        fix "publish or open the port, 8372",
    /// The network has no way there.
    NoRoute = "no-route",
        told "the system's own word",
        fix "look for a route to it, and for a firewall on the way",
    /// Something accepts connections and says nothing: a process that hangs, or a proxy without a daemon.
    Silent = "silent",
        told "TCP connects, and no byte comes before the deadline",
        fix "restart the daemon, or name its port",
    /// It completes TLS and then does not answer in time: overloaded, hanging, or far away.
    Unanswered = "unanswered",
        told "the handshake is over, and no SETTINGS or no answer comes before the deadline",
        fix "restart the daemon; a longer --timeout where it is only slow",
    /// The daemon is starting, or a proxy before it has no daemon to pass on to.
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
    /// The certificate that is served is not valid yet: it was made ahead, or a clock is wrong.
    ServedNotYetValid = "served-not-yet-valid",
        told "its dates, by the clock here",
        fix "date -u   # here, and on the machine that issued it",
    /// The certificate that is served is for other hosts.
    ServedOtherName = "served-other-name",
        told "its subjectAltName against the host that is dialled",
        fix "add the host in kitcert.yaml and {kitcert} rotate, or dial a host that it has",
    /// The certificate that is served has the IP address as a DNS name, which matches nothing.
    ServedIpAsDnsName = "served-ip-as-dns-name",
        told "the address stands there as dNSName",
        fix "issue another: earthly bootstrap makes such, kitcert does not",
    /// The certificate that is served names the host in its common name alone, which Go ignores.
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
    /// The certificate that is served has something that makes Go refuse it, whoever issued it.
    ServedUnacceptable = "served-unacceptable",
        told "its extensions, or those of its chain, read as Go reads them",
        fix "issue another; kitcert inspect on the daemon's machine says why",
    /// The certificate that is served is of another CA: another daemon, or the wrong ca.pem here.
    ServedOtherCa = "served-other-ca",
        told "nobody of its issuer's name is trusted here",
        fix "take the ca.pem that belongs to the daemon, from a new kit; where its CA is: {kitcert} install client",
    /// Something between here and the daemon ends TLS and shows a certificate of its own.
    TlsProxy = "tls-proxy",
        told "another CA's certificate, and nobody is asked for theirs",
        fix "pass TCP through unopened, or dial the daemon itself",
    /// The certificate that is served is of a CA with the name of a trusted one and another key.
    ServedNamesakeCa = "served-namesake-ca",
        told "its issuer is trusted here by name, and the signature is not by that key",
        fix "one of the two CAs was made anew under the old name: take the other ca.pem, or install again",
    /// The daemon's cert.pem lacks the intermediate behind its leaf.
    ServedIntermediateMissing = "served-intermediate-missing",
        told "what else was served leads to a trusted CA, the leaf does not",
        fix "put the intermediate behind the leaf in cert.pem, and restart the daemon",
    /// The daemon trusts another CA for its clients.
    DaemonTrustsOtherCa = "daemon-trusts-other-ca",
        told "the CAs that it asks for are not the client's",
        fix "{kitcert} install daemon   # then restart it",
    /// The daemon trusts a CA with the name of the client's and another key.
    DaemonTrustsNamesakeCa = "daemon-trusts-namesake-ca",
        told "it asks for the client's CA by name, and alert 48 or 51 follows",
        fix "{kitcert} install daemon   # then restart it",
    /// The daemon has not been restarted since its files were replaced, or its container sees other files.
    NotRestarted = "not-restarted",
        told "it serves another certificate, or asks for other CAs, than its files say",
        fix "restart the daemon: it reads its files once",
    /// A block of the daemon's ca.pem is one that Go drops without a word.
    BundleBlockDropped = "bundle-block-dropped",
        told "the file, where it is on this machine",
        fix "{kitcert} install daemon   # writes its ca.pem again; then restart it",
    /// The client's certificate is of another CA than the one that its ca.pem names.
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
        told "alert 45, or one dated to be over that is let in: the finding says how far they are apart",
        fix "date -u   # here, and on the daemon's machine",
    /// It ends the connection and does not say why.
    RefusedUnsaid = "refused-unsaid",
        told "a close or a reset, without an alert",
        fix "look into the daemon's log; then: {kitcert} install daemon, and restart it",
    /// It refuses with an alert that several faults share.
    RefusedUnclear = "refused-unclear",
        told "the alert's number",
        fix "look into the daemon's log; then: {kitcert} install daemon, and restart it",
    /// It has no cipher suite, or no group of a key exchange, that clients have.
    NoCommonCipher = "no-common-cipher",
        told "alert 40 or 71 before a ServerHello",
        fix "allow TLS 1.3 with X25519 or P-256 there",
    /// It speaks neither TLS 1.2 nor 1.3.
    NoCommonTlsVersion = "no-common-tls-version",
        told "alert 70",
        fix "update the daemon, or what ends TLS before it",
    /// A proxy before the daemon knows no server of that name.
    UnknownServerName = "unknown-server-name",
        told "alert 112",
        fix "dial the daemon itself, or pass TCP through unopened",
    /// It refuses h2, which a daemon speaks.
    ProtocolRefused = "protocol-refused",
        told "alert 120",
        fix "name the daemon's port; a web server without HTTP/2 is there",
    /// It selects no protocol by ALPN, which buildctl from v0.19 and EarthBuild from 0.8.18 refuse.
    NoAlpn = "no-alpn",
        told "the handshake ends without a protocol",
        fix "update the daemon, or set GRPC_ENFORCE_ALPN_ENABLED=false for those clients",
    /// TLS, and no HTTP/2 above it: another service, or a proxy that does not pass HTTP/2 on.
    NoHttp2 = "no-http2",
        told "what comes after the handshake is no SETTINGS",
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
        fix "start the daemon that the proxy passes on to",
    /// TLS lets us in, and something above it turns us away.
    TurnedDownAboveTls = "turned-down-above-tls",
        told "gRPC status 7 or 16, or HTTP 4xx",
        fix "look at what checks callers behind TLS; a daemon of BuildKit checks nobody there",
    /// The daemon has no worker, and so cannot build.
    NoWorker = "no-worker",
        told "ListWorkers is answered with none",
        fix "the daemon's log tells why no worker started",
    /// The daemon restarted meanwhile, or several answer at this name.
    SeveralDaemons = "several-daemons",
        told "dials see different certificates, CAs or signatures, or the client is accepted at first and refused at the end",
        fix "give each daemon behind a balancer the same files",
    /// The daemon trusts a CA that is not in the client's trust bundle, beside the client's.
    OtherCaTrusted = "other-ca-trusted",
        told "the CAs that it asks for",
        fix "ask who runs the daemon: in a CA rollover it is meant; else take the other CA out of its ca.pem",
    /// TLS has a certificate and a key, and no CA for its clients.
    NoClientCa = "no-client-ca",
        told "nobody is asked for a certificate, and whoever has none is let in",
        fix "put ca.pem where the daemon reads it ({kitcert} install daemon), and restart it",
    /// The daemon asks for a certificate and does not insist on one.
    CertificateOptional = "certificate-optional",
        told "it asks for one, and lets in whoever has none",
        fix "look at what ends TLS before it: Go's daemons insist",
    /// It looks at the names in a certificate and not at its signature.
    SignatureUnchecked = "signature-unchecked",
        told "a certificate of an unknown CA is let in that has the client's CA's name, and none at all is not",
        fix "give it the CA's certificate as its only client CA, and restart it",
    /// It does not look at the usage of a certificate, so that a stolen daemon's key opens it.
    UsageUnchecked = "usage-unchecked",
        told "a daemon's certificate is let in as a client's",
        fix "look at what ends TLS before it: Go's daemons look",
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
