package publish

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/resolve"
)

// GateError is a plugin that must not be published. It carries every reason found, not only the first.
type GateError struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Problems []Problem `json:"problems"`
}

// Problem is one reason. Target is empty for what concerns every target.
type Problem struct {
	Target manifest.Target `json:"target,omitempty"`
	Path   string          `json:"path,omitempty"` // the library's file
	Detail string          `json:"detail"`
	Advice string          `json:"advice,omitempty"`
	// ABI is set where the library's interface does not fit: its problems say why.
	ABI *manifest.ABIReport `json:"abi,omitempty"`
}

func (p Problem) String() string {
	switch {
	case p.Path != "":
		return fmt.Sprintf("%s (%s): %s", p.Target, p.Path, p.Detail)
	case p.Target != "":
		return fmt.Sprintf("%s: %s", p.Target, p.Detail)
	}
	return p.Detail
}

func (e *GateError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return fmt.Sprintf("plugin %q %s can't be published: %s", e.Name, e.Version, strings.Join(lines, "\n  "))
}

// Hint gives the first problem's advice.
func (e *GateError) Hint() string {
	i := slices.IndexFunc(e.Problems, func(p Problem) bool { return p.Advice != "" })
	if i < 0 {
		return ""
	}
	return e.Problems[i].Advice
}

// built is one target's library and what inspection found in it.
type built struct {
	target manifest.Target
	path   string
	report *manifest.Library
}

// gate checks what a consumer will check, before anything leaves this machine.
func gate(m *manifest.Manifest, libraries []built) error {
	problems := checkManifest(m)
	for _, lib := range libraries {
		problems = append(problems, checkLibrary(m, lib)...)
	}
	problems = append(problems, checkSameABI(libraries)...)
	if len(problems) == 0 {
		return nil
	}
	return &GateError{m.Plugin.Name, m.Plugin.Version, problems}
}

func checkManifest(m *manifest.Manifest) (problems []Problem) {
	if v, err := semver.StrictNewVersion(m.Plugin.Version); err == nil && v.Metadata() != "" {
		problems = append(problems, Problem{
			Detail: fmt.Sprintf("version %s has build metadata; two versions that differ only there compare equal", m.Plugin.Version),
			Advice: fmt.Sprintf("use a version without +%s", v.Metadata()),
		})
	}
	// plugin.toml may say ranges in every form of semver; resolution knows those that mean one thing.
	ranges := maps.Clone(m.Requires.Plugins)
	if ranges == nil {
		ranges = map[string]string{}
	}
	if m.Requires.ABI != "" {
		ranges["abi"] = m.Requires.ABI
	}
	for _, key := range slices.Sorted(maps.Keys(ranges)) {
		if _, err := resolve.ParseRange(ranges[key]); err != nil {
			problems = append(problems, Problem{Detail: fmt.Sprintf("[requires] %s: %v", key, err), Advice: hintOf(err)})
		}
	}
	return problems
}

func hintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

func checkLibrary(m *manifest.Manifest, lib built) (problems []Problem) {
	add := func(advice, format string, args ...any) {
		problems = append(problems, Problem{Target: lib.target, Path: lib.path, Detail: fmt.Sprintf(format, args...), Advice: advice})
	}
	if err := loader.Matches(lib.report, lib.target); err != nil {
		add("check [build.targets] in plugin.toml, or build for that target", "%v", err)
		return problems
	}
	abi := lib.report.ABI
	switch {
	case abi.Family == "":
		add("see sdk/c/loadr_plugin.h for what a C plugin exports, sdk/rust for a Rust plugin",
			"exports no plugin interface; expected loadr_plugin_abi_version and its companions, or an abi_stable root module")
	case m.Plugin.ABI != "" && m.Plugin.ABI != abi.Family:
		add("correct abi in plugin.toml, or leave it out", "exports ABI family %q, plugin.toml says abi = %q", abi.Family, m.Plugin.ABI)
	case abi.Verdict != manifest.Fits:
		problems = append(problems, misfit(lib))
	}
	switch {
	case m.Plugin.Kind == manifest.Protocol || !slices.Contains(lib.report.Exports, cSymbol):
	case abi.Family == manifest.FamilyC:
		add("use the abi_stable interface for outputs and services",
			"exports the C ABI, which carries protocol plugins only; plugin.toml says kind = %q", m.Plugin.Kind)
	default:
		add("don't export "+cSymbol,
			"exports the C ABI beside the root module; the engine looks for it first and would take this %s for a protocol", m.Plugin.Kind)
	}
	return problems
}

// cSymbol is the function by which the engine takes a library for one of the C interface.
const cSymbol = "loadr_plugin_abi_version"

// misfit says why a library's interface does not fit.
func misfit(lib built) Problem {
	abi := lib.report.ABI
	p := Problem{Target: lib.target, Path: lib.path, ABI: &abi, Advice: misfitAdvice(abi)}
	p.Detail = fmt.Sprintf("%s interface: verdict %q, expected %q", abi.Family, abi.Verdict, manifest.Fits)
	for _, problem := range abi.Problems {
		p.Detail += "\n    " + problem.String()
	}
	return p
}

func misfitAdvice(abi manifest.ABIReport) string {
	switch {
	case abi.Family == manifest.FamilyC:
		return "see sdk/c/loadr_plugin.h for what a C plugin exports"
	case abi.Verdict == manifest.Unverifiable:
		return "build with the released Rust compiler and without instrumentation, so that the layout can be read from the file"
	}
	return "build against the interface as sdk/rust has it; 'loadr plugin info FILE' shows what the library has"
}

// checkSameABI holds the libraries of one version to one interface version, which a lock records once per plugin.
func checkSameABI(libraries []built) []Problem {
	for _, lib := range libraries[min(1, len(libraries)):] {
		if want, got := libraries[0].report.ABI.ABI(), lib.report.ABI.ABI(); want != got {
			return []Problem{{
				Target: lib.target, Path: lib.path,
				Detail: fmt.Sprintf("built against %s, but the library for %s against %s", got, libraries[0].target, want),
				Advice: "build every target against the same interface version",
			}}
		}
	}
	return nil
}
