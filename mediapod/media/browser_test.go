// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// browserStats is what the browser's getStats says of a stream.
type browserStats struct {
	Type, Kind, MID, Codec          string
	Packets, Lost                   int
	FramesDecoded, FramesEncoded    int
	KeyFramesDecoded                int
	KeyFramesEncoded, PLIs, Freezes int
	Energy, RoundTrip               float64
	Width, Height                   int
	Decoder, Encoder                string
}

type browserReport struct {
	Error, Screen string
	Far, Listener []browserStats
	Log           []string
}

// BrowserHz is the tone of a visit of a certain length.
const BrowserHz = 440

// browserPatience is for a machine with other things to do.
const browserPatience = 90 * time.Second

// TestABrowserSeesAndHearsItself is a call with a real browser: its microphone, camera and screen come back to it, and
// another connection of it listens in.
func TestABrowserSeesAndHearsItself(t *testing.T) {
	for _, c := range []video.Codec{video.VP8, video.H264} {
		t.Run(string(c), func(t *testing.T) {
			call, visit := browse(t, c, Behavior{Echo: true}, nil)
			pictures := make(chan Snapshot, 1)
			go func() {
				for ctx := t.Context(); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
					if s, err := call.Snapshot(ctx, 0); err == nil {
						pictures <- s
						return
					}
				}
			}()
			visit()
			select {
			case s := <-pictures:
				if s.Codec != c || s.Width == 0 || s.Height == 0 {
					t.Errorf("a snapshot in %s of %d by %d", s.Codec, s.Width, s.Height)
				}
			case <-time.After(10 * time.Second):
				t.Error("no snapshot of the camera")
			}
		})
	}
}

// TestABrowserIsShownClips has the bot speak, and show a video for a camera and one for a screen.
func TestABrowserIsShownClips(t *testing.T) {
	for _, c := range []video.Codec{video.VP8, video.H264} {
		t.Run(string(c), func(t *testing.T) {
			clip := wav.Clip{SampleRate: audio.SampleRate, Samples: recordingOf(t, "prompt.wav")}
			call, visit := browse(t, c, Behavior{Play: &Play{Clip: clip, Loop: true}}, nil)
			call.PlayVideo(testClip(t, c), PlayVideoOptions{Loop: true})
			call.PlayVideo(testClip(t, c), PlayVideoOptions{Loop: true, Screen: true})
			for _, s := range visit().Far {
				if s.Type == "inbound-rtp" && s.Kind == kindVideo && s.Width != 178 {
					t.Errorf("it sees something that is %d pixels wide", s.Width)
				}
			}
		})
	}
}

// TestVideoGoesOnOverABadNetwork loses a packet of twenty each way, and lets others be late. What is lost is sent again,
// and what is not sent again in time is made up for with a key frame: both ends see pictures all the same.
func TestVideoGoesOnOverABadNetwork(t *testing.T) {
	bad := impair.Config{Seed: 7, LossPercent: 5, Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond, ReorderPercent: 1, HoldBack: 20 * time.Millisecond}
	for _, c := range []video.Codec{video.VP8, video.H264} {
		t.Run(string(c), func(t *testing.T) {
			call, visit := browse(t, c, Behavior{Echo: true}, &bad)
			var a audience
			w := call.WatchVideo(&a, VideoFilter{})
			visit()
			w.Stop()
			for track, s := range call.Stats().Video {
				seen := len(a.of(track))
				t.Logf("of track %d, %d frames of %d were put together: %+v", track, seen, s.FramesReceived, s)
				if seen < 20 || seen*2 < int(s.FramesReceived) {
					t.Errorf("of track %d, only %d frames of %d were put together", track, seen, s.FramesReceived)
				}
			}
		})
	}
}

// browse makes a call for a browser, and lets one come when it is visited, over a bad network if there is one, which
// returns what it reports.
func browse(t *testing.T, c video.Codec, behavior Behavior, bad *impair.Config) (call *Call, visit func() browserReport) {
	t.Helper()
	return browseFor(t, c, behavior, bad, 0)
}

