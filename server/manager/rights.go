package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/server"
)

// reviewFor is how long a user's rights are taken to be what they were.
const reviewFor = 10 * time.Second

// readable is what of one kind a user may list: all of it, or what is in some
// namespaces.
type readable struct {
	all        bool
	namespaces []string // sorted; for Namespaces and Tiers, their names
}

func (r readable) in(namespace string) bool {
	if r.all {
		return true
	}
	_, found := slices.BinarySearch(r.namespaces, namespace)
	return found
}

// rights are what a user may read, by the name of the kind.
type rights map[string]readable

// everything reports whether nothing is hidden.
func (r rights) everything() bool {
	return !slices.ContainsFunc(manifest.Kinds(), func(k manifest.Kind) bool { return !r[k.Name].all })
}

// key is equal for equal rights.
func (r rights) key() string {
	var b strings.Builder
	for _, k := range manifest.Kinds() {
		fmt.Fprintf(&b, "%v%q;", r[k.Name].all, r[k.Name].namespaces)
	}
	return b.String()
}

// listing is the question whether a user may list a kind, or one of its parts.
func listing(k manifest.Kind, part string) question {
	r := resourceOf(k)
	q := question{verb: "list", group: r.Group, version: r.Version, resource: r.Resource}
	switch {
	case part == "":
	case k.Kind == "Namespace":
		q.verb, q.namespace, q.name = "get", part, part
	case k.Kind == "Tier":
		q.verb, q.name = "get", part
	default:
		q.namespace = part
	}
	return q
}

// parts are what a kind is asked for by, where the whole may not be listed.
func parts(k manifest.Kind, namespaces, tiers []string) []string {
	switch {
	case k.Kind == "Tier":
		return tiers
	case k.Namespaced, k.Kind == "Namespace":
		return namespaces
	}
	return nil
}

// reviewRights asks what a user may read.
func reviewRights(ctx context.Context, o *own, namespaces, tiers []string) (rights, error) {
	var wide, narrow []question
	for _, k := range manifest.Kinds() {
		wide = append(wide, listing(k, ""))
	}
	answers, err := o.all(ctx, wide)
	if err != nil {
		return nil, err
	}
	for _, k := range manifest.Kinds() {
		if !answers[listing(k, "")] {
			for _, part := range parts(k, namespaces, tiers) {
				narrow = append(narrow, listing(k, part))
			}
		}
	}
	more, err := o.all(ctx, narrow)
	if err != nil {
		return nil, err
	}
	out := rights{}
	for _, k := range manifest.Kinds() {
		r := readable{all: answers[listing(k, "")]}
		if !r.all {
			for _, part := range parts(k, namespaces, tiers) {
				if more[listing(k, part)] {
					r.namespaces = append(r.namespaces, part)
				}
			}
		}
		out[k.Name] = r
	}
	return out, nil
}

// selfReviewer lets server.Access ask in the user's own name. Names of tiers and
// namespaces are those that the server knows: they are asked about one by one.
type selfReviewer struct {
	own               *own
	tiers, namespaces []string
}

// Tiers implements server.Reviewer.
func (r selfReviewer) Tiers(context.Context) ([]string, error) { return slices.Clone(r.tiers), nil }

// Namespaces implements server.Reviewer.
func (r selfReviewer) Namespaces(context.Context) ([]string, error) {
	return slices.Clone(r.namespaces), nil
}

// Review implements server.Reviewer.
func (r selfReviewer) Review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	a := spec.ResourceAttributes
	return r.own.may(ctx, question{a.Verb, a.Group, a.Version, a.Resource, a.Namespace, a.Name})
}

var _ server.Reviewer = selfReviewer{}
