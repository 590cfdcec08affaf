package main

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"
)

func aboutTheWhole() []flaw {
	leaf := func(change func(*blueprint)) func(*draft) { return func(d *draft) { change(d.leaf) } }
	return []flaw{
		{"serial-zero", "serial number 0", warned("serial-number"), leaf(func(b *blueprint) { b.serial = []byte{0} })},
		{"serial-21-octets", "serial number of 21 octets", warned("serial-number"), leaf(func(b *blueprint) { b.serial = bytes.Repeat([]byte{0x41}, 21) })},
		{"serial-negative", "a negative serial number", refused("unexpected-extension"), leaf(func(b *blueprint) { b.serial[0] |= 0x80 })},
		{"serial-constant", "Earthly's constant serial number 2021", warned("serial-number"), leaf(func(b *blueprint) { b.serial = []byte{0x07, 0xe5} })},
		{"version-1", "version 1 without extensions", refused("certificate-version"), leaf(func(b *blueprint) { b.version = 1; b.extensions = nil })},
		{"version-2", "version 2 without extensions", refused("certificate-version"), leaf(func(b *blueprint) { b.version = 2; b.extensions = nil })},
		{"version-1-with-extensions", "version 1 with extensions", refused("certificate-version"), leaf(func(b *blueprint) { b.version = 1 })},
		{"version-4", "a version that does not exist", refused("unexpected-extension"), leaf(func(b *blueprint) { b.version = 4 })},
		{"subject-empty", "an empty subject and names that are not critical", warned("empty-subject"), leaf(func(b *blueprint) { b.subject = commonName("")[:0]; b.subject = []byte{0x30, 0} })},
		{"trailing-octets", "octets behind the certificate", refused("unreadable-file"), leaf(func(b *blueprint) { b.after = func(der []byte) []byte { return append(der, 0, 0) } })},
		{"truncated", "the last octet is missing", refused("unreadable-file"), leaf(func(b *blueprint) { b.after = func(der []byte) []byte { return der[:len(der)-1] } })},
		{"two-algorithms", "another signature algorithm outside than inside", refused("unreadable-file"), leaf(func(b *blueprint) { b.claims = oidECDSASHA384 })},
	}
}

func aboutDates() []flaw {
	valid := func(from, until time.Duration) func(*draft) {
		return func(d *draft) { d.leaf.from, d.leaf.until = noon.Add(from), noon.Add(until) }
	}
	return []flaw{
		{"leaf-expired", "expired a second ago", refused("expired"), valid(-10*day, -time.Second)},
		{"leaf-not-yet-valid", "valid in a second", refused("not-yet-valid"), valid(time.Second, 10*day)},
		{"leaf-dates-swapped", "ends before it begins", refused("not-yet-valid"), valid(day, -day)},
		{"leaf-ends-soon", "a tenth of its lifetime is left", warned("expires-soon"), valid(-81*day, 9*day)},
		{"leaf-outlives-root", "ends after its root", warned("outlives-issuer"), func(d *draft) {
			d.root.until = noon.Add(40 * day)
		}},
		{"leaf-of-10-years", "valid for ten years", warned("legacy-generator"), func(d *draft) {
			d.root.until = noon.Add(30 * 365 * day)
			d.leaf.until = noon.Add(10 * 365 * day)
		}},
	}
}

func aboutKeys() []flaw {
	keyed := func(k *key) func(*draft) { return func(d *draft) { d.rekeyedLeaf(k) } }
	signedAs := func(id asn1.ObjectIdentifier) func(*draft) { return func(d *draft) { d.leaf.signedWith = id } }
	return []flaw{
		{"leaf-rsa-1024", "an RSA key of 1024 bits", refused("weak-key"), keyed(rsaKey(1024, "leaf"))},
		{"leaf-rsa-2047", "an RSA key of 2047 bits", refused("weak-key"), keyed(rsaKey(2047, "leaf"))},
		{"leaf-rsa-2052", "an RSA key of no whole octets", warned("weak-key"), keyed(rsaKey(2052, "leaf"))},
		{"leaf-p224", "a key on P-224", refused("weak-key"), keyed(ecKey(elliptic.P224(), "leaf"))},
		{"leaf-p521", "a key on P-521", warned("weak-key"), keyed(ecKey(elliptic.P521(), "leaf"))},
		{"leaf-unknown-curve", "a key on secp256k1", refused("unexpected-extension"), func(d *draft) {
			d.rekeyedLeaf(&key{signer: leafP256.signer, public: secp256k1()})
		}},
		{"leaf-signed-sha1", "signed with ECDSA and SHA-1", refused("signature-algorithm"), signedAs(oidECDSASHA1)},
		{"leaf-signed-sha512", "signed with ECDSA and SHA-512", refused("signature-algorithm"), signedAs(oidECDSASHA512)},
		{"leaf-signed-unknown", "signed with an unknown algorithm", refused("signature-algorithm"), signedAs(oidPrivate)},
		{"signature-flipped", "one bit of the signature is wrong", refused("chain-untrusted"), func(d *draft) { d.leaf.after = flipped }},
		{"signed-by-another-key", "signed by a key that is not the root's", refused("chain-untrusted"), func(d *draft) { d.middleKey = otherP256 }},
		{"signed-by-itself", "signed by its own key in the root's name", refused("chain-untrusted"), func(d *draft) { d.middleKey = leafP256 }},
	}
}

