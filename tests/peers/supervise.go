package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// supervisor is what stands between a daemon and whoever restarts it: systemd, or docker. Its
// daemon loads its files once a start and never otherwise.
type supervisor struct {
	daemon  daemon
	address string

	// restarting is held while the daemon is stopped and started.
	restarting sync.Mutex
	// released is sent to for a restart that hangs, so that it goes on.
	released chan struct{}

	// mutex guards the rest; changed is told of every change.
	mutex    sync.Mutex
	changed  *sync.Cond
	running  *running
	serial   string
	counts   counts
	idle     idleness
	building int
	mishaps  []mishap
	lastWord string
}

type counts struct {
	// Attempts are the restarts that were asked for, restarts those after which it listened.
	Attempts int `json:"attempts"`
	Restarts int `json:"restarts"`
	// Accepted and refused are handshakes; cut are those that ended with their connection.
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	Cut      int `json:"cut"`
	// Abandoned are the restarts that hung until whoever asked for them was gone.
	Abandoned int `json:"abandoned"`
	// Information is how often Info was asked for.
	Information int `json:"information"`
	// Lists is how often the running builds were asked for.
	Lists int `json:"lists"`
}

type idleness struct{ sessions, seconds int }

// mishap is what goes wrong at the next restart; at all of them where it lasts.
type mishap struct {
	kind   string
	folder string
	lasts  bool
}

func supervise(arguments []string) error {
	s := supervisor{released: make(chan struct{})}
	s.changed = sync.NewCond(&s.mutex)
	flags := newFlags("supervise")
	control := flags.String("control", "", "")
	flags.StringVar(&s.address, "addr", "", "")
	s.daemon.options(flags)
	flags.Parse(arguments)

	s.idle.seconds = s.daemon.idleTime
	s.daemon.judged = s.judged
	s.daemon.idleness = s.idleness
	s.building = -1
	s.daemon.builds = s.builds
	if err := s.start(&s.daemon); err != nil {
		return err
	}
	listener, err := net.Listen("unix", *control)
	if err != nil {
		return err
	}
	fmt.Printf("listening %s\n", s.address)
	go endWithInput()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go s.answer(conn)
	}
}

// answer hears one line and says one object; to a restart that hangs, nothing.
func (s *supervisor) answer(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	gone, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, conn)
		cancel()
	}()
	if err := s.obey(gone, strings.Fields(line)); err != nil {
		json.NewEncoder(conn).Encode(map[string]string{"error": err.Error()})
		return
	}
	json.NewEncoder(conn).Encode(s.state())
}

func (s *supervisor) obey(gone context.Context, words []string) error {
	switch {
	case len(words) == 1 && words[0] == "count":
		return nil
	case len(words) == 1 && words[0] == "restart":
		return s.restart(gone)
	case len(words) == 1 && words[0] == "stop":
		s.stop()
		return nil
	case len(words) >= 2 && (words[0] == "next" || words[0] == "always"):
		return s.expect(words[0] == "always", words[1:])
	case len(words) == 1 && words[0] == "release":
		select {
		case s.released <- struct{}{}:
			return nil
		case <-gone.Done():
			return gone.Err()
		}
	case len(words) == 1 && words[0] == "forget":
		s.change(func() { s.mishaps = nil })
		return nil
	case len(words) == 3 && words[0] == "idle":
		sessions, first := strconv.Atoi(words[1])
		seconds, second := strconv.Atoi(words[2])
		s.change(func() { s.idle = idleness{sessions, seconds} })
		return errors.Join(first, second)
	case len(words) == 2 && words[0] == "builds":
		builds, err := strconv.Atoi(words[1])
		s.change(func() { s.building = builds })
		return err
	case len(words) == 3 && words[0] == "await":
		return s.await(gone, words[1], words[2])
	}
	return fmt.Errorf("unknown request %q", words)
}

func (s *supervisor) expect(lasts bool, words []string) error {
	next := mishap{kind: words[0], lasts: lasts}
	switch next.kind {
	case "refuse", "hang", "down", "vanish":
	case "wrong":
		if len(words) != 2 {
			return errors.New("wrong needs the folder of the wrong files")
		}
		next.folder = words[1]
	default:
		return fmt.Errorf("unknown mishap %q", next.kind)
	}
	s.change(func() { s.mishaps = append(s.mishaps, next) })
	return nil
}

