import { useEffect, useRef, useState } from 'preact/hooks'
import type { Schemas } from '../api/client'
import { type FeatureResult, type HeatRow, lossOf, linePath, scaleOf, shade, STEPS } from './heat-cells'
import { moment } from '../model/times'
import { language, now, t, zone } from '../look/preferences'
import { numeral } from '../look/values'

type Window = Schemas['DriftWindow']
type Loss = Schemas['PerformanceWindow']
type HeatProps = { windows: Window[]; rows: HeatRow[]; alerts: number[]; chosen: number; choose: (number: number) => void }

const LEFT = 190
const WIDTH = 770
const ROW = 24
const HEAD = 34
const LOSS = 130

const columnOf = (count: number) => Math.min(64, WIDTH / count)
/** A moment that keeps its own direction inside a picture that reads from left to right. */
const when = (at: number) => isolated(moment(at, now.value, language.value, zone.value))
const isolated = (text: string) => `\u2068${text}\u2069`

/** Features by windows: fill is effect, a dot is a discovery, a ring is drifting; arrow keys walk, Enter chooses a window. */
export function HeatMap({ windows, rows, alerts, chosen, choose }: HeatProps) {
  const grid = useRef<SVGSVGElement>(null)
  const [[row, column], move] = useState([0, windows.length - 1])
  const [walked, walk] = useState(false)
  useEffect(() => {
    if (walked) grid.current?.querySelector<SVGGElement>('[tabindex="0"]')?.focus()
  }, [row, column, walked])
  const width = columnOf(windows.length)
  const press = (event: KeyboardEvent) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -column], End: [0, windows.length] }[event.key]
    if (event.key === 'Enter') choose(windows[column]?.number ?? 0)
    else if (step) {
      walk(true)
      move([within(row + (step[0] ?? 0), rows.length), within(column + (step[1] ?? 0), windows.length)])
      event.preventDefault()
    }
  }
  return (
    <svg ref={grid} class="heat" direction="ltr" role="grid" aria-label={t('heat.label')} viewBox={`0 0 ${LEFT + WIDTH} ${HEAD + rows.length * ROW}`} onKeyDown={press}>
      <Marks windows={windows} alerts={alerts} width={width} height={rows.length * ROW} />
      {rows.map((each, y) => (
        <g role="row" transform={`translate(0 ${HEAD + y * ROW})`}>
          <text role="rowheader" x={LEFT - 10} y={ROW / 2 + 4} class="name"><title>{each.feature}</title>{cut(each.feature)}</text>
          {each.cells.map((cell, x) => (
            <g role="gridcell" transform={`translate(${LEFT + x * width} 0)`} tabindex={y === row && x === column ? 0 : -1}
              class={`cell ${cell && cell.verdict !== 'not_tested' ? `e${shade(cell.effect)}` : 'none'} ${windows[x]?.number === chosen ? 'chosen' : ''}`}
              aria-label={spoken(each.feature, cell, windows[x])} onClick={() => choose(windows[x]?.number ?? 0)}>
              <title>{spoken(each.feature, cell, windows[x])}</title>
              <rect x="0.5" y="0.5" width={width - 1} height={ROW - 1} />
              {cell?.drifting && <circle class="ring" cx={width / 2} cy={ROW / 2} r={Math.min(7.5, width / 2 - 1.5)} />}
              {cell?.verdict === 'drifted' && <circle class="dot" cx={width / 2} cy={ROW / 2} r={Math.min(3, width / 4)} />}
            </g>
          ))}
        </g>
      ))}
    </svg>
  )
}

/** Releases and alerts above the windows in which they begin. */
function Marks({ windows, alerts, width, height }: { windows: Window[]; alerts: number[]; width: number; height: number }) {
  const raised = windows.map((window, at) => alerts.some((alert) => alert > (windows[at - 1]?.end ?? -Infinity) && alert <= window.end))
  return (
    <g class="marks" aria-hidden="true">
      {windows.map((window, at) => (
        <>
          {window.release !== windows[at - 1]?.release && <path class="release" d={`M${LEFT + at * width} 4V${HEAD + height}`} />}
          {window.release !== windows[at - 1]?.release && <text x={LEFT + at * width + 5} y="14">{isolated(t('heat.release', { release: window.release }))}</text>}
          {raised[at] && <path class="alert" d={`M${LEFT + (at + 0.5) * width} ${HEAD - 13}l6 10.5h-12z`} />}
        </>
      ))}
    </g>
  )
}

