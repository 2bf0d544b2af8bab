// Package controlplane runs a Kubernetes control plane inside this process: a
// real etcd, a real kube-apiserver, and the controllers without which objects
// would be left half made (namespaces that never go away, namespaces without
// their default service account). There is no scheduler, no kubelet and no
// garbage collector: the lab plays kubelet and scheduler for its pods.
//
// Everything it keeps is in one data directory: etcd's data, certificates, and
// kubeconfigs. The directory is locked while it is in use. The API server keeps
// state in globals, so a process can run one control plane only.
package controlplane
