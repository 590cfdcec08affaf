package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

type daemon struct {
	cert, key, ca                             string
	noCA, tls12, tls13, noALPN, noTickets     bool
	plaintext, silent, lenient, noInfo        bool
	anyCertificate, anyUsage                  bool
	slow, clockOffset                         time.Duration
	workers, grpcStatus, httpStatus, idleTime int
	holes                                     holes

	// judged is told how each handshake ended, and idleness asked for the sessions and idle
	// seconds of each Info; nil where nobody wants to know, or to say.
	judged   func(error)
	idleness func() (sessions, seconds int)
	// builds is asked for the number of running builds; nil and less than 0: there is no list.
	builds func() int
}

func serve(arguments []string) error {
	var d daemon
	flags := newFlags("serve")
	address := flags.String("addr", "127.0.0.1:0", "")
	d.options(flags)
	flags.Parse(arguments)

	running, err := d.start(*address)
	if err != nil {
		return err
	}
	fmt.Printf("listening %s\n", running.listener.Addr())
	go endWithInput()
	select {}
}

func (d *daemon) options(flags *flag.FlagSet) {
	flags.StringVar(&d.cert, "cert", "", "")
	flags.StringVar(&d.key, "key", "", "")
	flags.StringVar(&d.ca, "ca", "", "")
	flags.BoolVar(&d.noCA, "no-ca", false, "")
	flags.BoolVar(&d.tls12, "tls12", false, "")
	flags.BoolVar(&d.tls13, "tls13", false, "")
	flags.BoolVar(&d.noALPN, "no-alpn", false, "")
	flags.BoolVar(&d.noTickets, "no-tickets", false, "")
	flags.BoolVar(&d.plaintext, "plaintext", false, "")
	flags.BoolVar(&d.silent, "silent", false, "")
	flags.BoolVar(&d.lenient, "lenient", false, "")
	flags.BoolVar(&d.anyCertificate, "any-certificate", false, "")
	flags.BoolVar(&d.anyUsage, "any-usage", false, "")
	flags.BoolVar(&d.noInfo, "no-info", false, "")
	flags.DurationVar(&d.slow, "slow", 0, "")
	flags.DurationVar(&d.clockOffset, "clock-offset", 0, "")
	flags.IntVar(&d.workers, "workers", 1, "")
	flags.IntVar(&d.grpcStatus, "grpc-status", 0, "")
	flags.IntVar(&d.httpStatus, "http-status", 200, "")
	flags.IntVar(&d.idleTime, "idle", -1, "")
	d.holes.options(flags)
}

// running is a daemon that listens, with the files that it loaded when it began to.
type running struct {
	listener net.Listener
	ready    *handshaken
	config   *tls.Config
}

func (d *daemon) start(address string) (*running, error) {
	var config *tls.Config
	if !d.plaintext && !d.silent {
		var err error
		if config, err = d.tlsConfig(); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	ready := &handshaken{
		listener: listener,
		conns:    make(chan net.Conn),
		ended:    make(chan struct{}),
		open:     map[net.Conn]struct{}{},
		judged:   d.judged,
		holes:    d.holes,
	}
	r := &running{listener, ready, config}
	if d.silent {
		go holdForever(listener)
		return r, nil
	}
	go ready.accept(config, d.slow)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	server := http.Server{Handler: d.handler(), Protocols: &protocols, ErrorLog: log.New(io.Discard, "", 0)}
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, conn.(*prefaced).verified)
	}
	go server.Serve(ready)
	return r, nil
}

// stop ends it as a process ends: the port is closed, and so is every connection.
func (r *running) stop() {
	r.listener.Close()
	close(r.ready.ended)
	r.ready.mutex.Lock()
	defer r.ready.mutex.Unlock()
	for conn := range r.ready.open {
		conn.Close()
	}
	r.ready.open = nil
}

