package install

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// Peek fetches the file of a plugin to be looked at: what an install would fetch for this machine, or what there is for
// another one. Nobody has to vouch for bytes that are not kept. ref chooses a plugin of an index, and means nothing for other
// sources. The caller calls remove when there is no error.
func (in *Installer) Peek(ctx context.Context, source string, ref registry.Reference) (file, name string, remove func(), err error) {
	a, err := in.peekAt(ctx, source, ref)
	if err != nil {
		return "", "", nil, err
	}
	temp, err := os.CreateTemp("", "loadr-info-")
	if err != nil {
		return "", "", nil, err
	}
	defer temp.Close()
	remove = func() { os.Remove(temp.Name()) }
	hash := sha256.New()
	if _, err = in.fetcher().Stream(ctx, io.MultiWriter(temp, hash), a.location); err == nil {
		got := digest.NewDigest(digest.SHA256, hash)
		if a.digest != "" && a.digest != got {
			err = &FileDigestError{obtain.Name(a.location), []digest.Digest{a.digest}, got}
		}
	}
	if err != nil {
		remove()
		return "", "", nil, err
	}
	return temp.Name(), obtain.Name(a.location), remove, nil
}

func (in *Installer) peekAt(ctx context.Context, source string, ref registry.Reference) (artifact, error) {
	src, err := lockfile.ParseFileSource(source)
	if err != nil {
		return artifact{}, err
	}
	targets := slices.Concat([]manifest.Target{in.Machine.Target}, manifest.Targets())
	if src.Index != "" {
		return in.peekIndex(ctx, source, ref, targets)
	}
	at, err := in.artifacts(ctx, source, src)
	if err != nil {
		return artifact{}, err
	}
	for _, t := range targets {
		if a, ok, err := at(t); ok || err != nil {
			return a, err
		}
	}
	return artifact{}, &unpack.NoLibraryError{File: obtain.Name(source), Target: in.Machine.Target, Detail: "there is no file for any platform"}
}

// peekIndex chooses by the index alone.
func (in *Installer) peekIndex(ctx context.Context, source string, ref registry.Reference, targets []manifest.Target) (artifact, error) {
	if ref.Digest != "" {
		return artifact{}, &FoundInFilesError{ref.Name, source}
	}
	r, err := requirement{}.with(ref)
	if err != nil {
		return artifact{}, err
	}
	index, err := in.index(ctx, source)
	if err != nil {
		return artifact{}, err
	}
	versions, err := index.Versions(ref.Name)
	if err != nil {
		return artifact{}, err
	}
	query := resolve.Query{Requirement: resolve.Requirement{Name: r.name, Range: r.rng}, Versions: versions}
	p := &indexed{in: in, index: index, src: source, name: ref.Name}
	choice, err := resolve.Choose(query, func(version string) (resolve.Offer, error) { return p.claim(version), nil })
	if err != nil {
		return artifact{}, err
	}
	v, err := index.Version(ref.Name, choice.Version)
	if err != nil {
		return artifact{}, err
	}
	t := targets[slices.IndexFunc(targets, func(t manifest.Target) bool { _, ok := v.Artifacts[t]; return ok })] // claim saw to it
	return artifact{location: v.Artifacts[t].Location, digest: v.Artifacts[t].Digest}, nil
}
