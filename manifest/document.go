package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tierwall/tierwall/model"
)

// Document is one YAML or JSON document, or one item of a List, not decoded
// yet. It is not changed after it was made.
type Document struct {
	// APIVersion and Kind are as written; an item of a typed list has those
	// that its list implies. Empty means that they are not there.
	APIVersion, Kind string
	// File is the file as it was named.
	File string
	// Index counts the documents of the file from 0; items of a List have that
	// of their list.
	Index int

	source *source
	node   *yaml.Node
	schema *schema // shared by what is read together
}

// source is one document's text, for finding places in it.
type source struct {
	// lines are those of the document; first is the number of the first one in
	// its file, from 1.
	lines []string
	first int
}

// limits of what is read, against texts that are made to exhaust memory.
const (
	maxDepth = 200
	maxNodes = 1_000_000
	// maxProblems is how many are listed of what does not fit in one object.
	maxProblems = 1000
)

// Parse splits a text into documents. Each document that is no YAML gives a
// Problem of code yaml-syntax and does not keep the others from being read.
// Empty documents are skipped. The items of lists are documents of their own.
func Parse(file string, data []byte) ([]*Document, []model.Problem) {
	var docs []*Document
	var problems []model.Problem
	types := &schema{}
	for i, s := range split(data) {
		d := &Document{File: file, Index: i, source: s, schema: types}
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(strings.Join(s.lines, "\n")), &root); err != nil {
			problems = append(problems, syntaxProblem(d, err))
			continue
		}
		if len(root.Content) == 0 || root.Content[0].ShortTag() == "!!null" {
			continue
		}
		d.node = resolve(root.Content[0])
		if d.node.Kind != yaml.MappingNode {
			line, column := d.place(d.node)
			problems = append(problems, model.Problem{
				Code: "yaml-object", File: file, Line: line, Column: column,
				Message: "the document is not an object", Hint: "write apiVersion, kind and metadata",
			})
			continue
		}
		d.APIVersion, d.Kind = text(d.node, "apiVersion"), text(d.node, "kind")
		found, p := d.expand(0)
		docs = append(docs, found...)
		problems = append(problems, p...)
	}
	return docs, problems
}

// split cuts a text at the lines that begin a document.
func split(data []byte) []*source {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var all []*source
	current := &source{first: 1}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "---" || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "---\t") {
			all = append(all, current)
			current = &source{first: i + 1}
			line = "   " + line[3:] // what follows is the document's
		} else if line == "..." {
			all = append(all, current)
			current = &source{first: i + 1}
			line = ""
		}
		current.lines = append(current.lines, line)
	}
	all = append(all, current)
	kept := all[:0]
	for _, s := range all {
		if !s.blank() {
			kept = append(kept, s)
		}
	}
	return kept
}

// blank reports whether there is nothing but comments and directives.
func (s *source) blank() bool {
	for _, l := range s.lines {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' && l[0] != '%' {
			return false
		}
	}
	return true
}

// expand returns the items of a list kind, or the document itself.
func (d *Document) expand(depth int) ([]*Document, []model.Problem) {
	kind, isList := strings.CutSuffix(d.Kind, "List")
	items := child(d.node, "items")
	if !isList || items == nil || items.Kind != yaml.SequenceNode {
		return []*Document{d}, nil
	}
	if depth > 3 {
		return nil, []model.Problem{d.problem("yaml-object", "items", "lists are nested too deeply", "write the objects side by side")}
	}
	var docs []*Document
	var problems []model.Problem
	for i, n := range items.Content {
		item := &Document{File: d.File, Index: d.Index, source: d.source, schema: d.schema, node: resolve(n)}
		if item.node.Kind != yaml.MappingNode {
			problems = append(problems, d.problem("yaml-object", fmt.Sprintf("items[%d]", i), "the item is not an object", "write apiVersion, kind and metadata"))
			continue
		}
		item.APIVersion, item.Kind = text(item.node, "apiVersion"), text(item.node, "kind")
		if kind != "" && item.Kind == "" {
			item.APIVersion, item.Kind = d.APIVersion, kind
		}
		found, p := item.expand(depth + 1)
		docs = append(docs, found...)
		problems = append(problems, p...)
	}
	return docs, problems
}

// Items returns the elements of the list at the path as documents of their
// own, those of list kinds expanded. It returns nil if there is no list.
func (d *Document) Items(path string) ([]*Document, []model.Problem) {
	at := d.find(path)
	if !at.exact || at.node.Kind != yaml.SequenceNode {
		return nil, nil
	}
	list := &Document{Kind: "List", File: d.File, Index: d.Index, source: d.source, schema: d.schema}
	list.node = &yaml.Node{Kind: yaml.MappingNode, Line: at.node.Line, Column: at.node.Column,
		Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "items"}, at.node}}
	return list.expand(0)
}

// problem makes a Problem at a path of the document.
func (d *Document) problem(code, path, message, hint string) model.Problem {
	line, column := d.Position(path)
	return model.Problem{Code: code, Object: d.Name(), Path: path, File: d.File, Line: line, Column: column, Message: message, Hint: hint}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\n\s*)?(?:line (\d+): )?`)

// syntaxProblem turns the parser's error into a Problem.
func syntaxProblem(d *Document, err error) model.Problem {
	message := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	hint := "mend the indentation and the quotes around this line"
	switch {
	case strings.Contains(message, "cannot start any token"):
		hint = "indent with spaces, not tabs, and quote values that begin with @, ` or %"
	case strings.Contains(message, "mapping values are not allowed"):
		hint = "quote a value that contains a colon followed by a space, or mend the indentation"
	case strings.Contains(message, "unexpected end of stream"):
		hint = "close the quote that is open at the end"
	case strings.Contains(message, "unknown anchor"):
		hint = "define the anchor with & before it is used, or quote the value if it begins with *"
	case strings.Contains(message, "UTF-8"):
		hint = "save the file as UTF-8 text"
	}
	line = min(max(line, 1), len(d.source.lines))
	return model.Problem{Code: "yaml-syntax", File: d.File, Line: d.source.first + line - 1, Column: 1, Message: message, Hint: hint}
}
