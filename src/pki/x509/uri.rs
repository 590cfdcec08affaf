//! URIs in a certificate, as Go reads them: of a certificate with another it reads nothing.

/// Whether `net/url`'s `Parse` takes it, and `crypto/x509` its host. What is rare and taken may be refused.
pub(super) fn is_read_by_go(uri: &str) -> bool {
    if !uri.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return false;
    }
    let (uri, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let Some((has_scheme, rest)) = without_scheme(uri) else { return false };
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    let Some(behind) = path.strip_prefix("//").filter(|rest| has_scheme || !rest.starts_with('/')) else {
        // Go looks no closer at what is behind a scheme without a slash.
        let is_opaque = has_scheme && !path.starts_with('/');
        let first = path.split('/').next().unwrap_or_default();
        return is_escaped(fragment) && (is_opaque || is_escaped(path) && !first.contains(':'));
    };
    let (authority, path) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    is_escaped(user)
        && user.bytes().all(is_of_user)
        && is_host(host)
        && is_escaped(path)
        && is_escaped(fragment)
}

/// Whether there is a scheme, and what is behind it; None where there is a colon and no scheme.
fn without_scheme(uri: &str) -> Option<(bool, &str)> {
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let Some((scheme, rest)) = uri.split_once(':') else { return Some((false, uri)) };
    let begins = scheme.bytes().next()?.is_ascii_alphabetic();
    Some(if begins && scheme.bytes().all(is_of_scheme) { (true, rest) } else { (false, uri) })
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("", port),
        Some(_) => return false,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~!$&'()*+,;=".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_name);
    is_port && (name.is_empty() || name.split('.').all(is_label))
}

fn is_of_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

/// Whether each percent sign has two digits behind it.
fn is_escaped(text: &str) -> bool {
    let is_hex = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    text.split('%').skip(1).all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was asked of Go 1.27.
    #[test]
    fn a_uri_is_read_as_go_reads_it() {
        for read in [
            "spiffe://example.org/ns/a/sa/b",
            "https://ana@example.com:8443/x?y=%zz#z",
            "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "mailto:ana@example.com",
            "//example.com/x",
            "/only/a/path",
            "a/b:c",
            "https://[::1]:80/",
            "",
        ] {
            assert!(is_read_by_go(read), "{read}");
        }
        for refused in [
            "::::bad",
            ":x",
            "1a:b",
            "https://a b/",
            "https://example.com:port/",
            "https://a..b/",
            "https://a.example./",
            "https://a/%zz",
            "https://a%20b/",
            "a\u{e4}:b",
            "a\n:b",
            "https://[::1/",
        ] {
            assert!(!is_read_by_go(refused), "{refused}");
        }
    }
}
