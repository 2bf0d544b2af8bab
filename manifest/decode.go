package manifest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/tierwall/tierwall/model"
)

// Decode decodes the document into a value, given as a pointer, by its JSON
// field names. What does not fit is left out and is a Problem: unknown-field,
// wrong-type, duplicate-key, too-large. The value then holds all the rest,
// with zero values in the place of list items that do not fit, so that indexes
// stay what they were.
func (d *Document) Decode(into any) []model.Problem {
	w := &walker{doc: d, name: d.Name(), budget: maxNodes}
	value, ok := w.value(d.node, reflect.TypeOf(into).Elem(), "", 0)
	if !ok {
		return w.problems
	}
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		w.report("wrong-type", "", d.node, err.Error(), "")
	}
	return w.problems
}

// walker turns YAML nodes into what encoding/json writes, held against the Go
// type that it is meant for.
type walker struct {
	doc      *Document
	name     string // the document's, looked up once
	budget   int    // of nodes
	full     bool
	problems []model.Problem
}

func (w *walker) report(code, path string, at *yaml.Node, message, hint string) {
	switch n := len(w.problems); {
	case n > maxProblems:
		return
	case n == maxProblems: // of the whole, since what is not listed could be anywhere
		code, path = "too-large", ""
		message, hint = fmt.Sprintf("more than %d problems in one object; the rest is not listed", maxProblems), "mend those that are listed first"
	}
	line, column := w.doc.place(at)
	w.problems = append(w.problems, model.Problem{
		Code: code, Object: w.name, Path: path, File: w.doc.File, Line: line, Column: column, Message: message, Hint: hint,
	})
}

// wrong reports a value of another type than the wanted one.
func (w *walker) wrong(path string, n *yaml.Node, want, hint string) {
	w.report("wrong-type", path, n, fmt.Sprintf("%s where %s is expected", describe(n), want), hint)
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value returns the node's value for a type, and false if it does not fit.
func (w *walker) value(n *yaml.Node, t reflect.Type, path string, depth int) (any, bool) {
	if w.budget--; w.budget <= 0 || depth > maxDepth {
		w.tooLarge(n)
		return nil, false
	}
	n = resolve(n)
	if n.ShortTag() == "!!null" {
		return nil, true
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return w.custom(n, t, path, depth)
	}
	switch t.Kind() {
	case reflect.Struct:
		return w.object(n, t, path, depth)
	case reflect.Map:
		return w.mapping(n, t.Elem(), path, depth)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return w.scalar(n, reflect.TypeFor[string](), path)
		}
		return w.list(n, t.Elem(), path, depth)
	case reflect.Interface:
		return w.free(n, path, depth)
	}
	return w.scalar(n, t, path)
}

// free is for fields that hold anything.
func (w *walker) free(n *yaml.Node, path string, depth int) (any, bool) {
	anything := reflect.TypeFor[any]()
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, anything, path, depth)
	case yaml.SequenceNode:
		return w.list(n, anything, path, depth)
	}
	return plain(n)
}

// custom is for types that read themselves.
func (w *walker) custom(n *yaml.Node, t reflect.Type, path string, depth int) (any, bool) {
	value, ok := w.free(n, path, depth)
	if !ok {
		w.wrong(path, n, "a value", "")
		return nil, false
	}
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, reflect.New(t).Interface())
	}
	if err != nil {
		w.report("wrong-type", path, n, strings.TrimPrefix(err.Error(), "json: "), "")
		return nil, false
	}
	return value, true
}

func (w *walker) list(n *yaml.Node, elem reflect.Type, path string, depth int) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		w.wrong(path, n, "a list", "begin each item with a dash, or write [a, b]")
		return nil, false
	}
	out := make([]any, len(n.Content))
	for i, item := range n.Content {
		value, ok := w.value(item, elem, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if !ok {
			value = nil
		}
		out[i] = value
	}
	return out, true
}

