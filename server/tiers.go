package server

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// tierReader answers what admission asks of the cluster. The answers are those
// of the moment: a cache could know of a tier that is gone, or not yet of one
// that has just been made in the same file.
type tierReader interface {
	// Tier returns a tier; nil if there is none of the name.
	Tier(ctx context.Context, name string) (*v3.Tier, error)
	// PoliciesIn returns the names of policies in a tier, as Kind/namespace/name.
	// It need not return all of them: some is enough to know that there are any.
	PoliciesIn(ctx context.Context, tier string) ([]string, error)
}

// liveTiers asks the API server.
type liveTiers struct{ client rest.Interface }

// Tier implements tierReader.
func (l liveTiers) Tier(ctx context.Context, name string) (*v3.Tier, error) {
	t := &v3.Tier{}
	err := l.client.Get().Resource(tiersResource).Name(name).Do(ctx).Into(t)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tier %q: %w", name, err)
	}
	return t, nil
}

// pageOfNames is how many policies of a tier are asked for at a time.
const pageOfNames = 500

// PoliciesIn implements tierReader. Policies carry their tier in a label, for
// which the API server filters. Those without were made when no server was
// there to add it; all of them are looked at.
func (l liveTiers) PoliciesIn(ctx context.Context, tier string) ([]string, error) {
	var names []string
	for _, k := range kinds() {
		if !k.policy || k.name == v3.KindStagedKubernetesNetworkPolicy && tier != v3.DefaultTier {
			continue
		}
		labelled, err := l.namesIn(ctx, k, tier, v3.TierLabel+"="+tier)
		if err != nil {
			return nil, err
		}
		bare, err := l.namesIn(ctx, k, tier, "!"+v3.TierLabel)
		if err != nil {
			return nil, err
		}
		names = append(append(names, labelled...), bare...)
	}
	return names, nil
}

// inTier is the part of a policy that says where it is.
type inTier struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Tier string `json:"tier"`
	} `json:"spec"`
}

func (l liveTiers) namesIn(ctx context.Context, k kind, tier, selector string) ([]string, error) {
	var names []string
	for next := ""; ; {
		page := struct {
			metav1.ListMeta `json:"metadata"`
			Items           []inTier `json:"items"`
		}{}
		err := l.page(ctx, k.resource, metav1.ListOptions{LabelSelector: selector, Limit: pageOfNames, Continue: next}, &page)
		if err != nil {
			return nil, fmt.Errorf("%s of tier %q: %w", k.resource, tier, err)
		}
		for _, p := range page.Items {
			if v3.TierOrDefault(p.Spec.Tier) == tier {
				names = append(names, k.name+"/"+p.Namespace+"/"+p.Name)
			}
		}
		if next = page.Continue; next == "" {
			return names, nil
		}
	}
}

func (l liveTiers) page(ctx context.Context, resource string, options metav1.ListOptions, into any) error {
	request := l.client.Get().Resource(resource).Param("labelSelector", options.LabelSelector).Param("limit", fmt.Sprint(options.Limit))
	if options.Continue != "" {
		request = request.Param("continue", options.Continue)
	}
	body, err := request.Do(ctx).Raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
