//go:build unix

package main

import (
	"fmt"
	"io"
	"slices"
)

// measure gives each host's time for a call, in nanoseconds, one for each round. A first round warms up and is not counted.
func measure(hosts []*host, size, calls, rounds int) ([][]float64, error) {
	results := make([][]float64, len(hosts))
	for round := range rounds + 1 {
		for i, h := range hosts {
			t, err := h.turn(size, calls)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				results[i] = append(results[i], h.pick(t))
			}
		}
	}
	return results, nil
}

func (h *host) pick(t turn) float64 {
	if h.wall {
		return t.wall
	}
	return t.cpu
}

// table writes minimum and median of each host and their ratios to those of its base, in Markdown.
func table(out io.Writer, title string, hosts []*host, results [][]float64) {
	fmt.Fprintf(out, "\n| %s | ns a call: minimum | median | ratio of minima | of medians |\n|---|---:|---:|---:|---:|\n", title)
	for i, h := range hosts {
		low, middle := slices.Min(results[i]), median(results[i])
		fmt.Fprintf(out, "| %s | %.0f | %.0f |", h.name, low, middle)
		if at := slices.IndexFunc(hosts, func(o *host) bool { return o.name == h.base }); at >= 0 {
			fmt.Fprintf(out, " %.2f | %.2f |\n", low/slices.Min(results[at]), middle/median(results[at]))
		} else {
			fmt.Fprintln(out, " | |")
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
