// Package run finds a plugin that is to run and verifies it first: nothing of a plugin runs before its library was
// inspected, and the bytes that run are those. It does not run anything in this process, and knows no flags.
package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
)

// Plugin is a protocol, output or service plugin that may be started.
type Plugin struct {
	Name string
	// Kind is the manifest's word; empty for a bare library, which only says when it runs what it makes.
	Kind manifest.Kind
	// Config is the manifest's [config] as a JSON object; empty for a bare library.
	Config json.RawMessage

	path   string
	digest digest.Digest
	family manifest.Family
}

// KindError is a plugin of a kind that is not started by itself.
type KindError struct {
	Name string        `json:"name"`
	Kind manifest.Kind `json:"kind"`
}

func (e *KindError) Error() string {
	return fmt.Sprintf("plugin %q is of kind %s; expected one of kind protocol, output or service", e.Name, e.Kind)
}

// Installed gives a plugin of a plugins directory. One that we installed must still be the bytes that were installed: the
// worker opens what has the recorded digest and nothing else.
func Installed(ws *install.Workspace, name string) (*Plugin, error) {
	entry, err := install.Find(ws, name)
	if err != nil {
		return nil, err
	}
	p, err := inDir(entry.Path)
	if err != nil || !entry.Managed {
		return p, err
	}
	p.digest, err = install.Recorded(ws, name, filepath.Base(p.path))
	return p, err
}

// At gives the plugin at a path: a folder with a plugin.toml, an author's too, or a bare library.
func At(path string) (*Plugin, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return inDir(path)
	}
	return library(filepath.Base(path), path, "")
}

// Start runs the plugin in a worker of its own; ctx bounds the start alone. stderr gets what it writes, and may be nil.
func (p *Plugin) Start(ctx context.Context, stderr io.Writer) (*loader.Process, error) {
	return loader.Start(ctx, loader.StartOptions{Name: p.Name, Path: p.path, Digest: p.digest, Family: p.family, Stderr: stderr})
}

// inDir takes the library that an author's [build.targets] names for this machine, or the entry beside plugin.toml.
func inDir(dir string) (*Plugin, error) {
	m, _, err := folder.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	switch m.Plugin.Kind {
	case manifest.Protocol, manifest.Output, manifest.Service:
	default:
		return nil, &KindError{m.Plugin.Name, m.Plugin.Kind}
	}
	file := filepath.Join(dir, m.Plugin.Entry)
	if host, ok := loader.HostTarget(); ok && m.Build.Targets[host] != "" {
		file = filepath.Join(dir, filepath.FromSlash(m.Build.Targets[host]))
	}
	p, err := library(m.Plugin.Name, file, m.Plugin.ABI)
	if err != nil {
		return nil, err
	}
	p.Kind, p.Config = m.Plugin.Kind, m.ConfigJSON()
	return p, nil
}

// library inspects a library. hint is the manifest's word on its family, empty for none.
func library(name, path string, hint manifest.Family) (*Plugin, error) {
	report, err := loader.InspectAs(path, hint)
	if err != nil {
		return nil, err
	}
	if hint == "" {
		hint = report.ABI.Family
	}
	refuse := func(target manifest.Target, detail string) error {
		return &install.IncompatibleError{Plugin: name, Target: target, Detail: detail, ABI: report.ABI}
	}
	if host, ok := loader.HostTarget(); ok {
		if err := loader.Matches(report, host); err != nil {
			return nil, refuse(host, err.Error())
		}
	}
	if report.ABI.Verdict != manifest.Fits {
		return nil, refuse("", fmt.Sprintf("interface %q: verdict %q", hint, report.ABI.Verdict))
	}
	return &Plugin{Name: name, Config: json.RawMessage("{}"), path: path, digest: report.Digest, family: hint}, nil
}
