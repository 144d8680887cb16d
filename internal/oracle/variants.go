package oracle

import "strings"

// Pieces of sdk/rust/src/interface.rs and testdata/export.rs.
const (
	infoField     = "    pub info: extern \"C\" fn() -> RString,\n"
	outputField   = "    pub make_output: ROption<extern \"C\" fn() -> FfiOutput_TO<'static, RBox<()>>>,\n"
	protocolField = "    pub make_protocol: ROption<extern \"C\" fn() -> FfiProtocol_TO<'static, RBox<()>>>,\n"
	lastPrefix    = "    #[sabi(last_prefix_field)]\n"
	serviceField  = "    pub make_service: ROption<extern \"C\" fn() -> FfiService_TO<'static, RBox<()>>>,\n"
	execute       = "    fn execute(&self, request_json: RString) -> RString;\n"
	stop          = "    fn stop(&mut self);\n"
	infoFunction  = "extern \"C\" fn info() -> RString {"
	modDerive     = "#[sabi(missing_field(panic))]\n"
	lastValue     = "        make_service: RNone,\n"
)

func fieldVariants() []Library {
	return []Library{
		Base(),
		kept("field added after the last prefix field",
			after(serviceField, "    pub more: ROption<u32>,\n"), after(lastValue, "        more: RNone,\n")),
		kept("many fields added", after(serviceField, many("    pub more_%: u64,\n")), after(lastValue, many("        more_%: 0,\n"))),
		broken("field added inside the prefix", after(infoField, "    pub more: u32,\n"), after("        info,\n", "        more: 0,\n")),
		broken("field added inside the prefix, where padding was",
			after("    pub abi_version: u32,\n", "    pub more: u32,\n"), after("        info,\n", "        more: 0,\n")),
		broken("last field removed", Edit{protocolField + lastPrefix + serviceField, lastPrefix + protocolField}, Edit{lastValue, ""}),
		broken("first field removed", Edit{"    pub abi_version: u32,\n", ""}, Edit{"        abi_version: ABI_VERSION,\n", ""}),
		broken("fields reordered", Edit{outputField + protocolField, protocolField + outputField}),
		broken("field renamed", Edit{"pub info:", "pub information:"}, Edit{"        info,\n", "        information: info,\n"}),
		broken("field of another type of that size", Edit{"pub abi_version: u32", "pub abi_version: i32"}, Edit{"ABI_VERSION: u32", "ABI_VERSION: i32"}),
		broken("field of a larger type", Edit{"pub abi_version: u32", "pub abi_version: u64"}, Edit{"ABI_VERSION: u32", "ABI_VERSION: u64"}),
		broken("function field: other result", Edit{infoField, strings.Replace(infoField, "RString", "RVec<u8>", 1)},
			Edit{infoFunction, strings.Replace(infoFunction, "RString", "RVec<u8>", 1)},
			Edit{`RString::from(r#"{"name":"family","version":"1.0.0"}"#)`, "RVec::new()"}, Edit{"RResult, RString}", "RResult, RString, RVec}"}),
		broken("function field: one more parameter", Edit{infoField, strings.Replace(infoField, "fn()", "fn(u32)", 1)},
			Edit{infoFunction, strings.Replace(infoFunction, "info()", "info(_: u32)", 1)}),
		broken("function field: no result", Edit{infoField, strings.Replace(infoField, " -> RString", "", 1)},
			Edit{infoFunction, strings.Replace(infoFunction, " -> RString", "", 1)},
			Edit{`RString::from(r#"{"name":"family","version":"1.0.0"}"#)`, ""}),
		broken("function field: unsafe", Edit{infoField, strings.Replace(infoField, "extern", "unsafe extern", 1)},
			Edit{infoFunction, "unsafe " + infoFunction}),
		broken("function field: borrowed result", Edit{infoField, strings.Replace(infoField, "RString", "RStr<'static>", 1)},
			Edit{infoFunction, strings.Replace(infoFunction, "RString", "RStr<'static>", 1)},
			Edit{`RString::from(r#"{"name":"family","version":"1.0.0"}"#)`, `"{}".into()`}, Edit{"RResult, RString}", "RResult, RStr, RString}"}),
		broken("last prefix field one earlier", Edit{protocolField + lastPrefix + serviceField, lastPrefix + protocolField + serviceField}),
		broken("last prefix field one later", Edit{lastPrefix + serviceField, serviceField + lastPrefix + "    pub more: u32,\n"},
			after(lastValue, "        more: 0,\n")),
		broken("field under a condition", before(infoField, "    #[sabi(accessible_if = true)]\n")),
		broken("field not accessible", before(outputField, "    #[sabi(accessible_if = false)]\n")),
		broken("opaque field", before("    pub abi_version: u32,\n", "    #[sabi(unsafe_opaque_field)]\n")),
		broken("another pointer to the object", Edit{protocolField, strings.Replace(protocolField, "RBox", "RArc", 1)},
			Edit{"std_types::{RBox,", "std_types::{RArc, RBox,"}),
		broken("alignment", Edit{"#[repr(C)]\n", "#[repr(C, align(16))]\n"}),
		kept("phantom field added to a prefix type", after(modDerive, "#[sabi(phantom_field(unit: u32))]\n")),
		broken("const parameter added", after(modDerive, "#[sabi(phantom_const_param = 5u8)]\n")),
		stricter("tag", "tag", after(modDerive, "#[sabi(tag = abi_stable::tag!(\"family\"))]\n")),
		stricter("extra check of its own", "extra-check", after(modDerive, "#[sabi(extra_checks = Unknown)]\n"),
			after(lastOfInterface, unknownCheck)),
		kept("missing field gives an option", Edit{modDerive, "#[sabi(missing_field(option))]\n"}),
		kept("abi_version 2", Edit{"ABI_VERSION: u32 = 1", "ABI_VERSION: u32 = 2"}),
		kept("constructor panics", Edit{"    PluginMod {\n        abi", "    if std::env::args().count() > 0 {\n        panic!(\"no module today\");\n    }\n    PluginMod {\n        abi"}),
	}
}

