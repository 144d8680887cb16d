package install

import (
	"cmp"
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// check looks at every new library as it lies in the cache: it must be what the publisher claimed, run on the platform
// that it was published for, and fit the host. Nothing of it runs.
func (in *Installer) check(ctx context.Context, j *job, items []*item) error {
	for _, it := range items {
		if it.unchanged {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := loader.InspectVerifiedAs(it.library, it.target.Library, it.manifest.Plugin.ABI)
		if err != nil {
			return it.wrap(err)
		}
		if err := it.checkClaim(found); err != nil {
			return err
		}
		if err := it.checkFits(found, j.host); err != nil {
			return err
		}
	}
	return nil
}

// readConfig holds the config against the lock.
func (it *item) readConfig() error {
	name := it.plugin.Name
	if err := it.checkTOML(it.config.PluginTOML); err != nil {
		return err
	}
	if got := it.config.Library.Digest; got != it.target.Library {
		return &MismatchError{Plugin: name, Part: "library in the config", Want: string(it.target.Library), Got: string(got)}
	}
	if want, got := it.target.Layout, it.config.Library.ABI.Layout; got != want {
		return &MismatchError{Plugin: name, Part: "type layout in the config", Want: orNone(want), Got: orNone(got)}
	}
	return it.readManifest()
}

// checkTOML holds the shipped plugin.toml to the lock's digest.
func (it *item) checkTOML(text string) error {
	if got := digest.FromString(text); got != it.target.PluginTOML {
		return &MismatchError{Plugin: it.plugin.Name, Part: manifestName, Want: string(it.target.PluginTOML), Got: string(got)}
	}
	it.toml = text
	return nil
}

// readManifest holds what the shipped plugin.toml says against the lock.
func (it *item) readManifest() (err error) {
	name := it.plugin.Name
	if it.manifest, err = manifest.ParseShipped(name+"/"+manifestName, []byte(it.toml)); err != nil {
		return err
	}
	if got := it.manifest.Plugin; got.Name != name || got.Version != it.plugin.Version {
		want := name + " " + it.plugin.Version
		return &MismatchError{Plugin: name, Part: "name and version in " + manifestName, Want: want, Got: got.Name + " " + got.Version}
	}
	if want, got := fmt.Sprint(it.plugin.Dependencies), fmt.Sprint(dependencies(it.manifest.Requires.Plugins)); want != got {
		return &MismatchError{Plugin: name, Part: "requirements in " + manifestName, Want: want, Got: got}
	}
	return nil
}

func orNone(layout string) string { return cmp.Or(layout, "none") }

// checkClaim compares the publisher's report, on which resolution relied, with our own.
func (it *item) checkClaim(found *manifest.Library) error {
	if it.config == nil {
		return nil
	}
	d, differs := it.config.Library.Difference(*found)
	if !differs {
		return nil
	}
	part := fmt.Sprintf("library's %s for %s", d.Field, it.target.Target)
	return &MismatchError{Plugin: it.plugin.Name, Part: part, Want: d.Want, Got: d.Got, Claim: true}
}

// checkFits holds what was found to the rules by which the version was chosen: a lock can be older than the host, or be
// edited.
func (it *item) checkFits(found *manifest.Library, host lockfile.Host) error {
	refuse := func(detail string) error {
		return &IncompatibleError{Plugin: it.plugin.Name, Target: it.target.Target, Detail: detail, ABI: found.ABI}
	}
	if err := loader.Matches(found, it.target.Target); err != nil {
		return refuse(err.Error())
	}
	if found.ABI.Verdict != manifest.Fits {
		return refuse(fmt.Sprintf("its %s interface does not fit: expected verdict %q, found %q", found.ABI.Family, manifest.Fits, found.ABI.Verdict))
	}
	exactly, err := resolve.ParseRange(it.plugin.Version)
	if err != nil {
		return err
	}
	offer := resolve.Offer{
		Version: it.plugin.Version, RequiresABI: it.plugin.RequiresABI,
		Targets: []resolve.TargetOffer{{Target: it.target.Target, ABI: found.ABI.ABI(), Libc: found.Libc}},
	}
	requirement := resolve.Requirement{Name: it.plugin.Name, Range: exactly}
	if reason, ok := resolve.Fits(requirement, resolveHost(host), []manifest.Target{it.target.Target}, offer); !ok {
		return refuse(reason.Detail)
	}
	return nil
}
