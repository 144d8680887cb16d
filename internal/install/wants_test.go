package install_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/testregistry"
)

// wantUnchanged compares with an earlier snapshot.
func (p *project) wantUnchanged(before map[string]string) {
	p.t.Helper()
	if diff := cmp.Diff(before, p.snapshot()); diff != "" {
		p.t.Errorf("the project was changed (-before +after):\n%s", diff)
	}
}

// wantSound checks all that must hold after any command: installed and locked agree, every byte is what was recorded,
// nothing is left over, and every blob of the cache is what its name says.
func (p *project) wantSound() {
	p.t.Helper()
	if _, err := p.installer().Verify(context.Background(), nil, true); err != nil {
		p.t.Errorf("verify: %v", err)
	}
	for path := range p.snapshot() {
		for _, leftover := range []string{".tmp", "journal", "staging", "trash"} {
			if strings.Contains(strings.TrimPrefix(path, p.dir), leftover) {
				p.t.Errorf("left over: %s", path)
			}
		}
	}
	p.wantSoundCache()
}

func (p *project) wantSoundCache() {
	p.t.Helper()
	for name, text := range p.blobs() {
		if strings.HasPrefix(name, ".") {
			continue // in the making, by a process that may have been killed
		}
		if got := digest.FromString(text).Encoded(); got != name {
			p.t.Errorf("the cache has %s under the name %s", got, name)
		}
	}
}

// wantNoTemps looks for blobs in the making, which only a killed process may leave, until the next one fetches something.
func (p *project) wantNoTemps() {
	p.t.Helper()
	for name := range p.blobs() {
		if strings.HasPrefix(name, ".") {
			p.t.Errorf("left in the cache: %s", name)
		}
	}
}

// blobs are the contents of the cache by file name, leftovers among them.
func (p *project) blobs() map[string]string {
	p.t.Helper()
	dir, out := filepath.Join(p.cache, "blobs", "sha256"), map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		out[e.Name()] = readText(p.t, filepath.Join(dir, e.Name()))
	}
	return out
}

func wantRequests(t testing.TB, server *testregistry.Registry, what string, want ...string) {
	t.Helper()
	got := server.Take()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests of %s (-budget +made):\n%s", what, diff)
	}
}

func wantVersions(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, expected %v", what, got, want)
	}
}

func wantError[E error](t testing.TB, what string, err error) (e E) {
	t.Helper()
	if !errors.As(err, &e) {
		t.Errorf("%s: error %T %v, expected a %T", what, err, err, e)
	}
	return e
}
