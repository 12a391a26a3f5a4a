import { useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Ask, type Permission, permissions } from '../look/ask'
import { Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, Num, numeral, ReleaseLink, Time } from '../look/values'
import { type EvidenceChart, evidenceOf, type Pane, polyline } from '../model/evidence'
import { modelOf } from '../model/ladder'

type Rollout = Schemas['Rollout']
type Metric = { name: string; kind?: string; harm?: number | null; harm_line?: number | null; safe?: number | null; safe_line?: number | null; ratio?: number | null; at_least?: number | null; at_most?: number | null }
type Command = 'pause' | 'resume' | 'promote' | 'abort' | 'skip'
const COMMANDS: Command[] = ['pause', 'resume', 'abort', 'skip', 'promote']
const WITHOUT_EVIDENCE = new Set<Command>(['promote', 'skip'])

/** Does it harm, how sure, what next? */
export default function RolloutPage() {
  const { id = '' } = useRoute().params
  const fetched = useFetched(() => load(id), [id], (event) => /^(endpoint|change|rollout)\//.test(event.subject))
  const found = fetched.data
  return (
    <Page title={`${t('rollout')} ${id}`} shown={<>{t('rollout')} <Id>{id}</Id></>} lead={found && <><State word={found.rollout.state} /> · <Time at={found.rollout.since} /></>}
      actions={found && <Steering rollout={found.rollout} may={found.may} again={fetched.again} />}>
      <Panel fetched={fetched}>
        {({ rollout }) => (
          <>
            <p class="sentence">{sentence(rollout)}</p>
            <Chart rollout={rollout} />
            <Numbers rollout={rollout} />
            {rollout.notes.length > 0 && <ul class="notes">{rollout.notes.map((note) => <li dir="auto">{note}</li>)}</ul>}
            <Facts facts={[
              [t('endpoint'), <a href={`/endpoints/${rollout.endpoint}`}><Id>{rollout.endpoint}</Id></a>],
              [t('rollout.candidate'), <ReleaseLink model={modelOf(rollout.endpoint)} number={rollout.candidate} />],
              [t('rollout.stable'), <ReleaseLink model={modelOf(rollout.endpoint)} number={rollout.stable} />],
              [t('change'), <a href={`/changes/${rollout.change}`}><Id>{rollout.change}</Id></a>],
              [t('rollout.strategy'), t(`strategy.${rollout.strategy}`)],
              [t('location'), <Id>{rollout.location}</Id>],
            ]} />
          </>
        )}
      </Panel>
    </Page>
  )
}

async function load(id: string): Promise<{ rollout: Rollout; may: Permission[] }> {
  const rollout = await answer(api.GET('/api/v1/rollouts/{rollout_id}', { params: { path: { rollout_id: id } }, ...BACKGROUND }))
  const may = await permissions(['steer-rollout', 'override-rollout'], null, rollout.endpoint.split('/')[0] ?? null)
  return { rollout, may }
}

/** What is known, in a sentence. */
function sentence(rollout: Rollout): string {
  const values = {
    candidate: `@${rollout.candidate}`, stable: `@${rollout.stable}`, endpoint: rollout.endpoint, weight: numeral(rollout.weight / 100),
    n: rollout.requests.candidate ?? 0, harm: numeral(Math.max(0, rollout.harm), 3), line: numeral(rollout.harm_line ?? 0, 3), culprits: rollout.culprits.join(', '),
  }
  const stands = t(rollout.culprits.length ? 'rollout.because' : 'rollout.stands', values)
  const judged = rollout.harm_line === null ? t('rollout.unjudged') : t('rollout.harm', values)
  return `${stands} ${judged}${rollout.reason ? ` ${t('rollout.reason', { reason: rollout.reason })}` : ''}`
}

function Steering({ rollout, may: [steer, override], again }: { rollout: Rollout; may: Permission[]; again: () => void }) {
  const act = (command: Command) => (reason: string) =>
    answer(api.POST(`/api/v1/rollouts/{rollout_id}/${command}`, { params: { path: { rollout_id: rollout.id } }, body: { reason } }))
  return (
    <>
      {COMMANDS.filter((command) => rollout.allowed.includes(command)).map((command) => (
        <Ask label={t(`rollout.${command}`)} permission={WITHOUT_EVIDENCE.has(command) ? override : steer} done={again} act={act(command)} typed={WITHOUT_EVIDENCE.has(command) ? rollout.endpoint : undefined} />
      ))}
    </>
  )
}

const WIDTH = 900
const HEIGHT = 150

function Chart({ rollout }: { rollout: Rollout }) {
  const chart = evidenceOf(rollout)
  if (!chart) return null
  return (
    <figure class="chart" dir="ltr">
      <PaneOf pane={chart.harm} chart={chart} kind="harm" title={t('chart.harm')} line={t('chart.roll-back')} />
      {chart.safe.series.length > 0 && <PaneOf pane={chart.safe} chart={chart} kind="safe" title={t('chart.safe')} line={t('chart.promote')} />}
      <Weights chart={chart} />
      <figcaption class="faint">{t('chart.caption')} <Time at={chart.begin} /> … <Time at={chart.end} /></figcaption>
    </figure>
  )
}

function PaneOf({ pane, chart, kind, title, line }: { pane: Pane; chart: EvidenceChart; kind: string; title: string; line: string }) {
  const y = (value: number) => HEIGHT - (Math.min(value, pane.top) / pane.top) * HEIGHT
  const labelled = pane.series.filter((each) => each.name && (each.main || pane.series.length <= 5))
  const heights = spread(labelled.map((each) => y(each.points.at(-1)?.value ?? 0)))
  return (
    <svg class={`pane ${kind}`} viewBox={`-48 -24 ${WIDTH + 208} ${HEIGHT + 36}`} role="img" aria-label={`${title}: ${line} ${numeral(pane.line ?? 0, 3)}`}>
      <text x="0" y="-8" class="title">{title}</text>
      <rect class="frame" width={WIDTH} height={HEIGHT} />
      {[0, Math.round(pane.top / 2), Math.floor(pane.top)].filter((each, index, all) => all.indexOf(each) === index).map((each) => <text class="tick" x="-8" y={y(each) + 4}>{String(each)}</text>)}
      {pane.line !== null && <path class="limit" d={`M0 ${y(pane.line)}H${WIDTH}`} />}
      {pane.line !== null && <text class="limit-name" x="6" y={y(pane.line) - 5}>{line}</text>}
      {pane.series.map((each) => <polyline class={each.name ? (each.main ? 'culprit' : 'one') : 'all'} points={polyline(each.points, chart, pane.top, WIDTH, HEIGHT)} />)}
      {labelled.map((each, index) => <text class={each.main ? 'name culprit' : 'name'} x={WIDTH + 8} y={(heights[index] ?? 0) + 4}>{each.name}</text>)}
    </svg>
  )
}

function Weights({ chart }: { chart: EvidenceChart }) {
  const steps = chart.weights.flatMap(({ at, value }, index) => [{ at: index ? at : chart.begin, value: index ? (chart.weights[index - 1]?.value ?? value) : value }, { at, value }])
  return (
    <svg class="pane weight" viewBox={`-48 -24 ${WIDTH + 208} 72`} role="img" aria-label={t('chart.weight')}>
      <text x="0" y="-8" class="title">{t('chart.weight')}</text>
      <rect class="frame" width={WIDTH} height="40" />
      <text class="tick" x="-8" y="8">100%</text>
      <text class="tick" x="-8" y="40">0%</text>
      <polyline class="all" points={polyline(steps, chart, 1, WIDTH, 40)} />
    </svg>
  )
}

/** Heights of labels, moved apart so that none covers another. */
function spread(heights: number[]): number[] {
  const order = heights.map((height, index) => ({ height, index })).sort((one, other) => one.height - other.height)
  let last = -Infinity
  for (const each of order) last = each.height = Math.max(each.height, last + 13)
  const below = Math.max(0, last - HEIGHT)
  for (const each of order) each.height -= below
  return order.sort((one, other) => one.index - other.index).map((each) => each.height)
}

function Numbers({ rollout }: { rollout: Rollout }) {
  const of = (value: number | null | undefined, line: number | null | undefined) => value != null && line ? <bdi dir="ltr">{`${numeral(Math.max(0, value), 3)} / ${numeral(line, 3)}`}</bdi> : <span class="faint">–</span>
  const columns: Column<Metric>[] = [
    { head: t('rollout.metric'), cell: (metric) => <>{rollout.culprits.includes(metric.name) && <State word="failed" small />} <bdi>{metric.name}</bdi></> },
    { head: t('rollout.ratio'), end: true, cell: (metric) => <Num value={metric.ratio} digits={3} /> },
    { head: t('rollout.bounds'), cell: (metric) => (metric.at_least != null || metric.at_most != null) && <bdi dir="ltr">{`${metric.at_least == null ? '' : numeral(metric.at_least, 3)} … ${metric.at_most == null ? '' : numeral(metric.at_most, 3)}`}</bdi> },
    { head: t('chart.harm'), end: true, cell: (metric) => of(metric.harm, metric.harm_line) },
    { head: t('chart.safe'), end: true, cell: (metric) => of(metric.safe, metric.safe_line) },
    { head: t('rollout.kind'), cell: (metric) => tOr(`metric.${metric.kind}`, String(metric.kind ?? '')) },
  ]
  if (!rollout.metrics.length) return <p class="faint">{t('rollout.no-metrics')}</p>
  return <Table caption={t('rollout.metrics')} columns={columns} rows={rollout.metrics as Metric[]} id={(metric) => metric.name} />
}
