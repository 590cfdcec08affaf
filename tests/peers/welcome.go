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

// welcome is a server on Go's TLS that speaks no HTTP/2: it insists on a client's certificate and
// answers a request with a line, so that other stacks' clients can be told apart by their dials.
func welcome(arguments []string) error {
	flags := newFlags("welcome")
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
	flags := newFlags("greeted")
	address := flags.String("addr", "", "")
	ca := flags.String("ca", "", "")
	cert := flags.String("cert", "", "")
	key := flags.String("key", "", "")
	name := flags.String("name", "", "")
	flags.Parse(arguments)

	config, err := clientConfig(*address, *ca, *cert, *key, *name)
	if err != nil {
		return err
	}
	config.NextProtos = nil
	plain, err := net.DialTimeout("tcp", *address, 5*time.Second)
	if err != nil {
		return err
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(5 * time.Second))
	secure := tls.Client(plain, config)
	var untrusted *tls.CertificateVerificationError
	if err := secure.Handshake(); errors.As(err, &untrusted) {
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
