package testregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// Place is somewhere to publish to and install from.
type Place struct {
	Registry string // of the repositories
	Client   *registry.Client
	// Immutable says that the place itself keeps published versions, whoever races.
	Immutable bool
	// Reader, where not nil, gives a source that has what was published so far, and is read in place of Client.
	Reader func(t *testing.T) registry.Source
}

// source is what is read. It has nothing that is published later.
func (p Place) source(t *testing.T) registry.Source {
	if p.Reader == nil {
		return p.Client
	}
	return p.Reader(t)
}

func (p Place) repo(name string) registry.Repository {
	return registry.Repository{Registry: p.Registry, Namespace: "team/plugins", Name: name}
}

// ReadingContract is the part of Contract that every source has to pass: it publishes with Client and reads with Reader.
func ReadingContract(t *testing.T, open func(t *testing.T) Place) {
	run(t, open, map[string]func(*testing.T, Place){
		"what was published is read back":           readBack,
		"what is not there":                         absent,
		"versions are listed":                       listed,
		"an index without embedded data":            withoutData,
		"an end of the context ends a read request": canceledRead,
	})
}

// Contract is the suite that every kind of registry has to pass. open gives an empty place.
func Contract(t *testing.T, open func(t *testing.T) Place) {
	ReadingContract(t, open)
	run(t, open, map[string]func(*testing.T, Place){
		"a published version stays":               published,
		"many publishers at once lose nothing":    manyPublishers,
		"one of several rivals wins":              rivals,
		"an end of the context ends a push":       canceled,
		"a pack is published under its name only": otherName,
		"what is attached is listed and read":     attached,
		"many attach at once":                     manyAttach,
		"nothing refers to what has no referrers": noReferrers,
	})
}

func run(t *testing.T, open func(t *testing.T) Place, tests map[string]func(*testing.T, Place)) {
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { test(t, open(t)) })
	}
}

