package main

import (
	"crypto/elliptic"
	"encoding/asn1"
	"fmt"
	"time"
)

func aboutRoots(s side) []flaw {
	root := func(change func(*blueprint)) func(*draft) { return func(d *draft) { change(d.root) } }
	keyUsage := func(critical bool, set ...int) func(*draft) {
		return root(func(b *blueprint) { b.put(oidKeyUsage, critical, bits(set...)) })
	}
	// Go drops what it cannot read from a bundle, and goes on with the rest.
	dropped := func(change func(*blueprint)) func(*draft) {
		return func(d *draft) {
			change(d.root)
			d.alsoTrusted = []entity{authority("Stranger", otherP256, 10*365*day).signedBy(nil)}
		}
	}
	return []flaw{
		{"root-expired", "an expired root, which rustls lets through", refused("expired"), root(func(b *blueprint) { b.until = noon.Add(-time.Second) })},
		{"root-not-yet-valid", "a root that is not valid yet", refused("not-yet-valid"), root(func(b *blueprint) { b.from = noon.Add(time.Second) })},
		{"root-no-ski", "a root without subjectKeyIdentifier", warned("subject-key-identifier"), root(func(b *blueprint) { b.without(oidSKI) })},
		{"root-no-basic-constraints", "a root without basicConstraints", refused("basic-constraints"), root(func(b *blueprint) { b.without(oidBasicConstraints) })},
		{"root-no-authority", "a root with cA=FALSE", refused("basic-constraints"), root(func(b *blueprint) { b.put(oidBasicConstraints, true, basicConstraints(false, -1)) })},
		{"root-basic-constraints-not-critical", "basicConstraints of a root that are not critical", warned("basic-constraints"), root(func(b *blueprint) { b.critical(oidBasicConstraints, false) })},
		{"root-no-path-length", "a root without path length", warned("path-length"), root(func(b *blueprint) { b.put(oidBasicConstraints, true, basicConstraints(true, -1)) })},
		{"root-ku-missing", "a root without keyUsage", warned("key-usage"), root(func(b *blueprint) { b.without(oidKeyUsage) })},
		{"root-ku-no-cert-sign", "a root without keyCertSign", refused("basic-constraints"), keyUsage(true, 0, 6)},
		{"root-ku-not-critical", "a root's keyUsage that is not critical", warned("key-usage"), keyUsage(false, 5, 6)},
		{"root-eku-other-role", "a root for the other role", refused("extended-key-usage"), root(func(b *blueprint) { b.put(oidEKU, false, usages(s.otherUsage())) })},
		{"root-eku-own-role", "a root for this role alone", warned("extended-key-usage"), root(func(b *blueprint) { b.put(oidEKU, false, usages(s.usage())) })},
		{"root-eku-both", "a root for both roles, as Earthly's generator makes it", warned("extended-key-usage"), root(func(b *blueprint) { b.put(oidEKU, false, usages(oidClientAuth, oidServerAuth)) })},
		{"root-version-1", "a root of version 1", warned("certificate-version"), root(func(b *blueprint) { b.version = 1; b.extensions = nil })},
		{"root-serial-zero", "a root with serial number 0", warned("serial-number"), root(func(b *blueprint) { b.serial = []byte{0} })},
		{"root-serial-constant", "Earthly's root, number 2021 everywhere", warned("serial-number"), root(func(b *blueprint) { b.serial = []byte{0x07, 0xe5} })},
		{"root-serial-negative", "a root with a negative serial number, which Go drops", refused("bundle-block-dropped"), dropped(func(b *blueprint) { b.serial[0] |= 0x80 })},
		{"root-subject-empty", "a root without a name", warned("empty-subject"), func(d *draft) {
			d.root.subject, d.root.issuer, d.leaf.issuer = []byte{0x30, 0}, []byte{0x30, 0}, []byte{0x30, 0}
		}},
		{"root-signed-sha1", "a root signed with SHA-1", warned("signature-algorithm"), root(func(b *blueprint) { b.signedWith = oidECDSASHA1 })},
		{"root-rsa-1024", "a root with an RSA key of 1024 bits", refused("signature-algorithm"), func(d *draft) { d.rekeyedRoot(rsaKey(1024, "root")) }},
		{"root-p521", "a root with a key on P-521", refused("signature-algorithm"), func(d *draft) { d.rekeyedRoot(ecKey(elliptic.P521(), "root")) }},
		{"root-extension-unknown-critical", "a root with a critical extension that nobody knows", refused("unexpected-extension"), root(func(b *blueprint) { b.put(oidPrivate, true, []byte{5, 0}) })},
		{"root-extension-repeated", "a root with an extension twice, which Go drops", refused("bundle-block-dropped"), dropped(func(b *blueprint) { b.extensions = append(b.extensions, b.extensions[1]) })},
		{"root-aki-critical", "a root with a critical authorityKeyIdentifier, which Go drops", refused("bundle-block-dropped"), dropped(func(b *blueprint) { b.put(oidAKI, true, authorityKeyID(rootP256.identifier())) })},
		{"root-garbled", "a root that is cut off, which Go drops", refused("bundle-block-dropped"), dropped(func(b *blueprint) {
			b.after = func(der []byte) []byte { return der[:len(der)/2] }
		})},
		{"root-names-other", "a root whose name constraints leave the name out", refused("chain-untrusted"), root(func(b *blueprint) {
			b.put(oidNameConstraints, true, constraints([]asn1.RawValue{dns("example.org")}, nil))
		})},
		{"root-names-excluded", "a root whose name constraints exclude the name", refused("chain-untrusted"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns(host)))
			d.root.put(oidNameConstraints, true, constraints(nil, []asn1.RawValue{dns("example.com")}))
		}},
		{"root-addresses-excluded", "a root whose name constraints exclude an address", refused("chain-untrusted"), func(d *draft) {
			d.leaf.put(oidSAN, false, names(dns(host), ip("10.0.0.5")))
			d.root.put(oidNameConstraints, true, constraints(nil, []asn1.RawValue{general(7, []byte{10, 0, 0, 0, 255, 0, 0, 0})}))
		}},
		{"root-names-of-others-critical", "a root with critical constraints of a kind that Go does not know", refused("unexpected-extension"), root(func(b *blueprint) {
			directory := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: commonName("Acme")}
			b.put(oidNameConstraints, true, constraints([]asn1.RawValue{directory}, nil))
		})},
	}
}

