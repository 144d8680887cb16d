//go:build unix

package cli_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// mkarchive FILE DIR packs the files of a folder, with their paths in it, into FILE: .tar.gz or .zip by its name.
func cmdMkarchive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mkarchive FILE DIR")
	}
	out, dir := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(out), 0o755))
	file, err := os.Create(out)
	ts.Check(err)
	defer file.Close()
	add, closeAll := packer(file)
	ts.Check(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return add(filepath.ToSlash(rel), text)
	}))
	ts.Check(closeAll())
}

func packer(file *os.File) (add func(name string, text []byte) error, closeAll func() error) {
	if strings.HasSuffix(file.Name(), ".zip") {
		w := zip.NewWriter(file)
		return func(name string, text []byte) error {
			f, err := w.Create(name)
			if err != nil {
				return err
			}
			_, err = f.Write(text)
			return err
		}, w.Close
	}
	gz := gzip.NewWriter(file)
	w := tar.NewWriter(gz)
	return func(name string, text []byte) error {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	}, func() error { return errors.Join(w.Close(), gz.Close()) }
}

// files DIR serves a folder over http on loopback, at $FILES, and notes the path of every request in the file requests. A
// folder that holds a file redirect, of a path and a URL, answers that path with a redirect.
func cmdFiles(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: files DIR")
	}
	dir, log := ts.MkAbs(args[0]), filepath.Join(ts.Getenv("WORK"), "requests")
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(log, nil, 0o644))
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0); err == nil {
			fmt.Fprintln(f, r.URL.Path)
			f.Close()
		}
		text, _ := os.ReadFile(filepath.Join(dir, "redirect"))
		if from, to, ok := strings.Cut(strings.TrimSpace(string(text)), " "); ok && r.URL.Path == from {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv("FILES", server.URL)
}
