package verdict

// HostAction is what happens to a connection from a pod to its own node after
// the pod's egress policy has allowed it (semantics.md section 11,
// defaultEndpointToHostAction). The zero value is Accept.
type HostAction uint8

// The actions. Return leaves the connection to the node's own firewall, of
// which nothing is known here.
const (
	HostAccept HostAction = iota
	HostDrop
	HostReturn
)

// String returns the word that the setting has in the API.
func (a HostAction) String() string {
	switch a {
	case HostDrop:
		return "Drop"
	case HostReturn:
		return "Return"
	}
	return "Accept"
}