func aboutMiddles(s side) []flaw {
	middle := func(change func(*blueprint)) func(*draft) {
		return func(d *draft) { change(d.withMiddle().middle) }
	}
	return []flaw{
		{"middle-missing", "the intermediate was not sent", refused("chain-untrusted"), func(d *draft) {
			d.withMiddle().sends = func(*draft, entity, entity, entity) []entity { return nil }
		}},
		{"middle-expired", "an expired intermediate", refused("expired"), middle(func(b *blueprint) { b.until = noon.Add(-time.Second) })},
		{"middle-not-yet-valid", "an intermediate that is not valid yet", refused("not-yet-valid"), middle(func(b *blueprint) { b.from = noon.Add(time.Second) })},
		{"middle-no-authority", "an intermediate with cA=FALSE", refused("basic-constraints"), middle(func(b *blueprint) { b.put(oidBasicConstraints, true, basicConstraints(false, -1)) })},
		{"middle-no-basic-constraints", "an intermediate without basicConstraints", refused("basic-constraints"), middle(func(b *blueprint) { b.without(oidBasicConstraints) })},
		{"middle-version-1", "an intermediate of version 1", refused("basic-constraints"), middle(func(b *blueprint) { b.version = 1; b.extensions = nil })},
		{"middle-basic-constraints-not-critical", "basicConstraints of an intermediate that are not critical", warned("basic-constraints"), middle(func(b *blueprint) { b.critical(oidBasicConstraints, false) })},
		{"middle-ku-missing", "an intermediate without keyUsage", warned("key-usage"), middle(func(b *blueprint) { b.without(oidKeyUsage) })},
		{"middle-ku-no-cert-sign", "an intermediate without keyCertSign", refused("basic-constraints"), middle(func(b *blueprint) { b.put(oidKeyUsage, true, bits(0)) })},
		{"middle-eku-other-role", "an intermediate for the other role", refused("extended-key-usage"), middle(func(b *blueprint) { b.put(oidEKU, false, usages(s.otherUsage())) })},
		{"middle-path-too-long", "an intermediate below a root that allows none", refused("path-length"), func(d *draft) {
			d.withMiddle().root.put(oidBasicConstraints, true, basicConstraints(true, 0))
		}},
		{"middle-no-ski", "an intermediate without subjectKeyIdentifier", warned("subject-key-identifier"), middle(func(b *blueprint) { b.without(oidSKI) })},
		{"middle-no-aki", "an intermediate without authorityKeyIdentifier", warned("authority-key-identifier"), middle(func(b *blueprint) { b.without(oidAKI) })},
		{"middle-aki-other", "an intermediate's authorityKeyIdentifier that is not the root's", refused("authority-key-identifier"), middle(func(b *blueprint) { b.put(oidAKI, false, authorityKeyID(otherP256.identifier())) })},
		{"middle-signed-sha1", "an intermediate signed with SHA-1", refused("signature-algorithm"), middle(func(b *blueprint) { b.signedWith = oidECDSASHA1 })},
		{"middle-signature-flipped", "one bit of the intermediate's signature is wrong", refused("chain-untrusted"), middle(func(b *blueprint) { b.after = flipped })},
		{"middle-serial-zero", "an intermediate with serial number 0", warned("serial-number"), middle(func(b *blueprint) { b.serial = []byte{0} })},
		{"middle-extension-unknown-critical", "an intermediate with a critical extension that nobody knows", refused("unexpected-extension"), middle(func(b *blueprint) { b.put(oidPrivate, true, []byte{5, 0}) })},
		{"middle-aki-critical", "an intermediate that Go cannot read", refused("unexpected-extension"), middle(func(b *blueprint) { b.critical(oidAKI, true) })},
		{"middle-names-other", "an intermediate whose name constraints leave the name out", refused("chain-untrusted"), middle(func(b *blueprint) {
			b.put(oidNameConstraints, true, constraints([]asn1.RawValue{dns("example.org")}, nil))
		})},
		{"middle-names-not-critical", "name constraints that are not critical and leave the name out", refused("chain-untrusted"), middle(func(b *blueprint) {
			b.put(oidNameConstraints, false, constraints([]asn1.RawValue{dns("example.org")}, nil))
		})},
		{"middle-policies-required", "an intermediate that asks for policies that the leaf has not", refused("unexpected-extension"), middle(func(b *blueprint) {
			b.put(oidPolicyLimits, true, must(asn1.Marshal(struct {
				Explicit int `asn1:"tag:0"`
			}{0})))
		})},
		{"middle-wildcard-excluded", "a wildcard that stands for a name that the intermediate excludes", refused("chain-untrusted"), func(d *draft) {
			d.withMiddle().middle.put(oidNameConstraints, true, constraints(nil, []asn1.RawValue{dns("secret.example.com")}))
			d.leaf.put(oidSAN, false, names(dns(host), dns("*.example.com")))
		}},
		{"middle-constraints-empty", "name constraints of nothing", refused("unexpected-extension"), middle(func(b *blueprint) {
			b.put(oidNameConstraints, true, []byte{0x30, 0})
		})},
		{"middle-constraints-unreadable", "a name constraint with a mask that is none", refused("unexpected-extension"), middle(func(b *blueprint) {
			b.put(oidNameConstraints, true, constraints(nil, []asn1.RawValue{general(7, []byte{10, 0, 0, 0, 255, 0, 255, 0})}))
		})},
		{"middle-outlives-root", "an intermediate that ends after its root", warned("outlives-issuer"), func(d *draft) {
			d.withMiddle().root.until = d.middle.until.Add(-day)
		}},
	}
}

