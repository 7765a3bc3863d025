// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
)

// FleetConfig is what a media pod is made from. A CallingBot declares it, and each MediaPod carries the copy it was
// created with, so that a running pod never changes under its calls.
type FleetConfig struct {
	// identity is the bot registration the fleet speaks for.
	// +required
	Identity BotIdentity `json:"identity"`

	// signaling says under which public name Microsoft reaches the fleet.
	// +required
	Signaling Signaling `json:"signaling"`

	// media says how the far side reaches a pod's media port.
	// +required
	Media Media `json:"media"`

	// capacity is how much one pod may carry.
	// +optional
	// +default={"seats": 20}
	Capacity Capacity `json:"capacity,omitzero"`

	// template is merged (strategic merge) onto the pod the operator makes: metadata.labels, metadata.annotations and any
	// pod spec field. The container is named "mediapod". Pods run Windows unless spec.os.name says "linux".
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Template *runtime.RawExtension `json:"template,omitempty"`
}

// Cloud names the Microsoft cloud a bot lives in. The calls API does not exist in China.
// +kubebuilder:validation:Enum=Public;USGov;USGovDoD;Custom
type Cloud string

const (
	CloudPublic   Cloud = "Public"
	CloudUSGov    Cloud = "USGov"
	CloudUSGovDoD Cloud = "USGovDoD"
	// CloudCustom takes every address from identity.custom: a private cloud, a proxy, or the local Teams.
	CloudCustom Cloud = "Custom"
)

// GUID is a directory object id in its usual 8-4-4-4-12 form.
// +kubebuilder:validation:Pattern=`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`
// +kubebuilder:validation:MaxLength=36
type GUID string

// BotIdentity is an application registered with Microsoft Entra ID and Azure Bot Service.
// +kubebuilder:validation:XValidation:rule="(self.cloud == 'Custom') == has(self.custom)",message="custom is given with cloud: Custom and only then"
type BotIdentity struct {
	// appID is the application (client) id of the registration.
	// +required
	AppID GUID `json:"appID"`

	// tenantID is the home tenant: the one that asks for tokens.
	// +required
	TenantID GUID `json:"tenantID"`

	// credential proves the identity.
	// +required
	Credential Credential `json:"credential"`

	// cloud selects addresses and accepted token issuers.
	// +optional
	// +default="Public"
	Cloud Cloud `json:"cloud,omitempty"`

	// custom holds the addresses for cloud: Custom.
	// +optional
	Custom *CustomCloud `json:"custom,omitempty"`

	// allowedTenants are the tenants, besides the home tenant, whose calls the bot takes, and whose meetings and users it may join
	// and call (spec.meeting.tenantID of a session, spec.tenantID of a Call).
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	AllowedTenants []GUID `json:"allowedTenants,omitempty"`
}

// CABundle is where the roots are that are trusted besides the system's; nil if that is nowhere.
func (id BotIdentity) CABundle() *KeyReference {
	if id.Custom == nil {
		return nil
	}
	return id.Custom.CABundle
}

// Credential is how the bot proves who it is to the login service.
type Credential struct {
	// clientSecret is a key of a Secret in the bot's namespace. A changed secret is picked up without a restart.
	// +required
	ClientSecret KeyReference `json:"clientSecret"`
}

// KeyReference names one key of a Secret or ConfigMap in the same namespace.
type KeyReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// key inside the object's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// HTTPSURL is an absolute https address.
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https'",message="must be an absolute https:// URL"
type HTTPSURL string

// CustomCloud holds the addresses of a cloud that is none of Microsoft's public ones.
type CustomCloud struct {
	// graphURL is the base of Microsoft Graph, without version, such as https://graph.microsoft.com.
	// +required
	GraphURL HTTPSURL `json:"graphURL"`

	// loginURL is the authority, without tenant, such as https://login.microsoftonline.com.
	// +required
	LoginURL HTTPSURL `json:"loginURL"`

	// openIDConfigurationURL is the metadata document whose keys sign call notifications.
	// +required
	OpenIDConfigurationURL HTTPSURL `json:"openIDConfigurationURL"`

	// issuers are the accepted "iss" values of call notifications.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	Issuers []string `json:"issuers"`

	// caBundle is a ConfigMap key with PEM roots trusted, besides the system's, for these addresses.
	// +optional
	CABundle *KeyReference `json:"caBundle,omitempty"`
}

