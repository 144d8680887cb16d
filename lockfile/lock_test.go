package lockfile

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite testdata")

func sum(s string) digest.Digest { return digest.FromString(s) }

func lockedTarget(t manifest.Target, libc manifest.Libc) Target {
	s := string(t)
	return Target{
		Target: t, Libc: libc,
		Manifest: sum(s + "manifest"), Config: sum(s + "config"), ConfigSize: 812, PluginTOML: sum(s + "toml"),
		Blob: sum(s + "blob"), MediaType: "application/vnd.loadr.plugin.library.v1+zstd", BlobSize: 5120,
		Library: sum(s + "library"), LibrarySize: 16384,
	}
}

func fullLock() *Lock {
	layout := lockedTarget(linux, manifest.Libc{Name: manifest.Glibc, Version: "2.17"})
	layout.Layout = "layout-v1:" + string(sum("layout"))
	layout.ABI = manifest.ABI{Family: "native", Version: "1.3.0"}
	return &Lock{
		Host:    Host{ABI: map[manifest.Family]string{"native": "1.0.0", "c": "1.0.0", "component": "0.1.0"}, Glibc: "2.31"},
		Targets: []manifest.Target{linux, mac},
		Plugins: []Plugin{
			{
				Name: "kafka", Version: "2.1.4", Source: "registry.example/perf", Index: sum("kafka"),
				ABI: manifest.ABI{Family: "native", Version: "1.0.0"}, RequiresABI: "^1.0",
				Dependencies: []string{"echo-proto"}, Signers: []string{"bbb=", "aaa="},
				Targets: []Target{layout, lockedTarget(mac, manifest.Libc{})},
			},
			{
				Name: "echo-proto", Version: "0.1.0", Source: "local/plugins", Index: sum("echo"),
				ABI:     manifest.ABI{Family: "c", Version: "1.0.0"},
				Targets: []Target{lockedTarget(linux, manifest.Libc{Name: manifest.Glibc}), lockedTarget(mac, manifest.Libc{})},
			},
		},
	}
}

