package main

import (
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
)

// The keys that are edited.
var edited = []string{
	"buildkit_host", "tls_enabled", "tlsca", "tlscert", "tlskey", "buildkitd_tlscert", "buildkitd_tlskey",
}

// forms names the forms of a file that an editor of lines may decline, as the nodes show them.
func forms(bytes []byte, root *yaml.Node) []string {
	found := []string{}
	text := strings.TrimPrefix(decoded(bytes), "\ufeff")
	breaks := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	lines := strings.Split(breaks.Replace(text)+"\n", "\n")
	if hasTextBehind(lines, root) {
		found = append(found, "text behind the document")
	}
	if hasBrokenDocument(text) {
		found = append(found, "a later document is broken")
	}
	if colonInBraces.MatchString(text) {
		found = append(found, "a colon before a comma or brace")
	}
	if strings.Contains(text, "\ufeff") {
		found = append(found, "a byte order mark within")
	}
	if questionMark.MatchString(text) {
		found = append(found, "a question mark and braces")
	}
	if hasOwnAlias(root, nil) {
		found = append(found, "an alias of what it stands in")
	}
	if longNumber.MatchString(text) {
		found = append(found, "a number of more than 64 bits")
	}
	if closeQuote.MatchString(text) {
		found = append(found, "a quote beside a colon or comment")
	}
	if oddLineBreak.MatchString(text) {
		found = append(found, "an odd line break")
	}
	if tabBeforeComment.MatchString(text) {
		found = append(found, "a tab before a comment")
	}
	if tabBeforeEnd.MatchString(text) {
		found = append(found, "a tab before a closing brace")
	}
	if root == nil {
		return found
	}
	if text := behind(root, lines); strings.HasPrefix(text, "!") || strings.HasPrefix(text, "&") {
		found = append(found, "the root has a tag or an anchor")
	}
	if hasStrictTag(root, lines) || tagWithBrackets.MatchString(text) {
		found = append(found, "a tag that is read otherwise")
	}
	if hasTwins(root) {
		found = append(found, "a key twice where Earthly does not look")
	}
	if root.Style&yaml.FlowStyle == 0 && closedAtMargin.MatchString(text) {
		found = append(found, "a value to the margin")
	}
	if root.Kind != yaml.MappingNode {
		return found
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if isOdd(key, lines) {
			found = append(found, "an odd key of the root")
		}
		if isFarMultiline(value, lines) {
			found = append(found, "a value to the margin")
		}
		if key.ShortTag() == "!!merge" {
			found = append(found, "the root has a merge")
		}
		if key.Value != "global" {
			continue
		}
		if value.Style&yaml.FlowStyle != 0 && value.Line != key.Line {
			found = append(found, "braces of global on another line")
		}
		if value.Kind == yaml.ScalarNode && value.Value != "" && value.Line != key.Line {
			found = append(found, "a null of global on another line")
		}
		if strings.HasPrefix(behind(value, lines), "!") {
			found = append(found, "global has a tag")
		}
		if value.Kind == yaml.AliasNode {
			found = append(found, "global is an alias")
		}
		if value.Anchor != "" {
			found = append(found, "global has an anchor")
		}
		for j := 0; value.Kind == yaml.MappingNode && j < len(value.Content); j += 2 {
			key, value := value.Content[j], value.Content[j+1]
			if isOdd(key, lines) {
				found = append(found, "an odd key of global")
			}
			if contains(edited, key.Value) {
				found = append(found, formsOfValue(key, value, lines)...)
			}
		}
	}
	return found
}

func formsOfValue(key, value *yaml.Node, lines []string) []string {
	found := []string{}
	switch {
	case value.Kind == yaml.AliasNode:
		found = append(found, "a value is an alias")
	case value.Anchor != "":
		found = append(found, "a value has an anchor")
	case strings.HasPrefix(behind(value, lines), "!"):
		found = append(found, "a value has a tag")
	case value.Value == "" && isLone(key, lines):
		found = append(found, "a key without a colon")
	case value.Kind != yaml.ScalarNode:
		found = append(found, "a value is no scalar")
	case value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		found = append(found, "a value is a block scalar")
	case value.Line != key.Line && value.Value != "", !endsInItsLine(value, lines):
		found = append(found, "a value over several lines")
	}
	return found
}

// isOdd tells keys that are no plain or simply quoted word: `? key`, tags, anchors, escapes.
func isOdd(key *yaml.Node, lines []string) bool {
	text := behind(key, lines)
	before := ""
	if key.Line >= 1 && key.Line <= len(lines) {
		before = strings.TrimSuffix(lines[key.Line-1], text)
	}
	isExplicit := strings.HasSuffix(strings.TrimRight(before, " \t"), "?")
	isEscaped := key.Style&yaml.DoubleQuotedStyle != 0 && strings.Contains(text[:closing(text)], "\\")
	isMarked := key.Kind != yaml.ScalarNode || key.Anchor != "" || strings.HasPrefix(text, "!")
	return isExplicit || isEscaped || isMarked || !endsInItsLine(key, lines)
}

// endsInItsLine tells whether a scalar ends in the line that it begins in.
func endsInItsLine(node *yaml.Node, lines []string) bool {
	text := behind(node, lines)
	if text == "" {
		return node.Value == ""
	}
	if text[0] == '\'' || text[0] == '"' {
		return closing(text) > 0
	}
	if text[0] == '!' || text[0] == '&' {
		return true
	}
	return strings.HasPrefix(text, node.Value)
}

