package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalar returns the node's value for a string, a boolean or a number.
func (w *walker) scalar(n *yaml.Node, t reflect.Type, path string) (any, bool) {
	kind := t.Kind()
	switch kind {
	case reflect.String:
		if n.Kind == yaml.ScalarNode && isText(n) {
			return n.Value, true
		}
		hint := "write one value"
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("put it in quotes: %q", n.Value)
		}
		w.wrong(path, n, "text", hint)
		return nil, false
	case reflect.Bool:
		if b, ok := boolean(n); ok {
			return b, true
		}
		w.wrong(path, n, "true or false", "")
		return nil, false
	}
	value, ok := plain(n)
	if ok && fits(value, t) {
		return value, true
	}
	want := "a number"
	switch kind {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		want = "a whole number"
	}
	hint := "write " + want
	switch number, isNumber := value.(float64); {
	case isNumber && (math.IsNaN(number) || math.IsInf(number, 0)):
		want, hint = "a finite number", "write a number, or leave the field out"
	case n.Kind == yaml.ScalarNode && quoted(n):
		hint = "write it without quotes"
	}
	w.wrong(path, n, want, hint)
	return nil, false
}

// fits reports whether a number can be held by the type.
func fits(value any, t reflect.Type) bool {
	switch value.(type) {
	case int, int64, uint64, float64:
	default:
		return false
	}
	data, err := json.Marshal(value)
	return err == nil && json.Unmarshal(data, reflect.New(t).Interface()) == nil
}

// isText reports whether a scalar is text to everyone: kubectl reads YAML 1.1,
// to which yes, no, on and off are booleans.
func isText(n *yaml.Node) bool {
	switch n.ShortTag() {
	case "!!str":
		_, isBool := boolean(n)
		return !isBool
	case "!!timestamp", "!!binary", "!!merge":
		return true
	}
	return false
}

// boolean reads the booleans of YAML 1.1.
func boolean(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || quoted(n) || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false, false
	}
	if tag := n.ShortTag(); tag != "!!bool" && (tag != "!!str" || n.Style&yaml.TaggedStyle != 0) {
		return false, false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// plain returns a scalar's value by its own type, and false for what JSON
// cannot say.
func plain(n *yaml.Node) (any, bool) {
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	if b, ok := boolean(n); ok {
		return b, true
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, false
		}
		f, isFloat := v.(float64)
		return v, !isFloat || !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return n.Value, true
}

// describe says what a node is, for a message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	value := n.Value
	if r := []rune(value); len(r) > 40 {
		value = string(r[:40]) + "..."
	}
	if _, ok := boolean(n); ok {
		return "the boolean " + value
	}
	switch strings.TrimPrefix(n.ShortTag(), "!!") {
	case "int", "float":
		return "the number " + value
	}
	return fmt.Sprintf("the text %q", value)
}
