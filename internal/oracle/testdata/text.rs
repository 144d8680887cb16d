//! The canonical text of a type layout, written from docs/spec/layout.md.

use abi_stable::{
    abi_stability::{extra_checks::ExtraChecksStaticRef, ConstGeneric},
    type_layout::{
        DiscriminantRepr, LifetimeIndex, LifetimeIndexPair, ReprAttr, TLData, TLEnum, TLField, TLFunction, TLPrimitive,
        TLPrefixType, Tag, TypeLayout,
    },
    StableAbi,
};
use std::{
    collections::HashMap,
    fmt::{Debug, Write},
    str::FromStr,
};

type Layout = &'static TypeLayout;
type Address = *const TypeLayout;

/// A line, or what stands before and after a type's number in it.
enum Line {
    Plain(String),
    Mention(String, Layout, String),
}

use Line::{Mention, Plain};

pub fn of(root: Layout) -> String {
    let lines = reachable(root);
    write(root, &lines, &classes(&lines))
}

/// The lines of all layouts that can be reached from the root, but for the line with a type's own number.
fn reachable(root: Layout) -> HashMap<Address, Vec<Line>> {
    let mut found = HashMap::new();
    let mut waiting = vec![root];
    while let Some(layout) = waiting.pop() {
        if found.contains_key(&(layout as Address)) {
            continue;
        }
        let lines = describe(layout);
        waiting.extend(lines.iter().filter_map(|line| match line {
            Mention(_, mentioned, _) => Some(*mentioned),
            Plain(_) => None,
        }));
        found.insert(layout as Address, lines);
    }
    found
}

/// Divides the layouts into classes: those of one class can't be told apart by the text.
fn classes(lines: &HashMap<Address, Vec<Line>>) -> HashMap<Address, usize> {
    let mut class: HashMap<Address, usize> = lines.keys().map(|address| (*address, 0)).collect();
    let mut count = 1;
    loop {
        let mut signatures = HashMap::new();
        let next = lines
            .iter()
            .map(|(address, lines)| {
                let signature: String = lines.iter().map(|line| render(line, |mentioned| class[&mentioned])).collect();
                let fresh = signatures.len();
                (*address, *signatures.entry(signature).or_insert(fresh))
            })
            .collect();
        class = next;
        if signatures.len() == count {
            return class;
        }
        count = signatures.len();
    }
}

fn render(line: &Line, number: impl FnOnce(Address) -> usize) -> String {
    match line {
        Plain(text) => format!("{text}\n"),
        Mention(before, layout, after) => format!("{before}{}{after}\n", number(*layout as Address)),
    }
}

/// Numbers the classes in the order in which the text mentions them.
fn write(root: Layout, lines: &HashMap<Address, Vec<Line>>, class: &HashMap<Address, usize>) -> String {
    let mut numbers = HashMap::from([(class[&(root as Address)], 0)]);
    let mut order = vec![root as Address];
    let mut text = String::from("layout-v1\n");
    let mut next = 0;
    while next < order.len() {
        let mut lines = lines[&order[next]].iter();
        if let Some(Plain(name)) = lines.next() {
            writeln!(text, "type {next} {name}").unwrap();
        }
        for line in lines {
            text += &render(line, |mentioned| {
                *numbers.entry(class[&mentioned]).or_insert_with(|| {
                    order.push(mentioned);
                    order.len() - 1
                })
            });
        }
        next += 1;
    }
    text
}

