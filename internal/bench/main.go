//go:build unix

// Command bench compares what a call costs in this project's hosts with what it costs in a host written in Rust and in one
// that uses cgo, calling the same libraries. scripts/bench.sh builds the parts and runs it; docs/performance.md has results.
//
// All hosts run at once and take turns, round by round, so that whatever else the machine does falls on all of them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	rounds := flag.Int("rounds", 20, "how often each host has its turn")
	calls := flag.Int("calls", 100_000, "calls of 200 bytes in a turn; of 64 KiB a fiftieth")
	dir := flag.String("dir", ".", "`folder` with the parts that scripts/bench.sh builds")
	role := flag.String("peer", "", "be one of the hosts instead: "+roles())
	flag.Parse()
	var err error
	if *role != "" {
		err = serve(*role, *dir, flag.Arg(0), os.Stdin, os.Stdout)
	} else {
		err = compare(os.Stdout, *dir, *rounds, *calls)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// compare has every host take its turns with both sizes and writes the tables.
func compare(out io.Writer, dir string, rounds, calls int) error {
	hosts, err := startAll(dir)
	defer func() {
		for _, h := range hosts {
			h.stop()
		}
	}()
	if err != nil {
		return err
	}
	for _, load := range []struct{ size, calls int }{{200, calls}, {64 << 10, max(calls/50, 1)}} {
		results, err := measure(hosts, load.size, load.calls, rounds)
		if err != nil {
			return err
		}
		table(out, fmt.Sprintf("%d-byte request, %d rounds of %d calls", load.size, rounds, load.calls), hosts, results)
	}
	return nil
}
