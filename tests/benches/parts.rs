//! The parts of a bulk issue, each beside the least that it could cost: what ring or a parser takes
//! for the same work and nothing else.
//!
//! `cargo bench --bench parts`; with `-- --test` everything runs once.
#![allow(
    unreachable_pub,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

use std::path::Path;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kitcert::layout::{AuthorityPolicy, ClientEntry, Defaults, Inventory, InventoryChange, edit_inventory};
use kitcert::model::profile::CLIENT_LIFETIME;
use kitcert::model::{AuthorityName, IdentityName, KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
use kitcert::pki::judge::{Peer, new_leaf};
use kitcert::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle,
};
use rayon::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

fn main() {
    divan::main();
}

/// Keys and certificates for many, on every core: what `issue client --from` is about.
mod bulk {
    use super::*;

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn kitcert_keys_and_linted_certificates(bencher: Bencher<'_, '_>) {
        let authority = authority();
        bencher.counter(ItemsCount::new(BULK)).bench_local(|| {
            (0..BULK).into_par_iter().for_each(|_| {
                let key = generate();
                black_box(issue(&authority, &key));
            });
        });
    }

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn ring_keys_and_signatures(bencher: Bencher<'_, '_>) {
        let random = SystemRandom::new();
        let authority = ring_key(&random);
        bencher.counter(ItemsCount::new(BULK)).bench_local(|| {
            (0..BULK).into_par_iter().for_each(|_| {
                black_box(ring_document(&random));
                black_box(authority.sign(&random, &TO_BE_SIGNED).expect("a signature"));
            });
        });
    }
}

mod key {
    use super::*;

    #[divan::bench]
    fn kitcert_generate(bencher: Bencher<'_, '_>) {
        bencher.bench(generate);
    }

    #[divan::bench]
    fn ring_generate(bencher: Bencher<'_, '_>) {
        let random = SystemRandom::new();
        bencher.bench(|| ring_document(&random));
    }

    #[divan::bench]
    fn kitcert_read_pem(bencher: Bencher<'_, '_>) {
        let pem = generate().expose_pem();
        bencher.bench(|| PrivateKey::from_pem(pem.as_bytes(), "key.pem").ok().is_some());
    }

    #[divan::bench]
    fn ring_read_der(bencher: Bencher<'_, '_>) {
        let random = SystemRandom::new();
        let document = ring_document(&random);
        bencher.bench(|| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).is_ok()
        });
    }
}

mod certificate {
    use super::*;

    #[divan::bench]
    fn kitcert_issue_and_lint(bencher: Bencher<'_, '_>) {
        let (authority, key) = (authority(), generate());
        bencher.bench(|| issue(&authority, &key));
    }

    #[divan::bench]
    fn ring_sign(bencher: Bencher<'_, '_>) {
        let random = SystemRandom::new();
        let key = ring_key(&random);
        bencher.bench(|| key.sign(&random, &TO_BE_SIGNED).is_ok());
    }

    #[divan::bench]
    fn kitcert_lint(bencher: Bencher<'_, '_>) {
        let authority = authority();
        let leaf = issue(&authority, &generate());
        bencher.bench(|| new_leaf(&leaf, Role::Client, authority.certificate()));
    }

    #[divan::bench]
    fn kitcert_parse(bencher: Bencher<'_, '_>) {
        let leaf = issue(&authority(), &generate());
        bencher.bench(|| Certificate::from_der(leaf.der()).is_ok());
    }

    #[divan::bench]
    fn x509_parser_parse(bencher: Bencher<'_, '_>) {
        let leaf = issue(&authority(), &generate());
        bencher.bench(|| X509Certificate::from_der(leaf.der()).is_ok());
    }

    #[divan::bench]
    fn kitcert_read_pem(bencher: Bencher<'_, '_>) {
        let pem = issue(&authority(), &generate()).to_pem();
        bencher.bench(|| Certificate::chain_from_pem(pem.as_bytes(), "cert.pem").is_ok());
    }
}

mod verify {
    use super::*;

