package lockfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/loadr-plugins/loadr/manifest"
	"pgregory.net/rapid"
)

// inRange stands for package resolve: a range here is a prefix.
func inRange(rng, version string) bool {
	return rng == "*" || strings.HasPrefix(version, strings.TrimPrefix(rng, "^"))
}

func agreeing() (*Project, *Lock) {
	l := fullLock()
	return &Project{
		Plugins: []ProjectPlugin{{Name: "echo-proto", Version: "0."}, {Name: "kafka", Version: "2.1", Registry: "registry.example/perf"}},
		Host:    l.Host, Targets: []manifest.Target{mac, linux},
	}, l
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Project, *Lock)
		want   []Drift
	}{
		{"agreement", func(*Project, *Lock) {}, nil},
		{"order does not count", func(p *Project, l *Lock) { slices.Reverse(p.Targets); slices.Reverse(l.Plugins) }, nil},
		{"a dependency need not be wanted", func(p *Project, _ *Lock) { p.Plugins = p.Plugins[1:] }, nil},
		{"wanted and not locked", func(p *Project, _ *Lock) {
			p.Plugins = append(p.Plugins, ProjectPlugin{Name: "redis", Version: "^1"})
		}, []Drift{{"redis", "plugin", "^1", ""}}},
		{"locked and not wanted", func(p *Project, _ *Lock) { p.Plugins = p.Plugins[:1] }, []Drift{{"kafka", "plugin", "", "2.1.4"}}},
		{"locked for each other only", func(p *Project, l *Lock) {
			p.Plugins, l.Plugins[1].Dependencies = nil, []Dependency{{"kafka", "*"}}
		}, []Drift{{"echo-proto", "plugin", "", "0.1.0"}, {"kafka", "plugin", "", "2.1.4"}}},
		{"a requirement that does not hold", func(_ *Project, l *Lock) { l.Plugins[0].Dependencies[0].Range = "^0.2" },
			[]Drift{{"kafka", "requires echo-proto", "^0.2", "0.1.0"}}},
		{"another range", func(p *Project, _ *Lock) { p.Plugins[1].Version = "3" }, []Drift{{"kafka", "version", "3", "2.1.4"}}},
		{"another registry", func(p *Project, _ *Lock) { p.Plugins[1].Registry = "local/plugins" }, []Drift{{"kafka", "registry", "local/plugins", "registry.example/perf"}}},
		{"range and registry", func(p *Project, _ *Lock) {
			p.Plugins[0].Version, p.Plugins[0].Registry = "1", "x/y"
		}, []Drift{{"echo-proto", "version", "1", "0.1.0"}, {"echo-proto", "registry", "x/y", "local/plugins"}}},
		{"another host", func(p *Project, _ *Lock) {
			p.Host = Host{ABI: map[manifest.Family]string{"native": "1.1.0", "c": "1.0.0"}, Glibc: "2.17"}
		}, []Drift{{"", "host.abi.component", "", "0.1.0"}, {"", "host.abi.native", "1.1.0", "1.0.0"}, {"", "host.glibc", "2.17", "2.31"}}},
		{"a target more", func(p *Project, _ *Lock) { p.Targets = append(p.Targets, arm) },
			[]Drift{{"", "options.targets", "aarch64-apple-darwin, aarch64-unknown-linux-gnu, x86_64-unknown-linux-gnu", "aarch64-apple-darwin, x86_64-unknown-linux-gnu"}}},
		{"a target that a plugin lacks", func(p *Project, l *Lock) {
			p.Targets, l.Targets = append(p.Targets, arm), append(l.Targets, arm)
			l.Plugins[0].Targets = append(l.Plugins[0].Targets, lockedTarget(manifest.Neutral, manifest.Libc{}))
		}, []Drift{{"echo-proto", "target", string(arm), ""}}},
	} {
		p, l := agreeing()
		c.change(p, l)
		if d := cmp.Diff(c.want, Compare(p, l, inRange)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	p, _ := agreeing()
	if got := Compare(p, nil, inRange); len(got) != 7 {
		t.Errorf("without a lock: %v", got)
	}
	for want, d := range map[string]Drift{
		`plugin "a": loadr.toml says ^1, loadr.lock says nothing`:                 {"a", "plugin", "^1", ""},
		`plugin "a": version: loadr.toml says ^1, loadr.lock says 2.0.0`:          {"a", "version", "^1", "2.0.0"},
		`host.glibc: loadr.toml says nothing, loadr.lock says 2.31`:               {"", "host.glibc", "", "2.31"},
		`plugin "a": target: loadr.toml says t, loadr.lock says nothing`:          {"a", "target", "t", ""},
		`options.targets: loadr.toml says a, b, loadr.lock says b`:                {"", "options.targets", "a, b", "b"},
		`plugin "a": registry: loadr.toml says local/x, loadr.lock says remote/x`: {"a", "registry", "local/x", "remote/x"},
	} {
		if d.String() != want {
			t.Error(d.String())
		}
	}
}

// TestCompareAgreesWithItself: a project made from a lock never drifts from it.
func TestCompareAgreesWithItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLock.Draw(t, "lock")
		p := &Project{Host: l.Host}
		for _, q := range l.Plugins {
			for i := range q.Dependencies {
				q.Dependencies[i].Range = "*"
			}
			p.Plugins = append(p.Plugins, ProjectPlugin{Name: q.Name, Version: q.Version, Registry: q.Source})
		}
		l.Targets = nil // what each plugin serves is drawn independently
		if got := Compare(p, l, inRange); got != nil {
			t.Fatal(got)
		}
	})
}

