package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// hostile is a daemon that lets its clients in, and then wants their memory, their time or their
// terminal.
func hostile(arguments []string) error {
	var d daemon
	flags := newFlags("hostile")
	way := flags.String("way", "", "")
	d.options(flags)
	flags.Parse(arguments)
	if ways[*way] == nil {
		return fmt.Errorf("--way is one of %s", strings.Join(sortedWays(), ", "))
	}
	config, err := d.tlsConfig()
	if err != nil {
		return err
	}
	if *way == "many-certificates" {
		// As many as a record of a handshake may have at the most, and more.
		own := config.Certificates[0].Certificate
		for range 4000 {
			config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, own[0])
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening %s\n", listener.Addr())
	go endWithInput()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go turnOn(conn, *way, config)
	}
}

func turnOn(conn net.Conn, way string, config *tls.Config) {
	defer conn.Close()
	if attack, ok := ways[way].(func(net.Conn)); ok {
		attack(conn)
		return
	}
	secure := tls.Server(conn, config)
	if secure.Handshake() == nil {
		ways[way].(func(*tls.Conn))(secure)
	}
}

// ways are what is done before TLS, with a net.Conn, or once it is over, with a *tls.Conn. Each
// goes on until the client has enough.
var ways = map[string]any{
	"endless-garbage":       func(c net.Conn) { flood(c, []byte("\x00\x17garbage")) },
	"endless-line":          func(c net.Conn) { flood(c, []byte("HTTP/1.1 200 OK")) },
	"endless-records":       func(c net.Conn) { flood(c, record(22, make([]byte, 16000))) },
	"dripping-hello":        func(c net.Conn) { drip(c, record(22, make([]byte, 16000))) },
	"many-certificates":     func(c *tls.Conn) { settled(c); io.Copy(io.Discard, c) },
	"garbage":               func(c *tls.Conn) { flood(c, []byte("\xff\xfegarbage\x1b[2J")) },
	"dripping-settings":     func(c *tls.Conn) { drip(c, frame(4, 0, 0, make([]byte, 6*2000))) },
	"endless-settings":      func(c *tls.Conn) { flood(c, frame(4, 0, 0, nil)) },
	"endless-pings":         func(c *tls.Conn) { settled(c); flood(c, frame(6, 0, 0, make([]byte, 8))) },
	"endless-window":        func(c *tls.Conn) { settled(c); flood(c, frame(8, 0, 0, []byte{0, 0, 0, 1})) },
	"endless-unknown":       func(c *tls.Conn) { settled(c); flood(c, frame(99, 0, 0, make([]byte, 16384))) },
	"huge-frame":            func(c *tls.Conn) { settled(c); flood(c, frame(0, 0, 1, make([]byte, 1<<24-1))) },
	"huge-settings":         func(c *tls.Conn) { c.Write(frame(4, 0, 0, setting(5, 1<<24-1, 4, 1<<31-1))); io.Copy(io.Discard, c) },
	"no-window":             func(c *tls.Conn) { c.Write(frame(4, 0, 0, setting(4, 0))); io.Copy(io.Discard, c) },
	"no-streams":            func(c *tls.Conn) { c.Write(frame(4, 0, 0, setting(3, 0))); io.Copy(io.Discard, c) },
	"endless-headers":       func(c *tls.Conn) { asked(c); c.Write(frame(1, 0, 1, fields)); flood(c, frame(9, 0, 1, fields)) },
	"header-bomb":           func(c *tls.Conn) { asked(c); flood(c, headerBomb()) },
	"endless-trailers":      func(c *tls.Conn) { asked(c); c.Write(frame(1, 4, 1, ok200)); flood(c, frame(1, 4, 1, fields)) },
	"endless-informational": func(c *tls.Conn) { asked(c); flood(c, frame(1, 4, 1, []byte("\x08\x03103"))) },
	"endless-answer":        func(c *tls.Conn) { asked(c); c.Write(frame(1, 4, 1, ok200)); flood(c, frame(0, 0, 1, make([]byte, 16384))) },
	"dripping-answer":       func(c *tls.Conn) { asked(c); c.Write(frame(1, 4, 1, ok200)); dripFrames(c) },
	"long-message":          func(c *tls.Conn) { asked(c); c.Write(frame(1, 4, 1, ok200)); flood(c, frame(0, 0, 1, []byte("\x00\xff\xff\xff\xff"))) },
	"steering-message":      func(c *tls.Conn) { asked(c); c.Write(frame(1, 5, 1, steering())); io.Copy(io.Discard, c) },
	"pushes":                func(c *tls.Conn) { asked(c); flood(c, frame(5, 4, 1, append([]byte{0, 0, 0, 2}, ok200...))) },
	"resets":                func(c *tls.Conn) { asked(c); flood(c, frame(3, 0, 1, []byte{0, 0, 0, 8})) },
	"endless-goodbye":       func(c *tls.Conn) { asked(c); flood(c, frame(7, 0, 0, make([]byte, 16384))) },
}

