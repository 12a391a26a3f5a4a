import { useLocation } from 'preact-iso'
import { api, BACKGROUND, page, type Run } from '../api/client'
import { useFetched } from '../api/fetched'
import { Empty, Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { Pages } from '../look/pages'
import { type Column, Table } from '../look/table'
import { Id, Time, Took } from '../look/values'
import { withQuery } from '../model/query'

const STATES = ['queued', 'running', 'cancelling', 'succeeded', 'rejected', 'failed', 'cancelled'] as const
const SORTS = ['-created_at', 'created_at', 'project', 'state'] as const
const COLUMNS: (() => Column<Run>[]) = () => [
  { head: t('run.state'), cell: (run) => <State word={run.state} /> },
  { head: t('run.id'), cell: (run) => <a href={`/runs/${run.id}`}><Id>{run.id}</Id></a> },
  { head: t('run.project'), cell: (run) => <Id>{run.project}</Id> },
  { head: t('run.commit'), cell: (run) => <Id short={8}>{run.commit}</Id> },
  { head: t('run.trigger'), cell: (run) => tOr(`trigger.${run.trigger}`, run.trigger) },
  { head: t('run.result'), wide: true, cell: (run) => <Result run={run} /> },
  { head: t('run.started'), cell: (run) => <Time at={run.started_at ?? run.created_at} /> },
  { head: t('run.took'), end: true, cell: (run) => <Took from={run.started_at} to={run.ended_at} /> },
]

/** Did it work? */
export default function Runs() {
  const { query } = useLocation()
  const fetched = useFetched(() => page(api.GET('/api/v1/runs', { params: { query: asked(query) }, ...BACKGROUND })), [JSON.stringify(query)],
    (event) => event.subject.startsWith('run/') && event.kind !== 'step.log')
  return (
    <Page title={t('runs.title')} lead={t('runs.lead')}>
      <Filters />
      <Panel fetched={fetched}>
        {({ rows, next }) => (
          <>
            {rows.length ? (
              <Table caption={t('runs.title')} columns={COLUMNS()} rows={rows} id={(run) => run.id} />
            ) : (
              <Empty command="git push">{Object.keys(query).length ? t('runs.none') : t('runs.empty')}</Empty>
            )}
            <Pages query={query} next={next} path="/runs" />
          </>
        )}
      </Panel>
    </Page>
  )
}

function Filters() {
  const { query, path, route } = useLocation()
  const change = (changes: { [name: string]: string }) => route(withQuery(path, query, { ...changes, after: '' }))
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        {t('run.state')}
        <select value={query.state ?? ''} onChange={(event) => change({ state: event.currentTarget.value })}>
          <option value="">{t('any')}</option>
          {STATES.map((state) => <option value={state}>{t(`state.${state}`)}</option>)}
        </select>
      </label>
      {(['project', 'model', 'filter'] as const).map((name) => (
        <label class={name}>
          {t(`runs.${name}`)}
          <input name={name} value={query[name] ?? ''} dir="ltr" placeholder={name === 'filter' ? 'gate.brier < 0.2' : ''}
            onChange={(event) => change({ [name]: event.currentTarget.value.trim() })} />
        </label>
      ))}
      <label>
        {t('sort')}
        <select value={query.sort ?? '-created_at'} onChange={(event) => change({ sort: event.currentTarget.value })}>
          {SORTS.map((each) => <option value={each}>{t(`sort.${each}`)}</option>)}
        </select>
      </label>
    </form>
  )
}

function Result({ run }: { run: Run }) {
  if (run.release !== null && run.model) return <a href={`/models/${run.model}/releases/${run.release}`}><Id>{`${run.model}@${run.release}`}</Id></a>
  return <bdi class="faint">{run.reason}</bdi>
}

function asked(query: { [name: string]: string }) {
  const { project, model, filter, state, sort, after } = query
  const given = Object.entries({ project, model, filter, state, sort, after }).filter(([, value]) => value)
  return { ...Object.fromEntries(given), limit: 50 }
}
