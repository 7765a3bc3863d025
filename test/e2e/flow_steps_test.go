// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/hack/devcluster/pki"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// colleague is whom the sample flows transfer to and invite.
const colleague = "8a34a46b-3d17-4ada-a61b-c2c1b2a9b8d7"

var sampleFlows = []string{"operator", "reminder", "voicemail", "doorman", "afterhours"}

// promptFile is a prompt of the samples, such as operator/menu.wav.
func promptFile(t *testing.T, name string) []byte {
	t.Helper()
	return value[[]byte](t)(os.ReadFile(filepath.Join(world.Root, "config", "samples", "flows", "base", "prompts", filepath.FromSlash(name))))
}

// flows applies the sample flows with their prompts, and waits until calls can run them. The one that looks at the clock finds the
// office closed.
func flows(t *testing.T, change func(*callfleetv1.CallFlow), more ...*callfleetv1.CallFlow) {
	t.Helper()
	must(t, world.Teams.PutUser(t.Context(), admin.User{ID: colleague, DisplayName: "Colleague", TenantID: rig.TenantID, Reaction: admin.Answers, AfterSeconds: 0.2}))
	all := more
	for _, name := range sampleFlows {
		all = append(all, sampleFlow(t, name))
		files, err := filepath.Glob(filepath.Join(world.Root, "config", "samples", "flows", "base", "prompts", name, "*.wav"))
		must(t, err)
		prompts := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "flow-" + name}, BinaryData: map[string][]byte{}}
		for _, file := range files {
			prompts.BinaryData[filepath.Base(file)] = promptFile(t, name+"/"+filepath.Base(file))
		}
		create(t, prompts)
	}
	for _, flow := range all {
		flow.Spec.TimeZone = nightZone(time.Now())
		change(flow)
		create(t, flow)
	}
	for _, flow := range all {
		must(t, world.Await(t.Context(), flow, patience, "flow "+flow.Name+" to be valid", func() error {
			if flow.Status.Revision == "" || flow.Status.ObservedGeneration < flow.Generation {
				return fmt.Errorf("no revision; conditions %s", conditions(flow.Status.Conditions))
			}
			return nil
		}))
	}
}

func sampleFlow(t *testing.T, name string) *callfleetv1.CallFlow {
	t.Helper()
	flow := &callfleetv1.CallFlow{}
	must(t, world.Sample(filepath.Join("flows", "base", name+".yaml"), flow))
	return flow
}

// nightZone is a time zone in which it is between three and four in the morning.
func nightZone(now time.Time) string {
	switch offset := (3-now.UTC().Hour()+36)%24 - 12; { // -12 to 11
	case offset > 0:
		return fmt.Sprintf("Etc/GMT-%d", offset) // the database has the signs of POSIX
	case offset < 0:
		return fmt.Sprintf("Etc/GMT+%d", -offset)
	}
	return "UTC"
}

// runs is a rule that has a flow run for calls of somebody.
func runs(who, flow string) callfleetv1.IncomingRule {
	rule := answering(&callfleetv1.Behavior{FlowRef: &callfleetv1.FlowReference{Name: flow}})
	rule.From = &callfleetv1.CallerMatch{Users: []callfleetv1.GUID{callfleetv1.GUID(who)}}
	return rule
}

// caller is somebody with a telephone in a call that runs a flow.
type caller struct {
	*testing.T
	id     string // of the call in the local Teams
	call   *callfleetv1.Call
	person admin.Person
	at     int // samples that were listened to
}

// callsBot lets somebody call a bot. Who is rejected calls again: a media pod reads the flows of new rules after it has told that it knows
// the rules.
func callsBot(t *testing.T, appID, who string) *caller {
	t.Helper()
	c := &caller{T: t}
	eventually(t, "a call to be taken", func() error {
		if c.id == "" || !sim(t, c.id).Live() {
			c.id = ring(t, func(in *admin.IncomingCall) { in.AppID, in.UserID = appID, who })
		}
		if there := sim(t, c.id); !there.MediaActive {
			return fmt.Errorf("the call is %s", inJSON(there))
		}
		return nil
	})
	c.call = incomingCall(t, c.id)
	c.pickUp()
	return c
}

// pickUp finds who is at the telephone.
func (c *caller) pickUp() {
	c.Helper()
	c.person = awaitSim(c.T, c.id, "somebody in the call", func(c admin.Call) bool { return len(c.People) > 0 && c.People[0].Here }).People[0]
}

// hears waits until a prompt was heard, behind those that were heard before; with part, until the beginning of it was.
func (c *caller) hears(prompt string, part ...float64) {
	c.Helper()
	clip := value[wav.Clip](c.T)(wav.Decode(bytes.NewReader(promptFile(c.T, prompt)), 1<<20)).Samples
	if len(part) > 0 {
		clip = clip[:int(part[0]*float64(len(clip)))]
	}
	var best measure.Report
	var most int // what there was to be heard
	eventually(c.T, "prompt "+prompt+" to be heard", func() error {
		raw := value[[]byte](c.T)(world.Teams.Heard(c.Context(), c.person))
		heard := value[wav.Clip](c.T)(wav.Decode(bytes.NewReader(raw), 64<<20)).Samples
		if len(heard) <= c.at {
			return fmt.Errorf("nothing more was heard; %s", c.where())
		}
		most = len(heard)
		best = value[measure.Report](c.T)(measure.Compare(clip, heard[c.at:], audio.SampleRate))
		if best.Correlation < 0.85 {
			return fmt.Errorf("heard %+v; %s", best, c.where())
		}
		return nil
	})
	// Enough of it may be heard before it is over, and a key that is pressed then ends it.
	c.at = min(c.at+int(best.Delay.Seconds()*audio.SampleRate)+len(clip), most)
}