// isFarMultiline tells a quoted or plain scalar some of whose lines begin at the margin.
func isFarMultiline(node *yaml.Node, lines []string) bool {
	for _, child := range node.Content {
		if isFarMultiline(child, lines) {
			return true
		}
	}
	if node.Style&yaml.FlowStyle != 0 {
		for _, child := range node.Content {
			if child.Column == 1 {
				return true
			}
		}
	}
	if node.Kind == yaml.ScalarNode && node.Column == 1 && strings.HasPrefix(behind(node, lines), "|") {
		return true
	}
	if node.Kind != yaml.ScalarNode || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false
	}
	isQuoted := node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	return !endsInItsLine(node, lines) && (isQuoted || isAtMargin(lines[node.Line:]))
}

// isLone tells a key without a colon, as it may stand in braces.
func isLone(key *yaml.Node, lines []string) bool {
	text := behind(key, lines)
	end := len(key.Value)
	if text != "" && (text[0] == '\'' || text[0] == '"') {
		end = closing(text)
	}
	return end <= len(text) && !strings.HasPrefix(strings.TrimSpace(text[end:]), ":")
}

// isAtMargin tells whether the first of these lines that is not blank begins without a blank.
func isAtMargin(lines []string) bool {
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			return !strings.HasPrefix(line, " ")
		}
	}
	return false
}

// decoded is a file's text as yaml.v3 reads it: of UTF-16, if its byte order mark says so.
func decoded(bytes []byte) string {
	if len(bytes) < 2 {
		return string(bytes)
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes[0] == 0xfe && bytes[1] == 0xff:
		order = binary.BigEndian
	case bytes[0] == 0xff && bytes[1] == 0xfe:
	default:
		return string(bytes)
	}
	units := make([]uint16, 0, len(bytes)/2)
	for at := 2; at+1 < len(bytes); at += 2 {
		units = append(units, order.Uint16(bytes[at:]))
	}
	return string(utf16.Decode(units))
}

// behind is the rest of a node's line, from its column on.
func behind(node *yaml.Node, lines []string) string {
	if node.Line < 1 || node.Line > len(lines) {
		return ""
	}
	line := []rune(lines[node.Line-1])
	if node.Column-1 > len(line) {
		return ""
	}
	return string(line[node.Column-1:])
}

// closing is the offset behind the quote that closes the one at the start, or 0.
func closing(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] == text[0] && text[0] == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return 0
}

var (
	colonInBraces    = regexp.MustCompile(`:[,\[\]{}]`)
	oddLineBreak     = regexp.MustCompile("\r[^\n]|\r$|\u0085|\u2028|\u2029")
	tabBeforeComment = regexp.MustCompile(`(?m)^ *:? *\t\s*#`)
	tabBeforeEnd = regexp.MustCompile(`(?m)^ *\t[ \t]*[}\]]`)
	longNumber       = regexp.MustCompile(`\d{19}`)
	closeQuote       = regexp.MustCompile(`\w:["']|\w ["']|["'}\]]#`)
	tagWithBrackets  = regexp.MustCompile(`!\S*[\[\]{}]`)
	closedAtMargin   = regexp.MustCompile(`(?m)^[}\]]`)
	questionMark     = regexp.MustCompile(`\?`)
)

// hasTextBehind tells whether something stands behind the first document without a marker.
func hasTextBehind(lines []string, root *yaml.Node) bool {
	end := 0
	for root != nil && end < len(lines) {
		isMarker := strings.HasPrefix(lines[end], "---") || strings.HasPrefix(lines[end], "...")
		if isMarker && end >= root.Line {
			break
		}
		end++
	}
	decoder := yaml.NewDecoder(strings.NewReader(strings.Join(lines[:end], "\n")))
	var document yaml.Node
	return decoder.Decode(&document) == nil && decoder.Decode(&document) != io.EOF
}

// hasBrokenDocument tells whether a document behind the first one cannot be read.
func hasBrokenDocument(text string) bool {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return err != io.EOF
		}
	}
}

// hasOwnAlias tells an alias of a node that it stands in.
func hasOwnAlias(node *yaml.Node, around []*yaml.Node) bool {
	if node == nil {
		return false
	}
	for _, one := range around {
		if node.Kind == yaml.AliasNode && node.Alias == one {
			return true
		}
	}
	for _, child := range node.Content {
		if hasOwnAlias(child, append(around, node)) {
			return true
		}
	}
	return false
}

// hasStrictTag tells tags of types whose spellings differ between parsers.
func hasStrictTag(node *yaml.Node, lines []string) bool {
	text := behind(node, lines)
	for _, tag := range []string{"!!null", "!!bool", "!!int", "!!float"} {
		if strings.HasPrefix(text, tag) {
			return true
		}
	}
	for _, child := range node.Content {
		if hasStrictTag(child, lines) {
			return true
		}
	}
	return false
}

// hasTwins tells whether a key stands twice in a mapping.
func hasTwins(node *yaml.Node) bool {
	seen := map[string]bool{}
	for i, child := range node.Content {
		if hasTwins(child) {
			return true
		}
		if node.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode {
			if seen[child.Value] {
				return true
			}
			seen[child.Value] = true
		}
	}
	return false
}
