// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestCallingBot(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	bot := func() *controllertest.BotBuilder { return controllertest.Bot(ns, "reception") }
	change := func(f func(*v1alpha1.CallingBotSpec)) *controllertest.BotBuilder {
		return bot().With(func(b *v1alpha1.CallingBot) { f(&b.Spec) })
	}
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		want string
	}{
		"the usual": {bot(), accepted},

		"a name of 50 characters":   {controllertest.Bot(ns, strings.Repeat("a", 50)), accepted},
		"a name of 51 characters":   {controllertest.Bot(ns, strings.Repeat("a", 51)), "the name of a CallingBot is at most 50 characters long and has no dot: pods and host names are built from it"},
		"a name with a dot":         {controllertest.Bot(ns, "front.desk"), "the name of a CallingBot is at most 50 characters long and has no dot: pods and host names are built from it"},
		"replicas at the bounds":    {bot().Replicas(0), accepted},
		"replicas at the upper one": {bot().Replicas(1000), accepted},
		"replicas below":            {bot().Replicas(-1), "spec.replicas in body should be greater than or equal to 0"},
		"replicas above":            {bot().Replicas(1001), "spec.replicas in body should be less than or equal to 1000"},
		"seats at the bound":        {bot().Seats(2000), accepted},
		"seats above":               {bot().Seats(2001), "spec.capacity.seats in body should be less than or equal to 2000"},
		"seats below":               {bot().Seats(-1), "spec.capacity.seats in body should be greater than or equal to 1"},

		"cloud Custom with its addresses": {bot().CABundle("roots", "ca.crt"), accepted},
		"cloud Custom without": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.Cloud = v1alpha1.CloudCustom }),
			"custom is given with cloud: Custom and only then",
		},
		"addresses with another cloud": {
			bot().CABundle("roots", "ca.crt").With(func(b *v1alpha1.CallingBot) { b.Spec.Identity.Cloud = v1alpha1.CloudUSGov }),
			"custom is given with cloud: Custom and only then",
		},
		"a cloud without the calls API": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.Cloud = "China" }), `Unsupported value: "China"`,
		},
		"a plain http address": {
			bot().CABundle("roots", "ca.crt").With(func(b *v1alpha1.CallingBot) { b.Spec.Identity.Custom.GraphURL = "http://127.0.0.1" }),
			"must be an absolute https:// URL",
		},
		"no address at all": {
			bot().CABundle("roots", "ca.crt").With(func(b *v1alpha1.CallingBot) { b.Spec.Identity.Custom.LoginURL = "login" }),
			"must be an absolute https:// URL",
		},
		"no issuer": {
			bot().CABundle("roots", "ca.crt").With(func(b *v1alpha1.CallingBot) { b.Spec.Identity.Custom.Issuers = []string{} }),
			"spec.identity.custom.issuers in body should have at least 1 items",
		},
		"an appID that is no GUID": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.AppID = "reception" }), "spec.identity.appID in body should match",
		},
		"a tenantID that is no GUID": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.TenantID = "{" + controllertest.TenantID + "}" }), "spec.identity.tenantID",
		},
		"a tenant allowed twice": {
			change(func(s *v1alpha1.CallingBotSpec) {
				s.Identity.AllowedTenants = []v1alpha1.GUID{controllertest.TenantID, controllertest.TenantID}
			}), "Duplicate value",
		},
		"a Secret without name": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.Credential.ClientSecret.Name = "" }),
			"spec.identity.credential.clientSecret.name in body should be at least 1 chars long",
		},
		"a Secret without key": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Identity.Credential.ClientSecret.Key = "" }),
			"spec.identity.credential.clientSecret.key in body should be at least 1 chars long",
		},

		"a host with port": {change(func(s *v1alpha1.CallingBotSpec) { s.Signaling.Host = "bots.contoso.com:8443" }), accepted},
		"a URL for a host": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Signaling.Host = "https://bots.contoso.com" }), "spec.signaling.host in body should match",
		},

		"HostPort with ports": {bot().HostPort(28550, 28550), accepted},
		"HostPort without ports": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Type = v1alpha1.EndpointHostPort }),
			"types HostPort and LoadBalancer need ports",
		},
		"LoadBalancer with ports": {bot().LoadBalancer(28550, 28799), accepted},
		"LoadBalancer without ports": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Type = v1alpha1.EndpointLoadBalancer }),
			"types HostPort and LoadBalancer need ports",
		},
		"LoadBalancer with more ports than a Service should have": {bot().LoadBalancer(28550, 28800), "type LoadBalancer takes at most 250 ports"},
		"NodePort without ports": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Type = v1alpha1.EndpointNodePort }), accepted,
		},
		"NodePort with ports": {endpointType(v1alpha1.EndpointNodePort, bot().HostPort(30100, 30199)), accepted},
		"LoadBalancerPerPod": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Type = v1alpha1.EndpointLoadBalancerPerPod }), accepted,
		},
		"ports with ClusterIP": {
			endpointType(v1alpha1.EndpointClusterIP, bot().HostPort(28550, 28559)),
			"ports is given with types HostPort, LoadBalancer and NodePort; leave it out",
		},
		"ports with LoadBalancerPerPod": {
			endpointType(v1alpha1.EndpointLoadBalancerPerPod, bot().HostPort(28550, 28559)),
			"ports is given with types HostPort, LoadBalancer and NodePort; leave it out",
		},
		"ports the wrong way round":      {bot().HostPort(28551, 28550), "from must not be above to"},
		"a privileged port":              {bot().HostPort(1023, 28550), "spec.media.endpoint.ports.from in body should be greater than or equal to 1024"},
		"a port that does not exist":     {bot().HostPort(28550, 65536), "spec.media.endpoint.ports.to in body should be less than or equal to 65535"},
		"an endpoint type of the future": {change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Type = "Gateway" }), `Unsupported value: "Gateway"`},
		"annotations for a Service":      {annotated(bot(), "b"), accepted},
		"annotations without a Service": {
			annotated(bot().HostPort(28550, 28559), "b"), "serviceAnnotations needs a type that makes a Service, which HostPort does not",
		},
		"a probe": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Probe = v1alpha1.ProbeRouter }), accepted,
		},
		"a probe by somebody else": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint.Probe = "Manager" }), `Unsupported value: "Manager"`,
		},
		"the host in an annotation": {annotated(bot().Domain("media.contoso.com"), "$(host)"), accepted},
		"the host in an annotation, without a domain": {
			annotated(bot(), "x $(host)"), "$(host) in serviceAnnotations stands for a name, which pods have only with a domain",
		},
		"a domain":             {bot().Domain("media.contoso.com"), accepted},
		"a domain in capitals": {bot().Domain("Media.contoso.com"), "spec.media.endpoint.domain in body should match"},

		"a certificate from a Secret": {bot().CertificateSecret("media-tls"), accepted},
		"no certificate": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Certificate = v1alpha1.MediaCertificate{} }),
			"certificate is given with hosting: Application and only then",
		},
		"two certificates": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Certificate.SecretName = "media-tls" }),
			"exactly one of issuerRef, secretName and selfSigned must be set",
		},
		"a certificate from cert-manager": {issuedBy(bot().Domain("media.contoso.com"), "letsencrypt", ""), accepted},
		"a certificate for all pods, which have no names": {
			issuedBy(bot(), "letsencrypt", ""), "a certificate for the whole bot needs endpoint.domain; set it, or scope: Pod",
		},
		"a certificate for each pod's address": {issuedBy(bot(), "letsencrypt", v1alpha1.ScopePod), accepted},
		"a certificate from nobody":            {issuedBy(bot().Domain("media.contoso.com"), "", ""), "spec.media.certificate.issuerRef.name in body should be at least 1 chars long"},
		"a scope without an issuer": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Certificate.Scope = v1alpha1.ScopePod }), "scope is given with issuerRef; leave it out",
		},
		"platform WebRTC":    {change(func(s *v1alpha1.CallingBotSpec) { s.Media.Platform = v1alpha1.PlatformWebRTC }), accepted},
		"platform Microsoft": {onMicrosoft(bot().Domain("media.contoso.com").CertificateSecret("media-tls")), accepted},
		"platform Microsoft without names": {
			onMicrosoft(bot().CertificateSecret("media-tls")), "platform: Microsoft needs endpoint.domain, as Microsoft's library wants a name",
		},
		"platform Microsoft with a certificate of its own": {
			onMicrosoft(bot().Domain("media.contoso.com")), "platform: Microsoft needs a certificate from a public authority; set certificate.issuerRef or certificate.secretName",
		},
		"platform Microsoft for what the service hosts": {onMicrosoft(bot().ServiceHosted()), "platform: Microsoft needs hosting: Application"},
		"a platform of somebody else":                   {change(func(s *v1alpha1.CallingBotSpec) { s.Media.Platform = "Contoso" }), `Unsupported value: "Contoso"`},
		"ports of the platform": {onMicrosoft(bot().Domain("media.contoso.com").CertificateSecret("media-tls")).With(func(b *v1alpha1.CallingBot) {
			b.Spec.Media.PlatformPorts = &v1alpha1.PortRange{From: 50000, To: 50499}
		}), accepted},
		"ports of no platform": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.PlatformPorts = &v1alpha1.PortRange{From: 50000, To: 50499} }),
			"platformPorts is given with platform: Microsoft; leave it out",
		},
		"hosting Service": {bot().ServiceHosted(), accepted},
		"hosting Service with an endpoint": {
			bot().ServiceHosted().With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Endpoint.Type = v1alpha1.EndpointClusterIP }),
			"endpoint is given with hosting: Application and only then",
		},
		"hosting Service with a certificate": {
			bot().ServiceHosted().CertificateSecret("media-tls"), "certificate is given with hosting: Application and only then",
		},
		"no endpoint": {
			change(func(s *v1alpha1.CallingBotSpec) { s.Media.Endpoint = v1alpha1.MediaEndpoint{} }),
			"endpoint is given with hosting: Application and only then",
		},
		"modalities": {change(func(s *v1alpha1.CallingBotSpec) {
			s.Media.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio, v1alpha1.ModalityScreenSharing}
		}), accepted},
		"hosting Service with audio": {bot().ServiceHosted().With(func(b *v1alpha1.CallingBot) {
			b.Spec.Media.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio}
		}), accepted},
		"hosting Service with video": {bot().ServiceHosted().With(func(b *v1alpha1.CallingBot) {
			b.Spec.Media.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio, v1alpha1.ModalityVideo}
		}), "with hosting: Service calls have audio alone"},
		"hosting by nobody": {change(func(s *v1alpha1.CallingBotSpec) { s.Media.Hosting = "Nobody" }), `Unsupported value: "Nobody"`},

		"a template with what the schema cannot know": {bot().Template(`{"spec":{"os":{"name":"linux"},"anything":1}}`), accepted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot.Object(), tc.want) })
	}
}

