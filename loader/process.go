package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/loader/worker"
)

// Process is a plugin's library in a worker process. It implements plugin.Library for many goroutines at once. When the
// worker ends by itself, calls in flight and later ones of all objects fail with *plugin.CrashError.
type Process struct {
	client  *worker.Client
	name    string
	grace   time.Duration
	tempDir string // holds the private copy of the library

	cmd      *exec.Cmd
	words    *lastWords
	requests *os.File // to the worker
	replies  *os.File // from the worker
	exited   chan struct{}
	killOnce sync.Once
	endOnce  func() error
}

// Info implements plugin.Library.
func (p *Process) Info() plugin.Info { return p.client.Info() }

// Parts implements plugin.Library.
func (p *Process) Parts() plugin.Parts { return p.client.Parts() }

// Protocol implements plugin.Library.
func (p *Process) Protocol(ctx context.Context) (plugin.Protocol, error) {
	return p.client.Protocol(ctx)
}

// Output implements plugin.Library. Up to 16 calls of one output may be on their way; they are carried out in the order in
// which they were sent, also those whose caller has stopped waiting.
func (p *Process) Output(ctx context.Context) (plugin.Output, error) { return p.client.Output(ctx) }

// Service implements plugin.Library, as Output does.
func (p *Process) Service(ctx context.Context) (plugin.Service, error) { return p.client.Service(ctx) }

// Close implements plugin.Library. The worker drops what objects it can within half a second and ends by itself, which a
// hung plugin does not prevent; it is killed after the grace period. Close returns when it is gone.
func (p *Process) Close() error {
	_ = p.client.Close() // it has no errors
	return p.end()
}

// Kill ends the worker at once; calls in flight and later ones fail with *plugin.ClosedError. Close is still to be called.
func (p *Process) Kill() {
	_ = p.client.Close()
	p.kill()
}

// Done is closed when the plugin can no longer be called, because the worker has ended or was closed; Err then says why.
func (p *Process) Done() <-chan struct{} { return p.client.Done() }

// Err gives what calls fail with once Done is closed: *plugin.CrashError or *plugin.ClosedError. It is nil before.
func (p *Process) Err() error { return p.client.Err() }

// Pid gives the worker's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// LastWords gives the end of what the plugin has written to standard output and standard error so far.
func (p *Process) LastWords() string { return p.words.String() }

// launch starts the worker program with two pipes of its own beside the standard streams.
func launch(o StartOptions) (_ *Process, err error) {
	p := &Process{name: o.Name, grace: o.Grace, words: &lastWords{next: o.Stderr}, exited: make(chan struct{})}
	p.endOnce = sync.OnceValue(p.stop)
	if p.tempDir, err = os.MkdirTemp("", "loadr-worker-"); err != nil {
		return nil, err
	}
	if err := p.launch(o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.tempDir))
	}
	return p, nil
}

func (p *Process) launch(o StartOptions) (err error) {
	theirRequests, ourRequests, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirRequests.Close()
	ourReplies, theirReplies, err := os.Pipe()
	if err != nil {
		return errors.Join(err, ourRequests.Close())
	}
	defer theirReplies.Close()
	if err := p.command(o, theirRequests, theirReplies); err != nil {
		return errors.Join(err, ourRequests.Close(), ourReplies.Close())
	}
	p.requests, p.replies = ourRequests, ourReplies
	if err := p.run(); err != nil {
		err = plugin.NewWorkerError(o.Worker, "cannot start: "+err.Error(), err)
		return errors.Join(err, ourRequests.Close(), ourReplies.Close())
	}
	return nil
}

// command says how the worker is started. The plugin's standard output goes where its standard error goes, and it has no
// standard input.
func (p *Process) command(o StartOptions, requests, replies *os.File) error {
	p.cmd = &exec.Cmd{
		Path: o.Worker, Env: o.Env, Dir: o.Dir, SysProcAttr: processAttributes(),
		Stdout: p.words, Stderr: p.words,
		// A process that the plugin left behind may hold the standard streams open.
		WaitDelay: DefaultGrace,
	}
	descriptors, err := inherit(p.cmd, requests, replies)
	p.cmd.Args = append([]string{o.Worker}, descriptors...)
	return err
}

// run starts the worker and waits for its end in the background, both on one thread that lives as long as the worker:
// Linux takes the end of the thread that started a process for the end of its parent (PR_SET_PDEATHSIG).
func (p *Process) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.exited)
		// What the worker sent before it ended is still read. The end of the pipe comes after it, unless a process that
		// the plugin left behind holds it open: then this ends the reading.
		_ = p.replies.SetReadDeadline(time.Now().Add(DefaultGrace))
	}()
	return <-started
}

// kill ends the worker's process now, with those that it started where the system can.
func (p *Process) kill() {
	p.killOnce.Do(func() {
		select {
		case <-p.exited:
		default:
			killTree(p.cmd.Process)
		}
	})
}

// end stops the worker; the second call gives the first one's result.
func (p *Process) end() error { return p.endOnce() }

func (p *Process) stop() error {
	_ = p.requests.Close() // the end of the requests is what ends the worker
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		p.kill()
		<-p.exited
	}
	_ = p.replies.Close()
	if err := os.RemoveAll(p.tempDir); err != nil {
		return fmt.Errorf("plugin %q: private copy: %w", p.name, err)
	}
	return nil
}

// fate says what became of a worker that stopped sending. One that still lives after that has lost its way and is killed.
func (p *Process) fate(cause error) error {
	if isConversation(cause) {
		p.kill()
		return cause
	}
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		p.kill()
		<-p.exited
	}
	crash := &plugin.CrashError{Plugin: p.name, LastWords: p.words.String()}
	crash.Signal, crash.ExitCode = ending(p.cmd.ProcessState)
	return crash
}