func sortedWays() []string {
	names := make([]string, 0, len(ways))
	for name := range ways {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// settled sends SETTINGS, as a daemon does first; asked waits for the client's call too.
func settled(c *tls.Conn) { c.Write(frame(4, 0, 0, nil)) }

func asked(c *tls.Conn) {
	settled(c)
	io.ReadFull(c, make([]byte, len(preface)))
	header := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(append([]byte{0}, header[:3]...))))
		if header[3] == 1 {
			break
		}
	}
	// What it says from now on is read and forgotten, so that nobody waits for room.
	go io.Copy(io.Discard, c)
}

// flood writes the same for as long as somebody reads.
func flood(w io.Writer, octets []byte) {
	for _, err := w.Write(octets); err == nil; {
		_, err = w.Write(octets)
	}
}

// drip writes a byte at a time.
func drip(w io.Writer, octets []byte) {
	for _, one := range octets {
		if _, err := w.Write([]byte{one}); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func dripFrames(w io.Writer) {
	for {
		if _, err := w.Write(frame(0, 0, 1, []byte{0})); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// record is one of TLS (RFC 8446 section 5.1), frame one of HTTP/2 (RFC 9113 section 4.1).
func record(kind byte, body []byte) []byte {
	return concat([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body)
}

func frame(kind, flags byte, stream uint32, body []byte) []byte {
	length := len(body)
	head := []byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags}
	return concat(head, binary.BigEndian.AppendUint32(nil, stream), body)
}

func setting(pairs ...uint32) (body []byte) {
	for index := 0; index < len(pairs); index += 2 {
		body = binary.BigEndian.AppendUint16(body, uint16(pairs[index]))
		body = binary.BigEndian.AppendUint32(body, pairs[index+1])
	}
	return body
}

// ok200 is HPACK (RFC 7541) for ":status: 200", fields that and a field of 100 bytes, over and over.
var (
	ok200  = []byte{0x88}
	fields = slices.Repeat(concat([]byte("\x00\x01a\x64"), bytes.Repeat([]byte("x"), 100)), 150)
)

// headerBomb has one large field in the table, and refers to it thousands of times.
func headerBomb() []byte {
	large := concat([]byte("\x88\x40\x01a\x7f\xa1\x1e"), bytes.Repeat([]byte("x"), 4000))
	return frame(1, 4, 1, concat(large, slices.Repeat([]byte{0xbe}, 12000)))
}

// steering is a refusal whose words would clear a screen and turn the direction of writing.
func steering() []byte {
	words := "%1B[2J\u202egnorw\u2066%0Akitcert: proven"
	return concat(ok200, []byte("\x00\x0bgrpc-status\x017\x00\x0cgrpc-message"), []byte{byte(len(words))}, []byte(words))
}
