package install_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/install"
)

var layoutDigest = regexp.MustCompile(`layout-v1:sha256:[0-9a-f]{64}`)

// TestClaimedLayouts: a release of a native library with digests that all fit, whose config says something else of its types.
func TestClaimedLayouts(t *testing.T) {
	sound := takeApart(t, spec{name: "echo", rust: true})
	layout := string(layoutDigest.Find(sound.config))
	if layout == "" {
		t.Fatalf("the config names no layout:\n%s", sound.config)
	}
	for name, test := range map[string]struct {
		from, to string
		want     func(error) bool
		says     string
	}{
		"the layout itself":          {layout, layout, nil, ""},
		"another layout":             {layout, someLayout, isClaim, "library's abi.layout for x86_64-unknown-linux-gnu: expected " + someLayout + ", found " + layout},
		"no layout":                  {`"layout":"` + layout + `",`, ``, isClaim, "abi.layout for x86_64-unknown-linux-gnu: expected nothing, found " + layout},
		"another interface":          {`"interface":"loadr-plugin-api"`, `"interface":"another-api"`, isClaim, "abi.interface"},
		"the C interface":            {`"family":"native"`, `"family":"c"`, isInvalid, "c/1.0.0"},
		"a layout in a later form":   {layout, strings.Replace(layout, "layout-v1", "layout-v2", 1), nil, ""},
		"a layout in an unknown way": {layout, strings.Replace(layout, "layout-v1:sha256", "sha256", 1), isInvalid, "library.abi.layout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, server := remote(t)
			a := takeApart(t, spec{name: "echo", rust: true})
			a.replace(t, test.from, test.to)
			a.push(t, server, "team/echo", "1.0.0")
			before := p.snapshot()
			_, err := p.try(install.Options{Want: references(t, "echo")})
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !test.want(err) || !strings.Contains(explained(err), test.says) {
				t.Errorf("error %T %v, expected another kind or %q in it", err, explained(err), test.says)
			}
			p.wantRefused(before)
		})
	}
}

// TestLockedLayouts: whoever edits the layout in a lock finds nothing installed from it, and what is installed against it.
func TestLockedLayouts(t *testing.T) {
	p := local(t, spec{name: "echo", rust: true}, spec{name: "soap"})
	p.install("echo", "soap")
	sound := p.readLock().Plugins[0].Targets[0].Layout
	for name, test := range map[string]struct {
		layout string
		verify string // what verify says; empty: nothing
	}{
		"another":           {someLayout, "type layout: locked " + someLayout + ", found " + sound},
		"none":              {"", "type layout: locked none, found " + sound},
		"of a later form":   {strings.Replace(someLayout, "layout-v1", "layout-v2", 1), ""},
		"the library's own": {sound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			lock := p.readLock()
			lock.Plugins[0].Targets[0].Layout = test.layout
			p.write("loadr.lock", string(lock.Encode()))
			defer p.write("loadr.lock", func() string {
				lock.Plugins[0].Targets[0].Layout = sound
				return string(lock.Encode())
			}())
			if test.verify != "" {
				p.wantFinding("echo", install.Incompatible, true, test.verify)
			} else if _, err := p.installer().Verify(t.Context(), nil, true); err != nil {
				t.Error(err)
			}
			if test.layout == sound {
				return
			}
			fresh := p.on(machine())
			before := fresh.snapshot()
			for _, mode := range []install.Mode{install.Locked, install.Frozen} {
				_, err := fresh.try(install.Options{Mode: mode})
				if e := wantError[*install.MismatchError](t, "an edited layout", err); e != nil && (e.Part != "type layout in the config" || e.Claim) {
					t.Errorf("mode %v: %+v", mode, e)
				}
				fresh.wantRefused(before)
			}
		})
	}
}

// TestNativeAndCLock: the lock has a layout where the library has one, for every platform of it.
func TestNativeAndCLock(t *testing.T) {
	p := local(t, spec{name: "echo", rust: true}, spec{name: "soap"})
	p.install("echo", "soap")
	lock := p.readLock()
	for name, native := range map[string]bool{"echo": true, "soap": false} {
		entry, ok := lock.Plugin(name)
		if !ok || (entry.ABI.String() == "native/1.0.0") != native {
			t.Errorf("%s: abi %v", name, entry.ABI)
		}
		for _, target := range entry.Targets {
			if layoutDigest.MatchString(target.Layout) != native || (target.Layout != "") != native {
				t.Errorf("%s: layout %q", name, target.Layout)
			}
		}
	}
}
