package abistable

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/layout"
	"github.com/loadr-plugins/loadr/manifest"
)

// patched is a library's memory with some bytes replaced.
type patched struct {
	imageMemory
	bytes  map[uint64]byte
	fail   error // of a read that begins at broken
	broken uint64
}

func (p *patched) Read(address, n uint64) ([]byte, error) {
	if p.fail != nil && address == p.broken {
		return nil, p.fail
	}
	b, err := p.imageMemory.Read(address, n)
	if err != nil {
		return nil, err
	}
	b = append([]byte(nil), b...)
	for i := range b {
		if v, ok := p.bytes[address+uint64(i)]; ok {
			b[i] = v
		}
	}
	return b, nil
}

func (p *patched) Result(function uint64) (uint64, error) {
	code, err := p.Read(function, getterSize)
	if err != nil {
		return 0, err
	}
	if result, ok := getter(p.machine, function, code); ok {
		return result, nil
	}
	return 0, &layout.ShapeError{Function: function, Code: code}
}

func (p *patched) put(address uint64, bytes ...byte) {
	for i, b := range bytes {
		p.bytes[address+uint64(i)] = b
	}
}

func (p *patched) word(t *testing.T, address uint64) uint64 {
	t.Helper()
	b, err := p.Read(address, 8)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b)
}

