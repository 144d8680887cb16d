package registry

import "time"

// Events are optional callbacks that tell what goes on between a Client and the registries. They may come from several
// goroutines at once.
type Events struct {
	// Pausing: host could not answer, and is asked again after the pause. why says what it answered.
	Pausing func(host string, pause time.Duration, why string)
	// Served: a mirror, and not the registry, gave what was asked for: a tag, a digest, or, empty, the list of tags.
	Served func(repo Repository, what string, from Mirror)
	// Left: a mirror failed and is not asked again, at all or, where the error is an *AuthError, for one repository.
	Left func(mirror Mirror, err error)
}

func (e Events) pausing(host string, pause time.Duration, why string) {
	if e.Pausing != nil {
		e.Pausing(host, pause, why)
	}
}

func (e Events) served(repo Repository, what string, from Mirror) {
	if e.Served != nil {
		e.Served(repo, what, from)
	}
}

func (e Events) left(mirror Mirror, err error) {
	if e.Left != nil {
		e.Left(mirror, err)
	}
}
