package github

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

const (
	linux = manifest.Target("x86_64-unknown-linux-gnu")
	mac   = manifest.Target("aarch64-apple-darwin")
)

func answer(names ...string) string {
	var assets []string
	for _, name := range names {
		assets = append(assets, fmt.Sprintf(`{"name":%q,"browser_download_url":"https://host.example/dl/%s","digest":null,"id":7}`, name, name))
	}
	return fmt.Sprintf(`{"tag_name":"v1.0.0","draft":false,"assets":[%s]}`, strings.Join(assets, ","))
}

func TestFor(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string // for linux: a name, "" for none, or words of the error
	}{
		{[]string{"x-1.0.0-" + string(linux) + ".tar.gz", "x-1.0.0-" + string(mac) + ".tar.gz", "SHA256SUMS"}, "x-1.0.0-" + string(linux) + ".tar.gz"},
		{[]string{"x-" + string(linux) + ".tar.gz.sha256", "x-" + string(linux) + ".zip"}, "x-" + string(linux) + ".zip"},
		{[]string{"x-" + string(mac) + ".tar.gz"}, ""},
		{[]string{"x-wasm32-wasip2.tar.gz", "x-" + string(mac) + ".tar.gz"}, "x-wasm32-wasip2.tar.gz"},
		{[]string{"x.tar.gz"}, "x.tar.gz"},
		{[]string{"x.tar.gz", "y.tar.gz"}, "found x.tar.gz, y.tar.gz"},
		{[]string{"x-" + string(linux) + ".tar.gz", "y-" + string(linux) + ".tar.gz"}, "expected one archive"},
		{[]string{"x-" + string(linux) + "x32.tar.gz"}, "x-" + string(linux) + "x32.tar.gz"}, // another platform's name is no name
		{[]string{"x.deb"}, "expected archives"},
		{nil, "expected archives"},
	} {
		r, err := Parse("github:o/r@v1.0.0", "v1.0.0", []byte(answer(c.names...)))
		var asset Asset
		if err == nil {
			asset, _, err = r.For(linux)
		}
		got := asset.Name
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%v: got %q, want %q", c.names, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := answer("x.tar.gz")
	for name, text := range map[string]string{
		"no JSON": "<html>", "another tag": strings.Replace(good, "v1.0.0", "v2.0.0", 1), "nothing": "{}",
		"without TLS": strings.Replace(good, "https://", "http://", 1), "a file": strings.Replace(good, "https://host.example", "file:", 1),
	} {
		if _, err := Parse("github:o/r@v1.0.0", "v1.0.0", []byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestAddress(t *testing.T) {
	got := Address("http://127.0.0.1:1/", lockfile.GitHubRelease{Owner: "o", Repo: "r", Tag: "x/v1"})
	if want := "http://127.0.0.1:1/repos/o/r/releases/tags/x%2Fv1"; got != want {
		t.Errorf("got %s", got)
	}
}

// FuzzRelease: whatever the answer, an asset that is given has an address that may be asked.
func FuzzRelease(f *testing.F) {
	f.Add([]byte(answer("x-x86_64-unknown-linux-gnu.tar.gz")))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse("github:o/r@v1.0.0", "v1.0.0", text)
		if err != nil {
			return
		}
		if a, ok, err := r.For(linux); ok && err == nil {
			if f, err := lockfile.ParseFileSource(a.URL); err != nil || f.URL == "" {
				t.Fatalf("accepted %q: %v", a.URL, err)
			}
		}
	})
}
