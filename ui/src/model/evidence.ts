import type { Schemas } from '../api/client'

type Rollout = Schemas['Rollout']

/** A line of a chart: its points, and whether it is the one that explains the decision. */
export type Series = { name: string; points: { at: number; value: number }[]; main: boolean }
/** One pane of the chart: lines of evidence and the line at which something is decided. */
export type Pane = { series: Series[]; line: number | null; top: number }
export type EvidenceChart = { begin: number; end: number; harm: Pane; safe: Pane; weights: { at: number; value: number }[] }

type Point = { at: number; weight: number; harm?: number; metrics?: { [name: string]: [number | null, number | null] } }
type Metric = { name: string; kind?: string; harm_line?: number | null; safe_line?: number | null }

/** The evidence of a rollout in two panes: harm against "roll back", safe against "promote"; null before any. */
export function evidenceOf(rollout: Rollout): EvidenceChart | null {
  const points = rollout.trajectory as unknown as Point[]
  const metrics = rollout.metrics as unknown as Metric[]
  if (points.length < 2 || !metrics.length) return null
  const names = metrics.map((metric) => metric.name)
  const judging = metrics.filter((metric) => metric.kind !== 'distribution')
  const series = (side: 0 | 1) => names.map((name) => ({ name, main: rollout.culprits.includes(name), points: points.map((point) => ({ at: point.at, value: Math.max(0, point.metrics?.[name]?.[side] ?? 0) })) }))
  const all = { name: '', main: true, points: points.map((point) => ({ at: point.at, value: Math.max(0, point.harm ?? 0) })) }
  return {
    begin: points[0]?.at ?? 0,
    end: points.at(-1)?.at ?? 1,
    harm: pane([...series(0), all], rollout.harm_line ?? highest(judging.map((metric) => metric.harm_line))),
    safe: pane(series(1).filter(({ name }) => judging.some((metric) => metric.name === name)), highest(judging.map((metric) => metric.safe_line))),
    weights: points.map((point) => ({ at: point.at, value: point.weight / 10_000 })),
  }
}

function pane(series: Series[], line: number | null): Pane {
  const largest = Math.max(line ?? 0, ...series.flatMap((each) => each.points.map((point) => point.value)))
  return { series, line, top: Math.max(1, Math.min(largest, (line ?? largest) * 3)) * 1.15 }
}

function highest(lines: (number | null | undefined)[]): number | null {
  const known = lines.filter((line): line is number => typeof line === 'number')
  return known.length ? Math.max(...known) : null
}

/** The points of a line in a box, for an SVG polyline. */
export function polyline(points: { at: number; value: number }[], chart: { begin: number; end: number }, top: number, width: number, height: number): string {
  const span = Math.max(1e-9, chart.end - chart.begin)
  return points.map(({ at, value }) => `${(((at - chart.begin) / span) * width).toFixed(1)},${(height - (Math.min(value, top) / top) * height).toFixed(1)}`).join(' ')
}
