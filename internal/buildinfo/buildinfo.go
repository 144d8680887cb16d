// Package buildinfo says which build of this project is running. It does not compare versions; the programs
// recognise a build of the same source by Version and Commit together.
package buildinfo

import "runtime/debug"

// Version is the released version, without a leading v. The linker sets it (-X); a build without that is a development
// build.
var Version = "0.0.0-dev"

// Commit gives the revision of the source, with "+dirty" for one with changes that are not committed; empty where the
// build did not record it (-buildvcs=false, go run, tests).
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return commit(info.Settings)
}

// Build identifies this build; programs of one release compare it before they talk.
func Build() string {
	if commit := Commit(); commit != "" {
		return Version + " " + commit
	}
	return Version
}

func commit(settings []debug.BuildSetting) string {
	values := map[string]string{}
	for _, s := range settings {
		values[s.Key] = s.Value
	}
	revision := values["vcs.revision"]
	if revision != "" && values["vcs.modified"] == "true" {
		revision += "+dirty"
	}
	return revision
}
