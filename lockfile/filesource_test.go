package lockfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/manifest"
)

func TestParseFileSource(t *testing.T) {
	for text, want := range map[string]FileSource{
		"https://host.example/x.tar.gz":           {URL: "https://host.example/x.tar.gz"},
		"https://host.example/x-{target}.zip?a=b": {URL: "https://host.example/x-{target}.zip?a=b"},
		"http://127.0.0.1:80/x.zip":               {URL: "http://127.0.0.1:80/x.zip"},
		"http://[::1]/x.zip":                      {URL: "http://[::1]/x.zip"},
		"file:vendor/x.zip":                       {Path: "vendor/x.zip"},
		"file:/srv/x.zip":                         {Path: "/srv/x.zip"},
		"file:../x.zip":                           {Path: "../x.zip"},
		"github:owner/re.po@v1.0.0":               {GitHub: GitHubRelease{"owner", "re.po", "v1.0.0"}},
		"github:owner/repo@plugin/v1":             {GitHub: GitHubRelease{"owner", "repo", "plugin/v1"}},
		"index+https://host.example/index.json":   {Index: "https://host.example/index.json"},
		"index+file:/srv/index.json":              {Index: "file:/srv/index.json"},
	} {
		got, err := ParseFileSource(text)
		if d := cmp.Diff(want, got); d != "" || err != nil || !IsFileSource(text) {
			t.Errorf("%s: %v %s", text, err, d)
		}
	}
	for _, text := range []string{
		"", "x", "local/plugins", "http://host.example/x.zip", "http://localhost.example/x.zip", "https:///x", "https:x", "https://me@host.example/x",
		"https://me:secret@host.example/x", "https://host.example/x#y", "https://host.example/\x1b[2J", "ftp://host.example/x", "file:", "file://host/x",
		`file:a\b`, "github:owner", "github:owner/repo", "github:owner/repo@", "github:owner/../x@v1", "github:a/b/c@v1", "github:owner/repo@../../x",
		"github:owner/repo@v1?x", "index+", "index+x", "index+github:owner/repo@v1", "index+http://host.example/x", "index+index+https://host.example/x",
		"https://host.example/" + strings.Repeat("x", 2000),
	} {
		if got, err := ParseFileSource(text); err == nil {
			t.Errorf("%q became %+v", text, got)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q drives the terminal", err)
		}
	}
}

func TestFor(t *testing.T) {
	for source, want := range map[string]string{
		"https://host.example/{target}/x-{target}.zip": "https://host.example/aarch64-apple-darwin/x-aarch64-apple-darwin.zip",
		"file:x.zip": "file:x.zip",
	} {
		f, err := ParseFileSource(source)
		if got := f.For(mac); err != nil || got != want {
			t.Errorf("%s: %s, %v", source, got, err)
		}
	}
}

func FuzzFileSource(f *testing.F) {
	f.Add("https://host.example/x.tar.gz")
	f.Add("github:owner/repo@v1")
	f.Add("index+file:x")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ParseFileSource(text); err == nil && (!IsFileSource(text) || !isWord(text)) {
			t.Errorf("accepted %q", text)
		}
	})
}

// fileLock has a plugin of every kind of source.
func fileLock() *Lock {
	l := fullLock()
	for _, source := range []string{"https://host.example/x-{target}.tar.gz", "file:vendor/y.zip", "github:owner/z@v1", "index+https://host.example/index.json"} {
		target := Target{
			Target: linux, Libc: manifest.Libc{Name: manifest.Glibc}, URL: "https://host.example/x.tar.gz", Archive: sum(source), ArchiveSize: 77,
			Entry: "lib/libx.so", PluginTOML: sum("toml"), Library: sum("library"), LibrarySize: 99,
		}
		mac := target
		mac.Target, mac.URL, mac.Libc = "aarch64-apple-darwin", "file:vendor/x.zip", manifest.Libc{}
		l.Plugins = append(l.Plugins, Plugin{
			Name: "p" + string(rune('a'+len(l.Plugins))), Version: "1.0.0", Source: source, ABI: manifest.ABI{Family: "c", Version: "1.0.0"},
			Targets: []Target{target, mac},
		})
	}
	return l
}

