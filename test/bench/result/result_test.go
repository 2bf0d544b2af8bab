package result

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := Quantile(slices.Clone(values), q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if got := Median([]float64{7}); got != 7 {
		t.Errorf("of one: %v", got)
	}
}

func TestWriteRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	want := []Figure{{Name: "a/b", Value: 1.5, Unit: "s"}, {Name: "c", Value: 2, Unit: "ms", Baseline: "before", BaselineValue: 3}}
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}
