//! Whether a client reaches a daemon, decided without dialing: the steps of mutual TLS in their
//! order, each as Go takes it.
//!
//! Both sides are given as their files say, so that what a change would do is known before it is
//! made. What the files cannot tell is left to the wire: who answers there, and whether a daemon
//! has read its files since they were written.

use std::fmt;

use super::chain::would_send;
use super::credentials::Credentials;
use super::peer::{Peer, Refusal};
use crate::model::{Role, SubjectAltName, Timestamp};
use crate::pki::x509::{Certificate, DistinguishedName, TrustBundle};

/// Why a client does not reach a daemon; of several reasons the one that comes first on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoConnection {
    /// The client refuses the daemon.
    ClientRefuses(Refusal),
    /// The client has a certificate and does not send it: the daemon accepts none of its issuers.
    NotSent {
        /// The CA that issued it.
        issuer: DistinguishedName,
    },
    /// The daemon refuses the client's chain, or gets none.
    DaemonRefuses(Refusal),
}

/// Whether `client` reaches `daemon` when it dials `host` at `now`. Keys play no part.
///
/// The client judges first. It sends its certificate only if the daemon names one of its issuers
/// ([`would_send`]), and the daemon then judges what it was sent.
///
/// # Errors
/// Who refuses whom, and why.
pub fn connect(
    client: &Credentials<'_>,
    daemon: &Credentials<'_>,
    host: &SubjectAltName,
    now: Timestamp,
) -> Result<(), NoConnection> {
    let peer = Peer { trust: client.trust, accepts: Role::Daemon, host: Some(host), now };
    match peer.first_refusal(daemon.chain) {
        Some(refusal) => Err(NoConnection::ClientRefuses(refusal)),
        None => admit(client.chain, daemon.trust, now),
    }
}

/// The daemon's half of [`connect`], for a client that accepts it: whether a daemon with that
/// ca.pem lets in a client with that chain.
///
/// # Errors
/// The certificate is not sent, or refused.
pub fn admit(chain: &[Certificate], trust: &TrustBundle, now: Timestamp) -> Result<(), NoConnection> {
    let acceptable: Vec<_> = trust.subjects().into_iter().cloned().collect();
    if let Some(leaf) = chain.first().filter(|_| !would_send(chain, &acceptable)) {
        return Err(NoConnection::NotSent { issuer: leaf.issuer().clone() });
    }
    let peer = Peer { trust, accepts: Role::Client, host: None, now };
    peer.first_refusal(chain).map_or(Ok(()), |refusal| Err(NoConnection::DaemonRefuses(refusal)))
}

/// One clause, such as `the daemon refuses the client: CN=client ana expired at 2027-02-21 00:00 UTC`.
impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoConnection::ClientRefuses(refusal) => write!(f, "the client refuses the daemon: {refusal}"),
            NoConnection::NotSent { issuer } => {
                write!(f, "the client sends no certificate, since the daemon does not accept {issuer}")
            }
            NoConnection::DaemonRefuses(refusal) => write!(f, "the daemon refuses the client: {refusal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::BACKDATING;
    use crate::model::{KeyAlgorithm, Lifetime, Validity};
    use crate::pki::judge::ChainFault;
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
    ) -> Result<(), NoConnection> {
        let (daemon, client) = (of(Role::Daemon, daemon, accepts), of(Role::Client, client, trusts));
        connect(&client, &daemon, &host("builder.example.com"), now())
    }

    fn of<'a>(role: Role, chain: &'a [Certificate], trust: &'a TrustBundle) -> Credentials<'a> {
        Credentials { role, chain, key: None, trust }
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
            Err(NoConnection::NotSent { issuer }) if issuer == *old.authority.certificate().subject()
        ));
    }

    #[test]
    fn a_namesake_is_sent_the_certificate_and_refuses_it() {
        let old = House::new();
        let namesake = House::of(
            CertificateAuthority::impersonate(&old.certificate(), &a_key(), old.certificate().validity())
                .ok()
                .unwrap(),
        );
        let fault = dial((&old.daemon, &bundle(&[&namesake])), (&old.client, &bundle(&[&old])));
        let issuer = old.authority.certificate().subject().clone();
        let expected = NoConnection::DaemonRefuses(Refusal::Chain(ChainFault::SameNameOtherKey { issuer }));
        assert_eq!(fault, Err(expected));
    }

    #[test]
    fn the_client_judges_first_and_what_comes_first_is_told() {
        let (ours, others) = (House::new(), House::new());
        let trust = bundle(&[&ours]);
        let good = of(Role::Daemon, &ours.daemon, &trust);
        let client = of(Role::Client, &others.client, &trust);
        let elsewhere = host("other.example.com");
        let fault = connect(&client, &good, &elsewhere, now()).unwrap_err();
        let names = vec![host("builder.example.com")];
        let refusal = Refusal::Host { host: elsewhere.clone(), names };
        assert_eq!(fault, NoConnection::ClientRefuses(refusal));
        assert_eq!(
            fault.to_string(),
            "the client refuses the daemon: its certificate is for builder.example.com, not for \
             other.example.com"
        );
        assert_eq!(
            Refusal::Host { host: elsewhere.clone(), names: vec![] }.to_string(),
            "its certificate is for no host, not for other.example.com"
        );
        let later = now().plus(Lifetime::days(398));
        let fault = connect(&client, &good, &elsewhere, later).unwrap_err();
        let expired = |fault: &NoConnection| {
            matches!(fault, NoConnection::ClientRefuses(Refusal::Chain(ChainFault::Expired { .. })))
        };
        assert!(expired(&fault), "{fault}");
        let swapped = dial((&ours.client, &trust), (&ours.client, &trust));
        assert!(matches!(
            swapped,
            Err(NoConnection::ClientRefuses(Refusal::Chain(ChainFault::WrongUsage { .. })))
        ));
    }

    #[test]
    fn the_daemon_refuses_who_is_late_who_is_none_and_who_is_a_daemon() {
        let ours = House::new();
        let trust = bundle(&[&ours]);
        let later = now().plus(Lifetime::days(91));
        let (daemon, client) =
            (of(Role::Daemon, &ours.daemon, &trust), of(Role::Client, &ours.client, &trust));
        let late = connect(&client, &daemon, &host("builder.example.com"), later).unwrap_err();
        assert!(late.to_string().starts_with("the daemon refuses the client: CN=client ana expired at "));
        assert_eq!(
            dial((&ours.daemon, &trust), (&[], &trust)),
            Err(NoConnection::DaemonRefuses(Refusal::Chain(ChainFault::NothingSent)))
        );
        let daemon = dial((&ours.daemon, &trust), (&ours.daemon, &trust));
        assert!(matches!(
            daemon,
            Err(NoConnection::DaemonRefuses(Refusal::Chain(ChainFault::WrongUsage { .. })))
        ));
    }
}