func TestCallingBotDefaults(t *testing.T) {
	cluster := controllertest.Start(t)
	obj := document(t, cluster.Namespace(t), `
apiVersion: callfleet.dev/v1alpha1
kind: CallingBot
metadata: {name: reception}
spec:
  identity:
    appID: 0efc74f7-41c3-47a4-8775-7259bfef4241
    tenantID: 1fdd12d0-4620-44ed-baec-459b611f84b2
    credential: {clientSecret: {name: reception, key: clientSecret}}
  signaling: {host: bots.contoso.com}
  media: {endpoint: {type: ClusterIP}, certificate: {selfSigned: {}}}
`)
	if err := cluster.Client.Create(context.Background(), obj); err != nil {
		t.Fatal(err)
	}
	bot := controllertest.Bot(obj.GetNamespace(), "reception").Object()
	want := bot.Spec
	want.Replicas = nil // absent is not 1: autoscaling may decide
	controllertest.Await(t, cluster.Client, bot, "exist", func(*v1alpha1.CallingBot) error { return nil })
	if diff := cmp.Diff(want, bot.Spec); diff != "" {
		t.Errorf("defaults: 20 seats, placement Packed, deletionPolicy Drain, cloud Public, hosting Application (-want +got):\n%s", diff)
	}
}

