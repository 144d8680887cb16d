// Package download fetches files by HTTP from places that are no registries: archives, loadr's JSON index, GitHub's
// releases. It speaks https, and http with this machine alone; follows few redirects, and none out of https; and never
// takes more bytes, or waits longer in silence, than it was told. It keeps nothing and verifies nothing: who asks knows
// what the bytes must be.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Client fetches files. It is safe for concurrent use.
type Client struct {
	http *http.Client
	idle time.Duration
	// userAgent is what servers see.
	userAgent string
}

// Options configure a Client.
type Options struct {
	UserAgent string
	Transport http.RoundTripper // nil: the default, with proxies from the environment
	Idle      time.Duration     // silence after which a server has failed; 0: one minute
}

// maxRedirects is what a release page and a storage behind it need, and some.
const maxRedirects = 5

// New makes a client. It does no I/O.
func New(o Options) *Client {
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		// Bytes are verified as they travel; a transparent decompression would change them.
		t.DisableCompression = true
		o.Transport = t
	}
	c := &Client{idle: o.Idle, userAgent: o.UserAgent}
	c.http = &http.Client{Transport: o.Transport, CheckRedirect: checkRedirect}
	return c
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func checkRedirect(to *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case from.Scheme == "https" && to.URL.Scheme != "https":
		return fmt.Errorf("a redirect from https to %s", to.URL.Redacted())
	case isLoopback(to.URL) && !isLoopback(from):
		return fmt.Errorf("a redirect to this machine, %s", to.URL.Redacted())
	}
	return check(to.URL)
}

// check says whether a URL is spoken to at all.
func check(u *url.URL) error {
	if u.Scheme == "https" && u.Host != "" || u.Scheme == "http" && isLoopback(u) {
		return nil
	}
	return fmt.Errorf("%s: expected https; http is for this machine alone", u.Redacted())
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Get opens the file at a URL. size is its length in bytes, or -1 where the server does not say. Reading more than max
// bytes, or less than size, is an error. Errors, also those of reading: *NotFoundError where the server says that it has no
// such file, *TooLargeError, *Error, and ctx's own.
func (c *Client) Get(ctx context.Context, address string, max int64) (body io.ReadCloser, size int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watched{url: address, max: max, ctx: ctx, cancel: cancel, idle: c.idle}
	w.timer = time.AfterFunc(c.idle, func() { cancel(errSilent) })
	resp, err := c.do(ctx, address)
	if err == nil {
		err = judge(resp, address, max)
	}
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		w.stop()
		return nil, 0, w.blame(err)
	}
	w.body = resp.Body
	return w, resp.ContentLength, nil
}

func (c *Client) do(ctx context.Context, address string) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if err := check(u); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", c.userAgent)
	return c.http.Do(r)
}

func judge(resp *http.Response, address string, max int64) error {
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		return &NotFoundError{address}
	case resp.StatusCode != http.StatusOK:
		return &Error{URL: address, Status: resp.StatusCode, Cause: fmt.Errorf("the server answered %s", resp.Status)}
	case resp.ContentLength > max:
		return &TooLargeError{address, max}
	}
	return nil
}

var errSilent = errors.New("the server fell silent")

// watched is a body that ends with an error when it grows too long or falls silent.
type watched struct {
	url    string
	max    int64
	read   int64
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
	timer  *time.Timer
	body   io.ReadCloser
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	w.timer.Reset(w.idle)
	if w.read += int64(n); w.read > w.max {
		return 0, &TooLargeError{w.url, w.max}
	}
	if err != nil && err != io.EOF { // net/http reports a body shorter than its length
		err = w.blame(err)
	}
	return n, err
}

// blame gives an error its cause: the silence, or who asked, and not the connection that was closed for it.
func (w *watched) blame(err error) error {
	cause := context.Cause(w.ctx)
	switch {
	case cause == errSilent:
		return &Error{URL: w.url, Timeout: true, Cause: cause}
	case w.ctx.Err() != nil && cause != errStopped:
		return cause
	case errors.As(err, new(*NotFoundError)), errors.As(err, new(*TooLargeError)), errors.As(err, new(*Error)):
		return err
	}
	var wrapped *url.Error // repeats the URL, with a password if there is one
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &Error{URL: w.url, Cause: err}
}

var errStopped = errors.New("the reader was closed")

func (w *watched) stop() {
	w.timer.Stop()
	w.cancel(errStopped)
}

func (w *watched) Close() error {
	w.stop()
	return w.body.Close()
}
