package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"

	_ "crypto/sha1"
	_ "crypto/sha512"
)

// limbo is the schema of C2SP's x509-limbo, as far as it is used here; "kitcert" is ours.
type limbo struct {
	Version   int        `json:"version"`
	Testcases []testcase `json:"testcases"`
}

type testcase struct {
	ID                     string     `json:"id"`
	ConflictsWith          []string   `json:"conflicts_with"`
	Features               []string   `json:"features"`
	Importance             string     `json:"importance"`
	Description            string     `json:"description"`
	ValidationKind         string     `json:"validation_kind"`
	TrustedCerts           []string   `json:"trusted_certs"`
	UntrustedIntermediates []string   `json:"untrusted_intermediates"`
	PeerCertificate        string     `json:"peer_certificate"`
	ValidationTime         *time.Time `json:"validation_time"`
	SignatureAlgorithms    []string   `json:"signature_algorithms"`
	KeyUsage               []string   `json:"key_usage"`
	ExtendedKeyUsage       []string   `json:"extended_key_usage"`
	ExpectedResult         string     `json:"expected_result"`
	ExpectedPeerName       *peerName  `json:"expected_peer_name"`
	ExpectedPeerNames      []peerName `json:"expected_peer_names"`
	MaxChainDepth          *int       `json:"max_chain_depth"`
	Crls                   []string   `json:"crls"`
	Kitcert                *judged    `json:"kitcert,omitempty"`
}

type peerName struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// judged is what kitcert must say: the gravest severity, and a rule that is told with it.
type judged struct {
	Severity string `json:"severity"`
	Rule     string `json:"rule,omitempty"`
}

// corpus prints the corpus. Every key is derived from its name and every signature is
// deterministic, so that the same program always prints the same bytes.
func corpus(_ []string) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(limbo{Version: 1, Testcases: corpusCases()})
}

// blueprint is a certificate before it is signed: what encoding/asn1 can say, not only what
// crypto/x509 would.
type blueprint struct {
	version         int
	serial          []byte
	signedWith      asn1.ObjectIdentifier // inside; nil for what the signer's key asks for
	claims          asn1.ObjectIdentifier // outside; nil for the same
	issuer, subject []byte
	from, until     time.Time
	key             *key
	extensions      []extension
	after           func(der []byte) []byte // done to the finished certificate
}

type extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool `asn1:"optional"`
	Value    []byte
}

type entity struct {
	der  []byte
	name []byte
	ski  []byte
	key  *key
}

func (e entity) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.der}))
}

type tbs struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     asn1.RawValue
	Signature  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   validity
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []extension `asn1:"omitempty,optional,explicit,tag:3"`
}

type validity struct{ From, Until time.Time }

type signedCertificate struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// signedBy makes the certificate; a nil signer is the key itself.
func (b blueprint) signedBy(signer *key) entity {
	if signer == nil {
		signer = b.key
	}
	inner := signer.algorithm()
	if b.signedWith != nil {
		inner.Algorithm = b.signedWith
	}
	outer := inner
	if b.claims != nil {
		outer.Algorithm = b.claims
	}
	body := must(asn1.Marshal(tbs{
		Version:    b.version - 1,
		Serial:     asn1.RawValue{Tag: asn1.TagInteger, Bytes: b.serial},
		Signature:  inner,
		Issuer:     asn1.RawValue{FullBytes: b.issuer},
		Validity:   validity{b.from, b.until},
		Subject:    asn1.RawValue{FullBytes: b.subject},
		PublicKey:  asn1.RawValue{FullBytes: b.key.spki()},
		Extensions: b.extensions,
	}))
	signature := signer.sign(body, inner.Algorithm)
	der := must(asn1.Marshal(signedCertificate{
		asn1.RawValue{FullBytes: body}, outer,
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	}))
	if b.after != nil {
		der = b.after(der)
	}
	made := entity{der: der, name: b.subject, key: b.key}
	for _, extension := range b.extensions {
		if extension.ID.Equal(oidSKI) {
			asn1.Unmarshal(extension.Value, &made.ski)
		}
	}
	return made
}

func (b *blueprint) put(id asn1.ObjectIdentifier, critical bool, value []byte) {
	for at := range b.extensions {
		if b.extensions[at].ID.Equal(id) {
			b.extensions[at] = extension{id, critical, value}
			return
		}
	}
	b.extensions = append(b.extensions, extension{id, critical, value})
}

func (b *blueprint) without(id asn1.ObjectIdentifier) {
	var kept []extension
	for _, extension := range b.extensions {
		if !extension.ID.Equal(id) {
			kept = append(kept, extension)
		}
	}
	b.extensions = kept
}

func (b *blueprint) critical(id asn1.ObjectIdentifier, critical bool) {
	for at := range b.extensions {
		if b.extensions[at].ID.Equal(id) {
			b.extensions[at].Critical = critical
		}
	}
}

