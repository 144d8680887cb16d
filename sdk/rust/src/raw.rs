//! The interface's object types under their names, made so that what they hold is guarded.

use abi_stable::{sabi_trait::TD_Opaque, std_types::RBox};

use crate::guard::Guarded;
use crate::interface::{self, FfiOutput, FfiProtocol, FfiService};

macro_rules! guarded_object {
    ($name:ident, $trait:ident) => {
        #[doc = concat!("The object that crosses for [`", stringify!($trait), "`].")]
        #[allow(non_camel_case_types)]
        #[repr(transparent)]
        pub struct $name<'lt, P: abi_stable::pointer_trait::GetPointerKind>(pub(crate) interface::$name<'lt, P>);

        impl $name<'static, RBox<()>> {
            /// Makes the object; a panic in one of its methods becomes the call's error.
            pub fn from_value<T: $trait + 'static>(value: T, _: TD_Opaque) -> Self {
                Self(interface::$name::from_value(Guarded::new(value), TD_Opaque))
            }
        }
    };
}

guarded_object!(FfiOutput_TO, FfiOutput);
guarded_object!(FfiProtocol_TO, FfiProtocol);
guarded_object!(FfiService_TO, FfiService);