// secp256k1 is a SubjectPublicKeyInfo on that curve: its base point.
func secp256k1() []byte {
	point := []byte("\x04\x79\xbe\x66\x7e\xf9\xdc\xbb\xac\x55\xa0\x62\x95\xce\x87\x0b\x07\x02\x9b\xfc\xdb\x2d\xce\x28\xd9\x59\xf2\x81\x5b\x16\xf8\x17\x98" +
		"\x48\x3a\xda\x77\x26\xa3\xc4\x65\x5d\xa4\xfb\xfc\x0e\x11\x08\xa8\xfd\x17\xb4\x48\xa6\x85\x54\x19\x9c\x47\xd0\x8f\xfb\x10\xd4\xb8")
	curve := must(asn1.Marshal(asn1.ObjectIdentifier{1, 3, 132, 0, 10}))
	return must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, Parameters: asn1.RawValue{FullBytes: curve}},
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	}))
}

func aboutExtensions() []flaw {
	leaf := func(change func(*blueprint)) func(*draft) { return func(d *draft) { change(d.leaf) } }
	critical := func(id asn1.ObjectIdentifier) func(*draft) {
		return leaf(func(b *blueprint) { b.critical(id, true) })
	}
	without := func(id asn1.ObjectIdentifier) func(*draft) {
		return leaf(func(b *blueprint) { b.without(id) })
	}
	null := []byte{5, 0}
	return []flaw{
		{"aki-missing", "no authorityKeyIdentifier", warned("authority-key-identifier"), without(oidAKI)},
		{"aki-other", "an authorityKeyIdentifier that is not the root's", refused("authority-key-identifier"), leaf(func(b *blueprint) {
			b.put(oidAKI, false, authorityKeyID(otherP256.identifier()))
		})},
		{"aki-critical", "a critical authorityKeyIdentifier", refused("unexpected-extension"), critical(oidAKI)},
		{"aki-empty", "an authorityKeyIdentifier with nothing in it", warned("authority-key-identifier"), leaf(func(b *blueprint) { b.put(oidAKI, false, []byte{0x30, 0}) })},
		{"ski-critical", "a critical subjectKeyIdentifier", refused("unexpected-extension"), critical(oidSKI)},
		{"ski-empty", "a subjectKeyIdentifier of no octets", warned("subject-key-identifier"), leaf(func(b *blueprint) { b.put(oidSKI, false, []byte{4, 0}) })},
		{"ski-text", "Earthly's subjectKeyIdentifier, a text", warned("subject-key-identifier"), leaf(func(b *blueprint) { b.put(oidSKI, false, must(asn1.Marshal([]byte("buildkit")))) })},
		{"extension-repeated", "an extension that is there twice", refused("unexpected-extension"), leaf(func(b *blueprint) {
			b.extensions = append(b.extensions, b.extensions[1])
		})},
		{"extension-unknown-critical", "a critical extension that nobody knows", refused("unexpected-extension"), leaf(func(b *blueprint) { b.put(oidPrivate, true, null) })},
		{"authority-information-critical", "critical authority information", refused("unexpected-extension"), leaf(func(b *blueprint) {
			b.put(oidAuthorityInfo, true, must(asn1.Marshal([]any{})))
		})},
		{"policies-critical", "critical certificate policies", warned("unexpected-extension"), leaf(func(b *blueprint) {
			b.put(oidPolicies, true, must(asn1.Marshal([]struct{ ID asn1.ObjectIdentifier }{{oidPrivate}})))
		})},
		{"extensions-garbled", "a keyUsage that is no bit string", refused("unreadable-file"), leaf(func(b *blueprint) { b.put(oidKeyUsage, true, null) })},
		{"basic-constraints-authority", "a leaf that is a CA", refused("basic-constraints"), leaf(func(b *blueprint) {
			b.put(oidBasicConstraints, true, basicConstraints(true, -1))
		})},
		{"basic-constraints-path-length", "a path length in a leaf", warned("basic-constraints"), leaf(func(b *blueprint) {
			b.put(oidBasicConstraints, false, basicConstraints(false, 0))
		})},
		{"name-constraints-in-leaf", "name constraints in a leaf", warned("unexpected-extension"), leaf(func(b *blueprint) {
			b.put(oidNameConstraints, true, constraints([]asn1.RawValue{dns("example.com")}, nil))
		})},
	}
}

