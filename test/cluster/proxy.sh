# proxy I: kube-proxy's configuration for a node, on standard output; sourced.
proxy() {
  cat <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ${PROXY_MODE:-nftables}
hostnameOverride: $name-node$1
clusterCIDR: "10.244.0.0/16,fd00:10:244::/48"
clientConnection: {kubeconfig: $state/control/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
C
}
