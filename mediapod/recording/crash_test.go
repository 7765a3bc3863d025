// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio/ogg"
)

const childDir = "CALLFLEET_TEST_RECORDING_DIR"

// silenceEncoder makes packets that any decoder takes.
type silenceEncoder struct{}

func (silenceEncoder) Encode(dst []byte, _ []int16) []byte { return append(dst, ogg.Silence...) }
func (silenceEncoder) Delay() time.Duration                { return 0 }

// TestChildRecords is the process to be killed: ten calls, each with a mix, of which half of those in Opus are kept as they
// come, three with somebody who says nothing, and four with video, one of them in every format.
func TestChildRecords(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("it is run by TestAKilledProcessLosesASecondAtMost")
	}
	formats := []Format{FormatWAV, FormatOgg, FormatWebM}
	frames := map[VideoCodec][]picture{VP8: pictures(t, VP8), H264: pictures(t, H264)}
	type source struct {
		rec         *Recording
		mix, camera *Track
		pictures    []picture
		opus        bool
	}
	var calls []source
	for i := range 10 {
		rec, err := New(Config{Dir: dir, Name: fmt.Sprintf("call%d", i), CallID: fmt.Sprint("c-", i), Format: formats[i%3],
			NewEncoder: func() OpusEncoder { return silenceEncoder{} }, OnError: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		s := source{rec: rec, opus: formats[i%3] != FormatWAV && i%2 == 1}
		add := func(info TrackInfo) *Track {
			track, err := rec.Track(info)
			if err != nil {
				t.Fatal(err)
			}
			return track
		}
		s.mix = add(TrackInfo{ID: "mix", Kind: KindAudio})
		if i < len(formats) {
			add(TrackInfo{ID: "quiet", Participant: "q", Kind: KindAudio})
		}
		if i < 4 {
			codec := []VideoCodec{VP8, H264}[i%2]
			s.camera, s.pictures = add(TrackInfo{ID: "camera", Kind: KindVideo, Codec: codec, With: s.mix}), frames[codec]
		}
		rec.Joined("q", "Quiet")
		if err := rec.Open(); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, s)
	}
	ticker := time.NewTicker(20 * ms)
	for n := 0; ; n++ {
		<-ticker.C
		for _, c := range calls {
			at := c.rec.Elapsed()
			if c.opus {
				c.mix.WriteOpus(at, ogg.Silence)
			} else {
				c.mix.WritePCM(at, pcm(1000))
			}
			if c.camera != nil && n%3 == 0 {
				p := c.pictures[n/3%len(c.pictures)]
				c.camera.WriteFrame(at, p.data, p.key)
			}
		}
		// The parent kills at a line of its choice.
		fmt.Printf("offered %d\n", calls[9].rec.Elapsed().Milliseconds())
	}
}

