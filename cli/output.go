package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is how a command shows its answer.
type output struct {
	format  string
	formats []string
}

// flags adds -o; tables can be shown as csv and md too.
func (o *output) flags(cmd *cobra.Command, tables bool) {
	o.formats = []string{"text", "json", "yaml"}
	if tables {
		o.formats = append(o.formats, "csv", "md")
	}
	cmd.Flags().StringVarP(&o.format, "output", "o", "text", strings.Join(o.formats, "|"))
}

// check refuses formats that the command does not have.
func (o *output) check() error {
	if !slices.Contains(o.formats, o.format) {
		return usagef("-o %s is not known; write one of %s", o.format, strings.Join(o.formats, ", "))
	}
	return nil
}

// value writes a value as JSON or YAML. It reports false for other formats.
func (o *output) value(w io.Writer, v any) (bool, error) {
	switch o.format {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return true, e.Encode(v)
	case "yaml":
		data, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(data)
		}
		return true, err
	}
	return false, nil
}

// rows is a table with its head.
type rows struct {
	head []string
	body [][]string
}

// table writes rows as text, csv or md.
func (o *output) table(w io.Writer, t rows) error {
	switch o.format {
	case "csv":
		c := csv.NewWriter(w)
		if err := c.Write(t.head); err != nil {
			return err
		}
		return c.WriteAll(t.body)
	case "md":
		return markdown(w, t)
	}
	if len(t.body) == 0 {
		return nil
	}
	head := make([]string, len(t.head))
	for i, h := range t.head {
		head[i] = strings.ToUpper(h)
	}
	return align(w, append([][]string{head}, t.body...), "")
}

func markdown(w io.Writer, t rows) error {
	line := func(cells []string) error {
		escaped := make([]string, len(cells))
		for i, c := range cells {
			escaped[i] = strings.NewReplacer("|", "\\|", "\n", " ").Replace(c)
		}
		_, err := fmt.Fprintf(w, "| %s |\n", strings.Join(escaped, " | "))
		return err
	}
	if err := line(t.head); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "|%s\n", strings.Repeat(" --- |", len(t.head))); err != nil {
		return err
	}
	for _, cells := range t.body {
		if err := line(cells); err != nil {
			return err
		}
	}
	return nil
}

// align writes lines of cells in columns, two spaces apart, each line after the
// indent and without blanks at its end.
func align(w io.Writer, lines [][]string, indent string) error {
	var widths []int
	for _, cells := range lines {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, cells := range lines {
		var b strings.Builder
		for i, c := range cells {
			b.WriteString(c)
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
			}
		}
		if _, err := fmt.Fprintln(w, indent+strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// painter colours words for terminals.
type painter bool

// paint returns the painter for a stream: it colours where that is a terminal,
// unless NO_COLOR is set.
func paint(w io.Writer) painter {
	return painter(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p painter) as(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) good(text string) string  { return p.as("32", text) }
func (p painter) bad(text string) string   { return p.as("31", text) }
func (p painter) faint(text string) string { return p.as("2", text) }
func (p painter) bold(text string) string  { return p.as("1", text) }

// verdict colours text by what it says of a connection.
func (p painter) verdict(verdict, text string) string {
	if verdict == "allow" {
		return p.good(text)
	}
	return p.bad(text)
}
