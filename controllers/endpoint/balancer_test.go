// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

func sharing(slot, from, to int32) *v1alpha1.MediaPod {
	mp := mediaPod(slot, ofType(v1alpha1.EndpointLoadBalancer, from, to))
	mp.UID = types.UID(mp.Name)
	return mp
}

func balancedBot(from, to int32) *v1alpha1.CallingBot {
	bot := controllertest.Bot("voice", "reception").LoadBalancer(from, to).Object()
	bot.UID = "bot"
	return bot
}

// sharedService is the one of balancedBot as it should be.
func sharedService(bot *v1alpha1.CallingBot, change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "reception-media", Labels: map[string]string{"callfleet.dev/bot": "reception"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(bot, v1alpha1.GroupVersion.WithKind("CallingBot"))},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, PublishNotReadyAddresses: true, ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyCluster,
			Selector: map[string]string{"callfleet.dev/bot": "reception"},
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{at("20.0.0.9")}}},
	}
	for port := bot.Spec.Media.Endpoint.Ports.From; port <= bot.Spec.Media.Endpoint.Ports.To; port++ {
		for _, p := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
			name := podspec.MediaPortName(port, p)
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: name, Protocol: p, Port: port, TargetPort: intstr.FromString(name), NodePort: port + 2000})
		}
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func TestAFleetBehindOneAddress(t *testing.T) {
	bot, mp := balancedBot(28550, 28552), sharing(1, 28550, 28552)
	alone := []endpoint.Member{{MediaPod: mp}}
	reached := func(port int32) want {
		return want{Endpoint: &v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: port}, Port: port,
			Reason: "Assigned", Message: fmt.Sprintf("reached at 20.0.0.9, port %d, TCP and UDP", port)}
	}
	tests := map[string]struct {
		facts endpoint.Facts
		want  want
	}{
		"no Service": {
			endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: alone},
			want{Port: 28551, Writes: true, Reason: "WaitingForAddress", Message: `waiting for the public address of Service "reception-media"`},
		},
		"address": {endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: alone, Service: sharedService(bot)}, reached(28551)},
		"the Pod's port stands though the range has moved": {
			endpoint.Facts{MediaPod: mp, Bot: bot, PodPort: 30000, Fleet: []endpoint.Member{{MediaPod: mp, Port: 30000}}, Service: sharedService(bot)},
			func() want { w := reached(30000); w.Writes = true; return w }(),
		},
		"every port is taken": {
			endpoint.Facts{MediaPod: mp, Bot: bot, Service: sharedService(bot), Fleet: []endpoint.Member{
				{MediaPod: sharing(7, 28550, 28559), Port: 28550}, {MediaPod: sharing(8, 28550, 28559), Port: 28551},
				{MediaPod: sharing(9, 28550, 28559), Port: 28552}, {MediaPod: mp},
			}},
			want{Stalled: true, Reason: "PortsExhausted", Message: "the fleet's pods use every port from 28550 to 28552; widen media.endpoint.ports"},
		},
		"another pod has the port": {
			endpoint.Facts{MediaPod: mp, Bot: bot, PodPort: 28551, Service: sharedService(bot), Fleet: []endpoint.Member{
				{MediaPod: sharing(0, 28550, 28552), Port: 28551}, {MediaPod: mp, Port: 28551},
			}},
			want{Port: 28551, Stalled: true, Reason: "PortConflict",
				Message: `media pod "reception-0" has port 28551 too; delete this media pod, and another takes its place`},
		},
		"somebody else's Service": {
			endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: alone, Service: sharedService(bot, func(s *corev1.Service) { s.OwnerReferences = nil })},
			want{Port: 28551, Stalled: true, Reason: "EndpointUnavailable",
				Message: `a Service "reception-media" exists that does not belong to this bot; delete or rename it`},
		},
		"the Service of an earlier bot": {
			endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: alone, Service: sharedService(bot, func(s *corev1.Service) { s.OwnerReferences[0].UID = "bot0" })},
			want{Port: 28551, Reason: "WaitingForAddress",
				Message: `Service "reception-media" of an earlier bot of this name is still being removed; it is waited for`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(endpoint.Observe(tc.facts))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestASharedServiceThatDriftedIsWrittenAgain(t *testing.T) {
	bot, mp := balancedBot(28550, 28552), sharing(1, 28550, 28552)
	old := sharing(5, 30000, 30009)
	tests := map[string]struct {
		change func(*corev1.Service)
		facts  func(*endpoint.Facts)
		ports  int // of the Service as written; 0: it is not
	}{
		"as wanted":                {},
		"others added things":      {change: func(s *corev1.Service) { s.Annotations = map[string]string{"x": "y"}; s.Labels["x"] = "y" }},
		"a port removed":           {change: func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[1:] }, ports: 6},
		"a port added":             {change: func(s *corev1.Service) { s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: 1}) }, ports: 6},
		"a port leads to all":      {change: func(s *corev1.Service) { s.Spec.Ports[2].TargetPort = intstr.FromInt32(28551) }, ports: 6},
		"selector changed":         {change: func(s *corev1.Service) { s.Spec.Selector["x"] = "y" }, ports: 6},
		"packets stay on the node": {change: func(s *corev1.Service) { s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal }, ports: 6},
		"owner changed": {change: func(s *corev1.Service) {
			s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{UID: "x"})
		}, ports: 6},
		"a pod of an earlier range": {facts: func(f *endpoint.Facts) { f.Fleet = append(f.Fleet, endpoint.Member{MediaPod: old, Port: 30005}) }, ports: 8},
		"the range grew":            {facts: func(f *endpoint.Facts) { f.Bot = balancedBot(28550, 28553) }, ports: 8},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: []endpoint.Member{{MediaPod: mp}}, Service: sharedService(bot)}
			if tc.change != nil {
				tc.change(f.Service)
			}
			if tc.facts != nil {
				tc.facts(&f)
			}
			state, ports := endpoint.Observe(f), 0
			if state.Service != nil {
				ports = len(state.Service.Spec.Ports)
			}
			if ports != tc.ports {
				t.Errorf("written with %d ports, want %d", ports, tc.ports)
			}
			if state.Endpoint == nil {
				t.Error("the address is forgotten meanwhile")
			}
		})
	}
}

