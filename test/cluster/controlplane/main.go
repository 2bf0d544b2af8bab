// Command controlplane runs the control plane of the test cluster: etcd and API
// server in this process, and the certificates and kubeconfigs of all parts in
// the folder it is given. It makes the file "ready" there when the API is.
//
//	controlplane DIR ADDRESS NODE=ADDRESS...
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tierwall/tierwall/standalone/controlplane"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: controlplane DIR ADDRESS NODE=ADDRESS...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, address string, nodes []string) error {
	plane, err := controlplane.Start(ctx, controlplane.Options{DataDir: dir, Address: address, Kubelets: true})
	if err != nil {
		return err
	}
	defer plane.Close()
	users := map[string][2]string{
		"controller-manager": {"system:kube-controller-manager", ""},
		"scheduler":          {"system:kube-scheduler", ""},
		"proxy":              {"system:kube-proxy", "system:node-proxier"},
	}
	for _, node := range nodes {
		name, at, ok := strings.Cut(node, "=")
		if !ok {
			return fmt.Errorf("node %q: write it as NAME=ADDRESS", node)
		}
		users[name] = [2]string{"system:node:" + name, "system:nodes"}
		users["agent-"+name] = [2]string{controlplane.AgentUser(name), controlplane.AgentGroup}
		if err := plane.IssueServing(name, []string{name}, []net.IP{net.ParseIP(at)}); err != nil {
			return err
		}
	}
	for name, user := range users {
		if err := plane.IssueKubeconfig(filepath.Join(dir, name+".kubeconfig"), user[0], strings.Fields(user[1]), plane.URL); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
