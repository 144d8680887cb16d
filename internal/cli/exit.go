package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/airgap"
	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/internal/download"
	"github.com/loadr-plugins/loadr/internal/folder"
	"github.com/loadr-plugins/loadr/internal/github"
	"github.com/loadr-plugins/loadr/internal/info"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/internal/plan"
	"github.com/loadr-plugins/loadr/internal/plugindir"
	"github.com/loadr-plugins/loadr/internal/publish"
	"github.com/loadr-plugins/loadr/internal/republish"
	"github.com/loadr-plugins/loadr/internal/run"
	"github.com/loadr-plugins/loadr/internal/search"
	"github.com/loadr-plugins/loadr/internal/unpack"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/bundle"
	"github.com/loadr-plugins/loadr/resolve"
)

// Exit codes. New ones may be added; the meaning of a number never changes. docs/exit-codes.md lists them for scripts.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 10
	exitNoVersion   = 11
	exitDrift       = 12
	exitIntegrity   = 13
	exitTrust       = 14
	exitInvalid     = 15
	exitNetwork     = 16
	exitExists      = 17
	exitBusy        = 18
	exitNotRunnable = 126
	exitNoCommand   = 127
	exitInterrupted = 130
)

// outcome ties errors to an exit code and to the word that JSON output has for it.
type outcome struct {
	code  int
	word  string
	match []func(error) (any, bool)
}

// outcomes is the one table of exit codes. The first that matches any part of an error decides.
var outcomes = []outcome{
	{exitUsage, "usage", []func(error) (any, bool){
		is[*usageError], is[*run.KindError], is[*install.UsageError], is[*registry.ReferenceError], is[*config.Error], is[*resolve.RangeError],
		is[*install.FoundInFilesError], is[*airgap.SourceError],
	}},
	{exitBusy, "busy", []func(error) (any, bool){is[*plugindir.BusyError], is[*cache.BusyError], is[*registry.BusyError], is[*registry.CatalogueChangedError]}},
	{exitTrust, "trust", []func(error) (any, bool){is[*install.UntrustedError]}},
	{exitIntegrity, "integrity", []func(error) (any, bool){
		is[*registry.IntegrityError], is[*cache.CorruptError], is[*cache.MismatchError], is[*plugindir.DigestError], is[*plugin.DigestError],
		is[*install.RepublishedError], mismatch(false), found(install.Altered), found(install.Moved), is[*bundle.TruncatedError], is[*install.FileDigestError],
	}},
	{exitInvalid, "invalid", []func(error) (any, bool){
		is[manifest.Errors], is[*manifest.Error], is[*publish.GateError], is[*install.IncompatibleError], mismatch(true),
		is[*registry.InvalidArtifactError], is[*loader.InspectError], is[*archive.Error], is[*info.NoPluginError],
		is[*plugin.MissingSymbolError], is[*plugin.VersionError], is[*plugin.ReplyError], is[*plugin.OpenError],
		is[*plugin.FamilyError], is[*plugin.LayoutError], is[*plugin.PartError], is[*plugin.ModuleError], is[*plugin.ConstructorError],
		is[*unpack.Error], is[*unpack.NoLibraryError], is[*legacyindex.Error], is[*github.Error], is[*download.TooLargeError],
		is[*folder.NoManifestError], is[*publish.NoLibraryError], is[*registry.MergeError], is[*registry.NotReferrerError],
		is[*publish.ReplacementError], is[*bundle.FormatError],
		found(install.Incompatible),
	}},
	{exitDrift, "drift", []func(error) (any, bool){
		is[*install.DriftError], is[*install.PlanError], is[*install.StaleError], is[*install.UnrecordedError], found(install.Drifted),
	}},
	{exitNoCommand, "no-command", []func(error) (any, bool){commandError(true)}},
	{exitNotRunnable, "not-runnable", []func(error) (any, bool){commandError(false)}},
	{exitNoVersion, "no-version", []func(error) (any, bool){is[*resolve.NoVersionError], is[*resolve.ConflictError], is[*install.TargetError], is[*airgap.TargetError]}},
	{exitNotFound, "not-found", []func(error) (any, bool){
		is[*install.NoGenerationError], is[*install.UncachedError], is[*bundle.MissingError], is[*bundle.MissingArchiveError], is[*airgap.EmptyError], is[*registry.SparseError],
		is[*install.UnknownError], is[*install.NotInstalledError], is[*install.NotInProjectError], is[*install.NoLockError], is[*registry.NotFoundError],
		is[*install.OfflineError], is[*publish.MissingLibrariesError], is[*info.MissingLibrariesError], is[*plugindir.NotInstalledError],
		is[*download.NotFoundError], is[*republish.NothingError], is[*search.NotKeptError], is[*registry.NoCatalogueError], notExist,
	}},
	{exitExists, "exists", []func(error) (any, bool){is[*registry.VersionExistsError], is[*registry.TagTakenError]}},
	{exitNetwork, "network", []func(error) (any, bool){is[*registry.SparseRefusedError], is[*registry.AuthError], is[*registry.UnavailableError], is[*download.Error], is[*search.FailedError]}},
	{exitFailure, "required", []func(error) (any, bool){is[*install.RequiredError]}},
	{exitUsage, "ambiguous", []func(error) (any, bool){is[*install.AmbiguousError], is[*airgap.SameNameError]}},
	{exitFailure, "lock", []func(error) (any, bool){
		is[*lockfile.NewerFormatError], is[*lockfile.TruncatedError], is[*lockfile.ConflictError], is[*lockfile.DigestError],
		is[*lockfile.DuplicateError],
	}},
	{exitFailure, "syntax", []func(error) (any, bool){is[*lockfile.SyntaxError], is[*lockfile.SizeError], is[*plan.Error]}}, // loadr.toml, loadr.lock or a test plan
	{exitFailure, "crash", []func(error) (any, bool){is[*plugin.CrashError]}},
	{exitFailure, "refused", []func(error) (any, bool){is[*plugin.FailureError]}}, // by the plugin
	{exitFailure, "timeout", []func(error) (any, bool){is[*plugin.TimeoutError]}},
}

