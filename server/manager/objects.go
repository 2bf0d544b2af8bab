package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/server"
)

// writer is the name under which users' edits are kept in managedFields.
const writer = "tierwall-manager"

// client returns the user's client for a kind.
func client(s *session, kind, namespace string) (dynamic.ResourceInterface, *Problem) {
	k, ok := kindNamed(kind)
	if !ok {
		p := problem(http.StatusBadRequest, "invalid", fmt.Sprintf("%q is not a kind that is read and written here", kind))
		return nil, &p
	}
	r := s.objects.Resource(resourceOf(k))
	if !k.Namespaced {
		return r, nil
	}
	if namespace == "" {
		p := problem(http.StatusBadRequest, "invalid", kind+" is in a namespace: name it")
		return nil, &p
	}
	return r.Namespace(namespace), nil
}

// get reads one object with the user's credentials.
func (m *Manager) get(ctx context.Context, s *session, kind, namespace, name string) (*StoredObject, *Problem) {
	c, p := client(s, kind, namespace)
	if p != nil {
		return nil, p
	}
	u, err := c.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		p := m.problemOf(err)
		return nil, &p
	}
	out, err := stored(kind, u)
	if err != nil {
		p := m.problemOf(err)
		return nil, &p
	}
	return out, nil
}

// stored is an object as users write it.
func stored(kind string, u *unstructured.Unstructured) (*StoredObject, error) {
	version := u.GetResourceVersion()
	clean := u.DeepCopy()
	delete(clean.Object, "status")
	for _, field := range []string{"managedFields", "uid", "creationTimestamp", "generation", "resourceVersion", "selfLink"} {
		unstructured.RemoveNestedField(clean.Object, "metadata", field)
	}
	data, err := yaml.Marshal(clean.Object)
	if err != nil {
		return nil, err
	}
	return &StoredObject{Kind: kind, Namespace: text(u.GetNamespace()), Name: u.GetName(), ResourceVersion: version, Yaml: string(data)}, nil
}

// failWith tells a problem, and ends the session if it has ended elsewhere.
func (m *Manager) failWith(w http.ResponseWriter, r *http.Request, p Problem) {
	if p.Status == http.StatusUnauthorized {
		m.sessions.dropSession(sessionIn(r))
	}
	fail(w, p)
}

// GetObject implements ServerInterface.
func (m *Manager) GetObject(w http.ResponseWriter, r *http.Request, params GetObjectParams) {
	out, p := m.get(r.Context(), sessionIn(r), params.Kind, some(params.Namespace), params.Name)
	if p != nil {
		m.failWith(w, r, *p)
		return
	}
	answer(w, out)
}

// write is a request to create or replace an object, read.
type write struct {
	kind   manifest.Kind
	object *unstructured.Unstructured
	client dynamic.ResourceInterface
	dryRun []string
	draft  drafted
}

// readWrite reads a write; it answers and returns nil if it is none. What the
// API server would not say with lines is said here before it is asked; the last
// word is the API server's.
func (m *Manager) readWrite(w http.ResponseWriter, r *http.Request) *write {
	var in Write
	if !read(w, r, &in) {
		return nil
	}
	d := readDraft(in.Yaml)
	p := refusal(d.toldProblems())
	if d.object == nil || p.Problems != nil {
		fail(w, p)
		return nil
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(in.Yaml), &u.Object); err != nil {
		fail(w, problem(http.StatusUnprocessableEntity, "refused", err.Error()))
		return nil
	}
	u.SetNamespace(d.object.Value.GetNamespace())
	if v := some(in.ResourceVersion); v != "" {
		u.SetResourceVersion(v)
	}
	c, no := client(sessionIn(r), d.object.Kind.Name, u.GetNamespace())
	if no != nil {
		fail(w, *no)
		return nil
	}
	out := &write{kind: d.object.Kind, object: u, client: c, draft: d}
	if some(in.DryRun) {
		out.dryRun = []string{metav1.DryRunAll}
	}
	return out
}

// toldProblems are the problems for which an object is refused.
func (d drafted) toldProblems() []FieldProblem {
	var all []FieldProblem
	for _, p := range d.problems {
		if server.Refuses(p) {
			all = append(all, told(p))
		}
	}
	return all
}

func refusal(all []FieldProblem) Problem {
	p := problem(http.StatusUnprocessableEntity, "refused", "the text is not one object of a kind that is read here")
	if len(all) > 0 {
		p.Detail = all[0].Message
		if len(all) > 1 {
			p.Detail = fmt.Sprintf("%d problems; the first: %s", len(all), all[0].Message)
		}
		p.Problems = &all
	}
	return p
}

