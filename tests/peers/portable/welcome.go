package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// welcome is a server on Go's TLS that speaks no HTTP/2: it insists on a client's certificate and
// answers a request with a line, so that other stacks' clients can be told apart by their dials.
func welcome(arguments []string) error {
	flags := flag.NewFlagSet("welcome", flag.ExitOnError)
	ca := flags.String("ca", "", "")
	cert := flags.String("cert", "", "")
	key := flags.String("key", "", "")
	flags.Parse(arguments)

	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	bundle, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    x509.NewCertPool(),
	}
	if !config.ClientCAs.AppendCertsFromPEM(bundle) {
		return errors.New("failed to append ca certs")
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go greet(conn)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func greet(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		conn.Write([]byte("welcome\n"))
	}
}

// greeted is a client that asks such a server, and prints "accepted", "untrusted ERROR" (its own
// doing) or "refused ERROR" (the server's).
func greeted(arguments []string) error {
	flags := flag.NewFlagSet("greeted", flag.ExitOnError)
	address := flags.String("addr", "", "")
	ca := flags.String("ca", "", "")
	cert := flags.String("cert", "", "")
	key := flags.String("key", "", "")
	name := flags.String("name", "", "")
	flags.Parse(arguments)

	bundle, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: *name}
	if !config.RootCAs.AppendCertsFromPEM(bundle) {
		return errors.New("failed to append ca certs")
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	plain, err := net.DialTimeout("tcp", *address, 5*time.Second)
	if err != nil {
		return err
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(5 * time.Second))
	secure := tls.Client(plain, config)
	if err := secure.Handshake(); isUntrusted(err) {
		fmt.Println("untrusted", err)
		return errRefused
	}
	fmt.Fprint(secure, "GET / HTTP/1.0\r\n\r\n")
	text := make([]byte, 12)
	length, err := io.ReadFull(secure, text)
	if length == 0 || string(text[:length]) == "HTTP/1.1 400" {
		fmt.Println("refused", err, string(text[:length]))
		return errRefused
	}
	fmt.Println("accepted")
	return nil
}

// isUntrusted tells whether this side refused the other's certificate; before Go 1.20 no error of
// TLS itself says so.
func isUntrusted(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var misnamed x509.HostnameError
	return errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &misnamed)
}
