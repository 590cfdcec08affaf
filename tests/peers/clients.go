package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// clients are people who work while certificates are rotated: each reads its files again for each
// handshake, one after the other.
type clients struct {
	address string
	pace    time.Duration

	mutex   sync.Mutex
	changed *sync.Cond
	// round is raised by whoever wants to know how every client fares from now on.
	round  int
	counts clientCounts
	people []*person
}

// person is a client; one who only reads never handshakes.
type person struct {
	folder  string
	reads   bool
	settled int
	serial  string
}

type clientCounts struct {
	Accepted int `json:"accepted"`
	// Refused by an alert; Untrusted is the daemon, by us.
	Refused   int            `json:"refused"`
	Alerts    map[string]int `json:"alerts"`
	Untrusted int            `json:"untrusted"`
	// Down is a port that nobody listens at, Cut a connection that ended without an alert: what a
	// restart does. Late is a deadline.
	Down int `json:"down"`
	Cut  int `json:"cut"`
	Late int `json:"late"`
	// Pairs were read; in mismatched the key was not the certificate's, and what could not be read
	// or parsed is unreadable.
	Pairs      int            `json:"pairs"`
	Mismatched int            `json:"mismatched"`
	Unreadable int            `json:"unreadable"`
	Faults     map[string]int `json:"faults"`
}

func workingClients(arguments []string) error {
	c := clients{counts: clientCounts{Alerts: map[string]int{}, Faults: map[string]int{}}}
	c.changed = sync.NewCond(&c.mutex)
	flags := newFlags("clients")
	flags.StringVar(&c.address, "addr", "", "")
	flags.DurationVar(&c.pace, "pace", 20*time.Millisecond, "")
	flags.Func("tlsdir", "", func(folder string) error {
		c.people = append(c.people, &person{folder: folder})
		return nil
	})
	flags.Func("read", "", func(folder string) error {
		c.people = append(c.people, &person{folder: folder, reads: true})
		return nil
	})
	flags.Parse(arguments)

	for _, one := range c.people {
		go c.work(one)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		settled := true
		switch lines.Text() {
		case "count":
		case "settle":
			settled = c.settle(20 * time.Second)
		default:
			return fmt.Errorf("unknown request %q", lines.Text())
		}
		c.tell(settled)
	}
	return lines.Err()
}

func (c *clients) work(one *person) {
	for ; ; time.Sleep(c.pace) {
		c.mutex.Lock()
		round := c.round
		c.mutex.Unlock()
		serial, judged := "", true
		if one.reads {
			c.pair(one.folder)
		} else {
			serial, judged = c.handshake(one.folder)
		}
		c.mutex.Lock()
		if judged {
			one.settled, one.serial = round, serial
			c.changed.Broadcast()
		}
		c.mutex.Unlock()
	}
}

// handshake is one of a client that reads before it writes: the daemon's serial if it let us in,
// and whether either side judged the other, which it does not while it is restarted.
func (c *clients) handshake(folder string) (serial string, judged bool) {
	pair, ok := c.pair(folder)
	if !ok {
		return "", false
	}
	config, err := clientConfig(c.address, filepath.Join(folder, "ca.pem"), "", "", "")
	if err != nil {
		c.fault(err)
		return "", false
	}
	config.Certificates = []tls.Certificate{pair}
	conn, err := net.DialTimeout("tcp", c.address, 10*time.Second)
	if err != nil {
		return "", c.count(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	secure := tls.Client(conn, config)
	frame := make([]byte, 9)
	if err = secure.Handshake(); err == nil {
		_, err = io.ReadFull(secure, frame)
	}
	if err == nil && frame[3] != settingsFrame {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		serial = fmt.Sprintf("%x", secure.ConnectionState().PeerCertificates[0].SerialNumber.Bytes())
	}
	return serial, c.count(err)
}

// pair reads a certificate and then its key, as every client does.
func (c *clients) pair(folder string) (tls.Certificate, bool) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		c.fault(err)
		return pair, false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts.Pairs++
	return pair, true
}

func (c *clients) fault(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts.Faults[err.Error()]++
	if strings.Contains(err.Error(), "does not match") {
		c.counts.Mismatched++
	} else {
		c.counts.Unreadable++
	}
}

func (c *clients) count(err error) (judged bool) {
	var untrusted *tls.CertificateVerificationError
	var operation *net.OpError
	var timeout net.Error
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case err == nil:
		c.counts.Accepted++
		return true
	case errors.As(err, &untrusted):
		c.counts.Untrusted++
		c.counts.Faults[err.Error()]++
		return true
	case errors.As(err, &operation) && operation.Op == "remote error":
		c.counts.Refused++
		c.counts.Alerts[err.Error()]++
		return true
	case errors.As(err, &timeout) && timeout.Timeout():
		c.counts.Late++
	case errors.Is(err, syscall.ECONNREFUSED):
		c.counts.Down++
	default:
		c.counts.Cut++
	}
	return false
}

// settle waits until every client has been let in, or refused, by a handshake that began after it
// was called.
func (c *clients) settle(patience time.Duration) bool {
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		late = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.round++
	for !late && !c.all(c.round) {
		c.changed.Wait()
	}
	return c.all(c.round)
}

func (c *clients) all(round int) bool {
	for _, one := range c.people {
		if one.settled < round {
			return false
		}
	}
	return true
}

func (c *clients) tell(settled bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	serials := []string{}
	for _, one := range c.people {
		if !one.reads {
			serials = append(serials, one.serial)
		}
	}
	json.NewEncoder(os.Stdout).Encode(struct {
		clientCounts
		Settled bool     `json:"settled"`
		Serials []string `json:"serials"`
	}{c.counts, settled, serials})
}
