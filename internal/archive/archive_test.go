package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type member struct {
	name string
	kind byte
	body string
}

func tarGz(t *testing.T, members ...member) string {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	w := tar.NewWriter(gz)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: 0o644, Size: int64(len(m.body))}
		if m.kind == tar.TypeSymlink || m.kind == tar.TypeLink {
			h.Linkname, h.Size = "/etc/passwd", 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(m.body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return save(t, "a.tar.gz", buf.Bytes())
}

func zipFile(t *testing.T, members ...member) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		h.SetMode(0o644)
		if m.kind == tar.TypeSymlink {
			h.SetMode(os.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return save(t, "a.zip", buf.Bytes())
}

func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExtract(t *testing.T) {
	members := []member{{"plugin.toml", tar.TypeReg, "hello"}, {"lib/x.so", tar.TypeReg, "bytes"}}
	for _, path := range []string{tarGz(t, members...), zipFile(t, members...)} {
		dir := t.TempDir()
		if err := Extract(t.Context(), path, dir, DefaultLimits); err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			got, err := os.ReadFile(filepath.Join(dir, m.name))
			if err != nil || string(got) != m.body {
				t.Errorf("%s: %q, %v", m.name, got, err)
			}
		}
	}
}

func TestExtractRefuses(t *testing.T) {
	big := strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		members []member
		want    string
	}{
		"traversal": {[]member{{"../out", tar.TypeReg, "x"}}, "leads out"},
		"deep":      {[]member{{"a/../../out", tar.TypeReg, "x"}}, "leads out"},
		"absolute":  {[]member{{"/out", tar.TypeReg, "x"}}, "leads out"},
		"backslash": {[]member{{`..\out`, tar.TypeReg, "x"}}, "leads out"},
		"drive":     {[]member{{`c:out`, tar.TypeReg, "x"}}, "leads out"},
		"symlink":   {[]member{{"link", tar.TypeSymlink, "/etc/passwd"}}, "neither"},
		"twice":     {[]member{{"a", tar.TypeReg, "x"}, {"a", tar.TypeReg, "y"}}, "appears twice"},
		"case":      {[]member{{"a", tar.TypeReg, "x"}, {"A", tar.TypeReg, "y"}}, "appears twice"},
		"bytes":     {[]member{{"a", tar.TypeReg, big}}, "more than the limit"},
		"files":     {[]member{{"a", tar.TypeReg, ""}, {"b", tar.TypeReg, ""}, {"c", tar.TypeReg, ""}, {"d", tar.TypeReg, ""}}, "too many"},
	} {
		for _, path := range []string{tarGz(t, c.members...), zipFile(t, c.members...)} {
			dir := filepath.Join(t.TempDir(), "in")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			err := Extract(t.Context(), path, dir, Limits{Files: 3, Bytes: 1000})
			var refused *Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s in %s: got %v, want %q", name, filepath.Ext(path), err, c.want)
			}
			if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
				t.Errorf("%s: wrote outside the folder", name)
			}
		}
	}
	hardLink := tarGz(t, member{"h", tar.TypeLink, ""})
	if err := Extract(t.Context(), hardLink, t.TempDir(), DefaultLimits); err == nil {
		t.Error("a hard link was accepted")
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("not an archive"), true)
	f.Fuzz(func(t *testing.T, data []byte, zipped bool) {
		name := "a.tar.gz"
		if zipped {
			name = "a.zip"
		}
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = Extract(t.Context(), save(t, name, data), dir, Limits{Files: 10, Bytes: 1 << 16})
		if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
			t.Error("wrote outside the folder")
		}
	})
}
