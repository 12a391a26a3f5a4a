import { answer, api, BACKGROUND, page, type Run, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { Table } from '../look/table'
import { State } from '../look/state'
import { Id, Time } from '../look/values'
import { alertColumns } from './alerts'
import { changeColumns } from './changes'

type Rollout = Schemas['Rollout']
const DAY_S = 86_400

/** What waits for me? */
export default function Inbox() {
  const changes = useFetched(waitingChanges, [], (event) => event.subject.startsWith('change/'))
  const rollouts = useFetched(stoppedRollouts, [], (event) => /^(endpoint|rollout|change)\//.test(event.subject))
  const gates = useFetched(() => page(api.GET('/api/v1/gates', { params: { query: { state: 'proposed' } }, ...BACKGROUND })), [])
  const alerts = useFetched(() => page(api.GET('/api/v1/alerts', { params: { query: { state: 'open' } }, ...BACKGROUND })), [], (event) => event.subject.startsWith('alert/'))
  const runs = useFetched(failedRuns, [], (event) => event.subject.startsWith('run/') && event.kind === 'run.ended')
  const all = [changes.data?.length, rollouts.data?.length, gates.data?.rows.length, alerts.data?.rows.length, runs.data?.length]
  const nothing = all.every((count) => count === 0)
  return (
    <Page title={t('inbox.title')} lead={t('inbox.lead')}>
      {nothing && <p class="sentence">{t('inbox.nothing')}</p>}
      <Part title={t('inbox.changes')} fetched={changes}>{(rows) => <Table caption={t('inbox.changes')} columns={changeColumns()} rows={rows} id={(change) => change.id} />}</Part>
      <Part title={t('inbox.rollouts')} fetched={rollouts}>{(rows) => <Table caption={t('inbox.rollouts')} columns={rolloutColumns()} rows={rows} id={(rollout) => rollout.id} />}</Part>
      <Part title={t('inbox.gates')} fetched={{ ...gates, data: gates.data?.rows }}>{(rows) => <Table caption={t('inbox.gates')} columns={gateColumns()} rows={rows} id={(gate) => gate.id} />}</Part>
      <Part title={t('inbox.alerts')} fetched={{ ...alerts, data: alerts.data?.rows }}>{(rows) => <Table caption={t('inbox.alerts')} columns={alertColumns()} rows={rows} id={(alert) => alert.id} />}</Part>
      <Part title={t('inbox.runs')} fetched={runs}>{(rows) => <Table caption={t('inbox.runs')} columns={runColumns()} rows={rows} id={(run) => run.id} />}</Part>
    </Page>
  )
}

type PartProps<T> = { title: string; fetched: ReturnType<typeof useFetched<T[]>>; children: (rows: T[]) => preact.ComponentChildren }

/** A part of the inbox; one in which nothing waits is not shown. */
function Part<T>({ title, fetched, children }: PartProps<T>) {
  if (fetched.data?.length === 0 && !fetched.problem) return null
  return <Panel title={title} fetched={fetched}>{children}</Panel>
}

async function waitingChanges(): Promise<Schemas['Change'][]> {
  const rows = await answer(api.GET('/api/v1/changes', { params: { query: { open: true } }, ...BACKGROUND }))
  return rows.filter((change) => ['requested', 'awaiting_approval', 'review_due'].includes(change.state))
}

async function stoppedRollouts(): Promise<Rollout[]> {
  const rows = await answer(api.GET('/api/v1/rollouts', { params: { query: { limit: 50 } }, ...BACKGROUND }))
  return rows.filter((rollout) => ['paused', 'inconclusive'].includes(rollout.state))
}

async function failedRuns(): Promise<Run[]> {
  const states = ['failed', 'rejected'] as const
  const found = await Promise.all(states.map((state) => answer(api.GET('/api/v1/runs', { params: { query: { state, limit: 10 } }, ...BACKGROUND }))))
  const since = Date.now() / 1000 - 7 * DAY_S
  return found.flat().filter((run) => (run.ended_at ?? run.created_at) > since).sort((one, other) => other.created_at - one.created_at).slice(0, 10)
}

function rolloutColumns() {
  return [
    { head: t('run.state'), cell: (rollout: Rollout) => <State word={rollout.state} /> },
    { head: t('rollout'), cell: (rollout: Rollout) => <a href={`/rollouts/${rollout.id}`}><Id>{rollout.id}</Id></a> },
    { head: t('endpoint'), cell: (rollout: Rollout) => <Id>{rollout.endpoint}</Id> },
    { head: t('reason'), wide: true, cell: (rollout: Rollout) => <bdi class="faint">{rollout.reason}</bdi> },
    { head: t('rollout.since'), cell: (rollout: Rollout) => <Time at={rollout.since} /> },
  ]
}

function gateColumns() {
  type Gate = Schemas['RegressionGate']
  return [
    { head: t('run.state'), cell: (gate: Gate) => <State word={gate.state} /> },
    { head: t('gate'), cell: (gate: Gate) => <Id>{gate.id}</Id> },
    { head: t('model'), cell: (gate: Gate) => <a href={`/models/${gate.model}`}><Id>{gate.model}</Id></a> },
    { head: t('gate.predicate'), wide: true, cell: (gate: Gate) => <Id>{gate.predicate}</Id> },
    { head: t('inbox.decide'), cell: (gate: Gate) => <code dir="ltr">{`falaj release gate accept ${gate.id}`}</code> },
    { head: t('release.created'), cell: (gate: Gate) => <Time at={gate.created_at} /> },
  ]
}

function runColumns() {
  return [
    { head: t('run.state'), cell: (run: Run) => <State word={run.state} /> },
    { head: t('run.id'), cell: (run: Run) => <a href={`/runs/${run.id}`}><Id>{run.id}</Id></a> },
    { head: t('run.project'), cell: (run: Run) => <Id>{run.project}</Id> },
    { head: t('reason'), wide: true, cell: (run: Run) => <bdi class="faint">{run.reason}</bdi> },
    { head: t('run.started'), cell: (run: Run) => <Time at={run.started_at} /> },
  ]
}
