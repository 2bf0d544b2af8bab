package manifest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/internal/spelling"
)

// fieldHint guesses what an unknown field was meant to be: a field with a
// similar name, or one that belongs one level deeper. "" means no guess.
func fieldHint(name string, known map[string]reflect.Type) string {
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	var under []string
	for _, parent := range slices.Sorted(maps.Keys(known)) {
		t := known[parent]
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if _, ok := fields(t)[name]; ok && parent != "status" {
			under = append(under, parent)
		}
	}
	if len(under) > 0 && len(under) <= 3 {
		return fmt.Sprintf("write %s under %s", name, strings.Join(under, " or "))
	}
	if len(known) > 0 && len(known) <= 12 {
		return "the fields here are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	}
	return ""
}
