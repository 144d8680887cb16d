//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/loader"
)

// TestPublishersLoseNoEntry has 32 programs publish different plugins into one namespace at once, while others compact its
// catalogue: a search finds each of them, before and after a last compaction.
func TestPublishersLoseNoEntry(t *testing.T) {
	const publishers, compactions = 32, 3
	folders := manyPlugins(t, publishers)
	served := startServer(t)
	for kind, at := range map[string]user{
		"directory":       {namespace: "local/many"},
		"served":          {namespace: served.host + "/many", token: served.token},
		"docker-registry": {namespace: testregistry.Debian(t) + "/many"},
	} {
		t.Run(kind, func(t *testing.T) {
			at.T, at.home = t, t.TempDir()
			at.login()
			var wait sync.WaitGroup
			for i, folder := range folders {
				wait.Go(func() {
					if out := at.loadr("plugin", "publish", folder, "--json"); !strings.Contains(out, `"warnings": []`) {
						t.Errorf("publish: %s", out)
					}
				})
				if i%(publishers/compactions) == publishers/compactions-1 {
					wait.Go(func() { at.loadr("registry", "index") })
				}
			}
			wait.Wait()
			at.wantFound(publishers)
			at.loadr("registry", "index")
			at.loadr("registry", "index")
			at.wantFound(publishers)
			at.home = t.TempDir() // another machine
			at.wantFound(publishers)
		})
	}
}

// manyPlugins writes the folders of plugins that differ in the name alone, which each library says of itself.
func manyPlugins(t *testing.T, count int) (folders []string) {
	t.Helper()
	host, ok := loader.HostTarget()
	if !ok {
		t.Skip("the platform of this machine is not known")
	}
	const name = "many-0000"
	library := readText(t, testplugin.C(t, host, readText(t, filepath.Join("testdata", "plugin.c")), `-DNAME="`+name+`"`))
	if strings.Count(library, name) != 1 {
		t.Fatalf("the library has its name %d times", strings.Count(library, name))
	}
	for i := range count {
		dir, other := t.TempDir(), fmt.Sprintf("many-%04d", i)
		toml := fmt.Sprintf("[plugin]\nname = %q\nversion = \"0.1.0\"\nkind = \"protocol\"\ntype = \"native\"\nentry = \"libmany.so\"\n"+
			"schemes = [\"other\"]\ndescription = \"One of many\"\nlicense = \"MIT\"\n[build.targets]\n%q = \"libmany.so\"\n", other, string(host))
		for file, text := range map[string]string{"plugin.toml": toml, "libmany.so": strings.Replace(library, name, other, 1)} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		folders = append(folders, dir)
	}
	return folders
}

// user is somebody with a home of its own.
type user struct {
	*testing.T
	namespace, token, home string
	registry               string // folder of the directory registry
}

func (u *user) login() {
	u.registry = filepath.Join(u.home, "registry")
	if u.token != "" {
		host, _, _ := strings.Cut(u.namespace, "/")
		u.run(readText(u.T, u.token), "registry", "login", host, "--username", "loadr", "--password-stdin")
	}
}

func (u *user) loadr(args ...string) string { return u.run("", args...) }

func (u *user) run(stdin string, args ...string) string {
	cmd := exec.Command(filepath.Join(bin, "loadr"), args...)
	var complaints strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &complaints
	cmd.Env = append(os.Environ(), "HOME="+u.home, "LOADR_REGISTRY="+u.namespace, "LOADR_REGISTRY_DIR="+u.registry,
		"LOADR_CACHE_DIR="+filepath.Join(u.home, "cache"), "DOCKER_CONFIG="+filepath.Join(u.home, "docker"))
	out, err := cmd.Output()
	if err != nil && !strings.Contains(complaints.String(), "catalogue of "+u.namespace+": not found") { // nothing to compact yet
		u.Errorf("loadr %s: %v: %s", strings.Join(args, " "), err, complaints.String())
	}
	return string(out)
}

func (u *user) wantFound(want int) {
	u.Helper()
	var found struct {
		Plugins []struct {
			Name string `json:"name"`
		} `json:"plugins"`
	}
	if err := json.Unmarshal([]byte(u.loadr("plugin", "search", "many-", "--limit", "100", "--json")), &found); err != nil {
		u.Fatal(err)
	}
	if len(found.Plugins) != want {
		u.Errorf("found %d plugins, expected %d: %v", len(found.Plugins), want, found.Plugins)
	}
}
