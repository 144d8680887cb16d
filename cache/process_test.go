package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// roleVariable makes the test binary a child that works on the cache in cacheVariable.
const (
	roleVariable  = "CACHE_TEST_ROLE"
	cacheVariable = "CACHE_TEST_DIR"
	nameVariable  = "CACHE_TEST_NAME"
)

// shared is the blob that all processes want.
var shared = bytes.Repeat([]byte("shared "), 100_000)

func child(role string) {
	c := Open(os.Getenv(cacheVariable))
	var err error
	switch role {
	case "fetch":
		_, _, err = c.Get(context.Background(), blobOf(shared), func(ctx context.Context, w io.Writer) error {
			fmt.Println("fetching")
			time.Sleep(100 * time.Millisecond) // the others arrive
			return give(shared)(ctx, w)
		})
	case "hang":
		_, _, err = c.Get(context.Background(), blobOf(shared), func(_ context.Context, w io.Writer) error {
			w.Write(shared[:len(shared)/2])
			fmt.Println("halfway")
			select {}
		})
	case "use":
		err = user(c, os.Getenv(nameVariable))
	case "prune":
		err = pruneForever(c)
	case "limited":
		err = limited(c)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func command(role, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, cacheVariable+"="+dir)
	return cmd
}

func TestManyProcessesFetchOnce(t *testing.T) {
	c := Open(t.TempDir())
	var mu sync.Mutex
	var out strings.Builder
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			text, err := command("fetch", c.Dir()).CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			out.Write(text)
			if err != nil {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
	wg.Wait()
	if out.String() != "fetching\n" {
		t.Errorf("children said %q", out.String())
	}
	if _, err := c.Verified(context.Background(), blobOf(shared)); err != nil {
		t.Error(err)
	}
	wantOnly(t, c, blobOf(shared))
}

// SIGKILL at half the blob: whoever waits takes over at once, and what was half there goes.
func TestWaiterTakesOverFromAKilledProcess(t *testing.T) {
	c := Open(t.TempDir())
	cmd := command("hang", c.Dir())
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line := make([]byte, len("halfway"))
	if _, err := io.ReadFull(stdout, line); err != nil {
		t.Fatal(err)
	}
	if got := files(t, c.Dir()); !strings.Contains(got, ".tmp") || c.Has(blobOf(shared)) {
		t.Fatalf("halfway the cache holds %q", got)
	}
	c.Waiting = func(Blob) { cmd.Process.Kill() }
	if _, fetched, err := c.Get(context.Background(), blobOf(shared), give(shared)); err != nil || !fetched {
		t.Fatal(fetched, err)
	}
	wantOnly(t, c, blobOf(shared))
}

func TestFileLimitLeavesNothing(t *testing.T) {
	c := Open(t.TempDir())
	text, err := command("limited", c.Dir()).CombinedOutput()
	if strings.HasPrefix(string(text), "skip") {
		t.Skip("no file size limit on this system")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	wantOnly(t, c)
}

// A disk that is full before the blob is: TMPFS is a folder on one, made by a test below or by whoever runs the tests.
func testFullDisk(t *testing.T, dir string) {
	c := Open(filepath.Join(dir, "cache"))
	big := bytes.Repeat([]byte("x"), 4<<20)
	_, _, err := c.Get(context.Background(), blobOf(big), give(big))
	if err == nil || !strings.Contains(hintOf(err), "free some space") {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
	wantOnly(t, c)
	small := []byte("fits")
	if _, _, err := c.Get(context.Background(), blobOf(small), give(small)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func hintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}
