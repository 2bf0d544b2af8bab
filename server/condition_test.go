package server

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// TestWarningsAreAccepted: a warning is told and makes nothing False, unless
// there is a problem beside it.
func TestWarningsAreAccepted(t *testing.T) {
	warning := model.Problem{Code: "setting-not-read", Path: "spec.bpfEnabled", Message: "is not read", Warning: true}
	bad := model.Problem{Code: "not-supported", Path: "spec.x", Message: "no"}
	c := condition(v3.KindFelixConfiguration, 1, []model.Problem{warning})
	if c.Status != metav1.ConditionTrue || c.Reason != reasonAccepted || c.Message != "spec.bpfEnabled: is not read" {
		t.Errorf("%+v", c)
	}
	if c = condition(v3.KindFelixConfiguration, 1, []model.Problem{warning, bad}); c.Status != metav1.ConditionFalse || c.Reason != "NotSupported" {
		t.Errorf("%+v", c)
	}
	if Refuses(warning) {
		t.Error("a warning is refused")
	}
}
