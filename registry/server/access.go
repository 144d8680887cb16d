package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/olareg/olareg/config"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/registry/directory"
)

// guard decides over requests that came through the network. Those through the socket have been decided over by the
// file system.
type guard struct {
	access directory.Access
	token  string
	file   config.AuthHandler
	next   http.Handler
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch g.access {
	case directory.ByFile:
		g.byFile(w, r)
	case directory.ByToken:
		g.byToken(w, r)
	default:
		g.refuseWrites(w, r)
	}
}

// byToken also challenges the ping of the API's root, which clients send to see whether credentials are good: without
// that, a login could not tell a wrong token from a right one.
func (g *guard) byToken(w http.ResponseWriter, r *http.Request) {
	clean, _ := directory.Parse(r)
	if directory.IsRead(r) && clean.URL.Path != "/v2" {
		g.next.ServeHTTP(w, r)
		return
	}
	_, secret, _ := r.BasicAuth()
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		secret = bearer
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(g.token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="loadr registry"`)
		directory.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "writing needs the token of this registry")
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g *guard) refuseWrites(w http.ResponseWriter, r *http.Request) {
	if !directory.IsRead(r) {
		directory.Refuse(w, http.StatusForbidden, "DENIED",
			"this registry listens on an address that is not loopback and has no authentication configured: it is open for reading only")
		return
	}
	g.next.ServeHTTP(w, r)
}

// byFile lets olareg's authentication decide. A mount reads from another repository, which that would not look at.
func (g *guard) byFile(w http.ResponseWriter, r *http.Request) {
	r, q := directory.Parse(r)
	query := r.URL.Query()
	query.Del("mount")
	query.Del("from")
	r.URL.RawQuery = query.Encode()
	g.file(q.Repo, accessOf(r), g.next).ServeHTTP(w, r)
}

func accessOf(r *http.Request) config.AuthAccess {
	switch {
	case directory.IsRead(r):
		return config.AuthRead
	case r.Method == http.MethodDelete:
		return config.AuthDelete
	}
	return config.AuthWrite
}

// authFile reads olareg's authentication file. olareg takes a file that it cannot read for one that allows nothing, and
// only logs why; so it is asked once, here, and what it logs is the error.
func authFile(path string, log *slog.Logger) (config.AuthHandler, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	var complaints bytes.Buffer
	trial := config.NewAuthBasicFile(path, config.WithAuthSlog(slog.New(slog.NewTextHandler(&complaints, nil))))
	trial.Handler("", config.AuthRead, http.NotFoundHandler()).ServeHTTP(&heldResponse{header: http.Header{}}, &http.Request{Method: http.MethodGet})
	if complaints.Len() > 0 {
		return nil, fmt.Errorf("authentication file %s: %s", path, strings.TrimSpace(complaints.String()))
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return config.NewAuthBasicFile(path, config.WithAuthSlog(log)).Handler, nil
}

// TokenFile is where the write token of the registry in root lies, readable by its owner only.
func TokenFile(root string) string { return filepath.Join(root, directory.StateDir, "token") }

// token reads the write token, and makes it at the first start.
func token(root string) (string, error) {
	text, err := os.ReadFile(TokenFile(root))
	if errors.Is(err, fs.ErrNotExist) {
		var b [32]byte
		_, _ = io.ReadFull(rand.Reader, b[:]) // never fails: crypto/rand ends the program instead
		text = []byte(hex.EncodeToString(b[:]) + "\n")
		err = fsx.WriteFile(TokenFile(root), text, 0o600)
	}
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < 32 {
		return "", fmt.Errorf("token file %s: expected at least 32 characters; remove it to have a new one made", TokenFile(root))
	}
	return secret, nil
}

// isLoopback says whether nobody outside this machine can reach the listener.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// listen opens the network address.
func listen(ctx context.Context, address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}
