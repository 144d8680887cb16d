package install_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/registry"
)

// TestAnySequence drives a project with random commands, as they succeed or are refused. After each one loadr.toml, the
// lock and the plugins directory agree, a refused one has changed nothing, and doing it again changes nothing.
func TestAnySequence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	client := newClient(t, registry.Options{Dir: dir})
	names := []string{"echo", "kafka", "smtp"}
	for _, name := range names {
		publishTo(t, client, "local/plugins", spec{name: name}, spec{name: name, version: "1.1.0"}, spec{name: name, version: "2.0.0", requires: "^1.1"})
	}
	cache := t.TempDir()
	refused, done := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		p := newProject(t, client, "local/plugins")
		defer os.RemoveAll(p.dir)
		p.cache = cache
		p.t = both{t, rt}
		name := func() string { return rapid.SampledFrom(names).Draw(rt, "name") }
		update := func(dry bool) error {
			o := install.UpdateOptions{DryRun: dry}
			if rapid.Bool().Draw(rt, "named") {
				o.Want = references(p.t, name()+rapid.SampledFrom([]string{"", "", "@*", "@~1.0"}).Draw(rt, "range"))
			}
			_, err := p.installer().Update(context.Background(), o)
			return err
		}
		commands := map[string]func() error{
			"install": func() error {
				rng := rapid.SampledFrom([]string{"", "@^1", "@~1.0", "@1.1.0", "@^2", "@*"}).Draw(rt, "range")
				_, err := p.try(install.Options{Want: references(p.t, name()+rng)})
				return err
			},
			"remove": func() error {
				_, err := p.installer().Remove(context.Background(), []string{name()}, install.Options{})
				return err
			},
			"update": func() error { return update(false) },
			"would update": func() error {
				before := p.snapshot()
				err := update(true)
				p.wantUnchanged(before)
				return err
			},
			"look": func() error {
				before := p.snapshot()
				_, err := p.installer().Outdated(context.Background())
				_, treeErr := install.Tree(p.workspace())
				p.wantUnchanged(before)
				return errors.Join(err, treeErr)
			},
			"sync":   func() error { _, err := p.try(install.Options{Prune: true}); return err },
			"locked": func() error { _, err := p.try(install.Options{Mode: install.Locked, Prune: true}); return err },
			"frozen": func() error { _, err := p.try(install.Options{Mode: install.Frozen, Prune: true}); return err },
			"host": func() error {
				version := rapid.SampledFrom([]string{"1.0.0", "1.1.0"}).Draw(rt, "host")
				_, err := p.try(install.Options{HostABI: mapABI(version)})
				return err
			},
			"destroy": func() error { return os.RemoveAll(filepath.Join(p.workspace().Plugins, name())) },
		}
		for range rapid.IntRange(1, 8).Draw(rt, "length") {
			command := rapid.SampledFrom(slices.Sorted(maps.Keys(commands))).Draw(rt, "command")
			before := p.snapshot()
			if err := commands[command](); err != nil {
				p.wantUnchanged(before)
				refused++
				continue
			}
			done++
			if !slices.Contains([]string{"destroy", "remove", "look", "would update"}, command) { // these repair nothing
				p.wantAgreement(fmt.Sprint("after ", command))
			}
		}
	})
	if refused == 0 || done == 0 {
		t.Errorf("%d refused, %d done: the commands do not cover both", refused, done)
	}
}

// wantAgreement compares the three records of a project, and runs a sync that must have nothing to do.
func (p *project) wantAgreement(what string) {
	p.t.Helper()
	wantVersions(p.t, what, p.versions(), p.locked())
	before := p.snapshot()
	report := p.run(install.Options{Mode: install.Locked, Prune: true})
	for _, c := range report.Plugins {
		if c.Action != install.Unchanged {
			p.t.Errorf("%s: a sync found %s %s", what, c.Action, c.Name)
		}
	}
	p.wantUnchanged(before)
	p.wantSound()
}

// both reports failures to rapid, which shrinks them, and makes folders of the test.
type both struct {
	testing.TB
	rt *rapid.T
}

func (b both) Helper()                           { b.rt.Helper() }
func (b both) Error(args ...any)                 { b.rt.Error(args...) }
func (b both) Errorf(format string, args ...any) { b.rt.Errorf(format, args...) }
func (b both) Fatal(args ...any)                 { b.rt.Fatal(args...) }
func (b both) Fatalf(format string, args ...any) { b.rt.Fatalf(format, args...) }