func TestDiff(t *testing.T) {
	change := func(change func(l *Lock)) *Lock {
		l := fullLock()
		change(l)
		return l
	}
	for _, c := range []struct {
		name     string
		old, new *Lock
		want     map[string][]string
	}{
		{"nothing", fullLock(), fullLock(), nil},
		{"order", fullLock(), change(func(l *Lock) {
			slices.Reverse(l.Plugins)
			for i := range l.Plugins {
				slices.Reverse(l.Plugins[i].Targets)
				slices.Reverse(l.Plugins[i].Signers)
			}
		}), nil},
		{"from nothing", nil, fullLock(), map[string][]string{"echo-proto": nil, "kafka": nil}},
		{"to nothing", fullLock(), nil, map[string][]string{"echo-proto": nil, "kafka": nil}},
		{"one removed", fullLock(), change(func(l *Lock) { l.Plugins = l.Plugins[1:] }), map[string][]string{"kafka": nil}},
		{"every field", fullLock(), change(func(l *Lock) {
			p := &l.Plugins[0]
			p.Version, p.Source, p.Index, p.ABI.Version, p.RequiresABI = "3.0.0", "x/y", sum("x"), "1.9.0", ""
			p.Dependencies, p.Signers = nil, []string{"aaa="}
			p.Targets = append(p.Targets[:1], lockedTarget(arm, manifest.Libc{}))
		}), map[string][]string{"kafka": {"version", "source", "index", "abi", "requires-abi", "dependencies", "signers", "target aarch64-apple-darwin", "target aarch64-unknown-linux-gnu"}}},
		{"one byte of one target", fullLock(), change(func(l *Lock) { l.Plugins[1].Targets[0].LibrarySize++ }), map[string][]string{"echo-proto": {"target x86_64-unknown-linux-gnu"}}},
		{"what is said twice", fullLock(), change(func(l *Lock) { l.Plugins[1].Targets[0].ABI = l.Plugins[1].ABI }), nil},
	} {
		var got map[string][]string
		for _, d := range Diff(c.old, c.new) {
			if got == nil {
				got = map[string][]string{}
			}
			got[d.Name] = d.Fields
			_, was := byName(c.old)[d.Name]
			_, is := byName(c.new)[d.Name]
			if was != (d.Old != nil) || is != (d.New != nil) {
				t.Errorf("%s: %+v", c.name, d)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
