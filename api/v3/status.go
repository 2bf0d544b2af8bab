package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The types of the conditions that Tierwall writes.
const (
	// ConditionAccepted says whether the object was understood in full. False
	// names what was not, and the object then applies as semantics.md section
	// 0, decision 3, says.
	ConditionAccepted = "Accepted"
	// ConditionProgrammed says whether the nodes that need the object have it
	// in their kernel.
	ConditionProgrammed = "Programmed"
	// ConditionReady says whether a tier is in use.
	ConditionReady = "Ready"
)

// Status is what the system reports on an object. Each condition carries the
// generation of the object that it speaks of in observedGeneration; one of an
// older generation says nothing about the object as it is now. An empty list
// means that nobody has looked at the object yet.
type Status struct {
	// Conditions has at most one condition of each type.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}
