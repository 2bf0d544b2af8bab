// Command bench measures what the project claims of its speed, each figure
// beside a baseline that was measured in the same run, and prints a table and a
// JSON file (commands.md, "make bench"). It is no test: nothing fails here for
// being slow.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/tierwall/tierwall/test/bench/result"
	"github.com/tierwall/tierwall/test/scale"
)

// figure is one measurement, as in package result. Value is the median of the runs.
type figure struct {
	Name          string  `json:"name"`
	Value         float64 `json:"value"`
	Unit          string  `json:"unit"`
	Baseline      string  `json:"baseline,omitempty"`
	BaselineValue float64 `json:"baseline_value,omitempty"`
}

// benchmark measures a few figures that share their preparation.
type benchmark struct {
	names []string
	// run measures at least what the pattern asks for.
	run func(*regexp.Regexp) ([]figure, error)
}

func main() {
	only := flag.String("only", "", "run the benchmarks whose names match")
	out := flag.String("o", "bench.json", "write the figures to this file")
	flag.DurationVar(&fullNames.churn, "churn", fullNames.churn, "how long the names of dns/churn come and go")
	profile := flag.String("cpuprofile", "", "write a profile of the run to this file")
	flag.Parse()
	if err := run(*only, *out, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

// run measures, with a profile if a file for it is named.
func run(only, out, profile string) error {
	if profile != "" {
		stop, err := profiled(profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	return measure(only, out)
}

// profiled writes a CPU profile until what it returns is called.
func profiled(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

func measure(only, out string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	var figures []figure
	wide := scale.Large()
	wide.Endpoints *= 2
	all := []benchmark{growth(), starts("A", shapeA), starts("B", shapeB), starts("C", shapeC), churn(), shapeD(), shapeE(), learning(), validate(), preview(),
		answers(scale.Large()), answers(wide)}
	all = append(all, flowsConnect(15, 700*time.Millisecond), flowsUnrecorded(100_000), flowsUpdate(100_000), flowsStaged(1_000_000))
	for _, b := range append(append(all, kernel(fullEffort)...), fullNames.benchmarks()...) {
		if !slices.ContainsFunc(b.names, pattern.MatchString) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", b.names)
		got, err := b.run(pattern)
		if err != nil {
			return err
		}
		for _, f := range got {
			if pattern.MatchString(f.Name) {
				figures = append(figures, f)
			}
		}
	}
	if slices.ContainsFunc(result.Standalone(), pattern.MatchString) {
		got, err := measureStandalone(only)
		if err != nil {
			return err
		}
		figures = append(figures, got...)
	}
	slices.SortStableFunc(figures, func(a, b figure) int { return cmp.Compare(a.Name, b.Name) })
	print(figures)
	list := make([]result.Figure, len(figures))
	for i, f := range figures {
		list[i] = result.Figure(f)
	}
	return result.Write(out, list)
}

func print(figures []figure) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "name\tvalue\tunit\tbaseline\tits value\tratio\t")
	for _, f := range figures {
		ratio := ""
		if f.BaselineValue > 0 && f.Value > 0 {
			ratio = number(f.BaselineValue / f.Value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", f.Name, number(f.Value), f.Unit, f.Baseline, number(f.BaselineValue), ratio)
	}
	_ = w.Flush()
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

// median returns the middle of the values.
func median(values []float64) float64 { return result.Median(values) }
