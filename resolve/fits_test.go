package resolve

import (
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	linux = manifest.Target("x86_64-unknown-linux-gnu")
	arm   = manifest.Target("aarch64-unknown-linux-gnu")
	mac   = manifest.Target("aarch64-apple-darwin")
	musl  = manifest.Target("x86_64-unknown-linux-musl")
)

func abi(s string) manifest.ABI {
	a, err := manifest.ParseABI(s)
	if err != nil {
		panic(err)
	}
	return a
}

func libc(s string) manifest.Libc {
	l, err := manifest.ParseLibc(s)
	if err != nil {
		panic(err)
	}
	return l
}

var host = Host{
	ABI:  map[manifest.Family]string{manifest.FamilyNative: "1.0.0", manifest.FamilyC: "1.0.0", manifest.FamilyComponent: "0.1.0"},
	Libc: libc("glibc>=2.31"),
}

func TestAcceptsABI(t *testing.T) {
	for _, c := range []struct{ host, in, out, accepted string }{
		{"native/1.0.0", "native/1.0.0 native/1.0.7 native/1.3.0", "native/0.9.0 native/2.0.0 c/1.0.0", "^1.0"},
		{"native/1.3.0", "native/1.3.0 native/1.4.0", "native/1.0.0 native/1.2.9 native/2.0.0", "^1.3"},
		{"native/1.3.2", "native/1.3.0 native/1.3.2 native/1.4.0", "native/1.2.9 native/2.0.0", "^1.3"},
		{"native/0.2.1", "native/0.2.0 native/0.2.4", "native/0.1.9 native/0.3.0", "^0.2"},
		{"native/1.1.0-rc.1", "native/1.1.0-rc.1 native/1.1.0", "native/1.0.0", "^1.1.0-rc.1"},
		{"native/1.0.0", "", "native/1.1.0-rc.1", "^1.0"},
		{"c/1.0.0", "c/1.0.0 c/1.9.0", "c/2.0.0 c/0.1.0 native/1.0.0", "1.x"},
		{"c/1.5.0", "c/1.0.0 c/1.9.0", "c/2.0.0", "1.x"},
		{"component/1.3.0", "component/1.0.0 component/1.3.0", "component/1.3.1 component/1.4.0 component/0.9.0", "1.0 to 1.3"},
		{"component/0.2.4", "component/0.2.0 component/0.2.4", "component/0.1.0 component/0.2.5", "0.2 to 0.2.4"},
		{"component/0.1.0", "component/0.1.0", "component/0.1.1 component/0.0.9", "0.1"},
		{"component/0.0.3", "component/0.0.3", "component/0.0.2 component/0.0.4", "0.0.3"},
	} {
		has := abi(c.host)
		h := Host{ABI: map[manifest.Family]string{has.Family: has.Version}}
		for _, built := range strings.Fields(c.in) {
			if words, ok := AcceptsABI(h, abi(built)); !ok || words != c.accepted {
				t.Errorf("host %s should accept %s: %v %q", c.host, built, ok, words)
			}
		}
		for _, built := range strings.Fields(c.out) {
			if _, ok := AcceptsABI(h, abi(built)); ok {
				t.Errorf("host %s should not accept %s", c.host, built)
			}
		}
	}
	if words, ok := AcceptsABI(Host{ABI: map[manifest.Family]string{"c": "one"}}, abi("c/1.0.0")); ok || words != "" {
		t.Error("a host version that is not semver accepts nothing")
	}
	if _, ok := AcceptsABI(host, manifest.ABI{}); ok {
		t.Error("an unknown ABI fits no host")
	}
}

func library1(t manifest.Target, a string, l string) TargetOffer {
	return TargetOffer{Target: t, ABI: abi(a), Libc: libc(l)}
}

