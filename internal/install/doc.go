// Package install is the main job: it turns requirements into a lock and a lock into a plugins directory.
//
// It decides what happens in which order and leaves every step to the package that owns it: registry finds and fetches,
// resolve chooses, cache stores, loader inspects, lockfile reads and writes, plugindir activates. It prints nothing;
// Events tells what goes on. It does not load plugins, and it knows no flags.
package install
