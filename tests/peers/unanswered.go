package main

import (
	"fmt"
	"net"
	"syscall"
)

// unanswered listens at an address without ever accepting, and fills its queue: the kernel lets
// every other connection wait, as a firewall that drops packets does.
func unanswered(arguments []string) error {
	flags := newFlags("unanswered")
	address := flags.String("addr", "127.0.0.1:0", "")
	flags.Parse(arguments)

	wanted, err := net.ResolveTCPAddr("tcp4", *address)
	if err != nil {
		return err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Port: wanted.Port, Addr: [4]byte(wanted.IP.To4())}); err != nil {
		return err
	}
	if err := syscall.Listen(socket, 0); err != nil {
		return err
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		return err
	}
	wanted.Port = bound.(*syscall.SockaddrInet4).Port
	filler, err := net.DialTCP("tcp4", nil, wanted)
	if err != nil {
		return err
	}
	defer filler.Close()
	fmt.Printf("listening %s\n", wanted)
	go endWithInput()
	select {}
}
