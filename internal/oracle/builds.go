package oracle

// builds are libraries of the unchanged interface, compiled in every way that might change their data or the code of
// their getters. All fit, and all that can be read have the same text.
func builds() []Library {
	var all []Library
	for _, b := range []struct {
		name  string
		build Build
	}{
		{"debug", Build{Profile: []string{"opt-level=0", "debuginfo=2", "debug-assertions=true", "overflow-checks=true"}}},
		{"stripped", Build{Strip: true}},
		{"opt-level 1", Build{Profile: []string{"opt-level=1"}}},
		{"opt-level 2", Build{Profile: []string{"opt-level=2"}}},
		{"opt-level s", Build{Profile: []string{"opt-level=s"}}},
		{"opt-level z", Build{Profile: []string{"opt-level=z"}, Strip: true}},
		{"1 codegen unit", Build{Profile: []string{"codegen-units=1"}}},
		{"256 codegen units", Build{Last: []string{"-Ccodegen-units=256"}}},
		{"thin LTO", Build{Flags: bitcode, Last: []string{"-Clto=thin"}}},
		{"fat LTO", Build{Flags: bitcode, Last: []string{"-Clto=fat", "-Ccodegen-units=1"}}},
		{"fat LTO for size, stripped", Build{Flags: bitcode, Last: []string{"-Clto=fat", "-Copt-level=z"}, Strip: true}},
		{"fat LTO without optimisation", Build{Flags: bitcode, Last: []string{"-Clto=fat", "-Copt-level=0"}}},
		{"panic=abort", Build{Profile: []string{"panic=abort"}}},
		{"frame pointers", Build{Flags: []string{"-Cforce-frame-pointers=yes"}}},
		{"frame pointers without optimisation", Build{Profile: []string{"opt-level=0"}, Flags: []string{"-Cforce-frame-pointers=yes"}}},
		{"nothing inlined", Build{Flags: []string{"-Cllvm-args=--inline-threshold=0"}}},
		{"no unwind tables", Build{Profile: []string{"panic=abort"}, Last: []string{"-Cforce-unwind-tables=no"}}},
		{"abi_stable 0.11.0", Build{ABIStable: "0.11.0"}},
		{"abi_stable 0.11.1", Build{ABIStable: "0.11.1"}},
		{"abi_stable 0.11.2", Build{ABIStable: "0.11.2"}},
	} {
		all = append(all, Library{Name: b.name, Build: b.build, Accepts: []string{SDK}})
	}
	counted := Library{Name: "coverage counters", Build: Build{Flags: []string{"-Cinstrument-coverage"}}, Accepts: []string{SDK}}
	counted.NoText = "code-shape" // a getter counts before it returns
	return append(all, counted)
}

// bitcode is what lets the last step optimise everything anew.
var bitcode = []string{"-Cembed-bitcode=yes"}

// onLinux are ways of linking that only its linkers know.
func onLinux() []Library {
	var all []Library
	for _, b := range []struct {
		name   string
		last   []string
		noText string
	}{
		{"linked by GNU ld", []string{"-Clinker-features=-lld"}, ""},
		{"packed relative relocations", []string{"-Clink-arg=-Wl,-z,pack-relative-relocs"}, ""},
		{"no read-only relocations", []string{"-Crelro-level=off"}, ""},
		{"identical code folded", []string{"-Clink-arg=-Wl,--icf=all"}, ""},
		{"large code model", []string{"-Ccode-model=large"}, "code-shape"},
	} {
		all = append(all, Library{Name: b.name, Build: Build{Last: b.last}, Accepts: []string{SDK}, NoText: b.noText})
	}
	return all
}
