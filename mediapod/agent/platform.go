// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" // by which Windows names certificates; nothing rests on it
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/bridge"
	"github.com/callfleet/callfleet/mediapod/media"
)

const (
	// platformEvery is how often the media bridge is asked how its platform is.
	platformEvery = time.Second
	// platformPatience is what it gets to say that it knows of the end of a call.
	platformPatience = 2 * time.Second
)

// mediaBridge is the container beside this one that hosts the media platform.
type mediaBridge interface {
	Run(ctx context.Context, s bridge.Settings) (bridge.Status, error)
	Open(ctx context.Context, id string, call bridge.Call) (blob string, err error)
	Close(ctx context.Context, id string) error
}

// platform is Microsoft's media platform as the agent sees it: it makes the blobs of calls, and is the far side of their media.
type platform struct {
	bridge mediaBridge
	// certificate that the pod has now, and handed as it was handed last.
	certificate getCertificate
	handed      bridge.Certificate // look's
	leaf        []byte             // of it
	clock       clock.WithTicker
	log         logr.Logger
	// turned has something in it when problem has changed; capacity 1.
	turned chan struct{}

	mu       sync.Mutex
	settings bridge.Settings // complete once the pod has an address
	located  bool
	status   bridge.Status
	why      string // it takes no calls; "" if it does
}

func newPlatform(b mediaBridge, config *callfleetv1.FleetConfig, internalPort uint16, certificate getCertificate, clk clock.WithTicker, log logr.Logger) *platform {
	settings := bridge.Settings{ApplicationID: string(config.Identity.AppID), Cloud: string(config.Identity.Cloud), InternalPort: internalPort}
	if ports := config.Media.PlatformPorts; ports != nil {
		settings.MediaPorts = &bridge.PortRange{From: uint16(ports.From), To: uint16(ports.To)}
	}
	return &platform{
		bridge: b, certificate: certificate, clock: clk, log: log, turned: make(chan struct{}, 1), why: "the public media address is not known yet", settings: settings,
	}
}

// moved takes over where the pod is found from outside.
func (p *platform) moved(e *callfleetv1.Endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settings.ServiceFQDN, p.settings.PublicIP, p.settings.PublicPort, p.located = e.Host, e.Address, uint16(e.Port), true
}

// problem is why the platform takes no calls; "" if it does.
func (p *platform) problem() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// run keeps the platform running with the pod's settings, and its state known, until ctx is done.
func (p *platform) run(ctx context.Context) {
	ticker := p.clock.NewTicker(platformEvery)
	defer ticker.Stop()
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

func (p *platform) look(ctx context.Context) {
	p.mu.Lock()
	settings, located := p.settings, p.located
	p.mu.Unlock()
	if !located {
		return
	}
	status, why := p.ask(ctx, settings)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	turned := p.why != why
	p.status, p.why = status, why
	p.mu.Unlock()
	if turned {
		p.log.Info("the media platform has changed", "ready", why == "", "why", why)
		wake(p.turned)
	}
}

func (p *platform) ask(ctx context.Context, settings bridge.Settings) (bridge.Status, string) {
	if _, err := netip.ParseAddr(settings.ServiceFQDN); err == nil {
		return bridge.Status{}, "the media platform needs a name that its certificate covers, and the pod has an address alone; set media.endpoint.domain of the bot"
	}
	var err error
	if settings.Certificate, err = p.hand(); err != nil {
		return bridge.Status{}, "the pod's certificate cannot be handed to the media platform: " + err.Error()
	}
	status, err := p.bridge.Run(ctx, settings)
	switch {
	case err != nil:
		return bridge.Status{}, err.Error() + "; see the log of the bridge's container"
	case status.State == bridge.StateReady:
		return status, ""
	case status.State == bridge.StateStarting:
		return status, "the media platform is starting" + colon(status.Message)
	}
	return status, "the media platform has failed" + colon(status.Message)
}

// hand is the pod's certificate as the bridge takes it, made anew when it was renewed.
func (p *platform) hand() (bridge.Certificate, error) {
	own, err := p.certificate(&tls.ClientHelloInfo{})
	if err != nil || len(own.Certificate) == 0 || bytes.Equal(own.Certificate[0], p.leaf) {
		return p.handed, err
	}
	password := rand.Text()
	pfx, err := bridge.PFX(own, password)
	if err != nil {
		return bridge.Certificate{}, err
	}
	p.leaf = own.Certificate[0]
	p.handed = bridge.Certificate{PFX: pfx, Password: password, Thumbprint: fmt.Sprintf("%X", sha1.Sum(p.leaf))}
	return p.handed, nil
}

func colon(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

// health is what the platform says of its load; of one that takes no calls there is nothing to say.
func (p *platform) health() media.Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status.Health {
	case bridge.HeavilyLoaded:
		return media.HeavilyLoaded
	case bridge.Overloaded:
		return media.Overloaded
	}
	return media.Normal
}

// open has the media of a call end at the platform too, and gives the way to ask for its place there.
func (p *platform) open(uid string, sound mediaCall, modalities []graph.Modality) (mediaCall, func(context.Context) (string, error)) {
	url, token := sound.Endpoint()
	p.mu.Lock()
	call := bridge.Call{Modalities: contractNames(modalities), WHIP: bridge.WHIP{URL: url, Token: token, ServerName: p.settings.ServiceFQDN}}
	p.mu.Unlock()
	return &platformCall{mediaCall: sound, platform: p, uid: uid}, func(ctx context.Context) (string, error) {
		return p.bridge.Open(ctx, uid, call)
	}
}

// contractNames are modalities as the contract names them.
func contractNames(list []graph.Modality) (names []string) {
	for _, m := range list {
		switch m {
		case graph.ModalityAudio:
			names = append(names, "Audio")
		case graph.ModalityVideo:
			names = append(names, "Video")
		case graph.ModalityVideoScreenSharing:
			names = append(names, "ScreenSharing")
		}
	}
	return names
}

// platformCall is a call whose far side is the bridge.
type platformCall struct {
	mediaCall
	platform *platform
	uid      string
}

// Close tells the bridge. One that does not hear it notices that the connection is gone.
func (c *platformCall) Close() {
	c.mediaCall.Close()
	ctx, cancel := context.WithTimeout(context.Background(), platformPatience)
	defer cancel()
	if err := c.platform.bridge.Close(ctx, c.uid); err != nil {
		c.platform.log.Info("the media bridge was not told that a call is over", "session", c.uid, "cause", fmt.Sprint(err))
	}
}

// platformEngine is as strained as the more strained of engine and platform.
type platformEngine struct {
	soundEngine
	platform *platform
}

func (e platformEngine) Health() media.Health {
	return max(e.soundEngine.Health(), e.platform.health())
}
