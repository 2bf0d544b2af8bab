// Command load writes a large world into an API server: go run ./test/scale/load
// -kubeconfig FILE. It is for measurements: nothing takes the world away again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/test/scale"
)

func main() {
	w := scale.Large()
	kubeconfig := flag.String("kubeconfig", "", "leads to the API server")
	flag.IntVar(&w.Tiers, "tiers", w.Tiers, "how many tiers")
	flag.IntVar(&w.Policies, "policies", w.Policies, "how many policies")
	flag.IntVar(&w.Endpoints, "endpoints", w.Endpoints, "how many pods and host endpoints")
	flag.Parse()
	if err := load(context.Background(), *kubeconfig, w); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

// writers is how many objects are written at once.
const writers = 16

func load(ctx context.Context, kubeconfig string, w scale.World) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	began := time.Now()
	objects := w.Objects()
	for first := 0; first < len(objects); {
		last := first
		for last < len(objects) && objects[last].GetKind() == objects[first].GetKind() {
			last++
		}
		if err := writeAll(ctx, client, objects[first:last]); err != nil {
			return err
		}
		first = last
	}
	fmt.Printf("%d objects in %.0f s\n", len(objects), time.Since(began).Seconds())
	return nil
}

// writeAll writes objects that do not need each other.
func writeAll(ctx context.Context, client dynamic.Interface, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *unstructured.Unstructured)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for o := range next {
				if err := write(ctx, client, o); err != nil {
					cancel(fmt.Errorf("%s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err))
				}
			}
		})
	}
	for _, o := range objects {
		next <- o
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}

func write(ctx context.Context, client dynamic.Interface, o *unstructured.Unstructured) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	kind, ok := kindOf(o)
	if !ok {
		return fmt.Errorf("nothing is known of %s %s", o.GetAPIVersion(), o.GetKind())
	}
	gv, err := schema.ParseGroupVersion(kind.APIVersion)
	if err != nil {
		return err
	}
	var r dynamic.ResourceInterface = client.Resource(gv.WithResource(kind.Plural))
	if kind.Namespaced {
		r = client.Resource(gv.WithResource(kind.Plural)).Namespace(o.GetNamespace())
	}
	status := o.Object["status"]
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "metadata", "uid")
	unstructured.RemoveNestedField(o.Object, "metadata", "resourceVersion")
	made, err := r.Create(ctx, o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		made, err = r.Get(ctx, o.GetName(), metav1.GetOptions{})
	}
	if err != nil || status == nil {
		return err
	}
	made.Object["status"] = status
	_, err = r.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}

func kindOf(o *unstructured.Unstructured) (manifest.Kind, bool) {
	for _, k := range manifest.Kinds() {
		if k.APIVersion == o.GetAPIVersion() && k.Kind == o.GetKind() {
			return k, true
		}
	}
	return manifest.Kind{}, false
}
