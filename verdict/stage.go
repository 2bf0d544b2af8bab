package verdict

// Stage is where on its way through a host a packet meets the policy of a host
// endpoint (semantics.md section 11). The zero value is Normal, the only stage
// of pods.
type Stage uint8

// The stages. A packet meets Untracked before connection tracking, PreDNAT
// before a service's address becomes that of a backend, and then Normal if a
// process of the host is its source or destination, Forward if it is routed
// through the host.
const (
	Normal Stage = iota
	Untracked
	PreDNAT
	Forward
)

// Stages lists all, as a packet meets them.
var Stages = [4]Stage{Untracked, PreDNAT, Forward, Normal}

// String returns the word that explain prints.
func (s Stage) String() string {
	switch s {
	case Untracked:
		return "untracked"
	case PreDNAT:
		return "preDNAT"
	case Forward:
		return "forward"
	}
	return "normal"
}

// HasFailsafe reports whether failsafe ports are open in the stage whatever
// policy says.
func (s Stage) HasFailsafe() bool { return s != Forward }

// FallsThrough reports whether a tier's end passes in the stage, whatever the
// tier says: what no rule decides goes on to the next stage.
func (s Stage) FallsThrough() bool { return s == Untracked || s == PreDNAT }

// Accepts reports whether the decision of an early stage of a host endpoint is
// an explicit one, by which a packet skips the stages that follow at the
// interface that it came by (semantics.md section 0, decision 8); any other
// allowance lets it go on to them.
func (t *Trace) Accepts() bool { return t.Verdict == Allow && t.Reason == ByRule }
