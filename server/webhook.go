package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// The paths of the webhook.
const (
	validatePath = "/validate"
	mutatePath   = "/mutate"
)

// maxReview bounds a review, in bytes: an object of the size that etcd takes,
// twice, as JSON.
const maxReview = 16 << 20

// webhook answers admission reviews. It is safe for concurrent use.
type webhook struct {
	scheme *runtime.Scheme
	tiers  tierReader
	log    *slog.Logger
	// probed is told which of the paths a probe came to; see Server.Ready.
	probed func(path, nonce string)
	// reviewed counts answers; nil if nobody does.
	reviewed func(allowed bool, took time.Duration)
}

// handler returns the webhook's HTTP side.
func (w *webhook) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+validatePath, w.serve(validatePath, w.validate))
	mux.HandleFunc("POST "+mutatePath, w.serve(mutatePath, w.mutate))
	return mux
}

// review is an answer to a request.
type review func(context.Context, *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse

func (w *webhook) serve(path string, answer review) http.HandlerFunc {
	return func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(out, in.Body, maxReview))
		if err != nil {
			http.Error(out, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		var r admissionv1.AdmissionReview
		if err := json.Unmarshal(body, &r); err != nil || r.Request == nil {
			http.Error(out, "this is no admission review", http.StatusBadRequest)
			return
		}
		w.probe(path, r.Request)
		began := time.Now()
		r.Response = answer(in.Context(), r.Request)
		if w.reviewed != nil {
			w.reviewed(r.Response.Allowed, time.Since(began))
		}
		r.Response.UID = r.Request.UID
		r.Request = nil
		out.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(out).Encode(r); err != nil {
			w.log.Warn("an admission review was not answered", "error", err)
		}
	}
}

// probeAnnotation carries the nonce of a probe.
const probeAnnotation = "tierwall.dev/probe"

func (w *webhook) probe(path string, r *admissionv1.AdmissionRequest) {
	var o metav1.PartialObjectMetadata
	if w.probed == nil || r.DryRun == nil || !*r.DryRun || json.Unmarshal(r.Object.Raw, &o) != nil {
		return
	}
	if nonce := o.Annotations[probeAnnotation]; nonce != "" {
		w.probed(path, nonce)
	}
}

func allowed() *admissionv1.AdmissionResponse { return &admissionv1.AdmissionResponse{Allowed: true} }

// refused is an answer with a status of the API.
func refused(code int32, reason metav1.StatusReason, message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

// decode reads an object of projectcalico.org/v3.
func (w *webhook) decode(r *admissionv1.AdmissionRequest, raw []byte) (metav1.Object, error) {
	o, err := w.scheme.New(v3.GroupVersion.WithKind(r.Kind.Kind))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, err
	}
	object := o.(metav1.Object)
	if object.GetNamespace() == "" {
		object.SetNamespace(r.Namespace)
	}
	return object, nil
}

// validate refuses what is wrong.
func (w *webhook) validate(ctx context.Context, r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	if r.Operation == admissionv1.Delete {
		return w.validateDelete(ctx, r)
	}
	o, err := w.decode(r, r.Object.Raw)
	if err != nil {
		return refused(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	}
	if o.GetDeletionTimestamp() != nil {
		return allowed() // it is on its way out; only finalizers change
	}
	old := r.OldObject.Raw
	if r.Operation == admissionv1.Update && sameMeaning(old, r.Object.Raw) {
		return allowed() // whoever sets an annotation is not to pay for what was there
	}
	problems := Problems(o)
	if tier, ok := tierOf(o); ok {
		missing, err := w.tierProblem(ctx, name(o), tier)
		if err != nil {
			return refused(http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		}
		problems = append(missing, problems...)
	}
	return answer(o, problems)
}

// answer refuses for the problems that refuse, all of them at once, and else
// warns of the others.
func answer(o metav1.Object, problems []model.Problem) *admissionv1.AdmissionResponse {
	var wrong []model.Problem
	var warnings []string
	for _, p := range problems {
		if Refuses(p) {
			wrong = append(wrong, p)
		} else if len(warnings) < maxSentences {
			warnings = append(warnings, sentence(p))
		}
	}
	if len(wrong) == 0 {
		return &admissionv1.AdmissionResponse{Allowed: true, Warnings: warnings}
	}
	out := refused(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, message(wrong))
	out.Result.Details = &metav1.StatusDetails{Group: v3.Group, Kind: kindName(o), Name: o.GetName(), Causes: causes(wrong)}
	return out
}

// tierProblem says whether a policy can be in a tier now.
func (w *webhook) tierProblem(ctx context.Context, object, tier string) ([]model.Problem, error) {
	t, err := w.tiers.Tier(ctx, tier)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return []model.Problem{tierMissing(object, tier)}, nil
	case t.DeletionTimestamp != nil:
		return []model.Problem{tierGoing(object, tier)}, nil
	}
	return nil, nil
}

// validateDelete keeps the built-in tiers, and tiers that policies are in.
func (w *webhook) validateDelete(ctx context.Context, r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	o, err := w.decode(r, r.OldObject.Raw)
	if err != nil {
		return refused(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	}
	t, ok := o.(*v3.Tier)
	if !ok || t.DeletionTimestamp != nil {
		return allowed()
	}
	if why := deletion(t.Name, nil); why != "" {
		return refused(http.StatusForbidden, metav1.StatusReasonForbidden, why)
	}
	policies, err := w.tiers.PoliciesIn(ctx, t.Name)
	if err != nil {
		return refused(http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
	}
	if why := deletion(t.Name, policies); why != "" {
		return refused(http.StatusForbidden, metav1.StatusReasonForbidden, why)
	}
	return allowed()
}

// mutate adds the label of policies and the finalizer of tiers.
func (w *webhook) mutate(_ context.Context, r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	o, err := w.decode(r, r.Object.Raw)
	if err != nil {
		return refused(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	}
	patch, err := stamp(o)
	if err != nil {
		return refused(http.StatusInternalServerError, metav1.StatusReasonInternalError, fmt.Sprintf("label: %v", err))
	}
	out := allowed()
	if patch != nil {
		kind := admissionv1.PatchTypeJSONPatch
		out.Patch, out.PatchType = patch, &kind
	}
	return out
}
