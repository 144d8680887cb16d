package install_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

// release gives the repository of a plugin and what is published there under a version.
func (p *project) release(name, version string) (registry.Repository, *registry.Release) {
	p.t.Helper()
	host, namespace, err := registry.ParseNamespace(p.namespaces[0])
	if err != nil {
		p.t.Fatal(err)
	}
	repo := registry.Repository{Registry: host, Namespace: namespace, Name: name}
	r, err := p.client.Release(p.t.Context(), repo, version)
	if err != nil {
		p.t.Fatal(err)
	}
	return repo, r
}

func (p *project) withdraw(name, version, reason, use string) {
	p.t.Helper()
	repo, r := p.release(name, version)
	if _, err := p.client.Withdraw(p.t.Context(), repo, r, reason, use); err != nil {
		p.t.Fatal(err)
	}
}

func rejections(r *install.Report) map[string]string {
	out := map[string]string{}
	for _, c := range r.Choices {
		for _, reason := range c.Rejected {
			out[reason.Version] = string(reason.Code) + ": " + reason.Detail
		}
	}
	return out
}

// TestWithdrawn follows a version from its publication to its return.
func TestWithdrawn(t *testing.T) {
	p, server := remote(t, spec{name: "echo", version: "1.0.0"}, spec{name: "echo", version: "1.1.0"}, spec{name: "echo", version: "1.2.0", requires: "^2"})
	locked := newProject(t, p.client, p.namespaces...)
	locked.install("echo@^1")
	before := locked.read("loadr.lock")
	p.withdraw("echo", "1.1.0", "loses data", "1.0.0")
	p.withdraw("echo", "1.2.0", "leaks", "")
	server.Take()

	report := p.install("echo@^1")
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.0.0"})
	if got := rejections(report)["1.1.0"]; got != "withdrawn: withdrawn: loses data; use 1.0.0" {
		t.Errorf("1.1.0 was rejected with %q", got)
	}
	if got := rejections(report)["1.2.0"]; !strings.HasPrefix(got, "requires-abi") {
		t.Errorf("1.2.0 does not suit the host, and was rejected with %q", got)
	}
	// 1.2.0 is not asked about; the statement about 1.1.0 is one request more.
	wantRequests(t, server, "install past a withdrawn version", "GET tags", "GET manifest", "GET manifest", "GET referrers", "GET manifest",
		"GET manifest", "GET referrers", "GET blob")

	locked.run(install.Options{})
	elsewhere := locked.on(machine())
	elsewhere.run(install.Options{Mode: install.Locked})
	wantVersions(t, "installed from the lock", elsewhere.versions(), map[string]string{"echo": "1.1.0"})
	if locked.read("loadr.lock") != before {
		t.Error("the lock was changed")
	}
	server.Take()
	verdicts, err := locked.installer().Verify(t.Context(), nil, false)
	if err != nil || len(verdicts) != 1 || !verdicts[0].OK || len(verdicts[0].Warnings) != 1 || !strings.Contains(verdicts[0].Warnings[0], "loses data; use 1.0.0") {
		t.Errorf("verify: %+v, %v", verdicts, err)
	}
	if reason, err := locked.installer().Withdrawn(t.Context(), locked.readLock().Plugins[0]); err != nil || reason != "loses data; use 1.0.0" {
		t.Errorf("withdrawn: %q, %v", reason, err)
	}

	repo, r := p.release("echo", "1.1.0")
	if _, err := p.client.Restore(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	p.install("echo@1.1.0")
	wantVersions(t, "installed after the undo", p.versions(), map[string]string{"echo": "1.1.0"})
	if verdicts, err := locked.installer().Verify(t.Context(), nil, false); err != nil || len(verdicts[0].Warnings) != 0 {
		t.Errorf("verify after the undo: %+v, %v", verdicts, err)
	}
}

// TestWithdrawnLockedVersion: what is locked is kept when others have to change, and the report says that it was withdrawn.
func TestWithdrawnLockedVersion(t *testing.T) {
	p, server := remote(t, spec{name: "echo", version: "1.0.0"}, spec{name: "kafka", plugins: map[string]string{"smtp": "^1"}}, spec{name: "smtp", version: "1.0.0"})
	p.install("echo", "kafka")
	publishTo(t, p.client, server.Host()+"/team", spec{name: "redis", plugins: map[string]string{"smtp": "^2"}},
		spec{name: "smtp", version: "2.0.0"}, spec{name: "kafka", version: "1.1.0", plugins: map[string]string{"smtp": "^2"}})
	p.withdraw("echo", "1.0.0", "loses data", "")
	report := p.install("redis", "kafka@^1.1")
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.0.0", "kafka": "1.1.0", "redis": "1.0.0", "smtp": "2.0.0"})
	if want := `plugin "echo": 1.0.0, which is locked, was withdrawn: loses data`; !slices.Contains(report.Warnings, want) {
		t.Errorf("warnings %q, expected %q", report.Warnings, want)
	}
}

// TestWithdrawnUnanswered has registries that don't say whether a version was withdrawn: resolution stops, as it does for
// every unanswered question.
func TestWithdrawnUnanswered(t *testing.T) {
	p, server := remote(t, spec{name: "echo"})
	for name, fault := range map[string]testregistry.Fault{
		"403":         {Match: "GET referrers", Status: http.StatusForbidden},
		"broken":      {Match: "GET referrers", Cut: 3},
		"broken JSON": {Match: "GET referrers", Status: 200, Header: http.Header{"Content-Type": {v1.MediaTypeImageIndex}}, Body: "{"},
	} {
		server.Inject(fault)
		if _, err := p.try(install.Options{Want: references(t, "echo")}); err == nil {
			t.Errorf("%s: installed", name)
		}
		wantVersions(t, name, p.versions(), map[string]string{})
		server.Heal()
	}
	p.install("echo")
}

// TestWithdrawnUnreadable: a statement that can't be read may be a withdrawal in a form of tomorrow, so it counts as one and says
// why; an undo settles it.
func TestWithdrawnUnreadable(t *testing.T) {
	p, _ := remote(t, spec{name: "echo", version: "1.0.0"}, spec{name: "echo", version: "1.1.0"})
	repo, r := p.release("echo", "1.1.0")
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: r.Digest, Size: r.Size}
	for _, text := range []string{"torn", `{"schema":2,"status":"recalled"}`} {
		_, err := p.client.Attach(t.Context(), repo, subject, registry.Attachment{
			ArtifactType: registry.ArtifactTypeStatus, Layers: []registry.AttachedLayer{{MediaType: registry.MediaTypeStatus, Content: []byte(text)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	report := p.install("echo@^1")
	wantVersions(t, "installed", p.versions(), map[string]string{"echo": "1.0.0"})
	if got := rejections(report)["1.1.0"]; !strings.Contains(got, "can't be read: ") || !strings.Contains(got, "a newer loadr may read it") {
		t.Errorf("1.1.0 was rejected with %q", got)
	}
	if _, err := p.client.Restore(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	p.install("echo@1.1.0")
	wantVersions(t, "installed after the undo", p.versions(), map[string]string{"echo": "1.1.0"})
}

// TestNoneLeft: where everything was withdrawn, the error says so.
func TestNoneLeft(t *testing.T) {
	p := local(t, spec{name: "echo"})
	p.withdraw("echo", "1.0.0", "loses data", "")
	_, err := p.try(install.Options{Want: references(t, "echo")})
	none := wantError[*resolve.NoVersionError](t, "install", err)
	if none != nil && (!strings.Contains(none.Error(), "1.0.0 withdrawn: loses data") || !strings.Contains(none.Hint(), "withdrawn")) {
		t.Errorf("error %q with hint %q", none, none.Hint())
	}
}

// TestPreReleaseOnRequest: a pre-release is taken when a range names one, and only then.
func TestPreReleaseOnRequest(t *testing.T) {
	p := local(t, spec{name: "echo", version: "1.0.0"}, spec{name: "echo", version: "1.1.0-rc.1"})
	for _, ref := range []string{"echo", "echo@^1", "echo@*"} {
		fresh := newProject(t, p.client, p.namespaces...)
		fresh.install(ref)
		wantVersions(t, ref, fresh.versions(), map[string]string{"echo": "1.0.0"})
	}
	p.install("echo@^1.1.0-rc.1")
	wantVersions(t, "asked for", p.versions(), map[string]string{"echo": "1.1.0-rc.1"})
}
