package analysis

import (
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// reach is a selector as people wrote it: where it looks, and by which labels. A
// translated selector says both in one, with labels that nobody writes (scope and
// inherited ones, semantics.md section 5).
type reach struct {
	// pods: it takes in pods only, as Kubernetes' own policies do.
	pods bool
	// where is "of namespace blue", "running as accounts with ..."; "" for
	// anywhere.
	where []string
	// labels is the rest of the selector; "" for none.
	labels string
}

func reachOf(s *selector.Selector) reach {
	var r reach
	var rest []string
	for _, part := range conjuncts(s.String()) {
		switch part {
		case "all()":
		case model.LabelOrchestrator + ` == "` + model.OrchestratorK8s + `"`:
			r.pods = true
		case "has(" + model.LabelNamespace + ")":
			r.where = append(r.where, "of any namespace")
		case "!has(" + model.LabelNamespace + ")":
			r.where = append(r.where, "of no namespace")
		default:
			if where := placeInWords(part); where != "" {
				r.where = append(r.where, where)
			} else {
				rest = append(rest, part)
			}
		}
	}
	r.labels = strings.Join(rest, " && ")
	return r
}

// placeInWords is empty for a condition on an object's own labels.
func placeInWords(part string) string {
	if names, ok := namesIn(part, model.LabelNamespace); ok {
		return counted("of namespace", names)
	}
	if names, ok := namesIn(part, model.PrefixNamespace+model.LabelName); ok {
		return counted("of namespace", names)
	}
	if names, ok := namesIn(part, model.LabelServiceAccount); ok {
		return counted("running as account", names)
	}
	if names, ok := namesIn(part, model.PrefixServiceAcct+model.LabelName); ok {
		return counted("running as account", names)
	}
	// a condition that names both kinds of labels is left as it is
	switch namespace, account := strings.Count(part, model.PrefixNamespace), strings.Count(part, model.PrefixServiceAcct); {
	case namespace == 1 && account == 0 && !strings.ContainsAny(part, "&|"):
		return "of namespaces with " + strings.Replace(part, model.PrefixNamespace, "", 1)
	case account == 1 && namespace == 0 && !strings.ContainsAny(part, "&|"):
		return "running as accounts with " + strings.Replace(part, model.PrefixServiceAcct, "", 1)
	}
	return ""
}

// namesIn reads `key == "a"` and `key in {"a", "b"}`.
func namesIn(part, key string) ([]string, bool) {
	if value, ok := strings.CutPrefix(part, key+" == "); ok {
		return []string{strings.Trim(value, `"'`)}, true
	}
	set, ok := strings.CutPrefix(part, key+" in {")
	if !ok {
		return nil, false
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(set, "}"), ", ") {
		names = append(names, strings.Trim(name, `"'`))
	}
	return names, true
}

func counted(noun string, names []string) string {
	if len(names) != 1 {
		noun += "s"
	}
	return noun + " " + strings.Join(names, ", ")
}

// conjuncts are the conditions of a canonical selector that all hold: its text
// split at each && that is in no parentheses and no string.
func conjuncts(text string) []string {
	if inner, ok := strings.CutPrefix(text, "("); ok && closes(inner) == len(inner)-1 {
		text = inner[:len(inner)-1]
	}
	var parts []string
	depth, quote, start := 0, byte(0), 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && strings.HasPrefix(text[i:], " || "):
			return []string{text} // alternatives are one condition
		case depth == 0 && strings.HasPrefix(text[i:], " && "):
			parts = append(parts, text[start:i])
			start = i + len(" && ")
			i = start - 1
		}
	}
	return append(parts, text[start:])
}

// closes is where the parenthesis ends that was opened before the text, or -1.
func closes(text string) int {
	depth, quote := 1, byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
