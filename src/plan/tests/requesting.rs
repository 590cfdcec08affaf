//! A key that stays, and when another one is made.
use crate::model::Message;
use crate::model::numbered;

use std::path::PathBuf;

use super::name;
use crate::model::{Failure, KeyAlgorithm};
use crate::pki::{CertificateRequest, PrivateKey};
use crate::plan::{Handover, KeyRenewal, Plan, RequestRequest, StateStep, WrittenRequest, request};
use crate::store::ObservedRequest;

/// Zoe's second request, of a key on P-256; a third was made and given up.
fn there() -> ObservedRequest {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let text = CertificateRequest::create(&name("zoe"), &key).unwrap();
    ObservedRequest {
        generation: numbered(2),
        request: CertificateRequest::from_pem(text.as_bytes(), "zoe.csr").unwrap(),
        request_text: text.into_bytes(),
        last_generation: numbered(3),
    }
}

fn planned(
    key: Option<KeyAlgorithm>,
    renewal: KeyRenewal,
    there: Option<&ObservedRequest>,
    written: WrittenRequest,
) -> Result<Plan, Failure> {
    let asked = RequestRequest { name: name("zoe"), key, renewal, path: PathBuf::from("/home/zoe/zoe.csr") };
    request(&asked, there, written)
}

/// The key that is made, if one is.
fn made(plan: &Plan) -> Option<(KeyAlgorithm, u32)> {
    match plan.state.as_slice() {
        [] => None,
        [StateStep::Request { algorithm, generation, .. }] => Some((*algorithm, generation.number())),
        _ => panic!("more than a request"),
    }
}

fn is_handed_over(plan: &Plan) -> bool {
    plan.handover
        .as_ref()
        .is_some_and(|step| matches!(&step.content, Handover::Request(of) if *of == name("zoe")))
}

#[test]
fn a_key_is_made_where_there_is_none_or_a_new_one_is_wanted() {
    let there = there();
    for (key, renewal, there, expected) in [
        (None, KeyRenewal::Keep, None, Some((KeyAlgorithm::EcdsaP256, 1))),
        (Some(KeyAlgorithm::Ed25519), KeyRenewal::Keep, None, Some((KeyAlgorithm::Ed25519, 1))),
        (None, KeyRenewal::Keep, Some(&there), None),
        (Some(KeyAlgorithm::EcdsaP256), KeyRenewal::Keep, Some(&there), None),
        (None, KeyRenewal::Fresh, Some(&there), Some((KeyAlgorithm::EcdsaP256, 4))),
        (Some(KeyAlgorithm::Ed25519), KeyRenewal::Fresh, Some(&there), Some((KeyAlgorithm::Ed25519, 4))),
    ] {
        let plan = planned(key, renewal, there, WrittenRequest::Other).unwrap();
        assert_eq!(made(&plan), expected, "{key:?} {renewal:?}");
        assert!(is_handed_over(&plan), "{key:?} {renewal:?}");
    }
}

#[test]
fn a_request_that_is_written_already_is_written_again_only_with_another_key() {
    let there = there();
    let plan = |renewal| planned(None, renewal, Some(&there), WrittenRequest::Same).unwrap();
    assert!(plan(KeyRenewal::Keep).is_empty());
    assert!(is_handed_over(&plan(KeyRenewal::Fresh)));
}

#[test]
fn another_type_of_key_is_refused_unless_a_new_one_is_wanted() {
    let refused =
        planned(Some(KeyAlgorithm::Ed25519), KeyRenewal::Keep, Some(&there()), WrittenRequest::Same);
    let failure = refused.unwrap_err();
    assert_eq!(failure.what_was_found(), "ed25519");
    assert_eq!(
        failure.remedy().map(Message::as_str),
        Some("kitcert request zoe --key-type ed25519 --new-key")
    );
}