func TestTheSharedServiceGoesWithItsLastUser(t *testing.T) {
	mp, other := sharing(1, 28550, 28552), sharing(2, 28550, 28552)
	owners := func(bot *v1alpha1.CallingBot) (list []string) {
		f := endpoint.Facts{MediaPod: mp, Bot: bot, Fleet: []endpoint.Member{{MediaPod: mp}, {MediaPod: other}}}
		for _, o := range endpoint.Observe(f).Service.OwnerReferences {
			list = append(list, *o.Kind+"/"+*o.Name)
		}
		return list
	}
	moved := balancedBot(28550, 28552)
	moved.Spec.Media.Endpoint.Type = v1alpha1.EndpointHostPort
	tests := map[string]struct {
		bot  *v1alpha1.CallingBot
		want []string
	}{
		"the bot has the type":     {balancedBot(28550, 28552), []string{"CallingBot/reception"}},
		"the bot has another type": {moved, []string{"MediaPod/reception-1", "MediaPod/reception-2"}},
		"the bot is gone":          {nil, []string{"MediaPod/reception-1", "MediaPod/reception-2"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, owners(tc.bot)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Every pass sees another part of what the others have done so far. Whatever it is, no port is given away twice.
func TestPassesThatRunAtOnceGiveNoPortTwice(t *testing.T) {
	bot := balancedBot(28550, 28559)
	fleet := []endpoint.Member{
		{MediaPod: sharing(4, 28549, 28558), Port: 28551}, {MediaPod: sharing(5, 28549, 28558), Port: 28552}, // of an earlier range
		{MediaPod: sharing(0, 28550, 28559)}, {MediaPod: sharing(1, 28550, 28559)}, {MediaPod: sharing(2, 28550, 28559)}, {MediaPod: sharing(3, 28550, 28559)},
	}
	portOf := func(fleet []endpoint.Member, i int) int32 {
		return endpoint.Observe(endpoint.Facts{MediaPod: fleet[i].MediaPod, Bot: bot, Fleet: fleet}).Port
	}
	final := slices.Clone(fleet)
	seen := map[int32]int{28551: 4, 28552: 5}
	for i := 2; i < len(fleet); i++ {
		final[i].Port = portOf(fleet, i)
		if other, is := seen[final[i].Port]; is {
			t.Errorf("slots %d and %d both have port %d", other, final[i].MediaPod.Spec.Slot, final[i].Port)
		}
		seen[final[i].Port] = int(final[i].MediaPod.Spec.Slot)
	}
	for known := range 1 << 4 { // which of the four have been seen to have theirs
		view := slices.Clone(fleet)
		for bit := range 4 {
			if known&(1<<bit) != 0 {
				view[2+bit].Port = final[2+bit].Port
			}
		}
		for i := 2; i < len(view); i++ {
			if got := portOf(view, i); got != final[i].Port {
				t.Errorf("slot %d gets port %d in one pass and %d in another", view[i].MediaPod.Spec.Slot, final[i].Port, got)
			}
		}
	}
}