// CreateObject implements ServerInterface.
func (m *Manager) CreateObject(w http.ResponseWriter, r *http.Request, _ CreateObjectParams) {
	in := m.readWrite(w, r)
	if in == nil {
		return
	}
	in.object.SetResourceVersion("")
	u, err := in.client.Create(r.Context(), in.object, metav1.CreateOptions{DryRun: in.dryRun, FieldManager: writer, FieldValidation: metav1.FieldValidationStrict})
	m.wrote(w, r, in, u, err)
}

// UpdateObject implements ServerInterface.
func (m *Manager) UpdateObject(w http.ResponseWriter, r *http.Request, _ UpdateObjectParams) {
	in := m.readWrite(w, r)
	if in == nil {
		return
	}
	o := metav1.UpdateOptions{DryRun: in.dryRun, FieldManager: writer, FieldValidation: metav1.FieldValidationStrict}
	if in.object.GetResourceVersion() != "" {
		u, err := in.client.Update(r.Context(), in.object, o)
		m.wrote(w, r, in, u, err)
		return
	}
	u, err := m.overwrite(r.Context(), in, o)
	m.wrote(w, r, in, u, err)
}

// overwrite replaces whatever is there; again if somebody else, such as whoever
// writes its status, comes in between.
func (m *Manager) overwrite(ctx context.Context, in *write, o metav1.UpdateOptions) (u *unstructured.Unstructured, err error) {
	for range 5 {
		now, getErr := in.client.Get(ctx, in.object.GetName(), metav1.GetOptions{})
		if getErr != nil {
			return nil, getErr
		}
		in.object.SetResourceVersion(now.GetResourceVersion())
		if u, err = in.client.Update(ctx, in.object, o); !apierrors.IsConflict(err) {
			return u, err
		}
	}
	return u, err
}

// wrote answers a write.
func (m *Manager) wrote(w http.ResponseWriter, r *http.Request, in *write, u *unstructured.Unstructured, err error) {
	if err == nil {
		out, err := stored(in.kind.Name, u)
		if err != nil {
			m.fail(w, sessionIn(r), err)
			return
		}
		var warnings []string
		for _, p := range in.draft.problems {
			warnings = append(warnings, p.String())
		}
		if warnings != nil {
			out.Warnings = &warnings
		}
		answer(w, out)
		return
	}
	p := m.problemOf(err)
	if found := causes(err, in.draft.object.Name()); len(found) > 0 {
		for i := range found {
			if path := some(found[i].Path); path != "" {
				line, column := in.draft.object.Document.Position(path)
				found[i].Line, found[i].Column = number(line), number(column)
			}
		}
		p.Problems = &found
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		p.Current, _ = m.get(r.Context(), sessionIn(r), in.kind.Name, in.object.GetNamespace(), in.object.GetName())
	}
	m.failWith(w, r, p)
}

// DeleteObject implements ServerInterface.
func (m *Manager) DeleteObject(w http.ResponseWriter, r *http.Request, params DeleteObjectParams) {
	s := sessionIn(r)
	c, no := client(s, params.Kind, some(params.Namespace))
	if no != nil {
		fail(w, *no)
		return
	}
	o := metav1.DeleteOptions{}
	if some(params.DryRun) {
		o.DryRun = []string{metav1.DryRunAll}
	}
	if params.ResourceVersion != nil && *params.ResourceVersion != "" {
		o.Preconditions = &metav1.Preconditions{ResourceVersion: params.ResourceVersion}
	}
	err := c.Delete(r.Context(), params.Name, o)
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	p := m.problemOf(err)
	if apierrors.IsConflict(err) {
		p.Current, _ = m.get(r.Context(), s, params.Kind, some(params.Namespace), params.Name)
	}
	m.failWith(w, r, p)
}

// mayWrite says whether the user could save a draft: the API server is asked to
// do it without doing it.
func (m *Manager) mayWrite(r *http.Request, d drafted, out *Draft) {
	if len(d.toldProblems()) > 0 || len(out.Problems) > 0 {
		return
	}
	c, no := client(sessionIn(r), d.object.Kind.Name, d.object.Value.GetNamespace())
	if no != nil {
		return
	}
	u, err := d.unstructured()
	if err != nil {
		return
	}
	if some(out.Exists) {
		_, err = m.overwrite(r.Context(), &write{object: u, client: c}, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
	} else {
		_, err = c.Create(r.Context(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	yes := err == nil
	switch {
	case apierrors.IsForbidden(err):
		out.Allowed, out.Missing = &yes, text(err.Error())
	case err == nil:
		out.Allowed = &yes
	}
}

// unstructured returns the draft's object as the API takes it.
func (d drafted) unstructured() (*unstructured.Unstructured, error) {
	data, err := yaml.Marshal(d.object.Value)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &u.Object); err != nil {
		return nil, err
	}
	if u.Object == nil {
		return nil, errors.New("the object is empty")
	}
	u.SetAPIVersion(d.object.Kind.APIVersion)
	u.SetKind(strings.TrimPrefix(d.object.Kind.Kind, "Kubernetes"))
	u.SetResourceVersion("")
	return u, nil
}
