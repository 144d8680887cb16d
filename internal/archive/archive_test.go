package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
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
		if err := Extract(t.Context(), path, path, dir, DefaultLimits); err != nil {
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
		want    Rule
	}{
		"traversal":        {[]member{{"../out", tar.TypeReg, "x"}}, Escapes},
		"deep":             {[]member{{"a/../../out", tar.TypeReg, "x"}}, Escapes},
		"absolute":         {[]member{{"/out", tar.TypeReg, "x"}}, Escapes},
		"backslash":        {[]member{{`..\out`, tar.TypeReg, "x"}}, Escapes},
		"drive":            {[]member{{`c:out`, tar.TypeReg, "x"}}, Escapes},
		"dot at the end":   {[]member{{"plugin.toml.", tar.TypeReg, "x"}}, Escapes},
		"control":          {[]member{{"a\x1b[2J", tar.TypeReg, "x"}}, Escapes},
		"symlink":          {[]member{{"link", tar.TypeSymlink, "/etc/passwd"}}, Link},
		"twice":            {[]member{{"a", tar.TypeReg, "x"}, {"a", tar.TypeReg, "y"}}, Duplicate},
		"twice, disguised": {[]member{{"a", tar.TypeReg, "x"}, {"./b/../a", tar.TypeReg, "y"}}, Duplicate},
		"file and folder":  {[]member{{"a", tar.TypeReg, "x"}, {"a/b", tar.TypeReg, "y"}}, Duplicate},
		"folder and file":  {[]member{{"a/b", tar.TypeReg, "x"}, {"a", tar.TypeReg, "y"}}, Duplicate},
		"case":             {[]member{{"a", tar.TypeReg, "x"}, {"A", tar.TypeReg, "y"}}, Case},
		"case of a folder": {[]member{{"a/x", tar.TypeReg, "x"}, {"A/y", tar.TypeReg, "y"}}, Case},
		"bytes":            {[]member{{"a", tar.TypeReg, big}}, Bytes},
		"files": {[]member{
			{"a", tar.TypeReg, ""}, {"b", tar.TypeReg, ""}, {"c", tar.TypeReg, ""}, {"d", tar.TypeReg, ""},
		}, Files},
	} {
		for _, path := range []string{tarGz(t, c.members...), zipFile(t, c.members...)} {
			if got := refusal(t, path, Limits{Files: 3, Bytes: 1000}); got != c.want {
				t.Errorf("%s in %s: got %q, want %q", name, filepath.Ext(path), got, c.want)
			}
		}
	}
	for kind, want := range map[byte]Rule{tar.TypeLink: Link, tar.TypeChar: Device, tar.TypeBlock: Device, tar.TypeFifo: Device} {
		if got := refusal(t, tarGz(t, member{"h", kind, ""}), DefaultLimits); got != want {
			t.Errorf("type %c: got %q, want %q", kind, got, want)
		}
	}
}

// refusal unpacks an archive, sees to it that nothing is written outside of the folder, and gives the rule that it breaks.
func refusal(t *testing.T, path string, limits Limits) Rule {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Extract(t.Context(), path, "the archive", dir, limits)
	if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
		t.Errorf("%s: wrote outside the folder", path)
	}
	var refused *Error
	if !errors.As(err, &refused) {
		t.Errorf("got %v", err)
		return ""
	}
	if refused.Archive != "the archive" || refused.Detail == "" {
		t.Errorf("%+v", refused)
	}
	return refused.Rule
}

func TestBombs(t *testing.T) {
	zeros := member{"zeros", tar.TypeReg, strings.Repeat("\x00", 8<<20)} // some 8 KB when compressed
	for _, path := range []string{tarGz(t, zeros), zipFile(t, zeros)} {
		if got := refusal(t, path, DefaultLimits); got != Ratio {
			t.Errorf("%s: got %q", path, got)
		}
	}
	var many []member
	for i := range 8_000 {
		many = append(many, member{fmt.Sprintf("file-%0600d", i), tar.TypeReg, ""})
	}
	if got := refusal(t, zipFile(t, many...), DefaultLimits); got != Files {
		t.Errorf("a huge directory: got %q", got)
	}
}

func TestNoArchives(t *testing.T) {
	whole, err := os.ReadFile(tarGz(t, member{"a", tar.TypeReg, strings.Repeat("text", 1000)}))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "cut off": string(whole[:len(whole)/2]), "no tar": "\x1f\x8b\x08rubbish", "no zip": "PK\x03\x04rubbish",
	} {
		if got := refusal(t, save(t, "a.tar.gz", []byte(text)), DefaultLimits); got != Format {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestGlobalHeader: the one that git archive writes is no entry.
func TestGlobalHeader(t *testing.T) {
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	w := tar.NewWriter(gz)
	global := &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "abc"}}
	body := &tar.Header{Typeflag: tar.TypeReg, Name: "x/a", Mode: 0o644}
	if err := errors.Join(w.WriteHeader(global), w.WriteHeader(body), w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Extract(t.Context(), save(t, "a.tar.gz", buf.Bytes()), "a", dir, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || entries[0].Name() != "x" {
		t.Errorf("unpacked %v", entries)
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
		_ = Extract(t.Context(), save(t, name, data), name, dir, Limits{Files: 10, Bytes: 1 << 16})
		if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
			t.Error("wrote outside the folder")
		}
	})
}