func traitVariants() []Library {
	return []Library{
		kept("method appended", after(execute, "    fn more(&self) -> RString;\n")),
		kept("methods appended to all traits", after(execute, "    fn more(&self);\n"), after(stop, "    fn more(&self);\n"),
			after("    fn finish(&mut self, summary_json: RString);\n", "    fn more(&self);\n")),
		broken("method appended after a last prefix field", Edit{execute, lastPrefix + execute + "    fn more(&self);\n"}),
		broken("method appended as last prefix field", after(execute, lastPrefix+"    fn more(&self);\n")),
		broken("method inserted", before(execute, "    fn more(&self);\n")),
		broken("method removed", Edit{stop, ""}),
		broken("method renamed", Edit{"fn execute(", "fn exec("}),
		broken("methods reordered", Edit{"    fn on_samples(&mut self, samples_json: RString);\n    fn on_snapshot(&mut self, snapshot_json: RString);\n",
			"    fn on_snapshot(&mut self, snapshot_json: RString);\n    fn on_samples(&mut self, samples_json: RString);\n"}),
		kept("method with a body", Edit{execute, strings.Replace(execute, ";", " {\n        request_json\n    }", 1)}),
		broken("method: borrowed parameter", Edit{execute, strings.Replace(execute, "request_json: RString", "request_json: RStr<'_>", 1)},
			Edit{"RResult, RString}", "RResult, RStr, RString}"}),
		broken("method: parameter of another type", Edit{execute, strings.Replace(execute, "request_json: RString", "request_json: u64", 1)}),
		broken("method: one more parameter", Edit{execute, strings.Replace(execute, "request_json: RString", "request_json: RString, more: u8", 1)}),
		broken("method: one parameter less", Edit{execute, strings.Replace(execute, ", request_json: RString", "", 1)}),
		kept("method: parameter renamed", Edit{execute, strings.Replace(execute, "request_json", "other", 1)}),
		broken("method: other result", Edit{execute, strings.Replace(execute, "-> RString", "-> RResult<RString, RString>", 1)}),
		broken("method: result of another RResult", Edit{"-> RResult<(), RString>;", "-> RResult<RString, RString>;"}),
		broken("method: a result where there was none", Edit{stop, "    fn stop(&mut self) -> u8;\n"}),
		kept("method: unsafe", Edit{execute, strings.Replace(execute, "fn", "unsafe fn", 1)}),
		broken("method: self by reference to mutable", Edit{execute, strings.Replace(execute, "&self", "&mut self", 1)}),
		broken("trait not Sync", Edit{"FfiProtocol: Send + Sync", "FfiProtocol: Send"}),
		broken("trait not Send", Edit{"FfiService: Send {", "FfiService {"}),
		broken("trait also Sync", Edit{"FfiOutput: Send {", "FfiOutput: Send + Sync {"}),
		kept("trait also Debug", Edit{"FfiProtocol: Send + Sync", "FfiProtocol: Send + Sync + Debug"}),
		kept("trait also Clone and Display", Edit{"FfiService: Send {", "FfiService: Send + Clone + Display {"}),
		broken("trait renamed", Edit{"pub trait FfiService", "pub trait FfiServices"}, Edit{serviceField, strings.Replace(serviceField, "FfiService_TO", "FfiServices_TO", 1)}),
	}
}

