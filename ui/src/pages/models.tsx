import { answer, api, BACKGROUND, page, type Schemas } from '../api/client'
import { type Environment, environments } from '../api/environments'
import { useFetched } from '../api/fetched'
import { Empty, Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Id, ReleaseLink, Time, Who } from '../look/values'
import { modelsOf, type ModelRow } from '../model/ladder'

type Shown = { rows: ModelRow[]; environments: Environment[] }

/** What do we have, is it well? */
export default function Models() {
  const fetched = useFetched(load, [], (event) => /^(release|endpoint|alert)\//.test(event.subject))
  return (
    <Page title={t('models.title')} lead={t('models.lead')}>
      <Panel fetched={fetched}>
        {({ rows, environments }) =>
          rows.length ? <Table caption={t('models.title')} columns={columnsOf(environments)} rows={rows} id={(row) => row.model} /> : <Empty command="git push">{t('models.empty')}</Empty>
        }
      </Panel>
    </Page>
  )
}

async function load(): Promise<Shown> {
  const [releases, endpoints, monitors, alerts, ordered] = await Promise.all([
    page(api.GET('/api/v1/releases', { params: { query: { limit: 200 } }, ...BACKGROUND })),
    page(api.GET('/api/v1/endpoints', { params: { query: { limit: 200 } }, ...BACKGROUND })),
    answer(api.GET('/api/v1/monitors', { params: { query: { limit: 200 } }, ...BACKGROUND })),
    answer(api.GET('/api/v1/alerts', { params: { query: { open: true, limit: 200 } }, ...BACKGROUND })),
    environments(),
  ])
  return { rows: modelsOf(releases.rows, endpoints.rows, monitors, alerts), environments: ordered }
}

function columnsOf(ordered: Environment[]): Column<ModelRow>[] {
  return [
    { head: t('model'), cell: (row) => <a href={`/models/${row.model}`}><Id>{row.model}</Id></a> },
    ...ordered.map(({ name }): Column<ModelRow> => ({ head: name, cell: (row) => <Serves endpoints={row.endpoints.filter((each) => each.endpoint.startsWith(`${name}/`))} /> })),
    { head: t('models.newest'), cell: (row) => row.newest && <><ReleaseLink model={row.model} number={row.newest.number} /> <State word={row.newest.state} /></> },
    { head: t('models.monitor'), cell: (row) => row.monitors.map((each) => <State word={each.status} />) },
    { head: t('models.alerts'), end: true, cell: (row) => (row.alerts.length ? <a href={`/alerts?open=true&model=${row.model}`}>{String(row.alerts.length)}</a> : '0') },
    { head: t('models.owner'), cell: (row) => row.newest && <Who id={String(row.newest.data.owner || row.newest.project)} /> },
    { head: t('models.since'), cell: (row) => row.newest && <Time at={row.newest.created_at} /> },
  ]
}

function Serves({ endpoints }: { endpoints: Schemas['Endpoint'][] }) {
  const numbers = [...new Set(endpoints.map((each) => `${each.release} ${each.state}`))]
  if (!numbers.length) return <span class="faint">–</span>
  return <>{numbers.map((each) => <span class="serves"><State word={each.split(' ')[1] ?? ''} small /> <Id>{`@${each.split(' ')[0]}`}</Id></span>)}</>
}
