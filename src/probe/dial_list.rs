//! The list of dials: who calls, with what, and what each one offers.
//!
//! Every combination of SNI, version (both, or 1.2 alone) and ALPN (h2, or none) is offered once without a
//! certificate and once with one of an unknown CA, and rarer ones under the daemon's name: a proxy may choose
//! its rules by any of them, and all dials are open at once, so that none costs a round trip.

use std::fmt;

/// The version of the list. A record of an older list is stale.
pub const DIAL_LIST_VERSION: u32 = 5;

/// One dial of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dial {
    /// `P`: HTTP/2 without TLS.
    Plaintext,
    /// `H`: HTTP/1.1 without TLS.
    PlaintextHttp1,
    /// `N1` to `N15`: no certificate.
    NoCertificate(u8),
    /// `U1` to `U15`: a certificate with the client's name, of an unknown CA that has the name and key id of
    /// a known one; `U16`: with that CA beside it; `U17`: one that is signed by its own key; `U18` and
    /// `U19`: one of a CA with another name, alone and with that CA.
    UnknownCa(u8),
    /// `W`: a certificate of the client's CA for a daemon.
    WrongUsage,
    /// `E`: a certificate of the client's CA that has expired.
    Expired,
    /// `S1`, `S2`, …: no certificate, to another host of the daemon.
    OtherHost(u8),
    /// `C`: a certificate of a CA of which the daemon must let nobody in any more.
    Distrusted,
    /// `R`: a certificate with a name that the daemon's ca.pem excludes: that of a revoked client, or that by
    /// which it is seen which ca.pem the daemon uses. Dialed beside the list.
    Revoked,
    /// `O`: the client's own certificate.
    Client,
    /// `N1'`: `N1` in phase 2.
    NoCertificateAgain,
    /// `O'`: `O` in phase 2.
    ClientAgain,
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
    /// Somebody of a CA that is not trusted any more.
    Distrusted,
    /// Somebody whose access was taken away.
    Revoked,
}

/// Whom a sound daemon refuses, the worst first. A caller of a CA that is distrusted, and one who is revoked,
/// are dialed beside the list.
pub(super) const MUST_BE_REFUSED: [Caller; 5] =
    [Caller::NoCertificate, Caller::UnknownCa, Caller::Plaintext, Caller::Expired, Caller::WrongUsage];

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
    /// 1.3 alone.
    Tls13,
}

/// Whether a protocol is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// h2.
    H2,
    /// h2 and http/1.1, as browsers and curl offer.
    Both,
    /// http/1.1 alone; then HTTP/1.1 is what is spoken.
    Http1,
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
    /// The dials of phase 1 that every address gets and that must be refused, in the order in which they
    /// are opened; the client's comes last. An address is never sent as SNI: whoever dials one has no name, and
    /// the dials without SNI would be those with the name once more.
    pub(crate) fn refusals(has_name: bool) -> impl Iterator<Item = Dial> {
        let no_certificate = (1..=COMBINATIONS).map(Dial::NoCertificate);
        let unknown_ca = (1..=UNRELATED_WITH_CA).map(Dial::UnknownCa);
        let plaintext = [Dial::Plaintext, Dial::PlaintextHttp1].into_iter();
        let all = plaintext.chain(no_certificate).chain(unknown_ca);
        all.filter(move |dial| has_name || dial.offers().sni != Sni::None)
    }

    /// Who calls.
    #[must_use]
    pub fn caller(self) -> Caller {
        match self {
            Dial::Client | Dial::ClientAgain => Caller::Client,
            Dial::NoCertificate(_) | Dial::NoCertificateAgain | Dial::OtherHost(_) => Caller::NoCertificate,
            Dial::UnknownCa(_) => Caller::UnknownCa,
            Dial::Plaintext | Dial::PlaintextHttp1 => Caller::Plaintext,
            Dial::Expired => Caller::Expired,
            Dial::WrongUsage => Caller::WrongUsage,
            Dial::Distrusted => Caller::Distrusted,
            Dial::Revoked => Caller::Revoked,
        }
    }

    pub(super) fn offers(self) -> Offers {
        match self {
            Dial::NoCertificate(number) => combination(number),
            // The first three are those of the first list.
            Dial::UnknownCa(number) => combination(match number {
                2 => 4,
                3 => 6,
                4 => 2,
                5 => 3,
                6 => 5,
                other => other,
            }),
            Dial::OtherHost(_) => Offers { sni: Sni::OtherHost, ..combination(1) },
            _ => combination(1),
        }
    }

    /// The dial that differs from this one of one version of TLS in that it offers both.
    pub(super) fn with_both_versions(self) -> Option<Dial> {
        let offers = Offers { versions: Versions::Both, ..self.offers() };
        let is_it = |dial: &Dial| dial.caller() == self.caller() && dial.offers() == offers;
        Dial::refusals(true).find(is_it).filter(|dial| *dial != self)
    }
}

