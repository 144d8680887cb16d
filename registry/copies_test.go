package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

// putManifest uploads a manifest as any client could.
func putManifest(t *testing.T, repo registry.Repository, ref, mediaType string, text []byte) int {
	t.Helper()
	url := "http://" + repo.Registry + "/v2/" + repo.Namespace + "/" + repo.Name + "/manifests/" + ref
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// rewritten is the index as skopeo 1.9 copies it: without artifact type and without data.
func rewritten(t *testing.T, p *registry.Pack) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir(), "blobs", "sha256", p.Digest().Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	index.ArtifactType = ""
	for i := range index.Manifests {
		index.Manifests[i].Data, index.Manifests[i].ArtifactType = nil, ""
	}
	text, err = json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRewrittenCopy reads a copy whose index was rewritten on the way: it can be resolved and fetched, and whoever
// expects the publisher's digest is told what happened.
func TestRewrittenCopy(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{})
	pack := testregistry.Pack(t, threeTargets)
	if _, err := client.Push(t.Context(), repoIn(server.Host()), pack); err != nil {
		t.Fatal(err)
	}
	// The copy goes into a fresh registry: this one keeps its version.
	copies := testregistry.New(t)
	repo := repoIn(copies.Host())
	other := threeTargets
	other.Version = "0.0.1"
	if _, err := client.Push(t.Context(), repo, testregistry.Pack(t, other)); err != nil {
		t.Fatal(err)
	}
	for _, target := range pack.Release().Targets {
		copyBlobs(t, client, pack, repo, target)
	}
	if status := putManifest(t, repo, "1.0.0", v1.MediaTypeImageIndex, rewritten(t, pack)); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	r, err := client.Release(t.Context(), repo, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Complete(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pack.Release(), r, cmpopts.IgnoreFields(registry.Release{}, "Digest", "Size", "Rewritten")); diff != "" {
		t.Errorf("the copy says something else (-published +copy):\n%s", diff)
	}
	readAll(t, client, repo, r.Targets[0].Library)
	err = r.Verify(repo, pack.Digest())
	if e := expectError[*registry.IntegrityError](t, "verify", err); e != nil && (!strings.Contains(e.Error(), "the copy was altered") || e.Hint() == "") {
		t.Errorf("error %q with hint %q", e, e.Hint())
	}
	result, err := client.Push(t.Context(), repo, pack)
	if err != nil || !result.Already || result.Digest != r.Digest {
		t.Errorf("publishing the same over a rewritten copy: %+v, %v", result, err)
	}
}

// copyBlobs puts what a platform consists of into another registry, with our own client.
func copyBlobs(t *testing.T, client *registry.Client, pack *registry.Pack, to registry.Repository, target registry.ReleaseTarget) {
	t.Helper()
	base := "http://" + to.Registry + "/v2/" + to.Namespace + "/" + to.Name
	for _, d := range append([]v1.Descriptor{target.ConfigDescriptor, target.Library}, target.Files...) {
		content, err := os.ReadFile(blobOf(pack, d))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(base+"/blobs/uploads/?digest="+d.Digest.String(), "application/octet-stream", bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("upload: status %d", resp.StatusCode)
		}
	}
	text, err := os.ReadFile(blobOf(pack, target.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if status := putManifest(t, to, target.Manifest.Digest.String(), v1.MediaTypeImageManifest, text); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
}

// TestNotAPlugin puts other things under a version.
func TestNotAPlugin(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{})
	repo := repoIn(server.Host())
	pack := testregistry.Pack(t, testregistry.Spec{})
	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	platform, err := os.ReadFile(blobOf(pack, pack.Release().Targets[0].Manifest))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(pack.Dir(), "blobs", "sha256", pack.Digest().Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	putManifest(t, repo, "2.0.0", v1.MediaTypeImageManifest, platform)
	putManifest(t, repo, "3.0.0", v1.MediaTypeImageIndex, index)
	for version, want := range map[string]string{"2.0.0": "not a plugin", "3.0.0": "holds version 1.0.0"} {
		_, err := client.Release(t.Context(), repo, version)
		if e := expectError[*registry.InvalidArtifactError](t, version, err); e != nil && !strings.Contains(e.Problem, want) {
			t.Errorf("%s: %v, expected %q", version, e, want)
		}
		_, err = client.Push(t.Context(), repo, testregistry.Pack(t, testregistry.Spec{Version: version}))
		expectError[*registry.VersionExistsError](t, "push over "+version, err)
	}
}

// TestEvilNamesake serves a sound artifact of another plugin under a name.
func TestEvilNamesake(t *testing.T) {
	server := testregistry.New(t)
	client := newClient(t, registry.Options{})
	if _, err := client.Push(t.Context(), repoIn(server.Host()), testregistry.Pack(t, testregistry.Spec{})); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(server.Dir, "team")
	if err := os.CopyFS(filepath.Join(dir, "other"), os.DirFS(filepath.Join(dir, "echo"))); err != nil {
		t.Fatal(err)
	}
	_, err := client.Release(t.Context(), registry.Repository{Registry: server.Host(), Namespace: "team", Name: "other"}, "1.0.0")
	if e := expectError[*registry.InvalidArtifactError](t, "release", err); e != nil && !strings.Contains(e.Problem, `holds plugin "echo"`) {
		t.Error(e)
	}
}

// TestOtherClients has oras and crane read, copy, pull and validate what we publish, in a registry with and one without
// the referrers API.
func TestOtherClients(t *testing.T) {
	for name, open := range map[string]func(*testing.T) string{
		"embedded": func(t *testing.T) string { return testregistry.New(t).Host() },
		"debian":   func(t *testing.T) string { return testregistry.Debian(t) },
	} {
		t.Run(name, func(t *testing.T) {
			host := open(t)
			client := newClient(t, registry.Options{})
			pack := testregistry.Pack(t, threeTargets)
			if _, err := client.Push(t.Context(), repoIn(host), pack); err != nil {
				t.Fatal(err)
			}
			ref := host + "/team/echo:1.0.0"
			t.Run("crane", func(t *testing.T) { readWithCrane(t, client, host, ref, pack) })
			t.Run("oras", func(t *testing.T) { readWithOras(t, client, host, ref, pack) })
		})
	}
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func readWithCrane(t *testing.T, client *registry.Client, host, ref string, pack *registry.Pack) {
	crane := testregistry.Tool(t, "crane")
	if got := run(t, crane, "digest", ref); got != pack.Digest().String() {
		t.Errorf("crane digest: %s, expected %s", got, pack.Digest())
	}
	run(t, crane, "validate", "--remote", ref)
	run(t, crane, "copy", ref, host+"/mirror/echo:1.0.0")
	checkCopy(t, client, registry.Repository{Registry: host, Namespace: "mirror", Name: "echo"}, pack)
}

func readWithOras(t *testing.T, client *registry.Client, host, ref string, pack *registry.Pack) {
	oras := testregistry.Tool(t, "oras")
	run(t, oras, "cp", "-r", "--from-plain-http", "--to-plain-http", ref, host+"/orasmirror/echo:1.0.0")
	checkCopy(t, client, registry.Repository{Registry: host, Namespace: "orasmirror", Name: "echo"}, pack)
	dir := t.TempDir()
	run(t, oras, "pull", "--plain-http", "--platform", "linux/amd64", "-o", dir, ref)
	// Of two entries for linux/amd64 the first one counts: gnu, which sorts before musl.
	want, err := os.ReadFile(blobOf(pack, pack.Release().Target(testregistry.Linux).Library))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "libecho.so.zst"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("oras pull wrote another library: %v", err)
	}
	if readme, err := os.ReadFile(filepath.Join(dir, "README.md")); err != nil || string(readme) != "# Echo\n" {
		t.Errorf("oras pull wrote README %q: %v", readme, err)
	}
	// The layout that pack writes is one that others can publish.
	run(t, oras, "cp", "--from-oci-layout", "--to-plain-http", pack.Dir()+":1.0.0", host+"/fromlayout/echo:1.0.0")
	checkCopy(t, client, registry.Repository{Registry: host, Namespace: "fromlayout", Name: "echo"}, pack)
}

// checkCopy installs from a copy, as far as this package goes: the digest is the publisher's, and so is every byte.
func checkCopy(t *testing.T, client *registry.Client, repo registry.Repository, pack *registry.Pack) {
	t.Helper()
	r, err := client.Release(t.Context(), repo, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(repo, pack.Digest()); err != nil {
		t.Error(err)
	}
	for _, target := range r.Targets {
		var out bytes.Buffer
		wire := readAll(t, client, repo, target.Library)
		if err := registry.Decompress(&out, bytes.NewReader(wire), target.Library.MediaType); err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(out.Bytes()); got != target.Config.Library.Digest {
			t.Errorf("library for %s has digest %s", target.Target, got)
		}
	}
	if r.Target(manifest.Target("riscv64gc-unknown-linux-gnu")) != nil {
		t.Error("a library for a target that was not packed")
	}
}
