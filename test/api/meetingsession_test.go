// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func behaving(b *v1alpha1.Behavior) func(*v1alpha1.MeetingSession) {
	return func(s *v1alpha1.MeetingSession) { s.Spec.Behavior = b }
}

func playing(play v1alpha1.Play) func(*v1alpha1.MeetingSession) {
	return behaving(&v1alpha1.Behavior{Play: &play})
}

func recording(r v1alpha1.RecordingBehavior) func(*v1alpha1.MeetingSession) {
	return behaving(&v1alpha1.Behavior{Recording: &r})
}

func guest(name string) func(*v1alpha1.MeetingSession) {
	return func(s *v1alpha1.MeetingSession) { s.Spec.GuestName = name }
}

const oneMeeting = "exactly one of joinURL, joinMeetingID, coordinates, token, videoTeleconferenceID and create must be set"

func TestMeetingSession(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	session := func() *controllertest.SessionBuilder { return controllertest.Session(ns, "standup", "reception") }
	file := &v1alpha1.KeyReference{Name: "clips", Key: "hello.wav"}
	in := func(m v1alpha1.Meeting) *controllertest.SessionBuilder {
		return session().With(func(s *v1alpha1.MeetingSession) { s.Spec.Meeting = m })
	}
	link := v1alpha1.HTTPSURL(controllertest.JoinURLOf("standup"))
	cases := map[string]struct {
		session *controllertest.SessionBuilder
		want    string
	}{
		"the usual": {session(), accepted},

		"an end after the start":     {session().Start(noon).End(noon.Add(time.Second)), accepted},
		"an end with the start":      {session().Start(noon).End(noon), "endTime must be after startTime"},
		"an end before the start":    {session().Start(noon).End(noon.Add(-time.Hour)), "endTime must be after startTime"},
		"an end without start":       {session().End(noon), accepted},
		"times of different offsets": {session().Start(noon.In(time.FixedZone("", 3600))).End(noon.Add(time.Minute)), accepted},

		"a meeting by number":              {session().JoinMeetingID("123 456 789 012", "abc"), accepted},
		"a meeting by letters":             {session().JoinMeetingID("standup", ""), "spec.meeting.joinMeetingID.id in body should match"},
		"no meeting":                       {session().With(func(s *v1alpha1.MeetingSession) { s.Spec.Meeting = v1alpha1.Meeting{} }), oneMeeting},
		"a meeting named twice":            {session().With(func(s *v1alpha1.MeetingSession) { s.Spec.Meeting.JoinMeetingID = &v1alpha1.JoinMeetingID{ID: "123"} }), oneMeeting},
		"a join link over http":            {session().JoinURL("http://teams.microsoft.com/l/meetup-join/x"), "must be an absolute https:// URL"},
		"a join link that is none":         {session().JoinURL("standup"), "must be an absolute https:// URL"},
		"a join link longer than can be":   {session().JoinURL("https://teams.microsoft.com/" + strings.Repeat("a", 2048)), "spec.meeting.joinURL: Too long"},
		"a passcode longer than it can be": {session().JoinMeetingID("123", strings.Repeat("a", 65)), "spec.meeting.joinMeetingID.passcode: Too long"},

		"a meeting by coordinates": {in(v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: "19:x@thread.v2", OrganizerID: controllertest.UserID}}), accepted},
		"a meeting by token":       {in(v1alpha1.Meeting{Token: &v1alpha1.KeyReference{Name: "standup", Key: "token"}}), accepted},
		"a meeting by VTC id":      {in(v1alpha1.Meeting{VideoTeleconferenceID: "11900002"}), accepted},
		"a VTC id with spaces":     {in(v1alpha1.Meeting{VideoTeleconferenceID: "119 00002"}), "spec.meeting.videoTeleconferenceID in body should match"},
		"a meeting to be made":     {in(v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: controllertest.UserID}}), accepted},
		"made and named":           {in(v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{Organizer: controllertest.UserID}, VideoTeleconferenceID: "1"}), oneMeeting},
		"an organizer with a link": {in(v1alpha1.Meeting{JoinURL: link, Organizer: controllertest.UserID}), accepted},
		"an organizer without":     {in(v1alpha1.Meeting{VideoTeleconferenceID: "1", Organizer: controllertest.UserID}), "organizer goes with joinURL"},
		"a number in a tenant":     {in(v1alpha1.Meeting{JoinMeetingID: &v1alpha1.JoinMeetingID{ID: "123 456 789"}, TenantID: controllertest.TenantID}), accepted},
		"a tenant by name":         {in(v1alpha1.Meeting{VideoTeleconferenceID: "1", TenantID: "contoso.com"}), "spec.meeting.tenantID in body should match"},
		"coordinates in a tenant": {
			in(v1alpha1.Meeting{Coordinates: &v1alpha1.MeetingCoordinates{ThreadID: "19:x@thread.v2", OrganizerID: controllertest.UserID}, TenantID: controllertest.TenantID}),
			"coordinates have a tenantID of their own",
		},
		"an organizer by name": {in(v1alpha1.Meeting{JoinURL: link, Organizer: "jane@contoso.com"}), "spec.meeting.organizer in body should match"},

		"echo":            {session().With(behaving(&v1alpha1.Behavior{Echo: &v1alpha1.Echo{}})), accepted},
		"no behavior":     {session().With(behaving(&v1alpha1.Behavior{})), "set echo, play, flowRef or recording, or leave behavior out"},
		"two behaviors":   {session().With(behaving(&v1alpha1.Behavior{Echo: &v1alpha1.Echo{}, Play: &v1alpha1.Play{URL: "https://x/y.wav"}})), "echo, play and flowRef exclude each other"},
		"play a URL":      {session().With(playing(v1alpha1.Play{URL: "https://contoso.com/hello.wav", Loop: true})), accepted},
		"play a file":     {session().With(playing(v1alpha1.Play{ConfigMap: file})), accepted},
		"play nothing":    {session().With(playing(v1alpha1.Play{Loop: true})), "exactly one of configMap and url must be set"},
		"play two things": {session().With(playing(v1alpha1.Play{ConfigMap: file, URL: "https://x/y.wav"})), "exactly one of configMap and url must be set"},
		"play over http":  {session().With(playing(v1alpha1.Play{URL: "http://x/y.wav"})), "must be an absolute https:// URL"},

		"record":                   {session().With(recording(v1alpha1.RecordingBehavior{})), accepted},
		"record, as one likes":     {session().With(recording(v1alpha1.RecordingBehavior{Format: v1alpha1.RecordingOgg, Tracks: v1alpha1.TracksParticipants, MaxDuration: "90m"})), accepted},
		"echo and record":          {session().With(behaving(&v1alpha1.Behavior{Echo: &v1alpha1.Echo{}, Recording: &v1alpha1.RecordingBehavior{}})), accepted},
		"play and record":          {session().With(behaving(&v1alpha1.Behavior{Play: &v1alpha1.Play{URL: "https://x/y.wav"}, Recording: &v1alpha1.RecordingBehavior{}})), accepted},
		"record on cassette":       {session().With(recording(v1alpha1.RecordingBehavior{Format: "MC"})), `Unsupported value: "MC"`},
		"record whom one likes":    {session().With(recording(v1alpha1.RecordingBehavior{Tracks: "Jane"})), `Unsupported value: "Jane"`},
		"record for no time":       {session().With(recording(v1alpha1.RecordingBehavior{MaxDuration: "0s"})), "maxDuration must be longer than 0s"},
		"record for ever":          {session().With(recording(v1alpha1.RecordingBehavior{MaxDuration: "169h"})), "at most 168h"},
		"record for a while":       {session().With(recording(v1alpha1.RecordingBehavior{MaxDuration: "a while"})), "spec.behavior.recording.maxDuration in body should match"},
		"record what is shown":     {session().With(recording(v1alpha1.RecordingBehavior{Video: v1alpha1.VideoAll, MaxSize: "500Mi"})), accepted},
		"record what nobody shows": {session().With(recording(v1alpha1.RecordingBehavior{Video: "Slides"})), `Unsupported value: "Slides"`},
		"record nothing":           {session().With(recording(v1alpha1.RecordingBehavior{MaxSize: "0Gi"})), "spec.behavior.recording.maxSize in body should match"},
		"record a lot":             {session().With(recording(v1alpha1.RecordingBehavior{MaxSize: "1Pi"})), "spec.behavior.recording.maxSize in body should match"},
		"gone at once":             {session().TTL(0), accepted},
		"kept for a year":          {session().TTL(31536000), accepted},
		"kept for longer":          {session().TTL(31536001), "spec.ttlSecondsAfterFinished in body should be less than or equal to 31536000"},
		"gone before it began":     {session().TTL(-1), "spec.ttlSecondsAfterFinished in body should be greater than or equal to 0"},
		"a hundred attempts":       {session().Rejoin(v1alpha1.RejoinOnFailure, 100), accepted},
		"a meeting that rings":     {session().Rejoin(v1alpha1.RejoinRingAgain, 3), "rejoin.policy RingAgain is for group calls"},
		"more attempts":            {session().Rejoin(v1alpha1.RejoinOnFailure, 101), "spec.rejoin.maxAttempts in body should be less than or equal to 100"},
		"fewer than one":           {session().Rejoin(v1alpha1.RejoinOnFailure, -1), "spec.rejoin.maxAttempts in body should be greater than or equal to 1"},
		"a policy nobody knows":    {session().Rejoin("Always", 3), `Unsupported value: "Always"`},
		"a state nobody knows":     {session().DesiredState("Muted"), `Unsupported value: "Muted"`},
		"no bot":                   {controllertest.Session(ns, "standup", ""), "spec.botRef.name in body should be at least 1 chars long"},
		"a bot of 51 characters":   {controllertest.Session(ns, "standup", strings.Repeat("a", 51)), "spec.botRef.name: Too long"},
		"ended from the beginning": {session().DesiredState(v1alpha1.DesiredEnded), accepted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.session.Object(), tc.want) })
	}
}

