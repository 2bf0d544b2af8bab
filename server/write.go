package server

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// job is one write: a condition, or the finalizers of a tier.
type job struct {
	object, kind, namespace, name string
	uid                           types.UID
	version                       string
	// condition is what to write into the status; nil for finalizers.
	condition  *metav1.Condition
	finalizers []string
	// release says that the finalizer is taken off, if really nothing is in the
	// tier.
	release bool
}

// writer does jobs.
type writer struct {
	client rest.Interface
	tiers  tierReader
}

// errStillUsed is that a policy has arrived in a tier that is being deleted.
type errStillUsed struct{ policies []string }

// Error implements error.
func (e errStillUsed) Error() string { return "the tier still has " + some(e.policies, 5) }

// do carries a job out.
func (w writer) do(ctx context.Context, j job) error {
	switch {
	case j.condition != nil:
		return w.condition(ctx, j)
	case j.release:
		policies, err := w.tiers.PoliciesIn(ctx, j.name)
		if err != nil {
			return err
		}
		if len(policies) > 0 {
			return errStillUsed{policies}
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": j.uid, "resourceVersion": j.version, "finalizers": j.finalizers,
	}})
	if err != nil {
		return err
	}
	return w.client.Patch(types.MergePatchType).Resource(tiersResource).Name(j.name).Param("fieldManager", fieldManager).Body(body).Do(ctx).Error()
}

// condition applies one condition under the server's own name, so that those of
// others stay. The uid keeps it off an object of the same name that came later.
func (w writer) condition(ctx context.Context, j job) error {
	k, ok := kindOf(j.kind)
	if !ok {
		return fmt.Errorf("unknown kind %s", j.kind)
	}
	metadata := map[string]any{"name": j.name, "uid": j.uid}
	if k.namespaced {
		metadata["namespace"] = j.namespace
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": v3.GroupVersion.String(), "kind": j.kind, "metadata": metadata,
		"status": map[string]any{"conditions": []metav1.Condition{*j.condition}},
	})
	if err != nil {
		return err
	}
	return w.client.Patch(types.ApplyPatchType).NamespaceIfScoped(j.namespace, k.namespaced).Resource(k.resource).Name(j.name).
		SubResource("status").Param("fieldManager", fieldManager).Param("force", "true").Body(body).Do(ctx).Error()
}

// overtaken reports whether a write came too late: the object is gone, another
// one, or has changed since.
func overtaken(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// host carries out a write of a host endpoint, and returns it as it is then; nil
// if it is gone. One that has changed meanwhile is left alone.
func (w writer) host(ctx context.Context, h hostWrite) (*v3.HostEndpoint, error) {
	out := &v3.HostEndpoint{}
	switch {
	case h.want == nil:
		conditions := metav1.Preconditions{UID: &h.have.UID, ResourceVersion: &h.have.ResourceVersion}
		return nil, w.client.Delete().Resource(hostEndpoints).Name(h.have.Name).Body(&metav1.DeleteOptions{Preconditions: &conditions}).Do(ctx).Error()
	case h.have == nil:
		return out, w.client.Post().Resource(hostEndpoints).Param("fieldManager", fieldManager).Body(h.want).Do(ctx).Into(out)
	}
	next := h.have.DeepCopy()
	next.Labels, next.Spec = h.want.Labels, h.want.Spec
	return out, w.client.Put().Resource(hostEndpoints).Name(next.Name).Param("fieldManager", fieldManager).Body(next).Do(ctx).Into(out)
}