func TestLockOfFiles(t *testing.T) {
	text := fileLock().Encode()
	if d := cmp.Diff(fileLock().Canonical(), mustParse(t, text)); d != "" {
		t.Error(d)
	}
	_, file, _ := strings.Cut(string(text), `name = "pc"`)
	file, _, _ = strings.Cut(file, `name = "pd"`)
	for _, absent := range []string{"index", "manifest", "config", "config-size", "blob", "blob-type", "blob-size"} {
		if strings.Contains(file, "\n"+absent+" = ") {
			t.Errorf("a file has %s", absent)
		}
	}
}

// TestLockOfFilesIsStrict: what belongs to artifacts has no place in an entry of files, nor the other way round.
func TestLockOfFilesIsStrict(t *testing.T) {
	text := string(fileLock().Encode())
	digest := `"` + string(sum("x")) + `"`
	for name, c := range map[string]struct{ old, new, want string }{
		"an index":              {`source = "file:vendor/y.zip"`, `source = "file:vendor/y.zip"` + "\nindex = " + digest, `unknown key "plugin.index"`},
		"a manifest":            {"archive-size = 77", "archive-size = 77\nmanifest = " + digest, `unknown key "plugin.target.manifest"`},
		"a blob":                {"archive-size = 77", "archive-size = 77\nblob = " + digest, `unknown key "plugin.target.blob"`},
		"no url":                {`url = "file:vendor/x.zip"` + "\n", "", "url: expected a URL, or file: and a path, found nothing"},
		"no archive":            {"archive = \"" + string(sum("file:vendor/y.zip")) + "\"\n", "", "archive: expected a digest"},
		"no size":               {"archive-size = 77\n", "", "archive-size: expected a number of bytes, found nothing"},
		"no entry":              {`entry = "lib/libx.so"` + "\n", "", "entry: expected a path inside the archive, found nothing"},
		"entry outside":         {`entry = "lib/libx.so"`, `entry = "../libx.so"`, "entry: expected a path inside the archive"},
		"entry as manifest":     {`entry = "lib/libx.so"`, `entry = "plugin.toml"`, "entry: expected a path inside the archive"},
		"url without TLS":       {`url = "file:vendor/x.zip"`, `url = "http://host.example/x"`, "url: expected a URL"},
		"source without TLS":    {`"https://host.example/x-{target}.tar.gz"`, `"http://host.example/x"`, "source: expected a registry and namespace, or a source of files"},
		"an artifact's url":     {`blob-size = 5120`, "blob-size = 5120\nurl = \"file:x\"", `unknown key "plugin.target.url"`},
		"an artifact's archive": {`blob-size = 5120`, "blob-size = 5120\narchive = " + digest, `unknown key "plugin.target.archive"`},
		"files of an artifact":  {`source = "local/plugins"`, `source = "file:x.zip"`, `unknown key "plugin.index"`},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: the lock has no %q", name, c.old)
		}
		if _, err := ParseLock(LockName, []byte(strings.Replace(text, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

const (
	hexA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hexB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestProjectOfFiles(t *testing.T) {
	text := `[plugins]
a = { version = "1.0.0", url = "https://host.example/a.zip", sha256 = "` + hexA + `" }
b = { version = "1.0.0", url = "file:b-{target}.zip", sha256 = ["` + hexB + `", "` + hexA + `"] }
c = { version = "^1", registry = "index+https://host.example/index.json" }
`
	want := []ProjectPlugin{
		{Name: "a", Version: "1.0.0", URL: "https://host.example/a.zip", SHA256: []string{hexA}},
		{Name: "b", Version: "1.0.0", URL: "file:b-{target}.zip", SHA256: []string{hexA, hexB}},
		{Name: "c", Version: "^1", Registry: "index+https://host.example/index.json"},
	}
	if d := cmp.Diff(want, parse(t, text).Plugins, noPlaces); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ line, want string }{
		{`a = { version = "1", url = "local/plugins" }`, "plugins.a.url: expected the place of an archive"},
		{`a = { version = "1", url = "index+https://host.example/x" }`, "plugins.a.url: expected the place of an archive"},
		{`a = { version = "1", url = "http://host.example/x" }`, "http is for this machine alone"},
		{`a = { version = "1", url = 1 }`, "expected the place of an archive"},
		{`a = { version = "1", url = "file:x", registry = "x/y" }`, "plugins.a: expected a registry or a url, found both"},
		{`a = { version = "1", sha256 = "` + hexA + `" }`, "plugins.a: expected a url beside sha256, found none"},
		{`a = { version = "1", url = "file:x", sha256 = "abc" }`, "plugins.a.sha256: expected 64 hexadecimal digits"},
		{`a = { version = "1", url = "file:x", sha256 = [] }`, "plugins.a.sha256: expected 64 hexadecimal digits"},
		{`a = { version = "1", url = "file:x", sha256 = ["` + hexA + `", 1] }`, "plugins.a.sha256: expected 64 hexadecimal digits"},
		{`a = { url = "file:x" }`, "plugins.a: expected a version, found none"},
		{`a = { version = "1", place = "file:x" }`, "expected one of version, registry, url, sha256"},
	} {
		if _, err := ParseProject(ProjectName, []byte("[plugins]\n"+c.line+"\n")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

// TestEditsBetweenSources: one entry in all the forms that an edit meets, from each kind of source to each other.
func TestEditsBetweenSources(t *testing.T) {
	kinds := []ProjectPlugin{
		{Name: "a", Version: "^1"},
		{Name: "a", Version: "^2", Registry: "x.example/y"},
		{Name: "a", Version: "1.0.0", URL: "file:x.zip"},
		{Name: "a", Version: "1.0.0", URL: "https://host.example/x.zip", SHA256: []string{hexA}},
		{Name: "a", Version: "1.1.0", URL: "https://host.example/x.zip", SHA256: []string{hexA, hexB}},
	}
	forms := map[string]string{
		"inline":  "# c\n[plugins]\na = %\nb = \"1\" # b\n",
		"section": "# c\n[plugins.a] # s\n%[plugins.b]\nversion = \"1\"\n",
		"dotted":  "# c\n[plugins]\na.%b = \"1\" # b\n",
	}
	for form, pattern := range forms {
		for _, from := range kinds {
			text := ""
			switch form {
			case "inline":
				text = strings.Replace(pattern, "%", from.inline(), 1)
			default:
				prefix, lines := "", ""
				if form == "dotted" {
					prefix = "a."
				}
				for _, k := range from.keys() {
					if k.raw != "" {
						lines += prefix + k.name + " = " + k.raw + "\n"
					}
				}
				text = strings.Replace(pattern, "%", strings.TrimPrefix(lines, prefix), 1)
			}
			for _, to := range kinds {
				got, err := SetPlugin([]byte(text), to)
				if err != nil {
					t.Errorf("%s, %+v to %+v: %v\n%s", form, from, to, err, text)
					continue
				}
				has, _ := parse(t, string(got)).Plugin("a")
				if d := cmp.Diff(to, has, noPlaces); d != "" || !strings.HasPrefix(string(got), "# c\n[plugins") {
					t.Errorf("%s, %+v: %s\n%s", form, from, d, got)
				}
			}
		}
	}
}

func TestCompareFiles(t *testing.T) {
	locked := Plugin{
		Name: "a", Version: "1.0.0", Source: "file:a.zip",
		Targets: []Target{{Target: linux, Archive: "sha256:" + hexA}, {Target: mac, Archive: "sha256:" + hexB}},
	}
	for name, c := range map[string]struct {
		wanted ProjectPlugin
		want   []Drift
	}{
		"nothing vouched for": {ProjectPlugin{URL: "file:a.zip"}, nil},
		"both vouched for":    {ProjectPlugin{URL: "file:a.zip", SHA256: []string{hexA, hexB}}, nil},
		"one vouched for":     {ProjectPlugin{URL: "file:a.zip", SHA256: []string{hexA}}, []Drift{{"a", "sha256 " + string(mac), hexA, hexB}}},
		"another url":         {ProjectPlugin{URL: "file:b.zip", SHA256: []string{hexA}}, []Drift{{"a", "url", "file:b.zip", "file:a.zip"}}},
		"a registry":          {ProjectPlugin{Registry: "x.example/y"}, []Drift{{"a", "registry", "x.example/y", "file:a.zip"}}},
	} {
		c.wanted.Name, c.wanted.Version = "a", "1"
		if d := cmp.Diff(c.want, comparePlugin(c.wanted, locked, inRange)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	released := Plugin{Name: "a", Version: "1.0.0", Source: "local/plugins", Targets: []Target{{Target: linux}}}
	want := []Drift{{"a", "url", "file:a.zip", "local/plugins"}}
	if d := cmp.Diff(want, comparePlugin(ProjectPlugin{Name: "a", Version: "1", URL: "file:a.zip", SHA256: []string{hexA}}, released, inRange)); d != "" {
		t.Error(d)
	}
}
