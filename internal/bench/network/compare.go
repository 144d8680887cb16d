//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
)

// contender is one way of doing the work; before makes its turn a cold one, or a warm one.
type contender struct {
	name   string
	base   string // what its time is compared with; empty: nothing
	before func() error
	turn   func() (turn, error)
}

func compare(out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "loadr-network-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := prepare(o, dir)
	if err != nil {
		return err
	}
	defer b.far.http.Close()
	if err := b.project(b.names...); err != nil {
		return err
	}
	title := fmt.Sprintf("%d plugins of %.1f MB, %v for each request and connection", o.plugins, float64(o.size)/(1<<20), o.delay)
	if err := b.table(out, title, b.many()); err != nil || o.big == 0 {
		return err
	}
	if err := b.project(bigName); err != nil {
		return err
	}
	one, err := b.one()
	if err != nil {
		return err
	}
	return b.table(out, fmt.Sprintf("one plugin of %d MB", o.big>>20), one)
}

// project makes a project of the plugins, with a lock.
func (b *bench) project(names ...string) error {
	if err := b.clean("project", "cache"); err != nil {
		return err
	}
	args := append([]string{"plugin", "install"}, b.references(names)...)
	for _, cmd := range []*exec.Cmd{b.loadr("plugin", "init"), b.loadr(args...)} {
		if err := b.run(cmd); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) references(names []string) (refs []string) {
	for _, name := range names {
		refs = append(refs, b.far.host()+"/plugins/"+name)
	}
	return refs
}

func (b *bench) many() []contender {
	cold := func() error { return b.clean("cache", "project/.loadr", "out") }
	const locked = "loadr plugin sync, cold, with a lock"
	out := []contender{
		{locked, "", cold, func() (turn, error) { return b.measure(b.loadr("plugin", "sync")) }},
		{"loadr plugin install, cold, without a lock", locked, func() error {
			return b.clean("cache", "project/.loadr", "project/loadr.lock")
		}, func() (turn, error) { return b.measure(b.loadr("plugin", "install")) }},
	}
	for _, peer := range []string{"oras", "crane"} {
		if _, err := exec.LookPath(peer); err != nil {
			continue
		}
		name := fmt.Sprintf("%s pull, %d processes at once", peer, b.atOnce)
		out = append(out, contender{name, locked, cold, func() (turn, error) { return b.measure(b.pull(peer, b.names)...) }})
	}
	nothing := func() error { return nil }
	return append(out,
		// After the peers' turns nothing is there, so the first of these brings it back.
		contender{"loadr plugin sync, warm", "loadr version", func() error { return b.run(b.loadr("plugin", "sync")) },
			func() (turn, error) { return b.measure(b.loadr("plugin", "sync")) }},
		contender{"loadr version", "", nothing, func() (turn, error) { return b.measure(b.loadr("version")) }})
}

// pull has a peer fetch each plugin into a folder of its own.
func (b *bench) pull(peer string, names []string) (cmds []*exec.Cmd) {
	platform := "linux/" + runtime.GOARCH
	for i, ref := range b.references(names) {
		to := b.path("out", names[i])
		if peer == "oras" {
			cmds = append(cmds, exec.Command(peer, "pull", "--plain-http", "--no-tty", "--platform", platform, "-o", to, ref+":0.1.0"))
		} else {
			cmds = append(cmds, exec.Command(peer, "pull", "--format", "oci", "--platform", platform, ref+":0.1.0", to))
		}
	}
	return cmds
}

func (b *bench) one() ([]contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	blob, err := b.bigBlob()
	if err != nil {
		return nil, err
	}
	cold := func() error { return b.clean("cache", "project/.loadr", "out", "passed") }
	const least = "one pass: download, hash, write"
	out := []contender{
		{least, "", cold, func() (turn, error) { return b.measure(exec.Command(self, "-pass", blob, b.path("passed"))) }},
		{"loadr plugin sync, cold, with a lock", least, cold, func() (turn, error) { return b.measure(b.loadr("plugin", "sync")) }},
	}
	for _, peer := range []string{"oras", "crane"} {
		if _, err := exec.LookPath(peer); err == nil {
			out = append(out, contender{peer + " pull", least, cold, func() (turn, error) { return b.measure(b.pull(peer, []string{bigName})...) }})
		}
	}
	return out, nil
}

// bigBlob is the address of the big library as it travels.
func (b *bench) bigBlob() (string, error) {
	base := b.far.http.URL + "/v2/plugins/" + bigName + "/"
	get := func(reference string, into any) error {
		resp, err := http.Get(base + "manifests/" + reference)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return json.NewDecoder(resp.Body).Decode(into)
	}
	var content struct {
		Manifests, Layers []struct{ Digest, MediaType string }
	}
	if err := get("0.1.0", &content); err != nil {
		return "", err
	}
	if err := get(content.Manifests[0].Digest, &content); err != nil {
		return "", err
	}
	return base + "blobs/" + content.Layers[0].Digest, nil
}

// table has every contender take its turns and writes the medians, in Markdown.
func (b *bench) table(out io.Writer, title string, contenders []contender) error {
	turns := make([][]turn, len(contenders))
	for range b.rounds {
		for i, c := range contenders {
			if err := c.before(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			t, err := c.turn()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			turns[i] = append(turns[i], t)
		}
	}
	writeTable(out, title, contenders, turns)
	return nil
}