func is[T error](err error) (any, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}

func mismatch(claim bool) func(error) (any, bool) {
	return func(err error) (any, bool) {
		var m *install.MismatchError
		return m, errors.As(err, &m) && m.Claim == claim
	}
}

func found(code install.FindingCode) func(error) (any, bool) {
	return func(err error) (any, bool) {
		var v *install.VerifyError
		return v, errors.As(err, &v) && v.Has(code)
	}
}

func notExist(err error) (any, bool) { return nil, errors.Is(err, fs.ErrNotExist) }

// classify gives the exit code, the word and the error's own facts.
func classify(err error) (code int, word string, details any) {
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return exitInterrupted, "interrupted", nil
	}
	for _, o := range outcomes {
		for _, match := range o.match {
			if details, ok := match(err); ok {
				return o.code, o.word, details
			}
		}
	}
	return exitFailure, "failure", nil
}

// fail prints an error, if there is one, and gives the exit code.
func (a *app) fail(err error) int {
	if err == nil {
		return 0
	}
	code, word, details := classify(err)
	if a.json {
		a.failJSON(word, err, details)
		return code
	}
	fmt.Fprintf(a.err, "error: %s\n", clean(err.Error()))
	for _, hint := range hints(err) {
		fmt.Fprintf(a.err, "hint: %s\n", clean(hint))
	}
	var explained interface{ Explanation() string }
	if errors.As(err, &explained) {
		fmt.Fprint(a.err, clean(explained.Explanation()))
	}
	return code
}

func (a *app) failJSON(word string, err error, details any) {
	type body struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Hints   []string `json:"hints"`
		Details any      `json:"details,omitempty"`
	}
	if _, problem := json.Marshal(details); problem != nil {
		details = nil
	}
	enc := json.NewEncoder(a.err)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]body{"error": {word, err.Error(), hints(err), details}})
}

// hints collects the advice of every part of an error, each once.
func hints(err error) []string {
	out := []string{}
	seen := map[string]bool{"": true}
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(interface{ Hint() string }); ok && !seen[h.Hint()] {
			seen[h.Hint()] = true
			out = append(out, h.Hint())
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				if inner != nil {
					walk(inner)
				}
			}
		}
	}
	walk(err)
	return out
}
