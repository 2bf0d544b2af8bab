package translate_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/translate"
)

// TestAutoHost: what a KubeControllersConfiguration says of host endpoints, what
// is said of the rest, and that what cannot be read changes nothing
// (semantics.md section 11).
func TestAutoHost(t *testing.T) {
	const at = "controllers.node.hostEndpoint."
	for _, row := range []struct {
		name, spec string
		// want is on, one for all interfaces, unreadable; then each template with
		// a ! if it is unreadable.
		want string
		// problems are "code path" without the "spec.controllers..." before,
		// warnings with a ~ before.
		problems []string
	}{
		{"default", "{}", "", nil},
		{"default", "{controllers: {node: {hostEndpoint: {}}}}", "default", nil},
		{"default", "{controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}", "on default", nil},
		{"default", "{controllers: {node: {hostEndpoint: {autoCreate: Enabled, createDefaultHostEndpoint: Disabled}}}}", "on", nil},
		{"default", "{controllers: {node: {hostEndpoint: {autoCreate: enabled}}}}", "default unreadable", []string{"setting-invalid spec." + at + "autoCreate"}},
		{"default", "{controllers: {node: {hostEndpoint: {autoCreate: Enabled, createDefaultHostEndpoint: 'No'}}}}", "on unreadable", []string{"setting-invalid spec." + at + "createDefaultHostEndpoint"}},
		{"other", "{controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}", "", []string{"~setting-name metadata.name"}},
		{"default", "{logLevel: Info, controllers: {policy: {}, node: {syncLabels: Enabled, hostEndpoint: {autoCreat: Enabled, templates: [{generateName: a, interfacePattern: eth0, x: 1}]}}}}", "default a",
			[]string{"~setting-not-read spec." + at + "autoCreat", "~setting-not-read spec." + at + "templates[0].x", "~setting-not-read spec.controllers.node.syncLabels", "~setting-not-read spec.controllers.policy", "~setting-not-read spec.logLevel"}},
		{"default", "{controllers: {node: {hostEndpoint: {templates: [{generateName: a}, {interfacePattern: eth0}, {generateName: b, interfaceCIDRs: [x]}, {generateName: c, interfacePattern: 'eth.'}, {generateName: d, interfacePattern: eth0, nodeSelector: global()}, {generateName: e, interfacePattern: eth0, labels: {'a b': c}}, {generateName: e, interfacePattern: eth0}, {generateName: f, interfacePattern: eth0, nodeSelector: '('}]}}}}",
			"default a! ! b! c! d! e! f!", []string{"template-interface spec." + at + "templates[0]", "template-name spec." + at + "templates[1].generateName",
				"net-syntax spec." + at + "templates[2].interfaceCIDRs[0]", "not-supported spec." + at + "templates[3].interfacePattern", "selector-global spec." + at + "templates[4].nodeSelector",
				"label-invalid spec." + at + "templates[5].labels[a b]", "template-duplicate spec." + at + "templates[6].generateName", "selector-syntax spec." + at + "templates[7].nodeSelector"}},
	} {
		c := &v3.KubeControllersConfiguration{}
		if err := yaml.Unmarshal([]byte("spec: "+row.spec), c); err != nil {
			t.Fatal(err)
		}
		c.Name = row.name
		got, problems := translate.AutoHostOf(c)
		var words []string
		for _, w := range []struct {
			on   bool
			word string
		}{{got.Enabled, "on"}, {got.Default, "default"}, {got.Unreadable, "unreadable"}} {
			if w.on {
				words = append(words, w.word)
			}
		}
		for _, tmpl := range got.Templates {
			w := tmpl.Name
			if tmpl.Unreadable {
				w += "!"
			}
			words = append(words, w)
		}
		if s := strings.Join(words, " "); s != row.want {
			t.Errorf("%s %s: %q, want %q", row.name, row.spec, s, row.want)
		}
		if said := codes(problems); !slices.Equal(said, row.problems) {
			t.Errorf("%s %s: said %q, want %q", row.name, row.spec, said, row.problems)
		}
		_, again := translate.Object(c)
		if len(again) != len(problems) {
			t.Errorf("%s: Object says %v", row.spec, again)
		}
	}
}

// TestAutoHostHint: a misspelt field is told its name.
func TestAutoHostHint(t *testing.T) {
	c := &v3.KubeControllersConfiguration{}
	if err := yaml.Unmarshal([]byte("spec: {controllers: {node: {hostEndpoint: {autoCreat: Enabled}}}}"), c); err != nil {
		t.Fatal(err)
	}
	c.Name = "default"
	if _, problems := translate.AutoHostOf(c); len(problems) != 1 || problems[0].Hint != `did you mean "autoCreate"?` {
		t.Errorf("%v", problems)
	}
}

// TestUnreadFieldsAreKept: a configuration comes out as it went in, with what is
// not read.
func TestUnreadFieldsAreKept(t *testing.T) {
	const text = `{"controllers":{"node":{"hostEndpoint":{"autoCreate":"Enabled","new":1,"templates":[{"generateName":"a","interfacePattern":"eth0","x":[1]}]},"syncLabels":"Enabled"},"policy":{}},"logLevel":"Info"}`
	var spec v3.KubeControllersConfigurationSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(spec)
	if err != nil || string(out) != text {
		t.Errorf("%s %v\nwant %s", out, err, text)
	}
	if out, err = json.Marshal(v3.KubeControllersConfigurationSpec{}); err != nil || string(out) != "{}" {
		t.Errorf("nothing is written as %s %v", out, err)
	}
}