func readBack(t *testing.T, p Place) {
	ctx := t.Context()
	pack := Pack(t, Spec{Targets: []manifest.Target{Linux, Darwin, Windows}, Files: map[string]string{"README.md": "# Echo\n", "LICENSE": "free\n"}})
	result, err := p.Client.Push(ctx, p.repo("echo"), pack)
	if err != nil || result.Already || result.Digest != pack.Digest() {
		t.Fatalf("push: %+v, %v", result, err)
	}
	source := p.source(t)
	for _, ref := range []string{"1.0.0", pack.Digest().String()} {
		r, err := source.Release(ctx, p.repo("echo"), ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := source.Complete(ctx, p.repo("echo"), r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pack.Release(), r); diff != "" {
			t.Errorf("release %s differs (-packed +read):\n%s", ref, diff)
		}
	}
	for _, target := range pack.Release().Targets {
		if got := p.library(t, source, target); got != "a made-up library for "+string(target.Target) {
			t.Errorf("library for %s: %q", target.Target, got)
		}
		if got := string(p.fetch(t, source, target.Files[1])); got != "# Echo\n" {
			t.Errorf("README for %s: %q", target.Target, got)
		}
	}
}

func (p Place) fetch(t *testing.T, source registry.Source, desc v1.Descriptor) []byte {
	t.Helper()
	stream, err := source.Fetch(t.Context(), p.repo("echo"), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	content, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (p Place) library(t *testing.T, source registry.Source, target registry.ReleaseTarget) string {
	t.Helper()
	var out bytes.Buffer
	if err := registry.Decompress(&out, bytes.NewReader(p.fetch(t, source, target.Library)), target.Library.MediaType); err != nil {
		t.Fatal(err)
	}
	if d := digest.FromBytes(out.Bytes()); d != target.Config.Library.Digest {
		t.Errorf("library for %s: digest %s, the config says %s", target.Target, d, target.Config.Library.Digest)
	}
	return out.String()
}

func published(t *testing.T, p Place) {
	ctx := t.Context()
	first := Pack(t, Spec{})
	push(t, p, first, false)
	push(t, p, first, true)
	push(t, p, Pack(t, Spec{}), true)
	for name, other := range map[string]Spec{
		"the library for " + string(Linux) + " differs": {Library: "another"},
		"plugin.toml for " + string(Linux) + " differs": {Extra: "[config]\nreverse = true"},
		string(Darwin) + " is new":                      {Targets: []manifest.Target{Linux, Darwin}},
		string(Linux) + " is missing":                   {Targets: []manifest.Target{Darwin}},
	} {
		_, err := p.Client.Push(ctx, p.repo("echo"), Pack(t, other))
		var exists *registry.VersionExistsError
		if !errors.As(err, &exists) || !slices.Contains(exists.Differences, name) || exists.Existing != first.Digest() {
			t.Errorf("push of other content: error %v, expected one that says %q", err, name)
		}
	}
	if r, err := p.Client.Release(ctx, p.repo("echo"), "1.0.0"); err != nil || r.Digest != first.Digest() {
		t.Errorf("after refused pushes the version is %+v, %v", r, err)
	}
}

func push(t *testing.T, p Place, pack *registry.Pack, already bool) {
	t.Helper()
	result, err := p.Client.Push(t.Context(), p.repo(pack.Release().Name), pack)
	if err != nil || result.Already != already || result.Digest != pack.Digest() {
		t.Fatalf("push: %+v, %v; expected digest %s and already %v", result, err, pack.Digest(), already)
	}
}

func absent(t *testing.T, p Place) {
	push(t, p, Pack(t, Spec{}), false)
	ctx, missing, source := t.Context(), digest.FromString("missing"), p.source(t)
	calls := map[string]func() error{
		"versions of an unknown plugin": func() error { _, err := source.Versions(ctx, p.repo("nobody")); return err },
		"version of an unknown plugin":  func() error { _, err := source.Release(ctx, p.repo("nobody"), "1.0.0"); return err },
		"unknown version":               func() error { _, err := source.Release(ctx, p.repo("echo"), "9.9.9"); return err },
		"unknown digest":                func() error { _, err := source.Release(ctx, p.repo("echo"), missing.String()); return err },
		"unknown blob":                  func() error { return fetchError(p, source, v1.Descriptor{Digest: missing, Size: 7}) },
	}
	for name, call := range calls {
		var notFound *registry.NotFoundError
		if err := call(); !errors.As(err, &notFound) {
			t.Errorf("%s: error %v, expected a *NotFoundError", name, err)
		}
	}
}

func fetchError(p Place, source registry.Source, desc v1.Descriptor) error {
	stream, err := source.Fetch(context.Background(), p.repo("echo"), desc)
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = io.ReadAll(stream)
	return err
}

func listed(t *testing.T, p Place) {
	var want []string
	for minor := range 12 {
		want = append(want, fmt.Sprintf("1.%d.0", minor))
	}
	want = append(want, "2.0.0-rc.1")
	for _, version := range want {
		push(t, p, Pack(t, Spec{Version: version}), false)
	}
	got, err := p.source(t).Versions(t.Context(), p.repo("echo"))
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("versions: %v (-want +got):\n%s", err, diff)
	}
}

// bigSpec makes configs so long that the index cannot embed the platform manifests.
func bigSpec() Spec {
	return Spec{Targets: manifest.Targets()[:14], Extra: "[config]\npadding = \"" + strings.Repeat("x", 48<<10) + "\""}
}

func withoutData(t *testing.T, p Place) {
	pack := Pack(t, bigSpec())
	push(t, p, pack, false)
	source := p.source(t)
	r, err := source.Release(t.Context(), p.repo("echo"), "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if r.Size > registry.MaxIndexData || r.Targets[0].Config != nil || r.Targets[0].Library.Digest != "" {
		t.Fatalf("the index has %d bytes and embeds its manifests", r.Size)
	}
	if err := source.Complete(t.Context(), p.repo("echo"), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pack.Release(), r); diff != "" {
		t.Errorf("release differs (-packed +read):\n%s", diff)
	}
	push(t, p, pack, true)
}

func manyPublishers(t *testing.T, p Place) {
	const publishers, each = 6, 3
	var wait sync.WaitGroup
	for i := range publishers {
		wait.Go(func() {
			for j := range each {
				spec := Spec{Version: fmt.Sprintf("1.%d.%d", i, j)}
				if _, err := p.Client.Push(t.Context(), p.repo("echo"), Pack(t, spec)); err != nil {
					t.Errorf("%s: %v", spec.Version, err)
				}
			}
		})
	}
	wait.Wait()
	versions, err := p.Client.Versions(t.Context(), p.repo("echo"))
	if err != nil || len(versions) != publishers*each {
		t.Errorf("%d versions after %d pushes: %v, %v", len(versions), publishers*each, versions, err)
	}
}

// rivals publish different content under one version at the same time.
func rivals(t *testing.T, p Place) {
	if !p.Immutable {
		t.Skip("this registry overwrites tags: the push is checked, not exclusive")
	}
	errs := make([]error, 5)
	var wait sync.WaitGroup
	for i := range errs {
		pack := Pack(t, Spec{Library: fmt.Sprint("rival ", i)})
		wait.Go(func() { _, errs[i] = p.Client.Push(context.Background(), p.repo("echo"), pack) })
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		var exists *registry.VersionExistsError
		if err == nil {
			won++
		} else if !errors.As(err, &exists) {
			t.Errorf("a rival's push failed with %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d rivals published 1.0.0, expected one", won, len(errs))
	}
}

func canceledRead(t *testing.T, p Place) {
	pack := Pack(t, Spec{})
	push(t, p, pack, false)
	source := p.source(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Versions(ctx, p.repo("echo")); !errors.Is(err, context.Canceled) {
		t.Errorf("versions: %v, expected context.Canceled", err)
	}
	if _, err := source.Fetch(ctx, p.repo("echo"), pack.Release().Targets[0].Library); !errors.Is(err, context.Canceled) {
		t.Errorf("fetch: %v, expected context.Canceled", err)
	}
}

func canceled(t *testing.T, p Place) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Client.Push(ctx, p.repo("echo"), Pack(t, Spec{Version: "2.0.0"})); !errors.Is(err, context.Canceled) {
		t.Errorf("push: %v, expected context.Canceled", err)
	}
}

func otherName(t *testing.T, p Place) {
	_, err := p.Client.Push(t.Context(), p.repo("other"), Pack(t, Spec{}))
	var invalid *registry.InvalidArtifactError
	if !errors.As(err, &invalid) {
		t.Errorf("push of echo as other: %v, expected an *InvalidArtifactError", err)
	}
}