func (w *walker) mapping(n *yaml.Node, elem reflect.Type, path string, depth int) (any, bool) {
	if n.Kind != yaml.MappingNode {
		w.wrong(path, n, "an object", "write key: value")
		return nil, false
	}
	out := map[string]any{}
	w.entries(n, path, func(key, value *yaml.Node) {
		if v, ok := w.value(value, elem, join(path, key.Value), depth+1); ok {
			out[key.Value] = v
		}
	})
	return out, true
}

func (w *walker) object(n *yaml.Node, t reflect.Type, path string, depth int) (any, bool) {
	if n.Kind != yaml.MappingNode {
		w.wrong(path, n, "an object", "write key: value")
		return nil, false
	}
	known := w.doc.schema.fields(t)
	out := map[string]any{}
	w.entries(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		field, ok := known[key.Value]
		if !ok {
			w.report("unknown-field", at, key, fmt.Sprintf("unknown field %q", key.Value), fieldHint(key.Value, known))
			return
		}
		if v, ok := w.value(value, field, at, depth+1); ok {
			out[key.Value] = v
		}
	})
	return out, true
}

// entries calls f for each entry of a mapping, merged ones ("<<") included,
// each key once.
func (w *walker) entries(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	seen := map[string]*yaml.Node{}
	var merged []*yaml.Node
	for i := range pairs(n) {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		switch first := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			w.wrong(path, key, "a name", "write a word before the colon")
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
		case first != nil:
			line, _ := w.doc.place(first)
			w.report("duplicate-key", join(path, key.Value), key, fmt.Sprintf("%q is written twice, first in line %d", key.Value, line), "remove one of them")
		default:
			seen[key.Value] = key
			f(key, value)
		}
	}
	w.merge(merged, seen, f)
}

// merge adds the entries of merged mappings for keys that are not there yet.
func (w *walker) merge(from []*yaml.Node, seen map[string]*yaml.Node, f func(key, value *yaml.Node)) {
	for len(from) > 0 && w.budget > 0 {
		w.budget--
		n := resolve(from[0])
		from = from[1:]
		if n.Kind == yaml.SequenceNode {
			w.budget -= len(n.Content) + len(from) // are copied
			from = append(append([]*yaml.Node{}, n.Content...), from...)
			continue
		}
		w.budget -= len(n.Content)
		for i := range pairs(n) {
			key := n.Content[i]
			if key.ShortTag() == "!!merge" {
				from = append(from, n.Content[i+1])
			} else if seen[key.Value] == nil && key.Kind == yaml.ScalarNode {
				seen[key.Value] = key
				f(key, n.Content[i+1])
			}
		}
	}
	if w.budget <= 0 {
		w.tooLarge(w.doc.node)
	}
}

// tooLarge ends the walk. It is said once, and of the whole.
func (w *walker) tooLarge(at *yaml.Node) {
	if !w.full {
		w.report("too-large", "", at, "the object is too large or nested too deeply", "write it without aliases that contain each other")
	}
	w.full, w.budget = true, 0
}

// schema keeps the fields of the types that were met. It may be used by many
// goroutines; nil keeps nothing.
type schema struct{ known sync.Map } // reflect.Type to map[string]reflect.Type

func (s *schema) fields(t reflect.Type) map[string]reflect.Type {
	if s == nil {
		return fields(t)
	}
	if all, ok := s.known.Load(t); ok {
		return all.(map[string]reflect.Type)
	}
	all := fields(t)
	s.known.Store(t, all)
	return all
}

// fields returns the JSON names of a struct's fields with their types, those of
// embedded structs included.
func fields(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && (name == "" || strings.Contains(options, "inline")) {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			for k, v := range fields(inner) {
				all[k] = v
			}
			continue
		}
		if name != "" && name != "-" && f.IsExported() {
			all[name] = f.Type
		}
	}
	return all
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
