/// Makes the crate a plugin: exports the one symbol that hosts look for.
///
/// `info` and any of `output`, `protocol` and `service`, in any order. Each value is a function without parameters (or a
/// closure, or such as `Type::new`):
///
/// - `info` returns [`Info`](crate::Info), or its JSON as a `String` or `RString`;
/// - `output` returns something that is an [`Output`](crate::Output), or an [`FfiOutput_TO`](crate::FfiOutput_TO);
/// - `protocol` and `service` are alike.
///
/// Use it once in a crate. The exported symbol counts as unsafe code, so the crate may deny it but not forbid it.
///
/// ```
/// use loadr_plugin_sdk::{export_loadr_plugin, json, Error, Info, Json, Output, Service, Value};
///
/// #[derive(Default)]
/// struct Count(usize);
///
/// impl Output for Count {
///     fn name(&self) -> &str {
///         "count"
///     }
///     fn on_samples(&mut self, samples: Json<'_>) -> Result<(), Error> {
///         self.0 += samples.parse::<Vec<Value>>()?.len();
///         Ok(())
///     }
/// }
///
/// struct Clock;
///
/// impl Service for Clock {
///     fn name(&self) -> &str {
///         "clock"
///     }
///     fn start(&mut self, _config: Json<'_>) -> Result<Value, Error> {
///         Ok(json!({ "ready": true }))
///     }
/// }
///
/// fn info() -> Info {
///     Info::output("count", env!("CARGO_PKG_VERSION"))
/// }
///
/// export_loadr_plugin! {
///     service: || Clock,
///     output: Count::default,
///     info: info,
/// }
/// # fn main() {}
/// ```
///
/// What is wrong is said at compile time: a part twice,
///
/// ```compile_fail
/// loadr_plugin_sdk::export_loadr_plugin! { info: String::new, info: String::new }
/// # fn main() {}
/// ```
///
/// no part at all,
///
/// ```compile_fail
/// loadr_plugin_sdk::export_loadr_plugin! { info: String::new }
/// # fn main() {}
/// ```
///
/// no `info`, another name, and `panic = "abort"`, which would make a panic the host's end.
#[macro_export]
macro_rules! export_loadr_plugin {
    ($($key:ident : $value:expr),* $(,)?) => {
        $crate::__loadr_plugin_parts! { {} {} {} {} $($key: $value,)* }
    };
}

/// Sorts the parts into {info} {output} {protocol} {service}.
#[doc(hidden)]
#[macro_export]
macro_rules! __loadr_plugin_parts {
    ({} $o:tt $p:tt $s:tt info: $v:expr, $($rest:tt)*) => {
        $crate::__loadr_plugin_parts! { {$v} $o $p $s $($rest)* }
    };
    ($i:tt {} $p:tt $s:tt output: $v:expr, $($rest:tt)*) => {
        $crate::__loadr_plugin_parts! { $i {$v} $p $s $($rest)* }
    };
    ($i:tt $o:tt {} $s:tt protocol: $v:expr, $($rest:tt)*) => {
        $crate::__loadr_plugin_parts! { $i $o {$v} $s $($rest)* }
    };
    ($i:tt $o:tt $p:tt {} service: $v:expr, $($rest:tt)*) => {
        $crate::__loadr_plugin_parts! { $i $o $p {$v} $($rest)* }
    };
    ($i:tt $o:tt $p:tt $s:tt info: $($rest:tt)*) => {
        compile_error!("export_loadr_plugin!: `info` is given twice");
    };
    ($i:tt $o:tt $p:tt $s:tt output: $($rest:tt)*) => {
        compile_error!("export_loadr_plugin!: `output` is given twice");
    };
    ($i:tt $o:tt $p:tt $s:tt protocol: $($rest:tt)*) => {
        compile_error!("export_loadr_plugin!: `protocol` is given twice");
    };
    ($i:tt $o:tt $p:tt $s:tt service: $($rest:tt)*) => {
        compile_error!("export_loadr_plugin!: `service` is given twice");
    };
    ($i:tt $o:tt $p:tt $s:tt $key:ident: $($rest:tt)*) => {
        compile_error!(concat!(
            "export_loadr_plugin!: expected `info`, `output`, `protocol` or `service`, found `", stringify!($key), "`"
        ));
    };
    ({} $o:tt $p:tt $s:tt) => {
        compile_error!("export_loadr_plugin!: `info` is missing: the function that describes the plugin");
    };
    ($i:tt {} {} {}) => {
        compile_error!("export_loadr_plugin!: expected at least one of `output`, `protocol` and `service`");
    };
    // The values are the author's, who may have given any name to a function: items in here are not hygienic, so theirs begin
    // with __loadr.
    ({$info:expr} $o:tt $p:tt $s:tt) => {
        #[cfg(not(panic = "unwind"))]
        compile_error!("export_loadr_plugin!: expected panic = \"unwind\" in the profile: otherwise a panic ends the host");

        const _: () = {
            extern "C" fn __loadr_info() -> $crate::__private::Text {
                $crate::__private::info(|| ($info)())
            }

            fn __loadr_root() -> $crate::__private::Module {
                $crate::__private::module(
                    __loadr_info,
                    $crate::__loadr_plugin_maker!(output OutputObject $o),
                    $crate::__loadr_plugin_maker!(protocol ProtocolObject $p),
                    $crate::__loadr_plugin_maker!(service ServiceObject $s),
                )
            }

            extern "C" fn __loadr_constructor() -> $crate::__private::ModuleResult {
                $crate::__private::load(__loadr_root)
            }

            // The name is the mangling of "_as.lib_header.root module loader", which every abi_stable 0.11 host looks up.
            #[allow(unsafe_code, non_upper_case_globals)]
            #[no_mangle]
            pub static _1as_0lib_1header_0root_bmodule_bloader: $crate::__private::Header =
                $crate::__private::header(__loadr_constructor);
        };
    };
}

/// A maker of one part, or that there is none.
#[doc(hidden)]
#[macro_export]
macro_rules! __loadr_plugin_maker {
    ($part:ident $object:ident {}) => {
        $crate::__private::RNone
    };
    ($part:ident $object:ident {$make:expr}) => {{
        extern "C" fn __loadr_make() -> $crate::__private::$object {
            $crate::__private::$part(|| ($make)())
        }
        $crate::__private::RSome(__loadr_make as extern "C" fn() -> $crate::__private::$object)
    }};
}
