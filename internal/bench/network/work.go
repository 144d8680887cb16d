//go:build unix

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// bench is everything that a comparison needs, in one temporary folder.
type bench struct {
	options
	dir   string
	names []string
	far   *distant
}

// turn is what one turn cost.
type turn struct {
	wall                  time.Duration
	requests, connections int64
	peak                  int64 // bytes of memory of the largest process
}

// prepare publishes the plugins into a folder and serves it.
func prepare(o options, dir string) (*bench, error) {
	b := &bench{options: o, dir: dir}
	for i := range o.plugins {
		b.names = append(b.names, fmt.Sprintf("bench-%04d", i))
	}
	for _, name := range b.names {
		if err := b.publish(name, o.size); err != nil {
			return nil, err
		}
	}
	if o.big > 0 {
		if err := b.publish(bigName, o.big); err != nil {
			return nil, err
		}
	}
	b.far = newDistant(b.path("registry"), o.delay)
	return b, nil
}

func (b *bench) path(elem ...string) string {
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

const (
	builtName = "bench-echo" // what the built library says it is
	bigName   = "bench-huge" // as long
)

// publish makes a plugin of the built library: under another name, and with noise behind it, which is nothing to whoever
// loads it.
func (b *bench) publish(name string, size int) error {
	const form = "[plugin]\nname = %q\nversion = \"0.1.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"libecho.so\"\n" +
		"description = \"Made for a benchmark\"\nlicense = \"Apache-2.0\"\nschemes = [\"echo\"]\n"
	folder := b.path("source")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	library, err := os.ReadFile(filepath.Join(b.parts, "libc_echo.so"))
	if err != nil {
		return err
	}
	library = bytes.ReplaceAll(library, []byte(builtName), []byte(name))
	if err := os.WriteFile(filepath.Join(folder, "plugin.toml"), fmt.Appendf(nil, form, name), 0o644); err != nil {
		return err
	}
	if err := writeNoisy(filepath.Join(folder, "libecho.so"), library, size); err != nil {
		return err
	}
	return b.run(b.loadr("plugin", "publish", folder))
}

// writeNoisy streams: the system counts what this process had in memory to those that it starts.
func writeNoisy(path string, head []byte, size int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, int64(max(size-len(head), 0)))
	return err
}

// loadr is a command in a home and a project of the benchmark's own.
func (b *bench) loadr(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.parts, "loadr"), args...)
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_CONFIG_HOME="+b.path("config"), "LOADR_REGISTRY_DIR="+b.path("registry"),
		"LOADR_CACHE_DIR="+b.path("cache"), "LOADR_REGISTRY=", "LOADR_CONFIG=", "LOADR_PLUGINS_DIR=")
	cmd.Dir = b.path("project")
	if err := os.MkdirAll(cmd.Dir, 0o755); err != nil {
		cmd.Err = err
	}
	return cmd
}

func (b *bench) run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// measure runs commands, several at once, and counts.
func (b *bench) measure(cmds ...*exec.Cmd) (turn, error) {
	requests, connections := b.far.requests.Load(), b.far.connections.Load()
	var all errgroup.Group
	all.SetLimit(b.atOnce)
	start := time.Now()
	for _, cmd := range cmds {
		all.Go(func() error { return b.run(cmd) })
	}
	if err := all.Wait(); err != nil {
		return turn{}, err
	}
	t := turn{wall: time.Since(start), requests: b.far.requests.Load() - requests, connections: b.far.connections.Load() - connections}
	for _, cmd := range cmds {
		t.peak = max(t.peak, peak(cmd))
	}
	return t, nil
}

// peak is the most memory that a process has had; Linux counts it in KiB, macOS in bytes.
func peak(cmd *exec.Cmd) int64 {
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if _, err := os.Stat("/proc/self"); err == nil {
		return int64(usage.Maxrss) << 10
	}
	return int64(usage.Maxrss)
}

// clean removes what programs wrote, so that the next turn is a cold one.
func (b *bench) clean(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(b.path(name)); err != nil {
			return err
		}
	}
	syscall.Sync() // what others wrote is not this turn's to wait for
	return nil
}

// onePass is the least that anybody must do with a download: hash it on its way and make it durable.
func onePass(url, path string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(f, h), resp.Body, make([]byte, 256<<10)); err != nil {
		return err
	}
	return f.Sync()
}
