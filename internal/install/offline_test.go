package install_test

import (
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/install"
)

// TestOffline: no request is made, whatever is missing, and all that is missing is named.
func TestOffline(t *testing.T) {
	p, server := remote(t, spec{name: "echo"}, spec{name: "kafka"})
	before := p.snapshot()
	_, err := p.try(install.Options{Want: references(t, "echo"), Offline: true})
	if e := wantError[*install.OfflineError](t, "resolving offline", err); e != nil && !strings.Contains(e.Object, `"echo"`) {
		t.Errorf("the error does not name the plugin: %v", e)
	}
	_, err = p.try(install.Options{Want: references(t, p.namespaces[0]+"/echo@sha256:"+strings.Repeat("0", 64)), Offline: true})
	wantError[*install.OfflineError](t, "looking up a digest offline", err)
	_, err = p.installer().Lock(t.Context(), install.Options{Want: references(t, "echo"), Offline: true})
	wantError[*install.OfflineError](t, "locking offline", err)
	p.wantUnchanged(before)
	wantRequests(t, server, "offline commands")

	p.install("echo", "kafka")
	server.Take()
	empty := p.on(machine())
	before = empty.snapshot()
	for _, mode := range []install.Mode{install.Resolve, install.Locked, install.Frozen} {
		_, err = empty.try(install.Options{Offline: true, Mode: mode})
		wantError[*install.OfflineError](t, "an empty cache", err)
		for _, l := range p.readLock().Plugins {
			for _, missing := range []string{l.Targets[0].Config.String(), l.Targets[0].Library.String()} {
				if err != nil && !strings.Contains(err.Error(), missing) {
					t.Errorf("%s: the error does not name %s: %v", l.Name, missing, err)
				}
			}
		}
		empty.wantUnchanged(before)
	}

	cached := p.on(machine())
	cached.cache = p.cache
	cached.run(install.Options{Offline: true})
	if _, err := cached.installer().Verify(t.Context(), nil, true); err != nil {
		t.Error(err)
	}
	wantRequests(t, server, "offline commands with a cache")
}
