import { api, BACKGROUND, page, type Run } from '../api/client'
import { asked, Listing, stateOptions } from '../look/listing'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, ReleaseLink, Time, Took } from '../look/values'

const STATES = ['queued', 'running', 'cancelling', 'succeeded', 'rejected', 'failed', 'cancelled'] as const
const SORTS = ['', 'created_at', 'project', 'state'] as const

/** Did it work? */
export default function Runs() {
  const columns: Column<Run>[] = [
    { head: t('run.state'), cell: (run) => <State word={run.state} /> },
    { head: t('run.id'), cell: (run) => <a href={`/runs/${run.id}`}><Id>{run.id}</Id></a> },
    { head: t('run.project'), cell: (run) => <Id>{run.project}</Id> },
    { head: t('run.commit'), cell: (run) => <Id short={8}>{run.commit}</Id> },
    { head: t('run.trigger'), cell: (run) => tOr(`trigger.${run.trigger}`, run.trigger) },
    { head: t('run.result'), wide: true, cell: (run) => <Result run={run} /> },
    { head: t('run.started'), cell: (run) => <Time at={run.started_at ?? run.created_at} /> },
    { head: t('run.took'), end: true, cell: (run) => <Took from={run.started_at} to={run.ended_at} /> },
  ]
  return (
    <Listing
      title={t('runs.title')} lead={t('runs.lead')} empty={t('runs.empty')} command="git push" columns={columns} id={(run) => run.id}
      filters={[
        { name: 'state', label: t('run.state'), options: stateOptions(STATES) },
        { name: 'project', label: t('run.project') },
        { name: 'model', label: t('model') },
        { name: 'filter', label: t('runs.filter'), example: 'gate.brier < 0.2' },
        { name: 'sort', label: t('sort'), options: SORTS.map((each) => [each, t(`sort.${each || '-created_at'}`)]) },
      ]}
      load={(query) => page(api.GET('/api/v1/runs', { params: { query: asked(query, ['state', 'project', 'model', 'filter', 'sort']) }, ...BACKGROUND }))}
      concerns={(event) => event.subject.startsWith('run/') && event.kind !== 'step.log'}
    />
  )
}

function Result({ run }: { run: Run }) {
  if (run.release !== null && run.model) return <ReleaseLink model={run.model} number={run.release} />
  return <bdi class="faint">{run.reason}</bdi>
}
