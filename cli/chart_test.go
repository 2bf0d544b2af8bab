package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestChart: the chart sets each flag of the agent and the server, or it is known
// why it does not.
func TestChart(t *testing.T) {
	for _, c := range []struct {
		template string
		command  *cobra.Command
		unset    map[string]string // flag: why
	}{
		{"agent.yaml", AgentCommand(), map[string]string{
			"node":          "NODE_NAME says it",
			"kubeconfig":    "the pod's service account",
			"status-socket": "for the lab, which asks there",
			"server":        "the ConfigMap says it",
			"server-ca":     "the ConfigMap says it",
			"server-name":   "the ConfigMap says it",
			"server-token":  "it is mounted at the default",
		}},
		{"server.yaml", ServerCommand(), map[string]string{
			"kubeconfig":    "the pod's service account",
			"webhook-url":   "there is a service",
			"report-listen": "the default is among the failsafe ports, others are not",
			"namespace":     "POD_NAMESPACE says it",
		}},
	} {
		text, err := os.ReadFile(filepath.Join("..", "charts", "tierwall", "templates", c.template))
		if err != nil {
			t.Fatal(err)
		}
		c.command.Flags().VisitAll(func(f *pflag.Flag) {
			why, unset := c.unset[f.Name]
			set := strings.Contains(string(text), "--"+f.Name+"=") || strings.Contains(string(text), "- --"+f.Name+"\n")
			switch {
			case set && unset:
				t.Errorf("%s sets --%s, which it is said not to: %s", c.template, f.Name, why)
			case !set && !unset:
				t.Errorf("%s does not set --%s: give it a value, or say here why not", c.template, f.Name)
			}
			delete(c.unset, f.Name)
		})
		for name := range c.unset {
			t.Errorf("%s has no flag --%s", c.command.Name(), name)
		}
		for word := range strings.FieldsSeq(string(text)) {
			if name, ok := strings.CutPrefix(word, "--"); ok && name != "-" {
				if name, _, _ = strings.Cut(name, "="); c.command.Flags().Lookup(name) == nil {
					t.Errorf("%s sets --%s, which %s does not have", c.template, name, c.command.Name())
				}
			}
		}
	}
}
