package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/loadr-plugins/loadr/registry"
)

// pages serves a list of tags by pages, as a large registry does; an endless one if count is negative.
func pages(t *testing.T, count int) (host string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		from, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.URL.Query().Get("last"), "1."), ".0"))
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		var tags []string
		for i := from + 1; i <= from+n && (count < 0 && len(tags) < 2 || i <= count); i++ {
			tags = append(tags, fmt.Sprintf(`"1.%d.0"`, i))
		}
		if count < 0 || from+n < count {
			w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&last=%s>; rel="next"`, r.URL.Path, n, strings.Trim(tags[len(tags)-1], `"`)))
		}
		fmt.Fprintf(w, `{"name":"team/echo","tags":[%s]}`, strings.Join(tags, ","))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), requests
}

func TestTagPages(t *testing.T) {
	host, requests := pages(t, 2500)
	versions, err := newClient(t, registry.Options{}).Versions(t.Context(), repoIn(host))
	if err != nil || len(versions) != 2500 || requests.Load() != 3 {
		t.Errorf("%d versions in %d requests, %v; expected 2500 in 3", len(versions), requests.Load(), err)
	}
	host, requests = pages(t, -1)
	_, err = newClient(t, registry.Options{}).Versions(t.Context(), repoIn(host))
	expectError[*registry.UnavailableError](t, "an endless list", err)
	if requests.Load() != 1000 {
		t.Errorf("gave up an endless list after %d pages, expected 1000", requests.Load())
	}
}
