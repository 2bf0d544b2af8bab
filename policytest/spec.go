package policytest

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PolicyTest is the object as it is written.
type PolicyTest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec Spec `json:"spec"`
}

// Spec is what a PolicyTest says.
type Spec struct {
	// Covers are the lines of the documented semantics (docs/semantics.md) that
	// the test is a case of. Only our own corpus is held to them.
	Covers []string `json:"covers"`
	// Resources are files and directories, relative to the file of the test.
	Resources []string `json:"resources"`
	// Objects are further objects, in place. One that Resources have too takes
	// its place. Only that they are there is read from this field: they are
	// decoded as documents of their own.
	Objects []any `json:"objects"`
	// Learned are the addresses that domain names are taken to have been learned
	// to have. In Checks a name may stand for the first of them.
	Learned []LearnedSpec `json:"learned"`
	// Checks are connections and what becomes of them.
	Checks []CheckSpec `json:"checks"`
	// Selects say what policies apply to, and what peers of rules match.
	Selects []SelectSpec `json:"selects"`
}

// LearnedSpec is a domain name with the addresses that it has.
type LearnedSpec struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
}

// CheckSpec is one connection and what is expected of it. Direction, Stage, Tier,
// Policy, Rule and Reason speak of the entry that decides in the direction, or
// of that of the direction that denies where Direction is left out. Expect
// speaks of the whole connection.
type CheckSpec struct {
	Name   string `json:"name"`
	From   string `json:"from"`
	To     string `json:"to"`
	Port   string `json:"port"`
	Expect string `json:"expect"`
	// Pending is what the verdict would be if everything staged were enforced;
	// empty does not ask.
	Pending   string `json:"pending,omitempty"`
	Direction string `json:"direction"`
	// Stage is that of the host endpoint which decides: untracked, preDNAT,
	// forward, or normal, which is also that of pods. Empty does not ask.
	Stage string `json:"stage"`
	Tier  string `json:"tier"`
	// Policy is Kind/namespace/name. At the end of a tier it is one of the
	// policies that applied.
	Policy string `json:"policy"`
	Rule   *int   `json:"rule"`
	Reason string `json:"reason"`
}

// SelectSpec is what a policy applies to, or with Rule ("ingress/0") what the
// peer of that rule matches.
type SelectSpec struct {
	Name      string    `json:"name"`
	Policy    string    `json:"policy"`
	Rule      string    `json:"rule"`
	Endpoints *[]string `json:"endpoints"`
	Peers     *[]string `json:"peers"`
}
