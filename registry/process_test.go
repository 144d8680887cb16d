package registry_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// childEnv makes this test binary a publisher: "dir pack pack ...".
const childEnv = "LOADR_TEST_PUBLISH"

// attachEnv makes this test binary attach one note to echo 1.0.0: "dir registry text".
const attachEnv = "LOADR_TEST_ATTACH"

func asChild() (code int, ok bool) {
	if words := strings.Fields(os.Getenv(attachEnv)); len(words) == 3 {
		return attachAsChild(words[0], words[1], words[2]), true
	}
	words := strings.Fields(os.Getenv(childEnv))
	if len(words) == 0 {
		return 0, false
	}
	client := registry.New(registry.Options{Dir: words[0], Writer: testregistry.Writer})
	defer client.Close()
	for _, dir := range words[1:] {
		pack, err := registry.OpenPack(dir)
		if err == nil {
			_, err = client.Push(context.Background(), repoIn(registry.Local), pack)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1, true
		}
		fmt.Println(pack.Release().Version) // acknowledged
	}
	return 0, true
}

func attachAsChild(dir, host, text string) int {
	client := registry.New(registry.Options{Dir: dir, Writer: testregistry.Writer})
	defer client.Close()
	r, err := client.Release(context.Background(), repoIn(host), "1.0.0")
	if err == nil {
		subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: r.Digest, Size: r.Size}
		_, err = client.Attach(context.Background(), repoIn(host), subject, testregistry.Note(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestProcessesLoseNothing has several processes publish into one directory at once: olareg alone loses about half.
func TestProcessesLoseNothing(t *testing.T) {
	const processes, each = 4, 5
	dir := t.TempDir()
	var wait sync.WaitGroup
	for i := range processes {
		words := []string{dir}
		for j := range each {
			words = append(words, testregistry.Pack(t, testregistry.Spec{Version: fmt.Sprintf("%d.%d.0", i+1, j)}).Dir())
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(words, " "))
		wait.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("publisher %d: %v\n%s", i, err, out)
			}
		})
	}
	wait.Wait()
	client := newClient(t, registry.Options{Dir: dir})
	versions, err := client.Versions(t.Context(), repoIn(registry.Local))
	if err != nil || len(versions) != processes*each {
		t.Errorf("%d versions after %d publications: %v %v", len(versions), processes*each, versions, err)
	}
	for _, v := range versions {
		if r, err := client.Release(t.Context(), repoIn(registry.Local), v); err != nil {
			t.Error(err)
		} else {
			readAll(t, client, repoIn(registry.Local), r.Targets[0].Library)
		}
	}
}

// TestReaderSeesOtherProcess has a client that has already looked see what another one publishes, at once.
func TestReaderSeesOtherProcess(t *testing.T) {
	dir := t.TempDir()
	reader, writer := newClient(t, registry.Options{Dir: dir}), newClient(t, registry.Options{Dir: dir})
	_, err := reader.Versions(t.Context(), repoIn(registry.Local))
	expectError[*registry.NotFoundError](t, "versions before", err)
	for i := range 3 {
		pack := testregistry.Pack(t, testregistry.Spec{Version: fmt.Sprintf("1.%d.0", i)})
		if _, err := writer.Push(t.Context(), repoIn(registry.Local), pack); err != nil {
			t.Fatal(err)
		}
		versions, err := reader.Versions(t.Context(), repoIn(registry.Local))
		if err != nil || len(versions) != i+1 {
			t.Errorf("after %d pushes the reader sees %v, %v", i+1, versions, err)
		}
	}
}

// TestBusy has a second writer wait for the first, or not.
func TestBusy(t *testing.T) {
	dir := t.TempDir()
	release := holdLock(t, dir)
	pack := testregistry.Pack(t, testregistry.Spec{})
	_, err := newClient(t, registry.Options{Dir: dir, NoWait: true}).Push(t.Context(), repoIn(registry.Local), pack)
	busy := expectError[*registry.BusyError](t, "push without waiting", err)
	if busy != nil && busy.Holder != "a test" {
		t.Errorf("holder %q, expected the note of the lock", busy.Holder)
	}
	waiting := func(holder string) {
		if holder != "a test" {
			t.Errorf("waiting for %q", holder)
		}
		release()
	}
	if _, err := newClient(t, registry.Options{Dir: dir, Waiting: waiting}).Push(t.Context(), repoIn(registry.Local), pack); err != nil {
		t.Errorf("push after waiting: %v", err)
	}
}

// TestKilledPublisher kills publishers at random moments. What they acknowledged stays, and the directory stays usable.
func TestKilledPublisher(t *testing.T) {
	const rounds, each = 8, 6
	dir := t.TempDir()
	var acknowledged []string
	for round := range rounds {
		words := []string{dir}
		for j := range each {
			words = append(words, testregistry.Pack(t, testregistry.Spec{Version: fmt.Sprintf("%d.%d.0", round+1, j)}).Dir())
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(words, " "))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range rand.IntN(each) { // the rest is in the making when it dies
			if lines.Scan() {
				acknowledged = append(acknowledged, lines.Text())
			}
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		_ = cmd.Process.Kill()
		for lines.Scan() {
			acknowledged = append(acknowledged, lines.Text())
		}
		_ = cmd.Wait()
	}
	client := newClient(t, registry.Options{Dir: dir, NoWait: true})
	if _, err := client.Push(t.Context(), repoIn(registry.Local), testregistry.Pack(t, testregistry.Spec{Version: "100.0.0"})); err != nil {
		t.Fatalf("publishing after %d kills: %v", rounds, err)
	}
	for _, version := range append(acknowledged, "100.0.0") {
		r, err := client.Release(t.Context(), repoIn(registry.Local), version)
		if err != nil {
			t.Errorf("acknowledged, and then: %v", err)
			continue
		}
		readAll(t, client, repoIn(registry.Local), r.Targets[0].Library)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "team", "echo", "_uploads", "*")); len(left) > 0 {
		t.Errorf("left of killed publishers: %v", left)
	}
}
