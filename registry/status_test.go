package registry_test

import (
	"encoding/json"
	"os/exec"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

func statusOf(t *testing.T, c *registry.Client, repo registry.Repository, d digest.Digest) *registry.Status {
	t.Helper()
	status, err := c.Status(t.Context(), repo, d)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func withdraw(t *testing.T, c *registry.Client, repo registry.Repository, r *registry.Release, reason string) registry.StatusResult {
	t.Helper()
	result, err := c.Withdraw(t.Context(), repo, r, reason, "")
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestStatementsTravel copies a withdrawn version between registries with and without the referrers API: with oras cp -r the
// statements come along, with crane copy they don't.
func TestStatementsTravel(t *testing.T) {
	oras, crane := testregistry.Tool(t, "oras"), testregistry.Tool(t, "crane")
	client := newClient(t, registry.Options{})
	api, tag := repoIn(testregistry.New(t).Host()), repoIn(testregistry.Debian(t))
	pack := testregistry.Pack(t, testregistry.Spec{})
	if _, err := client.Push(t.Context(), api, pack); err != nil {
		t.Fatal(err)
	}
	withdraw(t, client, api, pack.Release(), "loses data")
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	run(crane, "copy", "--insecure", api.String()+":1.0.0", tag.String()+":1.0.0")
	if reason := statusOf(t, client, tag, pack.Digest()).Withdrawn(); reason != "" {
		t.Errorf("after crane copy the copy says %q", reason)
	}
	back := repoIn(testregistry.New(t).Host())
	for _, step := range [][2]registry.Repository{{api, tag}, {tag, back}} {
		run(oras, "cp", "-r", "--from-plain-http", "--to-plain-http", step[0].String()+":1.0.0", step[1].String()+":1.0.0")
		if reason := statusOf(t, client, step[1], pack.Digest()).Withdrawn(); reason != "loses data" {
			t.Errorf("after oras cp -r the copy in %s says %q", step[1].Registry, reason)
		}
	}
}

// TestWithdrawnByTwo: whatever two say at the same time, an undo afterwards settles it, and the same reason again is
// another statement.
func TestWithdrawnByTwo(t *testing.T) {
	client, repo := newClient(t, registry.Options{Dir: t.TempDir()}), repoIn(registry.Local)
	pack := testregistry.Pack(t, testregistry.Spec{})
	if _, err := client.Push(t.Context(), repo, pack); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for _, reason := range []string{"loses data", "leaks memory", "loses data", "leaks memory"} {
		wait.Go(func() {
			if _, err := client.Withdraw(t.Context(), repo, pack.Release(), reason, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if statusOf(t, client, repo, pack.Digest()).Withdrawn() == "" {
		t.Error("withdrawn by two, and stands")
	}
	if result, err := client.Restore(t.Context(), repo, pack.Release()); err != nil || result.Already {
		t.Errorf("undo: %+v, %v", result, err)
	}
	if w := statusOf(t, client, repo, pack.Digest()).Withdrawals; len(w) != 0 {
		t.Errorf("after the undo: %+v", w)
	}
	again := withdraw(t, client, repo, pack.Release(), "loses data")
	if w := statusOf(t, client, repo, pack.Digest()).Withdrawals; again.Already || len(w) != 1 || w[0].Statement != again.Statement {
		t.Errorf("withdrawn again as %+v: %+v", again, w)
	}
}

// TestStatementsElsewhere: a statement about another version that is listed for this one says nothing about it, and one that is
// listed and gone counts.
func TestStatementsElsewhere(t *testing.T) {
	server, client, pack := published(t, registry.Options{})
	repo := repoIn(server.Host())
	other := testregistry.Pack(t, testregistry.Spec{Version: "2.0.0"})
	if _, err := client.Push(t.Context(), repo, other); err != nil {
		t.Fatal(err)
	}
	about := withdraw(t, client, repo, other.Release(), "loses data").Statement
	listed, err := client.Referrers(t.Context(), repo, other.Digest(), registry.ArtifactTypeStatus)
	if err != nil || len(listed) != 1 || listed[0].Digest != about {
		t.Fatalf("listed: %+v, %v", listed, err)
	}
	gone := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, ArtifactType: registry.ArtifactTypeStatus, Digest: digest.FromString("gone"), Size: 4}
	for _, test := range []struct {
		listed   v1.Descriptor
		problems int
	}{{listed[0], 0}, {gone, 1}} {
		list := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{test.listed}}
		text, _ := json.Marshal(list)
		server.Inject(testregistry.Fault{Match: "GET referrers", Alter: func([]byte) []byte { return text }})
		if w := statusOf(t, client, repo, pack.Digest()).Withdrawals; len(w) != test.problems || len(w) == 1 && w[0].Problem == "" {
			t.Errorf("listed %s: %+v", test.listed.Digest, w)
		}
		server.Heal()
	}
}
