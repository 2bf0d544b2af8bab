package helm

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

const charts = "../../charts"

// program is helm, built once by the go command.
func program(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "tool", "-n", "helm").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func run(t *testing.T, helm string, args ...string) (string, error) {
	t.Helper()
	var out, errOut bytes.Buffer
	c := exec.Command(helm, args...)
	c.Stdout, c.Stderr = &out, &errOut
	c.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%w: %s%s", err, out.String(), errOut.String())
	}
	return out.String(), nil
}

func TestLint(t *testing.T) {
	helm := program(t)
	for _, chart := range []string{"tierwall", "tierwall-crds"} {
		if _, err := run(t, helm, "lint", "--strict", filepath.Join(charts, chart)); err != nil {
			t.Error(err)
		}
	}
}

// TestRender compares what charts render to with golden files. With the values
// as they are, deploy/manifests is the golden file.
func TestRender(t *testing.T) {
	helm := program(t)
	for _, c := range []struct {
		name string
		set  []string
	}{
		{"several-servers", []string{"server.replicas=2", "server.certificateSecret=webhook"}},
		{"everything-else", []string{
			"image.repository=registry.example/tierwall", "image.tag=v1", "imagePullSecrets[0].name=pull", "kubernetes.host=api.example",
			"agent.verbose=true", "agent.remove=true", "agent.cutDenied=true", "agent.countBytes=true",
			"agent.dns.servers={10.0.0.53,k8s-service:dns/coredns:5353}", "agent.dns.minTTL=1m", "agent.dns.ignorePrivate=true",
			"server.manager.enabled=true", "server.manager.certificateSecret=pages", "server.manager.oidc.issuer=https://id.example",
			"server.manager.oidc.clientID=manager", "server.manager.oidc.redirectURL=https://pages.example/login/oidc/callback",
			"server.manager.oidc.clientSecretSecret=client", "server.manager.oidc.caSecret=ca", "server.manager.oidc.scopes={email,groups}", "server.flows.otlp=http://otlp:4318/v1/logs",
			"agent.podInterfaces={cali*,cni0}", "agent.maxUnavailable=1", "agent.podAnnotations.a=b", "server.verbose=true", "roles.create=false",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"template", "tierwall", filepath.Join(charts, "tierwall"), "--namespace", "elsewhere"}
			for _, s := range c.set {
				args = append(args, "--set", s)
			}
			got, err := run(t, helm, args...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", c.name+".yaml"), got)
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	is, was := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range is {
		if i >= len(was) || is[i] != was[i] {
			t.Fatalf("%s is not what the chart renders to (-update writes it anew): line %d is %q", path, i+1, is[i])
		}
	}
	t.Fatalf("%s has %d lines, the chart renders to %d (-update writes it anew)", path, len(was), len(is))
}

// TestMonitoring: the dashboard and the rules are in what is rendered, as they are
// in the chart's folder, if they are asked for; nothing of it is there otherwise.
func TestMonitoring(t *testing.T) {
	helm := program(t)
	render := func(set ...string) map[string]map[string]any {
		args := []string{"template", "tierwall", filepath.Join(charts, "tierwall"), "--namespace", "elsewhere"}
		for _, s := range set {
			args = append(args, "--set", s)
		}
		out, err := run(t, helm, args...)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]map[string]any{}
		for _, doc := range strings.Split(out, "\n---\n") {
			var o map[string]any
			if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
				t.Fatal(err)
			}
			if meta, ok := o["metadata"].(map[string]any); ok {
				all[fmt.Sprint(o["kind"], " ", meta["namespace"], "/", meta["name"])] = o
			}
		}
		return all
	}
	const dashboard, rules, agent = "ConfigMap grafana/tierwall-dashboard", "PrometheusRule elsewhere/tierwall", "PodMonitor elsewhere/tierwall-agent"
	for name := range render() {
		if strings.Contains(name, "Monitor") || strings.Contains(name, "Rule ") || strings.Contains(name, "dashboard") {
			t.Errorf("%s is there unasked", name)
		}
	}
	all := render("monitoring.dashboard.enabled=true", "monitoring.dashboard.namespace=grafana", "monitoring.rules.enabled=true", "monitoring.rules.labels.release=prom", "monitoring.podMonitors.enabled=true", "agent.health.port=9999")
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(charts, "tierwall/monitoring", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if d := all[dashboard]; d == nil || d["metadata"].(map[string]any)["labels"].(map[string]any)["grafana_dashboard"] != "1" ||
		strings.TrimSpace(fmt.Sprint(d["data"].(map[string]any)["tierwall.json"])) != strings.TrimSpace(file("dashboard.json")) {
		t.Errorf("the dashboard: %v", d)
	}
	var want map[string]any
	if err := yaml.Unmarshal([]byte(file("rules.yaml")), &want); err != nil {
		t.Fatal(err)
	}
	if r := all[rules]; r == nil || r["metadata"].(map[string]any)["labels"].(map[string]any)["release"] != "prom" || !reflect.DeepEqual(r["spec"], any(want)) {
		t.Errorf("the rules: %v", r)
	}
	if m := all[agent]; m == nil || !strings.Contains(fmt.Sprint(m["spec"]), "honorLabels:true portNumber:9999") {
		t.Errorf("the monitor: %v", m)
	}
}

// TestRights: the agent has one capability, the server none and is not root,
// and neither can write to its file system; of the node's, the agent has one
// directory.
func TestRights(t *testing.T) {
	helm, chart := program(t), filepath.Join(charts, "tierwall")
	counting, err := run(t, helm, "template", "tierwall", chart, "--set", "agent.countBytes=true")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(counting, "add: [NET_ADMIN]") != 1 || strings.Count(counting, "drop: [ALL]") != 3 || strings.Contains(counting, "privileged: true") {
		t.Error("whoever has bytes counted has more rights than that takes")
	}
	out, err := run(t, helm, "template", "tierwall", chart)
	if err != nil {
		t.Fatal(err)
	}
	for text, times := range map[string]int{
		"readOnlyRootFilesystem: true":    2,
		"allowPrivilegeEscalation: false": 2,
		"privileged: false":               2,
		"drop: [ALL]":                     2,
		"add: [NET_ADMIN]":                1,
		"runAsNonRoot: true":              1,
		"hostNetwork: true":               1,
		"hostPath":                        1,
	} {
		if got := strings.Count(out, text); got != times {
			t.Errorf("%q stands there %d times, not %d", text, got, times)
		}
	}
}

// TestRefused: values that would not work are refused, with their place.
func TestRefused(t *testing.T) {
	helm := program(t)
	for _, c := range []struct{ chart, set, want string }{
		{"tierwall", "server.replicas=0", "/server/replicas"},
		{"tierwall", "agent.podInterfaces={*}", "/agent/podInterfaces/0"},
		{"tierwall", "agent.maxUnavailable=0", "/agent/maxUnavailable"},
		{"tierwall", "agent.maxUnavailable=some", "/agent/maxUnavailable"},
		{"tierwall", "agent.health.port=70000", "/agent/health/port"},
		{"tierwall", "agent.logGroup=65536", "/agent/logGroup"},
		{"tierwall", "agent.dns.servers={some-name}", "/agent/dns/servers/0"},
		{"tierwall", "agent.dns.minTTL=30", "/agent/dns/minTTL"},
		{"tierwall", "server.flows.otlp=collector:4318", "/server/flows/otlp"},
		{"tierwall", "server.manager.oidc.issuer=http://id.example", "/server/manager/oidc/issuer"},
		{"tierwall", "server.manager.oidc.issuer=https://id.example", "/server/manager/oidc/clientID"},
		{"tierwall", "server.manager.oidc.redirectURL=https://pages.example", "/server/manager/oidc/redirectURL"},
		{"tierwall", "agent.resources.requests.memory=much", "/agent/resources/requests/memory"},
		{"tierwall", "agent.privileged=true", "privileged"},
		{"tierwall", "image.pullPolicy=Sometimes", "/image/pullPolicy"},
		{"tierwall", "image.repository=", "/image/repository"},
		{"tierwall", "replicas=2", "replicas"},
		{"tierwall", "monitoring.rules.enabled=maybe", "/monitoring/rules/enabled"},
		{"tierwall-crds", "keep=maybe", "/keep"},
	} {
		t.Run(c.set, func(t *testing.T) {
			_, err := run(t, helm, "template", "x", filepath.Join(charts, c.chart), "--set", c.set)
			if err == nil {
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %s", err, c.want)
			}
		})
	}
}
