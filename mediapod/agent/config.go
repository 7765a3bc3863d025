// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/utils/clock"
)

// Config is everything the process is told from outside. The operator renders it as environment variables.
type Config struct {
	// Namespace, MediaPod and PodUID say who this process is (POD_NAMESPACE, MEDIAPOD_NAME, POD_UID).
	Namespace, MediaPod, PodUID string
	// PodIP is what every socket binds to (POD_IP).
	PodIP netip.Addr
	// MediaPort is TCP and UDP (MEDIA_PORT); 0 where the service hosts the media of the bot's calls. SignalingPort, HealthPort
	// and ControlPort are TCP (SIGNALING_PORT, HEALTH_PORT, CONTROL_PORT).
	MediaPort, SignalingPort, HealthPort, ControlPort uint16
	// BridgePort, if not 0, is where a media bridge listens on 127.0.0.1, in a container beside this one (BRIDGE_PORT). MediaPort is
	// its platform's then.
	BridgePort uint16
	// GracePeriod is how long calls may go on after the process was told to stop (GRACE_PERIOD, seconds).
	GracePeriod time.Duration
	// MountRoot is put before every mounted path (CONTAINER_SANDBOX_MOUNT_POINT). It is empty in a container and set
	// where pods run as processes of their host.
	MountRoot string
	// Clock is what calls are timed by: keepAlives, deadlines, leave rules. Tokens, certificates and media stay on real time.
	// nil: real time.
	Clock clock.WithTicker
}

func (c Config) clock() clock.WithTicker {
	if c.Clock == nil {
		return clock.RealClock{}
	}
	return c.Clock
}

// Mounted directories of a media pod.
const (
	credentialsDir = "/var/run/callfleet/credentials"
	tlsDir         = "/var/run/callfleet/tls"
	caDir          = "/var/run/callfleet/ca"
	storageDir     = "/var/run/callfleet/storage"
	flowsDir       = "/var/run/callfleet/flows"
	recordingsDir  = "/recordings"
)

// ConfigFromEnv reads and checks the configuration. The error names every variable that is wrong.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	var errs []error
	text := func(name string) string {
		v := getenv(name)
		if v == "" {
			errs = append(errs, fmt.Errorf("%s is not set", name))
		}
		return v
	}
	port := func(name string) uint16 {
		v, err := strconv.ParseUint(getenv(name), 10, 16)
		if err != nil || v == 0 {
			errs = append(errs, fmt.Errorf("%s is %q: it must be a port number", name, getenv(name)))
		}
		return uint16(v)
	}
	cfg := Config{
		Namespace:     text("POD_NAMESPACE"),
		MediaPod:      text("MEDIAPOD_NAME"),
		PodUID:        text("POD_UID"),
		SignalingPort: port("SIGNALING_PORT"),
		HealthPort:    port("HEALTH_PORT"),
		ControlPort:   port("CONTROL_PORT"),
		MountRoot:     getenv("CONTAINER_SANDBOX_MOUNT_POINT"),
	}
	if getenv("MEDIA_PORT") != "" {
		cfg.MediaPort = port("MEDIA_PORT")
	}
	if getenv("BRIDGE_PORT") != "" {
		cfg.BridgePort = port("BRIDGE_PORT")
	}
	ip, err := netip.ParseAddr(getenv("POD_IP"))
	if err != nil {
		errs = append(errs, fmt.Errorf("POD_IP is %q: it must be an IP address", getenv("POD_IP")))
	}
	cfg.PodIP = ip
	grace, err := strconv.Atoi(getenv("GRACE_PERIOD"))
	if err != nil || grace < 0 {
		errs = append(errs, fmt.Errorf("GRACE_PERIOD is %q: it must be a number of seconds", getenv("GRACE_PERIOD")))
	}
	cfg.GracePeriod = time.Duration(grace) * time.Second
	return cfg, errors.Join(errs...)
}

func (c Config) mounted(dir, file string) string {
	return filepath.Join(c.MountRoot, filepath.FromSlash(dir), file)
}

func (c Config) listenAddr(port uint16) string {
	return netip.AddrPortFrom(c.PodIP, port).String()
}
