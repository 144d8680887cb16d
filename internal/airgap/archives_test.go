package airgap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// shelf is a place with files, by URL.
type shelf map[string]string

func (s shelf) Get(_ context.Context, address string, _ int64) (io.ReadCloser, int64, error) {
	text, ok := s[address]
	if !ok {
		return nil, 0, errors.New("nothing is there")
	}
	return io.NopCloser(bytes.NewReader([]byte(text))), int64(len(text)), nil
}

const (
	oneForAll = "https://plugins.example/one-for-all.tar.gz"
	perTarget = "https://plugins.example/per-target-" // and the target
)

// filePlugins are one plugin whose archive is for two platforms, and one with an archive for each.
func filePlugins() []lockfile.Plugin {
	target := func(t manifest.Target, url, content string) lockfile.Target {
		return lockfile.Target{Target: t, URL: url, Archive: digest.FromString(content), ArchiveSize: int64(len(content)), Entry: "libplugin.so"}
	}
	return []lockfile.Plugin{
		{Name: "all", Version: "1.0.0", Source: oneForAll, Targets: []lockfile.Target{target(darwin, oneForAll, "for all"), target(linux, oneForAll, "for all")}},
		{Name: "each", Version: "2.0.0", Source: perTarget + "{target}", Targets: []lockfile.Target{
			target(darwin, perTarget+string(darwin), "for darwin"), target(linux, perTarget+string(linux), "for linux"),
		}},
	}
}

func theShelf() shelf {
	return shelf{oneForAll: "for all", perTarget + string(darwin): "for darwin", perTarget + string(linux): "for linux"}
}

func (w *world) bundleFiles(t *testing.T, from shelf, targets ...manifest.Target) (string, *airgap.BundleReport, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.tar")
	mover := w.mover()
	mover.Files = &obtain.Fetcher{From: from, Cache: w.cache}
	report, err := mover.Bundle(t.Context(), w.lock, targets, path, false)
	return path, report, err
}

// TestArchives has plugins of both kinds in one bundle: of the archives those that serve the targets, each once.
func TestArchives(t *testing.T) {
	w := newWorld(t, testregistry.Spec{Name: "echo", Targets: []manifest.Target{linux, darwin}})
	w.lock.Plugins = append(w.lock.Plugins, filePlugins()...)
	path, report, err := w.bundleFiles(t, theShelf())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range report.Plugins {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, []string{"all", "each", "echo"}) || report.Fetched != 5 || report.Plugins[0].Index != "" {
		t.Errorf("report: %+v", report)
	}
	want := map[string][]manifest.Target{oneForAll: {darwin, linux}, perTarget + string(darwin): {darwin}, perTarget + string(linux): {linux}}
	if diff := cmp.Diff(want, inside(t, path)); diff != "" {
		t.Errorf("archives (-want +got):\n%s", diff)
	}
	path, report, err = w.bundleFiles(t, theShelf(), linux)
	if err != nil || report.Fetched != 3 || !slices.Equal(report.Targets, []manifest.Target{linux}) {
		t.Errorf("for one platform: %+v, %v", report, err)
	}
	want = map[string][]manifest.Target{oneForAll: {linux}, perTarget + string(linux): {linux}}
	if diff := cmp.Diff(want, inside(t, path)); diff != "" {
		t.Errorf("archives for one platform (-want +got):\n%s", diff)
	}
	// Nothing is fetched that the cache has, and the bytes are the same.
	first := readFile(t, path)
	w.keep(t, "for all")
	w.keep(t, "for linux")
	path, report, err = w.bundleFiles(t, nil, linux)
	if err != nil || report.Fetched != 1 || readFile(t, path) != first {
		t.Errorf("from the cache: %+v, %v", report, err)
	}
	if _, _, err = w.bundleFiles(t, theShelf(), testregistry.Windows); !errors.As(err, new(*airgap.TargetError)) {
		t.Errorf("a platform that the archives are not for: %v", err)
	}
}

// inside gives the targets of a bundle's archives by location.
func inside(t *testing.T, path string) map[string][]manifest.Target {
	t.Helper()
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	list, err := b.Archives()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]manifest.Target{}
	for _, a := range list {
		out[a.Location] = a.Targets
	}
	return out
}

// TestOtherBytes has other files where the lock found some: no bundle comes of it.
func TestOtherBytes(t *testing.T) {
	for name, text := range map[string]string{"other": "for foo", "shorter": "for", "longer": "for all of us"} {
		w := newWorld(t)
		w.lock.Plugins = filePlugins()
		from := theShelf()
		from[oneForAll] = text
		path, _, err := w.bundleFiles(t, from)
		if !errors.As(err, new(*registry.IntegrityError)) || !strings.Contains(err.Error(), oneForAll) {
			t.Errorf("%s: error %v, expected an *IntegrityError that names the file", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 0 {
			t.Errorf("%s: left %q", name, left)
		}
	}
}

// TestMirrorLeavesArchivesOut mirrors a bundle of both kinds.
func TestMirrorLeavesArchivesOut(t *testing.T) {
	w := newWorld(t, both)
	w.lock.Plugins = append(w.lock.Plugins, filePlugins()...)
	path, _, err := w.bundleFiles(t, theShelf())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	archives, err := b.Archives()
	if err != nil {
		t.Fatal(err)
	}
	to := airgap.Destination{Client: newWorld(t).client, Registry: registry.Local, Namespace: "mirror"}
	report, err := (&airgap.Mover{From: b.Source(), Concurrency: 4}).MirrorBundle(t.Context(), b.Plugins(), archives, nil, to)
	if err != nil || len(report.Plugins) != 1 || len(report.Warnings) != 3 || !strings.HasPrefix(report.Warnings[0], "all 1.0.0: not copied: ") {
		t.Errorf("report: %+v, %v", report, err)
	}
}
