// Portable is what kitcert's tests ask of more than one Go: it is compiled by every Go since 1.19,
// which Debian 12 has.
//
//	portable judge
//	    a corpus of that schema on standard input; one line a case, "ID<tab>accepted" or
//	    "ID<tab>refused ERROR", as a BuildKit client judges a daemon, or a daemon a client
//	portable welcome --cert FILE --key FILE --ca FILE
//	    a server without HTTP/2 that insists on a client's certificate and answers a request with a
//	    line; prints "listening 127.0.0.1:PORT", and ends with its input
//	portable greeted --addr HOST:PORT --ca FILE [--cert FILE --key FILE] [--name HOST]
//	    asks such a server: "accepted", "untrusted ERROR" (its own doing) or "refused ERROR"
//
// Exit status: 0, or 1 where the last line is a refusal, or 2 for a command line or files that
// cannot be used.
package main

import (
	"errors"
	"fmt"
	"os"
)

// errRefused ends a command whose verdict has been printed already.
var errRefused = errors.New("refused")

func main() {
	commands := map[string]func([]string) error{"judge": judge, "welcome": welcome, "greeted": greeted}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: portable judge|welcome|greeted …")
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