func aboutChains() []flaw {
	return []flaw{
		{"chain-of-strangers", "a CA that is not trusted", refused("chain-untrusted"), func(d *draft) {
			stranger := authority("Stranger", otherP256, 10*365*day)
			d.trusts = func(*draft, entity, entity, entity) []entity { return []entity{stranger.signedBy(nil)} }
		}},
		{"chain-of-namesake", "a CA of the same name with another key", refused("chain-untrusted"), func(d *draft) {
			namesake := authority("Acme builders root", otherP256, 10*365*day)
			d.trusts = func(*draft, entity, entity, entity) []entity { return []entity{namesake.signedBy(nil)} }
		}},
		{"chain-of-impostor", "a CA of the same name and key identifier with another key", refused("chain-untrusted"), func(d *draft) {
			impostor := authority("Acme builders root", otherP256, 10*365*day)
			impostor.put(oidSKI, false, must(asn1.Marshal(rootP256.identifier())))
			d.trusts = func(*draft, entity, entity, entity) []entity { return []entity{impostor.signedBy(nil)} }
		}},
		{"chain-self-signed", "a self-signed leaf that nobody trusts", refused("chain-untrusted"), func(d *draft) {
			d.leaf.issuer, d.middleKey = d.leaf.subject, leafP256
			d.leaf.put(oidAKI, false, authorityKeyID(leafP256.identifier()))
		}},
		{"chain-brings-its-root", "a stranger's chain that brings its own root along", refused("chain-untrusted"), func(d *draft) {
			stranger := authority("Stranger", otherP256, 10*365*day)
			d.trusts = func(*draft, entity, entity, entity) []entity { return []entity{stranger.signedBy(nil)} }
			d.sends = func(_ *draft, root, _, _ entity) []entity { return []entity{root} }
		}},
		{"chain-wrong-middle", "another CA's intermediate was sent", refused("chain-untrusted"), func(d *draft) {
			d.withMiddle()
			sibling := authority("Acme builders sibling", otherP256, 5*365*day)
			sibling.issuer = d.root.subject
			sibling.put(oidAKI, false, authorityKeyID(rootP256.identifier()))
			d.sends = func(*draft, entity, entity, entity) []entity { return []entity{sibling.signedBy(rootP256)} }
		}},
		{"chain-of-a-leaf", "a leaf that issued another", refused("basic-constraints"), func(d *draft) {
			d.withMiddle()
			d.middle.put(oidBasicConstraints, false, basicConstraints(false, -1))
			d.middle.put(oidKeyUsage, true, bits(0))
			d.middle.put(oidEKU, false, usages(d.side.usage()))
		}},
		{"chain-issuer-in-other-case", "the issuer's name in capitals", refused("chain-untrusted"), func(d *draft) {
			d.leaf.issuer = commonName("ACME BUILDERS ROOT")
		}},
	}
}

