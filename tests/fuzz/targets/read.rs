//! One reader, given whatever reaches code that nothing reached before. `KITCERT_READER` names it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use readers::{READERS, Reader};

fuzz_target!(|input: &[u8]| {
    static READER: OnceLock<Reader> = OnceLock::new();
    let reader = READER.get_or_init(|| {
        let name = std::env::var("KITCERT_READER").unwrap_or_default();
        let named = READERS.into_iter().find(|reader| reader.name == name);
        named.unwrap_or_else(|| panic!("KITCERT_READER={name:?} names none"))
    });
    (reader.read)(input);
});
