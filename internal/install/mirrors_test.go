package install_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// mirrored is a project with a lock, whose registry has a mirror with the same plugins; nothing is installed yet.
func mirrored(t *testing.T, o registry.Options, n int) (p *project, origin, mirror *testregistry.Registry) {
	t.Helper()
	origin, mirror = testregistry.New(t), testregistry.New(t)
	specs, names := many(n)
	plain := newClient(t, registry.Options{})
	for _, host := range []string{origin.Host(), mirror.Host()} {
		publishTo(t, plain, host+"/team", specs...)
	}
	p = newProject(t, plain, origin.Host()+"/team")
	p.lockPlugins(names...)
	o.Mirrors = map[string][]registry.Mirror{origin.Host(): {{Host: mirror.Host()}}}
	p.client = newClient(t, o)
	origin.Take()
	mirror.Take()
	return p, origin, mirror
}

// TestInstallFromMirror: with a lock the registry is not needed at all, and the mirror is in nothing that is recorded.
func TestInstallFromMirror(t *testing.T) {
	p, origin, mirror := mirrored(t, registry.Options{}, 3)
	origin.Inject(testregistry.Fault{Status: 400})
	lock := p.read("loadr.lock")
	report := p.run(install.Options{})
	wantRequests(t, origin, "an install with a lock")
	wantRequests(t, mirror, "an install with a lock", times(3, "GET blob", "GET blob")...)
	p.wantSound()
	if p.read("loadr.lock") != lock || !strings.HasPrefix(report.Plugins[0].Source, origin.Host()) {
		t.Errorf("source %s", report.Plugins[0].Source)
	}
	for path, text := range p.snapshot() {
		if strings.Contains(text, mirror.Host()) {
			t.Errorf("%s names the mirror", path)
		}
	}
	// What is newest is not for a mirror to say.
	_, err := newProject(t, p.client, p.namespaces...).try(install.Options{Want: references(t, "plugin-00")})
	wantError[*registry.UnavailableError](t, "without a lock", err)
}

// TestLyingMirror serves bytes that fail in the wire's digest, in the decoder, or in what the cache expects of the library:
// the registry's are installed in any case, and nothing of the others is kept.
func TestLyingMirror(t *testing.T) {
	for name, alter := range map[string]func([]byte) []byte{
		"a flipped bit":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"no zstd":             func(b []byte) []byte { return bytes.Repeat([]byte{'x'}, len(b)) },
		"shorter":             func(b []byte) []byte { return b[:len(b)/2] },
		"longer":              func(b []byte) []byte { return append(b, b...) },
		"far more than fits":  zerosInside,
		"the other way round": func(b []byte) []byte { slices.Reverse(b); return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var left []error
			p, origin, mirror := mirrored(t, registry.Options{Events: registry.Events{Left: func(_ registry.Mirror, err error) { left = append(left, err) }}}, 1)
			mirror.Inject(testregistry.Fault{Match: "GET blob", Alter: alter})
			p.run(install.Options{})
			p.wantSound()
			p.wantSoundCache()
			p.wantNoTemps()
			if n := len(origin.Take()); n != 2 {
				t.Errorf("%d requests to the registry, expected 2", n)
			}
			if len(left) != 1 || !is[*registry.IntegrityError](left[0]) {
				t.Errorf("mirrors left: %v", left)
			}
			// The registry's own lies are final.
			p.cache = t.TempDir()
			origin.Inject(testregistry.Fault{Match: "GET blob", Alter: alter})
			_, err := p.on(machine()).try(install.Options{})
			if !is[*registry.IntegrityError](err) && !is[*cache.MismatchError](err) {
				t.Errorf("error %T %v", err, err)
			}
		})
	}
}

// zerosInside is as long as b, and zstd for megabytes of zeros, filled up with a frame that decoders skip.
func zerosInside(b []byte) []byte {
	enc, _ := zstd.NewWriter(nil)
	out := enc.EncodeAll(make([]byte, 4<<20), nil)
	if rest := len(b) - len(out) - 8; rest >= 0 {
		out = binary.LittleEndian.AppendUint32(out, 0x184D2A50)
		out = binary.LittleEndian.AppendUint32(out, uint32(rest))
		out = append(out, bytes.Repeat([]byte{7}, rest)...)
	}
	return out
}

// TestSilentMirror: dozens of plugins wait for it once, together.
func TestSilentMirror(t *testing.T) {
	p, origin, mirror := mirrored(t, registry.Options{Idle: 500 * time.Millisecond}, 20)
	mirror.Inject(testregistry.Fault{Delay: time.Minute})
	in := p.installer()
	in.Concurrency = 4
	if _, err := in.Install(t.Context(), install.Options{}); err != nil {
		t.Fatal(err)
	}
	if n := len(mirror.Take()); n > 4 {
		t.Errorf("asked the silent mirror %d times, expected at most once for each of 4 at work", n)
	}
	wantRequests(t, origin, "install", times(20, "GET blob", "GET blob")...)
	p.wantSound()
}
