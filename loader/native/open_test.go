package native_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/native"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

func TestOpenErrors(t *testing.T) {
	good := trouble(t)
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(o native.Options, change func(*native.Options)) native.Options {
		change(&o)
		return o
	}
	tests := map[string]struct {
		options native.Options
		want    error // its type counts, and its text is part of what is found
	}{
		"version": {trouble(t, "-DVERSION=2"), &plugin.VersionError{Library: "*", Want: 1, Found: 2}},
		"no execute": {trouble(t, "-DNO_EXECUTE"),
			&plugin.MissingSymbolError{Library: "*", Symbol: "loadr_plugin_execute"}},
		"no free":            {trouble(t, "-DNO_FREE"), &plugin.MissingSymbolError{Library: "*", Symbol: "loadr_plugin_free"}},
		"info null":          {trouble(t, "-DINFO_NULL=0"), &plugin.ReplyError{}},
		"info null + length": {trouble(t, "-DINFO_NULL=3"), &plugin.ReplyError{}},
		"info not JSON":      {trouble(t, `-DINFO="{"`), &plugin.ReplyError{}},
		"info of other type": {trouble(t, `-DINFO="{\"name\":1}"`), &plugin.ReplyError{}},
		"not a library":      {options(t, text), &plugin.OpenError{}},
		"other bytes": {with(good, func(o *native.Options) { o.Digest = digest.FromString("other") }),
			&plugin.DigestError{Path: good.Path, Want: digest.FromString("other"), Found: good.Digest}},
		"other family": {with(good, func(o *native.Options) { o.Family = manifest.FamilyComponent }), &plugin.FamilyError{}},
		"no digest":    {with(good, func(o *native.Options) { o.Digest = "" }), digest.ErrDigestInvalidFormat},
		"folder":       {with(good, func(o *native.Options) { o.Path = t.TempDir() }), nil},
		"absent":       {with(good, func(o *native.Options) { o.Path += ".no" }), fs.ErrNotExist},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.options.TempDir = t.TempDir()
			_, err := native.Open(t.Context(), tt.options)
			checkError(t, err, tt.want, tt.options.Path)
			left, _ := os.ReadDir(tt.options.TempDir)
			if len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func checkError(t *testing.T, err, want error, path string) {
	t.Helper()
	if err == nil {
		t.Fatal("it was opened")
	}
	if want == nil || errors.Is(err, want) {
		return
	}
	switch want := want.(type) {
	case *plugin.VersionError:
		var found *plugin.VersionError
		want.Library = path
		if !errors.As(err, &found) || *found != *want {
			t.Errorf("expected %v, found %v", want, err)
		}
	case *plugin.MissingSymbolError:
		var found *plugin.MissingSymbolError
		want.Library = path
		if !errors.As(err, &found) || *found != *want {
			t.Errorf("expected %v, found %v", want, err)
		}
	case *plugin.DigestError:
		var found *plugin.DigestError
		if !errors.As(err, &found) || *found != *want {
			t.Errorf("expected %v, found %v", want, err)
		}
	case *plugin.ReplyError:
		if !errors.As(err, &want) || want.Call != "info" {
			t.Errorf("found %v", err)
		}
	case *plugin.OpenError:
		if !errors.As(err, &want) || want.Library != path {
			t.Errorf("found %v", err)
		}
	case *plugin.FamilyError:
		if !errors.As(err, &want) {
			t.Errorf("found %v", err)
		}
	default:
		t.Errorf("expected %v, found %v", want, err)
	}
}

func TestEntryIsAFileName(t *testing.T) {
	for _, entry := range []string{"../x.so", "a/x.so", "/x.so", ".", ".."} {
		o := trouble(t)
		o.Entry = entry
		if _, err := native.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "expected a file name") {
			t.Errorf("%s: found %v", entry, err)
		}
	}
}

func TestOpenCancelled(t *testing.T) {
	o := trouble(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := native.Open(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}

func TestPrivateCopy(t *testing.T) {
	o := trouble(t)
	o.Entry = "libother.so"
	p, err := native.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(o.TempDir, "*", o.Digest.Encoded(), "libother.so"))
	if err != nil || len(found) != 1 {
		t.Fatalf("expected one copy under its digest, found %v, %v", found, err)
	}
	for dir := filepath.Dir(found[0]); dir != o.TempDir; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder %s: %v, %v", dir, info.Mode(), err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSameBytesAreOpenedOnce(t *testing.T) {
	o := trouble(t, alone(t))
	first := open(t, o)
	statsOf(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, o)
	if s := statsOf(t, second); s.Infos != 1 || s.Versions != 1 || s.Executes != 2 {
		t.Errorf("expected one opening and the second call, found %+v", s)
	}
	err := first.Execute(t.Context(), []byte(`{}`), func([]byte) error { return nil })
	var closed *plugin.ClosedError
	if !errors.As(err, &closed) {
		t.Errorf("a call after Close: %v", err)
	}
}
