// Package abistable says what a Rust library made with abi_stable 0.11 is, and whether its types fit loadr's plugin
// interface, without running one instruction of it.
//
// It reads the root module's header, walks the layout of all types that the root module reaches (package layout), and
// checks them against the interfaces that a host knows: newest first, one for each minor version. abi_stable hands out
// type layouts by functions; the few instructions of such a function are decoded, and a library whose functions look
// otherwise is Unverifiable, never guessed at. docs/spec/native-abi.md has the rules.
//
// The package does not open libraries and does not call them. That a library fits proves that its types do, not that it
// is honest.
package abistable
