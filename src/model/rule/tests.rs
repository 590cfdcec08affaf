use super::*;

#[test]
fn every_rule_has_a_word_of_its_own() {
    let mut words: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Rule::ALL.len());
    assert!(Rule::ALL.iter().all(|rule| rule.to_string() == rule.as_str()));
}
