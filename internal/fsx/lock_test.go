package fsx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/goleak"
)

// holdVariable makes the test binary a process that takes the lock it names, says so, and waits to be killed.
const holdVariable = "FSX_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		hold(path)
	}
	goleak.VerifyTestMain(m)
}

func hold(path string) {
	_, err := Lock(context.Background(), path, LockOptions{Note: "the child", Remove: true})
	fmt.Println("locked", err)
	os.Stdin.Read(make([]byte, 1)) // until the parent ends
	os.Exit(0)
}

// startHolder gives a process that holds the lock, and the function that kills it with SIGKILL.
func startHolder(t *testing.T, path string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdVariable+"="+path)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		stdin.Close()
	})
	t.Cleanup(kill)
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "locked <nil>\n" {
		t.Fatalf("child said %q", line)
	}
	return kill
}

func TestLockOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	kill := startHolder(t, path)

	_, err := Lock(context.Background(), path, LockOptions{NoWait: true})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder != "the child" {
		t.Fatalf("without waiting: %v", err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, path, LockOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("waiting with a deadline: %v", err)
	}

	var notices []string
	unlock, err := Lock(context.Background(), path, LockOptions{Waiting: func(holder string) {
		notices = append(notices, holder)
		time.AfterFunc(150*time.Millisecond, kill) // long enough for several looks
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if len(notices) != 1 || notices[0] != "the child" {
		t.Errorf("notices %q", notices)
	}
}

func TestLockRemovesItsFiles(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(context.Background(), filepath.Join(dir, "lock"), LockOptions{Remove: true, Note: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "lock lock.holder" {
		t.Errorf("while held: %q", got)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "" {
		t.Errorf("left %q", got)
	}
}

func TestUnlockTwiceLeavesTheNextHolderAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(context.Background(), path, LockOptions{Note: "first"})
	if err != nil {
		t.Fatal(err)
	}
	first()
	second, err := Lock(context.Background(), path, LockOptions{Note: "second"})
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	first()
	_, err = Lock(context.Background(), path, LockOptions{NoWait: true})
	if want := path + ": locked by second"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Removing the file of a lock while others open it is where such locks go wrong: two holders, each of its own file.
func TestLockExcludesWhileItsFileComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	path, counter := filepath.Join(dir, "lock"), filepath.Join(dir, "counter")
	write(t, counter, "0")
	var wg sync.WaitGroup
	const workers, rounds = 4, 40
	for range workers {
		wg.Go(func() {
			for range rounds {
				if err := increment(path, counter); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantText(t, counter, strconv.Itoa(workers*rounds))
}

// increment is only right when nobody else does it at the same time. It tries without pausing, to hit the narrow moments.
func increment(path, counter string) error {
	l := &lock{flock.New(path), path, LockOptions{Remove: true}}
	for ok := false; !ok; {
		var err error
		if ok, err = l.try(); err != nil {
			return err
		}
	}
	defer l.release()
	text, err := os.ReadFile(counter)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(counter, []byte(strconv.Itoa(n+1)), 0o644)
}

func TestLockInMissingFolder(t *testing.T) {
	if _, err := Lock(context.Background(), filepath.Join(t.TempDir(), "a", "lock"), LockOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNoteIsMadeFitForMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	write(t, path+".holder", "a\x1b[2J\nb\xff")
	if got := readNote(path); got != "a[2Jb" {
		t.Errorf("got %q", got)
	}
}

// Shared holders keep out only an exclusive one, and it them.
func TestSharedLock(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "lock")
	shared := LockOptions{Shared: true, NoWait: true, Note: "never seen"}
	alone := LockOptions{NoWait: true, Note: "alone"}
	first, err := Lock(ctx, path, shared)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Lock(ctx, path, shared)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	for _, unlock := range []func() error{first, second} {
		if _, err := Lock(ctx, path, alone); !errors.As(err, &locked) || locked.Holder != "" {
			t.Errorf("%v", err)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
	unlock, err := Lock(ctx, path, alone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(ctx, path, shared); !errors.As(err, &locked) || locked.Holder != "alone" {
		t.Errorf("%v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
