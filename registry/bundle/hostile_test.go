package bundle_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
)

// alterBlob changes the last byte of a blob, in a folder or a tar file.
func alterBlob(t *testing.T, path string, blob v1.Descriptor) {
	t.Helper()
	file := filepath.Join(path, "blobs", "sha256", blob.Digest.Encoded())
	content := []byte(nil)
	if strings.HasSuffix(path, ".tar") {
		file = path
	}
	content = readFile(t, file)
	at := len(content) - 1
	if file == path {
		at = bytes.Index(content, []byte("blobs/sha256/"+blob.Digest.Encoded())) + 512 + int(blob.Size) - 1
	}
	content[at] ^= 1
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// entries reads a tar file.
func entries(t *testing.T, path string) (heads []tar.Header, contents [][]byte) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(readFile(t, path)))
	for {
		head, err := r.Next()
		if err == io.EOF {
			return heads, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		heads, contents = append(heads, *head), append(contents, content)
	}
}

// tarOf writes a tar file: the entries of a sound bundle, with more after them.
func tarOf(t *testing.T, sound string, change func(w *tar.Writer, head *tar.Header, content []byte) bool, more ...tar.Header) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	put := func(head *tar.Header, content []byte) {
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	heads, contents := entries(t, sound)
	for i := range heads {
		if change == nil || !change(w, &heads[i], contents[i]) {
			put(&heads[i], contents[i])
		}
	}
	for i := range more {
		put(&more[i], make([]byte, more[i].Size))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "changed.tar")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func soundTar(t *testing.T) (string, registry.Repository, *registry.Pack) {
	t.Helper()
	client, repo, pack := published(t)
	path := filepath.Join(t.TempDir(), "sound.tar")
	everything(t, path, client, repo)
	return path, repo, pack
}

// withIndex replaces index.json.
func withIndex(t *testing.T, sound string, edit func(*v1.Index)) string {
	return tarOf(t, sound, func(w *tar.Writer, head *tar.Header, content []byte) bool {
		if head.Name != v1.ImageIndexFile {
			return false
		}
		var index v1.Index
		if err := json.Unmarshal(content, &index); err != nil {
			t.Fatal(err)
		}
		edit(&index)
		text, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		head.Size = int64(len(text))
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(text)
		return err == nil
	})
}

func without(t *testing.T, sound, name string) string {
	return tarOf(t, sound, func(_ *tar.Writer, head *tar.Header, _ []byte) bool { return head.Name == name })
}

// TestRefused opens what is no sound bundle: each has its own words.
func TestRefused(t *testing.T) {
	sound, _, _ := soundTar(t)
	for name, c := range map[string]struct {
		path string
		want string
	}{
		"a name that leads out":           {tarOf(t, sound, nil, tar.Header{Name: "../evil", Typeflag: tar.TypeReg}), "../evil: expected a name inside the bundle"},
		"an absolute name":                {tarOf(t, sound, nil, tar.Header{Name: "/etc/passwd", Typeflag: tar.TypeReg}), "expected a name inside the bundle"},
		"a name with backslashes":         {tarOf(t, sound, nil, tar.Header{Name: `..\evil`, Typeflag: tar.TypeReg}), "expected a name inside the bundle"},
		"a symbolic link":                 {tarOf(t, sound, nil, tar.Header{Name: "blobs/sha256/x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), "found a link or a device"},
		"a hard link":                     {tarOf(t, sound, nil, tar.Header{Name: "x", Linkname: "oci-layout", Typeflag: tar.TypeLink}), "found a link or a device"},
		"a device":                        {tarOf(t, sound, nil, tar.Header{Name: "x", Typeflag: tar.TypeFifo}), "found a link or a device"},
		"a name twice":                    {tarOf(t, sound, nil, tar.Header{Name: "index.json", Typeflag: tar.TypeReg}), "index.json: occurs twice"},
		"a name twice, written otherwise": {tarOf(t, sound, nil, tar.Header{Name: "./x/../index.json", Typeflag: tar.TypeReg}), "index.json: occurs twice"},
		"no index":                        {without(t, sound, "index.json"), "index.json: is missing"},
		"no layout file":                  {without(t, sound, "oci-layout"), "oci-layout: is missing"},
		"a huge index":                    {tarOf(t, without(t, sound, "index.json"), nil, tar.Header{Name: "index.json", Size: 5 << 20, Typeflag: tar.TypeReg}), "index.json: 5242880 bytes, at most 4194304 are read"},
		"an index that is none":           {tarOf(t, without(t, sound, "index.json"), nil, tar.Header{Name: "index.json", Size: 5, Typeflag: tar.TypeReg}), "index.json: invalid character"},
		"a release twice":                 {withIndex(t, sound, func(i *v1.Index) { i.Manifests = append(i.Manifests, i.Manifests...) }), "index.json: lists local/team/plugins/echo:1.0.0 twice"},
		"a digest that is none":           {withIndex(t, sound, func(i *v1.Index) { i.Manifests[0].Digest = "sha256:../../../etc/passwd" }), "expected sha256:<64 hex digits>"},
		"no names":                        {withIndex(t, sound, func(i *v1.Index) { i.Manifests[0].Annotations = nil }), "index.json: lists no plugin"},
		"a name that is none":             {withIndex(t, sound, func(i *v1.Index) { i.Manifests[0].Annotations[v1.AnnotationRefName] = "1.0.0" }), "index.json: lists no plugin"},
		"another file":                    {write(t, "no bundle at all, but long enough to be the head of a tar file. "+strings.Repeat("x", 1000)), "expected an OCI image layout"},
		"an empty file":                   {write(t, ""), "expected an OCI image layout"},
		"an empty folder":                 {t.TempDir(), "oci-layout: is missing"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			b, err := bundle.Open(c.path)
			if err == nil {
				b.Close()
			}
			var format *bundle.FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %v, expected a *FormatError with %q", err, c.want)
			}
		})
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.tar")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTruncated cuts a tar file at every block: no part of it passes for a whole.
func TestTruncated(t *testing.T) {
	sound, _, _ := soundTar(t)
	content := readFile(t, sound)
	whole := bytes.TrimRight(content, "\x00")
	for size := 512; size < len(whole)+512; size += 512 {
		path := write(t, string(content[:size]))
		b, err := bundle.Open(path)
		if err == nil {
			b.Close()
		}
		if !errors.As(err, new(*bundle.TruncatedError)) {
			t.Fatalf("cut to %d of %d bytes: error %v, expected a *TruncatedError", size, len(content), err)
		}
	}
}

// TestWhatOthersPut is accepted: folders, "./" before names, and files that have nothing to do with a layout.
func TestWhatOthersPut(t *testing.T) {
	sound, repo, _ := soundTar(t)
	path := tarOf(t, sound, func(w *tar.Writer, head *tar.Header, content []byte) bool {
		head.Name = "./" + head.Name
		return false
	}, tar.Header{Name: "./blobs/", Typeflag: tar.TypeDir}, tar.Header{Name: "./._index.json", Size: 10, Typeflag: tar.TypeReg})
	if versions, err := open(t, path).Source().Versions(t.Context(), repo); err != nil || len(versions) != 1 {
		t.Errorf("versions: %q, %v", versions, err)
	}
}

// TestLinksInFolder has links in place of files: none is followed out of the bundle.
func TestLinksInFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege there")
	}
	client, repo, pack := published(t)
	path := filepath.Join(t.TempDir(), "layout")
	everything(t, path, client, repo)
	library := pack.Release().Targets[0].Library
	file := filepath.Join(path, "blobs", "sha256", library.Digest.Encoded())
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.Rename(file, outside), os.Symlink(outside, file)); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, path).Source().Fetch(t.Context(), repo, library)
	if !errors.As(err, new(*bundle.FormatError)) || !strings.Contains(fmt.Sprint(err), "expected a file, found a link") {
		t.Errorf("error %v, expected one that names the link", err)
	}
	index := filepath.Join(path, "index.json")
	if err := errors.Join(os.Rename(index, outside+"2"), os.Symlink(outside+"2", index)); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(path); !errors.As(err, new(*bundle.FormatError)) {
		t.Errorf("opening a bundle whose index is a link: %v", err)
	}
}

// TestMissingReferrer has index.json name a manifest that is not there.
func TestMissingReferrer(t *testing.T) {
	sound, repo, pack := soundTar(t)
	path := withIndex(t, sound, func(i *v1.Index) {
		i.Manifests = append(i.Manifests, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("gone"), Size: 7})
	})
	_, err := open(t, path).Source().Referrers(t.Context(), repo, pack.Digest(), "")
	if !errors.As(err, new(*bundle.FormatError)) || !strings.Contains(err.Error(), "which is missing") {
		t.Errorf("referrers: %v", err)
	}
}

// TestFolderBlobsElsewhere has the folder of blobs be a link that leads out.
func TestFolderBlobsElsewhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege there")
	}
	client, repo, pack := published(t)
	path, outside := filepath.Join(t.TempDir(), "layout"), filepath.Join(t.TempDir(), "blobs")
	everything(t, path, client, repo)
	blobs := filepath.Join(path, "blobs")
	if err := errors.Join(os.Rename(blobs, outside), os.Symlink(outside, blobs)); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, path).Source().Release(t.Context(), repo, pack.Digest().String())
	if !errors.As(err, new(*bundle.FormatError)) {
		t.Errorf("error %v, expected a *FormatError", err)
	}
}
