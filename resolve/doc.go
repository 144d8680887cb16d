// Package resolve decides which version of a plugin is used, and says why every other one is not.
//
// It is pure: no I/O, no clock, no randomness. What a registry offers comes in through a function, so the same offers
// give the same answer whatever their order. docs/resolution.md describes the rules for users.
//
// It does not fetch, read files or print; it does not know the lock's format, where a plugin comes from, or that tags
// are tags. Choose answers for one plugin. The rules that a candidate has to pass (Range, Fits) are apart from the
// search, so that a search over several plugins that require each other can use the same ones.
package resolve
