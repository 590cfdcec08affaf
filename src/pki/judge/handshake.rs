//! Whether a client would get through to a daemon, decided without dialling: the steps of mutual
//! TLS in their order, each as Go takes it.
//!
//! Both sides are given as their files say, so that what a change would do is known before it is
//! made. What the files cannot tell is left to the wire: who answers there, and whether a daemon
//! has read its files since they were written.

use std::fmt;

use super::chain::{self, would_send};
use super::chain_fault::ChainFault;
use crate::model::{Role, SubjectAltName, Timestamp};
use crate::pki::x509::{Certificate, DistinguishedName, TrustBundle};

/// A daemon that asks for a client's certificate (Go's `RequireAndVerifyClientCert`).
#[derive(Clone, Copy, Debug)]
pub struct ServerSide<'a> {
    /// Its cert.pem: what it shows, the leaf first.
    pub chain: &'a [Certificate],
    /// Its ca.pem: whose clients it lets in. Their names are told to every client.
    pub trust: &'a TrustBundle,
}

/// A client that is written in Go, as `buildctl`, `earthly` and `docker buildx` are.
#[derive(Clone, Copy, Debug)]
pub struct ClientSide<'a> {
    /// Its cert.pem: what it shows, the leaf first; empty for a client without a certificate.
    pub chain: &'a [Certificate],
    /// Its ca.pem: whose daemons it talks to.
    pub trust: &'a TrustBundle,
}

/// Why a client does not get through; of several reasons the one that comes first on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The client refuses the daemon's chain.
    ServerUntrusted(ChainFault),
    /// The daemon's certificate is for others than the host that is dialled.
    NameMismatch {
        /// The host.
        host: SubjectAltName,
        /// Whom it is for.
        names: Vec<SubjectAltName>,
    },
    /// The client has a certificate and sends none, since the daemon accepts none of its issuers.
    Withheld {
        /// Who issued it.
        issuer: DistinguishedName,
    },
    /// The daemon refuses the client's chain, or gets none.
    ClientUntrusted(ChainFault),
}

/// Whether `client` gets through to `server` when it dials `host` at `now`.
///
/// The client judges first. It then sends its certificate only where the daemon names one of its
/// issuers ([`would_send`]), and the daemon judges what it was sent. Of the daemon's chain and its
/// name the chain is told of first, though Go looks at the name before the issuers: the names of a
/// certificate that is not trusted say nothing.
///
/// # Errors
/// Who refuses whom, and why.
pub fn handshake(
    server: &ServerSide<'_>,
    client: &ClientSide<'_>,
    host: &SubjectAltName,
    now: Timestamp,
) -> Result<(), HandshakeFault> {
    chain::verify(server.chain, client.trust, Role::Daemon, now).map_err(HandshakeFault::ServerUntrusted)?;
    if let Some(leaf) = server.chain.first().filter(|leaf| !leaf.covers(host)) {
        return Err(HandshakeFault::NameMismatch { host: host.clone(), names: leaf.usable_names() });
    }
    let acceptable: Vec<_> = server.trust.subjects().into_iter().cloned().collect();
    if let Some(leaf) = client.chain.first().filter(|_| !would_send(client.chain, &acceptable)) {
        return Err(HandshakeFault::Withheld { issuer: leaf.issuer().clone() });
    }
    chain::verify(client.chain, server.trust, Role::Client, now).map_err(HandshakeFault::ClientUntrusted)?;
    Ok(())
}

