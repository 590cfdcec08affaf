package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// limbo is what is read of a corpus in the schema of C2SP's x509-limbo.
type limbo struct {
	Testcases []testcase `json:"testcases"`
}

type testcase struct {
	ID                     string     `json:"id"`
	ValidationKind         string     `json:"validation_kind"`
	TrustedCerts           []string   `json:"trusted_certs"`
	UntrustedIntermediates []string   `json:"untrusted_intermediates"`
	PeerCertificate        string     `json:"peer_certificate"`
	ValidationTime         *time.Time `json:"validation_time"`
	ExpectedPeerName       *peerName  `json:"expected_peer_name"`
}

type peerName struct {
	Value string `json:"value"`
}

// judge reads a corpus and says of every case what a BuildKit peer does: a client with a daemon's
// certificate, and for the kind CLIENT a daemon with a client's.
func judge([]string) error {
	var read limbo
	if err := json.NewDecoder(bufio.NewReader(os.Stdin)).Decode(&read); err != nil {
		return err
	}
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for _, one := range read.Testcases {
		if err := one.verify(); err != nil {
			fmt.Fprintf(output, "%s\trefused %s\n", one.ID, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintf(output, "%s\taccepted\n", one.ID)
		}
	}
	return nil
}

func (t testcase) verify() error {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	// What does not parse is dropped from a pool without a word, and ends a handshake.
	for _, trusted := range t.TrustedCerts {
		options.Roots.AppendCertsFromPEM([]byte(trusted))
	}
	for _, sent := range t.UntrustedIntermediates {
		certificate, err := parsePEM(sent)
		if err != nil {
			return err
		}
		options.Intermediates.AddCert(certificate)
	}
	leaf, err := parsePEM(t.PeerCertificate)
	if err != nil {
		return err
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if t.ValidationKind == "SERVER" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if t.ExpectedPeerName != nil {
			options.DNSName = t.ExpectedPeerName.Value
		}
	}
	options.CurrentTime = time.Now()
	if t.ValidationTime != nil {
		options.CurrentTime = *t.ValidationTime
	}
	_, err = leaf.Verify(options)
	return err
}

func parsePEM(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
