import { useLocation } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { levelsOf } from '../charts/levels'
import { Empty, Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { type Column, Table } from '../look/table'
import { Id } from '../look/values'
import '../charts/charts.css'
import { withQuery } from '../model/query'

type Walk = Schemas['LineageWalk']
type Row = ReturnType<typeof levelsOf>[number]
const LIMIT = 300

/** Where from, what did it reach? */
export default function Lineage() {
  const { query, path, route } = useLocation()
  const node = query.node ?? ''
  return (
    <Page title={`${t('lineage.title')} ${node}`} shown={<>{t('lineage.title')} {node && <Id>{node}</Id>}</>} lead={t('lineage.lead')}>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="filter">{t('lineage.node')}<input name="node" dir="ltr" value={node} placeholder="release:flight-delay@3" onChange={(event) => route(withQuery(path, query, { node: event.currentTarget.value.trim() }))} /></label>
      </form>
      {node ? <Walks node={node} /> : <Empty>{t('lineage.empty')}</Empty>}
      {node.startsWith('artifact:') && <Labels node={node} />}
    </Page>
  )
}

function Walks({ node }: { node: string }) {
  const up = useFetched(() => walk(node, 'up'), [node])
  const down = useFetched(() => walk(node, 'down'), [node])
  return (
    <>
      <Panel title={t('lineage.origins')} fetched={up}>{(found) => <Levels walk={found} upward />}</Panel>
      <Panel title={t('lineage.reached')} fetched={down}>{(found) => <Levels walk={found} upward={false} />}</Panel>
    </>
  )
}

function walk(node: string, direction: 'up' | 'down'): Promise<Walk> {
  return answer(api.GET('/api/v1/lineage', { params: { query: { node, direction, limit: LIMIT } }, ...BACKGROUND }))
}

/** What is reached, by distance; the nearest first. */
function Levels({ walk: found, upward }: { walk: Walk; upward: boolean }) {
  const columns: Column<Row>[] = [
    { head: t('lineage.distance'), end: true, cell: (row) => <bdi>{String(row.distance)}</bdi> },
    { head: t('lineage.thing'), cell: (row) => <a href={`/lineage?node=${encodeURIComponent(row.node)}`}><Id short={72}>{row.node}</Id></a> },
    { head: t('lineage.relation'), cell: (row) => tOr(`relation.${row.relation}`, row.relation) },
    { head: t('lineage.of'), cell: (row) => <Id short={48}>{row.of}</Id> },
    { head: t('lineage.page'), cell: (row) => <PageOf node={row.node} /> },
  ]
  const title = upward ? t('lineage.origins') : t('lineage.reached')
  if (!found.edges.length) return <p class="faint">{upward ? t('lineage.no-origin') : t('lineage.nothing')}</p>
  return (
    <>
      <Table caption={title} columns={columns} rows={levelsOf(found, upward)} id={(row) => `${row.node} ${row.relation} ${row.of}`} />
      {!found.complete && <p class="faint">{t('lineage.more', { n: LIMIT })}</p>}
    </>
  )
}

/** What the data is, and the laws that it is under. */
function Labels({ node }: { node: string }) {
  const labels = useFetched(() => answer(api.GET('/api/v1/privacy/labels', { params: { query: { node } }, ...BACKGROUND })), [node])
  return (
    <Panel title={t('lineage.labels')} fetched={labels}>
      {(rows) => (rows.length ? <pre dir="ltr" tabIndex={0}>{JSON.stringify(rows, null, 2)}</pre> : <p class="faint">{t('lineage.no-labels')}</p>)}
    </Panel>
  )
}

/** A link to the page of a thing, where it has one. */
function PageOf({ node }: { node: string }) {
  const [kind = '', name = ''] = [node.slice(0, node.indexOf(':')), node.slice(node.indexOf(':') + 1)]
  const [model, number] = name.split('@')
  const [run, step] = name.split('/')
  const address = { run: `/runs/${name}`, step: `/runs/${run}?node=${step}`, release: `/models/${model}/releases/${number}`, alert: `/alerts/${name}` }[kind]
  return address ? <a href={address}>{t('lineage.open')}</a> : <span class="faint">–</span>
}