func withoutFlaw(s side) []flaw {
	nothing := func(*draft) {}
	keyed := func(root, leaf *key) func(*draft) {
		return func(d *draft) { d.rekeyedRoot(root); d.rekeyedLeaf(leaf) }
	}
	at := func(when func(*draft) time.Time) func(*draft) { return func(d *draft) { d.at = when(d) } }
	p384, rsa2048 := ecKey(elliptic.P384(), "leaf"), rsaKey(2048, "leaf")
	rootP384, rootRSA := ecKey(elliptic.P384(), "root"), rsaKey(3072, "root")
	good := func(id, description string, change func(*draft)) flaw { return flaw{"sound-" + id, description, sound(), change} }
	all := []flaw{
		good("profile", "what kitcert issues", nothing),
		good("p384", "P-384 for the root and the leaf", keyed(rootP384, p384)),
		good("ed25519", "Ed25519 for the root and the leaf", keyed(edKey("root"), edKey("leaf"))),
		good("rsa", "RSA of 3072 and 2048 bits", keyed(rootRSA, rsa2048)),
		good("rsa-below-p256", "an RSA key below a P-256 root", keyed(rootP256, rsa2048)),
		good("p256-below-rsa", "a P-256 key below an RSA root", keyed(rootRSA, leafP256)),
		good("ed25519-below-p384", "an Ed25519 key below a P-384 root", keyed(rootP384, edKey("leaf"))),
		good("middle", "an intermediate that is sent along", func(d *draft) { d.withMiddle() }),
		good("first-second", "in its first second", at(func(d *draft) time.Time { return d.leaf.from })),
		good("beyond-2049", "a root that ends in 2090", func(d *draft) { d.root.until = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC) }),
		good("never-ending-root", "a root that ends in 9999", func(d *draft) { d.root.until = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }),
		good("serial-of-20-octets", "a serial number of 20 octets", func(d *draft) { d.leaf.serial = append([]byte{0x7f}, stream("serial", 19)...) }),
		good("no-ski", "a leaf without subjectKeyIdentifier", func(d *draft) { d.leaf.without(oidSKI) }),
		good("no-basic-constraints", "a leaf without basicConstraints", func(d *draft) { d.leaf.without(oidBasicConstraints) }),
		good("unknown-extension", "an extension that nobody knows and is not critical", func(d *draft) { d.leaf.put(oidPrivate, false, []byte{5, 0}) }),
		good("two-roots", "a bundle of two CAs, the other first", func(d *draft) {
			other := authority("Acme builders former", otherP256, 10*365*day).signedBy(nil)
			d.trusts = func(_ *draft, root, _, _ entity) []entity { return []entity{other, root} }
		}),
		good("namesakes", "a bundle of two CAs of one name", func(d *draft) {
			d.alsoTrusted = []entity{authority("Acme builders root", otherP256, 10*365*day).signedBy(nil)}
		}),
		good("root-sent-along", "the root is sent along", func(d *draft) {
			d.sends = func(_ *draft, root, _, _ entity) []entity { return []entity{root} }
		}),
		good("name-beyond-ascii-in-subject", "an organization beyond ASCII", func(d *draft) {
			d.leaf.subject = commonName("Bücher Müller")
		}),
		good("empty-subject", "an empty subject and critical names", func(d *draft) {
			d.leaf.subject = []byte{0x30, 0}
			d.leaf.critical(oidSAN, true)
		}),
	}
	if s == ofDaemon {
		all = append(all,
			good("address", "dialed by an IPv4 address", func(d *draft) {
				d.leaf.put(oidSAN, false, names(dns(host), ip("10.0.0.5")))
				d.peer = "10.0.0.5"
			}),
			good("address-6", "dialed by an IPv6 address", func(d *draft) {
				d.leaf.put(oidSAN, false, names(dns(host), ip("2001:db8::5")))
				d.peer = "2001:db8::5"
			}),
			good("localhost", "localhost and both loopback addresses", func(d *draft) {
				d.leaf.put(oidSAN, false, names(dns("localhost"), ip("127.0.0.1"), ip("::1")))
				d.peer = "localhost"
			}),
			good("capitals", "dialed in capitals", func(d *draft) { d.peer = "BUILDER.example.com" }),
			good("hundred-names", "a hundred names", func(d *draft) {
				var all []asn1.RawValue
				for number := range 99 {
					all = append(all, dns(fmt.Sprintf("host-%d.example.com", number)))
				}
				d.leaf.put(oidSAN, false, names(append(all, dns(host))...))
			}))
	}
	return all
}
