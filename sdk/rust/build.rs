//! abi_stable writes the name and version of the package that declares a type into the type's layout, and refuses a library
//! whose types come from a package of another name. The interface's package is `loadr-plugin-api` 1.x, whoever
//! implements it, so the macros are given that name in place of this crate's own.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=CARGO_PKG_NAME=loadr-plugin-api");
    println!("cargo:rustc-env=CARGO_PKG_VERSION=1.0.0");
    println!("cargo:rustc-env=CARGO_PKG_VERSION_MAJOR=1");
    println!("cargo:rustc-env=CARGO_PKG_VERSION_MINOR=0");
    println!("cargo:rustc-env=CARGO_PKG_VERSION_PATCH=0");
}
