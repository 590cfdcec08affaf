package main

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"strings"
	"time"
)

// noon is the time of every judgement.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	day  = 24 * time.Hour
	host = "builder.example.com"
)

// A side is who shows the leaf: a daemon or a client.
type side string

const (
	ofDaemon  side = "SERVER"
	ofClient  side = "CLIENT"
)

func (s side) usage() asn1.ObjectIdentifier {
	if s == ofDaemon {
		return oidServerAuth
	}
	return oidClientAuth
}

func (s side) otherUsage() asn1.ObjectIdentifier {
	if s == ofDaemon {
		return oidClientAuth
	}
	return oidServerAuth
}

// A draft is a case before its certificates are made: a sound chain, of which one thing is
// changed. Without a middle the leaf is the root's own.
type draft struct {
	side               side
	root, middle, leaf *blueprint
	rootKey, middleKey *key // who signs, where it is not the key of the issuer's certificate
	extra              []entity
	alsoTrusted        []entity
	at                 time.Time
	peer               string
	trusts             func(d *draft, root, middle, leaf entity) []entity
	sends              func(d *draft, root, middle, leaf entity) []entity
}

var (
	rootP256   = ecKey(elliptic.P256(), "root")
	middleP256 = ecKey(elliptic.P256(), "middle")
	leafP256   = ecKey(elliptic.P256(), "leaf")
	otherP256  = ecKey(elliptic.P256(), "other")
)

func newDraft(s side) *draft {
	d := &draft{side: s, at: noon, peer: host}
	d.root = authority("Acme builders root", rootP256, 10*365*day)
	d.leaf = leafOf(s, d.root)
	return d
}

// withMiddle puts a CA between the root and the leaf.
func (d *draft) withMiddle() *draft {
	d.root.put(oidBasicConstraints, true, basicConstraints(true, 1))
	d.middle = authority("Acme builders middle", middleP256, 5*365*day)
	d.middle.issuer = d.root.subject
	d.middle.put(oidAKI, false, authorityKeyID(rootP256.identifier()))
	d.leaf.issuer = d.middle.subject
	d.leaf.put(oidAKI, false, authorityKeyID(middleP256.identifier()))
	return d
}

func authority(name string, k *key, lifetime time.Duration) *blueprint {
	b := &blueprint{
		version: 3, serial: serial(name), key: k,
		issuer: commonName(name), subject: commonName(name),
		from: noon.Add(-30 * day), until: noon.Add(lifetime - 30*day),
	}
	b.put(oidBasicConstraints, true, basicConstraints(true, 0))
	b.put(oidKeyUsage, true, bits(5, 6))
	b.put(oidSKI, false, must(asn1.Marshal(k.identifier())))
	return b
}

func leafOf(s side, issuer *blueprint) *blueprint {
	b := &blueprint{
		version: 3, serial: serial("leaf"), key: leafP256,
		issuer: issuer.subject, subject: commonName("ana"),
		from: noon.Add(-10 * day), until: noon.Add(80 * day),
	}
	b.put(oidBasicConstraints, false, basicConstraints(false, -1))
	b.put(oidKeyUsage, true, bits(0))
	b.put(oidEKU, false, usages(s.usage()))
	b.put(oidSKI, false, must(asn1.Marshal(leafP256.identifier())))
	b.put(oidAKI, false, authorityKeyID(issuer.key.identifier()))
	if s == ofDaemon {
		b.subject = commonName("builder")
		b.put(oidSAN, false, names(dns(host)))
	} else {
		b.put(oidSAN, false, names(dns("ana.client.kitcert.internal")))
	}
	return b
}

// rekeyed gives a certificate another key, and its identifiers with it.
func (d *draft) rekeyedLeaf(k *key) {
	d.leaf.key = k
	d.leaf.put(oidSKI, false, must(asn1.Marshal(k.identifier())))
}

func (d *draft) rekeyedRoot(k *key) {
	d.root.key = k
	d.root.put(oidSKI, false, must(asn1.Marshal(k.identifier())))
	d.leaf.put(oidAKI, false, authorityKeyID(k.identifier()))
}

