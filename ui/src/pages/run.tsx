import { useLocation, useRoute } from 'preact-iso'
import { useState } from 'preact/hooks'
import { answer, api, BACKGROUND, logLines, type Run, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, numeral, ReleaseLink, Time, Took } from '../look/values'
import { pieces } from '../model/ansi'
import { withQuery } from '../model/query'
import { firstFailure, headline, outcome } from '../model/run'

type Step = Schemas['StepRun']
const WINDOW = 200

/** Did it work, where did it break? */
export default function RunPage() {
  const { id = '' } = useRoute().params
  const { query } = useLocation()
  const fetched = useFetched(() => answer(api.GET('/api/v1/runs/{run_id}', { params: { path: { run_id: id } }, ...BACKGROUND })), [id],
    (event) => event.subject === `run/${id}` && event.kind !== 'step.log')
  const run = fetched.data
  return (
    <Page title={`${t('run.title')} ${id}`} shown={<>{t('run.title')} <Id>{id}</Id></>} lead={run && <Lead run={run} />}>
      {run && <WhyItFailed run={run} />}
      <Panel title={t('run.steps')} fetched={fetched}>
        {(run) => <Steps run={run} chosen={chosen(run, query.node)?.node ?? ''} />}
      </Panel>
      {run && <LogOf run={run} step={chosen(run, query.node)} />}
      {run && <FactsOf run={run} />}
    </Page>
  )
}

function chosen(run: Run, node: string | undefined): Step | undefined {
  return run.steps?.find((step) => step.node === node) ?? firstFailure(run) ?? run.steps?.find((step) => step.state === 'running') ?? run.steps?.findLast((step) => step.kind === 'step') ?? run.steps?.[0]
}

function Lead({ run }: { run: Run }) {
  return (
    <>
      <State word={run.state} /> <Id>{run.project}</Id> · <Id short={12}>{run.commit}</Id> · {tOr(`trigger.${run.trigger}`, run.trigger)} ·{' '}
      <Time at={run.started_at ?? run.created_at} /> · <Took from={run.started_at} to={run.ended_at} />
    </>
  )
}

function WhyItFailed({ run }: { run: Run }) {
  const failed = firstFailure(run)
  if (!failed && !run.reason) return null
  const { message, where, hint } = headline(failed)
  return (
    <section class={`why ${run.state === 'succeeded' ? 'ok' : 'bad'}`} aria-label={t('run.why')}>
      <h2>{failed ? t('run.failed-at', { kind: t(`kind.${failed.kind}`), node: failed.node }) : t('run.why')}</h2>
      <p dir="auto">{message || run.reason}</p>
      {where && <p>{t('problem.where')} <Id>{where}</Id></p>}
      {hint && <p>{t('problem.fix')} <bdi>{hint}</bdi></p>}
    </section>
  )
}

function Steps({ run, chosen: node }: { run: Run; chosen: string }) {
  const { path, query } = useLocation()
  const begin = Math.min(...(run.steps ?? []).flatMap((step) => step.started_at ?? []))
  const end = Math.max(...(run.steps ?? []).flatMap((step) => step.ended_at ?? step.started_at ?? []), begin + 0.001)
  const columns: Column<Step>[] = [
    { head: t('run.state'), cell: (step) => <State word={step.state} /> },
    { head: t('run.step'), cell: (step) => <a href={withQuery(path, query, { node: step.node, line: '' })}><Id>{step.node}</Id></a> },
    { head: t('run.kind'), cell: (step) => t(`kind.${step.kind}`) },
    { head: t('run.outcome'), wide: true, cell: (step) => <bdi>{outcome(step, numeral)}</bdi> },
    { head: t('run.time'), cell: (step) => <Bar step={step} begin={begin} end={end} /> },
    { head: t('run.took'), end: true, cell: (step) => <Took from={step.started_at} to={step.ended_at ?? (run.ended_at || null)} /> },
  ]
  return <Table caption={t('run.steps')} columns={columns} rows={run.steps ?? []} id={(step) => step.node} current={node} />
}

