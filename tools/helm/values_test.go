package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

// whole are values that are handed on as they are: what is in them is not the
// chart's.
var whole = []string{"resources", "nodeSelector", "volume", "podAnnotations", "tolerations", "imagePullSecrets", "labels"}

// leaves are the chart's values with their defaults.
func leaves(t *testing.T) map[string]any {
	t.Helper()
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(charts, "tierwall", "values.yaml"))), &values); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	flatten(out, "", values)
	return out
}

// TestValues: each value of the chart is in the schema, and stands with its
// default in the chart's README; and there are no others.
func TestValues(t *testing.T) {
	chart, leaves := filepath.Join(charts, "tierwall"), leaves(t)
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(t, filepath.Join(chart, "values.schema.json"))), &schema); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	properties(allowed, "", schema)
	delete(allowed, "global") // helm's own
	if got, want := slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(leaves)); !slices.Equal(got, want) {
		t.Errorf("the schema has the values\n%v, and values.yaml\n%v", got, want)
	}

	rows := map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join(chart, "README.md"))) {
		if cells := strings.SplitN(line, "|", 4); len(cells) == 4 && strings.HasPrefix(line, "| `") {
			rows[strings.Trim(cells[1], " `")] = strings.Trim(cells[2], " `")
		}
	}
	for name, value := range leaves {
		told, ok := rows[name]
		var is any
		if err := yaml.Unmarshal([]byte(told), &is); !ok || err != nil || fmt.Sprint(is) != fmt.Sprint(value) {
			t.Errorf("README.md says that %s is %q by default, values.yaml %v", name, told, value)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("README.md speaks of %s, which is no value", name)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flatten collects the values that have no others below them.
func flatten(out map[string]any, path string, v any) {
	m, ok := v.(map[string]any)
	if last := path[strings.LastIndexByte(path, '.')+1:]; !ok || slices.Contains(whole, last) {
		out[path] = v
		return
	}
	for k, v := range m {
		flatten(out, strings.TrimPrefix(path+"."+k, "."), v)
	}
}

// properties collects the same from a schema.
func properties(out map[string]bool, path string, schema map[string]any) {
	inner, ok := schema["properties"].(map[string]any)
	if last := path[strings.LastIndexByte(path, '.')+1:]; !ok || slices.Contains(whole, last) {
		out[path] = true
		return
	}
	for k, v := range inner {
		properties(out, strings.TrimPrefix(path+"."+k, "."), v.(map[string]any))
	}
}

// others are values that each make a difference where everything is on.
var others = map[string]string{
	"image.repository": "other", "image.tag": "other", "image.pullPolicy": "Never", "imagePullSecrets": "[{name: other}]",
	"kubernetes.host": "other", "kubernetes.port": "1",
	"agent.health.address": "192.0.2.1", "agent.health.port": "1", "agent.cutDenied": "false", "agent.logGroup": "1", "agent.flowGroup": "1",
	"agent.countBytes": "false", "agent.dns.enabled": "false", "agent.dns.servers": "[192.0.2.1]", "agent.dns.minTTL": "1m",
	"agent.dns.ignorePrivate": "false", "agent.dns.queue": "1", "agent.dns.queryGroup": "1", "agent.state": "/other", "agent.verbose": "false",
	"agent.resources": "{requests: {cpu: 1}}", "agent.tolerations": "[{key: other}]", "agent.nodeSelector": "{other: there}", "agent.priorityClassName": "other",
	"agent.podInterfaces": "[other*]", "agent.remove": "true", "agent.maxUnavailable": "1", "agent.podAnnotations": "{other: there}",
	"server.replicas": "3", "server.certificateSecret": "other", "server.flows.enabled": "false", "server.flows.maxBytes": "1048576", "server.flows.maxAge": "1h",
	"server.flows.volume": "{emptyDir: {sizeLimit: 1Gi}}", "server.flows.otlp": "https://other", "server.manager.enabled": "false",
	"server.manager.certificateSecret": "other", "server.manager.oidc.issuer": "https://other", "server.manager.oidc.name": "other",
	"server.manager.oidc.clientID": "other", "server.manager.oidc.clientSecretSecret": "other",
	"server.manager.oidc.redirectURL": "https://other/login/oidc/callback", "server.manager.oidc.scopes": "[other]", "server.manager.oidc.caSecret": "other",
	"server.verbose": "false", "server.resources": "{requests: {cpu: 1}}", "server.tolerations": "[{key: other}]", "server.nodeSelector": "{other: there}",
	"server.priorityClassName": "other", "server.podAnnotations": "{other: there}", "roles.create": "false",
	"monitoring.dashboard.enabled": "false", "monitoring.dashboard.labels": "{other: there}", "monitoring.dashboard.namespace": "other",
	"monitoring.rules.enabled": "false", "monitoring.rules.labels": "{other: there}", "monitoring.podMonitors.enabled": "false", "monitoring.podMonitors.labels": "{other: there}",
}

// on has everything switched on.
var on = map[string]string{
	"kubernetes.host": "api.example", "agent.cutDenied": "true", "agent.countBytes": "true", "agent.dns.minTTL": "2m", "agent.dns.ignorePrivate": "true",
	"agent.verbose": "true", "server.replicas": "2", "server.certificateSecret": "webhook", "server.manager.enabled": "true",
	"server.manager.certificateSecret": "manager", "server.manager.oidc.issuer": "https://issuer", "server.manager.oidc.clientID": "client",
	"server.manager.oidc.redirectURL": "https://manager/login/oidc/callback", "server.verbose": "true",
	"monitoring.dashboard.enabled": "true", "monitoring.rules.enabled": "true", "monitoring.podMonitors.enabled": "true",
}

// TestValuesMatter: each value makes a difference to what is installed.
func TestValuesMatter(t *testing.T) {
	base := render(t, on)
	for name := range leaves(t) {
		other, ok := others[name]
		if !ok {
			t.Errorf("this test has no other value for %s", name)
			continue
		}
		set := maps.Clone(on)
		set[name] = other
		if maps.Equal(render(t, set), base) {
			t.Errorf("it makes no difference that %s is %s", name, other)
		}
	}
}

// render renders the chart with values that are given as YAML by their paths.
func render(t *testing.T, set map[string]string) map[string]string {
	t.Helper()
	chart, err := loader.LoadDir(filepath.Join(charts, "tierwall"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for path, text := range set {
		at, parts := values, strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			if at[part] == nil {
				at[part] = map[string]any{}
			}
			at = at[part].(map[string]any)
		}
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		at[parts[len(parts)-1]] = v
	}
	all, err := util.ToRenderValues(chart, values, common.ReleaseOptions{Name: "x", Namespace: "y", IsInstall: true}, nil)
	if err != nil {
		t.Fatalf("%v: %v", set, err)
	}
	out, err := engine.Render(chart, all)
	if err != nil {
		t.Fatal(err)
	}
	delete(out, "tierwall/templates/NOTES.txt")
	return out
}
