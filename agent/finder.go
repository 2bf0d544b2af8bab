package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/tierwall/tierwall/report"
)

// finder follows the ConfigMap in which the server that takes reports says where
// it is. As the store of a reflector it keeps nothing.
type finder struct {
	name string
	turn func(receiver)
	log  *slog.Logger
	last map[string]string
}

// find follows the ConfigMap, NAMESPACE/NAME, until the context ends.
func find(ctx context.Context, config *rest.Config, object string, turn func(receiver), log *slog.Logger) error {
	namespace, name, ok := strings.Cut(object, "/")
	if !ok || namespace == "" || name == "" {
		return fmt.Errorf("configmap %q of the server: write it as NAMESPACE/NAME", object)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "configmaps", namespace, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	f := &finder{name: object, turn: turn, log: log}
	r := cache.NewReflectorWithOptions(lw, &corev1.ConfigMap{}, f, cache.ReflectorOptions{Name: object})
	go r.RunWithContext(klog.NewContext(ctx, logr.Discard()))
	return nil
}

// read returns the way that the server has written.
func read(data map[string]string) (receiver, error) {
	w := receiver{url: data[report.URLKey], name: data[report.NameKey], trusted: func() ([]byte, error) { return []byte(data[report.CAKey]), nil }}
	if w.name == "" {
		return w, errors.New("server: it does not say which name the certificate has")
	}
	return w, w.check()
}

// Update implements cache.ReflectorStore.
func (f *finder) Update(o any) error {
	m, ok := o.(*corev1.ConfigMap)
	if !ok || same(f.last, m.Data) {
		return nil
	}
	f.last = m.Data
	w, err := read(m.Data)
	if err != nil {
		f.log.Warn("what the server says of where it is cannot be used; this node reports as before", "configmap", f.name, "error", err)
		return nil
	}
	f.log.Info("this node reports to", "server", w.url)
	f.turn(w)
	return nil
}

func same(a, b map[string]string) bool {
	for _, key := range []string{report.URLKey, report.NameKey, report.CAKey} {
		if a[key] != b[key] {
			return false
		}
	}
	return true
}

// Add implements cache.ReflectorStore.
func (f *finder) Add(o any) error { return f.Update(o) }

// Delete implements cache.ReflectorStore: what was known last holds.
func (f *finder) Delete(any) error { return nil }

// Replace implements cache.ReflectorStore.
func (f *finder) Replace(list []any, _ string) error {
	for _, o := range list {
		if err := f.Update(o); err != nil {
			return err
		}
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *finder) Resync() error { return nil }