/// One clause, such as `the daemon refuses the client: CN=client ana expired at 2027-02-21 00:00 UTC`.
impl fmt::Display for HandshakeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeFault::ServerUntrusted(fault) => {
                write!(f, "the client refuses the daemon: {fault}")
            }
            HandshakeFault::NameMismatch { host, names } if names.is_empty() => {
                write!(f, "the daemon's certificate is for no host, and not for {host}")
            }
            HandshakeFault::NameMismatch { host, names } => {
                let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "the daemon's certificate is for {names}, and not for {host}")
            }
            HandshakeFault::Withheld { issuer } => {
                write!(f, "the client sends no certificate, since the daemon does not accept {issuer}")
            }
            HandshakeFault::ClientUntrusted(fault) => {
                write!(f, "the daemon refuses the client: {fault}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::BACKDATING;
    use crate::model::{KeyAlgorithm, Lifetime, Validity};
    use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey};

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-23").unwrap()
    }

    fn host(text: &str) -> SubjectAltName {
        text.parse().unwrap()
    }

    fn a_key() -> PrivateKey {
        PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap()
    }

    /// A CA, and a daemon and a client of it.
    struct House {
        authority: CertificateAuthority,
        daemon: Vec<Certificate>,
        client: Vec<Certificate>,
    }

    impl House {
        fn new() -> House {
            let validity = Validity::issued(now(), Lifetime::days(3650), BACKDATING);
            let request = AuthorityRequest { name: "Acme".parse().unwrap(), validity };
            House::of(CertificateAuthority::create(&request, &a_key()).ok().unwrap())
        }

        fn of(authority: CertificateAuthority) -> House {
            let issue = |role, name: &str, hosts, days| {
                let request =
                    LeafRequest::new(role, name.parse().unwrap(), hosts, now(), Lifetime::days(days));
                vec![authority.issue(&request, a_key().public_key()).unwrap()]
            };
            let daemon = issue(Role::Daemon, "builder", vec![host("builder.example.com")], 397);
            let client = issue(Role::Client, "ana", vec![], 90);
            House { daemon, client, authority }
        }

        fn certificate(&self) -> Certificate {
            self.authority.certificate().clone()
        }
    }

    fn bundle(houses: &[&House]) -> TrustBundle {
        TrustBundle::new(houses.iter().map(|house| house.certificate()).collect())
    }

    /// What becomes of a dial of the daemon's own host.
    fn dial(
        (daemon, accepts): (&[Certificate], &TrustBundle),
        (client, trusts): (&[Certificate], &TrustBundle),
    ) -> Result<(), HandshakeFault> {
        let server = ServerSide { chain: daemon, trust: accepts };
        handshake(&server, &ClientSide { chain: client, trust: trusts }, &host("builder.example.com"), now())
    }

    #[test]
    fn a_rollover_in_its_order_never_shuts_a_client_out() {
        let (old, new) = (House::new(), House::new());
        let (alone, both, done) = (bundle(&[&old]), bundle(&[&old, &new]), bundle(&[&new]));
        for (step, server, client) in [
            (0, (&old.daemon, &alone), (&old.client, &alone)),
            (1, (&old.daemon, &both), (&old.client, &alone)),
            (2, (&old.daemon, &both), (&new.client, &both)),
            (3, (&new.daemon, &done), (&new.client, &both)),
            (4, (&new.daemon, &done), (&new.client, &done)),
        ] {
            assert_eq!(dial((server.0, server.1), (client.0, client.1)), Ok(()), "step {step}");
        }
    }

    #[test]
    fn a_step_taken_too_early_is_told_by_who_refuses_whom() {
        let (old, new) = (House::new(), House::new());
        let (alone, both, done) = (bundle(&[&old]), bundle(&[&old, &new]), bundle(&[&new]));
        let told = |server: (&[Certificate], &TrustBundle), client: (&[Certificate], &TrustBundle)| {
            dial(server, client).unwrap_err().to_string()
        };
        let new_name = new.authority.certificate().subject();
        assert_eq!(
            told((&old.daemon, &alone), (&new.client, &both)),
            format!("the client sends no certificate, since the daemon does not accept {new_name}")
        );
        assert_eq!(
            told((&new.daemon, &both), (&old.client, &alone)),
            format!("the client refuses the daemon: {new_name} is not trusted")
        );
        assert!(matches!(
            dial((&new.daemon, &done), (&old.client, &both)),
            Err(HandshakeFault::Withheld { issuer }) if issuer == *old.authority.certificate().subject()
        ));
    }

    #[test]
    fn a_namesake_is_sent_the_certificate_and_refuses_it() {
        let old = House::new();
        let namesake =
            House::of(CertificateAuthority::impersonate(&old.certificate(), &a_key()).ok().unwrap());
        let fault = dial((&old.daemon, &bundle(&[&namesake])), (&old.client, &bundle(&[&old])));
        let issuer = old.authority.certificate().subject().clone();
        let expected = HandshakeFault::ClientUntrusted(ChainFault::SameNameOtherKey { issuer });
        assert_eq!(fault, Err(expected));
    }

    #[test]
    fn the_client_judges_first_and_what_comes_first_is_told() {
        let (ours, others) = (House::new(), House::new());
        let trust = bundle(&[&ours]);
        let good = ServerSide { chain: &ours.daemon, trust: &trust };
        let client = ClientSide { chain: &others.client, trust: &trust };
        let elsewhere = host("other.example.com");
        let fault = handshake(&good, &client, &elsewhere, now()).unwrap_err();
        let names = vec![host("builder.example.com")];
        assert_eq!(fault, HandshakeFault::NameMismatch { host: elsewhere.clone(), names });
        assert_eq!(
            fault.to_string(),
            "the daemon's certificate is for builder.example.com, and not for other.example.com"
        );
        assert_eq!(
            HandshakeFault::NameMismatch { host: elsewhere.clone(), names: vec![] }.to_string(),
            "the daemon's certificate is for no host, and not for other.example.com"
        );
        let later = now().plus(Lifetime::days(398));
        let fault = handshake(&good, &client, &elsewhere, later).unwrap_err();
        assert!(matches!(fault, HandshakeFault::ServerUntrusted(ChainFault::Expired { .. })), "{fault}");
        let swapped = dial((&ours.client, &trust), (&ours.client, &trust));
        assert!(matches!(swapped, Err(HandshakeFault::ServerUntrusted(ChainFault::WrongUsage { .. }))));
    }

    #[test]
    fn the_daemon_refuses_who_is_late_who_is_none_and_who_is_a_daemon() {
        let ours = House::new();
        let trust = bundle(&[&ours]);
        let server = ServerSide { chain: &ours.daemon, trust: &trust };
        let later = now().plus(Lifetime::days(91));
        let client = ClientSide { chain: &ours.client, trust: &trust };
        let late = handshake(&server, &client, &host("builder.example.com"), later).unwrap_err();
        assert!(late.to_string().starts_with("the daemon refuses the client: CN=client ana expired at "));
        assert_eq!(
            dial((&ours.daemon, &trust), (&[], &trust)),
            Err(HandshakeFault::ClientUntrusted(ChainFault::NothingSent))
        );
        let daemon = dial((&ours.daemon, &trust), (&ours.daemon, &trust));
        assert!(matches!(daemon, Err(HandshakeFault::ClientUntrusted(ChainFault::WrongUsage { .. }))));
    }
}
