// Package docs runs every command that the documentation shows, and holds what they print against what the pages say.
//
// A page's ```console blocks are one session, in a fresh home with the built programs on PATH and a copy of examples and
// sdk in the working directory. A line that starts with "$ " is a command; the lines after it are what it prints, on either stream,
// where "..." stands for any text, and alone on a line for any lines. "# exit 12" at a command's end is the exit code that it
// must have; without it, zero. A block that starts with ```console needs TOOL... is left out where a tool is missing. Where
// there is cargo, the examples in Rust are built for this machine beforehand.
package docs

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
)

type command struct {
	line int
	text string
	exit int
	want []string
}

func TestEveryCommandShown(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash: the pages' commands are not run")
	}
	bin := buildPrograms(t)
	var rust []library
	t.Run("rust", func(t *testing.T) { rust = buildRust(t) }) // a test of its own, so that only this part is skipped without cargo
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("spec/*.md")
	pages = append(append(pages, more...), "../README.md", "../ARCHITECTURE.md")
	for _, page := range pages {
		commands := parsePage(t, page, rust != nil)
		if len(commands) == 0 {
			continue
		}
		t.Run(strings.ReplaceAll(page, "../", ""), func(t *testing.T) {
			t.Parallel()
			runSession(t, bin, page, rust, commands)
		})
	}
}

func buildPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

// library is a compiled file and where it belongs in an example's folder.
type library struct{ file, place string }

func buildRust(t *testing.T) (built []library) {
	target, ok := loader.HostTarget()
	if !ok {
		t.Skip("the platform of this machine is not known")
	}
	for _, name := range []string{"echo-proto", "snapshot-output", "token-service"} {
		file := testplugin.Rust(t, target, "examples/"+name, testplugin.RustOptions{})
		built = append(built, library{file, filepath.Join("examples", name, "target", string(target), "release", filepath.Base(file))})
	}
	return built
}

var exitComment = regexp.MustCompile(`\s+# exit (\d+)$`)

// parsePage collects the commands of all ```console blocks that can be run here; rust says whether Rust plugins can be built.
func parsePage(t *testing.T, page string, rust bool) (commands []command) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside && isSession(t, strings.Fields(line), rust)
		case !inside:
		case strings.HasPrefix(line, "$ "):
			c := command{line: i + 1, text: line[2:]}
			if m := exitComment.FindStringSubmatch(c.text); m != nil {
				c.text = strings.TrimSuffix(c.text, m[0])
				c.exit, _ = strconv.Atoi(m[1])
			}
			commands = append(commands, c)
		case len(commands) == 0:
			t.Fatalf("%s:%d: output before the first command", page, i+1)
		default:
			last := &commands[len(commands)-1]
			last.want = append(last.want, strings.TrimRight(line, " "))
		}
	}
	return commands
}

// isSession says whether a fence of these words starts commands that can be run here.
func isSession(t *testing.T, fence []string, rust bool) bool {
	if fence[0] != "```console" || len(fence) > 1 && fence[1] != "needs" {
		return false
	}
	for _, tool := range fence[min(2, len(fence)):] {
		if _, err := exec.LookPath(tool); err != nil || tool == "cargo" && !rust {
			t.Logf("no %s: commands that need it are not run", tool)
			return false
		}
	}
	return true
}

// toolHomes tells Go and Rust, in a home that isn't the user's, where they keep what they have. Rust builds faster without
// optimisation.
func toolHomes() []string {
	out := []string{"CARGO_PROFILE_RELEASE_OPT_LEVEL=0"}
	if home, err := os.UserHomeDir(); err == nil {
		out = append(out, "CARGO_HOME="+cmp.Or(os.Getenv("CARGO_HOME"), filepath.Join(home, ".cargo")))
	}
	for name, command := range map[string][]string{"RUSTUP_HOME": {"rustup", "show", "home"}, "GOCACHE": {"go", "env", "GOCACHE"}} {
		if text, err := exec.Command(command[0], command[1:]...).Output(); err == nil {
			out = append(out, name+"="+strings.TrimSpace(string(text)))
		}
	}
	return out
}

