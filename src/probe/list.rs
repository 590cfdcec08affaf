//! The list of dials: who calls, with what, and what each one offers.
//!
//! Every pair of SNI and version, of ALPN and version, and of SNI and ALPN is offered once without
//! a certificate, since a proxy may choose its rules by any of them.

use std::fmt;

/// The version of the list. A record of an older list is stale.
pub const DIAL_LIST_VERSION: u32 = 1;

/// One dial of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dial {
    /// `P`: HTTP/2 without TLS.
    Plaintext,
    /// `N1` to `N6`: no certificate.
    NoCertificate(u8),
    /// `U1` to `U3`: a certificate of an unknown CA that has the name and key id of ours.
    UnknownCa(u8),
    /// `W`: a certificate of our CA for a daemon.
    WrongUsage,
    /// `E`: a certificate of our CA that has expired.
    Expired,
    /// `S1`, `S2`, …: no certificate, to another host of the daemon.
    OtherHost(u8),
    /// `O`: the client's own certificate.
    Ours,
    /// `N1'`: `N1` in phase 2.
    NoCertificateAgain,
    /// `O'`: `O` in phase 2.
    OursAgain,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// The client.
    Client,
    /// Somebody without a certificate.
    NoCertificate,
    /// Somebody with a certificate of an unknown CA.
    UnknownCa,
    /// Somebody without TLS.
    Plaintext,
    /// Somebody with an expired certificate.
    Expired,
    /// Somebody with a daemon's certificate.
    WrongUsage,
}

/// Which name the ClientHello carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sni {
    /// The host's, as clients send it.
    Name,
    /// None.
    None,
    /// One that the daemon cannot know: a random name below `.invalid`.
    Foreign,
    /// Another host of the daemon.
    OtherHost,
}

/// Which versions of TLS are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versions {
    /// 1.3 and 1.2.
    Both,
    /// 1.2 alone.
    Tls12,
}

/// Whether a protocol is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// h2.
    H2,
    /// The extension is left out.
    None,
}

/// What a dial over TLS offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) sni: Sni,
    pub(super) versions: Versions,
    pub(super) alpn: Alpn,
}

impl Dial {
    /// The dials of phase 1 that every address gets, in the order in which they are opened, but for
    /// ours, which comes last.
    pub(super) const STRANGERS: [Dial; 10] = [
        Dial::Plaintext,
        Dial::NoCertificate(1),
        Dial::NoCertificate(2),
        Dial::NoCertificate(3),
        Dial::NoCertificate(4),
        Dial::NoCertificate(5),
        Dial::NoCertificate(6),
        Dial::UnknownCa(1),
        Dial::UnknownCa(2),
        Dial::UnknownCa(3),
    ];

    /// Who calls.
    #[must_use]
    pub fn caller(self) -> Caller {
        match self {
            Dial::Ours | Dial::OursAgain => Caller::Client,
            Dial::NoCertificate(_) | Dial::NoCertificateAgain | Dial::OtherHost(_) => Caller::NoCertificate,
            Dial::UnknownCa(_) => Caller::UnknownCa,
            Dial::Plaintext => Caller::Plaintext,
            Dial::Expired => Caller::Expired,
            Dial::WrongUsage => Caller::WrongUsage,
        }
    }

    pub(super) fn offers(self) -> Offers {
        let (sni, versions, alpn) = match self {
            Dial::NoCertificate(2) => (Sni::Name, Versions::Tls12, Alpn::None),
            Dial::NoCertificate(3) => (Sni::None, Versions::Both, Alpn::None),
            Dial::NoCertificate(4) | Dial::UnknownCa(2) => (Sni::None, Versions::Tls12, Alpn::H2),
            Dial::NoCertificate(5) => (Sni::Foreign, Versions::Both, Alpn::H2),
            Dial::NoCertificate(6) | Dial::UnknownCa(3) => (Sni::Foreign, Versions::Tls12, Alpn::None),
            Dial::OtherHost(_) => (Sni::OtherHost, Versions::Both, Alpn::H2),
            _ => (Sni::Name, Versions::Both, Alpn::H2),
        };
        Offers { sni, versions, alpn }
    }
}

impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dial::Plaintext => f.write_str("P"),
            Dial::NoCertificate(number) => write!(f, "N{number}"),
            Dial::UnknownCa(number) => write!(f, "U{number}"),
            Dial::WrongUsage => f.write_str("W"),
            Dial::Expired => f.write_str("E"),
            Dial::OtherHost(number) => write!(f, "S{number}"),
            Dial::Ours => f.write_str("O"),
            Dial::NoCertificateAgain => f.write_str("N1'"),
            Dial::OursAgain => f.write_str("O'"),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Caller::Client => "client",
            Caller::NoCertificate => "no certificate",
            Caller::UnknownCa => "unknown CA",
            Caller::Plaintext => "plaintext",
            Caller::Expired => "expired certificate",
            Caller::WrongUsage => "wrong usage",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_certificate_is_tried_over_every_pair_of_sni_version_and_alpn() {
        let offers: Vec<Offers> = (1..=6).map(|number| Dial::NoCertificate(number).offers()).collect();
        for sni in [Sni::Name, Sni::None, Sni::Foreign] {
            for versions in [Versions::Both, Versions::Tls12] {
                assert!(offers.iter().any(|one| (one.sni, one.versions) == (sni, versions)));
            }
            for alpn in [Alpn::H2, Alpn::None] {
                assert!(offers.iter().any(|one| (one.sni, one.alpn) == (sni, alpn)));
            }
        }
        for versions in [Versions::Both, Versions::Tls12] {
            for alpn in [Alpn::H2, Alpn::None] {
                assert!(offers.iter().any(|one| (one.versions, one.alpn) == (versions, alpn)));
            }
        }
    }
}