// library gives the memory of a plugin, and where its header is.
func library(t *testing.T) (*patched, uint64) {
	t.Helper()
	f, err := binfile.Open(echo(t, linuxAMD64, testplugin.RustOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	symbol, ok, err := f.Lookup(RootModule)
	if err != nil || !ok || symbol.Size != headerSize || symbol.Code {
		t.Fatalf("%+v, %v, %v", symbol, ok, err)
	}
	image, err := f.Image()
	if err != nil {
		t.Fatal(err)
	}
	return &patched{imageMemory: imageMemory{image, f.Machine}, bytes: map[uint64]byte{}}, symbol.Address
}

func little(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// TestHeaders changes one thing of a real library's header or root type.
func TestHeaders(t *testing.T) {
	type change func(t *testing.T, m *patched, header uint64)
	at := func(offset uint64, bytes ...byte) change {
		return func(t *testing.T, m *patched, header uint64) { m.put(header+offset, bytes...) }
	}
	version := func(s string) change {
		return func(t *testing.T, m *patched, header uint64) {
			m.put(m.word(t, header+72), []byte(s)...)
			m.put(header+80, little(uint64(len(s)))...)
		}
	}
	for name, test := range map[string]struct {
		change  change
		verdict manifest.Verdict
		problem manifest.Problem // of path header unless it has one; rule empty: none
		version string
		named   bool
	}{
		"as it is":       {at(0), manifest.Fits, manifest.Problem{}, "1.0.0", true},
		"magic":          {at(0, 'A'), manifest.Differs, manifest.Problem{Rule: "magic", Want: `"abi stable library for Rust     "`, Got: `"Abi stable library for Rust     "`}, "", false},
		"magic, binary":  {at(31, 0), manifest.Differs, manifest.Problem{Rule: "magic", Want: `"abi stable library for Rust     "`, Got: `"abi stable library for Rust    \x00"`}, "", false},
		"major":          {at(32, 1), manifest.Differs, manifest.Problem{Rule: "abi-stable-version", Want: "abi_stable 0.11", Got: "abi_stable 1.11"}, "", false},
		"minor":          {at(36, 12), manifest.Differs, manifest.Problem{Rule: "abi-stable-version", Want: "abi_stable 0.11", Got: "abi_stable 0.12"}, "", false},
		"patch version":  {version("1.0.1"), manifest.Fits, manifest.Problem{}, "1.0.1", true},
		"minor version":  {version("1.3.0"), manifest.Fits, manifest.Problem{}, "1.3.0", true},
		"older":          {version("0.1.0"), manifest.Differs, manifest.Problem{Rule: "interface-version", Want: "1.x", Got: "0.1.0"}, "0.1.0", true},
		"newer":          {version("2.0.0"), manifest.Differs, manifest.Problem{Rule: "interface-version", Want: "1.x", Got: "2.0.0"}, "2.0.0", true},
		"no version":     {version("1.0"), manifest.Differs, manifest.Problem{Rule: "interface-version", Want: "a version (MAJOR.MINOR.PATCH)", Got: "1.0"}, "", false},
		"a word":         {version("abcde"), manifest.Differs, manifest.Problem{Rule: "interface-version", Want: "a version (MAJOR.MINOR.PATCH)", Got: "abcde"}, "", false},
		"no layout":      {at(88, 1), manifest.Differs, manifest.Problem{Rule: "layout-constant", Want: "a description of the root module's type", Got: "none"}, "1.0.0", true},
		"layout tag":     {at(88, 2), manifest.Unverifiable, manifest.Problem{Rule: "header", Want: "a readable root module header", Got: "layout tag: expected 0 or 1, found 2"}, "", false},
		"empty name":     {at(64, little(0)...), manifest.Unverifiable, manifest.Problem{Rule: "header", Want: "a readable root module header", Got: "text of 0 bytes: expected 1 to 256"}, "", false},
		"long name":      {at(48, little(257)...), manifest.Unverifiable, manifest.Problem{Rule: "header", Want: "a readable root module header", Got: "text of 257 bytes: expected 1 to 256"}, "", false},
		"control":        {version("1\n0.0"), manifest.Unverifiable, manifest.Problem{Rule: "header", Want: "a readable root module header", Got: `text "1\n0.0" is not printable`}, "", false},
		"damaged layout": {at(96, little(8)...), manifest.Unverifiable, manifest.Problem{Path: "root", Rule: "layout-graph"}, "1.0.0", true},
	} {
		t.Run(name, func(t *testing.T) {
			m, header := library(t)
			test.change(t, m, header)
			r, err := Default().InspectMemory(m, header)
			if err != nil {
				t.Fatal(err)
			}
			if test.problem.Path == "" {
				test.problem.Path = "header"
			}
			if r.ABI.Verdict != test.verdict || r.ABI.Version != test.version || (r.ABI.Interface == InterfaceName) != test.named || r.ABI.Family != manifest.FamilyNative {
				t.Errorf("%+v", r.ABI)
			}
			if (r.Satisfies != "") != (test.verdict == manifest.Fits) || (r.ABI.Layout != "") != (r.Graph != nil) {
				t.Errorf("satisfies %q, layout %q", r.Satisfies, r.ABI.Layout)
			}
			switch p := r.ABI.Problems; {
			case test.problem.Rule == "":
				if p != nil {
					t.Errorf("%+v", p)
				}
			case len(p) != 1 || p[0].Rule != test.problem.Rule || p[0].Path != test.problem.Path || test.problem.Want != "" && p[0] != test.problem:
				t.Errorf("%+v, want %+v", p, test.problem)
			}
		})
	}
}

// TestUnknownCode is a library with a getter of another form.
func TestUnknownCode(t *testing.T) {
	m, header := library(t)
	layoutAt := m.word(t, header+96)
	getters := m.word(t, m.word(t, layoutAt)+8)
	m.put(m.word(t, getters), 0x90) // nop
	r, err := Default().InspectMemory(m, header)
	if err != nil || r.Graph != nil || r.ABI.Verdict != manifest.Unverifiable || len(r.ABI.Problems) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	p := r.ABI.Problems[0]
	if p.Rule != "code-shape" || p.Want != "code that only returns an address" || !strings.HasPrefix(p.Got, "90 8d 05 ") || !strings.HasPrefix(p.Path, "root") {
		t.Errorf("%+v", p)
	}
}

// TestResultOfData: a getter must be code, whatever its bytes are.
func TestResultOfData(t *testing.T) {
	m, header := library(t)
	layoutAt := m.word(t, header+96)
	function := m.word(t, m.word(t, m.word(t, layoutAt)+8))
	if result, err := m.imageMemory.Result(function); err != nil || result == 0 {
		t.Errorf("%#x, %v", result, err)
	}
	if result, err := m.imageMemory.Result(layoutAt); result != 0 || !is[*codeError](err) || !damaged(err) {
		t.Errorf("%#x, %v", result, err)
	}
}

// TestErrorsOfReadingAreNoVerdict: what could not be read says nothing about the library.
func TestErrorsOfReadingAreNoVerdict(t *testing.T) {
	broken := errors.New("broken disk")
	m, header := library(t)
	for name, from := range map[string]uint64{"header": header, "version": m.word(t, header+72), "layout": m.word(t, header+96), "getter": m.word(t, m.word(t, m.word(t, header+96))+8)} {
		m, header := library(t)
		m.fail, m.broken = broken, from
		if r, err := Default().InspectMemory(m, header); r != nil || !errors.Is(err, broken) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// interface11 is the interface with a field that only version 1.1 has.
func interface11(t *testing.T) *layout.Graph {
	t.Helper()
	const last, accessible = "    field 5 - make_service\n      fn 'static,'none\n        result 8\n", "prefix fields=5 conditional=0x0 accessible=0x1f"
	text := string(interface10)
	if strings.Count(text, last) != 1 || strings.Count(text, accessible) != 1 {
		t.Fatal("the interface has changed: change this test with it")
	}
	text = strings.Replace(text, last, last+"    field 2 - added\n", 1)
	g, err := layout.Parse([]byte(strings.Replace(text, accessible, "prefix fields=5 conditional=0x0 accessible=0x3f", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestHostAcceptsWhatSatisfiesAKnownVersion(t *testing.T) {
	g10, g11 := Default()[0].Graph, interface11(t)
	v10, v11 := Interface{"1.0", g10}, Interface{"1.1", g11}
	broken := interfaceWithout(t, "    field 3 - info\n", "    field 3 - about\n")
	for name, test := range map[string]struct {
		host      Host
		version   string
		graph     *layout.Graph
		satisfies string
		problem   string // path and rule of the first
	}{
		"1.0 in 1.0":            {Host{v10}, "1.0.0", g10, "1.0", ""},
		"1.1 in 1.0":            {Host{v10}, "1.1.0", g11, "1.0", ""},
		"1.0 in 1.1":            {Host{v11, v10}, "1.0.0", g10, "1.0", ""},
		"1.1 in 1.1":            {Host{v11, v10}, "1.1.0", g11, "1.1", ""},
		"1.7 in 1.1":            {Host{v11, v10}, "1.7.3", g11, "1.1", ""},
		"1.0 in 1.1 alone":      {Host{v11}, "1.0.0", g10, "", "PluginMod field-count"},
		"broken 1.0 in 1.1":     {Host{v11, v10}, "1.0.0", broken, "", "PluginMod.info field-name"},
		"broken 1.1 in 1.1":     {Host{v11, v10}, "1.1.0", broken, "", "PluginMod field-count"},
		"1.0, newer than known": {Host{v10}, "1.9.0", broken, "", "PluginMod.info field-name"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{Header: &Header{Version: test.version, HasLayout: true}, Graph: test.graph}
			test.host.judge(r)
			first := ""
			if len(r.ABI.Problems) > 0 {
				first = r.ABI.Problems[0].Path + " " + r.ABI.Problems[0].Rule
			}
			if r.Satisfies != test.satisfies || first != test.problem || (r.ABI.Verdict == manifest.Fits) != (test.satisfies != "") {
				t.Errorf("satisfies %q, %s, problems %+v", r.Satisfies, r.ABI.Verdict, r.ABI.Problems)
			}
		})
	}
}

func interfaceWithout(t *testing.T, from, to string) *layout.Graph {
	t.Helper()
	g, err := layout.Parse([]byte(strings.Replace(string(interface10), from, to, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestHostNamesWhatItAccepts(t *testing.T) {
	for want, host := range map[string]Host{
		"1.x": {{Version: "1.1"}, {Version: "1.0"}}, "2.x or 1.x": {{Version: "2.0"}, {Version: "1.1"}}, "0.3.x": {{Version: "0.3"}},
	} {
		if got := host.versions(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	host := Host{{Version: "1.0"}, {Version: "0.3"}}
	for found, want := range map[version][]string{{1, 4}: {"1.0"}, {0, 3}: {"0.3"}, {0, 4}: nil, {2, 0}: nil} {
		var got []string
		for _, known := range host.candidates(found) {
			got = append(got, known.Version)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%v: %v, want %v", found, got, want)
		}
	}
}
