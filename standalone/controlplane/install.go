package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/api/crds"
	v3 "github.com/tierwall/tierwall/api/v3"
)

// FieldManager is the name under which Tierwall applies objects.
const FieldManager = "tierwall"

// Install applies the CRDs of projectcalico.org/v3, the rights of agents, the
// admission policies and the built-in tiers, starts Tierwall's server in this
// process, and returns when all of it is in effect. It can be repeated: what is
// there is brought up to date.
func (p *ControlPlane) Install(ctx context.Context) error {
	// first, since the API server takes longest to take notice of them
	if err := installAdmission(ctx, p.Config); err != nil {
		return err
	}
	if err := installCRDs(ctx, p.Config); err != nil {
		return err
	}
	// before the tiers: data of a former run names a webhook that is gone
	if err := p.startServer(ctx); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if err := installTiers(ctx, p.Config); err != nil {
		return err
	}
	return p.protected(ctx)
}

func installCRDs(ctx context.Context, config *rest.Config) error {
	client, err := apiextensions.NewForConfig(config)
	if err != nil {
		return err
	}
	all, err := crds.All()
	if err != nil {
		return err
	}
	upstream, err := crds.Upstream()
	if err != nil {
		return err
	}
	all = append(all, upstream...)
	for _, crd := range all {
		if err := applyCRD(ctx, client, crd); err != nil {
			return fmt.Errorf("definition of %s: %w", crd.Name, err)
		}
	}
	for _, crd := range all {
		if err := waitEstablished(ctx, client, crd.Name); err != nil {
			return err
		}
	}
	return nil
}

func applyCRD(ctx context.Context, client apiextensions.Interface, crd *apiextensionsv1.CustomResourceDefinition) error {
	body, err := json.Marshal(crd)
	if err != nil {
		return err
	}
	force := true
	_, err = client.ApiextensionsV1().CustomResourceDefinitions().Patch(ctx, crd.Name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
	return err
}

func waitEstablished(ctx context.Context, client apiextensions.Interface, name string) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		crd, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range crd.Status.Conditions {
			if c.Type == apiextensionsv1.NamesAccepted && c.Status == apiextensionsv1.ConditionFalse {
				return false, fmt.Errorf("%s", c.Message)
			}
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("definition of %s: not established: %w", name, err)
	}
	return nil
}

// installTiers applies the tiers that every cluster has. A definition that has
// just been established can be unknown for a moment still.
func installTiers(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	tiers := client.Resource(v3.GroupVersion.WithResource("tiers"))
	for _, tier := range v3.BuiltinTiers() {
		body, err := json.Marshal(map[string]any{
			"apiVersion": tier.APIVersion, "kind": tier.Kind,
			"metadata": map[string]any{"name": tier.Name}, "spec": tier.Spec,
		})
		if err != nil {
			return err
		}
		var last error
		err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			force := true
			_, last = tiers.Patch(ctx, tier.Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
			return last == nil, nil
		})
		if err != nil {
			return fmt.Errorf("built-in tier %s: %w", tier.Name, last)
		}
	}
	return nil
}