func aboutUsages(s side) []flaw {
	with := func(all ...asn1.ObjectIdentifier) func(*draft) {
		return func(d *draft) { d.leaf.put(oidEKU, false, usages(all...)) }
	}
	keyUsage := func(critical bool, set ...int) func(*draft) {
		return func(d *draft) { d.leaf.put(oidKeyUsage, critical, bits(set...)) }
	}
	return []flaw{
		{"eku-missing", "no extendedKeyUsage", warned("extended-key-usage"), func(d *draft) { d.leaf.without(oidEKU) }},
		{"eku-other-role", "the extendedKeyUsage of the other role", refused("extended-key-usage"), with(s.otherUsage())},
		{"eku-code-signing", "an extendedKeyUsage of code signing alone", refused("extended-key-usage"), with(oidCodeSign)},
		{"eku-any", "anyExtendedKeyUsage", warned("extended-key-usage"), with(oidAnyUsage)},
		{"eku-both", "both roles, as Earthly's generator makes them", warned("extended-key-usage"), with(oidClientAuth, oidServerAuth)},
		{"eku-critical", "a critical extendedKeyUsage", warned("extended-key-usage"), func(d *draft) { d.leaf.critical(oidEKU, true) }},
		{"eku-empty", "an extendedKeyUsage of nothing", warned("extended-key-usage"), with()},
		{"ku-missing", "no keyUsage", warned("key-usage"), func(d *draft) { d.leaf.without(oidKeyUsage) }},
		{"ku-not-critical", "a keyUsage that is not critical", warned("key-usage"), keyUsage(false, 0)},
		{"ku-no-digital-signature", "a keyUsage of keyEncipherment alone", refused("key-usage"), keyUsage(true, 2)},
		{"ku-cert-sign", "keyCertSign in a leaf", warned("key-usage"), keyUsage(true, 0, 5)},
	}
}

func aboutNames(s side) []flaw {
	// The name of the side that is dialed stays, so that only the odd one can be the reason.
	own := dns(host)
	if s == ofClient {
		own = dns("ana.client.kitcert.internal")
	}
	beside := func(odd ...asn1.RawValue) func(*draft) {
		return func(d *draft) { d.leaf.put(oidSAN, false, names(append([]asn1.RawValue{own}, odd...)...)) }
	}
	var many []asn1.RawValue
	for number := range 120 {
		many = append(many, dns(fmt.Sprintf("host-%d.example.com", number)))
	}
	flaws := []flaw{
		{"name-trailing-dot", "a name with a trailing dot", refused("subject-alt-name"), beside(dns("builder.example.com."))},
		{"name-underscore", "a name with an underscore", warned("underscore-in-name"), beside(dns("build_kit.example.com"))},
		{"name-wildcard", "a wildcard", warned("wildcard-name"), beside(dns("*.example.com"))},
		{"name-inner-wildcard", "a wildcard within a name", warned("subject-alt-name"), beside(dns("a.*.example.com"))},
		{"name-partial-wildcard", "a wildcard within a label", warned("subject-alt-name"), beside(dns("b*.example.com"))},
		{"name-blank", "a name with a blank", warned("subject-alt-name"), beside(dns("builder example.com"))},
		{"name-empty", "an empty name", warned("subject-alt-name"), beside(dns(""))},
		{"name-empty-label", "an empty label", warned("subject-alt-name"), beside(dns("builder..example.com"))},
		{"name-long-label", "a label of 64 letters", warned("subject-alt-name"), beside(dns(string(bytes.Repeat([]byte{'a'}, 64)) + ".example.com"))},
		{"name-beyond-ascii", "a name beyond ASCII", refused("unexpected-extension"), beside(dns("bücher.example.com"))},
		{"name-address-as-dns", "an address as dNSName", warned("ip-as-dns-name"), beside(dns("10.0.0.5"))},
		{"name-address-of-5-octets", "an iPAddress of 5 octets", refused("unexpected-extension"), beside(general(7, []byte{10, 0, 0, 5, 0}))},
		{"name-address-mapped", "an IPv4 address in the clothes of IPv6", refused("unexpected-extension"), beside(general(7, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 5}))},
		{"names-120", "120 names more", warned("subject-alt-name"), beside(many...)},
	}
	if s == ofClient {
		return append(flaws,
			flaw{"names-none", "no subjectAltName", warned("subject-alt-name"), func(d *draft) { d.leaf.without(oidSAN) }})
	}
	return append(flaws,
		flaw{"names-none", "no subjectAltName", refused("subject-alt-name"), func(d *draft) { d.leaf.without(oidSAN) }},
		flaw{"names-common-name-only", "the host in the common name alone", refused("server-name-mismatch"), func(d *draft) {
			d.leaf.without(oidSAN)
			d.leaf.subject = commonName(host)
		}},
		flaw{"names-other", "another host's name", refused("server-name-mismatch"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns("other.example.com")))
		}},
		flaw{"names-wildcard-too-deep", "a wildcard, two labels above", refused("server-name-mismatch"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns("*.com")))
		}},
		flaw{"names-other-address", "another address", refused("server-name-mismatch"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns(host), ip("10.0.0.6")))
			d.peer = "10.0.0.5"
		}},
		flaw{"names-address-as-dns-dialed", "the address that is dialed as dNSName, as Earthly's generator does", refused("server-name-mismatch"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns("10.0.0.5"), ip("127.0.0.1"), ip("::1")))
			d.peer = "10.0.0.5"
		}})
}
