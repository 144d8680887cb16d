package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

const (
	maxRetries     = 5 // of a request that was answered, or broke off
	maxDialRetries = 2 // of one that found nobody
	// patience is how long one request may be put off, all its pauses together.
	patience = time.Minute
	// spread keeps requests that were sent away together from coming back at one moment.
	spread = 250 * time.Millisecond
)

// backoff gives a registry about eight seconds to recover.
var backoff = retry.ExponentialBackoff(250*time.Millisecond, 2, 0.3)

// retrying repeats requests that a registry could not answer, as far as that is safe. The loop is oras-go's; when to repeat
// and how long to wait is ours, because oras-go heeds Retry-After with 429 only, and without a limit.
type retrying struct {
	next   http.RoundTripper
	events Events
	haste  time.Duration // what pauses are divided by; 1 but in tests
}

func (r *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	t := retry.Transport{Base: r.next, Policy: func() retry.Policy { return &pauses{retrying: r, req: req} }}
	return t.RoundTrip(req)
}

// pauses is the policy for one request.
type pauses struct {
	*retrying
	req   *http.Request
	spent time.Duration
}

// Retry implements retry.Policy.
func (p *pauses) Retry(attempt int, resp *http.Response, err error) (time.Duration, error) {
	if !p.worthwhile(attempt, resp, err) {
		return -1, nil
	}
	pause := backoff(attempt, nil)
	if asked := retryAfter(resp, time.Now()); asked > 0 {
		if p.spent+asked > patience {
			return -1, &laterError{resp.StatusCode, asked}
		}
		pause = asked + rand.N(spread)
	}
	p.spent += pause
	p.events.pausing(p.req.URL.Host, pause, reason(resp, err))
	return pause / p.haste, nil
}

func (p *pauses) worthwhile(attempt int, resp *http.Response, err error) bool {
	switch {
	case attempt >= maxRetries, p.req.Body != nil && p.req.Body != http.NoBody && p.req.GetBody == nil, p.req.Context().Err() != nil:
		return false
	case err != nil:
		return worthDialing(attempt, err) || brokeOff(err) && !isTagged(p.req)
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return true // it says that it has done nothing
	case resp.StatusCode == http.StatusNotImplemented:
		return false
	}
	return (resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= 500) && !isTagged(p.req)
}

// isTagged says whether a request gives a tag its content. After an answer that leaves open whether it did, sending it again
// could undo what another publisher did meanwhile; push looks first. All other requests can be repeated: what they send is
// named by its digest.
func isTagged(req *http.Request) bool {
	_, reference, ok := cutLast(req.URL.Path, "/manifests/")
	return ok && req.Method == http.MethodPut && !strings.Contains(reference, ":")
}

// worthDialing knows connections that were not made and may be the next time: nothing was sent. A name that does not exist
// will not in a second either.
func worthDialing(attempt int, err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	return attempt < maxDialRetries && errors.As(err, &dial) && dial.Op == "dial" && !errors.Is(err, errIdle) &&
		!(errors.As(err, &name) && name.IsNotFound)
}

// brokeOff knows connections that ended before the answer did. Silent ones are not among them: those have waited long
// enough.
func brokeOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// longest is what longer times to wait are taken for: nobody waits so long, and sums don't overflow.
const longest = 365 * 24 * time.Hour

// retryAfter is how long a response asks to be left alone, in seconds or until a date. 0 when it does not say.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	if resp == nil {
		return 0
	}
	text := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longest)
}

func reason(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	return resp.Status
}

// laterError is a registry that asks for more time than anybody would wait.
type laterError struct {
	status int
	after  time.Duration
}

func (e *laterError) Error() string {
	return fmt.Sprintf("answered %d %s, and asks to come back in %v", e.status, http.StatusText(e.status), e.after.Round(time.Second))
}

// wait is a pause that ends with ctx.
func (r *retrying) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d / r.haste):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