// where the call is in its flow.
func (c *caller) where() string {
	now := &callfleetv1.Call{}
	if err := world.Client.Get(c.Context(), client.ObjectKeyFromObject(c.call), now); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the call is %s %s, its flow %s", now.Status.Phase, now.Status.EndReason, inJSON(now.Status.Flow))
}

var tones = strings.NewReplacer("*", "star", "#", "pound")

// press presses keys as fast as people do.
func (c *caller) press(keys string) {
	c.Helper()
	for i, key := range strings.Split(keys, "") {
		if i > 0 {
			<-time.After(200 * time.Millisecond)
		}
		tone := tones.Replace(key)
		if tone == key {
			tone = "tone" + key
		}
		must(c.T, world.Teams.Press(c.Context(), c.person, tone))
	}
}

// speaks says something.
func (c *caller) speaks() {
	c.Helper()
	raw, _ := speech(c.T, "prompt.wav")
	value[admin.Utterance](c.T)(world.Teams.Speak(c.Context(), c.person, raw, admin.SpeakOptions{Wait: true}))
}

// ended waits for the end of the flow and tells what can be seen of it, but for times and names.
func (c *caller) ended(want callfleetv1.FlowEnd, steps int64) string {
	c.Helper()
	// The timeline may have it a write later.
	awaitStatus(c.T, c.call, "the end of the flow", func(st *callfleetv1.CallStatus) bool {
		return st.Flow != nil && st.Flow.End != "" && slices.ContainsFunc(st.Timeline, func(e callfleetv1.TimelineEvent) bool { return e.Event == "FlowEnded" })
	})
	f := *c.call.Status.Flow
	if f.End != want || f.Steps != steps || f.Sealed != "" || f.Revision == "" {
		c.Errorf("the flow is %s, want %s after %d steps, and nothing sealed", inJSON(f), want, steps)
	}
	var story []string
	for _, e := range c.call.Status.Timeline {
		if strings.HasPrefix(e.Event, "Flow") {
			story = append(story, e.Event+" "+e.Detail)
		}
	}
	f.Revision = ""
	return inJSON(f) + " " + strings.Join(story, "; ")
}

// asked is a question as a web server got it.
type asked struct {
	Source string
	Key    string
	Step   string
	Order  string
}

// orders is a web server that knows orders, and is asked by flows.
type orders struct {
	URL string

	t   *testing.T
	mu  sync.Mutex
	got []asked
}

// The orders.
const (
	orderShipped = "12345"
	orderGarbled = "22222" // the answer is a page
	orderSlow    = "33333" // there is none
	orderPatient = "55555" // there is none to the first question
)

func startOrders(t *testing.T) *orders {
	t.Helper()
	o := &orders{t: t}
	address := world.Cluster.HostIP().String()
	pair, err := world.Cluster.CA().Issue(pki.Request{CommonName: "orders", Hosts: []string{address}})
	must(t, err)
	certificate, err := pair.TLS()
	must(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	must(t, err)
	server := httptest.NewUnstartedServer(o)
	_ = server.Listener.Close()
	server.Listener, server.TLS = listener, &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	o.URL = server.URL
	return o
}

func (o *orders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var q struct {
		ID, Source, Type string
		Data             struct {
			Step      string
			Variables map[string]string
		}
	}
	if err := json.Unmarshal(body, &q); err != nil || q.Type != "dev.callfleet.flow.webhook" || q.ID != r.Header.Get("Idempotency-Key") {
		o.t.Errorf("asked %s with key %s: %v", body, r.Header.Get("Idempotency-Key"), err)
	}
	if err := o.verify(q.Source, r.Header, body); err != nil {
		o.t.Error(err)
	}
	order := q.Data.Variables["order"]
	first := len(o.about(order)) == 0
	o.mu.Lock()
	o.got = append(o.got, asked{q.Source, q.ID, q.Data.Step, order})
	o.mu.Unlock()
	switch {
	case order == orderGarbled:
		_, _ = io.WriteString(w, "<html>please sign in</html>")
	case order == orderSlow, order == orderPatient && first:
		<-r.Context().Done()
	default:
		_, _ = io.WriteString(w, `{"variables": {"carrier": "DHL"}, "next": "shipped"}`)
	}
}

// verify checks the signature with the key of the bot that asks, as its owner would.
func (o *orders) verify(source string, h http.Header, body []byte) error {
	secret := &corev1.Secret{}
	bot := source[strings.LastIndex(source, "/")+1:]
	if err := world.Client.Get(o.t.Context(), client.ObjectKey{Namespace: rig.Namespace, Name: bot + "-flows"}, secret); err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(secret.Data["webhookKey"]), "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); !slices.Contains(strings.Fields(h.Get("Webhook-Signature")), want) {
		return fmt.Errorf("what %s asks is not signed with its key: %q", source, h.Get("Webhook-Signature"))
	}
	return nil
}

// about are the questions about an order.
func (o *orders) about(order string) (all []asked) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.got {
		if q.Order == order {
			all = append(all, q)
		}
	}
	return all
}
