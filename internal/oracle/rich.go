package oracle

import "strings"

// richVariants break and keep the rules that the plugins' own interface gives no occasion for.
func richVariants() []Library {
	return append(append(enumVariants(), shapeVariants()...), callVariants()...)
}

func enumVariants() []Library {
	return []Library{
		richKept("rich"),
		richBroken("enum: variant added", after("    Third { low: u8, high: u8 },\n", "    Fourth,\n")),
		richBroken("enum: variant removed", Edit{"    Third { low: u8, high: u8 },\n", ""}),
		richBroken("enum: variant renamed", Edit{"    First,\n", "    Erste,\n"}),
		richBroken("enum: variants reordered", Edit{"    First,\n    Second(u32),\n", "    Second(u32),\n    First,\n"}),
		richBroken("enum: field of a variant of another type", Edit{"Second(u32)", "Second(f32)"}),
		richBroken("enum: field of a variant renamed", Edit{"low: u8, high", "lower: u8, high"}),
		richBroken("enum: field moved to another variant", Edit{"    Second(u32),\n    Third { low: u8, high: u8 },\n", "    Second(u32, u8),\n    Third { high: u8 },\n"}),
		richBroken("enum: discriminant", Edit{"First,\n", "First = 7,\n"}),
		richBroken("enum: negative discriminant", Edit{"Small = -5", "Small = -6"}),
		richBroken("enum: repr", Edit{"#[repr(u8)]\n#[derive(StableAbi, Clone, Copy)]", "#[repr(i8)]\n#[derive(StableAbi, Clone, Copy)]"}),
		richBroken("enum: repr C and an integer", Edit{"#[repr(u8)]\n#[derive(StableAbi, Clone, Copy)]", "#[repr(C, u8)]\n#[derive(StableAbi, Clone, Copy)]"}),
		richBroken("enum: repr of an integer instead of C", Edit{"#[repr(C)]\n#[derive(StableAbi)]\npub enum Wide", "#[repr(isize)]\n#[derive(StableAbi)]\npub enum Wide"}),
		richKept("open enum: variant added", after("    Two(u64),\n", "    Three { more: u8 },\n")),
		richBroken("open enum: variant inserted", after("    One,\n", "    OneAndAHalf,\n")),
		richBroken("open enum: variant removed", Edit{"    Two(u64),\n", ""}),
		richBroken("open enum: field added to a variant", Edit{"Two(u64)", "Two(u64, u8)"}),
		richBroken("open enum: more room", Edit{"size = [usize; 4]", "size = [usize; 6]"}),
		richBroken("open enum: also Debug", Edit{"[usize; 4])", "[usize; 4], traits(Debug))"}, Edit{"#[derive(StableAbi)]\n#[sabi(kind(With", "#[derive(StableAbi, Debug)]\n#[sabi(kind(With"}),
		richBroken("open enum: closed", Edit{"#[sabi(kind(WithNonExhaustive(size = [usize; 4])))]\n#[non_exhaustive]\n", ""}, Edit{"-> Open_NE", "-> Open"}),
	}
}

func shapeVariants() []Library {
	return []Library{
		richBroken("union: field of another type", Edit{"real: f64", "real: i64"}),
		richBroken("union: field added", after("    pub real: f64,\n", "    pub whole: i64,\n")),
		richBroken("union: a struct", Edit{"pub union Either {\n    pub number: u64,\n    pub real: f64,\n", "pub struct Either {\n    pub number: u64,\n"}),
		richBroken("const parameter: value", Edit{"Table<4>", "Table<5>"}),
		richBroken("const parameter: value, size alike", Edit{"phantom_const_param = true", "phantom_const_param = false"}),
		richBroken("const parameter: type", Edit{"phantom_const_param = true", "phantom_const_param = 1u8"}),
		richBroken("const parameter: none", Edit{"#[sabi(phantom_const_param = true)]\n", ""}),
		richUnreadable("const parameter: a text", Edit{"phantom_const_param = true", "phantom_const_param = RStr::from_str(\"yes\")"}),
		richBroken("phantom field: type", Edit{"unit: u16", "unit: i16"}),
		richBroken("phantom field: renamed", Edit{"unit: u16", "units: u16"}),
		richBroken("phantom field: removed", Edit{", phantom_field(scale: f32)", ""}),
		richBroken("phantom field: added", after("phantom_field(scale: f32)", ", phantom_field(more: u8)")),
		richBroken("repr C instead of transparent", Edit{"#[repr(transparent)]", "#[repr(C)]"}),
		richBroken("nonzero", Edit{"pub inner: u64", "pub inner: RRef<'static, u8>"}),
		richBroken("alignment of a struct", Edit{"#[repr(C)]\n#[derive(StableAbi)]\npub struct Aligned", "#[repr(C, align(4))]\n#[derive(StableAbi)]\npub struct Aligned"}),
		richBroken("field added where padding was", after("    pub first: u8,\n", "    pub padding: u8,\n")),
		richBroken("field added at the end of a struct", after("    pub second: u16,\n", "    pub third: u16,\n")),
		richBroken("fields of a struct reordered", Edit{"    pub first: u8,\n    pub second: u16,\n", "    pub second: u16,\n    pub first: u8,\n"}),
		richBroken("lifetimes of fields exchanged", Edit{"pub left: &'a u8", "pub left: &'b u8"}),
		richBroken("lifetimes of a nested field exchanged", Edit{"RSlice<'a, RStr<'b>>", "RSlice<'b, RStr<'a>>"}),
		richBroken("lifetime parameters", Edit{"Borrowed<'a, 'b> {", "Borrowed<'a, 'b, 'c> {\n    pub more: PhantomData<&'c u8>,"}, Edit{"Borrowed<'static, 'static>", "Borrowed<'static, 'static, 'static>"}),
		richKept("lifetime parameters renamed", Edit{"Borrowed<'a, 'b> {\n    pub left: &'a u8,\n    pub right: RStr<'b>,\n    pub both: RSlice<'a, RStr<'b>>", "Borrowed<'x, 'y> {\n    pub left: &'x u8,\n    pub right: RStr<'y>,\n    pub both: RSlice<'x, RStr<'y>>"}),
		richKept("opaque field of another type of that size", Edit{"secret: [u64; 2]", "secret: (f64, u64)"}),
		richBroken("opaque field of another size", Edit{"secret: [u64; 2]", "secret: [u64; 3]"}),
		richBroken("opaque field opened", Edit{"    #[sabi(unsafe_opaque_field)]\n", ""}),
		richBroken("pointer to mutable", Edit{"constant: *const u8", "constant: *mut u8"}),
		richBroken("pointer to another type", Edit{"constant: *const u8", "constant: *const u16"}),
		richBroken("reference in an option to another type", Edit{"Option<&'static u32>", "Option<&'static i32>"}),
		richBroken("array of another length", Edit{"last: [u8; 3]", "last: [u8; 4]"}),
		richBroken("array of another element", Edit{"last: [u8; 3]", "last: [i8; 3]"}),
		richBroken("type parameter of an empty type", Edit{"Empty<RString>", "Empty<RVec<RString>>"}),
		richKept("field without access of another type of that size", Edit{"trace: u32", "trace: f32"}),
		richBroken("field without access of another size", Edit{"trace: u32", "trace: u64"}),
		richKept("field without access given access", Edit{"WITH_TRACE: bool = false", "WITH_TRACE: bool = true"}),
		richBroken("condition removed", Edit{"    #[sabi(accessible_if = WITH_TRACE)]\n", ""}),
		richBroken("suffix field of another type", Edit{"more: u64", "more: i64"}),
		richBroken("suffix field removed", Edit{"    pub more: u64,\n", ""}),
		richKept("suffix field added", after("    pub more: u64,\n", "    pub most: u64,\n")),
		richKept("object with more traits", Edit{"Send, Clone, Debug", "Send, Clone, Debug, Display, PartialEq"}),
		richBroken("object with fewer traits", Edit{"Send, Clone, Debug", "Send, Clone"}),
		richBroken("object also Sync", Edit{"Send, Clone, Debug", "Send, Sync, Clone, Debug"}),
		richBroken("object in another box", Edit{"DynTrait<'static, RBox<()>, Shape>", "DynTrait<'static, abi_stable::std_types::RArc<()>, Shape>"}),
	}
}

