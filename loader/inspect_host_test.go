package loader

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// TestHostLibc compares with what glibc says of itself.
func TestHostLibc(t *testing.T) {
	out, err := exec.Command("getconf", "GNU_LIBC_VERSION").Output() // "glibc 2.36"
	if errors.Is(err, exec.ErrNotFound) || err != nil {
		t.Skip("no getconf, or no glibc")
	}
	want := strings.Replace(strings.TrimSpace(string(out)), " ", ">=", 1)
	if got := HostLibc().String(); got != want {
		t.Errorf("host has %s, want %s", got, want)
	}
	target, ok := HostTarget()
	if !ok || target.Libc() != manifest.Glibc || target.Platform().OS != runtime.GOOS || target.Platform().Architecture != runtime.GOARCH {
		t.Errorf("target %q, %v", target, ok)
	}
}

// system makes a directory that looks like the root of a Linux system to libcUnder. A file is a copy of an
// absolute path, or a link to a relative one; "shell" is a library with an interpreter that stands in for the shell.
func system(t *testing.T, interpreter string, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	shell := testplugin.Zig(t, linuxAMD64, "x86_64-linux-musl",
		`__attribute__((section(".interp"), used)) const char interpreter[] = "`+interpreter+`";`, "-nostdlib")
	for name, from := range files {
		path := filepath.Join(root, name)
		if from == "shell" {
			from = shell
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := place(from, path); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// place makes path a copy of an absolute file, or a link to a relative one.
func place(from, path string) error {
	if !filepath.IsAbs(from) {
		return os.Symlink(from, path)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func TestLibcOfOtherSystems(t *testing.T) {
	versions, err := filepath.Abs(filepath.Join("testdata", "glibc.map"))
	if err != nil {
		t.Fatal(err)
	}
	libc := testplugin.Zig(t, linuxAMD64, "x86_64-linux-musl",
		"int old(void) { return 1; } int new(void) { return 2; } int own(void) { return 3; }",
		"-nostdlib", "-Wl,--version-script="+versions)
	const glibcLoader, muslLoader = "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"
	static := testplugin.Zig(t, linuxAMD64, "x86_64-linux-musl", "int f(void) { return 1; }", "-nostdlib")
	for name, test := range map[string]struct {
		interpreter string
		files       map[string]string
		want        string
	}{
		"glibc beside the loader":      {glibcLoader, map[string]string{"bin/sh": "shell", "lib64/libc.so.6": libc}, "glibc>=2.31"},
		"glibc beside the real loader": {glibcLoader, map[string]string{"bin/sh": "shell", "real/libc.so.6": libc, "lib64/ld-linux-x86-64.so.2": "../real/loader", "real/loader": libc}, "glibc>=2.31"},
		"glibc not to be found":        {glibcLoader, map[string]string{"bin/sh": "shell"}, "glibc"},
		"musl":                         {muslLoader, map[string]string{"bin/sh": "shell"}, "musl"},
		"static shell, dynamic env":    {muslLoader, map[string]string{"bin/sh": static, "usr/bin/env": "shell"}, "musl"},
		"static programs":              {muslLoader, map[string]string{"bin/sh": static, "usr/bin/env": static}, ""},
		"another loader":               {"/system/bin/linker64", map[string]string{"bin/sh": "shell"}, ""},
		"nothing":                      {muslLoader, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := libcUnder(system(t, test.interpreter, test.files)).String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestNewestGlibc(t *testing.T) {
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"libc.so.6", "GLIBC_PRIVATE", "GLIBCXX_3.4.30", "GLIBC_", "GLIBC_2", "GLIBC_2.x"}, ""},
		{[]string{"GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.4"}, "2.34"},
		{[]string{"GLIBC_2.2.5", "GLIBC_2.2"}, "2.2.5"},
		{[]string{"GLIBC_2.17", "GLIBC_ABI_DT_RELR"}, "2.36"},
		{[]string{"GLIBC_2.38", "GLIBC_ABI_DT_RELR"}, "2.38"},
	} {
		if got := newestGlibc(test.names); got != test.want {
			t.Errorf("%v: %q, want %q", test.names, got, test.want)
		}
	}
}

func TestNeededLibc(t *testing.T) {
	needs := func(version string, weak bool) []binfile.Version {
		return []binfile.Version{{Library: "libc.so.6", Name: "GLIBC_2.4"}, {Library: "libc.so.6", Name: version, Weak: weak}}
	}
	for label, test := range map[string]struct {
		file binfile.File
		want string
	}{
		"newest":                {binfile.File{Format: manifest.ELF, Versions: needs("GLIBC_2.30", false)}, "glibc>=2.30"},
		"weak ones do not bind": {binfile.File{Format: manifest.ELF, Versions: needs("GLIBC_2.30", true)}, "glibc>=2.4"},
		"no versions":           {binfile.File{Format: manifest.ELF, Needs: []string{"libm.so.6", "libc.so.6"}}, "glibc"},
		"only the loader":       {binfile.File{Format: manifest.ELF, Needs: []string{"ld-linux-aarch64.so.1"}}, "glibc"},
		"musl":                  {binfile.File{Format: manifest.ELF, Needs: []string{"libc.so"}}, "musl"},
		"musl of Alpine":        {binfile.File{Format: manifest.ELF, Needs: []string{"libc.musl-x86_64.so.1"}}, "musl"},
		"FreeBSD":               {binfile.File{Format: manifest.ELF, Needs: []string{"libc.so.7"}}, ""},
		"none":                  {binfile.File{Format: manifest.ELF}, ""},
		"not of ELF":            {binfile.File{Format: manifest.PE, Needs: []string{"libc.so"}}, ""},
	} {
		if got := neededLibc(&test.file).String(); got != test.want {
			t.Errorf("%s: %q, want %q", label, got, test.want)
		}
	}
}
