//! lint
use super::Certificate;
use crate::model::{Finding, Role};
/// leaf
pub fn leaf(_certificate: &Certificate, _role: Role, _issuer: Option<&Certificate>) -> Vec<Finding> {
    Vec::new()
}
/// ca
pub fn authority(_certificate: &Certificate) -> Vec<Finding> {
    Vec::new()
}
