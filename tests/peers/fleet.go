package main

import (
	"errors"
	"fmt"
)

// fleet is many daemons in one process, on the loopback's addresses in turn; some are silent.
func fleet(arguments []string) error {
	var d daemon
	flags := newFlags("fleet")
	count := flags.Int("count", 1, "")
	silentEach := flags.Int("silent-each", 0, "")
	addresses := flags.Int("addresses", 1, "")
	d.options(flags)
	flags.Parse(arguments)
	if *count < 1 || *addresses < 1 || *addresses > 254 {
		return errors.New("--count is at least 1, and --addresses 1 to 254")
	}
	for number := range *count {
		one := d
		one.silent = *silentEach > 0 && number%*silentEach == *silentEach-1
		running, err := one.start(fmt.Sprintf("127.0.0.%d:0", 1+number%*addresses))
		if err != nil {
			return err
		}
		fmt.Printf("tcp://%s\n", running.listener.Addr())
	}
	fmt.Println("listening")
	go endWithInput()
	select {}
}