func TestFits(t *testing.T) {
	sound := Offer{Version: "1.0.0", Targets: []TargetOffer{library1(linux, "c/1.0.0", "glibc>=2.17"), library1(mac, "c/1.0.0", "")}}
	with := func(change func(*Offer)) Offer {
		o := sound
		o.Targets = append([]TargetOffer(nil), sound.Targets...)
		change(&o)
		return o
	}
	for _, c := range []struct {
		name    string
		offer   Offer
		targets []manifest.Target
		code    Code
		detail  string
	}{
		{"sound", sound, []manifest.Target{linux, mac}, "", ""},
		{"nothing asked of libraries", Offer{Version: "1.0.0"}, nil, "", ""},
		{"outside", with(func(o *Offer) { o.Version = "2.0.0" }), nil, OutOfRange, "outside ^1"},
		{"pre-release", with(func(o *Offer) { o.Version = "1.1.0-rc.1" }), nil, PreRelease, "pre-release, which ^1 does not ask for"},
		{"pre-release outside", with(func(o *Offer) { o.Version = "2.1.0-rc.1" }), nil, OutOfRange, "outside ^1"},
		{"not a version", with(func(o *Offer) { o.Version = "new" }), nil, Invalid, "unusable: not a version"},
		{"problem", with(func(o *Offer) { o.Problem = "not\x1b[2J a\nplugin" }), nil, Invalid, "unusable: not [2J a plugin"},
		{"withdrawn", with(func(o *Offer) { o.Withdrawn = "loses data" }), nil, Withdrawn, "withdrawn: loses data"},
		{"target", sound, []manifest.Target{linux, arm, musl}, NoTarget,
			"has no library for aarch64-unknown-linux-gnu, x86_64-unknown-linux-musl (has: aarch64-apple-darwin, x86_64-unknown-linux-gnu)"},
		{"no targets", Offer{Version: "1.0.0"}, []manifest.Target{linux}, NoTarget, "has no library for x86_64-unknown-linux-gnu (has: none)"},
		{"abi", with(func(o *Offer) { o.Targets[0].ABI = abi("native/2.0.0") }), []manifest.Target{linux}, ABI,
			"built against native ABI 2.0, this host accepts ^1.0"},
		{"abi of one", with(func(o *Offer) { o.Targets[1].ABI = abi("c/2.0.1") }), []manifest.Target{linux, mac}, ABI,
			"library for aarch64-apple-darwin built against c ABI 2.0.1, this host accepts 1.x"},
		{"abi of another target", with(func(o *Offer) { o.Targets[1].ABI = abi("c/2.0.1") }), []manifest.Target{linux}, "", ""},
		{"abi unknown", with(func(o *Offer) { o.Targets[0].ABI = manifest.ABI{} }), []manifest.Target{linux}, ABI,
			"does not say which ABI it was built against"},
		{"requires", with(func(o *Offer) { o.RequiresABI = "^1.2" }), []manifest.Target{linux}, RequiresABI,
			"requires a host of c ABI ^1.2, this host is 1.0.0"},
		{"requires what is there", with(func(o *Offer) { o.RequiresABI = ">=1" }), []manifest.Target{linux}, "", ""},
		{"requires nonsense", with(func(o *Offer) { o.RequiresABI = "one" }), []manifest.Target{linux}, Invalid, "unusable: [requires] abi"},
		{"libc", with(func(o *Offer) { o.Targets[0].Libc = libc("glibc>=2.34") }), []manifest.Target{linux, mac}, Libc,
			"library for x86_64-unknown-linux-gnu needs glibc 2.34, the oldest in use is 2.31"},
		{"libc as numbers", with(func(o *Offer) { o.Targets[0].Libc = libc("glibc>=2.4") }), []manifest.Target{linux}, "", ""},
		{"libc equal", with(func(o *Offer) { o.Targets[0].Libc = libc("glibc>=2.31") }), []manifest.Target{linux}, "", ""},
		{"another libc", Offer{Version: "1.0.0", Targets: []TargetOffer{library1(musl, "c/1.0.0", "musl>=9.9")}}, []manifest.Target{musl}, "", ""},
		{"neutral", Offer{Version: "1.0.0", Targets: []TargetOffer{library1(manifest.Neutral, "component/0.1.0", "")}}, []manifest.Target{linux, mac}, "", ""},
		{"neutral without a host for it", Offer{Version: "1.0.0", Targets: []TargetOffer{library1(manifest.Neutral, "component/0.2.0", "")}}, []manifest.Target{linux}, ABI,
			"built against component ABI 0.2, this host accepts 0.1"},
		{"own before neutral", with(func(o *Offer) {
			o.Targets = append([]TargetOffer{library1(manifest.Neutral, "component/9.0.0", "")}, o.Targets...)
		}), []manifest.Target{linux}, "", ""},
		{"the first reason", with(func(o *Offer) { o.Withdrawn, o.RequiresABI = "x", "^9" }), []manifest.Target{arm}, Withdrawn, "withdrawn: x"},
	} {
		req := Requirement{Name: "p", Range: mustRange("^1")}
		reason, ok := Fits(req, host, c.targets, c.offer)
		if ok != (c.code == "") || reason.Code != c.code || !strings.HasPrefix(reason.Detail, c.detail) {
			t.Errorf("%s: %v %+v", c.name, ok, reason)
		}
	}
	missing := Host{}
	if r, ok := Fits(Requirement{}, missing, []manifest.Target{linux}, sound); ok || r.Detail != "built against c ABI 1.0, which this host does not have" {
		t.Error(r, ok)
	}
	old := with(func(o *Offer) { o.Targets[0].Libc = libc("glibc>=9.9") })
	noFloor := Host{ABI: host.ABI}
	if r, ok := Fits(Requirement{}, noFloor, []manifest.Target{linux}, old); !ok {
		t.Error("without a floor no library is too new:", r)
	}
}

func mustRange(s string) Range {
	r, err := ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r
}

func TestClean(t *testing.T) {
	if got := clean(" a\r\n\tb\x1b[31m\u202ec\xff "); got != "a b [31m c?" {
		t.Errorf("%q", got)
	}
	if got := clean(strings.Repeat("é", 1000)); len(got) > maxDetail+5 || !strings.HasSuffix(got, "...") {
		t.Errorf("%q", got)
	}
}
