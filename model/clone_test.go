package model_test

import (
	"reflect"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
)

// TestClone: a clone is equal, and shares no map. Whoever adds a map to State
// has to add it there.
func TestClone(t *testing.T) {
	s := modeltest.New(1).State()
	c := s.Clone()
	if !reflect.DeepEqual(s, c) {
		t.Error("the clone is not equal")
	}
	a, b := reflect.ValueOf(s).Elem(), reflect.ValueOf(c).Elem()
	for i := range a.NumField() {
		if f := a.Field(i); f.Kind() == reflect.Map && f.UnsafePointer() == b.Field(i).UnsafePointer() {
			t.Errorf("the clone shares %s", a.Type().Field(i).Name)
		}
	}
}

// TestChanges: the changes from one state to another lead there.
func TestChanges(t *testing.T) {
	for seed := range uint64(100) {
		g := modeltest.New(seed)
		from := g.State()
		to := from.Clone()
		for range seed % 7 {
			to.Apply(g.Mutation())
		}
		changes := model.Changes(from, to)
		if seed%7 == 0 && len(changes) > 0 {
			t.Errorf("seed %d: nothing changed, and there are %d changes", seed, len(changes))
		}
		got := from.Clone()
		got.Apply(changes...)
		if !reflect.DeepEqual(got, to) {
			t.Errorf("seed %d: the changes lead elsewhere", seed)
		}
		empty := model.NewState()
		empty.Apply(model.Changes(empty, to)...)
		if len(model.Changes(empty, to)) > 0 {
			t.Errorf("seed %d: from nothing they lead elsewhere", seed)
		}
	}
}
