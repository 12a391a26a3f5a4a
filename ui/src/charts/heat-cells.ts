import type { Schemas } from '../api/client'

type Window = Schemas['DriftWindow']
type Loss = Schemas['PerformanceWindow']

/** What monitors found of one feature in one window. */
export type FeatureResult = { feature: string; verdict: string; effect: number; evidence: number; drifting: boolean; leading: string | null; reason: string }
export type HeatRow = { feature: string; cells: (FeatureResult | undefined)[] }
export type Sort = 'evidence' | 'effect' | 'name'

/** Effects, about in standard deviations, at which the next darker fill begins. */
export const STEPS = [0.1, 0.2, 0.4, 0.8] as const

/** What a window found of each feature. */
export function featuresOf(window: Window): FeatureResult[] {
  const features = (window.report as { features?: unknown }).features
  return Array.isArray(features) ? (features as FeatureResult[]) : []
}

/** A row for each feature with a cell for each window, those with most to see first. */
export function heatRows(windows: Window[], sort: Sort): HeatRow[] {
  const found = windows.map((window) => new Map(featuresOf(window).map((each) => [each.feature, each])))
  const names = [...new Set(found.flatMap((each) => [...each.keys()]))]
  const rows = names.map((feature) => ({ feature, cells: found.map((each) => each.get(feature)) }))
  const byName = (one: HeatRow, other: HeatRow) => (one.feature < other.feature ? -1 : 1)
  return rows.sort((one, other) => (sort === 'name' ? 0 : weight(other, sort) - weight(one, sort)) || byName(one, other))
}

/** The step of the fill of an effect. */
export function shade(effect: number): number {
  return STEPS.filter((step) => effect >= step).length
}

/** The last evidence of a feature, or its largest effect. */
function weight(row: HeatRow, sort: Sort): number {
  const tested = row.cells.filter((cell) => cell !== undefined)
  return sort === 'evidence' ? (tested.at(-1)?.evidence ?? 0) : Math.max(0, ...tested.map((cell) => cell.effect))
}

/** Losses by window, each under the window of drift that it is of. */
export function lossOf(windows: Window[], losses: Loss[]): (Loss | undefined)[] {
  const place = (each: Window | Loss) => `${each.location} ${each.release} ${each.number}`
  const byPlace = new Map(losses.map((each) => [place(each), each]))
  return windows.map((window) => byPlace.get(place(window)))
}

/** A line through what is there, from left to right; it breaks where nothing is. */
export function linePath(points: (readonly [x: number, y: number] | undefined)[]): string {
  return points.map((point, at) => (point ? `${points[at - 1] ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}` : '')).join('')
}

/** Places of a scale from the least to the most value, with some air. */
export function scaleOf(values: number[], bottom: number, top: number): { low: number; high: number; at: (value: number) => number } {
  const least = Math.min(...values)
  const most = Math.max(...values)
  const air = (most - least || Math.abs(most) || 1) * 0.12
  const [low, high] = [least - air, most + air]
  return { low, high, at: (value) => bottom + ((value - low) / (high - low)) * (top - bottom) }
}
