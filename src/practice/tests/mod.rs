mod dials;
mod garbled;

use std::net::TcpStream;

use super::*;
use crate::model::{AuthorityName, KeyAlgorithm, Lifetime, Timestamp, Validity};
use crate::pki::{AuthorityRequest, CertificateAuthority, PrivateKey};

fn identity() -> CertificateAndKey {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let now = Timestamp::from_unix(1_800_000_000);
    let validity = Validity { not_before: now, not_after: now.plus(Lifetime::days(1)) };
    let request = AuthorityRequest { name: AuthorityName::default(), validity };
    let certificate = CertificateAuthority::create(&request, &key).unwrap().certificate().clone();
    CertificateAndKey { chain: vec![certificate], key }
}

#[test]
fn it_listens_on_loopback_alone_until_it_is_dropped() {
    let daemon = PracticeDaemon::start(0, &identity(), None).unwrap();
    let address = daemon.address();
    assert!(address.ip().is_loopback());
    assert!(TcpStream::connect(address).is_ok());
    drop(daemon);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = PracticeDaemon::start(0, &identity(), None).unwrap();
    let Err(failure) = PracticeDaemon::start(first.address().port(), &identity(), None) else {
        panic!("two daemons on one port");
    };
    assert_eq!(*failure.subject(), first.address().to_string());
}