func (s *supervisor) restart(gone context.Context) error {
	var mishap mishap
	s.change(func() {
		s.counts.Attempts++
		if len(s.mishaps) > 0 {
			if mishap = s.mishaps[0]; !mishap.lasts {
				s.mishaps = s.mishaps[1:]
			}
		}
	})
	switch mishap.kind {
	case "refuse":
		return errors.New("the daemon was not restarted, as asked")
	case "hang":
		select {
		case <-s.released:
		case <-gone.Done():
			s.change(func() { s.counts.Abandoned++ })
			return errors.New("nobody waits any more")
		}
	}
	s.restarting.Lock()
	defer s.restarting.Unlock()
	s.stop()
	daemon := s.daemon
	switch mishap.kind {
	case "down":
		return errors.New("the daemon did not start, as asked")
	case "vanish":
		return nil
	case "wrong":
		daemon.cert = filepath.Join(mishap.folder, "cert.pem")
		daemon.key = filepath.Join(mishap.folder, "key.pem")
		daemon.ca = filepath.Join(mishap.folder, "ca.pem")
	}
	if err := s.start(&daemon); err != nil {
		return err
	}
	s.change(func() { s.counts.Restarts++ })
	return nil
}

func (s *supervisor) start(daemon *daemon) error {
	running, err := daemon.start(s.address)
	if err != nil {
		return err
	}
	leaf := running.config.Certificates[0].Leaf
	s.change(func() {
		s.running = running
		s.serial = fmt.Sprintf("%x", leaf.SerialNumber.Bytes())
	})
	return nil
}

func (s *supervisor) stop() {
	s.change(func() {
		if s.running != nil {
			s.running.stop()
		}
		s.running, s.serial = nil, ""
	})
}

// await answers once that count is at least that number.
func (s *supervisor) await(gone context.Context, name, text string) error {
	least, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	woken := context.AfterFunc(gone, func() { s.change(func() {}) })
	defer woken()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for gone.Err() == nil {
		count, known := map[string]int{
			"attempts":    s.counts.Attempts,
			"restarts":    s.counts.Restarts,
			"abandoned":   s.counts.Abandoned,
			"information": s.counts.Information,
			"lists":       s.counts.Lists,
		}[name]
		if !known {
			return fmt.Errorf("unknown count %q", name)
		}
		if count >= least {
			return nil
		}
		s.changed.Wait()
	}
	return gone.Err()
}

func (s *supervisor) change(how func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	how()
	s.changed.Broadcast()
}

func (s *supervisor) judged(err error) {
	var untrusted *tls.CertificateVerificationError
	s.change(func() {
		switch {
		case err == nil:
			s.counts.Accepted++
		case errors.As(err, &untrusted), strings.Contains(err.Error(), "didn't provide a certificate"):
			s.counts.Refused++
			s.lastWord = err.Error()
		default:
			s.counts.Cut++
		}
	})
}

func (s *supervisor) idleness() (sessions, seconds int) {
	s.change(func() {
		s.counts.Information++
		sessions, seconds = s.idle.sessions, s.idle.seconds
	})
	return sessions, seconds
}

func (s *supervisor) builds() (builds int) {
	s.change(func() {
		s.counts.Lists++
		builds = s.building
	})
	return builds
}

func (s *supervisor) state() any {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return struct {
		counts
		Listening bool   `json:"listening"`
		Serial    string `json:"serial"`
		Refusal   string `json:"last_refusal"`
	}{s.counts, s.running != nil, s.serial, s.lastWord}
}

// restart is the command of a service's manager: it ends when the daemon listens again.
func restart(arguments []string) error {
	flags := newFlags("restart")
	control := flags.String("control", "", "")
	record := flags.String("record", "", "")
	flags.Parse(arguments)
	if *record != "" {
		heard, err := json.Marshal(map[string]any{"arguments": flags.Args(), "environment": os.Environ()})
		if err != nil {
			return err
		}
		if err := os.WriteFile(*record, heard, 0o600); err != nil {
			return err
		}
	}
	conn, err := net.Dial("unix", *control)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(conn, "restart")
	var answer struct{ Error string }
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		fmt.Fprintln(os.Stderr, answer.Error)
		return errRefused
	}
	return nil
}
