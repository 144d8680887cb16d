package registry

import (
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

// newTransport is the way to remote registries: retries outside, and inside them one request that is refused without
// TLS and ended when it falls silent.
func newTransport(o Options, plain func(host string) bool) *retry.Transport {
	t := retry.NewTransport(&plainGuard{&stallGuard{o.Transport, o.Idle}, plain})
	t.Policy = func() retry.Policy { return retryPolicy }
	return t
}

// retryPolicy gives a registry about eight seconds to recover, and more when it says how much it needs.
var retryPolicy retry.Policy = &retry.GenericPolicy{
	Retryable: worthRetrying,
	Backoff:   retry.DefaultBackoff,
	MinWait:   200 * time.Millisecond,
	MaxWait:   30 * time.Second,
	MaxRetry:  5,
}

// worthRetrying is oras-go's rule without its retries of silent requests: those have waited long enough.
func worthRetrying(resp *http.Response, err error) (bool, error) {
	if err == nil {
		return retry.DefaultPredicate(resp, nil)
	}
	var dial *net.OpError
	isDialTimeout := errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout()
	if isDialTimeout || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true, nil
	}
	return false, err
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