// tlsConfig is serverCredentials of buildkitd's main.go: LoadX509KeyPair, NextProtos h2, and with
// a ca RequireAndVerifyClientCert; no MinVersion, no other option.
func (d *daemon) tlsConfig() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(d.cert, d.key)
	if err != nil {
		return nil, fmt.Errorf("could not load server key pair: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	if d.noALPN {
		config.NextProtos = nil
	}
	config.SessionTicketsDisabled = d.noTickets
	if d.tls12 {
		config.MaxVersion = tls.VersionTLS12
	}
	if d.tls13 {
		config.MinVersion = tls.VersionTLS13
	}
	if d.clockOffset != 0 {
		config.Time = func() time.Time { return time.Now().Add(d.clockOffset) }
	}
	if d.noCA {
		return config, nil
	}
	pem, err := os.ReadFile(d.ca)
	if err != nil {
		return nil, fmt.Errorf("could not read ca certificate: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("failed to append ca cert")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if d.lenient {
		config.ClientAuth = tls.RequestClientCert
	}
	if d.anyCertificate || d.anyUsage {
		config.ClientAuth = tls.RequireAnyClientCert
	}
	if d.anyUsage {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			usages := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
			return verifyChain(state.PeerCertificates, x509.VerifyOptions{Roots: config.ClientCAs, KeyUsages: usages})
		}
	}
	return config, d.holes.apply(config)
}

// handshaken is a listener of connections whose handshake is over. It is done here, not by
// net/http, so that a connection without ALPN can be served too.
type handshaken struct {
	listener net.Listener
	conns    chan net.Conn
	ended    chan struct{}
	// judged is told how each handshake ended, where anybody wants to know.
	judged func(error)
	holes  holes

	mutex sync.Mutex
	// open has every connection; nil once the daemon was stopped.
	open map[net.Conn]struct{}
}

func (h *handshaken) accept(config *tls.Config, slow time.Duration) {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		held, isHeld := h.hold(conn)
		if !isHeld {
			conn.Close()
			return
		}
		isOver := h.holes.limit > 0 && held > h.holes.limit
		if isOver && h.holes.over == "reset" {
			h.release(conn)
			reset(conn)
			continue
		}
		go h.shake(conn, config, slow, isOver)
	}
}

// hold tells how many connections are open with this one, and whether the daemon still runs.
func (h *handshaken) hold(conn net.Conn) (int, bool) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.open != nil {
		h.open[conn] = struct{}{}
	}
	return len(h.open), h.open != nil
}

func (h *handshaken) release(conn net.Conn) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.open, conn)
}

func (h *handshaken) shake(conn net.Conn, config *tls.Config, slow time.Duration, isOver bool) {
	time.Sleep(slow)
	ready := &prefaced{Conn: conn, given: []byte(preface), owed: len(preface)}
	held := conn
	ready.closed = func() { h.release(held) }
	isTLS := config != nil
	speaksHTTP1 := false
	if isTLS && h.holes.plaintextToo != "" {
		conn, isTLS = h.holes.speaksTLS(conn)
		ready.Conn = conn
		speaksHTTP1 = !isTLS && h.holes.plaintextToo == "http1"
	}
	if isOver && h.holes.over == "cut" {
		conn = &cut{Conn: conn}
	}
	if isTLS {
		secure := tls.Server(conn, config)
		err := secure.Handshake()
		if h.judged != nil {
			h.judged(err)
		}
		if err != nil || isOver {
			ready.Close()
			return
		}
		ready.Conn = secure
		speaksHTTP1 = secure.ConnectionState().NegotiatedProtocol == "http/1.1"
		if h.holes.patience > 0 {
			if ready.Conn, err = h.holes.heard(secure); err != nil {
				ready.Close()
				return
			}
		}
		ready.verified = trusted(secure.ConnectionState(), config)
	}
	if speaksHTTP1 {
		ready.given, ready.owed = nil, 0
	}
	select {
	case h.conns <- ready:
	case <-h.ended:
	}
}