func TestMeetingSessionChanges(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	echo := &v1alpha1.Behavior{Echo: &v1alpha1.Echo{}}
	cases := map[string]struct {
		from   func(*v1alpha1.MeetingSession)
		change func(*v1alpha1.MeetingSession)
		want   string
	}{
		"the bot may be asked to leave": {nil, func(s *v1alpha1.MeetingSession) { s.Spec.DesiredState = v1alpha1.DesiredEnded }, accepted},
		"the bot may not be asked back": {
			func(s *v1alpha1.MeetingSession) { s.Spec.DesiredState = v1alpha1.DesiredEnded },
			func(s *v1alpha1.MeetingSession) { s.Spec.DesiredState = v1alpha1.DesiredConnected },
			"an ended call cannot be connected again; make a new object",
		},
		"the end may be put off": {nil, func(s *v1alpha1.MeetingSession) {
			s.Spec.EndTime = &metav1.Time{Time: time.Now().Add(time.Hour)}
		}, accepted},
		"the bot is fixed":     {nil, func(s *v1alpha1.MeetingSession) { s.Spec.BotRef.Name = "other" }, "botRef cannot change; make a new object"},
		"the meeting is fixed": {nil, func(s *v1alpha1.MeetingSession) { s.Spec.Meeting.JoinURL += "x" }, "meeting cannot change; make a new MeetingSession"},
		"the organizer is fixed": {nil, func(s *v1alpha1.MeetingSession) { s.Spec.Meeting.Organizer = controllertest.UserID },
			"meeting cannot change; make a new MeetingSession"},
		"a guest name is not added": {nil, guest("Notes"), "guestName cannot change; make a new MeetingSession"},
		"a guest name is fixed":     {guest("Notes"), guest("Minutes"), "guestName cannot change; make a new MeetingSession"},
		"a guest name stays":        {guest("Notes"), func(s *v1alpha1.MeetingSession) { s.Spec.Muted = true }, accepted},
		"what is said in the call may change": {nil, func(s *v1alpha1.MeetingSession) {
			s.Spec.Muted, s.Spec.ScreenSharing, s.Spec.RecordingStatus = true, v1alpha1.ScreenSharingViewer, v1alpha1.Recording
			s.Spec.Invite = []v1alpha1.Invitee{{Identity: v1alpha1.Identity{User: controllertest.UserID}}}
			s.Spec.Leave = v1alpha1.LeaveRules{AloneTimeout: "2m", OnlyBots: true}
		}, accepted},
		"a behavior stays":          {behaving(echo), func(s *v1alpha1.MeetingSession) { s.Labels = map[string]string{"a": "b"} }, accepted},
		"a behavior is fixed":       {behaving(echo), playing(v1alpha1.Play{URL: "https://x/y.wav"}), "behavior cannot change; make a new object"},
		"a behavior is not added":   {nil, behaving(echo), "behavior cannot change; make a new object"},
		"a behavior is not removed": {behaving(echo), behaving(nil), "behavior cannot change; make a new object"},
	}
	n := 0
	for name, tc := range cases {
		n++
		builder := controllertest.Session(ns, fmt.Sprint("standup-", n), "reception")
		if tc.from != nil {
			builder.With(tc.from)
		}
		t.Run(name, func(t *testing.T) { update(t, builder.Object(), tc.change, tc.want) })
	}
}

