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
	"strings"
	"text/template"

	"github.com/loadr-plugins/loadr/manifest"
	csdk "github.com/loadr-plugins/loadr/sdk/c"
)

//go:embed c
var templates embed.FS

// Plugin is what the templates are filled with.
type Plugin struct {
	Name   string          // a valid plugin name
	Target manifest.Target // this machine: where the build script puts its library
}

// Ident is the name as a C identifier.
func (p Plugin) Ident() string { return strings.ReplaceAll(p.Name, "-", "_") }

// Library is the file name of the library on the target.
func (p Plugin) Library() string {
	switch p.Target.Format() {
	case manifest.PE:
		return p.Ident() + ".dll"
	case manifest.MachO:
		return "lib" + p.Ident() + ".dylib"
	default:
		return "lib" + p.Ident() + ".so"
	}
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

// C writes a protocol plugin in C into dir, which must be absent or empty, and returns the names of the files written,
// relative to dir. A failure leaves no folder behind.
func C(dir string, p Plugin) ([]string, error) {
	if err := manifest.CheckName(p.Name); err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-"+p.Name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	names, err := fill(temp, "c", p)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(temp, "loadr_plugin.h"), csdk.Header, 0o644); err != nil {
		return nil, err
	}
	if err := os.Chmod(temp, 0o755); err != nil { // MkdirTemp's folders are private
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return append(names, "loadr_plugin.h"), os.Rename(temp, dir)
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

// fill writes every template below root into dir. Scripts are executable.
func fill(dir, root string, p Plugin) (names []string, err error) {
	entries, err := templates.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		tmpl, err := template.ParseFS(templates, root+"/"+entry.Name())
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		if err := tmpl.Execute(&text, p); err != nil {
			return nil, err
		}
		name := outputName(entry.Name(), p)
		perm := fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			perm = 0o755
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), perm); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// outputName drops ".tmpl"; "plugin.c" takes the plugin's name, and "gitignore" gets its dot, which go:embed would skip.
func outputName(template string, p Plugin) string {
	switch name := strings.TrimSuffix(template, ".tmpl"); name {
	case "plugin.c":
		return p.Ident() + ".c"
	case "gitignore":
		return ".gitignore"
	default:
		return name
	}
}
