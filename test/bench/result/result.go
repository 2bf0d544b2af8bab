// Package result is what a benchmark yields, and how it is written down
// (commands.md, "make bench"). The benchmarks come from two programs, since some
// need a real API server, which only the module standalone has.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Figure is one measurement.
type Figure struct {
	Name string `json:"name"`
	// Value is the median of the runs, or what the name says.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Baseline is what BaselineValue is of, measured in the same run; empty if
	// there is none.
	Baseline      string  `json:"baseline,omitempty"`
	BaselineValue float64 `json:"baseline_value,omitempty"`
}

// Standalone are the names of the figures that the module standalone measures.
func Standalone() []string {
	names := []string{"agent/start", "agent/start/cpu", "agent/idle"}
	for _, size := range []string{"1000", "30000"} {
		names = append(names, "agent/rss/"+size, "agent/rss/"+size+"/peak")
	}
	for _, kind := range []string{"policy", "label", "set"} {
		names = append(names, "enforce/"+kind+"/p50", "enforce/"+kind+"/p99", "enforce/"+kind+"/cpu")
	}
	return append(names, "enforce/pod-start/p50", "enforce/pod-start/p99", "enforce/pod-start/early")
}

// Median returns the middle of the values, of which there is at least one.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the smallest value that the share q of all values does not
// exceed. It sorts them.
func Quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

// Write writes figures as a list in JSON.
func Write(path string, figures []Figure) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads what Write wrote.
func Read(path string) (figures []Figure, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &figures); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return figures, nil
}
