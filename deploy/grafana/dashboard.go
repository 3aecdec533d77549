package grafana

import "encoding/json"

const (
	columns     = 24
	panelWidth  = 6
	panelHeight = 7
)

var source = map[string]string{"type": "prometheus", "uid": "prometheus"}

// Dashboard is the dashboard as Grafana imports it.
func Dashboard() ([]byte, error) {
	var panels []map[string]any
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, r := range rows {
		panels = append(panels, map[string]any{"id": next(), "type": "row", "title": r.title, "collapsed": false, "panels": []any{},
			"gridPos": map[string]int{"h": 1, "w": columns, "x": 0, "y": y}})
		y++
		for i, p := range r.panels {
			at := map[string]int{"h": panelHeight, "w": panelWidth, "x": i * panelWidth % columns, "y": y + i*panelWidth/columns*panelHeight}
			panels = append(panels, p.json(next(), at))
		}
		y += (len(r.panels)*panelWidth + columns - 1) / columns * panelHeight
	}
	return json.MarshalIndent(map[string]any{
		"uid": "tandem", "title": "Tandem", "tags": []string{"tandem", "sip"}, "schemaVersion": 39, "editable": true,
		"refresh": "15s", "time": map[string]string{"from": "now-6h", "to": "now"}, "timezone": "browser",
		"templating":  map[string]any{"list": []any{variable("instance", "label_values(tandem_build_info, instance)"), variable("trunk", "label_values(tandem_trunk_up, trunk)")}},
		"annotations": map[string]any{"list": annotations()},
		"panels":      panels,
	}, "", " ")
}

func (p *panel) json(id int, at map[string]int) map[string]any {
	var targets []map[string]any
	for i, query := range p.queries {
		target := map[string]any{"refId": string(rune('A' + i)), "expr": query.expr, "legendFormat": query.legend, "datasource": source}
		if p.kind == "heatmap" {
			target["format"] = "heatmap"
		}
		targets = append(targets, target)
	}
	return map[string]any{
		"id": id, "type": p.kind, "title": p.title, "description": p.description, "datasource": source, "gridPos": at, "targets": targets,
		"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit}, "overrides": []any{}},
	}
}

func variable(name, query string) map[string]any {
	return map[string]any{"name": name, "type": "query", "datasource": source, "query": query, "definition": query,
		"multi": true, "includeAll": true, "allValue": ".*", "refresh": 2, "current": map[string]any{"text": "All", "value": "$__all"}}
}

func annotations() (all []map[string]any) {
	for _, a := range []struct{ name, expr, colour string }{
		{"reloads", "changes(tandem_config_last_reload_success_timestamp_seconds[1m]) > 0", "blue"},
		{"restarts", "changes(tandem_start_time_seconds[1m]) > 0", "purple"},
		{"trunk down", "tandem_trunk_up == 0", "red"},
	} {
		all = append(all, map[string]any{"name": a.name, "datasource": source, "enable": true, "expr": a.expr, "iconColor": a.colour, "titleFormat": a.name})
	}
	return all
}
