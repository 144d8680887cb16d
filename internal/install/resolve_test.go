package install_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/resolve"
)

var (
	everywhere = []manifest.Target{linux, darwin, windows}
	darwinOnly = []manifest.Target{darwin}
)

// projectText asks for two plugins on three platforms.
const projectText = `# what the tests need
[plugins]
kafka = "^1"   # not 2
echo = "*"

[host]
abi = { c = "1.0.0" }
glibc = "2.99"

[options]
targets = ["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-unknown-linux-gnu"]
`

func offered() []spec {
	return []spec{
		{name: "echo", targets: everywhere}, {name: "echo", version: "1.1.0", targets: everywhere},
		{name: "kafka", version: "1.9.0", targets: everywhere}, {name: "kafka", version: "1.10.0", targets: everywhere},
		{name: "kafka", version: "2.0.0", targets: everywhere},
	}
}

// TestSameLockEverywhere: the bytes of a lock depend on nothing but loadr.toml and what is published.
func TestSameLockEverywhere(t *testing.T) {
	t.Parallel()
	p, server := remote(t, offered()...)
	p.write("loadr.toml", projectText)
	p.lock()
	first := p.read("loadr.lock")
	wantVersions(t, "locked", p.locked(), map[string]string{"echo": "1.1.0", "kafka": "1.10.0"})
	if got := len(p.readLock().Plugins[0].Targets); got != len(everywhere) {
		t.Errorf("%d targets locked, expected %d", got, len(everywhere))
	}

	again := newProject(t, p.client, p.namespaces...)
	again.write("loadr.toml", projectText)
	again.lock()
	wantText(t, "a second run", again.read("loadr.lock"), first)

	mac := newProject(t, newClient(t, registry.Options{}), p.namespaces...)
	mac.machine = install.Machine{Target: darwin, ABI: map[manifest.Family]string{manifest.FamilyC: "7.0.0"}}
	mac.write("loadr.toml", projectText)
	mac.lock()
	wantText(t, "another machine", mac.read("loadr.lock"), first)
	mac.run(install.Options{})
	wantText(t, "another machine's install", mac.read("loadr.lock"), first)
	if !strings.HasSuffix(mac.entryOf("echo"), ".dylib") {
		t.Errorf("installed for a Mac: %s", mac.entryOf("echo"))
	}

	server.Inject(testregistry.Fault{Match: "GET tags", Alter: shuffledTags})
	shuffled := newProject(t, p.client, p.namespaces...)
	shuffled.write("loadr.toml", projectText)
	shuffled.lock()
	wantText(t, "a shuffled registry", shuffled.read("loadr.lock"), first)
	if p.read("loadr.toml") != projectText {
		t.Errorf("loadr.toml was changed:\n%s", p.read("loadr.toml"))
	}
}

// TestSameLockFromOtherOrder publishes the same in another order, each release as packs of single targets.
func TestSameLockFromOtherOrder(t *testing.T) {
	t.Parallel()
	p := local(t, offered()...)
	p.write("loadr.toml", projectText)
	p.lock()

	client := newClient(t, registry.Options{Dir: t.TempDir()})
	for _, s := range slices.Backward(offered()) {
		publishInParts(t, client, s)
	}
	other := newProject(t, client, "local/plugins")
	other.write("loadr.toml", projectText)
	other.lock()
	wantText(t, "published in another order", other.read("loadr.lock"), p.read("loadr.lock"))
}

func publishInParts(t *testing.T, client *registry.Client, s spec) {
	t.Helper()
	folder := s.folder(t)
	var parts []string
	for _, target := range slices.Backward(s.targets) {
		o := publish.PackOptions{Dir: folder, Output: filepath.Join(t.TempDir(), "part"), Targets: map[manifest.Target]string{target: ""}}
		if _, _, err := publish.Pack(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, o.Output)
	}
	if _, err := publish.Publish(t.Context(), client, publish.Options{Sources: parts, Source: "local/plugins"}); err != nil {
		t.Fatal(err)
	}
}

func shuffledTags(body []byte) []byte {
	var list map[string]any
	if err := json.Unmarshal(body, &list); err != nil {
		return body
	}
	tags := list["tags"].([]any)
	slices.Reverse(tags)
	tags[0], tags[1] = tags[1], tags[0]
	list["tags"] = append(tags, "latest", "v9.9.9", tags[0])
	text, _ := json.Marshal(list)
	return text
}