// TestLockText pins the format: a change of this file is a change of the format.
func TestLockText(t *testing.T) {
	got := fullLock().Encode()
	if *update {
		if err := os.WriteFile("testdata/loadr.lock", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/loadr.lock")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(fullLock().Canonical(), mustParse(t, got)); d != "" {
		t.Error(d)
	}
	for i, line := range bytes.Split(got, []byte("\n")) {
		if bytes.Count(line, []byte(" = ")) > 1 {
			t.Errorf("line %d holds more than one value: %s", i+1, line)
		}
	}
}

func mustParse(t interface{ Fatalf(string, ...any) }, text []byte) *Lock {
	l, err := ParseLock(LockName, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return l
}

// TestParseLockIsFree: what a merge or an editor may do without harm.
func TestParseLockIsFree(t *testing.T) {
	text := string(fullLock().Encode())
	want := fullLock().Canonical()
	shuffled := fullLock()
	sections := strings.SplitAfter(text, "\n\n") // head, host, options, echo, its targets, kafka, its targets, end
	swapped := strings.Join(slices.Concat(sections[:3], sections[6:9], sections[3:6], sections[9:]), "")
	slices.Reverse(shuffled.Targets)
	for name, variant := range map[string]string{
		"as written": text, "windows": strings.ReplaceAll(text, "\n", "\r\n"), "byte order mark": "\xef\xbb\xbf" + text,
		"no line end": strings.TrimSuffix(text, "\n"), "blank lines at the end": text + "\n\n", "unsorted plugins": swapped,
		"a comment": strings.Replace(text, "[host]", "# a note\n[host]", 1), "encoded again": string(shuffled.Encode()),
		"another spelling": strings.Replace(text, `abi.c = "1.0.0"`, `  abi . "c"='1.0.0' # c`, 1),
	} {
		if d := cmp.Diff(want, mustParse(t, []byte(variant))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if swapped == text {
		t.Error("nothing was swapped")
	}
}

func TestParseLockErrors(t *testing.T) {
	text := string(fullLock().Encode())
	replace := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the lock has no %q", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	index := fmt.Sprintf("index = %q", sum("echo"))
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `*TruncatedError loadr.lock: expected the last line "# end of loadr.lock", found none`},
		{"half", text[:len(text)/2], "*TruncatedError"},
		{"text after the end", text + "[[plugin]]\n", "*TruncatedError"},
		{"conflict", replace(index, "<<<<<<< HEAD\n"+index+"\n=======\nindex = 1\n>>>>>>> theirs"), "*ConflictError loadr.lock:21: expected a lock, found the marks of a merge conflict"},
		{"conflict in diff3 style, windows", strings.ReplaceAll(replace(index, "||||||| base\n"+index), "\n", "\r\n"), "*ConflictError loadr.lock:21"},
		{"the middle of a conflict", replace(index, "=======\n"+index), "*ConflictError"},
		{"newer", replace("version = 1", "version = 2"), "*NewerFormatError loadr.lock: expected format version 1 or older, found 2"},
		{"newer and not TOML", "version = 12\n{{{", "*NewerFormatError"},
		{"older than any", replace("version = 1", "version = 0"), "*SyntaxError loadr.lock:3:11: version: expected 1, found"},
		{"a strange version", replace("version = 1", "version = 'x'"), "*SyntaxError loadr.lock:3:11: version: expected 1"},
		{"no version", replace("version = 1\n", ""), `*SyntaxError loadr.lock:1:1: the lock: version: expected the number 1, found nothing`},
		{"not TOML", replace("[host]", "[host"), "*SyntaxError loadr.lock:5:"},
		{"short digest", replace(index, `index = "sha256:abc"`), `*DigestError loadr.lock:21:9: plugin "echo-proto": index: expected a digest, sha256: and 64 hexadecimal digits, found "sha256:abc"`},
		{"another algorithm", replace(index, `index = "md5:d41d8cd98f00b204e9800998ecf8427e"`), "*DigestError"},
		{"capital digits", replace(index, strings.ToUpper(index[:0])+"index = \"sha256:"+strings.ToUpper(string(sum("echo"))[7:])+`"`), "*DigestError"},
		{"digest of a target", replace(string(sum("aarch64-apple-darwinlibrary")), "sha256:"), `*DigestError loadr.lock:33:11: plugin "echo-proto" for aarch64-apple-darwin: library: expected a digest`},
		{"layout digest", replace("layout-v1:", ""), `*DigestError loadr.lock:89:10: plugin "kafka" for x86_64-unknown-linux-gnu: layout: expected a digest, layout-v1: and sha256:`},
		{"digest of another type", replace(index, "index = 1"), `*SyntaxError loadr.lock:21:9: plugin "echo-proto": index: expected a digest, sha256: and 64 hexadecimal digits, found "1"`},
		{"two plugins", replace(`name = "kafka"`, `name = "echo-proto"`), `*DuplicateError loadr.lock:49: plugin "echo-proto": expected one entry, found another on line 17`},
		{"two targets", replace(`target = "aarch64-apple-darwin"`, `target = "x86_64-unknown-linux-gnu"`), `*DuplicateError loadr.lock:36: plugin "echo-proto" for x86_64-unknown-linux-gnu: expected one entry`},
		{"two hosts", replace("[options]", "[host]\n[options]"), "*DuplicateError loadr.lock:11: [host]"},
		{"two keys", replace(index, index+"\n"+index), `*SyntaxError loadr.lock:22:1: a plugin: expected index once`},
		{"unknown key", replace(index, index+"\ncolour = 'red'"), `*SyntaxError loadr.lock:22:1: plugin "echo-proto": unknown key "plugin.colour"`},
		{"unknown key in the head", replace("version = 1", "version = 1\ncount = 2"), `*SyntaxError loadr.lock:4:1: the lock: unknown key "count"`},
		{"unknown section", replace("[options]", "[extra]"), `*SyntaxError loadr.lock:11:1: unknown section "[extra]"`},
		{"wrong brackets", replace("[[plugin]]", "[plugin]"), `*SyntaxError loadr.lock:17:1: unknown section "[plugin]"`},
		{"wrong brackets around the host", replace("[host]", "[[host]]"), `unknown section "[[host]]"`},
		{"target without plugin", replace("[[plugin]]", "[[plugin.target]]"), "*SyntaxError loadr.lock:17:1: expected [[plugin]] before [[plugin.target]]"},
		{"missing key", replace(index+"\n", ""), `*SyntaxError loadr.lock:17:1: plugin "echo-proto": index: expected a digest, sha256: and 64 hexadecimal digits, found nothing`},
		{"missing size", replace("config-size = 812\n", ""), `for aarch64-apple-darwin: config-size: expected a number of bytes, found nothing`},
		{"negative size", replace("config-size = 812", "config-size = -1"), "config-size: expected a number of bytes"},
		{"strange size", replace("config-size = 812", "config-size = 0x1f"), "config-size: expected a number of bytes"},
		{"large size", replace("config-size = 812", "config-size = 99999999999999999999"), "config-size: expected a number of bytes"},
		{"name", replace(`name = "kafka"`, `name = "../kafka"`), `*SyntaxError loadr.lock:50:8: a plugin: name: expected the name of a plugin, found "\"../kafka\""`},
		{"version of a plugin", replace(`version = "2.1.4"`, `version = "2.1"`), "version: expected a version"},
		{"build metadata", replace(`version = "2.1.4"`, `version = "2.1.4+b"`), "version: expected a version"},
		{"target", replace(`target = "aarch64-apple-darwin"`, `target = "darwin/arm64"`), "target: expected a target triple"},
		{"abi", replace(`abi = "c/1.0.0"`, `abi = "rust/1.0.0"`), "abi: expected an ABI"},
		{"no abi", replace(`abi = "c/1.0.0"`, `abi = ""`), "abi: expected an ABI"},
		{"libc", replace(`libc = "glibc"`, `libc = "bionic"`), "libc: expected a C library"},
		{"host abi", replace(`abi.c = "1.0.0"`, `abi.c = "1"`), "[host]: abi.c: expected a version"},
		{"host family", replace(`abi.c = "1.0.0"`, `abi.rust = "1.0.0"`), `[host]: unknown key "host.abi.rust"`},
		{"host glibc", replace(`glibc = "2.31"`, `glibc = "new"`), "[host]: glibc: expected a version of glibc"},
		{"targets of the head", replace(`  "aarch64-apple-darwin",`, `  "amiga",`), "[options]: targets: expected a target triple"},
		{"targets twice", replace(`  "aarch64-apple-darwin",`, `  "x86_64-unknown-linux-gnu",`), `*SyntaxError loadr.lock:14:3: [options]: targets: expected "x86_64-unknown-linux-gnu" once`},
		{"targets of another type", replace(`  "aarch64-apple-darwin",`, `  1,`), "targets: expected a list of strings"},
		{"list of another type", replace("dependencies = [\n  \"echo-proto\",\n]", `dependencies = "echo-proto"`), "dependencies: expected a list of strings"},
		{"lost dependency", replace("  \"echo-proto\",\n", "  \"redis\",\n"), `plugin "kafka": expected an entry for its dependency "redis", found none`},
		{"no targets", text[:strings.Index(text, "\n[[plugin.target]]")] + "\n" + endLine, `*SyntaxError loadr.lock:17:1: plugin "echo-proto": expected a [[plugin.target]], found none`},
		{"control characters", replace(`source = "local/plugins"`, `source = "local\u001b"`), "source: expected a registry and namespace"},
		{"nested", replace(index, index+"\nx = "+strings.Repeat("{a=", 30)+"1"+strings.Repeat("}", 30)), "at most 8 levels"},
	} {
		_, err := ParseLock(LockName, []byte(c.text))
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		got := strings.TrimPrefix(fmt.Sprintf("%T %v", err, err), "*lockfile.")
		if !strings.Contains("*"+got, c.want) || strings.ContainsAny(got, "\x1b\n") {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if h, ok := err.(interface{ Hint() string }); !ok || !strings.HasPrefix(got, "SyntaxError") && h.Hint() == "" {
			t.Errorf("%s: no hint", c.name)
		}
	}
	var size *SizeError
	if _, err := ParseLock(LockName, make([]byte, MaxLock+1)); !errors.As(err, &size) {
		t.Error(err)
	}
}

// TestEveryCutIsSeen: a lock that ends anywhere but at its end is never taken for one.
func TestEveryCutIsSeen(t *testing.T) {
	text := fullLock().Encode()
	for n := range len(text) - 1 { // the very last byte is a line end, which editors drop
		var cut *TruncatedError
		if _, err := ParseLock(LockName, text[:n]); !errors.As(err, &cut) {
			t.Fatalf("cut at %d of %d: %v", n, len(text), err)
		}
	}
}

// TestEveryLostLineIsSeen: a lost line never yields a lock that differs without an error, unless it is a line that may
// be absent.
func TestEveryLostLineIsSeen(t *testing.T) {
	text := fullLock().Encode()
	optional := []string{"#", "", "abi", "glibc", "requires-abi", "libc", "layout", "  \""}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		got, err := ParseLock(LockName, []byte(strings.Join(slices.Concat(lines[:i], lines[i+1:]), "")))
		key, _, _ := strings.Cut(strings.TrimSpace(line), " =")
		mayBeAbsent := slices.ContainsFunc(optional, func(o string) bool { return key == o || o != "" && strings.HasPrefix(line, o) })
		if err == nil && !mayBeAbsent && cmp.Diff(fullLock().Canonical(), got) != "" {
			t.Errorf("line %d can be lost unseen: %s", i+1, line)
		}
	}
}

var genLock = rapid.Custom(func(t *rapid.T) *Lock {
	name := rapid.StringMatching(`[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?`).Filter(isName)
	word := rapid.StringMatching(`[ -~é‮"\\]{1,12}`).Filter(isWord)
	dig := rapid.Map(rapid.String(), sum)
	version := rapid.SampledFrom([]string{"1.0.0", "0.1.0", "1.2.3-rc.1"})
	abi := rapid.Custom(func(t *rapid.T) manifest.ABI {
		return manifest.ABI{Family: rapid.SampledFrom(manifest.Families()).Draw(t, "family"), Version: version.Draw(t, "version")}
	})
	maybe := func(g *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.OneOf(rapid.Just(""), g)
	}
	size := rapid.Int64Range(0, 1<<62)
	l := &Lock{
		Host: Host{
			ABI:   rapid.MapOf(rapid.SampledFrom(manifest.Families()), version).Draw(t, "host"),
			Glibc: maybe(rapid.SampledFrom([]string{"2.31", "2.17"})).Draw(t, "glibc"),
		},
		Targets: genTargets.Draw(t, "targets"),
	}
	names := rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "names")
	for _, n := range names {
		p := Plugin{
			Name: n, Version: version.Draw(t, "version"), Source: word.Draw(t, "source"), Index: dig.Draw(t, "index"),
			RequiresABI: maybe(word).Draw(t, "requires"),
			Signers:     rapid.SliceOfDistinct(word, rapid.ID).Draw(t, "signers"),
		}
		p.Dependencies = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "dependencies")
		if rapid.Bool().Draw(t, "has abi") {
			p.ABI = abi.Draw(t, "abi")
		}
		for _, target := range rapid.SliceOfNDistinct(rapid.SampledFrom(manifest.Targets()), 1, 3, rapid.ID).Draw(t, "targets") {
			e := Target{
				Target: target, Manifest: dig.Draw(t, "manifest"), Config: dig.Draw(t, "config"), ConfigSize: size.Draw(t, "size"),
				PluginTOML: dig.Draw(t, "toml"), Blob: dig.Draw(t, "blob"), MediaType: word.Draw(t, "type"), BlobSize: size.Draw(t, "size"),
				Library: dig.Draw(t, "library"), LibrarySize: size.Draw(t, "size"),
				Libc: rapid.SampledFrom([]manifest.Libc{{}, {Name: "musl"}, {Name: "glibc", Version: "2.34"}}).Draw(t, "libc"),
			}
			if rapid.Bool().Draw(t, "has layout") {
				e.Layout = "layout-v2:" + string(dig.Draw(t, "layout"))
			}
			if p.ABI != (manifest.ABI{}) && rapid.Bool().Draw(t, "another abi") {
				e.ABI = abi.Draw(t, "abi")
			}
			p.Targets = append(p.Targets, e)
		}
		l.Plugins = append(l.Plugins, p)
	}
	return l
})

func TestLockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLock.Draw(t, "lock")
		text := l.Encode()
		parsed := mustParse(t, text)
		if d := cmp.Diff(l.Canonical(), parsed); d != "" {
			t.Fatal(d)
		}
		if again := parsed.Encode(); !bytes.Equal(text, again) {
			t.Fatal(cmp.Diff(string(text), string(again)))
		}
	})
}

func TestEncodeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLock.Draw(t, "lock")
		text := l.Encode()
		l.Targets = rapid.Permutation(l.Targets).Draw(t, "targets")
		l.Plugins = rapid.Permutation(l.Plugins).Draw(t, "plugins")
		for i := range l.Plugins {
			p := &l.Plugins[i]
			p.Targets = rapid.Permutation(p.Targets).Draw(t, "targets")
			p.Signers = rapid.Permutation(p.Signers).Draw(t, "signers")
			p.Dependencies = rapid.Permutation(p.Dependencies).Draw(t, "dependencies")
			for j := range p.Targets { // what the plugin says already makes no difference
				if p.Targets[j].ABI == (manifest.ABI{}) {
					p.Targets[j].ABI = p.ABI
				}
			}
		}
		before := fmt.Sprintf("%+v", l)
		if again := l.Encode(); !bytes.Equal(text, again) {
			t.Fatal(cmp.Diff(string(text), string(again)))
		}
		if fmt.Sprintf("%+v", l) != before {
			t.Fatal("encoding changed the lock")
		}
	})
}

