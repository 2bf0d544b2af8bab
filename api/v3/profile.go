package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Profile is what endpoints that name it fall back to after the last tier, and
// a source of labels for them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=profiles,singular=profile,categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Profile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ProfileSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// ProfileSpec is what a profile says.
type ProfileSpec struct {
	// Ingress are the rules for connections to the endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.services)`,message="not allowed in ingress rule destination",fieldPath=`.destination.services`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.source.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.destination.domains`
	Ingress []Rule `json:"ingress,omitempty"`

	// Egress are the rules for connections from the endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.http)`,message="not allowed in egress rule",fieldPath=`.http`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.services)`,message="not allowed in egress rule source",fieldPath=`.source.services`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.source.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.domains) || self.action == 'Allow'`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.destination.domains`
	Egress []Rule `json:"egress,omitempty"`

	// LabelsToApply are given to every endpoint that names the profile. A
	// label of the endpoint's own with the same key wins.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=1024
	LabelsToApply map[string]string `json:"labelsToApply,omitempty"`
}

// ProfileList is a list of profiles, as the API returns it.
//
// +kubebuilder:object:root=true
type ProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Profile `json:"items"`
}
