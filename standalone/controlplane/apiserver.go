package controlplane

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	namespacecontroller "k8s.io/kubernetes/pkg/controller/namespace"
	serviceaccountcontroller "k8s.io/kubernetes/pkg/controller/serviceaccount"

	corev1 "k8s.io/api/core/v1"
)

// logTo sends what the API server says to a file instead of the terminal. The
// server takes os.Stderr for its log when it is set up and cannot be told
// otherwise, so the variable points at the file until restore is called.
func logTo(path string) (restore func(), err error) {
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	terminal := os.Stderr
	os.Stderr = log
	return func() { os.Stderr = terminal }, nil
}

// serve runs the API server until the context ends.
func (p *ControlPlane) serve(ctx context.Context, etcd []string) <-chan error {
	failed := make(chan error, 1)
	pki := func(name string) string { return p.path("pki", name) }
	const issuer = "https://kubernetes.default.svc.cluster.local"
	cmd := app.NewAPIServerCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	authorization := "RBAC"
	if p.options.Kubelets {
		authorization = "Node,RBAC"
	}
	args := []string{
		"--etcd-servers=" + strings.Join(etcd, ","),
		"--bind-address=" + p.options.Address,
		"--advertise-address=" + p.options.Address,
		"--secure-port=" + strconv.Itoa(p.options.Port),
		"--endpoint-reconciler-type=none", // no pod reaches the API by its service address
		"--tls-cert-file=" + pki("apiserver.crt"),
		"--tls-private-key-file=" + pki("apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--token-auth-file=" + p.path("tokens.csv"),
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + pki("sa.key"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--authorization-mode=" + authorization,
		"--service-cluster-ip-range=10.96.0.0/16",
		"--allow-privileged=true",
		"--profiling=false",
	}
	if p.options.Kubelets {
		args = append(args, // of a flag that comes twice the last one holds
			"--endpoint-reconciler-type=lease",
			"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
			"--enable-admission-plugins=NodeRestriction",
			"--kubelet-certificate-authority="+pki("ca.crt"),
			"--kubelet-client-certificate="+pki(kubeletClient+".crt"),
			"--kubelet-client-key="+pki(kubeletClient+".key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--enable-aggregator-routing=true", // its own network has no kube-proxy
		)
	}
	cmd.SetArgs(append(args, p.options.OIDC.args()...))
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		err := cmd.ExecuteContext(ctx)
		if err == nil {
			err = errors.New("it ended")
		}
		failed <- err
	}()
	return failed
}

// args are the API server's arguments for a provider.
func (o OIDC) args() []string {
	if o.Issuer == "" {
		return nil
	}
	args := []string{
		"--oidc-issuer-url=" + o.Issuer,
		"--oidc-client-id=" + o.ClientID,
		"--oidc-username-claim=" + cmp.Or(o.UsernameClaim, "sub"),
		"--oidc-username-prefix=oidc:",
		"--oidc-groups-claim=" + cmp.Or(o.GroupsClaim, "groups"),
		"--oidc-groups-prefix=oidc:",
	}
	if o.CAFile != "" {
		args = append(args, "--oidc-ca-file="+o.CAFile)
	}
	return args
}

// controllers runs what keeps namespaces whole: their deletion, and their
// default service account.
func (p *ControlPlane) controllers(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	namespaces := namespacecontroller.NewNamespaceController(ctx, client, meta, client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), 0, corev1.FinalizerKubernetes)
	accounts, err := serviceaccountcontroller.NewServiceAccountsController(klog.FromContext(ctx), shared.Core().V1().ServiceAccounts(),
		shared.Core().V1().Namespaces(), client, serviceaccountcontroller.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return err
	}
	shared.Start(ctx.Done())
	go namespaces.Run(ctx, 2)
	go accounts.Run(ctx, 1)
	return nil
}
