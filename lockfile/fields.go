package lockfile

import (
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2/unstable"
)

// fields takes the keys of one section of a lock, one by one. The first error stays; done also fails for keys that
// nobody took.
type fields struct {
	*lockReader
	header int
	entry  string // for messages
	left   map[string]leaf
	err    error
}

func (r *lockReader) fields(header int, entry string) *fields {
	f := &fields{lockReader: r, header: header, entry: entry, left: make(map[string]leaf, 16)}
	skip := len(r.pathOf(header))
	for _, l := range r.sectionLeaves(header) {
		key := dotted(l.path[skip:])
		if _, twice := f.left[key]; twice && f.err == nil {
			f.err = r.errorAt(l.keys[0].start, "%s: expected %s once, found it again", entry, key)
		}
		f.left[key] = l
	}
	return f
}

// sectionLeaves gives the leaves below a header, which lie in a row.
func (d *document) sectionLeaves(header int) []leaf {
	start := 0
	if header != root {
		start = d.headers[header].first
	}
	end := start
	for end < len(d.leaves) && d.leaves[end].header == header {
		end++
	}
	return d.leaves[start:end]
}

// fail records that a key holds something else than wanted, or is missing.
func (f *fields) fail(key, want string) {
	if f.err != nil {
		return
	}
	if l, ok := f.left[key]; ok {
		f.err = f.errorAt(l.value.start, "%s: %s: expected %s, found %s", f.entry, key, want, f.found(l))
		return
	}
	f.err = f.errorAt(f.start(), "%s: %s: expected %s, found nothing", f.entry, key, want)
}

func (f *fields) start() int {
	if f.header == root {
		return 0
	}
	return f.headers[f.header].at.start
}

// done ends the section.
func (f *fields) done() error {
	if f.err != nil {
		return f.err
	}
	for _, l := range f.sectionLeaves(f.header) {
		if _, ok := f.left[dotted(l.path[len(f.pathOf(f.header)):])]; ok {
			return f.errorAt(l.keys[0].start, "%s: unknown key %s", f.entry, shown(dotted(l.path)))
		}
	}
	return nil
}

// once ends the section, of which there is one.
func (f *fields) once(entry string) error {
	if err := f.done(); err != nil {
		return err
	}
	return f.lockReader.once(entry, f.start())
}

// take gives the text of a key of the given kind; ok is false, and an error recorded, where the kind is another.
func (f *fields) take(key string, kind unstable.Kind, valid func(string) bool, want string) (l leaf, ok bool) {
	l, ok = f.left[key]
	if !ok || l.kind != kind || !valid(l.text) {
		f.fail(key, want)
		return leaf{}, false
	}
	delete(f.left, key)
	return l, true
}

func (f *fields) text(key string, valid func(string) bool, want string) string {
	l, _ := f.take(key, unstable.String, valid, want)
	return l.text
}

func (f *fields) optional(key string, valid func(string) bool, want string) string {
	if _, ok := f.left[key]; !ok {
		return ""
	}
	return f.text(key, valid, want)
}

func (f *fields) integer(key string) int64 {
	var n int64
	f.take(key, unstable.Integer, func(s string) (ok bool) {
		n, ok = parseSize(s)
		return ok
	}, "a number of bytes")
	return n
}

func parseSize(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

func (f *fields) list(key string, valid func(string) bool, want string) []string {
	l, ok := f.left[key]
	if !ok {
		return nil
	}
	if l.kind != unstable.Array || l.mixed {
		f.fail(key, "a list of strings")
		return nil
	}
	seen := map[string]bool{}
	for i, word := range l.items {
		switch {
		case f.err != nil:
		case !valid(word):
			f.err = f.errorAt(l.spots[i].start, "%s: %s: expected %s, found %s", f.entry, key, want, shown(word))
		case seen[word]:
			f.err = f.errorAt(l.spots[i].start, "%s: %s: expected %s once, found it again", f.entry, key, shown(word))
		}
		seen[word] = true
	}
	delete(f.left, key)
	return l.items
}

const digestForm = "sha256: and 64 hexadecimal digits"

// isDigest knows the only algorithm in use: the cache names its files by it.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

func (f *fields) digest(key string) digest.Digest {
	return digest.Digest(f.digestLike(key, digestForm, isDigest))
}

func (f *fields) layout(key string) string {
	if _, ok := f.left[key]; !ok {
		return ""
	}
	return f.digestLike(key, "layout-v1: and "+digestForm, manifest.IsLayoutDigest)
}

func (f *fields) digestLike(key, form string, valid func(string) bool) string {
	l, ok := f.left[key]
	if ok && l.kind == unstable.String && !valid(l.text) && f.err == nil {
		line, column := position(f.document.text, l.value.start)
		f.err = &DigestError{f.file, line, column, f.entry, key, form, l.text}
	}
	return f.text(key, valid, "a digest, "+form)
}

func (f *fields) abi(key string) (abi manifest.ABI) {
	f.optional(key, func(s string) bool { return abi.UnmarshalText([]byte(s)) == nil && s != "" }, "an ABI, such as c/1.0.0")
	return abi
}

func (f *fields) libc(key string) (libc manifest.Libc) {
	f.optional(key, func(s string) bool { return libc.UnmarshalText([]byte(s)) == nil && s != "" }, "a C library, such as glibc>=2.31")
	return libc
}

func isVersion(s string) bool {
	v, err := semver.StrictNewVersion(s)
	return err == nil && v.Metadata() == "" && len(s) <= manifest.MaxVersion
}
