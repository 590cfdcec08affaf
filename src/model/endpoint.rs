//! Where a daemon listens.

use std::fmt;
use std::str::FromStr;

use super::{ExitCode, Failure, SubjectAltName, Word};

/// The address of a daemon, `tcp://host:port`, as `buildkit_host` and `BUILDKIT_HOST` hold it.
///
/// The host is both what is dialed and the name that the daemon's certificate must carry:
/// Earthly has no way to expect another (its client verifies the URL's host name).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: SubjectAltName,
    port: u16,
}

impl Endpoint {
    /// The port of Earthly's and EarthBuild's daemon.
    pub const DEFAULT_PORT: u16 = 8372;

    /// The endpoint of that host and port.
    #[must_use]
    pub fn new(host: SubjectAltName, port: u16) -> Endpoint {
        Endpoint { host, port }
    }

    /// What is dialed, and what the daemon's certificate must name.
    #[must_use]
    pub fn host(&self) -> &SubjectAltName {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether Earthly's client takes this host for its own machine: then it starts a container
    /// of its own instead of only connecting. It compares the text, so that `127.0.0.2` is remote.
    #[must_use]
    pub fn is_local_to_earthly(&self) -> bool {
        ["127.0.0.1", "::1", "localhost"].contains(&self.host.to_string().as_str())
    }

    /// Whether the host is whatever machine dials it (RFC 1122 section 3.2.1.3, RFC 6761 section 6.3).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            SubjectAltName::Ip(address) => address.is_loopback(),
            SubjectAltName::Dns(name) => {
                name.as_str() == "localhost" || name.as_str().ends_with(".localhost")
            }
        }
    }

    /// `host:port` without the scheme, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.host {
            SubjectAltName::Ip(address) if address.is_ipv6() => format!("[{address}]:{}", self.port),
            host => format!("{host}:{}", self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Endpoint, Failure> {
        let failure = |expected: &'static str, found: &'static str| {
            Failure::new("reading the endpoint", Word(text))
                .expected(expected)
                .found(found)
                .exit(ExitCode::Usage)
        };
        let authority = text.strip_prefix("tcp://").ok_or_else(|| {
            failure("tcp://host:port", if text.contains("://") { "another scheme" } else { "no scheme" })
        })?;
        if authority.contains('@') {
            // It may be a password.
            return Err(Failure::new("reading the endpoint", "given")
                .expected("tcp://host:port")
                .found("a user, or a password, before the host")
                .exit(ExitCode::Usage));
        }
        let without_port =
            || failure("a port, such as :8372 (Earthly refuses an endpoint without one)", "none");
        let (host, port) = authority.rsplit_once(':').ok_or_else(without_port)?;
        if host.is_empty() {
            return Err(failure("a host", "none"));
        }
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(':') && !bracketed {
            return Err(failure("an IPv6 address in brackets, such as tcp://[::1]:8372", "one without"));
        }
        if port.is_empty() {
            return Err(without_port());
        }
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| *port != 0 && digits);
        let port =
            port.ok_or_else(|| failure("a port from 1 to 65535 and nothing behind it", "something else"))?;
        let host: SubjectAltName = host.parse()?;
        match &host {
            SubjectAltName::Dns(name) if name.is_wildcard() => Err(failure("one host", "a wildcard")),
            _ => Ok(Endpoint { host, port }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("tcp://{}", self.authority()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_printed_as_it_is_read() {
        for text in ["tcp://builder.example.com:8372", "tcp://10.0.0.5:1234", "tcp://[::1]:8372"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_a_client_could_not_dial_is_refused() {
        for text in [
            "",
            "builder",
            "builder:8372",
            "tcp://builder",
            "tcp://builder:",
            "tcp://:8372",
            "tcp://builder:0",
            "tcp://builder:65536",
            "tcp://builder:8372/",
            "tcp://u@builder:8372",
            "tcp://::1:8372",
            "http://builder:8372",
            "docker-container://x",
            "tcp://*.example.com:8372",
            "tcp://builder:+8372",
            "tcp://010.0.0.1:8372",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        for text in ["tcp://user:secret@builder:8372", "tcp://secret@[::1]:8372"] {
            let said = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(said.contains("password") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn half_a_pair_of_brackets_is_none() {
        for text in ["tcp://[::1:8372", "tcp://::1]:8372", "tcp://::1:8372"] {
            let failure = text.parse::<Endpoint>().unwrap_err();
            assert!(failure.what_was_expected().contains("in brackets"), "{text}: {failure}");
        }
    }

    #[test]
    fn earthly_takes_three_spellings_for_its_own_machine() {
        let local = |text: &str| text.parse::<Endpoint>().unwrap().is_local_to_earthly();
        assert!(local("tcp://localhost:8372") && local("tcp://127.0.0.1:8372") && local("tcp://[::1]:8372"));
        assert!(!local("tcp://127.0.0.2:8372") && !local("tcp://builder:8372"));
        let loopback = |text: &str| text.parse::<Endpoint>().unwrap().is_loopback();
        assert!(
            loopback("tcp://127.0.0.2:8372") && loopback("tcp://[::1]:1") && loopback("tcp://b.localhost:1")
        );
        assert!(!loopback("tcp://10.0.0.2:8372") && !loopback("tcp://builder:8372"));
    }
}
