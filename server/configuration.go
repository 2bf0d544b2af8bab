package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// ConfigurationName is the name of both webhook configurations. Whoever has to
// do without the server for a while deletes the two.
const ConfigurationName = "tierwall"

// RoleName is the name of the server's ClusterRole.
const RoleName = "tierwall:server"

// fieldManager is the name under which the server writes.
const fieldManager = "tierwall-server"

// timeout is how long the API server waits for an answer, in seconds.
const timeout int32 = 10

// address is how the API server reaches the webhook: by URL or by service.
type address struct {
	url     *url.URL
	service *admissionregistrationv1.ServiceReference
}

// addressOf reads the options; listening is where the webhook listens, for when
// neither URL nor service is given.
func addressOf(o Options, listening string) (address, error) {
	switch {
	case o.URL != "" && o.Service != "":
		return address{}, fmt.Errorf("the webhook has a URL and a service: give one of them")
	case o.Service != "":
		namespace, name, ok := strings.Cut(o.Service, "/")
		if !ok || namespace == "" || name == "" {
			return address{}, fmt.Errorf("service %q of the webhook: write it as NAMESPACE/NAME", o.Service)
		}
		return address{service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: name}}, nil
	case o.URL == "":
		host, _, err := net.SplitHostPort(listening)
		if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
			return address{}, fmt.Errorf("the webhook listens on %s: say how the API server reaches it, by URL or by service", listening)
		}
		return address{url: &url.URL{Scheme: "https", Host: listening}}, nil
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return address{}, fmt.Errorf("URL of the webhook: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" {
		return address{}, fmt.Errorf("URL %q of the webhook: write https://HOST:PORT", o.URL)
	}
	return address{url: u}, nil
}

// host is the name that the webhook's certificate has to be for.
func (a address) host() string {
	if a.service != nil {
		return a.service.Name + "." + a.service.Namespace + ".svc"
	}
	return a.url.Hostname()
}

// client is the address as the API wants it, with what to trust there; an empty
// bundle means what the API server's machine trusts.
func (a address) client(path string, bundle []byte) admissionregistrationv1.WebhookClientConfig {
	c := admissionregistrationv1.WebhookClientConfig{CABundle: bundle}
	if a.service != nil {
		service := *a.service
		service.Path = &path
		c.Service = &service
		return c
	}
	u := a.url.JoinPath(path).String()
	c.URL = &u
	return c
}

func rule(resources []string, operations ...admissionregistrationv1.OperationType) admissionregistrationv1.RuleWithOperations {
	return admissionregistrationv1.RuleWithOperations{Operations: operations, Rule: admissionregistrationv1.Rule{
		APIGroups: []string{v3.Group}, APIVersions: []string{v3.Version}, Resources: resources,
	}}
}

func meta(kind string) (metav1.TypeMeta, metav1.ObjectMeta) {
	return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind},
		metav1.ObjectMeta{Name: ConfigurationName}
}

// validating is the configuration of the validating webhook: every kind on its
// way in, and tiers on their way out. Policies can be deleted without the
// server, so that namespaces can go away, and so that a policy that keeps the
// API server from the webhook can be taken back.
func validating(a address, bundle []byte) *admissionregistrationv1.ValidatingWebhookConfiguration {
	fail, none, wait := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, timeout
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	c.TypeMeta, c.ObjectMeta = meta("ValidatingWebhookConfiguration")
	c.Webhooks = []admissionregistrationv1.ValidatingWebhook{{
		Name:         "validate.tierwall.dev",
		ClientConfig: a.client(validatePath, bundle),
		Rules: []admissionregistrationv1.RuleWithOperations{
			rule(resourcesOf(func(kind) bool { return true }), admissionregistrationv1.Create, admissionregistrationv1.Update),
			rule([]string{tiersResource}, admissionregistrationv1.Delete),
		},
		FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &wait, AdmissionReviewVersions: []string{"v1"},
		MatchConditions: conditions(),
	}}
	return c
}

// mutating is the configuration of the mutating webhook: policies and tiers on
// their way in. It runs again if another webhook changes the object after it.
func mutating(a address, bundle []byte) *admissionregistrationv1.MutatingWebhookConfiguration {
	fail, none, wait := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, timeout
	again := admissionregistrationv1.IfNeededReinvocationPolicy
	c := &admissionregistrationv1.MutatingWebhookConfiguration{}
	c.TypeMeta, c.ObjectMeta = meta("MutatingWebhookConfiguration")
	c.Webhooks = []admissionregistrationv1.MutatingWebhook{{
		Name:         "stamp.tierwall.dev",
		ClientConfig: a.client(mutatePath, bundle),
		Rules: []admissionregistrationv1.RuleWithOperations{
			rule(resourcesOf(func(k kind) bool { return k.policy || k.name == v3.KindTier }), admissionregistrationv1.Create, admissionregistrationv1.Update),
		},
		FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &wait, AdmissionReviewVersions: []string{"v1"}, ReinvocationPolicy: &again,
		MatchConditions: conditions(),
	}}
	return c
}

// conditions keep updates from the webhook that change nothing that it looks at:
// an installation can be repaired by the means it was made with, which write
// everything again, also while no server runs.
func conditions() []admissionregistrationv1.MatchCondition {
	changes := []string{`request.operation != "UPDATE"`, "object.?spec != oldObject.?spec"}
	for _, field := range []string{"labels", "annotations", "finalizers"} {
		changes = append(changes, fmt.Sprintf("object.metadata.?%s != oldObject.metadata.?%s", field, field))
	}
	return []admissionregistrationv1.MatchCondition{{Name: "changes-something", Expression: strings.Join(changes, " || ")}}
}

// applyConfigurations tells the API server of the webhook. meta is the metadata
// of both configurations.
func applyConfigurations(ctx context.Context, client kubernetes.Interface, a address, bundle []byte, meta map[string]any) error {
	force := true
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: &force}
	v := validating(a, bundle)
	body, err := json.Marshal(map[string]any{"apiVersion": v.APIVersion, "kind": v.Kind, "metadata": meta, "webhooks": v.Webhooks})
	if err != nil {
		return err
	}
	v1 := client.AdmissionregistrationV1()
	if _, err := v1.ValidatingWebhookConfigurations().Patch(ctx, ConfigurationName, types.ApplyPatchType, body, options); err != nil {
		return fmt.Errorf("configuration of the validating webhook: %w", err)
	}
	m := mutating(a, bundle)
	if body, err = json.Marshal(map[string]any{"apiVersion": m.APIVersion, "kind": m.Kind, "metadata": meta, "webhooks": m.Webhooks}); err != nil {
		return err
	}
	if _, err := v1.MutatingWebhookConfigurations().Patch(ctx, ConfigurationName, types.ApplyPatchType, body, options); err != nil {
		return fmt.Errorf("configuration of the mutating webhook: %w", err)
	}
	return nil
}
