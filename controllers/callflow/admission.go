// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// lookUps is what reading ConfigMaps and other flows may take of the five seconds that the API server waits. What is not known by then
// is left to the controller.
const lookUps = 3 * time.Second

// +kubebuilder:webhookconfiguration:mutating=false,name=callfleet-validating
// +kubebuilder:webhook:path=/validate-callfleet-dev-v1alpha1-callflow,mutating=false,failurePolicy=ignore,sideEffects=None,groups=callfleet.dev,resources=callflows,verbs=create;update,versions=v1alpha1,name=callflows.callfleet.dev,admissionReviewVersions=v1,timeoutSeconds=5,matchPolicy=Equivalent,serviceName=callfleet-webhook,serviceNamespace=callfleet-system,servicePort=9443

// Admission refuses flows with mistakes when they are applied, with the paths of all of them. It must be set up after the controller,
// which it looks things up with.
//
// failurePolicy is Ignore, as the controller judges every flow all the same, and new calls run the last valid version: a manager that is
// down must not keep anybody from applying what may be the repair.
type Admission struct{ Reconciler *Reconciler }

// SetupWithManager adds it to the manager's webhook server.
func (a *Admission) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &v1alpha1.CallFlow{}).WithValidator(a).Complete()
}

// ValidateCreate implements admission.Validator.
func (a *Admission) ValidateCreate(ctx context.Context, flow *v1alpha1.CallFlow) (admission.Warnings, error) {
	return a.validate(ctx, flow)
}

// ValidateUpdate implements admission.Validator. What leaves the flow as it is passes, or nobody could take a finalizer off one that
// has mistakes.
func (a *Admission) ValidateUpdate(ctx context.Context, before, after *v1alpha1.CallFlow) (admission.Warnings, error) {
	if !after.DeletionTimestamp.IsZero() || apiequality.Semantic.DeepEqual(before.Spec, after.Spec) {
		return nil, nil
	}
	return a.validate(ctx, after)
}

// ValidateDelete implements admission.Validator; it is not asked.
func (a *Admission) ValidateDelete(context.Context, *v1alpha1.CallFlow) (admission.Warnings, error) {
	return nil, nil
}

func (a *Admission) validate(ctx context.Context, flow *v1alpha1.CallFlow) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUps)
	defer cancel()
	mistakes, warnings := a.steps(ctx, flow)
	unplayable, more := a.prompts(ctx, flow)
	mistakes, warnings = append(mistakes, unplayable...), append(warnings, more...)
	if len(mistakes) > 0 {
		return nil, apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("CallFlow").GroupKind(), flow.Name, mistakes)
	}
	return warnings, nil
}

// steps judges the flow with those it leads to. What the cache finds wrong with them may have been put right just before.
func (a *Admission) steps(ctx context.Context, flow *v1alpha1.CallFlow) (mistakes field.ErrorList, warnings admission.Warnings) {
	for _, flows := range []client.Reader{a.Reconciler.client, a.Reconciler.live} {
		found, err := below(ctx, flows, flow)
		if err != nil {
			log.FromContext(ctx).Error(err, "judging the flow without those it leads to")
			found = map[string]*v1alpha1.CallFlowSpec{flow.Name: &flow.Spec}
		}
		if mistakes, warnings = mistakesOnApply(flow.Name, found); len(mistakes) == 0 || len(found) == 1 {
			break
		}
	}
	return mistakes, warnings
}

// mistakesOnApply are those for which a flow is refused. A flow that it leads to and that is not there yet, or has mistakes of its own,
// is none of them: the order in which flows are applied must not matter. It is warned of.
func mistakesOnApply(name string, flows map[string]*v1alpha1.CallFlowSpec) (mistakes field.ErrorList, warnings admission.Warnings) {
	sound := make(map[string]*v1alpha1.CallFlowSpec, len(flows))
	for other, spec := range flows {
		if other == name || len(mistakesOf(other, map[string]*v1alpha1.CallFlowSpec{other: spec})) == 0 {
			sound[other] = spec
		}
	}
	_, all := callflow.Compile(name, sound)
	for _, mistake := range all {
		if !callflow.IsMissing(mistake) {
			mistakes = append(mistakes, mistake)
			continue
		}
		if flow, is := mistake.BadValue.(string); is && flows[flow] != nil {
			warnings = append(warnings, fmt.Sprintf("%s: flow %s has mistakes; new calls run the last version that had none until it is corrected", mistake.Field, flow))
		} else {
			warnings = append(warnings, mistake.Error())
		}
	}
	return mistakes, warnings
}

// prompts judges the flow's own files as far as they are there. Those that are not are warned of. What the cache finds wrong may have
// been put right just before, by the same kubectl apply, so that it is looked at again.
func (a *Admission) prompts(ctx context.Context, flow *v1alpha1.CallFlow) (mistakes field.ErrorList, warnings admission.Warnings) {
	type answer struct {
		files map[string]file
		err   error
	}
	now := map[string]answer{}
	callflow.Prompts(&flow.Spec, func(path *field.Path, p *v1alpha1.Prompt) {
		if p.ConfigMap == nil || ctx.Err() != nil {
			return
		}
		found, err := a.Reconciler.files.find(ctx, flow.Namespace, *p.ConfigMap)
		if found.missing != "" || found.unplayable != "" {
			name := p.ConfigMap.Name
			if _, known := now[name]; !known {
				files, err := a.Reconciler.files.latest(ctx, types.NamespacedName{Namespace: flow.Namespace, Name: name})
				now[name] = answer{files, err}
			}
			found, err = pick(*p.ConfigMap, now[name].files, now[name].err)
		}
		switch path = path.Child("configMap"); {
		case err != nil:
			log.FromContext(ctx).Error(err, "leaving a prompt to the controller", "path", path.String())
		case found.unplayable != "":
			mistakes = append(mistakes, field.Invalid(path, p.ConfigMap.Name, found.unplayable))
		case found.missing != "":
			warnings = append(warnings, path.String()+": "+found.missing)
		}
	})
	return mistakes, warnings
}
