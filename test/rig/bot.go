// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// Sample reads one of config/samples into out.
func (r *Rig) Sample(name string, out any) error {
	raw, err := os.ReadFile(filepath.Join(r.Root, "config", "samples", name))
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(raw, out)
}

// Bot is the sample bot with the addresses of this machine put in.
func (r *Rig) Bot() (*callfleetv1.CallingBot, error) {
	bot := &callfleetv1.CallingBot{}
	if err := r.Sample("callingbot.yaml", bot); err != nil {
		return nil, err
	}
	custom := bot.Spec.Identity.Custom
	custom.GraphURL = callfleetv1.HTTPSURL(r.Info.URL)
	custom.LoginURL = callfleetv1.HTTPSURL(r.Info.URL)
	custom.OpenIDConfigurationURL = callfleetv1.HTTPSURL(r.Info.OpenIDConfigurationURL)
	custom.Issuers = []string{r.Info.Issuer}
	bot.Spec.Signaling.Host = r.WebhookHost
	return bot, nil
}

// ServiceBot is a bot of its own registration whose media the service hosts.
func (r *Rig) ServiceBot(name, appID string) (*callfleetv1.CallingBot, error) {
	bot, err := r.Bot()
	if err != nil {
		return nil, err
	}
	bot.Name = name
	bot.Spec.Identity.AppID = callfleetv1.GUID(appID)
	bot.Spec.Media = callfleetv1.Media{Hosting: callfleetv1.HostingService}
	return bot, nil
}

// Webhook is the calling webhook to register for a bot.
func (r *Rig) Webhook(bot *callfleetv1.CallingBot) string {
	return "https://" + r.WebhookHost + "/" + bot.Namespace + "/" + bot.Name + "/calls"
}

// Register makes a bot known to the local Teams, with its webhook and every role.
func (r *Rig) Register(ctx context.Context, bot *callfleetv1.CallingBot, change ...func(*admin.App)) error {
	app := admin.App{
		ID: string(bot.Spec.Identity.AppID), TenantID: TenantID, DisplayName: bot.Name, Secret: Secret, Roles: Roles, WebhookURL: r.Webhook(bot),
	}
	for _, c := range change {
		c(&app)
	}
	return r.Teams.PutApp(ctx, app)
}

// Session is the sample session for a meeting.
func (r *Rig) Session(name, joinURL string) (*callfleetv1.MeetingSession, error) {
	s := &callfleetv1.MeetingSession{}
	if err := r.Sample("meetingsession.yaml", s); err != nil {
		return nil, err
	}
	s.Name, s.Spec.Meeting = name, callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(joinURL)}
	return s, nil
}

// Prerequisites are what a bot needs besides itself: its namespace, its secret, and the authority of the local Teams.
func (r *Rig) Prerequisites() ([]client.Object, error) {
	ns, secret := &corev1.Namespace{}, &corev1.Secret{}
	if err := errors.Join(r.Sample("namespace.yaml", ns), r.Sample("secret.yaml", secret)); err != nil {
		return nil, err
	}
	ca := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "local-teams-ca"},
		Data:       map[string]string{"ca.crt": r.Info.CA},
	}
	return []client.Object{ns, secret, ca}, nil
}

// Apply creates objects; those that exist are left alone.
func (r *Rig) Apply(ctx context.Context, objects ...client.Object) error {
	for _, o := range objects {
		if err := r.Client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating %T %s: %w", o, o.GetName(), err)
		}
	}
	return nil
}

// StartBot applies a bot, waits until its fleet serves and lets the local Teams trust its media certificates, as a
// public authority would have it.
func (r *Rig) StartBot(ctx context.Context, bot *callfleetv1.CallingBot) error {
	prerequisites, err := r.Prerequisites()
	if err != nil {
		return err
	}
	if err := r.Apply(ctx, append(prerequisites, bot)...); err != nil {
		return err
	}
	err = r.Await(ctx, bot, time.Minute, "the bot to be Ready", func() error {
		c := meta.FindStatusCondition(bot.Status.Conditions, callfleetv1.ConditionReady)
		if c == nil {
			return errors.New("no Ready condition")
		}
		if c.Status != metav1.ConditionTrue || c.ObservedGeneration < bot.Generation {
			return fmt.Errorf("condition Ready is %s: %s: %s", c.Status, c.Reason, c.Message)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.TrustMediaOf(ctx, bot)
}

// TrustMediaOf adds a bot's self-made authority to the roots of the local Teams.
func (r *Rig) TrustMediaOf(ctx context.Context, bot *callfleetv1.CallingBot) error {
	if bot.Spec.Media.Certificate.SelfSigned == nil {
		return nil
	}
	ca := &corev1.Secret{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: bot.Name + "-media-ca"}, ca); err != nil {
		return fmt.Errorf("reading the bot's media authority: %w", err)
	}
	return r.Teams.TrustRoots(ctx, ca.Data[corev1.TLSCertKey])
}

// Await reads an object until check has nothing to say, and returns the last thing it said if that takes too long.
func (r *Rig) Await(ctx context.Context, o client.Object, patience time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
		if err == nil {
			err = check()
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", patience, what, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
