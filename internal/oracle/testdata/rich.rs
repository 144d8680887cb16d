//! An interface with everything that abi_stable can describe and the plugins' own has not: enums, unions, const
//! parameters, lifetimes, phantom fields, opaque and conditional fields. Nothing ever makes a value of it.

use abi_stable::{
    declare_root_module_statics, package_version_strings, DynTrait, InterfaceType, RRef, StableAbi,
    library::RootModule,
    sabi_types::VersionStrings,
    std_types::{RBox, ROption, RSlice, RStr, RString, RVec},
};
use std::marker::PhantomData;

#[repr(u8)]
#[derive(StableAbi, Clone, Copy)]
pub enum Closed {
    First,
    Second(u32),
    Third { low: u8, high: u8 },
}

#[repr(C)]
#[derive(StableAbi)]
pub enum Wide {
    Small = -5,
    Large = 70000,
}

#[repr(u8)]
#[derive(StableAbi)]
#[sabi(kind(WithNonExhaustive(size = [usize; 4])))]
#[non_exhaustive]
pub enum Open {
    One,
    Two(u64),
}

#[repr(C)]
#[derive(StableAbi)]
pub union Either {
    pub number: u64,
    pub real: f64,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Table<const N: usize> {
    pub cells: [u16; N],
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(phantom_const_param = true)]
pub struct Flagged {
    pub value: i64,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(phantom_field(unit: u16), phantom_field(scale: f32))]
pub struct Measured {
    pub value: f64,
}

#[repr(transparent)]
#[derive(StableAbi)]
pub struct Handle {
    pub inner: u64,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Aligned {
    pub first: u8,
    pub second: u16,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Borrowed<'a, 'b> {
    pub left: &'a u8,
    pub right: RStr<'b>,
    pub both: RSlice<'a, RStr<'b>>,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Hidden {
    #[sabi(unsafe_opaque_field)]
    pub secret: [u64; 2],
    pub shown: bool,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Pointers {
    pub constant: *const u8,
    pub mutable: *mut u8,
    pub shared: RRef<'static, u8>,
    pub maybe: Option<&'static u32>,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Calls {
    pub lent: for<'a> extern "C" fn(left: RStr<'a>, right: RStr<'_>) -> RStr<'a>,
    pub many: extern "C" fn(a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: i32, h: i64),
    pub lifetimes: for<'a, 'b> extern "C" fn(RStr<'a>, RStr<'b>, RStr<'a>, RStr<'b>, RStr<'a>, RStr<'static>, RStr<'b>),
    pub careful: unsafe extern "C" fn(RVec<u8>) -> ROption<RString>,
    pub two: Pair<extern "C" fn() -> u8, extern "C" fn() -> u16>,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Pair<A, B> {
    pub first: A,
    pub second: B,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct Empty<T> {
    pub marker: PhantomData<T>,
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(impl_InterfaceType(Send, Clone, Debug))]
pub struct Shape;

pub type Object = DynTrait<'static, RBox<()>, Shape>;

const WITH_TRACE: bool = false;

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    pub closed: Closed,
    pub wide: extern "C" fn() -> Wide,
    pub open: extern "C" fn() -> Open_NE,
    pub either: extern "C" fn() -> Either,
    pub table: extern "C" fn() -> Table<4>,
    pub flagged: extern "C" fn() -> Flagged,
    pub measured: extern "C" fn() -> Measured,
    pub handle: extern "C" fn() -> Handle,
    pub aligned: extern "C" fn() -> Aligned,
    pub borrowed: extern "C" fn() -> Borrowed<'static, 'static>,
    pub hidden: extern "C" fn() -> Hidden,
    pub pointers: extern "C" fn() -> Pointers,
    pub calls: extern "C" fn() -> Calls,
    pub empty: extern "C" fn() -> Empty<RString>,
    pub object: extern "C" fn() -> Object,
    #[sabi(accessible_if = WITH_TRACE)]
    pub trace: u32,
    #[sabi(last_prefix_field)]
    pub last: [u8; 3],
    pub more: u64,
}

impl RootModule for PluginModRef {
    declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "loadr_plugin";
    const NAME: &'static str = "loadr_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