func trusted(state tls.ConnectionState, config *tls.Config) bool {
	if config.ClientCAs == nil || config.GetConfigForClient != nil {
		return true
	}
	return len(state.PeerCertificates) > 0 && verifyChain(state.PeerCertificates, x509.VerifyOptions{
		Roots:     config.ClientCAs,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}) == nil
}

func (h *handshaken) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}

func (h *handshaken) Close() error   { return h.listener.Close() }
func (h *handshaken) Addr() net.Addr { return h.listener.Addr() }

// prefaced hands net/http the client's preface before it has come, and swallows it when it does:
// so SETTINGS are sent first, as grpc-go's server sends them.
type prefaced struct {
	net.Conn
	given    []byte
	owed     int
	verified bool
	closed   func()
}

func (p *prefaced) Close() error {
	p.closed()
	return p.Conn.Close()
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func (p *prefaced) Read(buffer []byte) (int, error) {
	if len(p.given) > 0 {
		count := copy(buffer, p.given)
		p.given = p.given[count:]
		return count, nil
	}
	if p.owed > 0 {
		theirs := make([]byte, p.owed)
		if _, err := io.ReadFull(p.Conn, theirs); err != nil {
			return 0, err
		}
		if string(theirs) != preface {
			p.Conn.Close()
			return 0, errors.New("not HTTP/2")
		}
		p.owed = 0
	}
	return p.Conn.Read(buffer)
}

type peerKey struct{}

func (d *daemon) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
		if verified, _ := r.Context().Value(peerKey{}).(bool); d.lenient && !verified {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if d.httpStatus != http.StatusOK {
			w.WriteHeader(d.httpStatus)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		body, known := d.answer(r.URL.Path)
		status := d.grpcStatus
		if !known {
			status = 12
		}
		if status != 0 {
			w.Header().Set("Grpc-Status", strconv.Itoa(status))
			w.Header().Set("Grpc-Message", "as asked")
			return
		}
		if r.URL.Path == listenBuildHistory {
			for index := range d.builds() {
				// The type STARTED is 0, and so left out.
				w.Write(framed(message(2, text(1, fmt.Sprintf("build-%d", index)))))
			}
		} else {
			w.Write(framed(body))
		}
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
}

func (d *daemon) answer(path string) ([]byte, bool) {
	version := concat(text(1, "github.com/moby/buildkit"), text(2, "v0.0.0-peer"), text(3, "0123456789abcdef"))
	switch path {
	case "/moby.buildkit.v1.Control/Info":
		info := message(1, version)
		sessions, seconds := 0, d.idleTime
		if d.idleness != nil {
			sessions, seconds = d.idleness()
		}
		if seconds >= 0 {
			info = concat(info, number(101, sessions), number(102, seconds))
		}
		return info, !d.noInfo
	case "/moby.buildkit.v1.Control/ListWorkers":
		var workers []byte
		for index := range d.workers {
			platform := concat(text(1, "amd64"), text(2, "linux"))
			worker := concat(text(1, fmt.Sprintf("worker-%d", index)), message(3, platform), message(5, version))
			workers = append(workers, message(1, worker)...)
		}
		return workers, true
	case listenBuildHistory:
		return nil, d.builds != nil && d.builds() >= 0
	}
	return nil, false
}

const listenBuildHistory = "/moby.buildkit.v1.Control/ListenBuildHistory"

func framed(body []byte) []byte {
	length := len(body)
	return append([]byte{0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, body...)
}

func text(field int, value string) []byte    { return message(field, []byte(value)) }
func message(field int, value []byte) []byte { return concat(varint(field<<3|2), varint(len(value)), value) }
func number(field, value int) []byte         { return concat(varint(field<<3), varint(value)) }

func concat(parts ...[]byte) (all []byte) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

func varint(value int) (octets []byte) {
	for value >= 0x80 {
		octets = append(octets, byte(value)|0x80)
		value >>= 7
	}
	return append(octets, byte(value))
}

func holdForever(listener net.Listener) error {
	var held []net.Conn
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		held = append(held, conn)
	}
}

// endWithInput ends the process with whoever started it, so that no test leaves one behind.
func endWithInput() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
