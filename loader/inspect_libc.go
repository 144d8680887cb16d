package loader

import (
	"regexp"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// glibcVersion matches the names that glibc gives to the versions of its symbols.
var glibcVersion = regexp.MustCompile(`^GLIBC_(\d{1,6}(?:\.\d{1,6}){1,2})$`)

// relrVersion is what a library with compact relocations (DT_RELR) needs of glibc: a loader that knows them, as of
// glibc 2.36.
const (
	relrVersion = "GLIBC_ABI_DT_RELR"
	relrSince   = "2.36"
)

// neededLibc says which C library an ELF library is linked against, with the floor for glibc: the newest of the symbol
// versions that it needs. musl has no symbol versions, so its floor is unknown. The zero value means none of both.
func neededLibc(f *binfile.File) manifest.Libc {
	var names []string
	for _, version := range f.Versions {
		if !version.Weak {
			names = append(names, version.Name)
		}
	}
	floor := newestGlibc(names)
	switch {
	case f.Format != manifest.ELF:
		return manifest.Libc{}
	case floor != "" || slices.ContainsFunc(f.Needs, isGlibc):
		return manifest.Libc{Name: manifest.Glibc, Version: floor}
	case slices.ContainsFunc(f.Needs, isMusl):
		return manifest.Libc{Name: manifest.Musl}
	}
	return manifest.Libc{}
}

// newestGlibc gives the newest glibc version among names of symbol versions, "" for none.
func newestGlibc(names []string) (newest string) {
	for _, name := range names {
		version := ""
		if m := glibcVersion.FindStringSubmatch(name); m != nil {
			version = m[1]
		} else if name == relrVersion {
			version = relrSince
		}
		if version != "" && (newest == "" || manifest.CompareVersions(version, newest) > 0) {
			newest = version
		}
	}
	return newest
}

// isGlibc and isMusl recognise the files of a C library by name. FreeBSD's is libc.so.7.
func isGlibc(name string) bool {
	return name == "libc.so.6" || strings.HasPrefix(name, "ld-linux") || name == "ld64.so.1" || name == "ld64.so.2"
}

func isMusl(name string) bool {
	return name == "libc.so" || strings.HasPrefix(name, "libc.musl-") || strings.HasPrefix(name, "ld-musl-")
}
