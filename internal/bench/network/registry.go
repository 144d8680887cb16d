//go:build unix

package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// distant is a registry far away.
type distant struct {
	http                  *httptest.Server
	delay                 time.Duration
	requests, connections atomic.Int64
}

type freshKey struct{}

func newDistant(root string, delay time.Duration) *distant {
	d := &distant{delay: delay}
	next := directory.NewReader(root)
	d.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.requests.Add(1)
		time.Sleep(d.delay)
		if r.Context().Value(freshKey{}).(*atomic.Bool).CompareAndSwap(true, false) {
			d.connections.Add(1)
			time.Sleep(d.delay)
		}
		next.ServeHTTP(w, r)
	}))
	d.http.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		fresh := &atomic.Bool{}
		fresh.Store(true)
		return context.WithValue(ctx, freshKey{}, fresh)
	}
	d.http.Start()
	return d
}

func (d *distant) host() string { return strings.TrimPrefix(d.http.URL, "http://") }
