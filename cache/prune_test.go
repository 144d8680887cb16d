package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// put fetches a blob.
func put(t testing.TB, c *Cache, text string) Blob {
	t.Helper()
	b := blobOf([]byte(text))
	if _, _, err := c.Get(context.Background(), b, give([]byte(text))); err != nil {
		t.Fatal(err)
	}
	return b
}

// keep records a user whose folder is dir/plugins in dir.
func keep(t testing.TB, c *Cache, dir string, blobs ...Blob) {
	t.Helper()
	u := User{Dir: filepath.Join(dir, "plugins"), Path: dir, Blobs: map[digest.Digest]string{}}
	for i, b := range blobs {
		u.Blobs[b.Digest] = fmt.Sprint("part ", i)
	}
	if err := c.Keep(u); err != nil {
		t.Fatal(err)
	}
}

func mustPrune(t testing.TB, c *Cache, o PruneOptions) *Pruned {
	t.Helper()
	p, err := c.Prune(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func digests(blobs []Blob) (out []digest.Digest) {
	for _, b := range blobs {
		out = append(out, b.Digest)
	}
	return out
}

func TestPrune(t *testing.T) {
	c, project, other := Open(t.TempDir()), t.TempDir(), t.TempDir()
	a, b, both, none := put(t, c, "a"), put(t, c, "bb"), put(t, c, "of both"), put(t, c, "of none")
	keep(t, c, project, a, both, blobOf([]byte("never fetched")))
	keep(t, c, other, b, both)
	// What is not ours stays.
	for _, name := range []string{"README", "abc", none.Digest.Encoded() + "x"} {
		if err := os.WriteFile(filepath.Join(c.blobs(), name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.List()
	if err != nil || len(list) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, l := range list {
		want := map[Blob]int{a: 1, b: 1, both: 2, none: 0}[l.Blob]
		if len(l.UsedBy) != want || l.What == nil {
			t.Errorf("%+v", l)
		}
	}
	before := files(t, c.Dir())
	dry := mustPrune(t, c, PruneOptions{DryRun: true})
	if got := strings.ReplaceAll(files(t, c.Dir()), " use.lock", ""); got != before {
		t.Errorf("a dry run left %s of %s", got, before)
	}
	p := mustPrune(t, c, PruneOptions{})
	for _, p := range []*Pruned{dry, p} {
		if !slices.Equal(p.Removed, []Blob{none}) || p.Freed != 7 || p.Kept != 3 || p.KeptSize != 1+2+7 || len(p.Forgotten)+len(p.Unreachable) != 0 {
			t.Errorf("%+v", p)
		}
	}
	if c.Has(none) || !c.Has(a) || !c.Has(b) || !c.Has(both) {
		t.Error("not the right blobs")
	}
	for _, name := range []string{"README", "abc", none.Digest.Encoded() + "x"} {
		if _, err := os.Stat(filepath.Join(c.blobs(), name)); err != nil {
			t.Error(err)
		}
	}

	// A user's later record replaces the one before, and one that is gone is forgotten.
	keep(t, c, project, both)
	if err := os.RemoveAll(other); err != nil {
		t.Fatal(err)
	}
	p = mustPrune(t, c, PruneOptions{})
	if got := digests(p.Removed); len(got) != 2 || !c.Has(both) || !slices.Equal(p.Forgotten, []string{filepath.Join(other, "plugins")}) {
		t.Errorf("%+v", p)
	}
	if users, err := c.Users(); err != nil || len(users) != 1 || users[0].Presence != Present {
		t.Errorf("%+v, %v", users, err)
	}
}

// A cache that nobody made yet is as good as an empty one, and none is made.
func TestPruneOfNothing(t *testing.T) {
	c := Open(filepath.Join(t.TempDir(), "none"))
	if p := mustPrune(t, c, PruneOptions{}); p.Removed == nil || len(p.Removed) != 0 {
		t.Errorf("%+v", p)
	}
	if list, err := c.List(); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := c.VerifyAll(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.Dir()); err == nil {
		t.Error("a cache was made")
	}
}

// rewrite changes a user's record.
func rewrite(t *testing.T, c *Cache, dir string, edit func(*userJSON)) {
	t.Helper()
	path := c.userPath(filepath.Join(dir, "plugins"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r userJSON
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	edit(&r)
	text, _ = json.Marshal(r)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A project whose disk is not mounted is not gone: what it needs stays until --all.
func TestPruneUnreachable(t *testing.T) {
	c, stick := Open(t.TempDir()), t.TempDir()
	project := filepath.Join(stick, "project")
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	b := put(t, c, "blob")
	keep(t, c, project, b)
	if err := os.Remove(project); err != nil {
		t.Fatal(err)
	}
	for _, mount := range []string{stick, filepath.Join(stick, "not even there")} { // no file system begins there
		rewrite(t, c, project, func(r *userJSON) { r.Mount = mount })
		p := mustPrune(t, c, PruneOptions{})
		if len(p.Removed) != 0 || len(p.Forgotten) != 0 || len(p.Unreachable) != 1 || !c.Has(b) {
			t.Errorf("%s: %+v", mount, p)
		}
	}
	if list, err := c.List(); err != nil || len(list[0].UsedBy) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if p := mustPrune(t, c, PruneOptions{All: true, DryRun: true}); len(p.Removed) != 1 || !c.Has(b) {
		t.Errorf("%+v", p)
	}
	p := mustPrune(t, c, PruneOptions{All: true})
	if len(p.Removed) != 1 || len(p.Forgotten) != 1 || c.Has(b) {
		t.Errorf("%+v", p)
	}
	if users, err := c.Users(); err != nil || len(users) != 0 {
		t.Errorf("%v, %v", users, err)
	}
}

func TestPruneForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may look anywhere")
	}
	c, dir := Open(t.TempDir()), t.TempDir()
	project := filepath.Join(dir, "project")
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	keep(t, c, project, put(t, c, "blob"))
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if p := mustPrune(t, c, PruneOptions{}); len(p.Unreachable) != 1 || len(p.Removed) != 0 {
		t.Errorf("%+v", p)
	}
}

// A record that can't be understood might name anything: nothing is removed.
func TestPruneDamagedRecord(t *testing.T) {
	c, project := Open(t.TempDir()), t.TempDir()
	b := put(t, c, "blob")
	keep(t, c, project)
	path := c.userPath(filepath.Join(project, "plugins"))
	for _, text := range []string{"", "{", `{"format":2}`, `{"format":1,"dir":"x","path":"/","mount":"/"}`,
		`{"format":1,"dir":"/","path":"/","mount":"/","blobs":{"sha256:../../x":""}}`} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var damaged *RecordError
		if _, err := c.Prune(t.Context(), PruneOptions{All: true}); !errors.As(err, &damaged) || damaged.Path != path || damaged.Hint() == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if !c.Has(b) {
		t.Error("pruned all the same")
	}
}

func TestVerifyAll(t *testing.T) {
	c := Open(t.TempDir())
	good, bad, short := put(t, c, "good"), put(t, c, "bad"), put(t, c, "short")
	if found, err := c.VerifyAll(t.Context()); err != nil || found.Blobs != 3 || found.Size != 4+3+5 || len(found.Corrupt) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	for b, text := range map[Blob]string{bad: "dab", short: ""} {
		os.Chmod(c.Path(b.Digest), 0o644)
		if err := os.WriteFile(c.Path(b.Digest), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.VerifyAll(t.Context())
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || len(found.Corrupt) != 2 || len(corrupt.Blobs) != 2 || found.Blobs != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, b := range found.Corrupt {
		if text := map[digest.Digest]string{bad.Digest: "dab", short.Digest: ""}[b.Digest]; b.Found != digest.FromString(text) {
			t.Errorf("%+v", b)
		}
	}
	wantOnly(t, c, good)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.VerifyAll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Whoever uses the cache keeps prune away, and is kept away by it.
func TestPruneWaitsForUsers(t *testing.T) {
	c := Open(t.TempDir())
	b := put(t, c, "blob")
	releases := []func() error{}
	for range 2 {
		release, err := c.Use(t.Context(), UseOptions{NoWait: true})
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	var busy *BusyError
	if _, err := c.Prune(t.Context(), PruneOptions{UseOptions: UseOptions{NoWait: true}}); !errors.As(err, &busy) || !c.Has(b) {
		t.Fatalf("%v", err)
	}
	waiting := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := c.Prune(context.Background(), PruneOptions{UseOptions: UseOptions{Waiting: func(string) { close(waiting) }}})
		done <- err
	}()
	<-waiting
	for _, release := range releases {
		if !c.Has(b) {
			t.Error("pruned in use")
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil || c.Has(b) {
		t.Errorf("%v", err)
	}
	alone, err := c.useAlone(t.Context(), UseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Use(t.Context(), UseOptions{NoWait: true}); !errors.As(err, &busy) || !strings.Contains(busy.Holder, fmt.Sprint(os.Getpid())) {
		t.Errorf("%v", err)
	}
	if err := alone(); err != nil {
		t.Error(err)
	}
}

// A cache in which no lock can be made is used without.
func TestUseOfAReadOnlyCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := Open(filepath.Join(file, "cache"))
	release, err := c.Use(t.Context(), UseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := c.Keep(User{Dir: "/", Path: "/"}); !errors.As(err, new(*WriteError)) {
		t.Errorf("%v", err)
	}
}

// user is a child that installs again and again: it records what it needs, fetches it, and must find it until it lets go.
func user(c *Cache, name string) error {
	dir := filepath.Join(c.Dir(), "..", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range 25 {
		if err := useOnce(c, dir, fmt.Sprintf("%s %d", name, i)); err != nil {
			return fmt.Errorf("%s %d: %w", name, i, err)
		}
	}
	return nil
}

func useOnce(c *Cache, dir, text string) error {
	ctx := context.Background()
	release, err := c.Use(ctx, UseOptions{})
	if err != nil {
		return err
	}
	defer release()
	b := blobOf([]byte(text))
	if _, _, err := c.Get(ctx, b, give([]byte(text))); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	if _, err := c.Verified(ctx, b); err != nil {
		return err
	}
	return c.Keep(User{Dir: dir, Path: dir, Blobs: map[digest.Digest]string{b.Digest: text, digest.FromBytes(shared): "shared"}})
}

// Processes that prune without pause take nothing from those that install, and leave what these need in the end.
func TestPruneBesideUsers(t *testing.T) {
	root := t.TempDir()
	c := Open(filepath.Join(root, "cache"))
	names := []string{"one", "two", "three", "four"}
	var children []*exec.Cmd
	outs := map[*exec.Cmd]*strings.Builder{}
	for i, role := range []string{"use", "use", "use", "use", "prune", "prune"} {
		cmd := command(role, c.Dir())
		if role == "use" {
			cmd.Env = append(cmd.Env, nameVariable+"="+names[i])
		}
		outs[cmd] = &strings.Builder{}
		cmd.Stdout, cmd.Stderr = outs[cmd], outs[cmd]
		if role == "prune" {
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	for i, cmd := range children {
		if i >= len(names) { // those that prune do so until they are told to end
			cmd.Process.Kill()
			cmd.Wait()
		} else if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, outs[cmd])
		}
	}
	p := mustPrune(t, c, PruneOptions{})
	if p.Kept != len(names) || len(p.Forgotten) != 0 {
		t.Errorf("%+v", p)
	}
	var want []Blob
	for _, name := range names {
		want = append(want, blobOf([]byte(name+" 24")))
	}
	for _, b := range want {
		if _, err := c.Verified(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	if left := files(t, c.Dir()); strings.Contains(left, ".tmp") {
		t.Errorf("left %s", left)
	}
}

func pruneForever(c *Cache) error {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the parent has ended
	}()
	for {
		if _, err := c.Prune(context.Background(), PruneOptions{}); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func FuzzUser(f *testing.F) {
	f.Add([]byte(`{"format":1,"dir":"/p","path":"/p","mount":"/","blobs":{"` + digest.FromString("x").String() + `":"x 1.0.0"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, mount, err := parseUser(text)
		if err != nil {
			return
		}
		if !filepath.IsAbs(u.Dir) || !filepath.IsAbs(u.Path) || !filepath.IsAbs(mount) {
			t.Errorf("accepted %q, %q, %q", u.Dir, u.Path, mount)
		}
		for d := range u.Blobs {
			if (&Cache{root: "/"}).Path(d) == "" {
				t.Errorf("accepted %q", d)
			}
		}
	})
}
