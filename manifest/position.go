package manifest

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Position returns the line and column, from 1, of the field with the path, in
// the form of Problem.Path: spec.ingress[0].source.selector. The place is that
// of the value if it is a scalar, else of the field's name. A field that does
// not exist is at its nearest parent that does.
func (d *Document) Position(path string) (line, column int) {
	return d.place(d.find(path).mark())
}

// place turns a node's place in its document into one in its file. YAML knows
// line breaks that editors do not count, so the line is kept inside the text.
func (d *Document) place(n *yaml.Node) (line, column int) {
	return d.source.first + min(max(n.Line, 1), len(d.source.lines)) - 1, max(n.Column, 1)
}

// found is where a path leads.
type found struct {
	node  *yaml.Node // the value
	key   *yaml.Node // its name, nil for the document and for items of lists
	exact bool       // the path leads there and not below
}

// mark is the node whose place is shown.
func (f found) mark() *yaml.Node {
	if f.key != nil && (f.node.Kind != yaml.ScalarNode || f.node.Value == "" && f.node.Style == 0) {
		return f.key
	}
	return f.node
}

func (d *Document) find(path string) found {
	at := found{node: d.node, exact: path == ""}
	for rest := path; rest != ""; {
		next, left := step(at.node, rest)
		if next.node == nil {
			return found{node: at.node, key: at.key}
		}
		at, rest = next, strings.TrimPrefix(left, ".")
		at.exact = rest == ""
	}
	return at
}

// step follows the first part of a path from n. Keys may contain dots, so the
// longest that fits is taken. A nil node means that the path ends here.
func step(n *yaml.Node, path string) (next found, rest string) {
	n = resolve(n)
	if index, after, ok := cutIndex(path); ok {
		if n.Kind != yaml.SequenceNode || index >= len(n.Content) {
			return found{}, ""
		}
		return found{node: resolve(n.Content[index])}, after
	}
	best := -1
	for i := range pairs(n) {
		key := n.Content[i].Value
		after, ok := strings.CutPrefix(path, key)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && len(key) > best {
			best = len(key)
			next, rest = found{node: resolve(n.Content[i+1]), key: n.Content[i]}, after
		}
	}
	return next, rest
}

// cutIndex reads "[3]" from the front of a path.
func cutIndex(path string) (index int, after string, ok bool) {
	if !strings.HasPrefix(path, "[") {
		return 0, "", false
	}
	digits, after, ok := strings.Cut(path[1:], "]")
	index, err := strconv.Atoi(digits)
	return index, after, ok && err == nil && index >= 0
}

// pairs iterates over the positions of the keys of a mapping.
func pairs(n *yaml.Node) func(func(int) bool) {
	return func(yield func(int) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(i) {
				return
			}
		}
	}
}

// resolve follows aliases. A chain of them cannot be longer than the depth.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// child returns the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := range pairs(n) {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

// text returns the scalar at a key of a mapping, or "".
func text(n *yaml.Node, key string) string {
	if c := child(n, key); c != nil && c.Kind == yaml.ScalarNode && c.ShortTag() != "!!null" {
		return c.Value
	}
	return ""
}

// Within returns the place of the byte at the offset of the text at the path.
// Where that cannot be told, because the text is folded over lines, it is the
// place of the text as a whole.
func (d *Document) Within(path string, offset int) (line, column int) {
	at := d.find(path)
	line, column = d.Position(path)
	n := at.node
	if !at.exact || n.Kind != yaml.ScalarNode || offset <= 0 || offset > len(n.Value) {
		if at.exact && n.Kind == yaml.ScalarNode && offset == 0 && quoted(n) {
			column++
		}
		return line, column
	}
	if n.Style&yaml.LiteralStyle != 0 {
		return d.withinLiteral(n, offset)
	}
	width, ok := written(d.source.after(n), n, offset)
	if !ok {
		return line, column
	}
	return line, column + width
}

func quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
}

// after returns the source from where the node begins to the end of its line.
func (s *source) after(n *yaml.Node) string {
	if n.Line < 1 || n.Line > len(s.lines) {
		return ""
	}
	line := s.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	return line
}

// written returns how many characters of the source the first bytes of the
// node's value take, opening quote included. It reports false if they are not
// all on this line or not written plainly.
func written(src string, n *yaml.Node, offset int) (width int, ok bool) {
	quote := byte(0)
	if quoted(n) && src != "" {
		quote, src, width = src[0], src[1:], 1
	}
	value := n.Value[:offset]
	for value != "" {
		if quote == '\'' && value[0] == '\'' { // written twice
			if !strings.HasPrefix(src, "''") {
				return 0, false
			}
			src, value, width = src[2:], value[1:], width+2
			continue
		}
		if quote == '"' && len(src) > 1 && src[0] == '\\' && (src[1] == '"' || src[1] == '\\') && src[1] == value[0] {
			src, value, width = src[2:], value[1:], width+2
			continue
		}
		r, size := utf8.DecodeRuneInString(value)
		if q, _ := utf8.DecodeRuneInString(src); q != r || src == "" {
			return 0, false
		}
		src, value, width = src[size:], value[size:], width+1
	}
	return width, true
}

// withinLiteral finds the offset in a block that keeps its lines.
func (d *Document) withinLiteral(n *yaml.Node, offset int) (line, column int) {
	before := n.Value[:offset]
	row := strings.Count(before, "\n")
	start := strings.LastIndex(before, "\n") + 1
	end := len(n.Value)
	if i := strings.Index(n.Value[start:], "\n"); i >= 0 {
		end = start + i
	}
	if at := n.Line + row; at < len(d.source.lines) {
		indent := strings.Index(d.source.lines[at], n.Value[start:end])
		if indent >= 0 {
			return d.source.first + at, indent + utf8.RuneCountInString(before[start:]) + 1
		}
	}
	return d.place(n)
}
