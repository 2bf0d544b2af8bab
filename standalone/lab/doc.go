// Package lab is a cluster's network on one Linux machine: nodes, pods and
// machines outside the cluster, each a network namespace with a process in it
// that opens real connections on request.
//
//	l, err := lab.New(ctx, lab.Spec{
//		Name:  "demo",
//		Nodes: []lab.Node{{Name: "node-1"}, {Name: "node-2"}},
//		Pods: []lab.Pod{
//			{Namespace: "blue", Name: "be-1", Node: "node-1", Ports: []lab.Port{{Proto: labhost.TCP, Number: 80}}},
//			{Namespace: "red", Name: "fe-1", Node: "node-2"},
//		},
//		Externals: []lab.External{{Name: "db"}},
//	}, lab.Options{})
//	defer l.Close()
//	h, err := l.Host("red/fe-1")
//	r, err := h.Dial(ctx, lab.DialSpec{Proto: labhost.TCP, Addr: l.Addrs("blue/be-1")[0], Port: 80})
//	r.Connected(), r.By                    // true, "blue/be-1"
//
// # The network
//
//	        net: bridge "fabric" 172.30.0.1  fd00:172:30::1
//	          |                  |                 |
//	eth0 172.30.0.11   eth0 172.30.0.12    eth0 172.30.0.100
//	node.node-1        node.node-2         ext.db
//	 | tw...            | tw...
//	eth0 10.244.1.2    eth0 10.244.2.2
//	pod.blue.be-1      pod.red.fe-1
//
// Nothing is made in the machine's own network namespace. Every namespace is
// named tierwall-<lab>-<what>, and is there for "ip netns exec". Nodes route
// between their pods and the fabric, as a CNI plugin without overlay does: a /32
// (and /128) route to each pod, proxy ARP at 169.254.1.1 and fe80::1 as the
// pods' gateways, a route to each other node's pod addresses, and reverse path
// filtering. Duplicate address detection is off: addresses work at once.
//
// # Crashes
//
// All processes of a lab end with the process that made it, however that ends
// (parent death signal, end of standard input). The namespaces stay, and the
// next New of the same name removes them, together with whatever process of the
// lab is still in them. A lock keeps two living labs of one name apart.
//
// The package runs on Linux as root.
package lab
