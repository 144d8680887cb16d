//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// host is one of the programs that are compared.
type host struct {
	name   string
	base   string // the host that its ratio is taken to; empty: none
	wall   bool   // its time is the wall's: it is more than one process
	cmd    *exec.Cmd
	lines  io.WriteCloser
	answer *bufio.Scanner
}

// turn is what one call cost on average.
type turn struct{ cpu, wall float64 } // nanoseconds

func startAll(dir string) ([]*host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	const rust, cgo, cgoC = "Rust host", "cgo, each time, Go string", "cgo, C interface"
	cgoHost := filepath.Join(dir, "cgohost")
	hosts := []*host{
		{name: rust, cmd: exec.Command(filepath.Join(dir, "bench-host"), rustEcho(dir))},
		{name: "loader/native", base: rust, cmd: exec.Command(self, "-dir", dir, "-peer", "rust")},
		{name: cgo, base: rust, cmd: exec.Command(cgoHost, "string", rustEcho(dir))},
		{name: "cgo, recycled, view", base: rust, cmd: exec.Command(cgoHost, "view", rustEcho(dir))},
		{name: cgoC, cmd: exec.Command(cgoHost, "c", cEcho(dir))},
		{name: "loader/native, C interface", base: cgoC, cmd: exec.Command(self, "-dir", dir, "-peer", "c")},
		{name: "checks of request and reply alone", cmd: exec.Command(self, "-peer", "checks")},
		{name: "worker, 16 in flight (wall)", wall: true, cmd: exec.Command(self, "-dir", dir, "-peer", "worker")},
	}
	for i, h := range hosts {
		if err := h.start(); err != nil {
			return hosts[:i], fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return hosts, nil
}

func (h *host) start() (err error) {
	if h.lines, err = h.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	h.answer = bufio.NewScanner(out)
	h.cmd.Stderr = os.Stderr
	return h.cmd.Start()
}

// stop lets the program end by itself: that it is asked no more is its end.
func (h *host) stop() {
	_ = h.lines.Close()
	_ = h.cmd.Wait() // what went wrong was told by turn
}

func (h *host) turn(size, calls int) (turn, error) {
	if _, err := fmt.Fprintln(h.lines, size, calls); err != nil {
		return turn{}, fmt.Errorf("%s: %w", h.name, err)
	}
	if !h.answer.Scan() {
		return turn{}, fmt.Errorf("%s: no answer: %w", h.name, io.ErrUnexpectedEOF)
	}
	var cpu, wall float64
	if _, err := fmt.Sscan(h.answer.Text(), &cpu, &wall); err != nil {
		return turn{}, fmt.Errorf("%s: %w", h.name, err)
	}
	return turn{cpu / float64(calls), wall / float64(calls)}, nil
}
