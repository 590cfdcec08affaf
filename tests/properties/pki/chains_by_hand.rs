//! Chains made by hand, each with whether a Go peer accepts it, and if not, why.

use kitcert::model::Role;
use kitcert::pki::Certificate;
use kitcert::pki::judge::ChainFault;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};

use crate::support::entities::{Entity, authority, client, dated, root, signed, signed_for};

/// What is sent, what is trusted, and for what.
pub struct Case {
    pub sent: Vec<Certificate>,
    pub trusted: Vec<Certificate>,
    pub role: Role,
}

/// A client's chain, the leaf first, and the daemon's bundle.
pub fn case(sent: &[&Entity], trusted: &[&Entity]) -> Case {
    let certificates = |entities: &[&Entity]| entities.iter().map(|one| one.certificate.clone()).collect();
    Case { sent: certificates(sent), trusted: certificates(trusted), role: Role::Client }
}

/// A case by name, and where it is refused, which fault it must be.
pub struct Named {
    pub name: &'static str,
    pub case: Case,
    pub refused: Option<fn(&ChainFault) -> bool>,
}

fn accepted(name: &'static str, case: Case) -> Named {
    Named { name, case, refused: None }
}

fn refused(name: &'static str, case: Case, why: fn(&ChainFault) -> bool) -> Named {
    Named { name, case, refused: Some(why) }
}

/// Every case.
pub fn cases() -> Vec<Named> {
    [
        about_issuers(),
        about_pinning(),
        about_dates(),
        about_usages(),
        about_authority(),
        about_extensions(),
        about_names(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn about_issuers() -> Vec<Named> {
    let ca = root(authority("ca"));
    let namesake = root(authority("ca"));
    let other_ca = root(authority("other"));
    let intermediate = signed(authority("intermediate"), &ca);
    let sibling = signed(authority("sibling"), &ca);
    let ana = signed(client("ana"), &ca);
    let below = signed(client("below"), &intermediate);
    let mut misleading = authority("ca");
    misleading.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]);
    let misleading = root(misleading);
    let cross = signed_for(KeyPair::generate().unwrap(), authority("ca"), &other_ca);
    let of_cross = signed(client("ana"), &cross);
    let deep = (0..6).fold(vec![root(authority("deep"))], |mut path, number| {
        let next = signed(authority(&format!("deep {number}")), path.last().unwrap());
        path.push(next);
        path
    });
    let at_the_bottom = signed(client("ana"), deep.last().unwrap());
    let sent_deep: Vec<_> = std::iter::once(&at_the_bottom).chain(deep.iter().skip(1)).collect();
    vec![
        accepted("a leaf of the CA", case(&[&ana], &[&ca])),
        accepted("a leaf among two CAs of one name", case(&[&ana], &[&namesake, &ca])),
        accepted("a misleading key identifier", case(&[&ana], &[&misleading, &ca])),
        accepted("a leaf of an intermediate", case(&[&below, &intermediate], &[&ca])),
        accepted("an unneeded intermediate", case(&[&ana, &sibling], &[&ca])),
        accepted("an intermediate alone as anchor", case(&[&below], &[&intermediate])),
        accepted("a cross-signed CA", case(&[&of_cross, &cross], &[&other_ca])),
        accepted("seven CAs", case(&sent_deep, &[&deep[0]])),
        refused("another CA", case(&[&ana], &[&other_ca]), |fault| {
            matches!(fault, ChainFault::UnknownAuthority { .. })
        }),
        refused("a namesake CA", case(&[&ana], &[&namesake]), |fault| {
            matches!(fault, ChainFault::SameNameOtherKey { .. })
        }),
        refused("a sibling's leaf", case(&[&below], &[&sibling]), |fault| {
            matches!(fault, ChainFault::UnknownAuthority { .. })
        }),
        refused("no intermediate", case(&[&below], &[&ca]), |fault| {
            matches!(fault, ChainFault::UnknownAuthority { .. })
        }),
        refused("the wrong intermediate", case(&[&below, &sibling], &[&ca]), |fault| {
            matches!(fault, ChainFault::MissingIntermediate { .. })
        }),
    ]
}

fn about_pinning() -> Vec<Named> {
    let ana = signed(client("ana"), &root(authority("ca")));
    let pinned = root(client("pinned"));
    let mut of_a_server = client("pinned");
    of_a_server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let of_a_server = root(of_a_server);
    let expired = root(dated(client("pinned"), -10, -1));
    vec![
        accepted("a pinned self-signed client", case(&[&pinned], &[&pinned])),
        accepted("a pinned leaf of a CA", case(&[&ana], &[&ana])),
        refused("a server's pinned leaf", case(&[&of_a_server], &[&of_a_server]), |fault| {
            matches!(fault, ChainFault::WrongUsage { .. })
        }),
        refused("an expired pinned leaf", case(&[&expired], &[&expired]), |fault| {
            matches!(fault, ChainFault::Expired { .. })
        }),
    ]
}

fn about_dates() -> Vec<Named> {
    let ca = root(authority("ca"));
    let expired = signed(dated(client("expired"), -10, -1), &ca);
    let future = signed(dated(client("future"), 1, 10), &ca);
    let expired_ca = root(dated(authority("expired ca"), -10, -1));
    let of_expired_ca = signed(client("ana"), &expired_ca);
    let future_ca = root(dated(authority("future ca"), 1, 10));
    let of_future_ca = signed(client("ana"), &future_ca);
    let is_expired: fn(&ChainFault) -> bool = |fault| matches!(fault, ChainFault::Expired { .. });
    let is_future: fn(&ChainFault) -> bool = |fault| matches!(fault, ChainFault::NotYetValid { .. });
    vec![
        refused("an expired leaf", case(&[&expired], &[&ca]), is_expired),
        refused("an expired anchor", case(&[&of_expired_ca], &[&expired_ca]), is_expired),
        refused("a future leaf", case(&[&future], &[&ca]), is_future),
        refused("a future anchor", case(&[&of_future_ca], &[&future_ca]), is_future),
    ]
}

fn about_usages() -> Vec<Named> {
    use ExtendedKeyUsagePurpose::{Any, ServerAuth};
    let ca = root(authority("ca"));
    let with = |mut parameters: CertificateParams, usages: Vec<ExtendedKeyUsagePurpose>| {
        parameters.extended_key_usages = usages;
        parameters
    };
    let no_usage = signed(with(client("no usage"), vec![]), &ca);
    let any_usage = signed(with(client("any usage"), vec![Any]), &ca);
    let server_only = signed(with(client("server only"), vec![ServerAuth]), &ca);
    let server_ca = root(with(authority("server ca"), vec![ServerAuth]));
    let of_server_ca = signed(client("ana"), &server_ca);
    let is_usage: fn(&ChainFault) -> bool = |fault| matches!(fault, ChainFault::WrongUsage { .. });
    vec![
        accepted("no usage", case(&[&no_usage], &[&ca])),
        accepted("any usage", case(&[&any_usage], &[&ca])),
        refused("a server's leaf", case(&[&server_only], &[&ca]), is_usage),
        refused("an anchor for servers", case(&[&of_server_ca], &[&server_ca]), is_usage),
    ]
}

fn about_authority() -> Vec<Named> {
    let ca = root(authority("ca"));
    let ana = signed(client("ana"), &ca);
    let of_a_leaf = signed(client("of a leaf"), &ana);
    let mut short = authority("short");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = root(short);
    let of_short = signed(client("ana"), &short);
    let too_many = signed(authority("intermediate"), &short);
    let below_too_many = signed(client("ana"), &too_many);
    let mut unsigning = authority("unsigning");
    unsigning.key_usages = vec![KeyUsagePurpose::CrlSign];
    let unsigning = root(unsigning);
    let of_unsigning = signed(client("ana"), &unsigning);
    let mut bare = authority("bare");
    bare.is_ca = IsCa::NoCa;
    bare.key_usages = vec![];
    let bare = root(bare);
    let of_bare = signed(client("ana"), &bare);
    let no_authority: fn(&ChainFault) -> bool = |fault| matches!(fault, ChainFault::NotAnAuthority { .. });
    vec![
        accepted("a path length of 0", case(&[&of_short], &[&short])),
        refused("more CAs than allowed", case(&[&below_too_many, &too_many], &[&short]), |fault| {
            matches!(fault, ChainFault::PathTooLong { allowed: 0, .. })
        }),
        refused("a leaf as issuer", case(&[&of_a_leaf, &ana], &[&ca]), no_authority),
        refused("a leaf as anchor", case(&[&of_a_leaf], &[&ana]), no_authority),
        refused("a CA without keyCertSign", case(&[&of_unsigning], &[&unsigning]), no_authority),
        refused("an anchor without basicConstraints", case(&[&of_bare], &[&bare]), no_authority),
    ]
}

fn about_extensions() -> Vec<Named> {
    let ca = root(authority("ca"));
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999], vec![5, 0]);
    let mut twice = client("twice");
    twice.custom_extensions = vec![unknown.clone(); 2];
    let twice = signed(twice, &ca);
    unknown.set_criticality(true);
    let mut critical = client("critical");
    critical.custom_extensions = vec![unknown];
    let critical = signed(critical, &ca);
    vec![
        refused("a critical extension", case(&[&critical], &[&ca]), |fault| {
            matches!(fault, ChainFault::CriticalExtension { .. })
        }),
        refused("an extension twice", case(&[&twice], &[&ca]), |fault| {
            matches!(fault, ChainFault::Unreadable { .. })
        }),
    ]
}

