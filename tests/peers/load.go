package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// load says of each folder of standard input, "FOLDER server|client RFC3339", whether a peer of that
// role starts with its ca.pem, cert.pem and key.pem, and whether a peer with the same ca.pem accepts it.
func load(arguments []string) error {
	if len(arguments) != 0 {
		return errors.New("usage: peers load <LINES")
	}
	lines := bufio.NewScanner(os.Stdin)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return fmt.Errorf("no folder, role and time: %q", lines.Text())
		}
		at, err := time.Parse(time.RFC3339, fields[2])
		if err != nil {
			return err
		}
		if err := loadFolder(fields[0], fields[1], at); err != nil {
			fmt.Fprintf(output, "refused %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(output, "ok")
		}
	}
	return lines.Err()
}

func loadFolder(folder, role string, at time.Time) error {
	file := func(name string) string { return filepath.Join(folder, name) }
	pair, err := tls.LoadX509KeyPair(file("cert.pem"), file("key.pem"))
	if err != nil {
		return err
	}
	bundle, err := os.ReadFile(file("ca.pem"))
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), CurrentTime: at}
	if !options.Roots.AppendCertsFromPEM(bundle) {
		return errors.New("failed to append ca cert")
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if role == "server" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		chain = append(chain, certificate)
	}
	return verifyChain(chain, options)
}