/// The first line is the type's name.
fn describe(layout: Layout) -> Vec<Line> {
    let mut lines = vec![
        Plain(layout.name().into()),
        Plain(format!("  package {} {}", version_class(layout), layout.package())),
        Plain(format!(
            "  layout size={} align={} nonzero={} repr={} lifetimes={}",
            layout.size(),
            layout.alignment(),
            if layout.is_nonzero() { "yes" } else { "no" },
            repr(layout.repr_attr()),
            layout.generics().lifetime_count(),
        )),
    ];
    let generics = layout.generics();
    lines.extend(generics.type_params().iter().map(|getter| Mention("  type-param ".into(), getter(), "".into())));
    lines.extend(generics.const_params().iter().map(|param| Plain(format!("  const {}", constant(param)))));
    lines.extend(layout.phantom_fields().iter().map(|field| mention_field("  phantom ", &field)));
    lines.extend(layout.extra_checks().map(|checks| Plain(extra_check(&checks))));
    if layout.tag() != Tag::NULL {
        lines.push(Plain("  tag".into()));
    }
    describe_kind(layout, &mut lines);
    lines
}

fn describe_kind(layout: Layout, lines: &mut Vec<Line>) {
    match layout.data() {
        TLData::Primitive(kind) => lines.push(Plain(format!("  primitive {}", primitive(kind)))),
        TLData::Opaque => lines.push(Plain("  opaque".into())),
        TLData::Struct { fields } => {
            lines.push(Plain("  struct".into()));
            describe_fields(fields.iter(), lines);
        }
        TLData::Union { fields } => {
            lines.push(Plain("  union".into()));
            describe_fields(fields.iter(), lines);
        }
        TLData::Enum(kind) => describe_enum(&kind, lines),
        TLData::PrefixType(kind) => describe_prefix(&kind, lines),
    }
}

fn describe_enum(kind: &TLEnum, lines: &mut Vec<Line>) {
    let mut line = format!("  enum discriminants={}", int(kind.discriminants.discriminant_repr()));
    if let Some(storage) = kind.exhaustiveness.as_nonexhaustive() {
        let size = number(storage, "original_size: ");
        let align = 1u64 << number(storage, "original_alignment_pow2: ");
        write!(line, " nonexhaustive size={size} align={align}").unwrap();
    }
    lines.push(Plain(line));
    let values = format!("{:?}", kind.discriminants);
    let mut values = values.trim_matches(&['[', ']'][..]).split(", ");
    let mut names = kind.variant_names.as_str().split(';');
    let mut fields = kind.fields.iter();
    for count in kind.field_count.iter() {
        let (value, name) = (values.next().unwrap_or_default(), names.next().unwrap_or_default());
        lines.push(Plain(format!("    variant {value} {name}")));
        describe_fields(fields.by_ref().take(usize::from(*count)), lines);
    }
}

fn describe_prefix(kind: &TLPrefixType, lines: &mut Vec<Line>) {
    let bits = |accessible: u64, (bit, is): (usize, bool)| accessible | u64::from(is) << bit;
    let accessible = (0..kind.fields.len())
        .map(|i| (i, kind.accessible_fields.at(i).is_accessible()))
        .fold(0, bits);
    lines.push(Plain(format!(
        "  prefix fields={} conditional={:#x} accessible={accessible:#x}",
        kind.first_suffix_field,
        kind.conditional_prefix_fields.bits(),
    )));
    describe_fields(kind.fields.iter(), lines);
}

fn describe_fields(fields: impl Iterator<Item = TLField>, lines: &mut Vec<Line>) {
    for field in fields {
        lines.push(mention_field("    field ", &field));
        for function in field.function_range() {
            describe_function(&function, lines);
        }
    }
}

fn mention_field(what: &str, field: &TLField) -> Line {
    let after = format!(" {} {}", lifetimes(field.lifetime_indices().as_slice()), field.name());
    Mention(what.into(), field.layout(), after)
}

fn describe_function(function: &TLFunction, lines: &mut Vec<Line>) {
    let word = if function.fn_qualifs.is_unsafe() { "unsafe-fn" } else { "fn" };
    lines.push(Plain(format!("      {word} {}", lifetimes(function.paramret_lifetime_indices.as_slice()))));
    let mut names = function.param_names.as_str().split(';');
    for (i, getter) in function.param_type_layouts.iter().enumerate() {
        let name = match names.next() {
            None | Some("") => format!("param_{i}"),
            Some(name) => name.into(),
        };
        lines.push(Mention("        param ".into(), getter(), format!(" {name}")));
    }
    let result = function.return_type_layout().map_or(<() as StableAbi>::LAYOUT, |getter| getter());
    lines.push(Mention("        result ".into(), result, "".into()));
}