// key is a private key that follows from its name.
type key struct {
	signer crypto.Signer
	public []byte // a SubjectPublicKeyInfo, where it is not the signer's
}

func ecKey(curve elliptic.Curve, name string) *key {
	scalar := new(big.Int).SetBytes(stream(name, (curve.Params().BitSize+7)/8+8))
	scalar.Mod(scalar, new(big.Int).Sub(curve.Params().N, big.NewInt(1)))
	scalar.Add(scalar, big.NewInt(1))
	octets := scalar.FillBytes(make([]byte, (curve.Params().BitSize+7)/8))
	return &key{signer: must(ecdsa.ParseRawPrivateKey(curve, octets))}
}

func edKey(name string) *key {
	return &key{signer: ed25519.NewKeyFromSeed(stream(name, ed25519.SeedSize))}
}

func rsaKey(bits int, name string) *key {
	exponent := big.NewInt(65537)
	one := big.NewInt(1)
	for attempt := 0; ; attempt++ {
		p := prime(bits-bits/2, fmt.Sprint(name, attempt, "p"))
		q := prime(bits/2, fmt.Sprint(name, attempt, "q"))
		modulus := new(big.Int).Mul(p, q)
		order := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		secret := new(big.Int).ModInverse(exponent, order)
		if modulus.BitLen() != bits || secret == nil {
			continue
		}
		private := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: modulus, E: 65537}, D: secret, Primes: []*big.Int{p, q},
		}
		private.Precompute()
		return &key{signer: private}
	}
}

func prime(bits int, name string) *big.Int {
	candidate := new(big.Int).SetBytes(stream(name, (bits+7)/8))
	candidate.Rsh(candidate, uint((bits+7)/8*8-bits))
	// The two highest bits set make a product of the full length.
	candidate.SetBit(candidate, bits-1, 1).SetBit(candidate, bits-2, 1).SetBit(candidate, 0, 1)
	for !candidate.ProbablyPrime(20) {
		candidate.Add(candidate, big.NewInt(2))
	}
	return candidate
}

// stream is bytes that follow from a name.
func stream(name string, count int) []byte {
	var octets []byte
	for block := uint32(0); len(octets) < count; block++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte("kitcert corpus "+name), block))
		octets = append(octets, sum[:]...)
	}
	return octets[:count]
}

func (k *key) spki() []byte {
	if k.public != nil {
		return k.public
	}
	return must(x509.MarshalPKIXPublicKey(k.signer.Public()))
}

// identifier is RFC 7093's first method, as kitcert's own.
func (k *key) identifier() []byte {
	var parsed struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}
	if _, err := asn1.Unmarshal(k.spki(), &parsed); err != nil {
		panic(err)
	}
	sum := sha256.Sum256(parsed.Bits.Bytes)
	return sum[:20]
}

func (k *key) algorithm() pkix.AlgorithmIdentifier {
	switch signer := k.signer.(type) {
	case *ecdsa.PrivateKey:
		switch signer.Curve {
		case elliptic.P384():
			return pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA384}
		case elliptic.P521():
			return pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA512}
		}
		return pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA256}
	case *rsa.PrivateKey:
		return pkix.AlgorithmIdentifier{Algorithm: oidRSASHA256, Parameters: asn1.NullRawValue}
	}
	return pkix.AlgorithmIdentifier{Algorithm: oidEd25519}
}

func (k *key) sign(message []byte, algorithm asn1.ObjectIdentifier) []byte {
	if _, whole := k.signer.(ed25519.PrivateKey); whole {
		return must(k.signer.Sign(nil, message, crypto.Hash(0)))
	}
	hash, known := hashes[algorithm.String()]
	if !known {
		hash = crypto.SHA256
	}
	digest := hash.New()
	digest.Write(message)
	// Without random numbers ECDSA signs by RFC 6979, and PKCS #1 v1.5 always does the same.
	return must(k.signer.Sign(nil, digest.Sum(nil), hash))
}

var hashes = map[string]crypto.Hash{
	oidECDSASHA1.String(): crypto.SHA1, oidECDSASHA256.String(): crypto.SHA256,
	oidECDSASHA384.String(): crypto.SHA384, oidECDSASHA512.String(): crypto.SHA512,
	oidRSASHA1.String(): crypto.SHA1, oidRSASHA256.String(): crypto.SHA256,
}

var (
	oidECDSASHA1   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	oidECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSASHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidECDSASHA512 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
	oidRSASHA1     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidRSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidEd25519     = asn1.ObjectIdentifier{1, 3, 101, 112}

	oidSKI              = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN              = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidPolicyLimits     = asn1.ObjectIdentifier{2, 5, 29, 36}
	oidAKI              = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidEKU              = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidPrivate          = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}

	oidServerAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidCodeSign   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidAnyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
