package install

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// TestVouched: who outranks whom when a digest is judged.
func TestVouched(t *testing.T) {
	good, bad := digest.FromString("good"), digest.FromString("bad")
	const at = "https://host.example/x.zip"
	const taken, untrusted, mismatch = "taken", "untrusted", "mismatch"
	for name, c := range map[string]struct {
		v    vouched
		a    artifact
		want string // of the good digest
	}{
		"nobody vouches":                       {vouched{}, artifact{}, untrusted},
		"whatever comes":                       {vouched{all: true}, artifact{}, taken},
		"by the user":                          {vouched{digests: []string{bad.Encoded(), good.Encoded()}}, artifact{}, taken},
		"by the user, for others":              {vouched{digests: []string{bad.Encoded()}}, artifact{}, mismatch},
		"for others, and whatever comes":       {vouched{digests: []string{bad.Encoded()}, all: true}, artifact{}, mismatch},
		"for others, and the lock":             {vouched{digests: []string{bad.Encoded()}, locked: map[string]digest.Digest{at: good}}, artifact{}, mismatch},
		"by the lock":                          {vouched{locked: map[string]digest.Digest{at: good}}, artifact{}, taken},
		"by the lock, for others":              {vouched{locked: map[string]digest.Digest{at: bad}}, artifact{}, mismatch},
		"by the lock, elsewhere":               {vouched{locked: map[string]digest.Digest{at + "x": good}}, artifact{}, untrusted},
		"exchanged on purpose":                 {vouched{locked: map[string]digest.Digest{at: bad}, all: true}, artifact{}, taken},
		"by an index":                          {vouched{}, artifact{digest: good, vouched: true}, taken},
		"by an index, for others":              {vouched{all: true}, artifact{digest: bad, vouched: true}, mismatch},
		"known from where it comes from":       {vouched{}, artifact{digest: good}, untrusted},
		"known, and whatever comes":            {vouched{all: true}, artifact{digest: good}, taken},
		"known as another, and by the user":    {vouched{digests: []string{good.Encoded()}}, artifact{digest: bad}, mismatch},
		"known as another, and whatever comes": {vouched{all: true}, artifact{digest: bad}, mismatch},
	} {
		c.a.location = at
		err := c.v.accept(c.a, good)
		got := taken
		switch {
		case errors.As(err, new(*UntrustedError)):
			got = untrusted
		case errors.As(err, new(*FileDigestError)):
			got = mismatch
		case err != nil:
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: expected %s, found %s", name, c.want, got)
		}
		if err != nil && !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v does not say which file", name, err)
		}
	}
}

// TestClaimedABI: an index's number rules out what can't fit, and nothing that might.
func TestClaimedABI(t *testing.T) {
	host := func(native, c string) resolve.Host {
		return resolve.Host{ABI: map[manifest.Family]string{manifest.FamilyNative: native, manifest.FamilyC: c, manifest.FamilyComponent: "0.1.0"}}
	}
	for _, c := range []struct {
		host   resolve.Host
		target manifest.Target
		major  int
		fits   bool
	}{
		{host("1.3.0", "1.0.0"), "x86_64-unknown-linux-gnu", 1, true},
		{host("2.0.0", "1.0.0"), "x86_64-unknown-linux-gnu", 1, true}, // it may be of the C interface
		{host("1.0.0", "1.0.0"), "x86_64-unknown-linux-gnu", 2, false},
		{host("2.0.0", "2.0.0"), "x86_64-unknown-linux-gnu", 1, false},
		{host("10.0.0", "10.0.0"), "x86_64-unknown-linux-gnu", 1, false},
		{host("1.0.0", "1.0.0"), manifest.Neutral, 7, true},
	} {
		abi := claimedABI(c.host, c.target, c.major)
		if _, fits := resolve.AcceptsABI(c.host, abi); fits != c.fits {
			t.Errorf("%+v: claims %s", c, abi)
		}
	}
}

func TestOutside(t *testing.T) {
	for source, want := range map[string]bool{
		"file:vendor/x.zip": false, "file:x/../y.zip": false, "file:../x.zip": true, "file:x/../../y.zip": true, "file:/srv/x.zip": true,
		"index+file:/srv/index.json": true, "index+file:index.json": false, "https://host.example/x.zip": false, "local/plugins": false,
	} {
		if got := outside(source); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
}
