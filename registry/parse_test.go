package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/loadr-plugins/loadr/manifest"
)

// sample is a release of two platforms, as WritePack would write it.
func sample(t testing.TB) (index v1.Index, text []byte) {
	t.Helper()
	var platforms []platformEntry
	for _, target := range []manifest.Target{"aarch64-apple-darwin", "x86_64-unknown-linux-gnu"} {
		platforms = append(platforms, samplePlatform(t, target))
	}
	annotations := indexAnnotations(&manifest.Manifest{Plugin: manifest.Plugin{Name: "echo", Version: "1.0.0", Kind: manifest.Protocol, Type: manifest.Native}}, nil)
	_, text, err := imageIndex(annotations, platforms)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	return index, text
}

func sampleConfig() *Config {
	return &Config{"[plugin]\nname = \"echo\"\nversion = \"1.0.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"libecho.so\"\n", manifest.Library{
		Format: manifest.ELF, Machine: "x86_64", Digest: someDigest, Size: 3, Needs: []string{}, Exports: []string{},
		ABI: manifest.ABIReport{Family: manifest.FamilyC, Version: "1.0.0", Verdict: manifest.Unverifiable},
	}}
}

func samplePlatform(t testing.TB, target manifest.Target) platformEntry {
	t.Helper()
	config, err := sampleConfig().encode()
	if err != nil {
		t.Fatal(err)
	}
	library := layer(v1.Descriptor{Digest: someDigest, Size: 7}, MediaTypeLibraryZstd, "libecho.so.zst")
	file := layer(v1.Descriptor{Digest: someDigest, Size: 7}, MediaTypeFile, "README.md")
	desc, text, err := platformManifest(config, library, []v1.Descriptor{file})
	if err != nil {
		t.Fatal(err)
	}
	return platformEntry{target, sampleConfig().Library.ABI.ABI(), manifest.Libc{}, desc, text}
}

func parseText(text []byte) (*Release, error) {
	return parseRelease("a test", v1.Descriptor{Digest: digest.FromBytes(text), Size: int64(len(text))}, text)
}

