package server

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
)

// NewReader serves the directory root for reading. It takes no lock, writes nothing, and sees what other processes
// publish meanwhile. The directory need not exist. The handler is safe for concurrent use and holds no resources that
// would have to be released.
func NewReader(root string) http.Handler {
	return &reader{layouts: layouts{root: root}, servers: map[string]readServer{}}
}

// reader has one olareg per repository and replaces it when index.json has changed: olareg itself looks only once a
// second, which is long enough to miss what was just published.
type reader struct {
	layouts layouts
	mu      sync.Mutex
	servers map[string]readServer
}

type readServer struct {
	state   *layout
	handler http.Handler
}

func (h *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, q := parse(r)
	if !isRead(r) {
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is open for reading only")
		return
	}
	if q.repo == "" {
		h.server("", nil).ServeHTTP(w, r)
		return
	}
	if state, ok := found(w, &h.layouts, q.repo); ok {
		serveExisting(w, r, q, h.server(q.repo, state))
	}
}

// found answers for repositories that do not exist or cannot be read.
func found(w http.ResponseWriter, l *layouts, repo string) (*layout, bool) {
	state, err := l.get(repo)
	switch {
	case errors.Is(err, errAbsent):
		unknown(w, repo)
	case err != nil:
		refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
	}
	return state, err == nil
}

func (h *reader) server(repo string, state *layout) http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, ok := h.servers[repo]; ok && known.state == state {
		return known.handler
	}
	fresh := readServer{state, olareg.New(storage(h.layouts.root, true, nil))}
	h.servers[repo] = fresh
	return fresh.handler
}

// storage configures olareg. A negative grace period switches its caches' timers off: they would outlive the lock.
func storage(root string, readOnly bool, log *slog.Logger) config.Config {
	yes := true
	c := config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreDir, RootDir: root, ReadOnly: &readOnly, GC: config.ConfigGC{Frequency: -1, GracePeriod: -1}},
		API:     config.ConfigAPI{DeleteEnabled: &yes, Manifest: config.ConfigAPIManifest{Limit: maxManifest}},
		Log:     log,
	}
	if !readOnly {
		c.Storage.GC.GracePeriod = uploadGrace
	}
	return c
}
