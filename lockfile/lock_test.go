package lockfile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite testdata")

func sum(s string) digest.Digest { return digest.FromString(s) }

func lockedTarget(t manifest.Target, libc manifest.Libc) Target {
	s := string(t)
	return Target{
		Target: t, Libc: libc,
		Manifest: sum(s + "manifest"), Config: sum(s + "config"), ConfigSize: 812, PluginTOML: sum(s + "toml"),
		Blob: sum(s + "blob"), MediaType: "application/vnd.loadr.plugin.library.v1+zstd", BlobSize: 5120,
		Library: sum(s + "library"), LibrarySize: 16384,
	}
}

func fullLock() *Lock {
	layout := lockedTarget(linux, manifest.Libc{Name: manifest.Glibc, Version: "2.17"})
	layout.Layout = "layout-v1:" + string(sum("layout"))
	layout.ABI = manifest.ABI{Family: "native", Version: "1.3.0"}
	return &Lock{
		Host:    Host{ABI: map[manifest.Family]string{"native": "1.0.0", "c": "1.0.0", "component": "0.1.0"}, Glibc: "2.31"},
		Targets: []manifest.Target{linux, mac},
		Plugins: []Plugin{
			{
				Name: "kafka", Version: "2.1.4", Source: "registry.example/perf", Index: sum("kafka"),
				ABI: manifest.ABI{Family: "native", Version: "1.0.0"}, RequiresABI: "^1.0",
				Dependencies: []Dependency{{"echo-proto", "^0.1"}}, Signers: []string{"bbb=", "aaa="},
				Targets: []Target{layout, lockedTarget(mac, manifest.Libc{})},
			},
			{
				Name: "echo-proto", Version: "0.1.0", Source: "local/plugins", Index: sum("echo"),
				ABI:     manifest.ABI{Family: "c", Version: "1.0.0"},
				Targets: []Target{lockedTarget(linux, manifest.Libc{Name: manifest.Glibc}), lockedTarget(mac, manifest.Libc{})},
			},
		},
	}
}

// TestLockText pins the format: a change of this file is a change of the format.
func TestLockText(t *testing.T) {
	got := fullLock().Encode()
	if *update {
		if err := os.WriteFile("testdata/loadr.lock", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/loadr.lock")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(fullLock().Canonical(), mustParse(t, got)); d != "" {
		t.Error(d)
	}
	for i, line := range bytes.Split(got, []byte("\n")) {
		if bytes.Count(line, []byte(" = ")) > 1 {
			t.Errorf("line %d holds more than one value: %s", i+1, line)
		}
	}
}

func mustParse(t interface{ Fatalf(string, ...any) }, text []byte) *Lock {
	l, err := ParseLock(LockName, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return l
}

var genLock = rapid.Custom(func(t *rapid.T) *Lock {
	name := rapid.StringMatching(`[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?`).Filter(isName)
	word := rapid.StringMatching("[ -~é\u202e\"\\\\]{1,12}").Filter(isWord)
	dig := rapid.Map(rapid.String(), sum)
	version := rapid.SampledFrom([]string{"1.0.0", "0.1.0", "1.2.3-rc.1"})
	abi := rapid.Custom(func(t *rapid.T) manifest.ABI {
		return manifest.ABI{Family: rapid.SampledFrom(manifest.Families()).Draw(t, "family"), Version: version.Draw(t, "version")}
	})
	maybe := func(g *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.OneOf(rapid.Just(""), g)
	}
	size := rapid.Int64Range(0, 1<<62)
	l := &Lock{
		Host: Host{
			ABI:   rapid.MapOf(rapid.SampledFrom(manifest.Families()), version).Draw(t, "host"),
			Glibc: maybe(rapid.SampledFrom([]string{"2.31", "2.17"})).Draw(t, "glibc"),
		},
		Targets: genTargets.Draw(t, "targets"),
	}
	names := rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "names")
	for _, n := range names {
		p := Plugin{
			Name: n, Version: version.Draw(t, "version"), Source: word.Draw(t, "source"), Index: dig.Draw(t, "index"),
			RequiresABI: maybe(word).Draw(t, "requires"),
			Signers:     rapid.SliceOfDistinct(word, rapid.ID).Draw(t, "signers"),
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "dependencies") {
			p.Dependencies = append(p.Dependencies, Dependency{name, rapid.SampledFrom([]string{"*", "^1.2", ">=1 <3 || ^4"}).Draw(t, "range")})
		}
		if rapid.Bool().Draw(t, "has abi") {
			p.ABI = abi.Draw(t, "abi")
		}
		for _, target := range rapid.SliceOfNDistinct(rapid.SampledFrom(manifest.Targets()), 1, 3, rapid.ID).Draw(t, "targets") {
			e := Target{
				Target: target, Manifest: dig.Draw(t, "manifest"), Config: dig.Draw(t, "config"), ConfigSize: size.Draw(t, "size"),
				PluginTOML: dig.Draw(t, "toml"), Blob: dig.Draw(t, "blob"), MediaType: word.Draw(t, "type"), BlobSize: size.Draw(t, "size"),
				Library: dig.Draw(t, "library"), LibrarySize: size.Draw(t, "size"),
				Libc: rapid.SampledFrom([]manifest.Libc{{}, {Name: "musl"}, {Name: "glibc", Version: "2.34"}}).Draw(t, "libc"),
			}
			if rapid.Bool().Draw(t, "has layout") {
				e.Layout = "layout-v2:" + string(dig.Draw(t, "layout"))
			}
			if p.ABI != (manifest.ABI{}) && rapid.Bool().Draw(t, "another abi") {
				e.ABI = abi.Draw(t, "abi")
			}
			p.Targets = append(p.Targets, e)
		}
		l.Plugins = append(l.Plugins, p)
	}
	return l
})

func TestLockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLock.Draw(t, "lock")
		text := l.Encode()
		parsed := mustParse(t, text)
		if d := cmp.Diff(l.Canonical(), parsed); d != "" {
			t.Fatal(d)
		}
		if again := parsed.Encode(); !bytes.Equal(text, again) {
			t.Fatal(cmp.Diff(string(text), string(again)))
		}
	})
}

func TestEncodeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLock.Draw(t, "lock")
		text := l.Encode()
		l.Targets = rapid.Permutation(l.Targets).Draw(t, "targets")
		l.Plugins = rapid.Permutation(l.Plugins).Draw(t, "plugins")
		for i := range l.Plugins {
			p := &l.Plugins[i]
			p.Targets = rapid.Permutation(p.Targets).Draw(t, "targets")
			p.Signers = rapid.Permutation(p.Signers).Draw(t, "signers")
			p.Dependencies = rapid.Permutation(p.Dependencies).Draw(t, "dependencies")
			for j := range p.Targets { // what the plugin says already makes no difference
				if p.Targets[j].ABI == (manifest.ABI{}) {
					p.Targets[j].ABI = p.ABI
				}
			}
		}
		before := fmt.Sprintf("%+v", l)
		if again := l.Encode(); !bytes.Equal(text, again) {
			t.Fatal(cmp.Diff(string(text), string(again)))
		}
		if fmt.Sprintf("%+v", l) != before {
			t.Fatal("encoding changed the lock")
		}
	})
}

func TestLockLookups(t *testing.T) {
	l := fullLock()
	p, ok := l.Plugin("kafka")
	if !ok || p.Version != "2.1.4" {
		t.Error(p, ok)
	}
	if _, ok := l.Plugin("redis"); ok {
		t.Error("found what is not there")
	}
	got, ok := p.For(linux)
	if !ok || got.Target != linux || p.ABIOf(got).Version != "1.3.0" {
		t.Error(got, ok)
	}
	if _, ok := p.For(arm); ok {
		t.Error("found a target that is not there")
	}
	p.Targets = append([]Target{lockedTarget(manifest.Neutral, manifest.Libc{})}, p.Targets...)
	if got, _ := p.For(arm); got.Target != manifest.Neutral || p.ABIOf(got) != p.ABI {
		t.Error(got)
	}
	if got, _ := p.For(mac); got.Target != mac {
		t.Error(got)
	}
	if (Host{Glibc: "2.31"}).Libc() != (manifest.Libc{Name: "glibc", Version: "2.31"}) || (Host{}).Libc() != (manifest.Libc{}) {
		t.Error("Libc")
	}
}

func benchmarkLock() *Lock {
	l := fullLock()
	base := l.Plugins[1]
	l.Plugins = nil
	for i := range 50 {
		p := base
		p.Name = fmt.Sprintf("plugin-%d", i)
		p.Targets = nil
		for _, t := range manifest.Targets()[:5] {
			p.Targets = append(p.Targets, lockedTarget(t, manifest.Libc{}))
		}
		l.Plugins = append(l.Plugins, p)
	}
	return l
}

func BenchmarkParseLock50x5(b *testing.B) {
	text := benchmarkLock().Encode()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ParseLock(LockName, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode50x5(b *testing.B) {
	l := benchmarkLock()
	for b.Loop() {
		l.Encode()
	}
}
