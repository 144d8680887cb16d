package install

import (
	"fmt"

	"github.com/loadr-plugins/loadr/registry"
)

// PlanPlugin is a plugin that a test plan uses.
type PlanPlugin struct {
	Name         string
	Range        string // empty: any version
	File         string
	Line, Column int // from 1
}

// PlanError says that what is locked does not serve a test plan.
type PlanError struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Want   string `json:"want"`  // range; empty: any version
	Found  string `json:"found"` // locked version; empty: none
}

func (e *PlanError) Error() string {
	where := fmt.Sprintf("%s:%d:%d: plugin %q", e.File, e.Line, e.Column, e.Name)
	if e.Found == "" {
		return where + ": expected it in the lock, found none"
	}
	return fmt.Sprintf("%s: expected a version in %s, found %s in the lock", where, e.Want, e.Found)
}

// Hint says how to make them agree.
func (e *PlanError) Hint() string {
	if e.Found == "" {
		return "run 'loadr plugin lock " + e.File + "' and review the change to the lock"
	}
	return fmt.Sprintf("change the plan, or the range in loadr.toml: loadr plugin update '%s@%s'", e.Name, e.Want)
}

// planned gives what plans use and neither loadr.toml nor the command line names: the first range counts, and checkPlans holds
// the choice against the others.
func (j *job) planned() (refs []registry.Reference) {
	if j.Mode != Resolve {
		return nil
	}
	at := map[string]int{}
	for _, ref := range j.Want {
		at[ref.Name] = -1
	}
	for _, p := range j.Plans {
		if _, asked := j.project.Plugin(p.Name); asked {
			continue
		}
		i, known := at[p.Name]
		switch {
		case !known:
			at[p.Name] = len(refs)
			refs = append(refs, registry.Reference{Name: p.Name, Range: p.Range})
		case i >= 0 && refs[i].Range == "":
			refs[i].Range = p.Range
		}
	}
	return refs
}

// checkPlans holds the lock against what plans use.
func (j *job) checkPlans() error {
	for _, p := range j.Plans {
		entry, _ := j.next.Plugin(p.Name)
		if entry.Version == "" || p.Range != "" && !satisfies(p.Range, entry.Version) {
			return &PlanError{p.Name, p.File, p.Line, p.Column, p.Range, entry.Version}
		}
	}
	return nil
}