func (d *draft) testcase(id, description string, want judged) testcase {
	root := d.root.signedBy(d.rootKey)
	issuer, sends := root, []entity(nil)
	var middle entity
	if d.middle != nil {
		signer := d.rootKey
		if signer == nil {
			signer = d.root.key
		}
		middle = d.middle.signedBy(signer)
		issuer, sends = middle, []entity{middle}
	}
	signer := d.middleKey
	if signer == nil {
		signer = issuer.key
	}
	leaf := d.leaf.signedBy(signer)
	trusts := append([]entity{root}, d.alsoTrusted...)
	if d.trusts != nil {
		trusts = d.trusts(d, root, middle, leaf)
	}
	if d.sends != nil {
		sends = d.sends(d, root, middle, leaf)
	}
	sends = append(sends, d.extra...)
	result := "FAILURE"
	if want.Severity == "pass" {
		result = "SUCCESS"
	}
	purpose := map[side]string{ofDaemon: "serverAuth", ofClient: "clientAuth"}[d.side]
	made := testcase{
		ID: fmt.Sprintf("kitcert::%s::%s", strings.ToLower(string(d.side)), id),
		ConflictsWith: []string{}, Features: []string{}, Importance: "undetermined",
		Description: description, ValidationKind: string(d.side),
		TrustedCerts: pems(trusts), UntrustedIntermediates: pems(sends), PeerCertificate: leaf.pem(),
		ValidationTime: &d.at, SignatureAlgorithms: []string{}, KeyUsage: []string{},
		ExtendedKeyUsage: []string{purpose}, ExpectedResult: result,
		ExpectedPeerNames: []peerName{}, Crls: []string{}, Kitcert: &want,
	}
	if d.side == ofDaemon {
		kind := "DNS"
		if net.ParseIP(d.peer) != nil {
			kind = "IP"
		}
		made.ExpectedPeerName = &peerName{kind, d.peer}
	}
	return made
}

func pems(entities []entity) []string {
	texts := []string{}
	for _, one := range entities {
		texts = append(texts, one.pem())
	}
	return texts
}

// A flaw is one change to a sound chain, and what kitcert must say of it.
type flaw struct {
	id, description string
	want            judged
	change          func(*draft)
}

func refused(rule string) judged { return judged{"error", rule} }
func warned(rule string) judged  { return judged{"warning", rule} }
func sound() judged              { return judged{Severity: "pass"} }

// corpusCases makes every case for both sides, but for those that make sense for one.
func corpusCases() []testcase {
	var made []testcase
	for _, s := range []side{ofDaemon, ofClient} {
		for _, flaws := range [][]flaw{
			aboutTheWhole(), aboutDates(), aboutKeys(), aboutExtensions(), aboutUsages(s), aboutNames(s),
			aboutRoots(s), aboutMiddles(s), aboutChains(), withoutFlaw(s),
		} {
			for _, one := range flaws {
				d := newDraft(s)
				one.change(d)
				made = append(made, d.testcase(one.id, one.description, one.want))
			}
		}
	}
	return made
}

func commonName(text string) []byte {
	return must(asn1.Marshal(pkix.Name{CommonName: text}.ToRDNSequence()))
}

func serial(name string) []byte {
	octets := stream("serial "+name, 16)
	octets[0] = octets[0]&0x3f | 0x40
	return octets
}

func basicConstraints(isCA bool, pathLength int) []byte {
	return must(asn1.Marshal(struct {
		IsCA       bool `asn1:"optional"`
		PathLength int  `asn1:"optional,default:-1"`
	}{isCA, pathLength}))
}

// bits is a keyUsage: digitalSignature is 0, keyEncipherment 2, keyCertSign 5, cRLSign 6.
func bits(set ...int) []byte {
	var octets [2]byte
	longest := 0
	for _, bit := range set {
		octets[bit/8] |= 0x80 >> (bit % 8)
		longest = max(longest, bit+1)
	}
	return must(asn1.Marshal(asn1.BitString{Bytes: octets[:(longest+7)/8], BitLength: longest}))
}

func usages(all ...asn1.ObjectIdentifier) []byte { return must(asn1.Marshal(all)) }

func authorityKeyID(identifier []byte) []byte {
	return must(asn1.Marshal(struct {
		Identifier []byte `asn1:"optional,tag:0"`
	}{identifier}))
}

func names(all ...asn1.RawValue) []byte { return must(asn1.Marshal(all)) }

func general(tag int, octets []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: octets}
}

func dns(name string) asn1.RawValue { return general(2, []byte(name)) }

func ip(text string) asn1.RawValue {
	address := net.ParseIP(text)
	if four := address.To4(); four != nil {
		return general(7, four)
	}
	return general(7, address)
}

// constraints is nameConstraints of dNSNames or iPAddresses.
func constraints(permitted, excluded []asn1.RawValue) []byte {
	type subtree struct{ Base asn1.RawValue }
	subtrees := func(bases []asn1.RawValue) []subtree {
		var made []subtree
		for _, base := range bases {
			made = append(made, subtree{base})
		}
		return made
	}
	return must(asn1.Marshal(struct {
		Permitted []subtree `asn1:"optional,omitempty,tag:0"`
		Excluded  []subtree `asn1:"optional,omitempty,tag:1"`
	}{subtrees(permitted), subtrees(excluded)}))
}

// flipped changes the last bit of the last byte: the signature's.
func flipped(der []byte) []byte {
	changed := bytes.Clone(der)
	changed[len(changed)-1] ^= 1
	return changed
}