func TestMeetingSessionDefaults(t *testing.T) {
	cluster := controllertest.Start(t)
	obj := document(t, cluster.Namespace(t), `
apiVersion: callfleet.dev/v1alpha1
kind: MeetingSession
metadata: {name: standup}
spec:
  botRef: {name: reception}
  meeting: {joinMeetingID: {id: "123 456"}}
`)
	if err := cluster.Client.Create(context.Background(), obj); err != nil {
		t.Fatal(err)
	}
	session := controllertest.Session(obj.GetNamespace(), "standup", "reception").JoinMeetingID("123 456", "").Object()
	want := session.Spec
	controllertest.Await(t, cluster.Client, session, "exist", func(*v1alpha1.MeetingSession) error { return nil })
	if diff := cmp.Diff(want, session.Spec); diff != "" {
		t.Errorf("defaults: Connected, rejoin OnFailure three times, neither sharing nor recording (-want +got):\n%s", diff)
	}
}

func TestRecordingDefaults(t *testing.T) {
	cluster := controllertest.Start(t)
	obj := document(t, cluster.Namespace(t), `
apiVersion: callfleet.dev/v1alpha1
kind: MeetingSession
metadata: {name: standup}
spec:
  botRef: {name: reception}
  meeting: {joinMeetingID: {id: "123 456"}}
  behavior: {recording: {}}
`)
	if err := cluster.Client.Create(context.Background(), obj); err != nil {
		t.Fatal(err)
	}
	session := controllertest.Session(obj.GetNamespace(), "standup", "reception").Object()
	controllertest.Await(t, cluster.Client, session, "exist", func(*v1alpha1.MeetingSession) error { return nil })
	want := &v1alpha1.RecordingBehavior{Format: v1alpha1.RecordingWAV, Tracks: v1alpha1.TracksMixed, MaxDuration: "4h", MaxSize: "10Gi"}
	if diff := cmp.Diff(want, session.Spec.Behavior.Recording); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if s := session.Spec.RecordingStatus; s != "" {
		t.Errorf("recordingStatus is %q by default, which would hold the recording up", s)
	}
}

