package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// holes are the ways in which a daemon that is otherwise configured as buildkitd can be open: to
// the clients that --open-for describes, and over a limit of connections.
type holes struct {
	openFor, openAs, alsoTrusts, trustsUnnamed, over, clientName, plaintextToo string

	limit    int
	patience time.Duration
}

func (h *holes) options(flags *flag.FlagSet) {
	flags.StringVar(&h.openFor, "open-for", "", "")
	flags.StringVar(&h.openAs, "open-as", "unasked", "")
	flags.StringVar(&h.alsoTrusts, "also-trusts", "", "")
	flags.StringVar(&h.trustsUnnamed, "trusts-unnamed", "", "")
	flags.IntVar(&h.limit, "limit", 0, "")
	flags.StringVar(&h.over, "over", "reset", "")
	flags.StringVar(&h.plaintextToo, "plaintext-too", "", "")
	flags.StringVar(&h.clientName, "client-name", "", "")
	flags.DurationVar(&h.patience, "patience", 0, "")
}

// openings are the values of --open-as: how the daemon treats a client that it is open for.
var openings = map[string]tls.ClientAuthType{
	"unasked":  tls.NoClientCert,
	"optional": tls.VerifyClientCertIfGiven,
	"any":      tls.RequireAnyClientCert,
	"whatever": tls.RequestClientCert,
	// By the name alone, whoever signed it.
	"named": tls.RequireAnyClientCert,
	// By a chain of what the client sent, whose end has the name of a known CA.
	"imitated": tls.RequireAnyClientCert,
}

// apply makes the holes in a configuration that has none.
func (h *holes) apply(config *tls.Config) error {
	if h.alsoTrusts != "" {
		pem, err := os.ReadFile(h.alsoTrusts)
		if err != nil {
			return err
		}
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", h.alsoTrusts)
		}
	}
	if h.trustsUnnamed != "" {
		pem, err := os.ReadFile(h.trustsUnnamed)
		if err != nil {
			return err
		}
		roots := config.ClientCAs.Clone()
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", h.trustsUnnamed)
		}
		config.ClientAuth = tls.RequireAnyClientCert
		config.VerifyConnection = func(state tls.ConnectionState) error {
			usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			return verifyChain(state.PeerCertificates, x509.VerifyOptions{Roots: roots, KeyUsages: usages})
		}
	}
	if h.limit > 0 && !slices.Contains([]string{"reset", "cut", "end"}, h.over) {
		return fmt.Errorf("--over %s", h.over)
	}
	if h.openFor == "" {
		return nil
	}
	policy, known := openings[h.openAs]
	if !known {
		return fmt.Errorf("--open-as %s", h.openAs)
	}
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		return err
	}
	conditions := strings.Split(h.openFor, ",")
	for _, condition := range conditions {
		if _, known := holds(condition, &tls.ClientHelloInfo{}, leaf); !known {
			return fmt.Errorf("--open-for %s", condition)
		}
	}
	opened := config.Clone()
	opened.ClientAuth = policy
	switch h.openAs {
	case "named":
		opened.VerifyPeerCertificate = h.knowsTheName
	case "imitated":
		opened.VerifyPeerCertificate = knowsTheAuthoritysName(config.ClientCAs)
	}
	if slices.Contains(conditions, "alpn=http/1.1") {
		opened.NextProtos = []string{"http/1.1"}
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, condition := range conditions {
			if isMet, _ := holds(condition, hello, leaf); !isMet {
				return nil, nil
			}
		}
		return opened, nil
	}
	return nil
}

// holds tells whether a client meets a condition of --open-for, and whether there is such a one.
func holds(condition string, hello *tls.ClientHelloInfo, leaf *x509.Certificate) (isMet, known bool) {
	isOurs := leaf.VerifyHostname(hello.ServerName) == nil
	offers13 := slices.Contains(hello.SupportedVersions, tls.VersionTLS13)
	offers12 := slices.Contains(hello.SupportedVersions, tls.VersionTLS12)
	switch kind, value, _ := strings.Cut(condition, "="); condition {
	case "all":
		return true, true
	case "sni=none":
		return hello.ServerName == "", true
	case "sni=name":
		return hello.ServerName != "" && isOurs, true
	case "sni=foreign":
		return hello.ServerName != "" && !isOurs, true
	case "tls=1.2":
		return !offers13, true
	case "tls=1.3":
		return offers13, true
	case "tls=1.3-alone":
		return offers13 && !offers12, true
	case "alpn=http/1.1":
		return slices.Equal(hello.SupportedProtos, []string{"http/1.1"}), true
	case "alpn=none":
		return len(hello.SupportedProtos) == 0, true
	case "alpn=h2":
		return slices.Contains(hello.SupportedProtos, "h2"), true
	default:
		return hello.ServerName == value, kind == "sni" && value != ""
	}
}

func (h *holes) knowsTheName(raw [][]byte, _ [][]*x509.Certificate) error {
	leaf, err := x509.ParseCertificate(raw[0])
	if err == nil && leaf.Subject.CommonName != h.clientName {
		err = fmt.Errorf("unknown client %s", leaf.Subject)
	}
	return err
}

func knowsTheAuthoritysName(known *x509.CertPool) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		roots := known.Clone()
		var chain []*x509.Certificate
		for _, der := range raw {
			link, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			isNamed := func(name []byte) bool { return string(name) == string(link.RawSubject) }
			if slices.ContainsFunc(known.Subjects(), isNamed) {
				roots.AddCert(link)
			}
			chain = append(chain, link)
		}
		usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return verifyChain(chain, x509.VerifyOptions{Roots: roots, KeyUsages: usages})
	}
}

// heard waits for the first bytes of a client, and no longer than the daemon has patience.
func (h *holes) heard(conn net.Conn) (net.Conn, error) {
	reader := bufio.NewReader(conn)
	conn.SetReadDeadline(time.Now().Add(h.patience))
	_, err := reader.Peek(1)
	conn.SetReadDeadline(time.Time{})
	return &sniffed{conn, reader}, err
}

// sniffed is a connection whose first bytes have been looked at.
type sniffed struct {
	net.Conn
	reader *bufio.Reader
}

func (s *sniffed) Read(buffer []byte) (int, error) { return s.reader.Read(buffer) }

// speaksTLS tells whether the client begins a handshake (RFC 8446 section 5.1), or else the protocol that
// is served without TLS. One that tells HTTP/1.1 by its methods takes all else for TLS.
func (h *holes) speaksTLS(conn net.Conn) (net.Conn, bool) {
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(4)
	isTLS := first != nil && first[0] == 22
	if h.plaintextToo == "http1" {
		isTLS = !slices.Contains([]string{"GET ", "HEAD", "POST", "PUT "}, string(first))
	}
	return &sniffed{conn, reader}, err != nil || isTLS
}

// reset closes a connection without a word: what the client sends meets no socket.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// cut is a connection that hears the first words of its client and no more.
type cut struct {
	net.Conn
	hasAnswered bool
}

func (c *cut) Write(bytes []byte) (int, error) {
	c.hasAnswered = true
	return c.Conn.Write(bytes)
}

func (c *cut) Read(buffer []byte) (int, error) {
	if c.hasAnswered {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(buffer)
}
