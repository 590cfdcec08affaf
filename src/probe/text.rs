//! A stranger's words, made fit for a screen.

/// The text of a peer, cut to a hundred characters and freed of what could steer a terminal.
pub(super) fn tame(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept: String = text.chars().filter(|character| !is_steering(*character)).take(LONGEST).collect();
    if text.chars().count() > LONGEST { kept + "…" } else { kept }
}

/// Control characters, and those that turn the direction of writing.
fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::tame;

    #[test]
    fn a_daemon_cannot_steer_the_terminal() {
        assert_eq!(tame(b"v1\x1b[31m\r\n"), "v1[31m");
        assert_eq!(tame("a\u{202e}b".as_bytes()), "ab");
        assert_eq!(tame(&[b'x'; 5000]).chars().count(), 101);
        assert_eq!(tame(&[0xff, b'a']), "\u{fffd}a");
    }
}
