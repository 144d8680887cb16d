package loader

import (
	"path/filepath"
	"runtime"
	"sync"

	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// HostLibc says which C library the programs of this Linux machine use, and glibc's version. It reads files only: the
// ELF header of /bin/sh names the dynamic loader and so the kind, the symbol versions that glibc's libc.so.6 defines
// end with its own version. The zero value means another system, or unknown. The answer is kept for the process.
func HostLibc() manifest.Libc { return hostLibc() }

var hostLibc = sync.OnceValue(func() manifest.Libc {
	if runtime.GOOS != "linux" {
		return manifest.Libc{}
	}
	return libcUnder("/")
})

// HostTarget gives the target of this machine; false where there is none, or the C library is unknown.
func HostTarget() (manifest.Target, bool) {
	return manifest.TargetFor(runtime.GOOS, runtime.GOARCH, HostLibc().Name)
}

// dynamicPrograms are programs that every Linux system has. The second helps where the shell is a static one.
var dynamicPrograms = []string{"bin/sh", "usr/bin/env"}

// libcUnder is HostLibc for the system in the directory root.
func libcUnder(root string) manifest.Libc {
	for _, program := range dynamicPrograms {
		interpreter := interpreterOf(filepath.Join(root, program))
		switch name := filepath.Base(interpreter); {
		case interpreter == "":
			continue
		case isMusl(name):
			return manifest.Libc{Name: manifest.Musl}
		case isGlibc(name):
			return manifest.Libc{Name: manifest.Glibc, Version: glibcUnder(root, interpreter)}
		}
	}
	return manifest.Libc{}
}

func interpreterOf(path string) string {
	f, err := binfile.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return f.Interpreter
}

// glibcUnder finds glibc's version: libc.so.6 lies beside the loader, where the loader's file really is or where
// programs name it. Distributions differ in which of both.
func glibcUnder(root, interpreter string) string {
	named := filepath.Join(root, interpreter)
	dirs := []string{filepath.Dir(named)}
	if real, err := filepath.EvalSymlinks(named); err == nil {
		dirs = []string{filepath.Dir(real), filepath.Dir(named)}
	}
	for _, dir := range dirs {
		if version := definedGlibc(filepath.Join(dir, "libc.so.6")); version != "" {
			return version
		}
	}
	return ""
}

func definedGlibc(path string) string {
	f, err := binfile.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return newestGlibc(f.Defines)
}
