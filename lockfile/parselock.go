package lockfile

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/pelletier/go-toml/v2/unstable"
)

// ParseLock reads loadr.lock; file is for messages. Order is free, everything else is strict: an unknown or repeated
// key, or one that is missing, is an error. The error is one of *SizeError, *ConflictError, *NewerFormatError,
// *TruncatedError, *DigestError, *DuplicateError and, for the rest, *SyntaxError.
func ParseLock(file string, text []byte) (*Lock, error) {
	if err := checkWhole(file, text); err != nil {
		return nil, err
	}
	d, err := scan(file, text)
	if err != nil {
		return nil, err
	}
	r := &lockReader{document: d, lock: &Lock{}, seen: map[string]int{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.lock.Canonical(), nil
}

// conflictMarks begin the lines that git puts between the sides of a merge.
var conflictMarks = []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"}

// conflict gives the number of the first line that is such a mark, or 0.
func conflict(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		rest := strings.TrimRight(string(line[min(7, len(line)):]), "\r\n")
		if slices.Contains(conflictMarks, string(line[:min(7, len(line))])) && (rest == "" || rest[0] == ' ') {
			return n
		}
	}
	return 0
}

var versionLine = regexp.MustCompile(`(?m)^version[ \t]*=[ \t]*([^\s#]{1,40})`)

// head is the text above the first section.
func head(text []byte) []byte {
	if i := bytes.Index(text, []byte("\n[")); i >= 0 {
		return text[:i]
	}
	return text
}

// checkWhole recognises, before the text is read as TOML, what happens to files: each has its own remedy.
func checkWhole(file string, text []byte) error {
	if len(text) > MaxLock {
		return &SizeError{file, len(text), MaxLock}
	}
	if line := conflict(text); line > 0 {
		return &ConflictError{file, line}
	}
	if m := versionLine.FindSubmatch(head(text)); m != nil && string(m[1]) != strconv.Itoa(FormatVersion) {
		return checkVersion(file, text, m[1])
	}
	if !bytes.HasSuffix(bytes.TrimRight(text, " \t\r\n"), []byte("\n"+endLine)) {
		return &TruncatedError{file}
	}
	return nil
}

func checkVersion(file string, text, found []byte) error {
	if n, err := strconv.Atoi(string(found)); err == nil && n > FormatVersion {
		return &NewerFormatError{file, string(found), FormatVersion}
	}
	d := document{file: file, text: text}
	return d.errorAt(bytes.Index(text, found), "version: expected %d, found %s", FormatVersion, shown(string(found)))
}

// lockReader fills a lock from a document, section by section.
type lockReader struct {
	*document
	lock *Lock
	seen map[string]int // where each entry and section begins
}

func (r *lockReader) read() error {
	if err := r.head(); err != nil {
		return err
	}
	for i, h := range r.headers {
		if err := r.section(i, h); err != nil {
			return err
		}
	}
	return r.complete()
}

func (r *lockReader) head() error {
	f := r.fields(root, "the lock")
	want := strconv.Itoa(FormatVersion)
	f.take("version", unstable.Integer, func(s string) bool { return s == want }, "the number "+want)
	return f.done()
}

func (r *lockReader) section(i int, h header) error {
	switch kind := dotted(h.path); {
	case kind == "host" && !h.array:
		return r.host(i)
	case kind == "options" && !h.array:
		return r.options(i)
	case kind == "plugin" && h.array:
		return r.plugin(i)
	case kind == "plugin.target" && h.array:
		return r.target(i)
	}
	return r.errorAt(h.at.start, "unknown section %s, expected [host], [options], [[plugin]] or [[plugin.target]]",
		shown(string(r.text[h.at.start:h.at.end])))
}

// once notes an entry, and fails where there was one already.
func (r *lockReader) once(entry string, at int) error {
	if before, ok := r.seen[entry]; ok {
		first, _ := position(r.text, before)
		line, _ := position(r.text, at)
		return &DuplicateError{r.file, line, first, entry}
	}
	r.seen[entry] = at
	return nil
}

func (r *lockReader) host(i int) error {
	f := r.fields(i, "[host]")
	h := &r.lock.Host
	for _, family := range manifest.Families() {
		if version := f.optional("abi."+string(family), isVersion, "a version"); version != "" {
			if h.ABI == nil {
				h.ABI = map[manifest.Family]string{}
			}
			h.ABI[family] = version
		}
	}
	h.Glibc = f.optional("glibc", isGlibc, "a version of glibc")
	return f.once("[host]")
}

func (r *lockReader) options(i int) error {
	f := r.fields(i, "[options]")
	for _, word := range f.list("targets", isTarget, "a target triple") {
		r.lock.Targets = append(r.lock.Targets, manifest.Target(word))
	}
	return f.once("[options]")
}

func (r *lockReader) plugin(i int) error {
	f := r.fields(i, "a plugin")
	p := Plugin{Name: f.text("name", isName, "the name of a plugin")}
	f.entry = "plugin " + quote(p.Name)
	p.Version = f.text("version", isVersion, "a version")
	p.Source = f.text("source", isSource, "a registry and namespace, or a source of files")
	if !IsFileSource(p.Source) {
		p.Index = f.digest("index")
	}
	p.ABI = f.abi("abi")
	p.RequiresABI = f.optional("requires-abi", isWord, "a range of versions")
	for _, text := range f.list("dependencies", isDependency, "the name of a plugin and a range of versions") {
		p.Dependencies = append(p.Dependencies, parseDependency(text))
	}
	p.Signers = f.list("signers", isWord, "a key id")
	r.lock.Plugins = append(r.lock.Plugins, p)
	return f.once(f.entry)
}

func (r *lockReader) target(i int) error {
	f := r.fields(i, "a target")
	if len(r.lock.Plugins) == 0 {
		return r.errorAt(r.headers[i].at.start, "expected [[plugin]] before [[plugin.target]]")
	}
	p := &r.lock.Plugins[len(r.lock.Plugins)-1]
	t := Target{Target: manifest.Target(f.text("target", isTarget, "a target triple"))}
	f.entry = "plugin " + quote(p.Name) + " for " + string(t.Target)
	t.ABI = f.abi("abi")
	t.Libc = f.libc("libc")
	t.PluginTOML = f.digest("plugin-toml")
	if IsFileSource(p.Source) {
		t.URL = f.text("url", isLocation, "a URL, or file: and a path")
		t.Archive, t.ArchiveSize = f.digest("archive"), f.integer("archive-size")
		t.Entry = f.text("entry", isEntry, "a path inside the archive")
	} else {
		t.Manifest = f.digest("manifest")
		t.Config, t.ConfigSize = f.digest("config"), f.integer("config-size")
		t.Blob, t.BlobSize = f.digest("blob"), f.integer("blob-size")
		t.MediaType = f.text("blob-type", isWord, "a media type")
	}
	t.Library, t.LibrarySize = f.digest("library"), f.integer("library-size")
	t.Layout = f.layout("layout")
	p.Targets = append(p.Targets, t)
	return f.once(f.entry)
}

// complete checks what only the whole can show.
func (r *lockReader) complete() error {
	for _, p := range r.lock.Plugins {
		entry := "plugin " + quote(p.Name)
		if len(p.Targets) == 0 {
			return r.errorAt(r.seen[entry], "%s: expected a [[plugin.target]], found none", entry)
		}
		for _, d := range p.Dependencies {
			if _, ok := r.seen["plugin "+quote(d.Name)]; !ok {
				err := r.errorAt(r.seen[entry], "%s: expected an entry for its dependency %s, found none", entry, quote(d.Name))
				err.Advice = "run loadr plugin lock"
				return err
			}
		}
	}
	return nil
}

func parseDependency(s string) Dependency {
	name, rng, _ := strings.Cut(s, " ")
	return Dependency{name, rng}
}

func isDependency(s string) bool {
	d := parseDependency(s)
	return isName(d.Name) && strings.TrimSpace(d.Range) == d.Range && isWord(d.Range)
}

// isEntry accepts a path that stays where it starts and ends in a file name that may be installed.
func isEntry(s string) bool {
	return isWord(s) && fs.ValidPath(s) && manifest.CheckEntry(path.Base(s)) == nil
}

func isName(s string) bool { return manifest.CheckName(s) == nil }

func isTarget(s string) bool { return slices.Contains(manifest.Targets(), manifest.Target(s)) }

func isGlibc(s string) bool {
	_, err := manifest.ParseLibc(manifest.Glibc + ">=" + s)
	return err == nil && !strings.ContainsAny(s, "<>=")
}
