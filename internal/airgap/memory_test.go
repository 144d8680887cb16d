package airgap_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// TestMemory moves a library that is larger than all that may be allocated meanwhile.
func TestMemory(t *testing.T) {
	const library, limit = 48 << 20, 32 << 20
	content := make([]byte, library)
	rand.NewChaCha8([32]byte{1}).Read(content) // which no compressor makes smaller
	w := newWorld(t, testregistry.Spec{Library: string(content)})
	var path string
	allocates(t, "bundle from a registry", limit, func() {
		var err error
		if path, _, err = w.bundle(t); err != nil {
			t.Fatal(err)
		}
	})
	w.keep(t, string(content)+" for "+string(linux))
	allocates(t, "bundle from the cache", limit, func() {
		if _, report, err := w.bundle(t); err != nil || report.Fetched != 0 {
			t.Fatalf("%+v, %v", report, err)
		}
	})
	allocates(t, "mirror of a bundle", limit, func() {
		b, err := bundle.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		mover := &airgap.Mover{From: b.Source(), Concurrency: 1}
		to := airgap.Destination{Client: w.client, Registry: registry.Local, Namespace: "mirror"}
		if _, err := mover.MirrorBundle(t.Context(), b.Plugins(), nil, nil, to); err != nil {
			t.Fatal(err)
		}
	})
}

// allocates runs do and counts every byte that is allocated, used or not.
func allocates(t *testing.T, what string, limit uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("%s: %d bytes were allocated, at most %d are allowed", what, n, limit)
	} else {
		t.Logf("%s: %d bytes", what, n)
	}
}
