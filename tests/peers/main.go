// Peers is the Go side of kitcert's tests: a daemon and a client whose TLS is configured exactly
// as buildkitd's and its clients' are, from Go's standard library alone.
//
//	peers serve --addr 127.0.0.1:0 --cert FILE --key FILE --ca FILE [options]
//	    a daemon; prints "listening 127.0.0.1:PORT" once it does, and ends with its standard input
//	    or by a signal. Options:
//	      --no-ca              cert and key without ca: anyone is accepted, as buildkitd does
//	      --tls12              nothing newer than TLS 1.2
//	      --tls13              nothing older than TLS 1.3
//	      --no-alpn            selects no protocol, as earthly/buildkitd does
//	      --plaintext          no TLS at all
//	      --silent             accepts connections and never says a word
//	      --slow DURATION      waits that long before the handshake
//	      --lenient            completes the handshake with anyone, sends SETTINGS, and answers
//	                           400 to whoever has no right certificate, as nginx does
//	      --any-certificate    insists on a certificate, and takes any
//	      --any-usage          takes a certificate of its CAs whatever it is for
//	      --clock-offset D     its clock is that far ahead, or behind where D is negative
//	      --workers N          lists that many workers (1)
//	      --grpc-status N      answers every call with that gRPC status
//	      --http-status N      answers every call with that HTTP status
//	      --no-info            knows no Info, as old daemons
//	      --idle SECONDS       tells sessions and idle seconds, as Earthly's daemon does
//	      --open-for C[,C…]    open to the clients of which every condition holds: all, sni=none,
//	                           sni=name, sni=foreign, sni=HOST, tls=1.2 (at most), tls=1.3, alpn=none,
//	                           alpn=h2
//	      --open-as HOW        how it is open to them: unasked (no CertificateRequest), optional (no
//	                           certificate is let in), any (any certificate is let in) or whatever
//	      --also-trusts FILE   the CAs in that file too
//	      --plaintext-too      serves HTTP/2 without TLS on the same port
//	      --limit N            keeps N connections at once; what comes on top is treated as
//	      --over HOW           reset at once, cut once it has answered the client's first words, or end,
//	                           after the handshake and its tickets
//	peers fleet --count N [--addresses N] [--silent-each N] --cert FILE --key FILE --ca FILE [options]
//	    that many daemons, on 127.0.0.1 and the addresses after it in turn, of which each Nth is
//	    silent; prints the URL of each, then "listening"
//	peers hostile --way WAY --cert FILE --key FILE --ca FILE
//	    a daemon that lets its clients in, and then wants their memory, their time or their terminal:
//	    endless headers, huge frames, bytes that drip; without --way it names the ways
//	peers unanswered --addr HOST:PORT
//	    an address at which connections are neither accepted nor refused
//	peers check-bundle FILE
//	    what AppendCertsFromPEM makes of a bundle: one line a block, "kept SHA-256 SUBJECT" or
//	    "dropped REASON"; then "loads" or "fails"
//	peers verify --ca FILE --role server|client [--name HOST] [--at RFC3339] [FILE...]
//	    one line a certificate file (the leaf, then intermediates): "ok FILE" or
//	    "refused FILE: ERROR"; without FILEs, their names are read from standard input, one a line
//	peers load
//	    one folder a line of standard input, "FOLDER server|client RFC3339": whether LoadX509KeyPair
//	    and AppendCertsFromPEM take its cert.pem, key.pem and ca.pem, and whether a peer with the same
//	    ca.pem accepts the chain at that time: "ok", or "refused ERROR"
//	peers corpus
//	    the corpus of fixtures/corpus, always the same bytes: chains of which one thing is wrong, in
//	    the schema of C2SP's x509-limbo
//	peers client --addr HOST:PORT --ca FILE [--cert FILE --key FILE] [--name HOST]
//	    a client that reads before it writes: "accepted TLS-VERSION alpn=PROTOCOL",
//	    "refused ERROR" (the daemon's doing), "untrusted ERROR" (ours) or "inconclusive ERROR"
//	peers handshakes
//	    one dial a line of standard input, "DAEMON CA CLIENT CA HOST RFC3339": folders with cert.pem
//	    and key.pem ("-" for a client without) and bundles, at that time. A line each: "accepted",
//	    "untrusted ERROR" or "misnamed ERROR" (the client refuses the daemon), "none" (the client
//	    sends no certificate) or "refused ERROR" (the daemon refuses it); the last is
//	    "inconclusive ERROR" where a dial ends in another way
//	peers supervise --control SOCKET --addr HOST:PORT --cert FILE --key FILE --ca FILE [serve's options]
//	    a daemon that can be restarted: it stops, closes its connections, loads its files again, which
//	    it never does otherwise, and listens at the same port. A connection to the socket says one
//	    line and hears one JSON object, with "error" where it failed, else how the daemon stands and
//	    what was counted:
//	      count                            nothing but that
//	      restart                          restarts it
//	      stop                             stops it
//	      next|always MISHAP               what the next restart does, or all of them do:
//	        refuse                         fails, and leaves the daemon as it is
//	        hang                           does nothing, and does not end
//	        wrong DIR                      starts the daemon on the files in that folder
//	        down                           fails, with the daemon stopped
//	        vanish                         succeeds, with the daemon stopped
//	      release                          lets a restart that hangs go on
//	      forget                           nothing goes wrong any more
//	      idle SESSIONS SECONDS            what Info tells from now on
//	      builds COUNT                     how many builds run from now on; -1: it has no list of them
//	      await attempts|restarts|abandoned|information N
//	                                       answers once that was counted so often
//	peers restart --control SOCKET [--record FILE] [ARGUMENT...]
//	    asks it to restart, and ends when it listens again; with --record, leaves its arguments and
//	    its environment in a file, as JSON
//	peers clients --addr HOST:PORT --tlsdir DIR... [--read DIR...] [--pace DURATION]
//	    one client a --tlsdir, handshaking in a loop, and one reader a --read; each reads the pair of
//	    its folder again every time. For "count" on standard input it prints what was counted, as
//	    JSON; for "settle" too, once every client has been let in, or refused, once more. Ends with its
//	    input
//
// Exit status: 0, or 1 where the last line is a refusal, or 2 for a command line or files that
// cannot be used.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// errRefused ends a command whose verdict has been printed already.
var errRefused = errors.New("refused")

func main() {
	commands := map[string]func([]string) error{
		"serve":        serve,
		"fleet":        fleet,
		"check-bundle": checkBundle,
		"verify":       verify,
		"load":         load,
		"client":       client,
		"handshakes":   handshakes,
		"hostile":      hostile,
		"unanswered":   unanswered,
		"corpus":       corpus,
		"clients":      workingClients,
		"supervise":    supervise,
		"restart":      restart,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		known := slices.Sorted(maps.Keys(commands))
		fmt.Fprintln(os.Stderr, "usage: peers", strings.Join(known, "|"), "…")
		os.Exit(2)
	}
	switch err := commands[os.Args[1]](os.Args[2:]); {
	case err == nil:
	case errors.Is(err, errRefused):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func newFlags(name string) *flag.FlagSet {
	return flag.NewFlagSet(name, flag.ExitOnError)
}