func TestCallingBotScales(t *testing.T) {
	cluster := controllertest.Start(t)
	ctx := context.Background()
	bot := controllertest.Create(t, cluster.Client, controllertest.Bot(cluster.Namespace(t), "reception").
		With(func(b *v1alpha1.CallingBot) {
			b.Status.Replicas, b.Status.Selector = 1, "callfleet.dev/bot=reception"
		}).Object())
	scale := &autoscalingv1.Scale{}
	if err := cluster.Client.SubResource("scale").Get(ctx, bot, scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 1 || scale.Status.Replicas != 1 || scale.Status.Selector != "callfleet.dev/bot=reception" {
		t.Errorf("scale is %+v %+v", scale.Spec, scale.Status)
	}
	if out, err := cluster.Kubectl(t, "scale", "cb/reception", "-n", bot.Namespace, "--replicas=3"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	controllertest.Await(t, cluster.Client, bot, "exist", func(*v1alpha1.CallingBot) error { return nil })
	if got := ptr.Deref(bot.Spec.Replicas, -1); got != 3 {
		t.Errorf("replicas is %d after kubectl scale --replicas=3", got)
	}
}

// Scaling takes over from autoscaling, and from nothing, and gives back: the way of docs/fleet.md, step by step.
func TestABotWithoutReplicasCanBeScaled(t *testing.T) {
	cluster := controllertest.Start(t)
	ctx := context.Background()
	bot := controllertest.Create(t, cluster.Client, controllertest.Bot(cluster.Namespace(t), "reception").With(func(b *v1alpha1.CallingBot) {
		b.Spec.Replicas, b.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{Max: 9}
		b.Status.Replicas, b.Status.Selector = 4, "callfleet.dev/bot=reception"
	}).Object())
	// An autoscaler that reads before it writes has to be given a number to begin with: docs/fleet.md says so.
	scale := &autoscalingv1.Scale{}
	const unset = `the spec replicas field ".spec.replicas" does not exist`
	if err := cluster.Client.SubResource("scale").Get(ctx, bot, scale); err == nil || !strings.Contains(err.Error(), unset) {
		t.Errorf("reading /scale of a bot without replicas: %v", err)
	}
	if out, err := cluster.Kubectl(t, "scale", "cb/reception", "-n", bot.Namespace, "--replicas=3"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	controllertest.Await(t, cluster.Client, bot, "exist", func(*v1alpha1.CallingBot) error { return nil })
	if got := ptr.Deref(bot.Spec.Replicas, -1); got != 3 || bot.Spec.Autoscaling == nil {
		t.Errorf("replicas is %d after kubectl scale --replicas=3, autoscaling %+v", got, bot.Spec.Autoscaling)
	}

	// What a HorizontalPodAutoscaler does from then on: it reads, and writes what it read with another number.
	if err := cluster.Client.SubResource("scale").Get(ctx, bot, scale); err != nil || scale.Spec.Replicas != 3 || scale.Status.Replicas != 4 {
		t.Fatalf("scale is %+v %+v: %v", scale.Spec, scale.Status, err)
	}
	scale.Spec.Replicas = 5
	if err := cluster.Client.SubResource("scale").Update(ctx, bot, client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	controllertest.Await(t, cluster.Client, bot, "be scaled", func(b *v1alpha1.CallingBot) error {
		if got := ptr.Deref(b.Spec.Replicas, -1); got != 5 {
			return fmt.Errorf("replicas is %d", got)
		}
		return nil
	})

	if out, err := cluster.Kubectl(t, "patch", "cb/reception", "-n", bot.Namespace, "--type=json", "-p", `[{"op":"remove","path":"/spec/replicas"}]`); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	controllertest.Await(t, cluster.Client, bot, "be autoscaled again", func(b *v1alpha1.CallingBot) error {
		if b.Spec.Replicas != nil || b.Spec.Autoscaling == nil {
			return fmt.Errorf("replicas %v, autoscaling %+v", b.Spec.Replicas, b.Spec.Autoscaling)
		}
		return nil
	})
}

func TestMediaPod(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	const fixed = "botRef, slot and revision are fixed at creation"
	pod := func(slot int32) *controllertest.MediaPodBuilder {
		return controllertest.MediaPod(ns, "reception", slot)
	}

	creates := map[string]struct {
		pod  *controllertest.MediaPodBuilder
		want string
	}{
		"the highest slot":        {pod(9999), accepted},
		"a slot above":            {pod(10000), "spec.slot in body should be less than or equal to 9999"},
		"a slot below":            {pod(-1).With(func(p *v1alpha1.MediaPod) { p.Name = "reception-x" }), "spec.slot in body should be greater than or equal to 0"},
		"no revision":             {pod(0).Revision(""), "spec.revision in body should be at least 1 chars long"},
		"a revision of 17":        {pod(0).Revision(strings.Repeat("a", 17)), "spec.revision: Too long"},
		"a drain with no purpose": {pod(0).With(func(p *v1alpha1.MediaPod) { p.Spec.Drain = &v1alpha1.Drain{Reason: "Boredom"} }), `Unsupported value: "Boredom"`},
	}
	for name, tc := range creates {
		t.Run(name, func(t *testing.T) { create(t, tc.pod.Object(), tc.want) })
	}

	const kept = "reason and since of a drain mark are fixed"
	const configured = "the configuration is fixed at creation; change the CallingBot"
	draining := func(p *v1alpha1.MediaPod) {
		p.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Since: metav1.NewTime(time.Unix(1_700_000_000, 0))}
	}
	serving := func(*v1alpha1.MediaPod) {}
	updates := map[string]struct {
		from   func(*v1alpha1.MediaPod)
		change func(*v1alpha1.MediaPod)
		want   string
	}{
		"the drain mark may be set": {serving, func(p *v1alpha1.MediaPod) {
			p.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainRollout, Since: p.CreationTimestamp}
		}, accepted},
		"botRef is fixed":   {serving, func(p *v1alpha1.MediaPod) { p.Spec.BotRef.Name = "other" }, fixed},
		"slot is fixed":     {serving, func(p *v1alpha1.MediaPod) { p.Spec.Slot = 77 }, fixed},
		"revision is fixed": {serving, func(p *v1alpha1.MediaPod) { p.Spec.Revision = "r2" }, fixed},

		"a drain mark may be taken back":    {draining, func(p *v1alpha1.MediaPod) { p.Spec.Drain = nil }, accepted},
		"its reason does not change":        {draining, func(p *v1alpha1.MediaPod) { p.Spec.Drain.Reason = v1alpha1.DrainRollout }, kept},
		"nor its time":                      {draining, func(p *v1alpha1.MediaPod) { p.Spec.Drain.Since = metav1.NewTime(time.Unix(1_700_000_001, 0)) }, kept},
		"but its deadline":                  {draining, func(p *v1alpha1.MediaPod) { p.Spec.Drain.HangUpAt = &p.Spec.Drain.Since }, accepted},
		"a marked pod may change otherwise": {draining, func(p *v1alpha1.MediaPod) { p.Labels["a"] = "b" }, accepted},
		"identity is fixed":                 {serving, func(p *v1alpha1.MediaPod) { p.Spec.Identity.Cloud = v1alpha1.CloudUSGov }, configured},
		"hosting is fixed": {serving, func(p *v1alpha1.MediaPod) {
			p.Spec.Media = v1alpha1.Media{Hosting: v1alpha1.HostingService}
		}, configured},
		"the rules for calls that come in follow the bot": {serving, func(p *v1alpha1.MediaPod) {
			p.Spec.Incoming = []v1alpha1.IncomingRule{{Action: v1alpha1.IncomingAnswer}}
		}, accepted},
		"and so do the redirects, in a marked pod too": {draining, func(p *v1alpha1.MediaPod) {
			p.Spec.Signaling.Redirects = []v1alpha1.RegionRedirect{{Regions: []string{"emea"}, URL: "https://emea.contoso.com/voice/reception/calls"}}
		}, accepted},
		"the signaling host is fixed":        {serving, func(p *v1alpha1.MediaPod) { p.Spec.Signaling.Host = "other.contoso.com" }, configured},
		"media is fixed":                     {serving, func(p *v1alpha1.MediaPod) { p.Spec.Media.Endpoint.Domain = "other.contoso.com" }, configured},
		"capacity is fixed, in a marked pod": {draining, func(p *v1alpha1.MediaPod) { p.Spec.Capacity.Seats++ }, configured},
	}
	slot := int32(0)
	for name, tc := range updates {
		slot++
		obj := pod(slot).With(tc.from).Object()
		t.Run(name, func(t *testing.T) { update(t, obj, tc.change, tc.want) })
	}
}

func endpointType(kind v1alpha1.EndpointType, b *controllertest.BotBuilder) *controllertest.BotBuilder {
	return b.With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Endpoint.Type = kind })
}

func annotated(b *controllertest.BotBuilder, value v1alpha1.AnnotationValue) *controllertest.BotBuilder {
	return b.With(func(b *v1alpha1.CallingBot) {
		b.Spec.Media.Endpoint.ServiceAnnotations = map[string]v1alpha1.AnnotationValue{"a": value}
	})
}

func onMicrosoft(b *controllertest.BotBuilder) *controllertest.BotBuilder {
	return b.With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Platform = v1alpha1.PlatformMicrosoft })
}

func issuedBy(b *controllertest.BotBuilder, issuer string, scope v1alpha1.CertificateScope) *controllertest.BotBuilder {
	return b.With(func(b *v1alpha1.CallingBot) {
		b.Spec.Media.Certificate = v1alpha1.MediaCertificate{IssuerRef: &v1alpha1.IssuerReference{Name: issuer}, Scope: scope}
	})
}
