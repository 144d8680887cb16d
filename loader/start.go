package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/internal/buildinfo"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/worker"
	"github.com/loadr-plugins/loadr/manifest"
)

// Defaults of StartOptions.
const (
	DefaultConcurrent = 1024
	DefaultMaxReply   = 64 << 20
	DefaultGrace      = time.Second
)

// StartOptions say what to start and how.
type StartOptions struct {
	// Worker is the path of the loadr-worker program; empty: beside this executable. It is never looked for on PATH.
	Worker string
	// Build is what the worker must answer in the handshake; empty: this program's own. A program that is not built from
	// this module sets it to what `loadr-worker --version` prints.
	Build string

	Path   string          // of the library
	Digest digest.Digest   // of the bytes that were verified; the worker opens no others; required
	Name   string          // the plugin's, for messages; empty: Entry
	Entry  string          // file name under which the library runs; empty: that of Path
	Family manifest.Family // the interface; empty: whichever the library exports

	Env    []string  // of the worker, KEY=VALUE; nil: this process's; empty: none
	Dir    string    // working directory of the worker; empty: this process's
	Stderr io.Writer // gets what the plugin writes to standard output and standard error; nil: only LastWords has it

	Concurrent int           // calls in flight at most; further ones wait; 0: DefaultConcurrent
	MaxReply   int           // bytes; 0: DefaultMaxReply; at most worker.MaxPayload
	Grace      time.Duration // how long Close lets the worker end by itself; 0: DefaultGrace
}

// Start opens a plugin's library in a worker process of its own. The process ends with Close, or with this process, however that
// ends.
//
// ctx bounds the start alone, in which the library's constructors run: when it ends, the worker is killed. The error is
// *plugin.WorkerError, *plugin.DigestError and the other errors of opening a library, *plugin.CrashError or
// *plugin.TimeoutError.
func Start(ctx context.Context, o StartOptions) (*Process, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := launch(o)
	if err != nil {
		return nil, err
	}
	p.client, err = worker.Connect(ctx, p.replies, p.requests, worker.ClientOptions{
		Build: o.Build, Open: o.openRequest(p.tempDir), Fate: p.fate,
	})
	if err != nil {
		p.kill()
		return nil, errors.Join(p.end(), o.explain(err, p.words.String()))
	}
	return p, nil
}

func (o StartOptions) withDefaults() (StartOptions, error) {
	if o.Entry == "" {
		o.Entry = filepath.Base(o.Path)
	}
	if o.Name == "" {
		o.Name = o.Entry
	}
	if o.Build == "" {
		o.Build = Build()
	}
	if o.Concurrent <= 0 {
		o.Concurrent = DefaultConcurrent
	}
	if o.MaxReply <= 0 {
		o.MaxReply = DefaultMaxReply
	}
	o.MaxReply = min(o.MaxReply, worker.MaxPayload)
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	var err error
	if o.Path, err = filepath.Abs(o.Path); err != nil { // the worker may have another working directory
		return o, fmt.Errorf("library %s: %w", o.Path, err)
	}
	o.Worker, err = workerPath(o.Worker)
	return o, err
}

// Build identifies this program's build, as loadr and loadr-worker compare it.
func Build() string { return buildinfo.Build() }

// workerPath gives the absolute path of the worker program, once it is known to be there.
func workerPath(path string) (string, error) {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", plugin.NewWorkerError("loadr-worker", "cannot tell where this program lies: "+err.Error(), err)
		}
		path = filepath.Join(filepath.Dir(self), "loadr-worker")
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", plugin.NewWorkerError(path, err.Error(), err)
	}
	if info, err := os.Stat(path); err != nil {
		return "", plugin.NewWorkerError(path, "not found", err)
	} else if info.IsDir() {
		return "", plugin.NewWorkerError(path, "expected a program, found a folder", nil)
	}
	return path, nil
}

func (o StartOptions) openRequest(tempDir string) worker.OpenRequest {
	return worker.OpenRequest{
		Path: o.Path, Digest: o.Digest, Name: o.Name, Entry: o.Entry, Family: o.Family,
		TempDir: tempDir, Concurrent: o.Concurrent, MaxReply: o.MaxReply,
	}
}

// explain gives an error of the conversation itself, which only another program than ours can cause, its public form.
func (o StartOptions) explain(err error, words string) error {
	if !isConversation(err) {
		return err
	}
	problem := err.Error()
	if words != "" {
		problem += "; it wrote: " + strings.TrimSpace(words)
	}
	return plugin.NewWorkerError(o.Worker, problem, err)
}

func isConversation(err error) bool {
	var hello *worker.HelloError
	var frame *worker.FrameError
	return errors.As(err, &hello) || errors.As(err, &frame)
}
