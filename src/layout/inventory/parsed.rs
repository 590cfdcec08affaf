//! Values of `kitcert.yaml` that their own types read, with the line of the word where it is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::layout::yaml::fault;
use crate::message;
use crate::model::{Failure, IdentityName};

/// A word that its own type reads.
pub(super) struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err = Failure>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parsed<T>, D::Error> {
        deserializer.deserialize_str(ParsedVisitor(PhantomData))
    }
}

/// The word is read within the visitor, since only so does the parser add the line of the word
/// itself to an error.
struct ParsedVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = Failure>> Visitor<'_> for ParsedVisitor<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, in quotes where it looks like a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Parsed<T>, E> {
        text.parse().map(Parsed).map_err(|failure: Failure| fault::carried(failure))
    }
}

/// Entries by name, each name once.
pub(super) struct Named<T>(pub BTreeMap<IdentityName, T>);

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with what they are")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(Parsed(name)) = map.next_key::<Parsed<IdentityName>>()? {
            let entry = map.next_value()?;
            if entries.contains_key(&name) {
                return Err(fault::carried(message!("{} is there twice", name)));
            }
            entries.insert(name, entry);
        }
        Ok(Named(entries))
    }
}