// browseFor is browse with a visit of a time at least, whose sound is a tone of BrowserHz if that is not zero.
func browseFor(t *testing.T, c video.Codec, behavior Behavior, bad *impair.Config, atLeast time.Duration) (call *Call, visit func() browserReport) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs the program chromium in PATH; on Debian: apt-get install chromium")
	}
	u := serve(t)
	call = newCall(t, u, guarded("browser", behavior, nil))
	port, mostLost := uint16(0), 2
	if bad != nil {
		relay, err := impair.NewRelay(u.Addr(), *bad, *bad) // the far side's; the listener is elsewhere
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(relay.Close)
		port, mostLost = relay.Addr().Port(), 30 // of sound, which is not sent again, two times five
	}
	return call, func() browserReport {
		t.Helper()
		reports := make(chan browserReport, 1)
		page := httptest.NewServer(browserPage(t, reports))
		defer page.Close()
		whip, token := call.Endpoint()
		settings, err := json.Marshal(map[string]any{
			"codec": string(c), "whip": whip, "token": token, "whep": listenURL(call), "listener": "grace", "port": port,
			"patience": (browserPatience / 2).Milliseconds(), "atLeast": atLeast.Milliseconds(), "hz": BrowserHz,
		})
		if err != nil {
			t.Fatal(err)
		}
		// Only localhost may use a camera without TLS.
		address := strings.Replace(page.URL, "127.0.0.1", "localhost", 1) + "/#" + url.PathEscape(string(settings))
		output := openBrowser(t, chromium, address)
		var r browserReport
		select {
		case r = <-reports:
		case <-time.After(browserPatience):
			t.Fatalf("the browser has not reported\n%s", output())
		}
		if r.Error != "" {
			t.Fatalf("the page says %s\n%v\n%s", r.Error, r.Log, output())
		}
		t.Logf("screen by %s, %v", r.Screen, r.Log)
		r.check(t, "the far side", r.Far, c, mostLost)
		r.check(t, "the listener", r.Listener, c, mostLost)
		all := call.Stats().Video
		for _, s := range all {
			if s.Codec != string(c) || s.KeyFrames == 0 || s.FramesReceived < 20 || s.FramesSent < 20 || s.LossPercent > float64(mostLost) || s.Screen != (s.Track == 1) {
				t.Errorf("of track %d, the engine says %+v", s.Track, s)
			}
		}
		if len(all) != 2 {
			t.Errorf("the engine says %+v", all)
		}
		return r
	}
}

// check judges what came to one end.
func (browserReport) check(t *testing.T, who string, all []browserStats, c video.Codec, mostLostPercent int) {
	t.Helper()
	sections := map[string]int{}
	for _, s := range all {
		t.Logf("%s: %+v", who, s)
		if s.Type != "inbound-rtp" {
			continue
		}
		sections[s.Kind]++
		if 100*s.Lost > mostLostPercent*s.Packets {
			t.Errorf("%s lost %d of %d packets of %s", who, s.Lost, s.Packets, s.Kind)
		}
		switch {
		case s.Kind == kindAudio && (s.Packets < 100 || s.Energy == 0):
			t.Errorf("%s hears nothing: %+v", who, s)
		case s.Kind == kindVideo && (s.FramesDecoded < 20 || s.Width == 0 || !strings.EqualFold(s.Codec, "video/"+string(c))):
			t.Errorf("%s sees nothing: %+v", who, s)
		}
	}
	if sections[kindAudio] != 1 || sections[kindVideo] != 2 {
		t.Errorf("%s has %v", who, sections)
	}
}

// browserPage serves the page and takes its report.
func browserPage(t *testing.T, reports chan<- browserReport) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/browser.html") })
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var report browserReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			report.Error = err.Error()
		}
		select {
		case reports <- report:
		default:
			t.Error("the page reports twice")
		}
	})
	return mux
}

// openBrowser opens a page until the test ends, in a browser with a fake camera and microphone whose user says yes to
// everything. It returns what the browser has written.
func openBrowser(t *testing.T, chromium, address string) (output func() string) {
	t.Helper()
	home, err := os.MkdirTemp("", "media-browser-")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.Create(home + "/output")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
		"--user-data-dir="+home, "--enable-logging=stderr", "--ignore-certificate-errors", "--allow-loopback-in-peer-connection",
		"--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--auto-accept-this-tab-capture",
		"--autoplay-policy=no-user-gesture-required", address)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdout, cmd.Stderr = written, written
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		_ = written.Close()
		// The browser's helpers may still write into it when the browser itself has ended.
		for range 50 {
			if os.RemoveAll(home) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("cannot remove %s", home)
	})
	return func() string {
		b, _ := os.ReadFile(written.Name())
		return string(b)
	}
}