/** When a step ran, on the axis of the run; time runs from left to right in every language. */
function Bar({ step, begin, end }: { step: Step; begin: number; end: number }) {
  if (step.started_at === null || step.started_at === undefined) return null
  const scale = 100 / (end - begin)
  const left = (step.started_at - begin) * scale
  const width = Math.max(1.5, ((step.ended_at ?? end) - step.started_at) * scale)
  return (
    <svg class={`bar ${step.state}`} viewBox="0 0 100 8" preserveAspectRatio="none" width="120" height="8" aria-hidden="true">
      <rect class="track" width="100" height="8" />
      <rect class="part" x={Math.min(left, 98.5)} width={width} height="8" />
    </svg>
  )
}

function LogOf({ run, step }: { run: Run; step: Step | undefined }) {
  const { query } = useLocation()
  const node = step?.node ?? ''
  const wanted = Number(query.line ?? 0)
  const [first, setFirst] = useState<number>()
  const fetched = useFetched(() => around(run.id, node, first ?? wanted), [run.id, node, first, wanted],
    (event) => event.subject === `run/${run.id}` && event.kind.startsWith('step.'))
  if (!step || step.kind === 'gate') return null
  return (
    <Panel title={t('log.title', { node })} fetched={fetched} aside={<a href={`/api/v1/runs/${run.id}/logs/${node}`} download={`${run.id}-${node}.log`}>{t('log.download')}</a>}>
      {(log) => (log.count ? <Log log={log} line={wanted || log.error} show={setFirst} /> : <p class="faint">{t('log.empty')}</p>)}
    </Panel>
  )
}

type Lines = Awaited<ReturnType<typeof logLines>>

/** The lines around one; around the first error where none is named. */
async function around(run: string, node: string, line: number): Promise<Lines> {
  if (!node) return { first: 1, lines: [], count: 0, error: 0 }
  const first = Math.max(1, line - 20)
  const log = await logLines(run, node, first, WINDOW)
  return line === 0 && log.error > WINDOW ? logLines(run, node, log.error - 20, WINDOW) : log
}

function Log({ log, line, show }: { log: Lines; line: number; show: (line: number) => void }) {
  const { path, query } = useLocation()
  const last = log.first + log.lines.length - 1
  return (
    <div class="log">
      <p class="log-head">
        <span>{t('log.range', { first: log.first, last, n: log.count })}</span>
        {log.error > 0 && <a class="bad" href={withQuery(path, query, { line: String(log.error) })}>{t('log.error', { line: log.error })}</a>}
        {log.first > 1 && <button type="button" onClick={() => show(Math.max(1, log.first - WINDOW + 20))}>{t('log.earlier')}</button>}
        {last < log.count && <button type="button" onClick={() => show(last + 20)}>{t('log.later')}</button>}
        {last < log.count && <button type="button" onClick={() => show(Math.max(1, log.count - WINDOW + 20))}>{t('log.end')}</button>}
      </p>
      <ol dir="ltr" tabIndex={0} aria-label={t('log.lines')}>
        {log.lines.map((text, index) => (
          <Line number={log.first + index} text={text} marked={log.first + index === line} href={withQuery(path, query, { line: String(log.first + index) })} />
        ))}
      </ol>
    </div>
  )
}

function Line({ number, text, marked, href }: { number: number; text: string; marked: boolean; href: string }) {
  return (
    <li class={marked ? 'marked' : ''} id={`L${number}`} ref={marked ? uncover : undefined}>
      <a href={href} aria-label={t('log.line', { n: number })}>{String(number)}</a>
      <code>{pieces(text).map((piece) => (piece.look ? <span class={piece.look}>{piece.text}</span> : piece.text))}</code>
    </li>
  )
}

/** Scroll the list to a line, and nothing else of the page. */
function uncover(line: HTMLLIElement | null): void {
  const list = line?.parentElement
  if (line && list) list.scrollTop = line.offsetTop - list.offsetTop - list.clientHeight / 2
}

function FactsOf({ run }: { run: Run }) {
  return (
    <section class="panel">
      <h2>{t('facts')}</h2>
      <Facts facts={[
        [t('run.commit'), <Id>{run.commit}</Id>],
        [t('run.ref'), run.ref && <Id>{run.ref}</Id>],
        [t('run.result'), run.release !== null && run.model && <ReleaseLink model={run.model} number={run.release} />],
        [t('run.mlflow'), run.mlflow_run && <Id>{run.mlflow_run}</Id>],
      ]} />
    </section>
  )
}
