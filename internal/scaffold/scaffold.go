// Package scaffold writes the first files of a new plugin. What it writes builds, packs and answers as it is. It does
// not build anything itself and knows nothing of registries.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/loadr-plugins/loadr/manifest"
)

//go:embed common c go rust
var templates embed.FS

// Plugin is what a plugin is to be.
type Plugin struct {
	Name     string          // a valid plugin name
	Language string          // one of Languages
	Kind     manifest.Kind   // one of Kinds of the language
	Target   manifest.Target // this machine: what the build makes a library for
}

// ExistsError is a folder that already holds something.
type ExistsError struct {
	Path string `json:"path"`
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("folder %s: already exists and is not empty", e.Path)
}

// Hint says what to do.
func (e *ExistsError) Hint() string { return "name another folder, or empty this one" }

// KindError is a kind of plugin that a language's interface does not carry, or a language that there is no template for.
type KindError struct {
	Language string          `json:"language"`
	Found    manifest.Kind   `json:"found"`
	Want     []manifest.Kind `json:"want"` // empty: the language is not known
}

func (e *KindError) Error() string {
	if len(e.Want) == 0 {
		return fmt.Sprintf("language %q: expected one of %v", e.Language, Languages())
	}
	return fmt.Sprintf("kind %q in %s: expected one of %v", e.Found, e.Language, e.Want)
}

// Write writes a plugin into dir, which must be absent or empty, and returns the names of the files written, relative to
// dir. A failure leaves no folder behind. Errors: *KindError, *ExistsError, those of manifest.CheckName and of the system.
func Write(dir string, p Plugin) ([]string, error) {
	if err := manifest.CheckName(p.Name); err != nil {
		return nil, err
	}
	lang := languages[p.Language]
	if !slices.Contains(lang.kinds, p.Kind) {
		return nil, &KindError{p.Language, p.Kind, lang.kinds}
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-"+p.Name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	names, err := fill(temp, lang, p)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(temp, 0o755); err != nil { // MkdirTemp's folders are private
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return names, os.Rename(temp, dir)
}

func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(filepath.Dir(dir), 0o755)
	case err != nil:
		return err
	case len(entries) > 0:
		return &ExistsError{dir}
	}
	return nil
}

// fill writes everything into dir: what all languages have, the language's own, and what it is built against.
func fill(dir string, lang language, p Plugin) (names []string, err error) {
	data := &page{p, lang}
	for _, root := range []string{"common", p.Language} {
		written, err := fillFrom(dir, root, data)
		if err != nil {
			return nil, err
		}
		names = append(names, written...)
	}
	for name, text := range lang.sdk() {
		if err := write(dir, name, text); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// fillFrom writes every template below root.
func fillFrom(dir, root string, data *page) (names []string, err error) {
	err = fs.WalkDir(templates, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := data.output(strings.TrimPrefix(strings.TrimSuffix(path, ".tmpl"), root+"/"))
		if name == "" {
			return nil
		}
		tmpl, err := template.ParseFS(templates, path)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := tmpl.Execute(&text, data); err != nil {
			return err
		}
		names = append(names, name)
		return write(dir, name, text.Bytes())
	})
	return names, err
}

// write writes one file; the name has slashes. Scripts are executable.
func write(dir, name string, text []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if strings.HasSuffix(name, ".sh") {
		perm = 0o755
	}
	return os.WriteFile(path, text, perm)
}