// Agents watch by field selector: no agent may see another's sessions.
func TestMeetingSessionsAreSelectable(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	for _, s := range []*controllertest.SessionBuilder{
		controllertest.Session(ns, "a", "reception").BoundTo("reception-0"),
		controllertest.Session(ns, "b", "reception").BoundTo("reception-1"),
		controllertest.Session(ns, "c", "sales"),
		controllertest.Session(ns, "d", "sales").BoundTo("sales-0").Phase(v1alpha1.PhaseCompleted),
	} {
		controllertest.Create(t, cluster.Client, s.Object())
	}
	cases := map[string]struct {
		fields client.MatchingFields
		want   []string
	}{
		"by media pod":       {client.MatchingFields{"status.mediaPod": "reception-0"}, []string{"a"}},
		"by bot":             {client.MatchingFields{"spec.botRef.name": "sales"}, []string{"c", "d"}},
		"by phase":           {client.MatchingFields{"status.phase": "Completed"}, []string{"d"}},
		"by bot and unbound": {client.MatchingFields{"spec.botRef.name": "sales", "status.mediaPod": ""}, []string{"c"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var sessions v1alpha1.MeetingSessionList
			if err := cluster.Client.List(context.Background(), &sessions, client.InNamespace(ns), tc.fields); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sessions.Items {
				got = append(got, s.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTheTimelineIsBounded(t *testing.T) {
	cluster := controllertest.Start(t)
	session := controllertest.Create(t, cluster.Client, controllertest.Session(cluster.Namespace(t), "standup", "reception").Object())
	for n, want := range map[int]string{50: accepted, 51: "status.timeline: Too many: 51: must have at most 50 items"} {
		tried := session.DeepCopy()
		tried.Status.Timeline = slices.Repeat([]v1alpha1.TimelineEvent{{Time: metav1.NowMicro(), Event: "Pending"}}, n)
		judge(t, cluster.Client.Status().Update(context.Background(), tried, client.DryRunAll), want)
	}
}

// The columns answer the first question one has.
func TestColumns(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	controllertest.Create(t, cluster.Client, controllertest.Bot(ns, "reception").Object())
	controllertest.Create(t, cluster.Client, controllertest.MediaPod(ns, "reception", 0).Object())
	controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").Object())
	controllertest.Create(t, cluster.Client, controllertest.Call(ns, "lunch", "reception").Object())
	for kind, want := range map[string]string{
		"cb":    "NAME READY DESIRED SERVING DRAINING CALLS FREE AGE",
		"mp":    "NAME STATE USED SEATS ADDRESS PORT REVISION AGE",
		"ms":    "NAME BOT PHASE POD PARTICIPANTS END AGE",
		"calls": "NAME BOT DIRECTION PHASE POD END AGE",
	} {
		out, err := cluster.Kubectl(t, "get", kind, "-n", ns)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(out, "\n")
		if got := strings.Join(strings.Fields(header), " "); got != want {
			t.Errorf("kubectl get %s shows %q, want %q", kind, got, want)
		}
	}
}

// A column of type date tells an age, and of a time to come nothing but "<invalid>".
func TestAStartThatIsAheadIsShown(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	start := time.Now().Add(time.Hour)
	controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").Start(start).Object())
	out, err := cluster.Kubectl(t, "get", "ms", "-n", ns, "-o", "wide")
	if want := start.UTC().Format(time.RFC3339); err != nil || !strings.Contains(out, want) {
		t.Errorf("kubectl get ms -o wide does not show %s: %v\n%s", want, err, out)
	}
}
