// Package refusals is the table of what is refused: objects with the code, the
// field and the sentence of the Problem. It is held against the offline reader
// here and against a real API server in standalone/admissiontest.
package refusals

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed refusals.yaml
var text []byte

// Row is one object that is refused.
type Row struct {
	// Covers are lines of docs/semantics.md.
	Covers []string `yaml:"covers"`
	// Node is the object as it is written.
	Node yaml.Node `yaml:"object"`
	// Code, Path and Message are of the one Problem that refuses it.
	Code    string `yaml:"code"`
	Path    string `yaml:"path"`
	Message string `yaml:"message"`
	// Admission is part of what the API server says; empty for Message, "none"
	// for an object that cannot be sent to one.
	Admission string `yaml:"admission"`
}

// Rows returns the table.
func Rows() ([]Row, error) {
	var rows []Row
	if err := yaml.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("refusals.yaml: %w", err)
	}
	return rows, nil
}

// Text returns the object as a YAML document.
func (r *Row) Text() ([]byte, error) { return yaml.Marshal(&r.Node) }

// JSON returns the object as JSON; an error if JSON cannot say it.
func (r *Row) JSON() ([]byte, error) {
	var value any
	if err := r.Node.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// Says returns what the API server says, and false for an object that cannot be
// sent to one.
func (r *Row) Says() (string, bool) {
	if r.Admission != "" {
		return r.Admission, r.Admission != "none"
	}
	return r.Message, true
}