/** What the marks of the picture mean. */
export function HeatLegend() {
  return (
    <ul class="legend">
      {[0, ...STEPS].map((step, at) => (
        <li><svg class="heat" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><g class={`cell e${at}`}><rect width="16" height="16" /></g></svg> <bdi dir="ltr">{at === 0 ? `< ${numeral(STEPS[0])}` : `≥ ${numeral(step)}`}</bdi></li>
      ))}
      <li><svg class="heat" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><circle class="dot" cx="8" cy="8" r="3" /></svg> {t('heat.discovery')}</li>
      <li><svg class="heat" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><circle class="ring" cx="8" cy="8" r="6.5" /></svg> {t('heat.drifting')}</li>
      <li><svg class="heat" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><g class="cell none"><rect x="1" y="1" width="14" height="14" /></g></svg> {t('heat.not-tested')}</li>
      <li><svg class="heat" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path class="alert" d="M8 2l6 11H2z" /></svg> {t('heat.alert')}</li>
    </ul>
  )
}

/** The loss of each window with its interval and what was expected, on the axis of the heat map. */
export function LossChart({ windows, losses }: { windows: Window[]; losses: Loss[] }) {
  const shown = lossOf(windows, losses)
  const values = shown.flatMap((each) => [each?.value, each?.low, each?.high, each?.expected].filter((value): value is number => typeof value === 'number'))
  if (!values.length) return <p class="faint">{t('heat.no-loss')}</p>
  const width = columnOf(windows.length)
  const scale = scaleOf(values, LOSS - 24, 10)
  const middle = (at: number) => LEFT + (at + 0.5) * width
  const points = (of: (loss: Loss) => number | null) => shown.map((each, at) => {
    const value = each && of(each)
    return value == null ? undefined : ([middle(at), scale.at(value)] as const)
  })
  const end = LEFT + windows.length * width
  return (
    <svg class="heat loss" direction="ltr" role="img" aria-label={t('heat.loss-label', { metric: shown.find(Boolean)?.metric ?? '' })} viewBox={`0 0 ${LEFT + WIDTH} ${LOSS}`}>
      <rect class="frame" x={LEFT} y="10" width={end - LEFT} height={LOSS - 34} />
      <text class="name" x={LEFT - 10} y={scale.at(scale.high) + 10}>{numeral(scale.high, 3)}</text>
      <text class="name" x={LEFT - 10} y={scale.at(scale.low)}>{numeral(scale.low, 3)}</text>
      <text class="name metric" x={LEFT - 10} y={(LOSS - 14) / 2 + 4}>{shown.find(Boolean)?.metric}</text>
      <path class="expected" d={linePath(points((each) => each.expected))} />
      {shown.map((each, at) => each?.low != null && each.high != null && <path class="interval" d={`M${middle(at)} ${scale.at(each.low)}V${scale.at(each.high)}`} />)}
      <path class="value" d={linePath(points((each) => each.value))} />
      {points((each) => each.value).map((point) => point && <circle class="point" cx={point[0]} cy={point[1]} r="3" />)}
      <text x={LEFT} y={LOSS - 6}>{when(windows[0]?.start ?? 0)}</text>
      <text class="name" x={Math.max(end, LEFT + 360)} y={LOSS - 6}>{`${when(windows.at(-1)?.end ?? 0)} ${zone.value}`}</text>
    </svg>
  )
}

function spoken(feature: string, cell: FeatureResult | undefined, window: Window | undefined): string {
  const place = `${feature}, ${when(window?.end ?? 0)}`
  if (!cell || cell.verdict === 'not_tested') return `${place}: ${t('heat.not-tested')}`
  const marks = [cell.verdict === 'drifted' && t('heat.discovery'), cell.drifting && t('heat.drifting')].filter(Boolean)
  return [`${place}: ${t('heat.effect')} ${numeral(cell.effect, 3)}`, ...marks].join(', ')
}

function within(place: number, count: number): number {
  return Math.min(count - 1, Math.max(0, place))
}

function cut(name: string): string {
  return name.length <= 26 ? name : `${name.slice(0, 25)}…`
}