func callVariants() []Library {
	const many = "fn(a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: i32, h: i64)"
	const borrowing = "fn(RStr<'a>, RStr<'b>, RStr<'a>, RStr<'b>, RStr<'a>, RStr<'static>, RStr<'b>)"
	change := func(in, old, by string) Edit { return Edit{in, strings.Replace(in, old, by, 1)} }
	return []Library{
		richBroken("function: lifetime of the result", change("fn(left: RStr<'a>, right: RStr<'_>) -> RStr<'a>", "-> RStr<'a>", "-> RStr<'static>")),
		richBroken("function: lifetime of a parameter", change("fn(left: RStr<'a>, right: RStr<'_>) -> RStr<'a>", "RStr<'_>", "RStr<'a>")),
		richKept("function: lifetime renamed", Edit{"for<'a> extern \"C\" fn(left: RStr<'a>, right: RStr<'_>) -> RStr<'a>", "for<'z> extern \"C\" fn(left: RStr<'z>, right: RStr<'_>) -> RStr<'z>"}),
		richBroken("function: one of many lifetimes", change(borrowing, "RStr<'static>", "RStr<'b>")),
		richBroken("function: parameter renamed", change("fn(left: RStr<'a>, right: RStr<'_>) -> RStr<'a>", "right", "rechts")),
		richBroken("function: sixth parameter", change(many, "f: i16", "f: u16")),
		richBroken("function: eighth parameter", change(many, "h: i64", "h: f64")),
		richBroken("function: parameter removed", change(many, ", h: i64", "")),
		richBroken("function: parameter added", change(many, "h: i64", "h: i64, i: u8")),
		richBroken("function: two parameters exchanged", change(many, "a: u8, b: u16", "b: u16, a: u8")),
		richBroken("function: result added", change(many, "h: i64)", "h: i64) -> u8")),
		richBroken("function: not unsafe", change("pub careful: unsafe extern", "unsafe ", "")),
		richBroken("function: result deep inside", change("ROption<RString>,", "RString", "RStr<'static>")),
		richBroken("functions exchanged", change("Pair<extern \"C\" fn() -> u8, extern \"C\" fn() -> u16>", "fn() -> u8, extern \"C\" fn() -> u16", "fn() -> u16, extern \"C\" fn() -> u8")),
		richBroken("function: one in place of two", change("Pair<extern \"C\" fn() -> u8, extern \"C\" fn() -> u16>", "extern \"C\" fn() -> u16", "usize")),
		richBroken("function: a number", change("pub object: extern \"C\" fn() -> Object", "extern \"C\" fn() -> Object", "usize")),
	}
}

func richKept(name string, edits ...Edit) Library {
	return Library{Name: name, Rich: true, Edits: edits, Accepts: []string{Rich}}
}

func richBroken(name string, edits ...Edit) Library {
	return Library{Name: name, Rich: true, Edits: edits, Refuses: []string{Rich}}
}

// richUnreadable has something in its layout that the canonical text has no words for.
func richUnreadable(name string, edits ...Edit) Library {
	l := richBroken(name, edits...)
	l.NoText = "layout-graph"
	return l
}
