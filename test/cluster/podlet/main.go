// Command podlet stands in for the kubelet and the container runtime of a node:
// a pod is a network namespace, and a container is a process with a root folder
// that all of them share. It has no images, volumes, probes or restarts; a pod
// is ready when its processes run. It answers the kubelet's /exec. It runs in
// the node's network namespace and in a mount namespace of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// settings are the command's flags.
type settings struct {
	node                string
	address             netip.Addr
	pool                netip.Prefix
	root                string
	certificate, key    string
	authority           string
	kubeconfig          string
	addressText, podNet string
}

func main() {
	var s settings
	flag.StringVar(&s.node, "node", "", "name of the node")
	flag.StringVar(&s.addressText, "address", "", "address of the node")
	flag.StringVar(&s.podNet, "pods", "", "network that pods' addresses are taken from, a /24")
	flag.StringVar(&s.root, "root", "", "root folder of containers")
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "way to the API server")
	flag.StringVar(&s.certificate, "cert", "", "certificate to serve with")
	flag.StringVar(&s.key, "key", "", "its key")
	flag.StringVar(&s.authority, "ca", "", "who signs the certificates of those who may ask")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, s settings) error {
	var err error
	if s.address, err = netip.ParseAddr(s.addressText); err != nil {
		return fmt.Errorf("-address: %w", err)
	}
	if s.pool, err = netip.ParsePrefix(s.podNet); err != nil {
		return fmt.Errorf("-pods: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := newPods(s, client)
	if err := serve(ctx, s, pods); err != nil {
		return err
	}
	if err := register(ctx, s, client); err != nil {
		return err
	}
	pods.run(ctx)
	return nil
}