func (p *project) entryOf(name string) string {
	p.t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.workspace().Plugins, name))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "plugin.toml" && e.Name() != "disabled" {
			return e.Name()
		}
	}
	return ""
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestLockedIsKept: newer versions change nothing until something else does, and then only what no longer fits.
func TestLockedIsKept(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka", requires: "^1.1"}, spec{name: "kafka", version: "0.9.0"})
	p.machine.ABI = map[manifest.Family]string{manifest.FamilyC: "1.1.0"}
	p.install("echo", "kafka@*")
	wantVersions(t, "first", p.locked(), map[string]string{"echo": "1.0.0", "kafka": "1.0.0"})

	publishTo(t, p.client, "local/plugins", spec{name: "echo", version: "1.1.0", targets: everywhere}, spec{name: "smtp"},
		spec{name: "kafka", version: "0.9.1", targets: everywhere})
	p.install("smtp")
	p.install("echo")
	wantVersions(t, "after newer versions", p.locked(), map[string]string{"echo": "1.0.0", "kafka": "1.0.0", "smtp": "1.0.0"})

	p.edit("loadr.toml", `c = "1.1.0"`, `c = "1.0.0"`)
	report := p.run(install.Options{})
	wantVersions(t, "after another host", p.locked(), map[string]string{"echo": "1.0.0", "kafka": "0.9.1", "smtp": "1.0.0"})
	if c := report.Choices; len(c) != 1 || c[0].Name != "kafka" || c[0].Replaces != "1.0.0" {
		t.Errorf("resolved: %+v, expected kafka alone", c)
	}
	wantVersions(t, "installed", p.versions(), p.locked())

	p.run(install.Options{HostABI: map[manifest.Family]string{manifest.FamilyC: "1.1.0"}})
	if !strings.Contains(p.read("loadr.toml"), `c = "1.1.0"`) || p.readLock().Host.ABI[manifest.FamilyC] != "1.1.0" {
		t.Error("--host-abi was not recorded")
	}
	wantVersions(t, "a newer host", p.locked(), map[string]string{"echo": "1.0.0", "kafka": "0.9.1", "smtp": "1.0.0"})
	p.wantSound()
}

// TestTargets: a new target re-resolves what has no library for it, and says why when nothing has.
func TestTargets(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka", targets: everywhere})
	p.install("echo", "kafka")
	publishTo(t, p.client, "local/plugins", spec{name: "kafka", version: "1.1.0", targets: everywhere})
	before := p.snapshot()

	mac := install.Options{Target: darwin, AddTarget: true}
	elsewhere := *p
	elsewhere.plugins = filepath.Join(t.TempDir(), "plugins")
	_, err := elsewhere.try(mac)
	none := wantError[*resolve.NoVersionError](t, "a target that echo lacks", err)
	if none != nil && !strings.Contains(none.Explanation(), string(darwin)) {
		t.Errorf("the explanation does not name the target:\n%s", none.Explanation())
	}
	p.wantUnchanged(before)

	publishTo(t, p.client, "local/plugins", spec{name: "echo", version: "1.0.1", targets: []manifest.Target{linux, darwin}})
	elsewhere.run(mac)
	wantVersions(t, "locked", p.locked(), map[string]string{"echo": "1.0.1", "kafka": "1.0.0"})
	if got := elsewhere.entryOf("kafka"); !strings.HasSuffix(got, ".dylib") {
		t.Errorf("installed for a Mac: %s", got)
	}
	wantVersions(t, "this machine's are untouched", p.versions(), map[string]string{"echo": "1.0.0", "kafka": "1.0.0"})
	p.run(install.Options{Mode: install.Locked})
	wantVersions(t, "installed", p.versions(), p.locked())
	p.wantSound()
	elsewhere.wantSound()

	_, err = p.try(install.Options{Target: windows})
	refused := wantError[*install.TargetError](t, "a target that is not listed", err)
	if refused != nil && !strings.Contains(refused.Hint(), `"aarch64-apple-darwin", "x86_64-pc-windows-msvc"`) {
		t.Errorf("hint %q does not give the line to write", refused.Hint())
	}
}

