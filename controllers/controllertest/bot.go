// SPDX-License-Identifier: Apache-2.0

package controllertest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// AppID and TenantID are those of every bot made here.
	AppID    = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	TenantID = "1fdd12d0-4620-44ed-baec-459b611f84b2"
)

// JoinURLOf is the long join link of nobody's meeting; each name is another thread, and so another meeting.
func JoinURLOf(name string) string {
	return "https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + name + "%40thread.v2/0?context=%7b%22Tid%22%3a%22" + TenantID +
		"%22%2c%22Oid%22%3a%22550fae72-d251-43ec-868c-373732c2704f%22%7d"
}

// BotBuilder makes a CallingBot: one replica, 20 seats, ClusterIP, selfSigned, secret "<name>" key "clientSecret".
type BotBuilder struct{ bot v1alpha1.CallingBot }

// Bot starts a CallingBot.
func Bot(namespace, name string) *BotBuilder {
	return &BotBuilder{v1alpha1.CallingBot{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.CallingBotSpec{FleetConfig: FleetConfig(name), Replicas: ptr.To[int32](1), Placement: v1alpha1.PlacementPacked, DeletionPolicy: v1alpha1.DeletionDrain},
	}}
}

// FleetConfig is the configuration every bot made here starts from, as the API server would complete it.
func FleetConfig(bot string) v1alpha1.FleetConfig {
	return v1alpha1.FleetConfig{
		Identity: v1alpha1.BotIdentity{
			AppID: AppID, TenantID: TenantID, Cloud: v1alpha1.CloudPublic,
			Credential: v1alpha1.Credential{ClientSecret: v1alpha1.KeyReference{Name: bot, Key: "clientSecret"}},
		},
		Signaling: v1alpha1.Signaling{Host: "bots.contoso.com"},
		Media: v1alpha1.Media{
			Hosting:     v1alpha1.HostingApplication,
			Endpoint:    v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointClusterIP},
			Certificate: v1alpha1.MediaCertificate{SelfSigned: &v1alpha1.SelfSignedCertificate{}},
		},
		Capacity: v1alpha1.Capacity{Seats: 20},
	}
}

// Replicas sets how many pods are wanted.
func (b *BotBuilder) Replicas(n int32) *BotBuilder { b.bot.Spec.Replicas = &n; return b }

// Seats sets a pod's capacity.
func (b *BotBuilder) Seats(n int32) *BotBuilder { b.bot.Spec.Capacity.Seats = n; return b }

// HostPort makes the endpoint a node port of the range.
func (b *BotBuilder) HostPort(from, to int32) *BotBuilder {
	b.bot.Spec.Media.Endpoint.Type = v1alpha1.EndpointHostPort
	b.bot.Spec.Media.Endpoint.Ports = &v1alpha1.PortRange{From: from, To: to}
	return b
}

// LoadBalancer puts the fleet behind one address with these ports.
func (b *BotBuilder) LoadBalancer(from, to int32) *BotBuilder {
	b.HostPort(from, to)
	b.bot.Spec.Media.Endpoint.Type = v1alpha1.EndpointLoadBalancer
	return b
}

// Domain names the pods.
func (b *BotBuilder) Domain(domain string) *BotBuilder {
	b.bot.Spec.Media.Endpoint.Domain = domain
	return b
}

// CertificateSecret takes the certificate from a Secret instead of making one.
func (b *BotBuilder) CertificateSecret(name string) *BotBuilder {
	b.bot.Spec.Media.Certificate = v1alpha1.MediaCertificate{SecretName: name}
	return b
}

// ServiceHosted leaves the media to the service: no endpoint, no certificate.
func (b *BotBuilder) ServiceHosted() *BotBuilder {
	b.bot.Spec.Media = v1alpha1.Media{Hosting: v1alpha1.HostingService}
	return b
}

// Incoming sets the rules for calls that come in.
func (b *BotBuilder) Incoming(rules ...v1alpha1.IncomingRule) *BotBuilder {
	b.bot.Spec.Incoming = rules
	return b
}

// CABundle makes the cloud a custom one whose roots are in a ConfigMap.
func (b *BotBuilder) CABundle(configMap, key string) *BotBuilder {
	b.bot.Spec.Identity.Cloud = v1alpha1.CloudCustom
	b.bot.Spec.Identity.Custom = &v1alpha1.CustomCloud{
		GraphURL:               "https://127.0.0.1:9443",
		LoginURL:               "https://127.0.0.1:9443/login",
		OpenIDConfigurationURL: "https://127.0.0.1:9443/.well-known/openid",
		Issuers:                []string{"https://api.botframework.com"},
		CABundle:               &v1alpha1.KeyReference{Name: configMap, Key: key},
	}
	return b
}

// Template sets the pod template, given as JSON.
func (b *BotBuilder) Template(json string) *BotBuilder {
	b.bot.Spec.Template = &runtime.RawExtension{Raw: []byte(json)}
	return b
}

// With applies any other change.
func (b *BotBuilder) With(change func(*v1alpha1.CallingBot)) *BotBuilder { change(&b.bot); return b }

// Object gives the result.
func (b *BotBuilder) Object() *v1alpha1.CallingBot { return b.bot.DeepCopy() }
