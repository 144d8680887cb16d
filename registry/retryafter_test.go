package registry

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"7.5":                           0,
		"soon":                          0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0, // past
	} {
		if got := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}}, now); got != want {
			t.Errorf("%q: %v, expected %v", text, got, want)
		}
	}
	if got := retryAfter(nil, now); got != 0 {
		t.Errorf("without an answer: %v", got)
	}
}

// FuzzRetryAfter: whatever a registry writes there, it is a time that does not lie in the past and does not overflow.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"1", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "-1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}}, time.Now()); got < 0 || patience+got < got {
			t.Errorf("%q: %v", text, got)
		}
	})
}
