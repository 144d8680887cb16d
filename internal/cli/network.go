package cli

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/registry"
)

// mirrorsOf reads the configuration's mirrors.
func mirrorsOf(c *config.Config) (map[string][]registry.Mirror, error) {
	out := map[string][]registry.Mirror{}
	wrong := func(err error) error { return &config.Error{File: "[[mirror]] (config.toml)", Detail: err.Error()} }
	for _, m := range c.Mirrors {
		if m.Registry == registry.Local {
			return nil, wrong(errors.New("registry \"local\": the directory registry lies on this machine and has no mirrors"))
		}
		of, err := registry.ParseMirror(m.Registry)
		if err != nil {
			return nil, wrong(err)
		}
		if of.Prefix != "" {
			return nil, wrong(errors.New(m.Registry + ": expected a registry without a path: mirrors are of whole registries"))
		}
		for _, location := range m.Locations {
			mirror, err := registry.ParseMirror(location)
			if err != nil {
				return nil, wrong(err)
			}
			mirror.Resolve = m.Resolve
			if mirror.String() == of.Host || slices.Contains(out[of.Host], mirror) {
				return nil, wrong(errors.New(location + ": is the registry itself, or listed twice"))
			}
			out[of.Host] = append(out[of.Host], mirror)
		}
	}
	return out, nil
}

// lateWarnings are for a result in JSON: they came up while it was being made. Safe for concurrent use.
type lateWarnings struct {
	mu   sync.Mutex
	list []string
}

func (w *lateWarnings) add(message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, message)
}

func (w *lateWarnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.list
	w.list = nil
	return taken
}

// noticeable is the pause that people are told about; shorter ones --verbose tells.
const noticeable = 2 * time.Second

// network tells what goes on between here and the registries.
func (a *app) network() registry.Events {
	return registry.Events{
		Pausing: func(host string, pause time.Duration, why string) {
			say := a.detail
			if pause >= noticeable {
				say = a.note
			}
			say("%s: %s; asking again in %v", clean(host), clean(why), pause.Round(100*time.Millisecond))
		},
		Served: func(repo registry.Repository, what string, from registry.Mirror) {
			if what == "" {
				what = "versions"
			}
			a.detail("mirror %s served %s of %s", from, clean(what), repo)
		},
		Left: func(mirror registry.Mirror, err error) {
			if wrong := (*registry.IntegrityError)(nil); errors.As(err, &wrong) {
				message := "mirror " + mirror.String() + " served other bytes than asked for, and is not asked again: " + err.Error()
				a.warn(message)
				if a.json {
					a.late.add(message)
				}
				return
			}
			a.detail("mirror %s is not asked again: %s", mirror, clean(err.Error()))
		},
	}
}
