package deploy

import (
	"bytes"
	"embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed *.yaml roles/*.yaml
var files embed.FS

// ServerUser is the user that the role of servers is bound to; in a cluster it
// is the service account "server" of namespace "tierwall" as well.
const ServerUser = "tierwall:server"

// AgentGroup is the group that the role of agents is bound to, and the name of
// that role; in a cluster it is the service account "agent" of
// namespace "tierwall" as well.
const AgentGroup = "tierwall:agents"

// The roles that Server, Viewer and NamespaceDeveloper return.
const (
	// ServerRole is what `tierwall server` needs.
	ServerRole = "tierwall:server"
	// ViewerRole reads what verdicts depend on.
	ViewerRole = "tierwall:viewer"
	// NamespaceDeveloperRole is bound in a namespace, by a RoleBinding.
	NamespaceDeveloperRole = "tierwall:namespace-developer"
)

// TierUserRole is the ClusterRole without which a user can write nothing in the
// tier: get on the tier itself. It is bound by a ClusterRoleBinding.
func TierUserRole(tier string) string { return "tierwall:tier-user:" + tier }

// TierViewerRole is the ClusterRole of those who read the policies of a tier.
func TierViewerRole(tier string) string { return "tierwall:tier-viewer:" + tier }

// TierEditorRole is the ClusterRole of those who write the policies of a tier.
func TierEditorRole(tier string) string { return "tierwall:tier-editor:" + tier }

// Admission returns the admission policies that hold who may write in which
// tier, with their bindings (docs/design/004-admission.md). An error means that
// the program was built from files that are no objects; so it is for the other
// functions.
func Admission() ([]*unstructured.Unstructured, error) { return load("", "tier-access.yaml") }

// Tiers returns the tiers that every cluster has.
func Tiers() ([]*unstructured.Unstructured, error) { return load("", "tiers.yaml") }

// Server returns the role of `tierwall server` and its binding, and that of those
// who look for it.
func Server() ([]*unstructured.Unstructured, error) {
	return load("", "roles/server.yaml", "roles/find-server.yaml")
}

// Agent returns the role of `tierwall agent` and its binding.
func Agent() ([]*unstructured.Unstructured, error) { return load("", "roles/agent.yaml") }

// Viewer returns the role of those who read.
func Viewer() ([]*unstructured.Unstructured, error) { return load("", "roles/viewer.yaml") }

// NamespaceDeveloper returns the role of those who write the policies of a
// namespace in the tier "default".
func NamespaceDeveloper() ([]*unstructured.Unstructured, error) {
	return load("", "roles/namespace-developer.yaml")
}

// TierRoles returns the roles of a tier: user, viewer, editor.
func TierRoles(tier string) ([]*unstructured.Unstructured, error) {
	return load(tier, "roles/tier-user.yaml", "roles/tier-viewer.yaml", "roles/tier-editor.yaml")
}

// load reads the objects of files for a tier.
func load(tier string, names ...string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read embedded file: %w", err)
		}
		if tier != "" {
			text = bytes.ReplaceAll(text, []byte("TIER"), []byte(tier))
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			u := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(doc, &u.Object); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if len(u.Object) > 0 {
				all = append(all, u)
			}
		}
	}
	return all, nil
}
