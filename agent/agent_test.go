package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/model"
)

func namespace(name, version string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

// TestSink: what went away while the API was away is deleted with the next
// list, in the same update as what is in it.
func TestSink(t *testing.T) {
	updates := make(chan update, 4)
	s := &sink{ctx: t.Context(), updates: updates, known: map[model.Key]int64{}, name: "namespaces", versions: true}
	for _, step := range []struct {
		name     string
		do       func() error
		versions map[model.Key]string
		deleted  []string
		listed   string
	}{
		{"first list", func() error { return s.Replace([]any{namespace("a", "1"), namespace("b", "2")}, "") },
			map[model.Key]string{key("a"): "1", key("b"): "2"}, nil, "namespaces"},
		{"an update", func() error { return s.Update(namespace("a", "3")) }, map[model.Key]string{key("a"): "3"}, nil, ""},
		{"a deletion", func() error { return s.Delete(namespace("b", "4")) }, map[model.Key]string{key("b"): ""}, []string{"b"}, ""},
		{"another world", func() error { return s.Replace([]any{namespace("c", "9")}, "") },
			map[model.Key]string{key("a"): "", key("c"): "9"}, []string{"a"}, "namespaces"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		u := <-updates
		if diff := cmp.Diff(step.versions, u.versions); diff != "" || u.listed != step.listed {
			t.Errorf("%s: listed %q (-want +got)\n%s", step.name, u.listed, diff)
		}
		var deleted []string
		for _, c := range u.changes {
			if c.Object == nil {
				deleted = append(deleted, c.Key.Name)
			}
		}
		if !slices.Equal(deleted, step.deleted) {
			t.Errorf("%s: deletes %v, want %v", step.name, deleted, step.deleted)
		}
	}
}

func key(name string) model.Key { return model.Key{Kind: model.KindNamespace, Name: name} }

// TestStatus: the answer waits until what was taken in is in the kernel.
func TestStatus(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "s")
	questions := make(chan chan<- Applied)
	if err := serveStatus(ctx, path, questions); err != nil {
		t.Fatal(err)
	}
	answers := make(chan Applied, 1)
	go func() {
		got, err := AskApplied(ctx, path)
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	ag := &agent{versions: map[model.Key]string{key("a"): "7"}, asking: []chan<- Applied{<-questions}}
	select {
	case <-answers:
		t.Error("an answer before the kernel has it")
	default:
	}
	ag.answer()
	if diff := cmp.Diff(map[string]string{"Namespace//a": "7"}, (<-answers).Objects); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAnswers: an API server that does not answer is spoken of once, however
// many kinds and attempts there are, and once when it is back.
func TestAnswers(t *testing.T) {
	var log lines
	a := &answers{log: slog.New(slog.NewTextHandler(&log, nil)), failing: map[string]bool{}}
	down := errors.New("connection refused")
	for range 3 {
		a.note(t.Context(), "pods", down)
		a.note(t.Context(), "nodes", down)
	}
	a.note(t.Context(), "pods", nil)
	if got := log.String(); strings.Count(got, "does not answer") != 1 || strings.Contains(got, "again.\"") || strings.Contains(got, "answers again") {
		t.Errorf("while it is away: %s", got)
	}
	a.note(t.Context(), "nodes", nil)
	a.note(t.Context(), "nodes", nil)
	if got := log.String(); strings.Count(got, "answers again") != 1 {
		t.Errorf("when it is back: %s", got)
	}
}

// TestUnlogged: what came to the counts is told once, and counts that begin
// again are taken whole.
func TestUnlogged(t *testing.T) {
	var u unlogged
	for i, step := range []struct {
		counts map[string]uint64
		total  uint64
		rules  int
	}{
		{map[string]uint64{"a": 5}, 5, 1},
		{map[string]uint64{"a": 5, "b": 1}, 1, 1},
		{map[string]uint64{"a": 2}, 2, 1},
		{nil, 0, 0},
		{map[string]uint64{"a": 3}, 3, 1},
	} {
		if total, byRule := u.since(step.counts); total != step.total || len(byRule) != step.rules {
			t.Errorf("step %d: %d, %v", i, total, byRule)
		}
	}
}

// TestFullDisk: a disk without room for the status socket does not keep the agent
// from its work; a path that is wrong is an error.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to mount needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4k,nr_inodes=1"); err != nil { // the folder is the one inode
		t.Fatal(err)
	}
	defer func() { must(t, unix.Unmount(dir, 0)) }()
	err := serveStatus(t.Context(), filepath.Join(dir, "s"), nil)
	if !noRoom(err) {
		t.Errorf("no room: %v", err)
	}
	if err := serveStatus(t.Context(), "/nowhere/s", nil); err == nil || noRoom(err) {
		t.Errorf("no folder: %v", err)
	}
}

// fullLog is a log that nothing can be written to.
type fullLog struct{}

func (fullLog) Write([]byte) (int, error) { return 0, unix.ENOSPC }

// TestFullLog: an agent whose log has no room enforces all the same.
func TestFullLog(t *testing.T) {
	r := newRig(t)
	*r.agent.Log = *slog.New(slog.NewTextHandler(fullLog{}, nil))
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
}
