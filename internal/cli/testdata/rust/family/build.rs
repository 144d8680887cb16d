//! Takes the interface's version from the environment, so that one crate makes libraries of several.

fn main() {
    println!("cargo:rerun-if-env-changed=INTERFACE_VERSION");
    let version = std::env::var("INTERFACE_VERSION").unwrap_or("1.0.0".into());
    let mut parts = version.split('.');
    println!("cargo:rustc-env=CARGO_PKG_VERSION={version}");
    for part in ["MAJOR", "MINOR", "PATCH"] {
        println!("cargo:rustc-env=CARGO_PKG_VERSION_{part}={}", parts.next().unwrap());
    }
}
