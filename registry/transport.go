package registry

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// guarded is the way to remote registries for one request: refused without TLS, and ended when it falls silent.
func guarded(o Options, idle time.Duration, plain func(host string) bool) http.RoundTripper {
	return &plainGuard{&stallGuard{o.Transport, idle}, plain}
}

// defaultTransport keeps many connections to one host: a sync fetches dozens of blobs from the same registry, and
// Go's default keeps two.
func defaultTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        128,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 15 * time.Second,
		// Content is verified as it travels; a transparent decompression would change it.
		DisableCompression: true,
	}
}

// isLoopbackHost says whether host, with or without a port, is this machine.
func isLoopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = trimBrackets(host)
	}
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// plainGuard refuses requests without TLS to hosts that are not listed for it, also when a redirect leads there.
type plainGuard struct {
	next  http.RoundTripper
	allow func(host string) bool
}

func (g *plainGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.allow(r.URL.Host) {
		return nil, errPlain
	}
	return g.next.RoundTrip(r)
}

var errPlain = errors.New("unencrypted http is allowed for loopback and for hosts that the configuration lists under plain-http only")
