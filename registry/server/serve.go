package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry/directory"
)

const (
	socketFile = "serve.sock"
	// maxSocketPath is below what every system allows in a socket's address (104 bytes on macOS).
	maxSocketPath = 100
	shutdownGrace = 10 * time.Second
)

// Options say what Serve serves, and where.
type Options struct {
	Root     string
	Addr     string       // host:port; port 0 picks a free one; empty: only who started this is served, by a socket
	AuthFile string       // in olareg's form; who may read and write. Needed for writes on an address that is not loopback
	Log      *slog.Logger // of olareg and the HTTP server; nil for silence
	Note     string       // what others are told about this process while it holds the registry
	Ready    func(Status) // called once, when requests are answered; may be nil
}

// Status is what there is to say about a server that runs.
type Status struct {
	Addr      string // host:port; empty when there is none
	Socket    string // path of the unix socket
	Access    directory.Access
	TokenFile string // where the token for writing lies, when Access is directory.ByToken
}

// Serve serves the directory registry over HTTP, or with no address through a socket alone, until ctx ends, then lets requests in flight finish for up to ten
// seconds. Meanwhile it is the only writer of the directory; other commands of this user reach it by a socket. The error
// is a *directory.BusyError when another process is writing.
func Serve(ctx context.Context, o Options) (err error) {
	writer, err := OpenWriter(ctx, o.Root, WriterOptions{Note: o.Note, Log: o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	if o.Addr == "" {
		return servePrivately(ctx, o, writer)
	}
	if err := writer.SweepAll(ctx); err != nil {
		return err
	}
	network, err := listen(ctx, o.Addr)
	if err != nil {
		return err
	}
	defer network.Close()
	g, err := newGuard(o, network.Addr(), writer)
	if err != nil {
		return err
	}
	socket, remove, err := listenPublished(ctx, o.Root)
	if err != nil {
		return err
	}
	defer remove()
	status := Status{network.Addr().String(), socket.Addr().String(), g.access, tokenFile(o.Root, g.access)}
	return run(ctx, o, []serving{{network, g}, {socket, writer}}, status)
}

// servePrivately serves whoever is told where the socket is: the command that started this process in order to write.
// Other commands wait for the lock; they must not come to depend on a process that ends with somebody else's command.
func servePrivately(ctx context.Context, o Options, writer *Writer) error {
	dir, err := socketFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket, err := listenSocket(ctx, filepath.Join(dir, socketFile))
	if err != nil {
		return err
	}
	return run(ctx, o, []serving{{socket, writer}}, Status{Socket: socket.Addr().String(), Access: directory.Refused})
}

func newGuard(o Options, at net.Addr, next http.Handler) (*guard, error) {
	g := &guard{access: directory.Refused, next: next}
	var err error
	switch {
	case o.AuthFile != "":
		g.access = directory.ByFile
		g.file, err = authFile(o.AuthFile, o.Log)
	case isLoopback(at):
		g.access = directory.ByToken
		g.token, err = token(o.Root)
	}
	return g, err
}

func tokenFile(root string, access directory.Access) string {
	if access != directory.ByToken {
		return ""
	}
	return TokenFile(root)
}

// serving is one listener and who answers there.
type serving struct {
	listener net.Listener
	handler  http.Handler
}

// run serves on all listeners until ctx ends or one of them fails.
func run(ctx context.Context, o Options, on []serving, status Status) error {
	ended := make(chan error, len(on))
	var servers []*http.Server
	for _, s := range on {
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
		if o.Log != nil {
			server.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)
		}
		servers = append(servers, server)
		go func() { ended <- server.Serve(s.listener) }()
	}
	if o.Ready != nil {
		o.Ready(status)
	}
	var err error
	left := len(on)
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	shutdown(servers)
	for range left {
		<-ended
	}
	return err
}

func shutdown(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(ctx) != nil {
			// Out of time: what is cut off now was not acknowledged.
			_ = s.Close()
		}
	}
}

// listenPublished opens the socket for other commands of this user, and writes down where it is. Where the root's path is
// too long for a socket's address, the socket lies in a private folder among the temporary files.
func listenPublished(ctx context.Context, root string) (_ net.Listener, remove func(), err error) {
	dir, cleanup := filepath.Join(root, directory.StateDir), func() {}
	if len(filepath.Join(dir, socketFile)) > maxSocketPath {
		if dir, err = socketFolder(); err != nil {
			return nil, nil, err
		}
		cleanup = func() { os.RemoveAll(dir) }
	}
	path, err := filepath.Abs(filepath.Join(dir, socketFile))
	if err != nil {
		return nil, nil, err
	}
	// Left by a killed server; this one holds the lock.
	_ = os.Remove(path)
	socket, err := listenSocket(ctx, path)
	if err != nil {
		cleanup()
		return nil, nil, err
	}
	note := filepath.Join(root, directory.StateDir, directory.SocketPath)
	remove = func() { os.Remove(note); socket.Close(); cleanup() }
	if err := fsx.WriteFile(note, []byte(path), 0o600); err != nil {
		remove()
		return nil, nil, err
	}
	return socket, remove, nil
}

// socketFolder makes a private folder for a socket: among the temporary files or, where these lie so deep that a socket's
// address would be too long, in the system's own place for them.
func socketFolder() (string, error) {
	dir, err := os.MkdirTemp("", "loadr-")
	if err != nil || len(filepath.Join(dir, socketFile)) <= maxSocketPath {
		return dir, err
	}
	if short, err := os.MkdirTemp("/tmp", "loadr-"); err == nil {
		_ = os.Remove(dir)
		dir = short
	}
	return dir, nil
}

// listenSocket opens a socket in a folder that is closed to others, so nobody can connect before the mode is set.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket %s: the path has %d bytes, and %d are possible: set TMPDIR to a folder with a shorter path", path, len(path), maxSocketPath)
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket for other commands: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		socket.Close()
		return nil, err
	}
	return socket, nil
}
