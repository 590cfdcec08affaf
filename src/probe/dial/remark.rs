//! What a peer says, as far as a message may repeat it.

use crate::model::{Message, Printable, Remark};

/// The beginning of a peer's words.
pub(super) fn remark(bytes: &[u8]) -> Message {
    Remark(String::from_utf8_lossy(bytes).trim_end()).message()
}

#[cfg(test)]
mod tests {
    use super::remark;

    #[test]
    fn of_a_peers_words_80_bytes_are_repeated_and_no_part_of_a_key() {
        assert_eq!(remark(b"SSH-2.0-OpenSSH_9.6"), "SSH-2.0-OpenSSH_9.6");
        assert_eq!(remark(&b"so what ".repeat(50)).as_str().len(), 80);
        assert_eq!(remark(&[0xff, b'a']), "\u{fffd}a");
        let key = b"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVnp";
        assert_eq!(remark(key), "a value of 51 characters");
    }
}