// runSession runs all commands in one shell, so that cd and export last.
func runSession(t *testing.T, bin, page string, rust []library, commands []command) {
	home := t.TempDir()
	for _, folder := range []string{"examples", "sdk"} {
		copySources(t, filepath.Join("..", folder), filepath.Join(home, "work", folder))
	}
	for _, lib := range rust {
		copyFile(t, lib.file, filepath.Join(home, "work", lib.place))
	}
	var script strings.Builder
	for i, c := range commands {
		fmt.Fprintf(&script, "echo '@@ %d'\n{ %s\n} 2>&1 </dev/null\necho \"@= $?\"\n", i, c.text)
	}
	shell := exec.Command("bash")
	shell.Dir = filepath.Join(home, "work")
	shell.Stdin = strings.NewReader(script.String())
	shell.Env = append(toolHomes(),
		"HOME="+home, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "TMPDIR="+os.TempDir(), "LANG=C.UTF-8", "TERM=dumb")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("bash: %v\n%s", err, out)
	}
	for i, c := range commands {
		checkCommand(t, page, c, section(out, i))
	}
}

// copySources copies a folder without what was built in it.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "target" || entry.Name() == "build"):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		rel, err := filepath.Rel(from, path)
		copyFile(t, path, filepath.Join(to, rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyFile makes scripts executable: a checkout may not.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	perm := os.FileMode(0o644)
	if strings.HasSuffix(to, ".sh") {
		perm = 0o755
	}
	if err := os.WriteFile(to, text, perm); err != nil {
		t.Fatal(err)
	}
}

// section cuts out what command i printed, its exit code included.
func section(out []byte, i int) string {
	_, rest, _ := bytes.Cut(out, fmt.Appendf(nil, "@@ %d\n", i))
	rest, _, _ = bytes.Cut(rest, fmt.Appendf(nil, "@@ %d\n", i+1))
	return string(rest)
}

func checkCommand(t *testing.T, page string, c command, out string) {
	t.Helper()
	text, code, _ := strings.Cut(out, "@= ")
	if strings.TrimSpace(code) != strconv.Itoa(c.exit) {
		t.Errorf("%s:%d: %s: expected exit code %d, found %s\n%s", page, c.line, c.text, c.exit, strings.TrimSpace(code), text)
		return
	}
	for len(c.want) > 0 && c.want[len(c.want)-1] == "" {
		c.want = c.want[:len(c.want)-1]
	}
	if len(c.want) > 0 && !matches(c.want, strings.TrimRight(text, "\n")) {
		t.Errorf("%s:%d: %s: the page says\n%s\n-- but it printed\n%s", page, c.line, c.text, strings.Join(c.want, "\n"), text)
	}
}

// matches holds lines with "..." against text.
func matches(want []string, text string) bool {
	pattern := "(?s)^"
	for i, line := range want {
		if i > 0 && line != "..." && want[i-1] != "..." {
			pattern += "\n"
		}
		if line == "..." {
			pattern += ".*"
			continue
		}
		pattern += strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, "[^\n]*")
	}
	return regexp.MustCompile(pattern + "$").MatchString(text)
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want []string
		text string
		ok   bool
	}{
		{[]string{"a", "b"}, "a\nb", true},
		{[]string{"a", "b"}, "a\nc", false},
		{[]string{"sha256:..."}, "sha256:0011", true},
		{[]string{"sha256:..."}, "sha256:0011\nmore", false},
		{[]string{"a", "...", "c"}, "a\nb\nb\nc", true},
		{[]string{"a", "..."}, "b", false},
	} {
		if got := matches(c.want, c.text); got != c.ok {
			t.Errorf("%q against %q: got %v", c.want, c.text, got)
		}
	}
}
