use x509_parser::asn1_rs::Tag;
use x509_parser::oid_registry::OID_X509_COMMON_NAME;

use super::*;

fn subtrees<'a>(names: &[GeneralName<'a>]) -> Option<Vec<GeneralSubtree<'a>>> {
    let subtrees: Vec<_> = names.iter().map(|base| GeneralSubtree { base: base.clone() }).collect();
    (!subtrees.is_empty()).then_some(subtrees)
}

fn constraints(permitted: &[GeneralName<'_>], excluded: &[GeneralName<'_>]) -> NameConstraints {
    NameConstraints::of(&Parsed {
        permitted_subtrees: subtrees(permitted),
        excluded_subtrees: subtrees(excluded),
    })
}

fn permitted(names: &[GeneralName<'_>]) -> NameConstraints {
    constraints(names, &[])
}

fn excluded(names: &[GeneralName<'_>]) -> NameConstraints {
    constraints(&[], names)
}

fn dns(name: &str) -> NameKind {
    NameKind::Dns(name.to_owned())
}

fn ip(address: &str) -> NameKind {
    NameKind::Ip(address.parse().unwrap())
}

fn email(address: &str) -> NameKind {
    NameKind::Email(address.to_owned())
}

fn uri(uri: &str) -> NameKind {
    NameKind::Uri(uri.to_owned())
}

/// Those of the names that are allowed.
fn allowed<'a>(constraints: &NameConstraints, kind: fn(&str) -> NameKind, names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| constraints.allow(&kind(name))).collect()
}

/// An IPv6 network and its mask, as the extension has them.
fn network(network: &str, ones: usize) -> Vec<u8> {
    let network: std::net::Ipv6Addr = network.parse().unwrap();
    let mask = (0..16).map(|at| if at * 8 < ones { 0xff } else { 0 });
    network.octets().into_iter().chain(mask).collect()
}

const HOSTS: [&str; 7] = [
    "example.com",
    "EXAMPLE.com",
    "builder.example.com",
    "a.b.example.com",
    "notexample.com",
    "example.org",
    "com",
];

#[test]
fn a_domain_holds_itself_and_what_is_below_it() {
    let domain = permitted(&[GeneralName::DNSName("Example.com")]);
    assert_eq!(allowed(&domain, dns, &HOSTS), HOSTS[..4]);
    let others = excluded(&[GeneralName::DNSName("Example.com")]);
    assert_eq!(allowed(&others, dns, &HOSTS), HOSTS[4..]);
}

#[test]
fn a_domain_with_a_leading_dot_holds_what_is_below_it_alone() {
    let below = permitted(&[GeneralName::DNSName(".example.com")]);
    assert_eq!(allowed(&below, dns, &HOSTS), HOSTS[2..4]);
}

#[test]
fn the_empty_domain_holds_every_one() {
    assert_eq!(allowed(&permitted(&[GeneralName::DNSName("")]), dns, &HOSTS), HOSTS);
    assert!(allowed(&excluded(&[GeneralName::DNSName("")]), dns, &HOSTS).is_empty());
}

#[test]
fn one_of_several_permitted_domains_is_enough() {
    let two = permitted(&[GeneralName::DNSName("example.net"), GeneralName::DNSName("example.org")]);
    assert_eq!(allowed(&two, dns, &HOSTS), ["example.org"]);
}

#[test]
fn what_is_excluded_is_refused_also_where_it_is_permitted() {
    let both = constraints(&[GeneralName::DNSName("example.com")], &[GeneralName::DNSName("b.example.com")]);
    assert_eq!(allowed(&both, dns, &HOSTS), HOSTS[..3]);
}

#[test]
fn a_wildcard_that_stands_for_an_excluded_name_is_refused() {
    let one = excluded(&[GeneralName::DNSName("secret.example.com")]);
    let names =
        ["*.EXAMPLE.com", "*.example.org", "*.secret.example.com", "x.example.com", "*x.example.com", "*"];
    assert_eq!(allowed(&one, dns, &names), ["*.example.org", "x.example.com", "*"]);
    assert!(excluded(&[GeneralName::DNSName("a.b.example.com")]).allow(&dns("*.example.com")));
    assert!(excluded(&[GeneralName::DNSName("example")]).allow(&dns("*.example.com")));
    assert!(excluded(&[GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0])]).allow(&dns("*.example.com")));
}

