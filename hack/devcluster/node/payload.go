// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/hack/devcluster/node/downward"
	"github.com/callfleet/callfleet/hack/devcluster/node/volume"
)

// token is a bound service-account token of a pod.
type token struct {
	value     string
	refreshAt time.Time
}

// payload makes the content of a volume that has one of its own.
func (w *worker) payload(v *corev1.Volume) (volume.Payload, error) {
	switch {
	case v.Secret != nil:
		return w.secretPayload(v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional)
	case v.ConfigMap != nil:
		return w.configMapPayload(v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional)
	case v.DownwardAPI != nil:
		return w.downwardPayload(v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		return w.projectedPayload(v.Name, v.Projected)
	}
	return nil, errors.New("this type of volume is not supported by the local node agent; it has secret, configMap, downwardAPI, projected, emptyDir and hostPath")
}

func (w *worker) projectedPayload(name string, p *corev1.ProjectedVolumeSource) (volume.Payload, error) {
	all := volume.Payload{}
	for i, source := range p.Sources {
		var part volume.Payload
		var err error
		switch {
		case source.Secret != nil:
			part, err = w.secretPayload(source.Secret.Name, source.Secret.Items, p.DefaultMode, source.Secret.Optional)
		case source.ConfigMap != nil:
			part, err = w.configMapPayload(source.ConfigMap.Name, source.ConfigMap.Items, p.DefaultMode, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			part, err = w.downwardPayload(source.DownwardAPI.Items, p.DefaultMode)
		case source.ServiceAccountToken != nil:
			var value string
			value, err = w.boundToken(fmt.Sprintf("%s/%d", name, i), source.ServiceAccountToken)
			part = volume.Text(source.ServiceAccountToken.Path, value, nil, p.DefaultMode)
		default:
			err = errors.New("this projection is not supported by the local node agent; it has secret, configMap, downwardAPI and serviceAccountToken")
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, part)
	}
	return all, nil
}

func (w *worker) secretPayload(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (volume.Payload, error) {
	may := optional != nil && *optional
	secret, err := w.secret(name)
	if apierrors.IsNotFound(err) && may {
		return volume.Payload{}, nil
	}
	if err != nil {
		return nil, err
	}
	return volume.Secret(secret, items, mode, may)
}

func (w *worker) configMapPayload(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (volume.Payload, error) {
	may := optional != nil && *optional
	cm, err := w.configMap(name)
	if apierrors.IsNotFound(err) && may {
		return volume.Payload{}, nil
	}
	if err != nil {
		return nil, err
	}
	return volume.ConfigMap(cm, items, mode, may)
}

func (w *worker) downwardPayload(items []corev1.DownwardAPIVolumeFile, mode *int32) (volume.Payload, error) {
	payload := volume.Payload{}
	for _, item := range items {
		var value string
		var err error
		if item.FieldRef != nil {
			value, err = downward.Field(w.pod, w.podAddresses(), item.FieldRef.FieldPath)
		} else if item.ResourceFieldRef != nil {
			value, err = downward.Resource(w.pod, nil, capacity, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(payload, volume.Text(item.Path, value, item.Mode, mode))
	}
	return payload, nil
}

// boundToken returns a token that is valid as long as the pod exists. It is
// renewed when 80 % of its life is over, as kubelet does.
func (w *worker) boundToken(key string, source *corev1.ServiceAccountTokenProjection) (string, error) {
	now := time.Now()
	if t, ok := w.tokens[key]; ok && now.Before(t.refreshAt) {
		return t.value, nil
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: w.pod.Name, UID: w.uid},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	ctx, cancel := context.WithTimeout(w.ctx, apiTimeout)
	defer cancel()
	answer, err := w.agent.client.CoreV1().ServiceAccounts(w.pod.Namespace).
		CreateToken(ctx, w.pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		if t, ok := w.tokens[key]; ok {
			// The old one is good for a while yet.
			w.tokens[key] = token{value: t.value, refreshAt: now.Add(5 * time.Second)}
			return t.value, nil
		}
		return "", fmt.Errorf("failed to fetch token: %w", err)
	}
	life := answer.Status.ExpirationTimestamp.Sub(now)
	w.tokens[key] = token{value: answer.Status.Token, refreshAt: now.Add(life * 8 / 10)}
	return answer.Status.Token, nil
}
