package legacyindex

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
)

const hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const sample = `{
  "schema": 1,
  "generated": "2024-01-01",
  "plugins": {
    "kafka": {
      "description": "speaks Kafka",
      "versions": {
        "1.2.0": {
          "min_loadr_abi": 1,
          "notes": [],
          "artifacts": {
            "x86_64-unknown-linux-gnu": {"url": "files/kafka.tar.gz", "sha256": "` + hex + `", "entry": "libkafka.so", "size": 7},
            "m68k-amiga": {"url": 3}
          }
        },
        "nightly": {}
      }
    },
    "Bad Name": {"versions": {}},
    "broken": 7
  }
}`

func parse(t *testing.T, location, text string) *Index {
	t.Helper()
	x, err := Parse(location, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestParse(t *testing.T) {
	for location, want := range map[string]string{
		"https://host.example/a/index.json": "https://host.example/a/files/kafka.tar.gz",
		"http://127.0.0.1:8080/index.json":  "http://127.0.0.1:8080/files/kafka.tar.gz",
		"file:/srv/index.json":              "file:/srv/files/kafka.tar.gz",
		"file:index.json":                   "file:files/kafka.tar.gz",
	} {
		x := parse(t, location, sample)
		if d := cmp.Diff([]string{"Bad Name", "broken", "kafka"}, x.Names()); d != "" {
			t.Error(d)
		}
		versions, err := x.Versions("kafka")
		if d := cmp.Diff([]string{"1.2.0", "nightly"}, versions); d != "" || err != nil {
			t.Error(d, err)
		}
		if versions, err := x.Versions("absent"); versions != nil || err != nil {
			t.Error(versions, err)
		}
		v, err := x.Version("kafka", "1.2.0")
		wanted := &Version{1, map[manifest.Target]Artifact{"x86_64-unknown-linux-gnu": {want, "sha256:" + hex, "libkafka.so"}}}
		if d := cmp.Diff(wanted, v); d != "" || err != nil {
			t.Error(d, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"another schema":     {`"schema": 1`, `"schema": 2`, "schema: expected 1, found 2"},
		"schema as text":     {`"schema": 1`, `"schema": "1"`, `schema: expected 1, found "1"`},
		"no schema":          {`"schema": 1,`, ``, "schema: expected 1, found nothing"},
		"another case":       {`"schema": 1`, `"Schema": 1`, "schema: expected 1, found nothing"},
		"schema twice":       {`"schema": 1,`, `"schema": 2, "schema": 1,`, `key "schema": expected it once`},
		"no JSON":            {`{`, `<html>`, "expected JSON"},
		"cut off":            {`"broken": 7`, "", "expected JSON"},
		"a list":             {`"plugins": {`, `"plugins": [], "x": {`, "plugins: expected an object, found []"},
		"no ABI":             {`"min_loadr_abi": 1,`, ``, "plugins.kafka.versions.1.2.0.min_loadr_abi: expected a whole number from 1, found nothing"},
		"ABI 0":              {`"min_loadr_abi": 1`, `"min_loadr_abi": 0`, "found 0"},
		"ABI 1.5":            {`"min_loadr_abi": 1`, `"min_loadr_abi": 1.5`, "found 1.5"},
		"no artifacts":       {`"artifacts"`, `"x"`, "artifacts: expected an object, found nothing"},
		"no URL":             {`"url": "files/kafka.tar.gz",`, ``, ".url: expected text, found nothing"},
		"a short digest":     {hex, "abc", `.sha256: expected 64 hexadecimal digits, found "abc"`},
		"entry with a path":  {`"libkafka.so"`, `"../libkafka.so"`, ".entry: "},
		"the same one twice": {`"1.2.0": {`, `"1.2.0": {}, "1.2.0": {`, "expected it once"},
		"without TLS":        {`files/kafka.tar.gz`, `http://127.0.0.1/x`, "expected https, as the index has it"},
		"from this machine":  {`files/kafka.tar.gz`, `file:///etc/passwd`, "expected https, or a path relative"},
		"another scheme":     {`files/kafka.tar.gz`, `ftp://host.example/x`, "expected https"},
		"with a password":    {`files/kafka.tar.gz`, `https://me:secret@host.example/x`, "without user"},
	} {
		if strings.Count(sample, c.old) < 1 {
			t.Fatalf("%s: the sample has no %q", name, c.old)
		}
		x, err := Parse("https://host.example/index.json", []byte(strings.Replace(sample, c.old, c.new, 1)))
		if err == nil {
			_, err = x.Version("kafka", "1.2.0")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestBadEntriesAreInNobodysWay(t *testing.T) {
	x := parse(t, "https://host.example/index.json", sample)
	if _, err := x.Version("kafka", "1.2.0"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"Bad Name", "broken"} {
		if _, err := x.Versions(name); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// FuzzIndex: whatever the text, what is accepted has places that may be asked and digests that can be compared.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(sample), true)
	f.Add([]byte(`{"schema":1,"plugins":{"x":{"versions":{"1.0.0":{"min_loadr_abi":1,"artifacts":{}}}}}}`), false)
	f.Fuzz(func(t *testing.T, text []byte, remote bool) {
		location := "file:/srv/index.json"
		if remote {
			location = "https://host.example/index.json"
		}
		x, err := Parse(location, text)
		if err != nil {
			return
		}
		for _, name := range x.Names() {
			versions, err := x.Versions(name)
			if err != nil {
				continue
			}
			for _, version := range versions {
				v, err := x.Version(name, version)
				if err != nil {
					continue
				}
				for _, a := range v.Artifacts {
					_, err := lockfile.ParseFileSource(a.Location)
					if err != nil || a.Digest.Validate() != nil || manifest.CheckEntry(a.Entry) != nil {
						t.Fatalf("accepted %+v: %v", a, err)
					}
					if remote && !strings.HasPrefix(a.Location, "https://") {
						t.Fatalf("a remote index leads to %s", a.Location)
					}
				}
			}
		}
	})
}
