// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Validate says whether a fleet's template can be merged onto its pods and has what they need on their platform; the error names
// the field and is for the user. What only the API server can judge, such as the range of a value, is not looked at.
func Validate(template *runtime.RawExtension, platform v1alpha1.Platform) error {
	// The sample uses every part that depends on the configuration, so that a clash with any of them is found.
	_, err := Render(Input{
		MediaPod: &v1alpha1.MediaPod{
			ObjectMeta: metav1.ObjectMeta{Name: "sample-0", Namespace: "sample"},
			Spec: v1alpha1.MediaPodSpec{
				BotRef: v1alpha1.BotReference{Name: "sample"},
				FleetConfig: v1alpha1.FleetConfig{
					Identity: v1alpha1.BotIdentity{
						Custom: &v1alpha1.CustomCloud{CABundle: &v1alpha1.KeyReference{Name: "sample", Key: "sample"}},
					},
					Media:    v1alpha1.Media{Platform: platform, Endpoint: v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointHostPort}},
					Template: template,
				},
			},
		},
		Image:     "sample",
		MediaPort: 28550,
	})
	return err
}

// strict refuses unknown and repeated fields, with their paths.
var strict = func() *serializer.Serializer {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		panic(err) // two kinds claim one name: a programming error
	}
	return serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Strict: true})
}()

// decode reads the template strictly and checks what it may speak of.
func decode(template *runtime.RawExtension) (*corev1.PodTemplateSpec, error) {
	if isEmpty(template) {
		return &corev1.PodTemplateSpec{}, nil
	}
	// A PodTemplate around it, because the serializer reads whole objects. It also makes the paths in its errors the
	// user's: template.spec.containers[0]….
	wrapped, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "PodTemplate", "template": json.RawMessage(template.Raw),
	})
	if err != nil {
		return nil, fmt.Errorf("template is not JSON: %w", err)
	}
	var object corev1.PodTemplate
	if _, _, err := strict.Decode(wrapped, nil, &object); err != nil {
		if details, ok := runtime.AsStrictDecodingError(err); ok {
			return nil, errors.Join(details.Errors()...)
		}
		return nil, fmt.Errorf("template is not a pod template: %w", err)
	}
	t := &object.Template
	return t, errors.Join(checkMetadata(t), checkOS(t))
}

func isEmpty(template *runtime.RawExtension) bool {
	return template == nil || len(template.Raw) == 0 || string(template.Raw) == "null"
}

func checkMetadata(t *corev1.PodTemplateSpec) error {
	rest := t.ObjectMeta
	rest.Labels, rest.Annotations = nil, nil
	if !apiequality.Semantic.DeepEqual(rest, metav1.ObjectMeta{}) {
		return errors.New("template.metadata may hold labels and annotations only; remove the rest")
	}
	for key := range t.Labels {
		if strings.HasPrefix(key, labelPrefix) || key == podIndex {
			return fmt.Errorf("template.metadata.labels[%s] is the operator's own; remove it", key)
		}
	}
	return nil
}

func checkOS(t *corev1.PodTemplateSpec) error {
	switch os := osOf(t); os {
	case corev1.Windows, corev1.Linux:
		return nil
	default:
		return fmt.Errorf("template.spec.os.name is %q; media pods run on windows or linux", os)
	}
}

// merge lays the template onto the operator's part.
func merge(own *corev1.PodTemplateSpec, template *runtime.RawExtension) (*corev1.PodTemplateSpec, error) {
	if isEmpty(template) {
		return own.DeepCopy(), nil
	}
	raw, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("encoding the pod: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatch(raw, template.Raw, corev1.PodTemplateSpec{})
	if err != nil {
		return nil, fmt.Errorf("template cannot be merged: %w", err)
	}
	result := &corev1.PodTemplateSpec{}
	if err := json.Unmarshal(merged, result); err != nil {
		return nil, fmt.Errorf("template cannot be merged: %w", err)
	}
	return result, nil
}

// keepsOwnPart makes sure that the template added to, and did not undo, what the process in the pod relies on.
func keepsOwnPart(own, merged *corev1.PodTemplateSpec) error {
	ours := own.Spec.Containers[0]
	theirs := find(merged.Spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
	if theirs == nil {
		return fmt.Errorf("template.spec.containers removes the container %q; leave it out or add to it", ContainerName)
	}
	// A merge puts the template's variables first; a variable can only refer to those before it, so the operator's, such
	// as $(POD_IP), go back to the front.
	slices.SortStableFunc(theirs.Env, func(a, b corev1.EnvVar) int { return rank(ours.Env, a) - rank(ours.Env, b) })
	const container = "template.spec.containers[" + ContainerName + "]."
	return errors.Join(
		keeps(container+"env", ours.Env, theirs.Env, func(e corev1.EnvVar) string { return e.Name }),
		keeps(container+"ports", ours.Ports, theirs.Ports, func(p corev1.ContainerPort) string { return p.Name }),
		keeps(container+"volumeMounts", ours.VolumeMounts, theirs.VolumeMounts, func(m corev1.VolumeMount) string { return m.MountPath }),
		keeps("template.spec.volumes", own.Spec.Volumes, merged.Spec.Volumes, func(v corev1.Volume) string { return v.Name }),
	)
}

func keeps[T any](field string, ours, theirs []T, name func(T) string) error {
	for _, want := range ours {
		got := find(theirs, func(t T) bool { return name(t) == name(want) })
		if got == nil || !reflect.DeepEqual(*got, want) {
			return fmt.Errorf("%s changes %s, which the operator sets; remove it", field, name(want))
		}
	}
	return nil
}

func rank(ours []corev1.EnvVar, e corev1.EnvVar) int {
	if find(ours, func(o corev1.EnvVar) bool { return o.Name == e.Name }) != nil {
		return 0
	}
	return 1
}

func find[T any](list []T, match func(T) bool) *T {
	for i := range list {
		if match(list[i]) {
			return &list[i]
		}
	}
	return nil
}
