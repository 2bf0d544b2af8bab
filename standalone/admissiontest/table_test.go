package admissiontest

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/test/refusals"
)

// refusalTable gives every row of the table that "tierwall validate" is held to
// (test/refusals) to the API server, as kubectl create and kubectl apply
// --server-side do: both refuse it, with the same sentence.
func (w *world) refusalTable(t *testing.T) {
	rows, err := refusals.Rows()
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for i := range rows {
		want, ok := rows[i].Says()
		if !ok {
			continue
		}
		body, err := rows[i].JSON()
		if err != nil {
			t.Fatal(err)
		}
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(body, u); err != nil {
			t.Fatal(err)
		}
		sent++
		_, err = in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		if u.GetName() != "default" && u.GetName() != "kube-admin" { // those are there already
			says(t, err, want)
		}
		force := true
		_, err = in(w.admin, u).Patch(w.ctx, u.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
			FieldManager: "test", Force: &force, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		})
		says(t, err, want)
	}
	t.Logf("%d rows were refused twice", sent)
}
