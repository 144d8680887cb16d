package bundle_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// TestDeterministic writes the same releases in two orders.
func TestDeterministic(t *testing.T) {
	client, repo, _ := published(t)
	second := testregistry.Pack(t, testregistry.Spec{Version: "1.1.0"})
	if _, err := client.Push(t.Context(), repo, second); err != nil {
		t.Fatal(err)
	}
	r, err := client.Release(t.Context(), repo, "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: r.Digest, Size: r.Size}
	attach(t, client, repo, subject, "text/signature")
	attach(t, client, repo, subject, "text/sbom")
	for _, name := range []string{"b.tar", "layout"} {
		var texts []map[string]string
		for _, order := range [][]string{{"1.0.0", "1.1.0"}, {"1.1.0", "1.0.0", "1.1.0"}} {
			path := filepath.Join(t.TempDir(), name)
			err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
				for _, version := range order {
					if err := add(t.Context(), w, client, repo, version); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, tree(t, path))
			open(t, path)
		}
		if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
			t.Errorf("%s: the order shows:\n%s", name, diff)
		}
	}
}

// tree gives the content of all files at or below a path.
func tree(t *testing.T, path string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(path, name)
		out[rel] = string(readFile(t, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFailedWriteLeavesNothing ends writing at every point: what was there before stays, and nothing comes beside it.
func TestFailedWriteLeavesNothing(t *testing.T) {
	client, repo, pack := published(t)
	failure := errors.New("a failure of the test")
	blob := pack.Release().Targets[0].Library
	for name, c := range map[string]struct {
		fill func(context.CancelFunc, *bundle.Writer) error
		want func(error) bool
	}{
		"at once": {func(context.CancelFunc, *bundle.Writer) error { return failure }, func(err error) bool { return errors.Is(err, failure) }},
		"in a blob": {func(_ context.CancelFunc, w *bundle.Writer) error {
			return w.Blob(t.Context(), blob, writes("half", failure))
		}, func(err error) bool { return errors.Is(err, failure) }},
		"too short": {func(_ context.CancelFunc, w *bundle.Writer) error {
			return w.Blob(t.Context(), blob, writes("short", nil))
		}, isIntegrity},
		"too long": {func(_ context.CancelFunc, w *bundle.Writer) error {
			return w.Blob(t.Context(), blob, writes(strings.Repeat("long", 1<<16), nil))
		}, isIntegrity},
		"other bytes": {func(_ context.CancelFunc, w *bundle.Writer) error {
			return w.Blob(t.Context(), blob, writes(strings.Repeat("x", int(blob.Size)), nil))
		}, isIntegrity},
		"interrupted before the end": {func(cancel context.CancelFunc, w *bundle.Writer) error {
			err := add(t.Context(), w, client, repo, "1.0.0")
			cancel()
			return err
		}, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		for _, file := range []string{"b.tar", "layout"} {
			t.Run(strings.ReplaceAll(name+" "+file, " ", "-"), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, file)
				everything(t, path, client, repo)
				before := tree(t, dir)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := bundle.Write(ctx, path, false, func(w *bundle.Writer) error { return c.fill(cancel, w) })
				if !c.want(err) {
					t.Errorf("error %v", err)
				}
				if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
					t.Errorf("after the failure (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// TestLeftovers has the folder of a process that was killed, and that of one at work.
func TestLeftovers(t *testing.T) {
	client, repo, _ := published(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "b.tar")
	killed, other := filepath.Join(dir, ".b.tar.123.tmp"), filepath.Join(dir, ".other.tar.123.tmp")
	for _, left := range []string{killed, other} {
		if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "lock"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
		if _, err := os.Stat(killed); err == nil {
			t.Error("what a killed process left is still there")
		}
		everything(t, path, client, repo) // another process, as far as files tell
		return add(t.Context(), w, client, repo, "1.0.0")
	})
	if err != nil {
		t.Errorf("writing while another process did: %v", err)
	}
	open(t, path)
	if _, err := os.Stat(other); err != nil {
		t.Errorf("another bundle's folder: %v", err)
	}
}

// TestDockerHub has a plugin of the registry whose host has another name.
func TestDockerHub(t *testing.T) {
	client, repo, pack := published(t)
	path := filepath.Join(t.TempDir(), "b.tar")
	hub := registry.Repository{Registry: "docker.io", Namespace: "team", Name: "echo"}
	err := bundle.Write(t.Context(), path, false, func(w *bundle.Writer) error {
		a, err := client.Artifact(t.Context(), repo, pack.Digest())
		if err != nil {
			return err
		}
		return w.Release(t.Context(), hub, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := open(t, path).Source().Release(t.Context(), hub, "1.0.0"); err != nil || r.Digest != pack.Digest() {
		t.Errorf("release: %+v, %v", r, err)
	}
}

func isIntegrity(err error) bool { return errors.As(err, new(*registry.IntegrityError)) }

func writes(text string, err error) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return err
	}
}

// TestReplacing says what may lie where a bundle is to be.
func TestReplacing(t *testing.T) {
	client, repo, _ := published(t)
	layout := testregistry.Pack(t, testregistry.Spec{}).Dir() // an image layout that is no bundle
	for name, c := range map[string]struct {
		file          string
		make          func(path string) error
		plain, forced bool // whether the write succeeds
	}{
		"nothing":             {"b.tar", func(string) error { return nil }, true, true},
		"no folder yet":       {"a/b/c.tar", func(string) error { return nil }, true, true},
		"an earlier tar":      {"b.tar", func(path string) error { everything(t, path, client, repo); return nil }, true, true},
		"an earlier folder":   {"b", func(path string) error { everything(t, path, client, repo); return nil }, true, true},
		"an empty folder":     {"b", func(path string) error { return os.Mkdir(path, 0o755) }, true, true},
		"another file":        {"b.tar", func(path string) error { return os.WriteFile(path, []byte("mine"), 0o644) }, false, true},
		"another layout":      {"b", func(path string) error { return os.CopyFS(path, os.DirFS(layout)) }, false, true},
		"another folder":      {"b", func(path string) error { return os.MkdirAll(filepath.Join(path, "mine"), 0o755) }, false, false},
		"a folder for a tar":  {"b.tar", func(path string) error { return os.Mkdir(path, 0o755) }, false, false},
		"a file for a folder": {"b", func(path string) error { return os.WriteFile(path, []byte("mine"), 0o644) }, false, false},
	} {
		for _, force := range []bool{false, true} {
			want := c.plain
			if force {
				want = c.forced
			}
			dir := t.TempDir()
			path := filepath.Join(dir, c.file)
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			err := bundle.Write(t.Context(), path, force, func(w *bundle.Writer) error { return add(t.Context(), w, client, repo, "1.0.0") })
			if want {
				if err != nil {
					t.Errorf("%s, force %v: %v", name, force, err)
				} else {
					open(t, path)
				}
				continue
			}
			var exists *bundle.ExistsError
			if !errors.As(err, &exists) || exists.Hint() == "" {
				t.Errorf("%s, force %v: error %v, expected an *ExistsError", name, force, err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("%s, force %v: changed:\n%s", name, force, diff)
			}
		}
	}
}
