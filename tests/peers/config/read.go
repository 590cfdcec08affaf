package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// global has the keys of earthly's config.go, v0.8.16, that an edit sets or is refused for, with their types. What
// else a config says is kept byte by byte, whatever Earthly thinks of it.
type global struct {
	BuildkitHost     string `yaml:"buildkit_host"`
	TLSCA            string `yaml:"tlsca"`
	TLSCAKey         string `yaml:"tlsca_key"`
	TLSCert          string `yaml:"tlscert"`
	TLSKey           string `yaml:"tlskey"`
	BuildkitdTLSCert string `yaml:"buildkitd_tlscert"`
	BuildkitdTLSKey  string `yaml:"buildkitd_tlskey"`
	TLSEnabled       bool   `yaml:"tls_enabled"`
}

type config struct {
	Global global `yaml:"global"`
}

// file is what a file says: the values that Earthly takes, and every node of its first document.
type file struct {
	values config
	root   *yaml.Node
}

// read reads a file as Earthly does. The defaults differ from the zero values, so that a key that
// is set to nothing is told from one that is left out.
func read(bytes []byte) (result file, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("yaml.v3 panics: %v", panicked)
		}
	}()
	result.values.Global = global{
		TLSEnabled: true, TLSCA: "default", TLSCAKey: "default", TLSCert: "default",
		TLSKey: "default", BuildkitdTLSCert: "default", BuildkitdTLSKey: "default",
	}
	if err := yaml.Unmarshal(bytes, &result.values); err != nil {
		return result, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(bytes, &document); err != nil {
		return result, err
	}
	if len(document.Content) > 0 {
		result.root = document.Content[0]
	}
	return result, nil
}

// difference says where a file differs from the one before with the values wanted; empty if it
// does not.
func difference(before, after file, wanted map[string]string) string {
	expected := before.values
	set := map[string]*string{
		"buildkit_host": &expected.Global.BuildkitHost, "tlsca": &expected.Global.TLSCA,
		"tlscert": &expected.Global.TLSCert, "tlskey": &expected.Global.TLSKey,
		"buildkitd_tlscert": &expected.Global.BuildkitdTLSCert,
		"buildkitd_tlskey":  &expected.Global.BuildkitdTLSKey,
	}
	for key, field := range set {
		if value, isWanted := wanted[key]; isWanted {
			*field = value
		}
	}
	expected.Global.TLSEnabled = true
	if !reflect.DeepEqual(expected, after.values) {
		return fmt.Sprintf("values: expected %+v, found %+v", expected, after.values)
	}
	keys := append(make([]string, 0, len(set)+1), "tls_enabled")
	for key := range set {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	old, edited := outline(before.root, keys), outline(after.root, keys)
	if old != edited {
		return fmt.Sprintf("nodes: expected %s, found %s", old, edited)
	}
	return ""
}

// outline writes down every node of a document but those keys of its global, with tags, anchors
// and the names of aliases. A global that holds nothing else counts as none.
func outline(root *yaml.Node, without []string) string {
	var text strings.Builder
	if root != nil && root.Kind == yaml.MappingNode {
		fmt.Fprintf(&text, "&%s %s", root.Anchor, root.Tag)
		for i := 0; i < len(root.Content); i += 2 {
			key, value := root.Content[i], root.Content[i+1]
			if key.Value != "global" {
				write(&text, key)
				write(&text, value)
				continue
			}
			var inner strings.Builder
			for j := 0; value.Kind == yaml.MappingNode && j < len(value.Content); j += 2 {
				if !contains(without, value.Content[j].Value) {
					write(&inner, value.Content[j])
					write(&inner, value.Content[j+1])
				}
			}
			if inner.Len() > 0 || value.Anchor != "" {
				fmt.Fprintf(&text, "global &%s(%s)", value.Anchor, inner.String())
			}
		}
	} else if root != nil && root.ShortTag() != "!!null" {
		write(&text, root)
	}
	if written := text.String(); written != "& !!map" {
		return written
	}
	return ""
}

func write(text *strings.Builder, node *yaml.Node) {
	fmt.Fprintf(text, "%d &%s %s %q(", node.Kind, node.Anchor, node.ShortTag(), node.Value)
	for _, child := range node.Content {
		write(text, child)
	}
	text.WriteString(")")
}

func contains(words []string, word string) bool {
	for _, one := range words {
		if one == word {
			return true
		}
	}
	return false
}