// Signaling is the public side of the notification webhook.
type Signaling struct {
	// host, with an optional port, is where Microsoft reaches the router. Register https://HOST/<namespace>/<bot>/calls as
	// the calling webhook of the bot.
	// +required
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`
	Host string `json:"host"`

	// redirects send calls that come in from certain places to a fleet nearer to them; the first that matches decides.
	// Changing them does not replace pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Redirects []RegionRedirect `json:"redirects,omitempty"`
}

// EndpointType says how the far side reaches a pod's media port, TCP and UDP.
// +kubebuilder:validation:Enum=ClusterIP;HostPort;NodePort;LoadBalancer;LoadBalancerPerPod
type EndpointType string

const (
	// EndpointClusterIP gives each pod a Service of its own; for far sides inside the cluster's network.
	EndpointClusterIP EndpointType = "ClusterIP"
	// EndpointHostPort opens a port of the node the pod runs on; the address is the node's external (else internal) IP.
	EndpointHostPort EndpointType = "HostPort"
	// EndpointNodePort gives each pod a Service with a node port; the address is that of the node the pod runs on.
	EndpointNodePort EndpointType = "NodePort"
	// EndpointLoadBalancer gives the fleet one Service (<bot>-media) with one public address, and each pod a port of it.
	EndpointLoadBalancer EndpointType = "LoadBalancer"
	// EndpointLoadBalancerPerPod gives each pod a Service of its own with a public address of its own.
	EndpointLoadBalancerPerPod EndpointType = "LoadBalancerPerPod"
)

// Hosting says who handles the media of a bot's calls.
// +kubebuilder:validation:Enum=Application;Service
type Hosting string

const (
	// HostingApplication: the media pod does. A call lives and dies with its pod.
	HostingApplication Hosting = "Application"
	// HostingService: Microsoft does; the bot has prompts played, tones told and answers recorded. Pods need no public
	// address and no certificate, and a call outlives its pod.
	HostingService Hosting = "Service"
)

// Platform is what carries the media of application-hosted calls over the last hop, to the far side.
// +kubebuilder:validation:Enum=WebRTC;Microsoft
type Platform string

const (
	// PlatformWebRTC: nothing does; the far side is a WebRTC peer and comes to the media port.
	PlatformWebRTC Platform = "WebRTC"
	// PlatformMicrosoft: Microsoft's Real-time Media Platform, in a container beside the media pod's own.
	PlatformMicrosoft Platform = "Microsoft"
)

// Media describes the media side of a fleet.
// +kubebuilder:validation:XValidation:rule="self.hosting != 'Service' || !has(self.modalities) || self.modalities.all(m, m == 'Audio')",message="with hosting: Service calls have audio alone; leave modalities out or set hosting: Application"
// +kubebuilder:validation:XValidation:rule="(self.hosting == 'Service') != has(self.endpoint)",message="endpoint is given with hosting: Application and only then"
// +kubebuilder:validation:XValidation:rule="(self.hosting == 'Service') != has(self.certificate)",message="certificate is given with hosting: Application and only then"
// +kubebuilder:validation:XValidation:rule="!has(self.certificate) || !has(self.certificate.issuerRef) || (has(self.certificate.scope) && self.certificate.scope == 'Pod') || (has(self.endpoint) && has(self.endpoint.domain))",message="a certificate for the whole bot needs endpoint.domain; set it, or scope: Pod"
// +kubebuilder:validation:XValidation:rule="!has(self.platform) || self.platform != 'Microsoft' || self.hosting != 'Service'",message="platform: Microsoft needs hosting: Application; what the service hosts needs no platform"
// +kubebuilder:validation:XValidation:rule="!has(self.platform) || self.platform != 'Microsoft' || !has(self.endpoint) || has(self.endpoint.domain)",message="platform: Microsoft needs endpoint.domain, as Microsoft's library wants a name"
// +kubebuilder:validation:XValidation:rule="!has(self.platform) || self.platform != 'Microsoft' || !has(self.certificate) || !has(self.certificate.selfSigned)",message="platform: Microsoft needs a certificate from a public authority; set certificate.issuerRef or certificate.secretName"
// +kubebuilder:validation:XValidation:rule="!has(self.platformPorts) || (has(self.platform) && self.platform == 'Microsoft')",message="platformPorts is given with platform: Microsoft; leave it out"
type Media struct {
	// hosting says who handles the media.
	// +optional
	// +default="Application"
	Hosting Hosting `json:"hosting,omitempty"`

	// platform carries the media over the last hop; absent: WebRTC. With Microsoft the template has a container named bridge that
	// hosts Microsoft's library, which is not part of Callfleet.
	// +optional
	Platform Platform `json:"platform,omitempty"`

	// platformPorts are the UDP ports that Microsoft's platform takes media on (MediaPortRange); absent: its own default, 49152 to
	// 65535. The bridge is told; who is to reach them from outside has to open them.
	// +optional
	PlatformPorts *PortRange `json:"platformPorts,omitempty"`

	// modalities that calls ask for and answer with, if they do not say themselves; absent: Audio.
	// +optional
	Modalities Modalities `json:"modalities,omitempty"`

	// endpoint is how a pod's media port is reached.
	// +optional
	Endpoint MediaEndpoint `json:"endpoint,omitzero"`

	// certificate is what the media port shows.
	// +optional
	Certificate MediaCertificate `json:"certificate,omitzero"`

	// recordings is what becomes of the files of calls that are recorded.
	// +optional
	Recordings *Recordings `json:"recordings,omitempty"`
}

// MediaEndpoint is how a pod's media port is reached.
// +kubebuilder:validation:XValidation:rule="!(self.type in ['HostPort', 'LoadBalancer']) || has(self.ports)",message="types HostPort and LoadBalancer need ports"
// +kubebuilder:validation:XValidation:rule="self.type in ['HostPort', 'LoadBalancer', 'NodePort'] || !has(self.ports)",message="ports is given with types HostPort, LoadBalancer and NodePort; leave it out"
// +kubebuilder:validation:XValidation:rule="self.type != 'LoadBalancer' || !has(self.ports) || self.ports.to - self.ports.from < 250",message="type LoadBalancer takes at most 250 ports: each is a rule of the balancer for TCP and one for UDP"
// +kubebuilder:validation:XValidation:rule="self.type != 'HostPort' || !has(self.serviceAnnotations)",message="serviceAnnotations needs a type that makes a Service, which HostPort does not"
// +kubebuilder:validation:XValidation:rule="has(self.domain) || !has(self.serviceAnnotations) || self.serviceAnnotations.all(key, !self.serviceAnnotations[key].contains('$(host)'))",message="$(host) in serviceAnnotations stands for a name, which pods have only with a domain"
type MediaEndpoint struct {
	// type of endpoint.
	// +required
	Type EndpointType `json:"type"`

	// domain, if set, names the pods: <slot>.<bot>.<domain>. The names must resolve to the pods' addresses. Without it pods
	// are announced by IP address.
	// +optional
	// +kubebuilder:validation:MaxLength=180
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	Domain string `json:"domain,omitempty"`

	// ports is the range the pods' ports are taken from, the same number for TCP and UDP. With LoadBalancer and NodePort it
	// has one for each pod; with HostPort two pods may have the same on different nodes. Without it, which type NodePort allows,
	// the cluster chooses node ports.
	// +optional
	Ports *PortRange `json:"ports,omitempty"`

	// serviceAnnotations are put on the Services, for instance for external-dns or a cloud's balancer. $(host) in a value
	// stands for the name the Service is for: the pod's, or *.<bot>.<domain> where the fleet has one Service.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	ServiceAnnotations map[string]AnnotationValue `json:"serviceAnnotations,omitempty"`

	// probe says who tries a pod's public name and port; a pod takes no calls before they answered. Absent: Router, and None with
	// type ClusterIP.
	// +optional
	Probe EndpointProbe `json:"probe,omitempty"`
}

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// PortRange is inclusive at both ends.
// +kubebuilder:validation:XValidation:rule="self.from <= self.to",message="from must not be above to"
type PortRange struct {
	// +required
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	From int32 `json:"from"`

	// +required
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	To int32 `json:"to"`
}

// MediaCertificate is where the certificate of the media port comes from. The real service accepts only a certificate
// from a public authority that covers the pod's name; selfSigned is for far sides that can be told to trust it.
// +kubebuilder:validation:XValidation:rule="[has(self.selfSigned), has(self.secretName), has(self.issuerRef)].filter(is, is).size() == 1",message="exactly one of issuerRef, secretName and selfSigned must be set"
// +kubebuilder:validation:XValidation:rule="has(self.issuerRef) || !has(self.scope)",message="scope is given with issuerRef; leave it out"
type MediaCertificate struct {
	// selfSigned makes the operator keep an authority per bot (Secret <bot>-media-ca) that signs each pod's certificate.
	// +optional
	SelfSigned *SelfSignedCertificate `json:"selfSigned,omitempty"`

	// secretName is a Secret of type kubernetes.io/tls whose certificate covers every pod's name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// issuerRef has cert-manager issue and renew the certificate.
	// +optional
	IssuerRef *IssuerReference `json:"issuerRef,omitempty"`

	// scope of what issuerRef issues; absent: Bot, which needs a domain.
	// +optional
	Scope CertificateScope `json:"scope,omitempty"`
}

// SelfSignedCertificate has no settings.
type SelfSignedCertificate struct{}

// Capacity is how much one pod may carry.
type Capacity struct {
	// seats a pod has. An audio call takes one; video, a shared screen and recording take one more each, and a recording
	// with the speakers apart two.
	// +optional
	// +default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2000
	Seats int32 `json:"seats,omitempty"`
}