func TestAKilledProcessLosesASecondAtMost(t *testing.T) {
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("ffprobe is not installed (ffmpeg)")
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestChildRecords$", "-test.timeout=1m")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	child.Stderr = &problems
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var offered time.Duration
	for lines := bufio.NewScanner(out); offered < 2500*ms && lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "offered "); ok {
			n, _ := strconv.Atoi(n)
			offered = time.Duration(n) * ms
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if offered < 2500*ms {
		t.Fatalf("the child ended by itself after %v: %s", offered, &problems)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*.*.*"))
	if err != nil || len(files) != 17 {
		t.Fatalf("%d files, %v; want ten mixes, three quiet ones and four of video", len(files), err)
	}
	var most time.Duration
	for _, f := range files {
		lacks := offered - ffprobeDuration(t, f)
		if lacks > time.Second {
			t.Errorf("as it was left, %s lacks %v", filepath.Base(f), lacks)
		}
		most = max(most, lacks)
	}
	t.Logf("of %v, at most %v are lacking", offered, most)
	found, err := Recover(dir)
	if err != nil || len(found) != 10 {
		t.Fatalf("%d recordings are recovered, %v", len(found), err)
	}
	for i, m := range found {
		if m.Complete || m.CallID != fmt.Sprint("c-", i) || m.Started.IsZero() || len(m.Participants) != 1 {
			t.Errorf("manifest %+v", m)
		}
		if err := m.Verify(context.Background(), dir); err != nil {
			t.Error(err)
		}
		for _, f := range m.Files {
			end := time.Duration(f.StartMs+f.DurationMs) * ms
			if f.Error != "" || offered-end > time.Second || (f.Track == "quiet") != (f.Participant == "q") {
				t.Errorf("%+v, offered %v", f, offered)
			}
		}
	}
	for _, f := range []string{"call1.mix.opus", "call4.mix.opus", "call5.mix.webm", "call8.mix.webm", "call0.camera.webm", "call1.camera.mkv"} {
		if d := ffprobeDuration(t, filepath.Join(dir, f)); offered-d > time.Second {
			t.Errorf("recovered, %s plays %v of %v", f, d, offered)
		}
	}
	if again, err := Recover(dir); err != nil || len(again) != 0 {
		t.Errorf("a second recovery finds %d recordings, %v", len(again), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+journalEnding)); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}

func TestRecoverLooksAfterWhatItFinds(t *testing.T) {
	c := newCall(t, func(cfg *Config) { cfg.Format = FormatOgg })
	mix := c.track(TrackInfo{ID: "mix"})
	c.open()
	c.during(time.Second, func(at time.Duration) { mix.WriteOpus(at, opus(1)) })
	whole := c.close()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(filepath.Join(c.dir, "call.mix.opus"))
	if err != nil {
		t.Fatal(err)
	}
	put("call.recording", "{}") // it was killed just before it removed it
	put("cut.mix.opus", string(good[:len(good)-30]))
	put("cut.p1.2.wav", "RIFF")
	put("cut.recording", "not JSON")
	put("nothing.recording", `{"schema":1,"name":"nothing","callId":"c-2"}`)
	put("notes.txt", "no recording")
	put("deep.er.mix.ogg.opus", "no name of ours")
	found, err := Recover(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		for j := range found[i].Files {
			found[i].Files[j].SHA256 = ""
		}
	}
	cut := int64(len(good) - 30)
	want := []Manifest{
		{Schema: 1, Name: "cut", Ended: time.Time{}.Add(800 * ms), Files: []File{
			{File: "cut.mix.opus", Track: "mix", Kind: KindAudio, Codec: "opus", DurationMs: 800},
			{File: "cut.p1.2.wav", Track: "p1", Kind: KindAudio, Codec: "pcm", Bytes: 4,
				Error: "not a WAV file: reading the header: unexpected EOF"},
		}},
		{Schema: 1, Name: "nothing", CallID: "c-2"},
	}
	want[0].Files[0].Bytes = found[0].Files[0].Bytes
	if diff := cmp.Diff(want, found); diff != "" || found[0].Files[0].Bytes >= cut {
		t.Errorf("recovered (-want +got):\n%s", diff)
	}
	if err := whole.Verify(context.Background(), c.dir); err != nil {
		t.Errorf("a recording that was whole is touched: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "call.recording")); err == nil {
		t.Error("the journal of a whole recording stays")
	}
	if found, err := Recover(filepath.Join(c.dir, "none")); err != nil || found != nil {
		t.Errorf("a directory that is not there: %v, %v", found, err)
	}
}

// Whatever a manifest says, its files are in its own directory.
func FuzzReadManifest(f *testing.F) {
	left := int64(5)
	b, err := json.Marshal(Manifest{Schema: 1, Name: "call", Participants: []Participant{{ID: "a", LeftMs: &left}}, Files: []File{
		{File: "call.mix.2.opus", SHA256: strings.Repeat("0a", 32), Bytes: 5}, {File: "call.camera.mkv"},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"schema":1,"name":"call","files":[{"file":"../call.mix.opus"}]}`))
	f.Add([]byte(`{"schema":1,"name":"..","files":[{"file":"..\\call.mix.opus"}]}`))
	f.Add([]byte(`{"schema":2,"name":"call"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := ReadManifest(bytes.NewReader(in))
		if err != nil {
			return
		}
		for _, x := range m.Files {
			if filepath.Base(x.File) != x.File || !filepath.IsLocal(x.File) || strings.ContainsAny(x.File, `/\:`) || !strings.HasPrefix(x.File, m.Name+".") {
				t.Errorf("file %q", x.File)
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ReadManifest(bytes.NewReader(b)); err != nil || !cmp.Equal(m, again) {
			t.Errorf("read again it is another: %v\n%s", err, cmp.Diff(m, again))
		}
	})
}

func TestReadManifestSaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":         {"", "not valid"},
		"another schema":  {`{"schema":2,"name":"a"}`, "schema 2"},
		"no name":         {`{"schema":1}`, `the name ""`},
		"another's file":  {`{"schema":1,"name":"a","files":[{"file":"b.mix.wav"}]}`, "none of recording"},
		"a path":          {`{"schema":1,"name":"a","files":[{"file":"x/a.mix.wav"}]}`, "none of recording"},
		"no hash":         {`{"schema":1,"name":"a","files":[{"file":"a.mix.wav","sha256":"x"}]}`, "SHA-256"},
		"a negative size": {`{"schema":1,"name":"a","files":[{"file":"a.mix.wav","bytes":-1}]}`, "size"},
		"too large":       {strings.Repeat(" ", maxManifestBytes+1), "more than"},
	} {
		if _, err := ReadManifest(strings.NewReader(tc.in)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
