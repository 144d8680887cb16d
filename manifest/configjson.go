package manifest

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// ConfigJSON gives [config] as the JSON object that the plugin is handed by default: {} without [config], keys sorted.
// What JSON has no form for becomes what is nearest: dates and times a string in their TOML (RFC 3339) form, inf and nan
// null. Numbers with a fraction keep one (1.0), so that a plugin sees the type that was written.
func (m *Manifest) ConfigJSON() json.RawMessage {
	if m.Config == nil {
		return json.RawMessage("{}")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(jsonValue(m.Config)); err != nil {
		return json.RawMessage("{}") // not reached: jsonValue leaves only what JSON can say
	}
	return bytes.TrimSpace(out.Bytes())
}

func jsonValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, element := range v {
			out[key] = jsonValue(element)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = jsonValue(element)
		}
		return out
	case float64:
		return jsonFloat(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case interface{ String() string }: // go-toml's local dates and times
		return v.String()
	}
	return value
}

func jsonFloat(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s)
}
