//! What a person types to open an encrypted key.

use std::fmt;

use bip39::Language;
use pkcs8::pkcs5::pbes2::ScryptParams;
use pkcs8::pkcs5::scrypt;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::message;
use crate::model::{Failure, Message};

/// A passphrase. Its bytes are overwritten when it is dropped; it has no Debug, Display or Clone,
/// and is seen only through [`Passphrase::expose_words`].
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Makes one of the machine's random numbers: seven words of the BIP 39 English list, 77 bits,
    /// each guess of which costs a scrypt.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn generate() -> Result<Passphrase, Failure> {
        let list = Language::English.word_list();
        let mut words = Zeroizing::new(String::with_capacity(WORDS * LONGEST_WORD));
        for place in 0..WORDS {
            if place > 0 {
                words.push(' ');
            }
            // The list has 2048 words, so that the remainder favors none.
            words.push_str(list[usize::from(u16::from_be_bytes(random()?)) % list.len()]);
        }
        Ok(Passphrase(words))
    }

    /// The passphrase that somebody typed: case, and what stands between its words, do not matter.
    ///
    /// # Errors
    /// Nothing but blanks.
    pub fn typed(text: &str) -> Result<Passphrase, Failure> {
        let mut words = Zeroizing::new(String::with_capacity(text.len()));
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !words.is_empty() {
                words.push(' ');
            }
            words.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        }
        if words.is_empty() {
            return Err(Failure::new("reading", "the passphrase").expected("its words").found("nothing"));
        }
        Ok(Passphrase(words))
    }

    /// The passphrase of a file that another program made, exactly as it is: but for the end of its line.
    ///
    /// # Errors
    /// Nothing at all.
    pub(crate) fn verbatim(text: &str) -> Result<Passphrase, Failure> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(Failure::new("reading", "the passphrase")
                .expected("its characters")
                .found("nothing"));
        }
        Ok(Passphrase(Zeroizing::new(text.to_owned())))
    }

    /// Why it is none of those that [`Passphrase::generate`] makes, without any of its words; None if it is one.
    #[must_use]
    pub(crate) fn mistake(&self) -> Option<Message> {
        let list = Language::English.word_list();
        let (count, right) = (self.0.split(' ').count(), WORDS);
        if count != right {
            return Some(message!("one of {} words; it has {}", count, right));
        }
        let place = self.0.split(' ').position(|word| !list.contains(&word))?;
        Some(message!("another: word {} is none that such a passphrase has", place + 1))
    }

    /// The door to the person: its words, in lower case, one blank between them.
    #[must_use]
    pub fn expose_words(&self) -> &str {
        &self.0
    }

    /// The door to a person: the words, for the one report that shows them.
    #[must_use]
    pub fn expose_message(&self) -> Message {
        Message::parsed(&self.0.as_str())
    }

    /// The key of a message authentication code over what this passphrase protects besides a key.
    pub(in crate::pki) fn authentication_key(&self, salt: &[u8]) -> Result<hmac::Key, Failure> {
        let mut derived = Zeroizing::new([0; 32]);
        let failure = |_| Failure::new("deriving a key from", "the passphrase").found("no result");
        scrypt::scrypt(self.0.as_bytes(), salt, &COST.parameters()?, derived.as_mut()).map_err(failure)?;
        Ok(hmac::Key::new(HMAC_SHA256, derived.as_ref()))
    }
}

/// What a guess costs (RFC 7914 section 2): twice the work of openssl's own N = 2^14, p = 1 in half
/// of its memory, 8 MiB, since the machine that joins may be a small one. openssl reads it too.
pub(super) const COST: Cost = Cost { log_n: 13, block_size: 8, parallelization: 4 };

/// The parameters of scrypt.
pub(in crate::pki) struct Cost {
    log_n: u8,
    block_size: u32,
    parallelization: u32,
}

impl Cost {
    pub(crate) fn parameters(&self) -> Result<scrypt::Params, Failure> {
        scrypt::Params::new(self.log_n, self.block_size, self.parallelization)
            .map_err(|_| Failure::new("choosing", "scrypt's cost").found("one that scrypt does not have"))
    }

    /// Whether an encrypted key asks for this much and no other.
    pub(crate) fn is_of(&self, asked: &ScryptParams) -> bool {
        asked.cost_parameter == 1 << self.log_n
            && u32::from(asked.block_size) == self.block_size
            && u32::from(asked.parallelization) == self.parallelization
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N = 2^{}, r = {}, p = {}", self.log_n, self.block_size, self.parallelization)
    }
}

/// Random bytes.
pub(in crate::pki) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Failure> {
    let mut octets = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| Failure::new("making", "random bytes").found("no random numbers"))?;
    Ok(octets)
}

const WORDS: usize = 7;
const LONGEST_WORD: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_seven_words_and_no_two_are_the_same() {
        let made = Passphrase::generate().ok().unwrap();
        let words = made.expose_words();
        assert_eq!(words.split(' ').count(), 7, "{words}");
        assert!(words.split(' ').all(|word| Language::English.find_word(word).is_some()), "{words}");
        assert_ne!(words, Passphrase::generate().ok().unwrap().expose_words());
    }

    #[test]
    fn what_stands_between_words_is_nothing_and_a_mistake_is_told_without_a_word() {
        let words = "Fortune, ride\tcanoe-victory. riot; double fame\n";
        let typed = Passphrase::typed(words).ok().unwrap();
        assert_eq!(typed.expose_words(), "fortune ride canoe victory riot double fame");
        assert_eq!(typed.mistake(), None);
        let said = |words| Passphrase::typed(words).ok().unwrap().mistake().unwrap().to_string();
        assert_eq!(said("fortune ride"), "one of 2 words; it has 7");
        let seven = "fortune ride canoe victory riot double femme";
        assert_eq!(said(seven), "another: word 7 is none that such a passphrase has");
    }

    #[test]
    fn the_words_of_passphrases_are_of_the_whole_list() {
        let made: Vec<_> = (0..20).map(|_| Passphrase::generate().ok().unwrap()).collect();
        let words = made.iter().flat_map(|one| one.expose_words().split(' '));
        let places: Vec<_> = words.map(|word| Language::English.find_word(word).unwrap()).collect();
        // That 140 words all miss a quarter of the list happens once in 10^17 times.
        assert!((0..4).all(|quarter| places.iter().any(|place| place / 512 == quarter)), "{places:?}");
    }

    #[test]
    fn what_a_guess_costs_is_told() {
        assert_eq!(COST.to_string(), "N = 2^13, r = 8, p = 4");
    }

    #[test]
    fn how_it_is_typed_does_not_matter() {
        for typed in ["one two three", " One  TWO\tthree\n", "one-two-three"] {
            assert_eq!(Passphrase::typed(typed).ok().unwrap().expose_words(), "one two three");
        }
        assert!(Passphrase::typed(" \n").is_err());
    }
}
