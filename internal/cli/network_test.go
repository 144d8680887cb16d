package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/registry"
)

// TestNetworkNotes: what people are told of registries and mirrors, by how talkative they want it.
func TestNetworkNotes(t *testing.T) {
	mirror := registry.Mirror{Host: "mirror.example"}
	tell := func(a *app) string {
		var text bytes.Buffer
		a.err = &text
		events := a.network()
		events.Pausing("registry.example", 1500*time.Millisecond, "503 Service\x1b Unavailable")
		events.Pausing("registry.example", 30*time.Second, "429 Too Many Requests")
		events.Served(registry.Repository{Registry: "registry.example", Namespace: "team", Name: "echo"}, "", mirror)
		events.Left(mirror, errors.New("it is down"))
		events.Left(mirror, &registry.IntegrityError{Object: "echo", Want: "sha256:1", Got: "sha256:2"})
		return text.String()
	}
	const long, lie = "registry.example: 429 Too Many Requests; asking again in 30s\n", "warning: mirror mirror.example served other bytes"
	for name, test := range map[string]struct {
		app    *app
		want   []string
		absent []string
	}{
		"quiet":   {&app{quiet: true}, []string{lie}, []string{"registry.example:", "is down"}},
		"usual":   {&app{}, []string{long, lie}, []string{"503", "is down", "versions"}},
		"verbose": {&app{verbose: true}, []string{long, lie, "503 Service? Unavailable; asking again in 1.5s\n", "it is down", "mirror mirror.example served versions of registry.example/team/echo\n"}, nil},
	} {
		text := tell(test.app)
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: expected %q in\n%s", name, want, text)
			}
		}
		for _, absent := range test.absent {
			if strings.Contains(text, absent) {
				t.Errorf("%s: %q was told:\n%s", name, absent, text)
			}
		}
		if late := test.app.late.take(); len(late) > 0 {
			t.Errorf("%s: told again: %q", name, late)
		}
	}
	a := &app{json: true}
	if text := tell(a); text != "" {
		t.Errorf("json: %q was told", text)
	}
	if late := a.late.take(); len(late) != 1 || !strings.Contains(late[0], "other bytes") {
		t.Errorf("json: the result gets %q", late)
	}
}