fn version_class(layout: Layout) -> String {
    match layout.package_version().parsed() {
        Ok(version) if version.major == 0 => format!("0.{}", version.minor),
        Ok(version) => version.major.to_string(),
        Err(_) => "?".into(),
    }
}

fn repr(attribute: ReprAttr) -> String {
    match attribute {
        ReprAttr::OptionNonZero => "option-nonzero".into(),
        ReprAttr::Primitive => "primitive".into(),
        ReprAttr::C => "c".into(),
        ReprAttr::CAndInt(kind) => format!("c+{}", int(kind)),
        ReprAttr::Transparent => "transparent".into(),
        ReprAttr::Int(kind) => int(kind),
        ReprAttr::Packed { alignment_power_of_two } => format!("packed-{alignment_power_of_two}"),
    }
}

fn int(kind: DiscriminantRepr) -> String {
    format!("{kind:?}").to_lowercase()
}

fn primitive(kind: TLPrimitive) -> String {
    match kind {
        TLPrimitive::SharedRef => "shared-ref".into(),
        TLPrimitive::MutRef => "mut-ref".into(),
        TLPrimitive::ConstPtr => "const-ptr".into(),
        TLPrimitive::MutPtr => "mut-ptr".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn lifetimes(pairs: &[LifetimeIndexPair]) -> String {
    if pairs.is_empty() {
        return "-".into();
    }
    let both = pairs.iter().flat_map(|pair| [pair.first(), pair.second()]);
    both.map(lifetime).collect::<Vec<_>>().join(",")
}

fn lifetime(index: LifetimeIndex) -> String {
    match index {
        LifetimeIndex::NONE => "'none".into(),
        LifetimeIndex::ANONYMOUS => "'_".into(),
        LifetimeIndex::STATIC => "'static".into(),
        parameter => format!("'{}", parameter.to_param().expect("a lifetime parameter")),
    }
}

/// A const parameter tells its value but not its type. That is found by comparing it with the same value of each type.
fn constant(param: &ConstGeneric) -> String {
    let found = [
        typed::<u8>(param, "u8"),
        typed::<i8>(param, "i8"),
        typed::<u16>(param, "u16"),
        typed::<i16>(param, "i16"),
        typed::<u32>(param, "u32"),
        typed::<i32>(param, "i32"),
        typed::<u64>(param, "u64"),
        typed::<i64>(param, "i64"),
        typed::<usize>(param, "usize"),
        typed::<isize>(param, "isize"),
        typed::<bool>(param, "bool"),
    ];
    found.into_iter().flatten().next().unwrap_or_else(|| format!("unknown {param:?}"))
}

fn typed<T>(param: &ConstGeneric, name: &str) -> Option<String>
where
    T: StableAbi + Eq + Debug + FromStr + Send + Sync + 'static,
{
    let text = format!("{param:?}");
    let value: &'static T = Box::leak(Box::new(text.parse().ok()?));
    (ConstGeneric::new(value) == *param).then(|| format!("{name} {text}"))
}

fn extra_check(checks: &ExtraChecksStaticRef) -> String {
    if checks.type_layout().package() != "abi_stable" {
        return "  extra-check".into();
    }
    let (auto, other) = (number(checks, "auto_traits_bits: "), number(checks, "regular_traits_bits: "));
    format!("  required-traits auto={auto:#x} other={other:#x}")
}

/// A number that only a value's Debug form tells.
fn number(value: impl Debug, label: &str) -> u64 {
    let text = format!("{value:?}");
    let from = text.find(label).expect(label) + label.len();
    let digits: String = text[from..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect(label)
}