func crateVariants() []Library {
	return []Library{
		{Name: "package of another name", Package: "lplug-sdk", Refuses: []string{SDK}},
		{Name: "version 0.1.0", Version: "0.1.0", Refuses: []string{SDK}},
		{Name: "version 1.0.1", Version: "1.0.1", Accepts: []string{SDK}},
		{Name: "version 1.3.0", Version: "1.3.0", Accepts: []string{SDK}},
		{Name: "version 1.0.0-rc.1", Version: "1.0.0-rc.1", Accepts: []string{SDK}},
		{Name: "version 2.0.0", Version: "2.0.0", Refuses: []string{SDK}},
		{Name: "version 11.0.0", Version: "11.0.0", Refuses: []string{SDK}},
		{Name: "types of 2.0.0 under a header of 1.0.0", Version: "2.0.0", Header: "1.0.0", Refuses: []string{SDK}},
		{Name: "types of 1.0.0 under a header of 2.0.0", Header: "2.0.0", Refuses: []string{SDK}},
		{Name: "types without a version", Version: "one", Header: "1.0.0", Refuses: []string{SDK}},
		{Name: "header without a version", Header: "one", Refuses: []string{SDK}, NoText: "interface-version"},
		{Name: "version with a plus", Version: "+1.0.0", Accepts: []string{SDK}, Stricter: "interface-version", NoText: "interface-version"},
		{Name: "abi_stable 0.10.3", Build: Build{ABIStable: "0.10.3"}, Refuses: []string{SDK}, NoText: "abi-stable-version",
			Edits: []Edit{{"prefix_ref = PluginModRef", `prefix_ref = "PluginModRef"`}}},
		{Name: "crate of another name", Crate: "quite_another", Accepts: []string{SDK}},
		kept("another module path", before("pub const ABI_VERSION", "pub use inner::*;\nmod inner {\nuse super::*;\n"),
			after(lastOfInterface, "}\n")),
		broken("root module of another name", Edit{"pub struct PluginMod {", "pub struct Plugin {"}, Edit{"    PluginMod {\n        abi", "    Plugin {\n        abi"}),
		kept("reference to the root module of another name", Edit{"prefix_ref = PluginModRef", "prefix_ref = Reference"},
			Edit{"impl RootModule for PluginModRef {", "pub type PluginModRef = Reference;\nimpl RootModule for Reference {"}),
		kept("library of another name", Edit{"NAME: &'static str = \"loadr_plugin\";\n    const V", "NAME: &'static str = \"another\";\n    const V"}),
		kept("library of another base name", Edit{"BASE_NAME: &'static str = \"loadr_plugin\"", "BASE_NAME: &'static str = \"another\""}),
		{Name: "no layout constant", Edits: []Edit{after("#[export_root_module]\n", "#[unsafe_no_layout_constant]\n")},
			Accepts: []string{SDK}, Stricter: "layout-constant", NoText: "layout-constant"},
	}
}

// minorVersions are libraries of interface 1.1 and 1.0, for hosts of either. A Rust host refuses a library that has fewer
// fields than it knows, so that of 1.1 runs libraries of 1.1 only. Ours knows both.
func minorVersions() []Library {
	next := nextLibrary()
	next.Accepts = []string{SDK, Next}
	half := kept("interface 1.1 without the new method", after(serviceField, nextField), after(lastValue, nextValue))
	half.Version, half.Refuses = "1.1.0", []string{Next}
	other := kept("interface 1.1 with another type in the new field", after(serviceField, strings.Replace(nextField, "u64", "u32", 1)),
		after(lastValue, nextValue), after(execute, nextMethod))
	other.Version, other.Refuses = "1.1.0", []string{Next}
	return []Library{next, half, other}
}

const (
	nextField  = "    pub limit: u64,\n"
	nextValue  = "        limit: 0,\n"
	nextMethod = "    fn reset(&self, reason: RString);\n"
)

func nextLibrary() Library {
	return Library{Name: "interface 1.1", Version: "1.1.0",
		Edits: []Edit{after(serviceField, nextField), after(lastValue, nextValue), after(execute, nextMethod)}}
}

func stricter(name, rule string, edits ...Edit) Library {
	l := kept(name, edits...)
	l.Stricter = rule
	return l
}

func after(text, added string) Edit  { return Edit{text, text + added} }
func before(text, added string) Edit { return Edit{text, added + text} }

// many repeats a line for forty fields, and puts a number for %.
func many(line string) string {
	var all strings.Builder
	for i := range 40 {
		all.WriteString(strings.ReplaceAll(line, "%", string(rune('a'+i/10))+string(rune('0'+i%10))))
	}
	return all.String()
}

// lastOfInterface is the end of the SDK's interface.
const lastOfInterface = `    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
`

// unknownCheck is an extra check that accepts everything.
const unknownCheck = `
use abi_stable::{
    abi_stability::extra_checks::{ExtraChecks, ExtraChecksError, TypeCheckerMut},
    std_types::{RCowSlice, ROk},
    type_layout::TypeLayout,
};

#[repr(C)]
#[derive(Debug, Clone, StableAbi)]
pub struct Unknown;

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whatever")
    }
}

unsafe impl ExtraChecks for Unknown {
    fn type_layout(&self) -> &'static TypeLayout {
        <Self as StableAbi>::LAYOUT
    }

    fn check_compatibility(
        &self,
        _: &'static TypeLayout,
        _: &'static TypeLayout,
        _: TypeCheckerMut<'_>,
    ) -> RResult<(), ExtraChecksError> {
        ROk(())
    }

    fn nested_type_layouts(&self) -> RCowSlice<'_, &'static TypeLayout> {
        RCowSlice::from_slice(&[])
    }
}
`