// TestHostileIndex changes one thing of a good index at a time; each must be refused with a word on what is wrong.
func TestHostileIndex(t *testing.T) {
	_, text := sample(t)
	if _, err := parseText(text); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*v1.Index){
		"schema version 1":    func(i *v1.Index) { i.SchemaVersion = 1 },
		"media type":          func(i *v1.Index) { i.MediaType = v1.MediaTypeImageManifest },
		"artifact type":       func(i *v1.Index) { i.ArtifactType = "application/vnd.other" },
		"not a plugin":        func(i *v1.Index) { i.ArtifactType = ""; delete(i.Annotations, AnnotationKind) },
		"0 platforms":         func(i *v1.Index) { i.Manifests = nil },
		"200 platforms":       func(i *v1.Index) { i.Manifests = make([]v1.Descriptor, 200) },
		"image.title":         func(i *v1.Index) { i.Annotations[v1.AnnotationTitle] = "../echo" },
		"image.version":       func(i *v1.Index) { i.Annotations[v1.AnnotationVersion] = "latest" },
		"image.created":       func(i *v1.Index) { i.Annotations[v1.AnnotationCreated] = "yesterday" },
		"kind \"extractor\"":  func(i *v1.Index) { i.Annotations[AnnotationKind] = "extractor" },
		"type \"jvm\"":        func(i *v1.Index) { i.Annotations[AnnotationType] = "jvm" },
		"unknown target":      func(i *v1.Index) { i.Manifests[0].Annotations[AnnotationTarget] = "pdp11" },
		"occurs twice":        func(i *v1.Index) { i.Manifests[0] = i.Manifests[1] },
		"plugin.abi":          func(i *v1.Index) { i.Manifests[0].Annotations[AnnotationABI] = "c" },
		"plugin.libc":         func(i *v1.Index) { i.Manifests[0].Annotations[AnnotationLibc] = "dietlibc" },
		"the config says \"c": func(i *v1.Index) { i.Manifests[0].Annotations[AnnotationABI] = "native/1.0.0" },
		"says libc":           func(i *v1.Index) { i.Manifests[0].Annotations[AnnotationLibc] = "musl" },
		"digest \"sha512":     func(i *v1.Index) { i.Manifests[0].Digest = digest.SHA512.FromString("") },
		"at most 4194304":     func(i *v1.Index) { i.Manifests[0].Size = 5 << 20 },
		"has -1 bytes":        func(i *v1.Index) { i.Manifests[0].Size = -1 },
		"vnd.docker":          func(i *v1.Index) { i.Manifests[0].MediaType = "application/vnd.docker.distribution.manifest.v2+json" },
	} {
		index, _ := sample(t)
		change(&index)
		text, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseText(text)
		var invalid *InvalidArtifactError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestHostilePlatform(t *testing.T) {
	for want, change := range map[string]func(*v1.Manifest){
		"schema version":   func(m *v1.Manifest) { m.SchemaVersion = 0 },
		"artifact type":    func(m *v1.Manifest) { m.ArtifactType = "application/vnd.other" },
		"0 layers":         func(m *v1.Manifest) { m.Layers = nil },
		"media type":       func(m *v1.Manifest) { m.Layers = m.Layers[1:] },
		"65536 are":        func(m *v1.Manifest) { m.Config.Size = MaxConfig + 1 },
		"config.v1+json":   func(m *v1.Manifest) { m.Config.MediaType = "application/json" },
		"4294967296":       func(m *v1.Manifest) { m.Layers[0].Size = MaxLibrary + 1 },
		"of a file":        func(m *v1.Manifest) { m.Layers[1].Annotations[v1.AnnotationTitle] = "../../.bashrc" },
		"embedded data":    func(m *v1.Manifest) { m.Config.Data[0] ^= 1 },
		"embedded data of": func(m *v1.Manifest) { m.Config.Data = m.Config.Data[1:] },
	} {
		var m v1.Manifest
		if err := json.Unmarshal(samplePlatform(t, "x86_64-unknown-linux-gnu").text, &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		target := ReleaseTarget{ABI: sampleConfig().Library.ABI.ABI()}
		if err := (parser{"a test"}).platform(&target, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestHostileConfig(t *testing.T) {
	good, err := sampleConfig().encode()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := decodeConfig(good); err != nil || !reflect.DeepEqual(c, sampleConfig()) {
		t.Fatalf("%+v, %v", c, err)
	}
	for want, change := range map[string]func(string) string{
		"not JSON":       func(s string) string { return s[1:] },
		"schema 2":       func(s string) string { return strings.Replace(s, `"schema":1`, `"schema":2`, 1) },
		"not canonical":  func(s string) string { return s + "\n" },
		"canonical JSON": func(s string) string { return strings.Replace(s, `"schema":1`, `"schema":1,"schema":1`, 1) },
		"library.digest": func(s string) string { return strings.Replace(s, "sha256:", "md5:", 1) },
		"library.size":   func(s string) string { return strings.Replace(s, `"size":3`, `"size":0`, 1) },
		"abi.layout": func(s string) string {
			return strings.Replace(s, `"family":"c"`, `"family":"c","layout":"sha256:1"`, 1)
		},
		"number":         func(s string) string { return strings.Replace(s, `"size":3`, `"size":3.5`, 1) },
		"key \"Schema\"": func(s string) string { return strings.Replace(s, `{"library"`, `{"Schema":1,"library"`, 1) },
		"libc":           func(s string) string { return strings.Replace(s, `"libc":""`, `"libc":"bionic"`, 1) },
		"plugin_toml":    func(s string) string { return s[:strings.Index(s, `"plugin_toml"`)] + `"plugin_toml":"","schema":1}` },
		"at most 65536":  func(s string) string { return s + strings.Repeat(" ", MaxConfig) },
	} {
		if _, err := decodeConfig([]byte(change(string(good)))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	// Keys may be added within a schema.
	newer := strings.Replace(string(good), `{"library"`, `{"added":[1,{"x":null}],"library"`, 1)
	if _, err := decodeConfig([]byte(newer)); err != nil {
		t.Errorf("with a key added: %v", err)
	}
}

// TestCanonical states RFC 8785 where encoding/json differs from it.
func TestCanonical(t *testing.T) {
	in := map[string]any{"b": []int{2, -1}, "a": "<é\u2028\x01\b\f\n\r\t\"\\/>", "c": map[string]any{}, "d": nil, "e": true}
	want := `{"a":"<é` + "\u2028" + `\u0001\b\f\n\r\t\"\\/>","b":[2,-1],"c":{},"d":null,"e":true}`
	got, err := canonicalJSON(in)
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; expected %s", got, err, want)
	}
	for _, bad := range []string{`1.5`, `1e3`, `99999999999999999999`, `{"é":1}`, `9007199254740993`} {
		if out, err := canonicalJSON(json.RawMessage(bad)); err == nil {
			t.Errorf("%s: %s, expected an error", bad, out)
		}
	}
}

func TestConfigRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := sampleConfig()
		c.PluginTOML += rapid.String().Draw(t, "toml")
		c.Library.Needs = rapid.SliceOfN(rapid.String(), 0, 5).Draw(t, "needs")
		c.Library.Constructors = rapid.IntRange(0, 1000).Draw(t, "constructors")
		text, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeConfig(text)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("%+v became %+v, %v", c, back, err)
		}
	})
}

func FuzzRelease(f *testing.F) {
	_, text := sample(f)
	f.Add(text)
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}`))
	f.Add(bytes.ReplaceAll(text, []byte(`"data"`), []byte(`"dada"`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseText(text)
		if err != nil {
			return
		}
		if manifest.CheckName(r.Name) != nil || !isVersion(r.Version) || len(r.Targets) == 0 {
			t.Errorf("accepted %+v", r)
		}
		for _, target := range r.Targets {
			if target.Manifest.Digest.Validate() != nil || target.Config != nil && target.Library.Size > MaxLibrary {
				t.Errorf("accepted %+v", target)
			}
		}
		if r.Targets[0].complete() {
			_ = r.checkConfigs("a test") // must not panic either
		}
	})
}

func FuzzConfig(f *testing.F) {
	text, err := sampleConfig().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := decodeConfig(text)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		back, err := decodeConfig(again)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%+v became %+v, %v", c, back, err)
		}
	})
}