#[test]
fn constraints_of_one_kind_of_name_leave_the_others_alone() {
    let domains =
        constraints(&[GeneralName::DNSName("example.com")], &[GeneralName::DNSName("b.example.com")]);
    assert!(domains.allow(&ip("10.0.0.1")));
    assert!(domains.allow(&email("ana@example.org")));
    assert!(domains.allow(&uri("spiffe://example.org/ana")));
    assert!(domains.allow(&NameKind::Other));
    let addresses = permitted(&[GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0])]);
    assert!(addresses.allow(&dns("example.com")));
    assert!(!addresses.allow(&ip("11.0.0.1")));
}

#[test]
fn an_address_is_compared_with_the_network_under_its_mask() {
    let four = [10, 1, 2, 3, 255, 255, 0, 0];
    let addresses = ["10.1.0.0", "10.1.9.9", "10.2.2.3", "11.1.2.3", "::ffff:10.1.2.3", "fd00:1::1"];
    assert_eq!(allowed(&permitted(&[GeneralName::IPAddress(&four)]), ip, &addresses), addresses[..2]);
    assert_eq!(allowed(&excluded(&[GeneralName::IPAddress(&four)]), ip, &addresses), addresses[2..]);
    let six = network("fd00:1::7", 32);
    let addresses = ["fd00:1::9", "fd00:1:2::", "fd00:2::7", "253.0.0.1"];
    assert_eq!(allowed(&permitted(&[GeneralName::IPAddress(&six)]), ip, &addresses), addresses[..2]);
}

#[test]
fn an_address_is_never_in_a_network_of_the_other_family() {
    let everything = [0, 0, 0, 0, 0, 0, 0, 0];
    assert!(!permitted(&[GeneralName::IPAddress(&everything)]).allow(&ip("fd00::1")));
    assert!(!permitted(&[GeneralName::IPAddress(&[0; 32])]).allow(&ip("10.0.0.1")));
    assert!(permitted(&[GeneralName::IPAddress(&everything)]).allow(&ip("10.0.0.1")));
    assert!(permitted(&[GeneralName::IPAddress(&[0; 32])]).allow(&ip("fd00::1")));
}

#[test]
fn a_name_that_no_domain_can_hold_is_refused() {
    let any = permitted(&[GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0])]);
    let names = ["", "a.example", "a..example", "example.", ".example", "a b.example", "bücher.example"];
    assert_eq!(allowed(&any, dns, &names), ["", "a.example"]);
}

#[test]
fn a_mail_address_that_readers_take_for_different_ones_is_refused() {
    let domains = permitted(&[GeneralName::DNSName("example.com")]);
    let plain = ["ana@example.com", "a-n_a.b@example.com"];
    assert_eq!(allowed(&domains, email, &plain), plain);
    let odd = [
        "ana",
        "@example.com",
        "ana@",
        ".ana@example.com",
        "ana.@example.com",
        "a..na@example.com",
        "\"ana\"@example.com",
        "ana@exa mple.com",
        "ana@example..com",
        "ana@example.com.",
        "ana@b@example.com",
    ];
    assert!(allowed(&domains, email, &odd).is_empty());
}

#[test]
fn a_uri_without_a_host_by_name_is_refused() {
    let domains = permitted(&[GeneralName::DNSName("example.com")]);
    let plain = ["spiffe://example.com/ana", "https://example-1.com?q", "https://example.com#f", "a://b"];
    assert_eq!(allowed(&domains, uri, &plain), plain);
    let odd = [
        "mailto:ana@example.com",
        "https:///path",
        "https://",
        "https://10.0.0.1/",
        "https://ana@example.com/",
        "https://example.com:443/",
        "https://example..com/",
        "https://bücher.example/",
    ];
    assert!(allowed(&domains, uri, &odd).is_empty());
}