fn about_names() -> Vec<Named> {
    let constrained = |permitted_subtrees: Vec<GeneralSubtree>, excluded_subtrees: Vec<GeneralSubtree>| {
        let mut parameters = authority("constrained");
        parameters.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        root(parameters)
    };
    let domain = |name: &str| vec![GeneralSubtree::DnsName(name.to_owned())];
    let permitting = constrained(domain("client.example"), vec![]);
    let of_permitting = signed(client("ana"), &permitting);
    let elsewhere = constrained(domain("other.example"), vec![]);
    let of_elsewhere = signed(client("ana"), &elsewhere);
    let excluding = constrained(vec![], domain("client.example"));
    let of_excluding = signed(client("ana"), &excluding);
    let ten = CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0]);
    let addresses = constrained(vec![GeneralSubtree::IpAddress(ten)], vec![]);
    let of_addresses = signed(client("ana"), &addresses);
    let by_address = |address: &str| {
        let mut parameters = client("ana");
        parameters.subject_alt_names = vec![SanType::IpAddress(address.parse().unwrap())];
        signed(parameters, &addresses)
    };
    let (inside, outside) = (by_address("10.9.8.7"), by_address("192.168.0.1"));
    let is_name: fn(&ChainFault) -> bool = |fault| matches!(fault, ChainFault::NameNotAllowed { .. });
    vec![
        accepted("a permitted name", case(&[&of_permitting], &[&permitting])),
        accepted("no name of the constrained kind", case(&[&of_addresses], &[&addresses])),
        accepted("an address inside", case(&[&inside], &[&addresses])),
        refused("an address outside", case(&[&outside], &[&addresses]), is_name),
        refused("a name elsewhere", case(&[&of_elsewhere], &[&elsewhere]), is_name),
        refused("an excluded name", case(&[&of_excluding], &[&excluding]), is_name),
    ]
}
