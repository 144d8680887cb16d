package loader

import (
	"slices"

	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/manifest"
)

// abiVersion is the C interface's function by which the engine decides that a library is of that interface.
const abiVersion = "loadr_plugin_abi_version"

// cFunctions are what the frozen C ABI, version 1, consists of, sorted.
var cFunctions = []string{abiVersion, "loadr_plugin_execute", "loadr_plugin_free", "loadr_plugin_info"}

// cABI is the interface version of the C ABI that these four functions make. The number that loadr_plugin_abi_version
// returns can only be had by running it; the worker refuses a library that returns another one than 1.
const cABI = "1.0.0"

// found has the plugin entry points that a library exports.
type found map[string]binfile.Symbol

func entryPoints(f *binfile.File) (found, error) {
	symbols := found{}
	for _, name := range append([]string{abistable.RootModule}, cFunctions...) {
		symbol, ok, err := f.Lookup(name)
		if err != nil {
			return nil, err
		}
		if ok {
			symbols[name] = symbol
		}
	}
	return symbols, nil
}

func (f found) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// report says which interface the engine would take the library for. It looks for the C interface first, so a library
// that exports both is a C one unless its manifest has abi = "native"; the exports show callers that it has both.
func (f found) report(file *binfile.File, family manifest.Family) (manifest.ABIReport, error) {
	_, c := f[abiVersion]
	_, native := f[abistable.RootModule]
	switch {
	case native && (!c || family == manifest.FamilyNative):
		report, err := abistable.Default().Inspect(file)
		if err != nil {
			return manifest.ABIReport{}, err
		}
		return report.ABI, nil
	case len(f) > 0:
		return f.reportC(), nil
	}
	return manifest.ABIReport{Verdict: manifest.Differs, Problems: []manifest.Problem{{
		Path: "exports", Rule: "plugin-interface", Want: abiVersion + " or " + abistable.RootModule, Got: "neither",
	}}}, nil
}

// reportC checks that every function of the C interface is there and is code.
func (f found) reportC() manifest.ABIReport {
	report := manifest.ABIReport{Family: manifest.FamilyC, Version: cABI, Verdict: manifest.Fits}
	for _, name := range cFunctions {
		symbol, ok := f[name]
		switch {
		case !ok:
			report.Problems = append(report.Problems, manifest.Problem{
				Path: name, Rule: "exported", Want: "an exported function", Got: "no such symbol"})
		case !symbol.Code && symbol.Address != 0: // address 0: another library's, which is not looked at
			report.Problems = append(report.Problems, manifest.Problem{
				Path: name, Rule: "exported", Want: "an exported function", Got: "data"})
		}
	}
	if report.Problems != nil {
		report.Version, report.Verdict = "", manifest.Differs
	}
	return report
}
