// Config-peer judges edits of Earthly's config.yml with the parser that Earthly reads it with.
//
// Standard input is a row of cases. Each is three parts: the file before, the file after, and the
// values wanted as a JSON object of keys of global. A part is its length, as four bytes, highest
// first, and then that many bytes; the length 0xffffffff says that there is no such file, since
// the edit was refused. For each case one JSON object is printed on a line of its own:
//
//	before      why the file before is refused; empty if it is read
//	after       why the file after is refused
//	difference  where the file after says anything but what the file before said and what is wanted
//	forms       forms of the file before that an editor of lines may decline
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

type verdict struct {
	Before     string   `json:"before"`
	After      string   `json:"after"`
	Difference string   `json:"difference"`
	Forms      []string `json:"forms"`
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	answers := json.NewEncoder(output)
	for {
		before, err := part(input)
		if errors.Is(err, io.EOF) {
			return
		}
		after, afterError := part(input)
		wanted, wantedError := part(input)
		if err := errors.Join(err, afterError, wantedError); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := answers.Encode(judged(before, after, wanted)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}

// part reads one part of a case; nil stands for a file that is not there.
func part(input io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(input, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length == 0xffffffff {
		return nil, nil
	}
	bytes := make([]byte, length)
	_, err := io.ReadFull(input, bytes)
	return bytes, err
}

func judged(before, after, wanted []byte) verdict {
	result := verdict{Forms: []string{}}
	old, err := read(before)
	if err != nil {
		result.Before = err.Error()
		return result
	}
	result.Forms = forms(before, old.root)
	if after == nil {
		return result
	}
	edited, err := read(after)
	if err != nil {
		result.After = err.Error()
		return result
	}
	var values map[string]string
	if err := json.Unmarshal(wanted, &values); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	result.Difference = difference(old, edited, values)
	return result
}
