package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
		{"list of another type", replace("dependencies = [\n  \"echo-proto ^0.1\",\n]", `dependencies = "echo-proto"`), "dependencies: expected a list of strings"},
		{"dependency without a range", replace("  \"echo-proto ^0.1\",\n", "  \"echo-proto\",\n"), "dependencies: expected the name of a plugin and a range of versions"},
		{"lost dependency", replace("  \"echo-proto ^0.1\",\n", "  \"redis *\",\n"), `plugin "kafka": expected an entry for its dependency "redis", found none`},
		{"no targets", text[:strings.Index(text, "\n[[plugin.target]]")] + "\n" + endLine, `*SyntaxError loadr.lock:17:1: plugin "echo-proto": expected a [[plugin.target]], found none`},
		{"control characters", replace(`source = "local/plugins"`, `source = "local\u001b"`), "source: expected a registry and namespace"},
		{"nested", replace(index, index+"\nx = "+strings.Repeat("{a=", 30)+"1"+strings.Repeat("}", 30)), "at most 16 parts in a key"},
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

func FuzzLock(f *testing.F) {
	text := fullLock().Encode()
	f.Add(fileLock().Encode())
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

// TestLocksMerge: branches that each add a plugin merge by lines, whatever git does, into the lock that has both.
func TestLocksMerge(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	with := func(names ...string) *Lock {
		l := fullLock()
		for _, name := range names {
			p := l.Plugins[1]
			p.Name = name
			l.Plugins = append(l.Plugins, p)
		}
		return l
	}
	dir := t.TempDir()
	file := func(name string, l *Lock) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, l.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base, ours, theirs := file("base", with()), file("ours", with("aaa")), file("theirs", with("zzz"))
	merged, err := exec.Command(git, "merge-file", "-p", ours, base, theirs).Output()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(with("aaa", "zzz").Encode()), string(merged)); d != "" {
		t.Error(d)
	}
	clash, _ := exec.Command(git, "merge-file", "-p", file("ours", with("yyy")), base, theirs).Output()
	var conflict *ConflictError
	if _, err := ParseLock(LockName, clash); !errors.As(err, &conflict) {
		t.Errorf("%v\n%s", err, clash)
	}
}