    #[divan::bench]
    fn kitcert_chain(bencher: Bencher<'_, '_>) {
        let authority = authority();
        let chain = [issue(&authority, &generate())];
        let trust = TrustBundle::new(vec![authority.certificate().clone()]);
        let daemon = Peer { trust: &trust, accepts: Role::Client, host: None, now: now() };
        // A certificate remembers whose signature was right: each time another copy is judged.
        let chain = || chain.clone();
        bencher.with_inputs(chain).bench_refs(|chain| daemon.accept(chain.as_slice()).is_ok());
    }

    #[divan::bench]
    fn ring_signature(bencher: Bencher<'_, '_>) {
        let random = SystemRandom::new();
        let key = ring_key(&random);
        let signature = key.sign(&random, &TO_BE_SIGNED).expect("a signature");
        let public_key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
        bencher.bench(|| public_key.verify(&TO_BE_SIGNED, signature.as_ref()).is_ok());
    }
}

/// kitcert.yaml with ten thousand clients.
mod description {
    use super::*;

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn kitcert_add_one_client(bencher: Bencher<'_, '_>) {
        let text = inventory(MANY).render();
        let change = InventoryChange::AddClients(clients(MANY..MANY + 1));
        bencher.bench(|| {
            edit_inventory(text.as_bytes(), Path::new("kitcert.yaml"), std::slice::from_ref(&change))
        });
    }

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn kitcert_add_ten_thousand(bencher: Bencher<'_, '_>) {
        let text = inventory(0).render();
        let change = InventoryChange::AddClients(clients(0..MANY));
        bencher.bench(|| {
            edit_inventory(text.as_bytes(), Path::new("kitcert.yaml"), std::slice::from_ref(&change))
        });
    }

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn kitcert_read(bencher: Bencher<'_, '_>) {
        let text = inventory(MANY).render();
        bencher.bench(|| Inventory::parse(text.as_bytes(), Path::new("kitcert.yaml")));
    }

    #[divan::bench(sample_count = 9, sample_size = 1)]
    fn serde_yaml_read(bencher: Bencher<'_, '_>) {
        let text = inventory(MANY).render();
        bencher.bench(|| serde_yaml::from_str::<serde_yaml::Value>(&text).is_ok());
    }
}

fn generate() -> PrivateKey {
    let Ok(key) = PrivateKey::generate(KeyAlgorithm::EcdsaP256) else { panic!("no random numbers") };
    key
}

fn ring_document(random: &SystemRandom) -> ring::pkcs8::Document {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random).expect("a key")
}

fn ring_key(random: &SystemRandom) -> EcdsaKeyPair {
    let document = ring_document(random);
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), random).expect("a key")
}

fn authority() -> CertificateAuthority {
    let validity = Validity { not_before: now(), not_after: now().plus(Lifetime::days(3650)) };
    let request = AuthorityRequest { name: AuthorityName::default(), validity };
    let Ok(authority) = CertificateAuthority::create(&request, &generate()) else { panic!("no CA") };
    authority
}

fn issue(authority: &CertificateAuthority, key: &PrivateKey) -> Certificate {
    let name = "ana".parse().expect("a name");
    let validity = Validity { not_before: now(), not_after: now().plus(Lifetime::days(90)) };
    let request = LeafRequest { role: Role::Client, name, hosts: Vec::new(), validity };
    authority.issue(&request, key.public_key()).expect("a certificate")
}

fn inventory(count: usize) -> Inventory {
    Inventory {
        defaults: Defaults::default(),
        accept: Vec::new(),
        contact: None,
        renew_before: None,
        verify_every: None,
        authority: AuthorityPolicy {
            name: AuthorityName::default(),
            lifetime: Lifetime::days(3650),
            key: KeyAlgorithm::EcdsaP256,
            key_group: None,
        },
        daemons: Default::default(),
        clients: clients(0..count).into_iter().collect(),
    }
}

fn clients(numbers: std::ops::Range<usize>) -> Vec<(IdentityName, ClientEntry)> {
    let name = |number| format!("client-{number:06}").parse().expect("a name");
    let client = ClientEntry::of_lifetime(CLIENT_LIFETIME);
    numbers.map(|number| (name(number), client.clone())).collect()
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

const BULK: usize = 2_000;
const MANY: usize = 10_000;
/// About as long as the part of our certificates that is signed.
const TO_BE_SIGNED: [u8; 400] = [0x30; 400];
