package manifest

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/model"
)

// Object is one API object, decoded.
type Object struct {
	// Value is a pointer to the API type, for instance *v3.NetworkPolicy. Its
	// namespace is filled in.
	Value metav1.Object
	Kind  Kind
	// Document is where it was read; nil for an object from a cluster.
	Document *Document
	// Problems are what was left out in decoding.
	Problems []model.Problem
}

// Name returns Kind/namespace/name, as Problems name objects.
func (o *Object) Name() string {
	return o.Kind.Name + "/" + o.Value.GetNamespace() + "/" + o.Value.GetName()
}

// Name returns Kind/namespace/name as far as the document tells, as Problems
// name objects; it is empty if there is not even a kind.
func (d *Document) Name() string {
	k, known := kindOf(d.APIVersion, d.Kind)
	kind := d.Kind
	if known {
		kind = k.Name
	}
	if kind == "" {
		return ""
	}
	namespace, name := "", ""
	if m := child(d.node, "metadata"); m != nil {
		namespace, name = text(m, "namespace"), text(m, "name")
	}
	if known && !k.Namespaced {
		namespace = ""
	} else if known && namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return kind + "/" + namespace + "/" + name
}

// Objects decodes the documents of the kinds that are read. Problems are those
// of documents that give no object (unknown-kind, name-missing, ...) and of
// objects that are there twice, of which the last one counts, as it does when
// they are applied one after the other. What was wrong inside an object is in
// Object.Problems; State returns it with the rest.
func Objects(docs []*Document) ([]*Object, []model.Problem) {
	var objects []*Object
	var problems []model.Problem
	for _, d := range docs {
		o, p := d.object()
		problems = append(problems, p...)
		if o != nil {
			objects = append(objects, o)
		}
	}
	return unique(objects, problems)
}

func (d *Document) object() (*Object, []model.Problem) {
	kind, ok := kindOf(d.APIVersion, d.Kind)
	if !ok {
		code, message, hint := unread(d.APIVersion, d.Kind)
		if message == "" {
			return nil, nil
		}
		path := "kind"
		if code == "legacy-api-version" {
			path = "apiVersion"
		}
		return nil, []model.Problem{d.problem(code, path, message, hint)}
	}
	o := &Object{Value: kind.New(), Kind: kind, Document: d}
	o.Problems = d.Decode(o.Value)
	if o.Value.GetName() == "" {
		return nil, append(o.Problems, d.problem("name-missing", "metadata.name", "the object has no name", "write metadata.name"))
	}
	switch ns := o.Value.GetNamespace(); {
	case !kind.Namespaced && ns != "":
		o.Value.SetNamespace("")
		o.Problems = append(o.Problems, d.problem("namespace-forbidden", "metadata.namespace",
			kind.Kind+" is not in a namespace", "remove metadata.namespace; it is ignored"))
	case kind.Namespaced && ns == "":
		o.Value.SetNamespace(metav1.NamespaceDefault)
	}
	return o, nil
}

// unique keeps the last object of each name.
func unique(objects []*Object, problems []model.Problem) ([]*Object, []model.Problem) {
	last := map[string]*Object{}
	var kept []*Object
	for _, o := range objects {
		if first := last[o.Name()]; first != nil && o.Document != nil && first.Document != nil {
			line, _ := first.Document.Position("kind")
			problems = append(problems, o.Document.problem("duplicate-object", "metadata.name",
				fmt.Sprintf("the object is also at %s:%d", first.Document.File, line), "remove one; the last one counts"))
		}
		last[o.Name()] = o
	}
	for _, o := range objects {
		if last[o.Name()] == o {
			kept = append(kept, o)
		} else {
			problems = append(problems, o.Problems...)
		}
	}
	return kept, problems
}

// locate fills in where a problem of the object is.
func (o *Object) locate(p model.Problem) model.Problem {
	if o.Document == nil || p.Line > 0 {
		return p
	}
	p.File = o.Document.File
	p.Line, p.Column = o.Document.Within(p.Path, p.Offset)
	return p
}

// omitted reports whether the field at the path, or one above it, was left out
// in decoding: what is said of it then is only a consequence.
func (o *Object) omitted(path string) bool {
	return slices.ContainsFunc(o.Problems, func(p model.Problem) bool {
		return isStructural(p) && within(path, p.Path)
	})
}

// isStructural reports whether a problem is that something was left out.
func isStructural(p model.Problem) bool {
	switch p.Code {
	case "unknown-field", "wrong-type", "duplicate-key", "too-large":
		return true
	}
	return false
}

// within reports whether path is parent or a field below it.
func within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || parent == "" || rest[0] == '.' || rest[0] == '[')
}

// Locate fills in where problems of the objects are, as far as these come from
// files.
func Locate(objects []*Object, problems []model.Problem) []model.Problem {
	if len(problems) == 0 {
		return nil
	}
	byName := make(map[string]*Object, len(objects))
	for _, o := range objects {
		byName[o.Name()] = o
	}
	out := make([]model.Problem, len(problems))
	for i, p := range problems {
		if o := byName[p.Object]; o != nil {
			p = o.locate(p)
		}
		out[i] = p
	}
	return out
}
