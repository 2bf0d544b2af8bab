package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/server"
)

// maxBody is how long a request may be: an object is 1.5 MiB at most.
const maxBody = 2 << 20

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func number(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func problem(status int, word, detail string) Problem {
	return Problem{Type: "urn:tierwall:" + word, Title: http.StatusText(status), Status: status, Detail: detail}
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value) // the client is gone if this fails
}

func fail(w http.ResponseWriter, p Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// read reads a request's body; it answers and returns false if it is none.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var large *http.MaxBytesError
	switch {
	case err == nil:
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return true
		}
		fail(w, problem(http.StatusBadRequest, "invalid", "the request's body has something after its JSON"))
	case errors.As(err, &large):
		fail(w, problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("more than %d bytes", maxBody)))
	default:
		fail(w, problem(http.StatusBadRequest, "invalid", "the request's body is not what is asked for: "+err.Error()))
	}
	return false
}

// missingRight finds, in what the API server or the admission policies say, the
// right that would be needed.
var missingRight = regexp.MustCompile(`cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?|\((user (?:cannot get tier|needs [^)]*))\)`)

// problemOf is what an error of the API server is to the user.
func (m *Manager) problemOf(err error) Problem {
	var status apierrors.APIStatus
	var offline *url.Error
	var network net.Error
	switch {
	case errors.Is(err, errUnauthenticated) || apierrors.IsUnauthorized(err):
		return problem(http.StatusUnauthorized, "unauthenticated", "log in: there is no session, or the API server does not take its token any more")
	case apierrors.IsForbidden(err):
		p := problem(http.StatusForbidden, "forbidden", err.Error())
		p.Missing = text(missingIn(err.Error()))
		return p
	case apierrors.IsNotFound(err):
		return problem(http.StatusNotFound, "not-found", err.Error())
	case apierrors.IsAlreadyExists(err):
		return problem(http.StatusConflict, "exists", err.Error())
	case apierrors.IsConflict(err):
		return problem(http.StatusConflict, "conflict", err.Error())
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return problem(http.StatusUnprocessableEntity, "refused", err.Error())
	case errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500:
		return problem(int(status.Status().Code), "refused", err.Error())
	case errors.As(err, &status), errors.As(err, &offline), errors.As(err, &network):
		return problem(http.StatusServiceUnavailable, "away", "the API server does not answer: "+err.Error())
	}
	m.options.Log.Error("an error that nobody expected", "error", err)
	return problem(http.StatusInternalServerError, "internal", err.Error())
}

func missingIn(message string) string {
	found := missingRight.FindStringSubmatch(message)
	switch {
	case found == nil:
		return ""
	case found[5] != "":
		return found[5]
	}
	right := found[1] + " on " + found[2]
	if found[3] != "" {
		right += "." + found[3]
	}
	if found[4] != "" {
		right += fmt.Sprintf(" in namespace %q", found[4])
	}
	return right
}

// causes are the fields that the API server finds fault with.
func causes(err error, object string) []FieldProblem {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var all []FieldProblem
	for _, c := range status.Status().Details.Causes {
		if c.Type == metav1.CauseTypeResourceVersionTooLarge {
			continue
		}
		all = append(all, FieldProblem{Code: "refused", Object: object, Path: text(c.Field), Message: c.Message, Refuses: true})
	}
	return all
}

// told is a problem of package model as the API tells it.
func told(p model.Problem) FieldProblem {
	out := FieldProblem{Code: p.Code, Object: p.Object, Path: text(p.Path), Line: number(p.Line), Column: number(p.Column),
		Message: p.Message, Hint: text(p.Hint), Refuses: server.Refuses(p)}
	if p.Code == "selector-syntax" {
		out.Offset = &p.Offset
	}
	return out
}

func toldAll(all []model.Problem) []FieldProblem {
	out := make([]FieldProblem, 0, len(all))
	for _, p := range all {
		out = append(out, told(p))
	}
	return out
}
