// Package oracle is an aid for tests: it asks abi_stable itself what the packages loader/layout and loader/abistable say on their
// own. It builds a family of Rust libraries, in which every rule of the compatibility check is broken and kept and which
// were compiled in every way that might change their data, and a program, the oracle, that uses abi_stable's public API to
// write a library's layout as docs/spec/layout.md says, and to give abi_stable's verdict on it.
//
// The libraries are texts with edits: the interface of sdk/rust, so that the family can't drift from it, and a second one
// in testdata that has what the first has not. cargo compiles abi_stable and the SDK once for each set of options and
// version; each library is then one call of rustc. Results are kept in the user's cache directory under a hash of
// everything that they depend on. Tests skip where cargo is missing.
//
// The package does not look into the libraries, and never decides who is right: its tests, and those of loader/native, do.
// It is not for use outside of tests.
package oracle
