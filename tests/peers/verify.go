package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

func checkBundle(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: peers check-bundle FILE")
	}
	contents, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(contents); block != nil; block, rest = pem.Decode(rest) {
		fmt.Println(fateOf(block))
	}
	if !x509.NewCertPool().AppendCertsFromPEM(contents) {
		fmt.Println("fails")
		return errRefused
	}
	fmt.Println("loads")
	return nil
}

// fateOf follows AppendCertsFromPEM: other types, blocks with headers, and certificates that do
// not parse are skipped without a word.
func fateOf(block *pem.Block) string {
	if block.Type != "CERTIFICATE" {
		return "dropped type " + block.Type
	}
	if len(block.Headers) != 0 {
		return "dropped headers"
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "dropped " + err.Error()
	}
	return fmt.Sprintf("kept %x %s", sha256.Sum256(certificate.Raw), certificate.Subject)
}

func verify(arguments []string) error {
	flags := newFlags("verify")
	ca := flags.String("ca", "", "")
	certificate := flags.String("cert", "", "")
	role := flags.String("role", "", "")
	name := flags.String("name", "", "")
	at := flags.String("at", "", "")
	flags.Parse(arguments)

	options, err := verifyOptions(*ca, *role, *name, *at)
	if err != nil {
		return err
	}
	refused := false
	check := func(path string) {
		if err := verifyFile(path, options); err != nil {
			refused = true
			fmt.Printf("refused %s: %v\n", path, err)
		} else {
			fmt.Printf("ok %s\n", path)
		}
	}
	files := flags.Args()
	if *certificate != "" {
		files = append(files, *certificate)
	}
	for _, path := range files {
		check(path)
	}
	if len(files) == 0 {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			check(lines.Text())
		}
	}
	if refused {
		return errRefused
	}
	return nil
}

func verifyOptions(ca, role, name, at string) (options x509.VerifyOptions, err error) {
	switch role {
	case "server":
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "client":
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	default:
		return options, errors.New("--role must be server or client")
	}
	options.DNSName = name
	if at != "" {
		if options.CurrentTime, err = time.Parse(time.RFC3339, at); err != nil {
			return options, err
		}
	}
	bundle, err := os.ReadFile(ca)
	if err != nil {
		return options, err
	}
	options.Roots = x509.NewCertPool()
	if !options.Roots.AppendCertsFromPEM(bundle) {
		return options, errors.New("failed to append ca cert")
	}
	return options, nil
}

func verifyFile(path string, options x509.VerifyOptions) error {
	contents, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(contents); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			chain = append(chain, certificate)
		}
	}
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	return verifyChain(chain, options)
}

func verifyChain(chain []*x509.Certificate, options x509.VerifyOptions) error {
	options.Intermediates = x509.NewCertPool()
	for _, intermediate := range chain[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	_, err := chain[0].Verify(options)
	return err
}
