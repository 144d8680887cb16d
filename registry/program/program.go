// Package program starts loadr-registry, the program that writes the directory registry and serves it to others.
//
// The registry server lives in a program of its own because the package manager starts many times a day and the server
// seldom: what it links would be initialised by every command (docs/rationale.md has the figures). This package knows how
// the two talk, and nothing of what is stored.
package program

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/loadr-plugins/loadr/internal/buildinfo"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/directory"
)

// Options say what the program serves. They are its command line.
type Options struct {
	Program string // path of loadr-registry; empty: beside this executable. It is never looked for on PATH
	Root    string // of the directory registry
	Addr    string // host:port to serve on; empty: only this process is served, by a private socket
	// AuthFile says who may read and write over the network, in olareg's form; needed for writing on an address that is
	// not loopback. Empty: none.
	AuthFile string
	Note     string // what others are told about the process that holds the registry
}

// Hello is the one line that the program writes to standard output, once it answers requests or can't.
type Hello struct {
	Build     string               `json:"build"` // as buildinfo.Build gives it
	Socket    string               `json:"socket,omitempty"`
	Addr      string               `json:"addr,omitempty"`
	Access    directory.Access     `json:"access,omitempty"`
	TokenFile string               `json:"token_file,omitempty"`
	Busy      *directory.BusyError `json:"busy,omitempty"`
	Error     string               `json:"error,omitempty"`
}

// Error says that the program could not be started, or what it said against serving.
type Error struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
	missing bool
}

func (e *Error) Error() string { return fmt.Sprintf("registry program %s: %s", e.Path, e.Problem) }

// Hint says what to do about a program that is not there.
func (e *Error) Hint() string {
	if !e.missing {
		return ""
	}
	return "loadr and loadr-registry must lie in one folder and come from the same release; install both again"
}

// Writer starts the program for one command that writes; it is what registry.Options.Writer wants.
func Writer(ctx context.Context, root, note string) (registry.Writer, error) {
	p, err := Start(ctx, Options{Root: root, Note: note})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Process is a running loadr-registry. It ends with Close, or with this process, however that ends: the program serves as
// long as its standard input is open.
type Process struct {
	Hello Hello
	cmd   *exec.Cmd
	input io.Closer
}

// Start runs the program until it answers requests. ctx bounds the start alone. The error is a *directory.BusyError when
// another process is writing the registry, else an *Error or ctx's.
func Start(ctx context.Context, o Options) (*Process, error) {
	path, err := find(o.Program)
	if err != nil {
		return nil, err
	}
	var words strings.Builder
	cmd := exec.Command(path, "--root", o.Root, "--addr", o.Addr, "--auth-file", o.AuthFile, "--note", o.Note)
	cmd.Stderr = &words
	detach(cmd) // an interrupt is for this process to handle; the program ends when its input does
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, &Error{path, err.Error(), false}
	}
	p := &Process{cmd: cmd, input: input}
	if err := p.greet(ctx, path, output); err != nil {
		closeErr := p.Close()
		if words.Len() > 0 && closeErr != nil {
			err = &Error{path, strings.TrimSpace(words.String()), false}
		}
		return nil, err
	}
	return p, nil
}

// greet waits for the program's line.
func (p *Process) greet(ctx context.Context, path string, output io.Reader) error {
	line := make(chan error, 1)
	go func() {
		text, err := bufio.NewReader(output).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, &p.Hello)
		}
		line <- err
	}()
	select {
	case err := <-line:
		return p.judge(path, err)
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-line
		return ctx.Err()
	}
}

func (p *Process) judge(path string, err error) error {
	switch {
	case err != nil:
		return &Error{path, "expected a line that says where it listens, found none", true}
	case p.Hello.Build != buildinfo.Build():
		return &Error{path, fmt.Sprintf("expected build %q, found %q", buildinfo.Build(), p.Hello.Build), true}
	case p.Hello.Busy != nil:
		return p.Hello.Busy
	case p.Hello.Error != "":
		return &Error{path, p.Hello.Error, false}
	}
	return nil
}

// DialContext connects to the program, whatever the address.
func (p *Process) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", p.Hello.Socket)
}

// Close lets the program finish the requests in flight, and waits for its end.
func (p *Process) Close() error {
	_ = p.input.Close()
	return p.cmd.Wait()
}

// Wait returns when ctx ends or the program has ended by itself, which is an error.
func (p *Process) Wait(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		return errors.Join(&Error{p.cmd.Path, "it has ended", false}, err)
	case <-ctx.Done():
		_ = p.input.Close()
		return <-ended
	}
}

// find gives the absolute path of the program, once it is known to be there.
func find(path string) (string, error) {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", &Error{"loadr-registry", "can't tell where this program lies: " + err.Error(), true}
		}
		path = filepath.Join(filepath.Dir(self), "loadr-registry")
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
	}
	if _, err := os.Stat(path); err != nil {
		return "", &Error{path, "not found", true}
	}
	return path, nil
}
