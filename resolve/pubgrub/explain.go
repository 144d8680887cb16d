package pubgrub

import (
	"fmt"
	"strings"
)

// ConflictError says that there is no solution, with the proof: each step follows from the requirements that it names and
// from earlier steps, and the last one says that the root can't have what it asks for.
type ConflictError struct {
	Steps []Step `json:"steps"`
}

// Step is one conclusion.
type Step struct {
	Because []string `json:"because"` // requirements, and conclusions of earlier steps
	So      string   `json:"so"`
}

// Error gives the steps, a line each.
func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Steps))
	for i, step := range e.Steps {
		lines[i] = fmt.Sprintf("because %s, %s", strings.Join(step.Because, " and "), step.So)
	}
	return strings.Join(lines, "\n")
}

// conflict explains an incompatibility without terms.
func (s *solver) conflict(in *incompatibility) error {
	e := &explainer{solver: s, told: map[*incompatibility]bool{}}
	e.explain(in)
	return &ConflictError{e.steps}
}

// explainer writes a proof down, each part before what rests on it and once.
type explainer struct {
	*solver
	told  map[*incompatibility]bool
	steps []Step
}

// explain tells how in follows. The proof is walked with a stack of its own: it may be as deep as the search was long.
func (e *explainer) explain(in *incompatibility) {
	if in.causes[0] == nil {
		e.steps = append(e.steps, Step{[]string{e.state(in)}, "there is no solution"})
		return
	}
	stack := []*incompatibility{in}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		open := false
		for _, cause := range top.causes {
			if cause.causes[0] != nil && !e.told[cause] {
				stack, open = append(stack, cause), true
				break
			}
		}
		if open {
			continue
		}
		stack = stack[:len(stack)-1]
		if !e.told[top] {
			e.told[top] = true
			e.steps = append(e.steps, Step{[]string{e.state(top.causes[0]), e.state(top.causes[1])}, e.state(top)})
		}
	}
}

// state says what an incompatibility means.
func (e *explainer) state(in *incompatibility) string {
	if in.causes[0] == nil {
		return e.stateRequirement(in)
	}
	var given, needed []string
	for _, t := range in.terms {
		p := e.packages[t.pkg]
		if t.set.has(p.absent()) {
			needed = append(needed, e.describe(t.pkg, all(p.options).minus(t.set)))
		} else {
			given = append(given, e.describe(t.pkg, t.set))
		}
	}
	switch {
	case len(in.terms) == 0:
		return "there is no solution"
	case len(given) == 0:
		return strings.Join(needed, " or ") + " is needed"
	case len(needed) > 0:
		return strings.Join(given, " with ") + " needs " + strings.Join(needed, " or ")
	case len(given) == 1:
		return given[0] + " can't be used"
	}
	return strings.Join(given, " can't be used with ")
}

func (e *explainer) stateRequirement(in *incompatibility) string {
	if in.unusable != "" {
		by := e.packages[in.by]
		return fmt.Sprintf("%s %s %s", by.name, e.catalog.Title(by.name, in.candidate), in.unusable)
	}
	r := in.requirement
	text := fmt.Sprintf("%s %s", r.Name, r.Text)
	if in.by < 0 {
		text += " is asked for"
	} else {
		by := e.packages[in.by]
		text = fmt.Sprintf("%s %s requires %s", by.name, e.catalog.Title(by.name, in.candidate), text)
	}
	n := e.numbers[r.Name]
	if all(e.packages[n].options).within(e.refused(n, r)) {
		text += " (there is none that can be used)"
	}
	return text
}

// described is how many candidates are named.
const described = 4

// describe names some candidates of a package.
func (e *explainer) describe(n int, s set) string {
	p := e.packages[n]
	var titles []string
	count := 0
	for i := range p.absent() {
		if s.has(i) {
			if count++; count <= described {
				titles = append(titles, e.catalog.Title(p.name, i))
			}
		}
	}
	switch {
	case count == p.absent():
		return "any " + p.name
	case count > described:
		return fmt.Sprintf("%s %s and %d more", p.name, strings.Join(titles, ", "), count-described)
	case count > 1:
		last := len(titles) - 1
		return fmt.Sprintf("%s %s or %s", p.name, strings.Join(titles[:last], ", "), titles[last])
	}
	return fmt.Sprintf("%s %s", p.name, strings.Join(titles, ""))
}
