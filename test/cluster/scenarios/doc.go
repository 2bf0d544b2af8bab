// Package scenarios holds Tierwall's own tests on a real cluster on which its
// charts are installed: what users do, seen from the pods. They run where
// TIERWALL_E2E_KUBECONFIG leads, and skip without it; ../e2e.sh sets it.
package scenarios
