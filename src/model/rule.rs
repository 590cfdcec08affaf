//! The stable words for what is looked at.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Message, Printable};

mod define;

use define::rules;

rules! {
    /// A client without a certificate is refused.
    NoCertificateAccepted = "no-certificate-accepted",
        cause "the daemon has no client CA (`ca` is missing from `[grpc.tls]`, or /etc/ca.pem is missing), or it asks for a certificate but does not require one, for some names or versions",
        fix "put ca.pem where the daemon reads it ({kitcert} install daemon), and restart it", unacceptable,
    /// The client's own certificate is accepted, and BuildKit answers.
    ClientRefused = "client-refused",
        cause "the daemon trusts another CA; or the certificate is not sent, has expired or is for another use; or clocks differ: the finding says which",
        fix "the command that the finding names", unacceptable,
    /// A certificate of an unknown CA, with the client's CA's name and key id, is refused.
    UnknownCaAccepted = "unknown-ca-accepted",
        cause "the daemon accepts any certificate: it does not verify the one that it asks for",
        fix "give it the CA's certificate as its only client CA, and restart it", unacceptable,
    /// HTTP/2 without TLS is refused.
    PlaintextAccepted = "plaintext-accepted",
        cause "TLS is off, or another listener answers on this port",
        fix "turn TLS on (BUILDKIT_TLS_ENABLED=true), and restart the daemon", unacceptable,
    /// Whoever is revoked is refused.
    RevokedAccepted = "revoked-accepted",
        cause "what ends TLS there does not enforce the name constraints of the CA's certificate",
        fix "{kitcert} ca rollover start   # leaves behind whoever is retired; or let the daemon end TLS itself", unacceptable,
    /// The daemon uses the ca.pem that says who is revoked.
    NotRevokedYet = "not-revoked-yet",
        cause "the daemon was not restarted since somebody was revoked or let in again, or has another ca.pem",
        fix "{kitcert} rotate", unacceptable,
    /// The daemon refuses nobody whom this state lets in.
    KeptOut = "kept-out",
        cause "this state is a copy from before somebody was revoked; or another ca.pem was put in the daemon's place",
        fix "revoke whom it refuses, so that the state knows it again; and if that is wrong, take it back with --undo", unacceptable,
    /// Whether whoever is revoked is refused, and who is not any more is let in, can be tried.
    RevokedNotTried = "revoked-not-tried",
        cause "the key of the CA is not here, nor that of the client: nothing here can pass for it",
        fix "try it with the files of the client, or with a copy of them; the finding names the command that says so", unacceptable,
    /// A client certificate that has expired is refused.
    ExpiredAccepted = "expired-accepted",
        cause "the server does not check dates, or its clock is far behind",
        fix "check the server's clock, and the proxy that ends TLS in front of it", unacceptable,
    /// A certificate with a daemon's usage is refused as a client's.
    WrongUsageAccepted = "wrong-usage-accepted",
        cause "the server does not check the extended key usage, so a daemon's key gets in as a client's",
        fix "check the proxy that ends TLS in front of it: Go's servers refuse this", unacceptable,
    /// The daemon asks every client for a certificate.
    AsksNobody = "asks-nobody",
        cause "the server has no client CA, for all names or for some of them",
        fix "put ca.pem where the daemon reads it ({kitcert} install daemon), and restart it", unacceptable,
    /// One daemon answers at every address: the same certificate, the same CAs, the same signatures.
    SeveralDaemons = "several-daemons",
        cause "a balancer or a name with several addresses leads to daemons with different files",
        fix "give each daemon the same files, or verify each by --address", unacceptable,
    /// Every address of the daemon's name can be judged from here.
    AddressNotJudged = "address-not-judged",
        cause "no route to an address, no answer from it, or more than 16 addresses",
        fix "verify from a machine that reaches it, or name the addresses that count: --address, or addresses: in kitcert.yaml", unacceptable,
    /// The daemon listens at every address of its name.
    AddressNotServed = "address-not-served",
        cause "the name has an address at which connecting is refused",
        fix "take it out of the name's records, or publish the port there too",
    /// The daemon names no CA that is not trusted here.
    OtherCaTrusted = "other-ca-trusted",
        cause "its ca.pem also has another CA: every client of that CA can run code here",
        fix "ask its admin: a CA rollover has two CAs on purpose; otherwise remove the other CA from its ca.pem", unacceptable,
    /// What answers without the daemon's name, under another certificate.
    OtherService = "other-service",
        cause "a proxy serves several names on this port",
        fix "none, if the other service belongs there",
    /// The daemon speaks TLS.
    NotUpYet = "not-up-yet",
        cause "it is starting, or a proxy takes connections while the daemon behind it is down",
        fix "{kitcert} verify --wait", unacceptable,
    /// The daemon can be reached: its name resolves and its port answers.
    Unreachable = "unreachable",
        cause "nothing listens there, a firewall drops it, or the name does not resolve: the finding says which",
        fix "start the daemon, open the port, or use the host name that resolves", unacceptable,
    /// What answers speaks TLS.
    NotTls = "not-tls",
        cause "another service has this port, or the daemon runs without TLS",
        fix "name the daemon's port (8372), or turn TLS on", unacceptable,
    /// The daemon's certificate chain ends in a trusted CA.
    ServerUntrusted = "server-untrusted",
        cause "another CA issued it, perhaps one of the same name; or a proxy in between ends TLS",
        fix "use the daemon's own ca.pem, from a new kit; on the CA's machine: {kitcert} install client", unacceptable,
    /// The daemon's certificate names the host that is dialed.
    ServerNameMismatch = "server-name-mismatch",
        cause "the certificate has other names, has the IP address as a DNS name, or has no names",
        fix "add the host to kitcert.yaml, then: {kitcert} rotate; or dial a name that it has", unacceptable,
    /// The daemon's certificate is valid now.
    ServerExpired = "server-expired",
        cause "it was not renewed, or renewed and the daemon not restarted; or clocks differ",
        fix "{kitcert} rotate", unacceptable,
    /// The daemon's certificate may be used by a server.
    ServerUsage = "server-usage",
        cause "a client's certificate, or one without serverAuth, is installed as the daemon's",
        fix "{kitcert} install daemon   # then restart it", unacceptable,
    /// The daemon selects h2 by ALPN, which newer clients insist on.
    NoAlpn = "no-alpn",
        cause "the daemon is older than BuildKit v0.17, or Earthly's",
        fix "update the daemon, or set GRPC_ENFORCE_ALPN_ENABLED=false for newer clients",
    /// What answers is BuildKit, with at least one worker.
    NotBuildkit = "not-buildkit",
        cause "the port is another gRPC service's or a proxy's, or the daemon has no worker that runs",
        fix "name the daemon's port; check the daemon's log for its workers", unacceptable,
    /// The daemon serves the certificate that is installed.
    ServedIsStale = "served-is-stale",
        cause "the files were replaced, but the daemon was not restarted: it reads them only at startup",
        fix "restart the daemon", unacceptable,
    /// The daemon serves a certificate that this state has issued.
    UnknownLeaf = "unknown-leaf",
        cause "this state is an old copy of itself, a second copy of it is in use, or the key of the CA was stolen",
        fix "if another copy of the state issued it: {kitcert} recover; if none did: {kitcert} ca rollover start --compromised", unacceptable,
    /// The daemon has a key that is not revoked.
    RevokedKey = "revoked-key",
        cause "somebody else has the key of the daemon, which was revoked for that, and passes for it",
        fix "{kitcert} rotate", unacceptable,
    /// The daemon trusts the CAs that are installed.
    TrustIsStale = "trust-is-stale",
        cause "ca.pem was replaced, but the daemon was not restarted; or it ignores a block of the file",
        fix "restart the daemon; if that does not help, inspect its ca.pem", unacceptable,
    /// Every check comes to a verdict.
    Inconclusive = "inconclusive",
        cause "a time-out, a limit on connections, or a close without an alert that repeats did not confirm",
        fix "verify again, with a longer --timeout, or with --pace if connections are limited", unacceptable,
    /// No other port of the daemon's host answers without credentials.
    ExposedPort = "exposed-port",
        cause "the registry (8371), pprof (6060) or a second listener of the daemon is published, without TLS",
        fix "publish only the daemon's own port",
    /// A host that clients take for their own machine.
    LoopbackHost = "loopback-host",
        cause "earthly starts a container of its own for localhost, 127.0.0.1 and ::1 (earthly#2989)",
        fix "use another name of the machine, which the certificate must have",
    /// The client's tool reads the endpoint that its config names.
    HostIgnored = "host-ignored",
        cause "earthly ignores buildkit_host where neither docker nor podman works (earthly#2978)",
        fix "set EARTHLY_BUILDKIT_HOST too",
    /// The state remembers a verification.
    NotRecorded = "not-recorded",
        cause "the state cannot be written by this user, or is busy",
        fix "run it as the owner of the state",
    /// The file can be read and is what it should be.
    UnreadableFile = "unreadable-file",
        cause "it is missing, is a folder (docker creates one for a missing file), belongs to another user, or is something else",
        fix "put the right file there",
    /// A key file is open to its owner alone.
    KeyMode = "key-mode",
        cause "it was copied, or created by a tool that leaves keys readable: earthly bootstrap uses 0444",
        fix "remove the permissions of others; they may have read it, so issue another",
    /// Only its owner can write a file by which others are let in, or put another in its place.
    FileMode = "file-mode",
        cause "a shared folder, or a chmod that should have been for reading alone",
        fix "take the permission to write from others",
    /// A key belongs to its certificate.
    KeyMismatch = "key-mismatch",
        cause "the files of two identities, or of two generations, were mixed",
        fix "install all three files at once: {kitcert} install daemon, or {kitcert} install client",
    /// A chain ends in one of the trusted CAs.
    ChainUntrusted = "chain-untrusted",
        cause "another CA issued the certificate, or the intermediate is missing from its file",
        fix "install the ca.pem and the cert.pem that belong together",
    /// A certificate is valid now.
    Expired = "expired",
        cause "it was not renewed in time",
        fix "{kitcert} rotate", unacceptable,
    /// A certificate is already valid.
    NotYetValid = "not-yet-valid",
        cause "it was made on a machine whose clock is ahead, or this one's is behind",
        fix "date -u   # on both machines", unacceptable,
    /// A certificate ends within a third of its lifetime.
    ExpiresSoon = "expires-soon",
        cause "a third of its lifetime is left: it is due",
        fix "{kitcert} rotate",
    /// A certificate is not valid for longer than its issuer.
    OutlivesIssuer = "outlives-issuer",
        cause "the issuing tool did not limit it; the chain still ends with its issuer",
        fix "issue another, or roll the CA over: {kitcert} ca rollover start",
    /// A certificate is of version 3.
    CertificateVersion = "certificate-version",
        cause "a tool made it without extensions",
        fix "issue another",
    /// A serial number is positive and has at most 20 bytes and at least 64 random bits.
    SerialNumber = "serial-number",
        cause "a constant or a counter (earthly's CA has 2021), zero, negative, or longer than RFC 5280 allows",
        fix "issue another",
    /// A signature algorithm that every peer accepts.
    SignatureAlgorithm = "signature-algorithm",
        cause "SHA-1 or MD5, which Go refuses, or one that some peer does not know",
        fix "issue another, with ECDSA P-256 or Ed25519",
    /// A key that is strong enough for every peer.
    WeakKey = "weak-key",
        cause "RSA below 2048 bits, or a curve or point that peers refuse",
        fix "make another key",
    /// Subject and issuer are named.
    EmptySubject = "empty-subject",
        cause "a tool left the name out",
        fix "issue another",
    /// basicConstraints is critical in a CA and says cA=TRUE, and not so in a leaf.
    BasicConstraints = "basic-constraints",
        cause "the extension is missing, not critical, or says the opposite of the role",
        fix "issue another",
    /// A CA's path length is 0.
    PathLength = "path-length",
        cause "the CA could issue other CAs",
        fix "make a CA with path length 0",
    /// keyUsage is critical and says what the role needs and no more.
    KeyUsage = "key-usage",
        cause "the extension is missing, not critical, or allows too little or too much",
        fix "issue another",
    /// extendedKeyUsage has exactly the role's one purpose, and none in a CA.
    ExtendedKeyUsage = "extended-key-usage",
        cause "both usages in one certificate (earthly's do: a stolen client key can play the daemon), none, or anyExtendedKeyUsage",
        fix "issue another: serverAuth for the daemon, clientAuth for clients",
    /// The subject key identifier is there and well made.
    SubjectKeyIdentifier = "subject-key-identifier",
        cause "a tool left it out, or put a text there",
        fix "issue another",
    /// The authority key identifier is there and is the issuer's.
    AuthorityKeyIdentifier = "authority-key-identifier",
        cause "it is missing (Python 3.13 and openssl -x509_strict refuse that), or another key's",
        fix "issue another",
    /// There is a subjectAltName of usable names.
    SubjectAltName = "subject-alt-name",
        cause "only a common name, which Go ignores, or names that no verifier takes",
        fix "issue another, for the host that is dialed",
    /// An IP address stands as iPAddress, not as DNS name.
    IpAsDnsName = "ip-as-dns-name",
        cause "a tool took the address for a name (earthly bootstrap does): it matches nothing",
        fix "issue another; kitcert tells them apart",
    /// A DNS name has no underscore.
    UnderscoreInName = "underscore-in-name",
        cause "Go and webpki accept it; RFC 5280 and linters do not",
        fix "use a name of letters, digits and hyphens",
    /// A wildcard is a whole left-most label, and was asked for.
    WildcardName = "wildcard-name",
        cause "it is valid for every host of the domain",
        fix "name the hosts",
    /// No extension that makes a peer refuse.
    UnexpectedExtension = "unexpected-extension",
        cause "name constraints, a critical extension that peers do not know, or one twice",
        fix "issue another without it",
    /// No client of the CA is stopped by name.
    NamesExcluded = "names-excluded",
        cause "clients or keys were revoked",
        fix "nothing, if they are meant to be kept out",
    /// Each CA of a bundle excludes what the CA that signed it excludes.
    ExclusionsDiffer = "exclusions-differ",
        cause "a CA of the bundle was signed by another one of it, and they exclude different names: whoever only one of them excludes is let in by way of the other",
        fix "write the bundle again: {kitcert} install daemon",
    /// A certificate has what RFC 5280 puts there, and nothing else.
    StrayElement = "stray-element",
        cause "a home-made encoder: Go passes over it, and openssl refuses to read the certificate",
        fix "issue another",
    /// Lifetime, names or constants that give away a generator's flaw.
    LegacyGenerator = "legacy-generator",
        cause "earthly bootstrap, or a library's default (1975 to 4096)",
        fix "issue another",
    /// Every block of a bundle is one that Go would load.
    BundleBlockDropped = "bundle-block-dropped",
        cause "a damaged block, PEM headers, or a block that is not a certificate: Go silently ignores it",
        fix "write the bundle again: {kitcert} install daemon, or {kitcert} install client",
    /// A bundle holds each certificate once.
    BundleDuplicate = "bundle-duplicate",
        cause "the file was appended to twice",
        fix "delete the second one",
    /// The leaf is the first certificate of its file, its intermediates come behind it.
    ChainOrder = "chain-order",
        cause "the CA's certificate is before the leaf: daemons and clients use the first as the leaf",
        fix "move the leaf's block to the top of the file",
    /// A bundle holds CA certificates only.
    BundleHoldsLeaf = "bundle-holds-leaf",
        cause "a leaf was pasted among the CAs: either the holder of its key is trusted, or nobody",
        fix "take it out", unacceptable,
    /// A bundle has at least one certificate, few CAs, and names that fit into a handshake.
    BundleSize = "bundle-size",
        cause "an empty file, or a whole system's bundle",
        fix "keep only the CAs that you need",
    /// No private key stands where a certificate should.
    KeyInBundle = "key-in-bundle",
        cause "a .pem with everything in it was copied",
        fix "delete the key; anyone who could read the file has it, so issue another",
    /// No private key stands in a config, a compose file or a manifest that is no Secret.
    KeyInConfig = "key-in-config",
        cause "it was pasted there: such files are shared, logged and committed",
        fix "put the key into its own file; anyone who could read this one has it, so issue another",
    /// A key is unencrypted PKCS#8 in one block.
    KeyFormat = "key-format",
        cause "PKCS#1, SEC1 or an encrypted key: some programs cannot read it",
        fix "convert it with openssl pkcs8 -topk8 -nocrypt",
    /// A file is PEM as daemons and clients read it: no DER, no UTF-16, BEGIN and END at the edges of a line.
    WrongForm = "wrong-form",
        cause "an export, a Windows shell, a YAML file or a CI variable changed its form",
        fix "{kitcert} inspect of the file names the command that converts it",
    /// A request's own signature is right.
    RequestSignature = "request-signature",
        cause "the request was damaged or put together by hand",
        fix "make another request",
    /// A kit is complete, and signed by a CA that it names.
    KitRefused = "kit-refused",
        cause "damaged on its way, or signed by a CA with another fingerprint than you were told",
        fix "ask for it again",
    /// A kit may still be joined.
    KitPastDate = "kit-past-date",
        cause "its time is over",
        fix "ask for another",
    /// A receipt is by the key of the certificate that it names.
    ReceiptSignature = "receipt-signature",
        cause "it is for another certificate, or damaged",
        fix "use the receipt that the last join printed",
    /// A configuration is one that its tool accepts.
    ConfigBroken = "config-broken",
        cause "tabs, a key twice, or templating: earthly refuses the file too",
        fix "correct that line",
    /// TLS is on in the client's configuration.
    TlsDisabled = "tls-disabled",
        cause "tls_enabled: false",
        fix "{kitcert} install client --enable-tls",
    /// A file that the configuration names is there.
    ConfigPath = "config-path",
        cause "a typing error, or a path that the tool resolves elsewhere (~ and $HOME mean nothing to it)",
        fix "{kitcert} install client   # writes paths that are found",
    /// The configuration names an endpoint that its tool can dial.
    ConfigEndpoint = "config-endpoint",
        cause "no port, or a scheme that is none of tcp, docker-container and podman-container",
        fix "tcp://host:8372",
    /// A configuration is where its tool reads it.
    ConfigElsewhere = "config-elsewhere",
        cause "EarthBuild reads ~/.earth since v0.8.19, Earthly ~/.earthly",
        fix "{kitcert} install client   # with --tool, if it is another tool that is used",
    /// A daemon's configuration names the CA whose clients it lets in.
    NoClientAuthority = "no-client-ca",
        cause "`ca` is missing from `[grpc.tls]`: anyone is accepted, and nothing warns",
        fix "name the CA there, and restart the daemon",
    /// The CAs of registries are not taken for that of the daemon's clients.
    RegistryAuthority = "registry-ca",
        cause "`[registry.*] ca` is for what the daemon pulls and pushes; `[grpc.tls] ca` decides which clients get in",
        fix "name the clients' CA in `[grpc.tls] ca`",
    /// No variable of docker's breaks buildx.
    DockerVariables = "docker-tls-variables",
        cause "`docker buildx create --driver remote` takes DOCKER_TLS_VERIFY and DOCKER_CERT_PATH for its own",
        fix "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH",
    /// A daemon trusts a CA of its own, and none that a whole company shares.
    SharedIssuer = "shared-issuer",
        cause "a company's root was put into ca.pem: anyone with a certificate below it can run code there",
        fix "put a CA for this daemon's clients alone into ca.pem",
    /// A daemon's configuration has TLS for every TCP address.
    DaemonWithoutTls = "daemon-without-tls",
        cause "`[grpc]` has a tcp address and no `tls`",
        fix "add `[grpc.tls]` with cert, key and ca",
    /// A daemon's debug address is not open to other machines.
    DebugAddress = "debug-address",
        cause "`debugAddress` shows profiles and more to anyone who reaches it",
        fix "bind it to 127.0.0.1, or delete it",
    /// Builds are not given more of the machine than they need.
    InsecureEntitlements = "insecure-entitlements",
        cause "`insecure-entitlements` lets builds leave their sandbox",
        fix "delete those that no build needs",
    /// A key file belongs to root or to the user who reads it.
    KeyOwner = "key-owner",
        cause "it was copied by another user, who can read it and change it",
        fix "chown it to root or to the daemon's user",
    /// Every daemon and every client has a certificate of its own.
    CertificateShared = "certificate-shared",
        cause "one was copied to several: none can be shut out alone, and one stolen key opens all",
        fix "issue one for each",
    /// A daemon was verified with its current credentials, and not too long ago.
    NotVerified = "not-verified",
        cause "it was not restarted, or not verified, since its credentials changed",
        fix "{kitcert} verify --all", unacceptable,
    /// Everyone in kitcert.yaml has a certificate, for the hosts listed there.
    NotIssued = "not-issued",
        cause "kitcert.yaml was edited since",
        fix "{kitcert} rotate",
    /// No kit waits to be handed over.
    KitWaiting = "kit-waiting",
        cause "a client was renewed whose key is on its own machine",
        fix "hand it over, and confirm the client once it has joined",
    /// No CA rollover is under way.
    RolloverUnderWay = "rollover-under-way",
        cause "clients have to move to another CA, or daemons have to be restarted",
        fix "{kitcert} rotate   # names those that it waits for",
    /// No CA is compromised.
    Emergency = "emergency",
        cause "a CA is compromised, and some daemon may still let its clients in",
        fix "{kitcert} rotate   # until it ends with 0",
    /// The state's files of each identity can be read.
    Unreadable = "unreadable",
        cause "a file of it was damaged, removed, or replaced by something else",
        fix "issue it a certificate, or retire it", unacceptable,
    /// The log can be read and appended to.
    LogDamaged = "log-damaged",
        cause "another program wrote to it, or put something in its place",
        fix "move it away, if you do not need it; every command works without it",
    /// The state is the only copy that is in use, and knows what its daemons have.
    OldCopy = "old-copy",
        cause "the state was restored from a backup, or two copies of it are in use, or another program changed files",
        fix "{kitcert} recover   # in the copy that you keep",
    /// kitcert.yaml lists every identity that has a certificate.
    NotListed = "not-listed",
        cause "its entry was removed, or another copy of the state issued it",
        fix "list it again, or retire it",
    /// No CA's key lies where a client's tool looks for one.
    AuthorityKeyAtClient = "authority-key-at-client",
        cause "earthly bootstrap leaves it beside the client's files",
        fix "move it to where certificates are issued, and out of clients' reach",
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
mod tests;
