//! lint
use super::{Certificate, TrustBundle};
use crate::model::{Finding, Role, Timestamp};
/// leaf
pub fn leaf(_certificate: &Certificate, _role: Role, _issuer: Option<&Certificate>) -> Vec<Finding> {
    Vec::new()
}
/// ca
pub fn authority(_certificate: &Certificate) -> Vec<Finding> {
    Vec::new()
}
/// dates
pub fn dates(_certificate: &Certificate, _now: Timestamp) -> Vec<Finding> {
    Vec::new()
}
/// bundle
pub fn bundle(_bundle: &TrustBundle) -> Vec<Finding> {
    Vec::new()
}