/// What the dial of that number offers without a certificate.
fn combination(number: u8) -> Offers {
    let (sni, versions, alpn) = match number {
        2 => (Sni::Name, Versions::Tls12, Alpn::None),
        3 => (Sni::None, Versions::Both, Alpn::None),
        4 => (Sni::None, Versions::Tls12, Alpn::H2),
        5 => (Sni::Foreign, Versions::Both, Alpn::H2),
        6 => (Sni::Foreign, Versions::Tls12, Alpn::None),
        7 => (Sni::Name, Versions::Both, Alpn::None),
        8 => (Sni::Name, Versions::Tls12, Alpn::H2),
        9 => (Sni::None, Versions::Both, Alpn::H2),
        10 => (Sni::None, Versions::Tls12, Alpn::None),
        11 => (Sni::Foreign, Versions::Both, Alpn::None),
        12 => (Sni::Foreign, Versions::Tls12, Alpn::H2),
        13 => (Sni::Name, Versions::Both, Alpn::Both),
        14 => (Sni::Name, Versions::Both, Alpn::Http1),
        15 => (Sni::Name, Versions::Tls13, Alpn::H2),
        _ => (Sni::Name, Versions::Both, Alpn::H2),
    };
    Offers { sni, versions, alpn }
}

/// How many combinations of SNI, version and ALPN are dialed.
const COMBINATIONS: u8 = 15;
/// The dial with a certificate of a CA that has a known one's name, and that CA beside it.
pub(super) const NAMESAKE_WITH_CA: u8 = 16;
/// The dial with a certificate that is signed by its own key.
pub(super) const SELF_SIGNED: u8 = 17;
/// The dial with a certificate of a CA that has another name.
pub(super) const UNRELATED: u8 = 18;
/// The same, with the CA beside it.
pub(super) const UNRELATED_WITH_CA: u8 = 19;

impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dial::Plaintext => f.write_str("P"),
            Dial::PlaintextHttp1 => f.write_str("H"),
            Dial::NoCertificate(number) => write!(f, "N{number}"),
            Dial::UnknownCa(number) => write!(f, "U{number}"),
            Dial::WrongUsage => f.write_str("W"),
            Dial::Expired => f.write_str("E"),
            Dial::Distrusted => f.write_str("C"),
            Dial::Revoked => f.write_str("R"),
            Dial::OtherHost(number) => write!(f, "S{number}"),
            Dial::Client => f.write_str("O"),
            Dial::NoCertificateAgain => f.write_str("N1'"),
            Dial::ClientAgain => f.write_str("O'"),
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
            Caller::Distrusted => "distrusted CA",
            Caller::Revoked => "revoked client",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_certificate_and_an_unknown_ca_are_tried_over_every_combination_of_sni_version_and_alpn() {
        for (has_name, names) in
            [(true, &[Sni::Name, Sni::None, Sni::Foreign][..]), (false, &[Sni::Name, Sni::Foreign])]
        {
            for caller in [Caller::NoCertificate, Caller::UnknownCa] {
                let of_caller = |dial: &Dial| dial.caller() == caller;
                let offers: Vec<_> = Dial::refusals(has_name).filter(of_caller).map(Dial::offers).collect();
                for alpn in [Alpn::Both, Alpn::Http1] {
                    assert!(offers.contains(&Offers { alpn, ..combination(1) }));
                }
                assert!(offers.contains(&Offers { versions: Versions::Tls13, ..combination(1) }));
                for sni in names {
                    for versions in [Versions::Both, Versions::Tls12] {
                        for alpn in [Alpn::H2, Alpn::None] {
                            assert!(offers.contains(&Offers { sni: *sni, versions, alpn }));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_dial_of_one_version_has_one_like_it_of_both() {
        for dial in Dial::refusals(true).filter(|dial| dial.offers().versions != Versions::Both) {
            let with_both = dial.with_both_versions().unwrap();
            let (one, other) = (dial.offers(), with_both.offers());
            assert_eq!(
                (with_both.caller(), other.sni, other.alpn),
                (dial.caller(), one.sni, one.alpn),
                "{dial}"
            );
            assert_eq!(other.versions, Versions::Both);
        }
        assert_eq!(Dial::UnknownCa(1).with_both_versions(), None);
    }
}
