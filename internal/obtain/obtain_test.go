package obtain

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/download"
)

// server has one text under every address, and counts.
type server struct {
	text  string
	asked int
}

func (s *server) Get(context.Context, string, int64) (io.ReadCloser, int64, error) {
	s.asked++
	return io.NopCloser(strings.NewReader(s.text)), -1, nil
}

func anything(digest.Digest) error { return nil }

var errRefused = errors.New("refused")

func TestFile(t *testing.T) {
	const url = "https://host.example/x"
	from := &server{text: "hello"}
	f := &Fetcher{From: from, Cache: cache.Open(t.TempDir()), Base: t.TempDir()}
	want := digest.FromString("hello")

	// What is refused is not kept.
	if _, _, err := f.File(t.Context(), url, "", func(got digest.Digest) error {
		if got != want {
			t.Errorf("asked about %s", got)
		}
		return errRefused
	}); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if f.Cache.Has(cache.Blob{Digest: want, Size: 5}) {
		t.Error("kept what was refused")
	}

	path, blob, err := f.File(t.Context(), url, "", anything)
	if text, _ := os.ReadFile(path); err != nil || string(text) != "hello" || blob != (cache.Blob{Digest: want, Size: 5}) || from.asked != 2 {
		t.Errorf("%q, %v, %v; asked %d times", text, blob, err, from.asked)
	}
	// Known by its digest it is not fetched again, unless it has become corrupt; nor is it given to whom accept refuses.
	if again, _, err := f.File(t.Context(), url, want, anything); err != nil || again != path || from.asked != 2 {
		t.Errorf("%s, %v; asked %d times", again, err, from.asked)
	}
	if _, _, err := f.File(t.Context(), url, want, func(digest.Digest) error { return errRefused }); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hollo"), 0o600); err != nil {
		t.Fatal(err)
	}
	from.asked = 0
	if _, _, err := f.File(t.Context(), url, want, anything); err != nil || from.asked != 1 {
		t.Errorf("%v; asked %d times", err, from.asked)
	}
}

func TestLocalFiles(t *testing.T) {
	base := t.TempDir()
	f := &Fetcher{From: &server{}, Cache: cache.Open(t.TempDir()), Base: filepath.Join(base, "project")}
	if err := os.MkdirAll(filepath.Join(f.Base, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"project/x", "y"} {
		if err := os.WriteFile(filepath.Join(base, filepath.FromSlash(path)), []byte(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for location, want := range map[string]string{
		"file:x": "project/x", "file:../y": "y", "file:" + filepath.ToSlash(filepath.Join(base, "y")): "y",
	} {
		if text, err := f.Text(t.Context(), location, 9); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", location, text, err)
		}
	}
	if _, err := f.Text(t.Context(), "file:x", 8); !errors.As(err, new(*download.TooLargeError)) {
		t.Error(err)
	}
	if _, err := f.Text(t.Context(), "file:absent", 9); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := f.Text(t.Context(), "file:folder", 9); err == nil || !strings.Contains(err.Error(), "expected a file") {
		t.Error(err)
	}
}

// TestTextIsBounded: also where the other side keeps no promise.
func TestTextIsBounded(t *testing.T) {
	f := &Fetcher{From: &server{text: "0123456789"}, Cache: cache.Open(t.TempDir())}
	if _, err := f.Text(t.Context(), "https://host.example/x", 9); !errors.As(err, new(*download.TooLargeError)) {
		t.Error(err)
	}
}