#[test]
fn a_mail_address_is_compared_as_a_mailbox_or_by_its_host() {
    let addresses = ["ana@example.com", "Ana@example.com", "ana@EXAMPLE.com", "ana@b.example.com", "ana@com"];
    let held = |constraint| allowed(&permitted(&[GeneralName::RFC822Name(constraint)]), email, &addresses);
    assert_eq!(held("ana@example.com"), ["ana@example.com", "ana@EXAMPLE.com"]);
    assert_eq!(held("example.com"), addresses[..4]);
    assert_eq!(held(".example.com"), ["ana@b.example.com"]);
    let left = |constraint| allowed(&excluded(&[GeneralName::RFC822Name(constraint)]), email, &addresses);
    assert_eq!(left("ana@example.com"), ["Ana@example.com", "ana@b.example.com", "ana@com"]);
    assert_eq!(left("example.com"), ["ana@com"]);
}

#[test]
fn a_uri_is_compared_by_its_host() {
    let uris = ["spiffe://example.com/ana", "https://b.EXAMPLE.com?q", "https://notexample.com#f"];
    let held = |constraint| allowed(&permitted(&[GeneralName::URI(constraint)]), uri, &uris);
    assert_eq!(held("example.com"), uris[..2]);
    assert_eq!(held(".example.com"), uris[1..2]);
    assert_eq!(allowed(&excluded(&[GeneralName::URI("example.com")]), uri, &uris), uris[2..]);
}

#[test]
fn go_knows_constraints_of_domains_addresses_mail_and_uris() {
    let known = [
        GeneralName::DNSName("example.com"),
        GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0, 0]),
        GeneralName::RFC822Name("example.com"),
        GeneralName::URI(".example.com"),
    ];
    assert!(permitted(&known).is_known_to_go());
    assert!(excluded(&known).is_known_to_go());
    let unknown = [GeneralName::RegisteredID(OID_X509_COMMON_NAME)];
    assert!(!permitted(&unknown).is_known_to_go());
    assert!(!constraints(&known, &unknown).is_known_to_go());
    assert_eq!(permitted(&unknown).unreadable_to_go(), None);
}

#[test]
fn go_reads_constraints_that_are_to_the_letter() {
    assert_eq!(permitted(&[]).unreadable_to_go(), Some("name constraints without a name"));
    let six = network("fd00:1::", 32);
    let mapped = network("::ffff:10.0.0.0", 104);
    let mut holes = network("fd00:1::", 32);
    holes[31] = 1;
    let readable = [
        GeneralName::DNSName(""),
        GeneralName::DNSName(".example.com"),
        GeneralName::IPAddress(&[10, 0, 0, 0, 255, 254, 0, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 0, 0, 0, 0, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 1, 255, 255, 255, 255]),
        GeneralName::IPAddress(&six),
        GeneralName::URI(""),
        GeneralName::URI(".example.com"),
        GeneralName::RFC822Name("example.com"),
        GeneralName::RFC822Name("ana@example.com"),
        GeneralName::RFC822Name("ana@"),
    ];
    let unreadable = [
        GeneralName::DNSName("example.com."),
        GeneralName::DNSName("..example.com"),
        GeneralName::DNSName("exa mple.com"),
        GeneralName::IPAddress(&[10, 0, 0, 1]),
        GeneralName::IPAddress(&[10, 0, 255, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 0, 255, 253, 0, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 0, 0, 255, 0, 0]),
        GeneralName::IPAddress(&[10, 0, 0, 0, 255, 0, 255, 0]),
        GeneralName::IPAddress(&mapped),
        GeneralName::IPAddress(&holes),
        GeneralName::Invalid(Tag(2), &[0xff]),
        GeneralName::URI("exa mple.com"),
        GeneralName::RFC822Name("@example.com"),
        GeneralName::RFC822Name("ana@@example.com"),
        GeneralName::RFC822Name("ana.@example.com"),
        GeneralName::RFC822Name("ana@example.com."),
        GeneralName::RFC822Name("."),
        GeneralName::DNSName("."),
        GeneralName::URI("."),
        GeneralName::URI("10.0.0.1"),
        GeneralName::RFC822Name("example..com"),
    ];
    for one in readable {
        assert_eq!(permitted(std::slice::from_ref(&one)).unreadable_to_go(), None, "{one:?}");
    }
    for one in unreadable {
        let why = Some("a name constraint that is none");
        assert_eq!(permitted(std::slice::from_ref(&one)).unreadable_to_go(), why, "{one:?}");
        let beside = constraints(&[GeneralName::DNSName("example.com")], std::slice::from_ref(&one));
        assert_eq!(beside.unreadable_to_go(), why, "{one:?}");
    }
}
