package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func d(name string) digest.Digest { return digest.FromString(name) }

func TestStatementForm(t *testing.T) {
	for want, s := range map[string]statement{
		`{"reason":"loses data","schema":1,"status":"withdrawn","use":"1.4.4"}`:         {Schema: 1, Status: statusWithdrawn, Reason: "loses data", Use: "1.4.4"},
		fmt.Sprintf(`{"schema":1,"status":"active","supersedes":["%s"]}`, d("earlier")): {Schema: 1, Status: statusActive, Supersedes: []digest.Digest{d("earlier")}},
	} {
		text, err := s.encode()
		if err != nil || string(text) != want {
			t.Errorf("encoded %s, %v; expected %s", text, err, want)
		}
		got, err := parseStatement(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, *got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStatementRefused(t *testing.T) {
	many := `"` + strings.Repeat(string(d("x"))+`","`, maxStatements) + string(d("y")) + `"`
	for text, says := range map[string]string{
		``:                                  "not JSON",
		`[]`:                                "not JSON",
		`{}`:                                "schema 0",
		`{"schema":2,"status":"withdrawn"}`: "a newer loadr",
		`{"schema":1,"status":"yanked"}`:    `status "yanked"`,
		`{"schema":1,"status":"withdrawn"}`: "reason",
		`{"status":"active","schema":1}`:    "canonical",
		`{"schema":1,"status":"active","status":"withdrawn"}`:                                   "canonical",
		`{"Schema":1,"status":"active"}`:                                                        "lower-case",
		`{"reason":" spaced","schema":1,"status":"withdrawn"}`:                                  "white space",
		`{"reason":"two\nlines","schema":1,"status":"withdrawn"}`:                               "one line",
		"{\"reason\":\"a \u202e b\",\"schema\":1,\"status\":\"withdrawn\"}":                     "one line",
		"{\"reason\":\"a \u2028 b\",\"schema\":1,\"status\":\"withdrawn\"}":                     "one line",
		`{"reason":"` + strings.Repeat("x", MaxReason+1) + `","schema":1,"status":"withdrawn"}`: "at most 200",
		`{"reason":"x","schema":1,"status":"withdrawn","use":"latest"}`:                         "such as 1.4.4",
		`{"schema":1,"status":"active","supersedes":["md5:1"]}`:                                 "supersedes",
		`{"schema":1,"status":"active","supersedes":[` + many + `]}`:                            "supersedes 65",
		`{"padding":"` + strings.Repeat("x", MaxStatement) + `","schema":1,"status":"active"}`:  "bytes, at most",
	} {
		if s, err := parseStatement([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: %+v, %v; expected an error that says %q", text, s, err, says)
		}
	}
}

// TestKeysMayBeAdded: what a later program adds under the same schema does not change what is known.
func TestKeysMayBeAdded(t *testing.T) {
	if _, err := parseStatement([]byte(`{"reason":"x","schema":1,"status":"withdrawn","urgency":"high"}`)); err != nil {
		t.Error(err)
	}
}

func withdraws(name, reason string, supersedes ...string) said {
	return said{digest: d(name), about: &statement{Status: statusWithdrawn, Reason: reason, Supersedes: digests(supersedes)}}
}

func restores(name string, supersedes ...string) said {
	return said{digest: d(name), about: &statement{Status: statusActive, Supersedes: digests(supersedes)}}
}

func unreadable(name string) said { return said{digest: d(name), problem: "torn"} }

func digests(names []string) (out []digest.Digest) {
	for _, n := range names {
		out = append(out, d(n))
	}
	return out
}

func TestStatusOf(t *testing.T) {
	for name, test := range map[string]struct {
		said []said
		want []string // reasons, sorted; "torn" where a statement can't be read
	}{
		"nothing said":                         {nil, nil},
		"withdrawn":                            {[]said{withdraws("a", "bad")}, []string{"bad"}},
		"another reason":                       {[]said{withdraws("a", "bad"), withdraws("b", "worse", "a")}, []string{"worse"}},
		"restored":                             {[]said{withdraws("a", "bad"), restores("b", "a")}, nil},
		"withdrawn again":                      {[]said{withdraws("a", "bad"), restores("b", "a"), withdraws("c", "bad", "b")}, []string{"bad"}},
		"two at the same time":                 {[]said{withdraws("a", "bad"), withdraws("b", "slow")}, []string{"bad", "slow"}},
		"one of the two undone":                {[]said{withdraws("a", "bad"), withdraws("b", "slow"), restores("c", "a")}, []string{"slow"}},
		"both undone":                          {[]said{withdraws("a", "bad"), withdraws("b", "slow"), restores("c", "a", "b")}, nil},
		"undone by one, given a reason by one": {[]said{withdraws("a", "bad"), restores("b", "a"), withdraws("c", "worse", "a")}, []string{"worse"}},
		"an undo of what is not listed":        {[]said{restores("b", "a")}, nil},
		"unreadable":                           {[]said{unreadable("a")}, []string{"torn"}},
		"unreadable beside an undo":            {[]said{withdraws("a", "bad"), restores("b", "a"), unreadable("c")}, []string{"torn"}},
		"unreadable and undone":                {[]said{unreadable("a"), restores("b", "a")}, nil},
	} {
		var first *Status
		for range 10 {
			rand.Shuffle(len(test.said), func(i, j int) { test.said[i], test.said[j] = test.said[j], test.said[i] })
			status := statusOf(test.said)
			var got []string
			for _, w := range status.Withdrawals {
				got = append(got, w.Reason+w.Problem)
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if first == nil {
				first = status
			}
			if diff := cmp.Diff(first, status, cmp.AllowUnexported(Status{})); diff != "" {
				t.Errorf("%s depends on the order:\n%s", name, diff)
			}
			if (status.Withdrawn() == "") != (len(test.want) == 0) {
				t.Errorf("%s: withdrawn %q", name, status.Withdrawn())
			}
		}
	}
}

// TestRestoreSettlesEverything: an undo that names the last statements leaves none, whatever was said before.
func TestRestoreSettlesEverything(t *testing.T) {
	all := []said{withdraws("a", "bad"), unreadable("b"), restores("c", "a"), withdraws("e", "worse", "a"), unreadable("f")}
	undo := said{digest: d("undo"), about: &statement{Status: statusActive, Supersedes: statusOf(all).last}}
	if status := statusOf(append(all, undo)); len(status.Withdrawals) != 0 || len(status.last) != 1 {
		t.Errorf("after an undo of everything: %+v", status)
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add([]byte(`{"reason":"loses data","schema":1,"status":"withdrawn","use":"1.4.4"}`))
	f.Add([]byte(`{"schema":1,"status":"active","supersedes":["` + d("x") + `"]}`))
	f.Add([]byte(`{"schema":1,"status":"active","supersedes":[]}`))
	f.Add([]byte(`{"schema":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStatement(text)
		if err != nil {
			return
		}
		if s.Status == statusWithdrawn && (Withdrawal{Reason: s.Reason, Use: s.Use}.String() == "" || strings.ContainsFunc(s.Reason, breaksLine)) {
			t.Errorf("a withdrawal without a printable reason: %q", s.Reason)
		}
		again, err := s.encode()
		if err != nil {
			t.Fatalf("%q was read and can't be written: %v", text, err)
		}
		if back, err := parseStatement(again); err != nil || !cmp.Equal(s, back, cmpopts.EquateEmpty()) {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}

// FuzzReferrer reads manifests of referrers: what is accepted refers to the subject, and its layers can be asked for.
func FuzzReferrer(f *testing.F) {
	subject := d("subject")
	made, err := Attachment{ArtifactType: ArtifactTypeStatus, Layers: []AttachedLayer{{MediaType: MediaTypeStatus, Content: []byte("{}")}}}.build(
		v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: subject, Size: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made.text)
	f.Add([]byte(`{"schemaVersion":2,"subject":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := (parser{"fuzz"}).referrer(text, subject, ArtifactTypeStatus)
		if err != nil {
			return
		}
		if m.Subject.Digest != subject {
			t.Errorf("%q refers to %s", text, m.Subject.Digest)
		}
		for _, layer := range m.Layers {
			if checkDigest(layer.Digest) != nil || layer.Size < 0 || layer.Size > MaxAttachment {
				t.Errorf("%q has layer %+v", text, layer)
			}
		}
	})
}