// TestModes goes through what --locked and --frozen accept and refuse.
func TestModes(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	p.write("loadr.toml", "[plugins]\necho = \"^1\"\n")
	_, err := p.try(install.Options{Mode: install.Frozen})
	wantError[*install.NoLockError](t, "--frozen without a lock", err)
	_, err = p.try(install.Options{Mode: install.Locked})
	if e := wantError[*install.DriftError](t, "--locked without a lock", err); e != nil && !strings.Contains(e.Error(), "echo") {
		t.Errorf("the error does not name the entries: %v", e)
	}
	_, err = p.installer().Lock(t.Context(), install.Options{Mode: install.Locked})
	wantError[*install.DriftError](t, "lock --locked without a lock", err)
	p.run(install.Options{})

	p.edit("loadr.toml", "[plugins]", "[plugins]\nkafka = \"^1\"")
	p.edit("loadr.toml", "echo = \"^1\"", "echo = \"^2\"")
	before := p.snapshot()
	_, err = p.try(install.Options{Mode: install.Locked})
	if e := wantError[*install.DriftError](t, "--locked after edits", err); e != nil && len(e.Drifts) != 2 {
		t.Errorf("drifts: %v, expected echo and kafka", e.Drifts)
	}
	for _, o := range []install.Options{
		{Want: references(t, "echo")}, {AddTarget: true}, {HostABI: map[manifest.Family]string{manifest.FamilyC: "1.0.0"}},
	} {
		for _, o.Mode = range []install.Mode{install.Locked, install.Frozen} {
			_, err = p.try(o)
			wantError[*install.UsageError](t, "choices where the lock decides", err)
		}
	}
	_, err = p.try(install.Options{Want: references(t, "kafka", "kafka@^2")})
	wantError[*install.UsageError](t, "one plugin named twice", err)
	p.wantUnchanged(before)

	p.write("loadr.toml", "this is no toml")
	fresh := p.on(machine())
	fresh.run(install.Options{Mode: install.Frozen})
	wantVersions(t, "--frozen, whatever loadr.toml says", fresh.versions(), map[string]string{"echo": "1.0.0"})
	_, err = p.try(install.Options{})
	wantError[*lockfile.SyntaxError](t, "a broken loadr.toml", err)
}

// TestLockedEmptyProject has nothing to do and nothing to write.
func TestLockedEmptyProject(t *testing.T) {
	p := local(t)
	before := p.snapshot()
	if report := p.run(install.Options{Mode: install.Locked}); len(report.Plugins) != 0 {
		t.Errorf("plugins: %v", report.Plugins)
	}
	p.wantUnchanged(before)
}

// TestWarningAboutTheDirectoryRegistry appears when a project locks from it, and not again.
func TestWarningAboutTheDirectoryRegistry(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	warnings := p.install("echo", "kafka").Warnings
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "echo, kafka: ") || !strings.Contains(warnings[0], "local/") {
		t.Errorf("warnings: %q", warnings)
	}
	if again := p.install("echo").Warnings; len(again) != 0 {
		t.Errorf("warnings of what was locked before: %q", again)
	}
	user := *p
	user.dir = t.TempDir()
	user.plugins = filepath.Join(user.dir, "plugins")
	if w := user.install("echo").Warnings; len(w) != 0 {
		t.Errorf("warnings outside a project: %q", w)
	}
	far, _ := remote(t, spec{name: "echo"})
	if w := far.install("echo").Warnings; len(w) != 0 {
		t.Errorf("warnings about a registry that others reach: %q", w)
	}
}

// TestEditKeepsText: install adds to loadr.toml and leaves the rest as its author wrote it.
func TestEditKeepsText(t *testing.T) {
	p := local(t, spec{name: "echo"}, spec{name: "kafka"})
	text := "# ours\n[plugins]\nkafka   =   \"^1\"  # keep\n"
	p.write("loadr.toml", text)
	p.install("echo")
	got := p.read("loadr.toml")
	if !strings.HasPrefix(got, text) && !strings.Contains(got, "kafka   =   \"^1\"  # keep\n") {
		t.Errorf("loadr.toml:\n%s", got)
	}
	for _, want := range []string{`version = "^1.0.0"`, `registry = "local/plugins"`, `glibc = "2.99"`, string(linux)} {
		if !strings.Contains(got, want) {
			t.Errorf("loadr.toml lacks %s:\n%s", want, got)
		}
	}
	if !bytes.Equal([]byte(p.read("loadr.lock")), p.readLock().Encode()) {
		t.Error("the lock is not in its canonical form")
	}
}
