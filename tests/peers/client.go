package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// client is what a BuildKit client sees: the verdict on its certificate comes with the first
// read, after a handshake that succeeded.
func client(arguments []string) error {
	flags := newFlags("client")
	address := flags.String("addr", "", "")
	ca := flags.String("ca", "", "")
	cert := flags.String("cert", "", "")
	key := flags.String("key", "", "")
	name := flags.String("name", "", "")
	deadline := flags.Duration("deadline", 5*time.Second, "")
	flags.Parse(arguments)

	config, err := clientConfig(*address, *ca, *cert, *key, *name)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", *address, *deadline)
	if err != nil {
		fmt.Println("inconclusive", err)
		return errRefused
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(*deadline))
	secure := tls.Client(conn, config)
	frame := make([]byte, 9)
	if err = secure.Handshake(); err == nil {
		_, err = io.ReadFull(secure, frame)
	}
	return tell(secure.ConnectionState(), frame, err)
}

func clientConfig(address, ca, cert, key, name string) (*tls.Config, error) {
	bundle, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("could not read ca certificate: %w", err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: name, NextProtos: []string{"h2"}}
	if !config.RootCAs.AppendCertsFromPEM(bundle) {
		return nil, errors.New("failed to append ca certs")
	}
	if name == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("could not read certificate/key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// The fourth byte of a frame is its type; 4 is SETTINGS (RFC 9113 section 6.5).
const settingsFrame = 4

func tell(state tls.ConnectionState, frame []byte, err error) error {
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case err == nil && frame[3] == settingsFrame:
		fmt.Printf("accepted %s alpn=%s\n", tls.VersionName(state.Version), state.NegotiatedProtocol)
		return nil
	case err == nil:
		fmt.Println("inconclusive something other than SETTINGS")
	case errors.As(err, &untrusted):
		fmt.Println("untrusted", err)
	case errors.As(err, &timeout) && timeout.Timeout():
		fmt.Println("inconclusive", err)
	default:
		fmt.Println("refused", err)
	}
	return errRefused
}