func TestLockLookups(t *testing.T) {
	l := fullLock()
	p, ok := l.Plugin("kafka")
	if !ok || p.Version != "2.1.4" {
		t.Error(p, ok)
	}
	if _, ok := l.Plugin("redis"); ok {
		t.Error("found what is not there")
	}
	got, ok := p.For(linux)
	if !ok || got.Target != linux || p.ABIOf(got).Version != "1.3.0" {
		t.Error(got, ok)
	}
	if _, ok := p.For(arm); ok {
		t.Error("found a target that is not there")
	}
	p.Targets = append([]Target{lockedTarget(manifest.Neutral, manifest.Libc{})}, p.Targets...)
	if got, _ := p.For(arm); got.Target != manifest.Neutral || p.ABIOf(got) != p.ABI {
		t.Error(got)
	}
	if got, _ := p.For(mac); got.Target != mac {
		t.Error(got)
	}
	if (Host{Glibc: "2.31"}).Libc() != (manifest.Libc{Name: "glibc", Version: "2.31"}) || (Host{}).Libc() != (manifest.Libc{}) {
		t.Error("Libc")
	}
}

func FuzzLock(f *testing.F) {
	text := fullLock().Encode()
	f.Add(text)
	f.Add((&Lock{}).Encode())
	f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	f.Add([]byte("version = 2\n"))
	f.Add([]byte("version = 1\n[[plugin]]\n" + endLine))
	f.Add([]byte("<<<<<<< HEAD\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseLock(LockName, text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\x00") {
				t.Fatalf("%q", err)
			}
			return
		}
		encoded := l.Encode()
		again, err := ParseLock(LockName, encoded)
		if err != nil {
			t.Fatalf("%v\n%s", err, encoded)
		}
		if d := cmp.Diff(l, again); d != "" || !bytes.Equal(encoded, again.Encode()) {
			t.Fatal(d)
		}
	})
}

func benchmarkLock() *Lock {
	l := fullLock()
	base := l.Plugins[1]
	l.Plugins = nil
	for i := range 50 {
		p := base
		p.Name = fmt.Sprintf("plugin-%d", i)
		p.Targets = nil
		for _, t := range manifest.Targets()[:5] {
			p.Targets = append(p.Targets, lockedTarget(t, manifest.Libc{}))
		}
		l.Plugins = append(l.Plugins, p)
	}
	return l
}

func BenchmarkParseLock50x5(b *testing.B) {
	text := benchmarkLock().Encode()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ParseLock(LockName, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode50x5(b *testing.B) {
	l := benchmarkLock()
	for b.Loop() {
		l.Encode()
	}
}
