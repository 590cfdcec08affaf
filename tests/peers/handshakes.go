package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// handshakes has both ends of every dial in one process: a daemon says of a client that it refused
// what the client may never hear.
func handshakes(_ []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verdict, err := handshake(listener, strings.Fields(lines.Text()))
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		fmt.Println(verdict)
		if strings.HasPrefix(verdict, "inconclusive") {
			return errRefused
		}
	}
	return lines.Err()
}

func handshake(listener net.Listener, fields []string) (string, error) {
	if len(fields) != 6 {
		return "", errors.New("usage: DAEMON CA CLIENT CA HOST RFC3339")
	}
	at, err := time.Parse(time.RFC3339, fields[5])
	if err != nil {
		return "", err
	}
	pair := func(folder string) (string, string) {
		if folder == "-" {
			return "", ""
		}
		return filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	}
	d := daemon{ca: fields[1]}
	d.cert, d.key = pair(fields[0])
	theirs, err := d.tlsConfig()
	if err != nil {
		return "", err
	}
	cert, key := pair(fields[2])
	ours, err := clientConfig(listener.Addr().String(), fields[3], cert, key, fields[4])
	if err != nil {
		return "", err
	}
	theirs.Time = func() time.Time { return at }
	ours.Time = theirs.Time
	answered := make(chan error, 1)
	go func() { answered <- answer(listener, theirs) }()
	dialed := dial(listener.Addr().String(), ours)
	return verdict(dialed, <-answered), nil
}

func answer(listener net.Listener, config *tls.Config) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	secure := tls.Server(conn, config)
	if err := secure.Handshake(); err != nil {
		return err
	}
	_, err = secure.Write([]byte{0, 0, 0, settingsFrame, 0, 0, 0, 0, 0})
	return err
}

func dial(address string, config *tls.Config) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		return err
	}
	_, err = io.ReadFull(secure, make([]byte, 9))
	return err
}

func verdict(dialed, answered error) string {
	var untrusted *tls.CertificateVerificationError
	var misnamed x509.HostnameError
	switch {
	case dialed == nil && answered == nil:
		return "accepted"
	case errors.As(dialed, &misnamed):
		return fmt.Sprint("misnamed ", dialed)
	case errors.As(dialed, &untrusted):
		return fmt.Sprint("untrusted ", dialed)
	case dialed != nil && errors.As(answered, &untrusted):
		return fmt.Sprint("refused ", answered)
	case dialed != nil && answered != nil && answered.Error() == "tls: client didn't provide a certificate":
		return "none"
	}
	return fmt.Sprint("inconclusive ", dialed, answered)
}

const patience = 5 * time.Second
