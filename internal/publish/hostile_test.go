package publish_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/publish"
)

// TestHostilePack: a pack may come from anywhere, and what it says about its libraries is only a claim.
func TestHostilePack(t *testing.T) {
	for name, test := range map[string]struct {
		change func(config, library []byte) ([]byte, []byte)
		says   string
	}{
		"exports that the library lacks": {func(c, l []byte) ([]byte, []byte) { return replace(c, `"exports":[`, `"exports":["another",`), l }, "exports"},
		"fewer constructors":             {func(c, l []byte) ([]byte, []byte) { return replace(c, `"constructors":`, `"constructors":7`), l }, "constructors"},
		"no needed libraries":            {func(c, l []byte) ([]byte, []byte) { return replace(c, `"needs":["libc.so.6"]`, `"needs":[]`), l }, "needs"},
		"another library":                {func(c, l []byte) ([]byte, []byte) { return c, compress(t, []byte("not a library")) }, ""},
		"a bomb":                         {func(c, l []byte) ([]byte, []byte) { return c, compress(t, make([]byte, 1<<28)) }, "more bytes"},
		"no zstd":                        {func(c, l []byte) ([]byte, []byte) { return c, []byte("no zstd") }, "zstd"},
		"another name":                   {func(c, l []byte) ([]byte, []byte) { return replace(c, `name = \"echo\"`, `name = \"kafka\"`), l }, "kafka"},
		"a path as entry":                {func(c, l []byte) ([]byte, []byte) { return replace(c, `libecho.so`, `../libecho.so`), l }, "entry"},
	} {
		t.Run(name, func(t *testing.T) {
			server, client, team := newRegistry(t)
			dir := falsify(t, test.change)
			_, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{dir}, Source: team})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, expected %q in it", err, test.says)
			}
			wantNothingPushed(t, server)
		})
	}
	sound := falsify(t, func(c, l []byte) ([]byte, []byte) { return c, l })
	_, client, team := newRegistry(t)
	if _, err := publish.Publish(t.Context(), client, publish.Options{Sources: []string{sound}, Source: team}); err != nil {
		t.Errorf("a pack that was taken apart and put together: %v", err)
	}
}

func replace(text []byte, from, to string) []byte {
	if !bytes.Contains(text, []byte(from)) {
		panic(fmt.Sprintf("no %s in %s", from, text))
	}
	return bytes.ReplaceAll(text, []byte(from), []byte(to))
}

func compress(t *testing.T, content []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(content, nil)
}

// falsify packs echo, changes its config and library, and makes all digests fit again.
func falsify(t *testing.T, change func(config, library []byte) (newConfig, newLibrary []byte)) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "pack")
	if _, _, err := publish.Pack(t.Context(), publish.PackOptions{Dir: source{}.folder(t), Output: dir}); err != nil {
		t.Fatal(err)
	}
	blob := func(d digest.Digest) string { return filepath.Join(dir, "blobs", "sha256", d.Encoded()) }
	store := func(d *v1.Descriptor, content []byte) {
		d.Digest, d.Size = digest.FromBytes(content), int64(len(content))
		if d.Data != nil {
			d.Data = content
		}
		write(t, blob(d.Digest), string(content))
	}
	var top, index v1.Index
	var platform v1.Manifest
	decode(t, filepath.Join(dir, "index.json"), &top)
	decode(t, blob(top.Manifests[0].Digest), &index)
	decode(t, blob(index.Manifests[0].Digest), &platform)
	config, library := change([]byte(read(t, blob(platform.Config.Digest))), []byte(read(t, blob(platform.Layers[0].Digest))))
	store(&platform.Config, config)
	store(&platform.Layers[0], library)
	store(&index.Manifests[0], encode(t, platform))
	store(&top.Manifests[0], encode(t, index))
	write(t, filepath.Join(dir, "index.json"), string(encode(t, top)))
	return dir
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, path)), into); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
