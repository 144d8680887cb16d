package testregistry

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// Tool finds a program that tests use as it is: in the project's .cache/bin, else on PATH. Without it the test is
// skipped, saying so.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if dir, err := os.Getwd(); err == nil {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			candidate := filepath.Join(dir, ".cache", "bin", name)
			if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() {
				return candidate
			}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is neither in .cache/bin nor on PATH", name)
	}
	return path
}

const debianConfig = `version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: %ROOT%
  delete:
    enabled: true
http:
  addr: 127.0.0.1:0
`

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// Debian starts Debian's docker-registry, which has no referrers API, and gives its host:port. It ends with the test.
// Where it is not installed the test is skipped, saying so.
func Debian(t testing.TB) string {
	t.Helper()
	program := Tool(t, "docker-registry")
	dir := t.TempDir()
	config := regexp.MustCompile("%ROOT%").ReplaceAllLiteralString(debianConfig, filepath.Join(dir, "data"))
	cmd := exec.Command(program, "serve", write(t, dir, "config.yml", config))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case address <- m[1]:
				default: // said twice
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	select {
	case host := <-address:
		return host
	case <-ended:
		t.Fatal("docker-registry ended before it listened")
	case <-time.After(20 * time.Second):
		t.Fatal("docker-registry did not start")
	}
	return ""
}
