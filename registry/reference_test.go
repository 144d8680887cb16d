package registry

import (
	"strings"
	"testing"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseReference(t *testing.T) {
	for text, want := range map[string]Reference{
		"echo":                                 {Name: "echo"},
		"echo-proto@^1.2":                      {Name: "echo-proto", Range: "^1.2"},
		"echo@>=1.2, <2":                       {Name: "echo", Range: ">=1.2, <2"},
		"echo@" + someDigest:                   {Name: "echo", Digest: someDigest},
		"local/plugins/echo":                   {Registry: "local", Namespace: "plugins", Name: "echo"},
		"registry.example/perf/echo@1.4.0":     {Registry: "registry.example", Namespace: "perf", Name: "echo", Range: "1.4.0"},
		"localhost:5000/a/b/c/echo":            {Registry: "localhost:5000", Namespace: "a/b/c", Name: "echo"},
		"localhost/a/echo":                     {Registry: "localhost", Namespace: "a", Name: "echo"},
		"perf:5000/a_b/c.d/echo@" + someDigest: {Registry: "perf:5000", Namespace: "a_b/c.d", Name: "echo", Digest: someDigest},
		"127.0.0.1:5000/a/echo":                {Registry: "127.0.0.1:5000", Namespace: "a", Name: "echo"},
		"[::1]:5000/a/echo":                    {Registry: "[::1]:5000", Namespace: "a", Name: "echo"},
		"Registry.Example/a/echo":              {Registry: "registry.example", Namespace: "a", Name: "echo"},
	} {
		got, err := ParseReference(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; expected %+v", text, got, err, want)
		}
		if again, err := ParseReference(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s it reads %+v, %v", text, got, again, err)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":               "lower-case",
		"Echo":           "lower-case",
		"con":            "Windows device",
		"echo@":          "after the @",
		"echo@ 1":        "after the @",
		"echo@sha256:12": "64 hex digits",
		"echo@sha512:" + strings.Repeat("0", 128): "64 hex digits",
		"echo@1.0.0@" + someDigest:                "64 hex digits",
		"perf/echo":                               "registry/namespace",
		"perf/a/echo":                             "host with a dot or a port",
		"registry.example/echo":                   "registry/namespace",
		"registry.example//echo":                  "lower-case letters",
		"registry.example/a/../echo":              "lower-case letters",
		"registry.example/A/echo":                 "lower-case letters",
		"https://registry.example/a/echo":         "port",
		"registry.example:99999/a/echo":           "port",
		"registry.example:080/a/echo":             "port",
		"registry.example:/a/echo":                "port",
		"reg_istry.example/a/echo":                "host",
		"::1/a/echo":                              "host",
		"[::1%eth0]/a/echo":                       "host",
		"[127.0.0.1]/a/echo":                      "host",
		"user@registry.example/a/echo":            "after the @",
		"local/plugins/blobs":                     "OCI image layouts",
		"local/index.json/echo":                   "OCI image layouts",
		"./echo":                                  "registry/namespace",
		"echo\x00":                                "control characters",
		"echo@\x1b[31m1.0":                        "control characters",
		"a/" + strings.Repeat("x", 2000):          "at most 1024",
		"registry.example/" + strings.Repeat("abcdefghijklmnopqrstuvwxyz/", 10) + "echo": "at most 255",
	} {
		_, err := ParseReference(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, expected one with %q", text, err, want)
		}
	}
}

func FuzzReference(f *testing.F) {
	for _, seed := range []string{"echo", "echo@^1.2", "registry.example/a/echo@1.4.0", "local/plugins/echo@" + someDigest, "[::1]:1/a_b/c", "a@b@c", "x/y/z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseReference(text)
		if err != nil {
			return
		}
		again, err := ParseReference(ref.String())
		if err != nil || again != ref {
			t.Errorf("%q reads %+v, and written as %q %+v, %v", text, ref, ref, again, err)
		}
		if ref.Range != "" && ref.Digest != "" || ref.Short() != (ref.Namespace == "") || strings.Contains(ref.Namespace, "..") {
			t.Errorf("%q reads %+v", text, ref)
		}
	})
}
