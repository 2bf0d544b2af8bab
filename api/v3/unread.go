package v3

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// unmarshalSettings reads an object of settings into known, a pointer to a
// struct without methods, and returns the fields that the struct does not have,
// nil if there are none: manifests for other systems have them.
func unmarshalSettings(data []byte, known any) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	for _, name := range fieldNames(reflect.TypeOf(known).Elem()) {
		delete(all, name)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// marshalSettings writes the fields of known, a struct without methods, and
// beside them those that it does not have.
func marshalSettings(known any, unread map[string]json.RawMessage) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(unread) == 0 {
		return data, err
	}
	all := maps.Clone(unread)
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return json.Marshal(all)
}

// fieldNames returns the names under which the fields of a struct are written,
// in the order of the fields.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}
